"""What a run takes from the machine that it runs on, handed in so that a test can choose it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


def exit_at_once(code: int) -> NoReturn:
    """End the process without waiting for requests that nobody needs any more."""
    logging.shutdown()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A clock, patience, and limits that no server sets."""

    clock: Callable[[], float] = time.time
    """Returns seconds since the epoch."""
    stopwatch: Callable[[], float] = time.monotonic
    """Returns seconds that only ever grow; its zero means nothing."""
    sleep: Callable[[float], None] = time.sleep
    """Waits for a number of seconds."""
    exit: Callable[[int], NoReturn] = exit_at_once
    """Ends the process with an exit code."""
    tries: int = 6
    """How often one request is sent in all before it is given up."""
    ceiling: int = 10_000
    """Rows that Qonto lists for one query; a query that matches more is refused beyond them."""
    report_every: float = 5.0
    """Seconds between two lines of the log about one stream's progress."""
