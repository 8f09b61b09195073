"""When a signal may stop a run: at once while it reads, after the row under way while it writes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tap_qonto.api.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SLICE = 0.2
"""Seconds after which a pause looks whether it has been asked to end."""


class Stop:
    """Whether a signal has asked the run to stop.

    Args:
        sleep: Waits for a number of seconds.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.signum: int | None = None
        """Number of the first signal."""
        self._finishing = False
        self._sleep = sleep

    def ask(self, signum: int) -> None:
        """Ask the run to stop; called by the handler of the signal.

        Raises:
            StoppedError: If it may stop at once.
        """
        self.signum = self.signum or signum
        if not self._finishing:
            raise StoppedError(self.signum)

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Let what is inside end, whatever signal comes."""
        self._finishing = True
        try:
            yield
        finally:
            self._finishing = False

    def pause(self, seconds: float) -> bool:
        """Wait for so many seconds; return soon, and True, if the run was asked to stop."""
        while seconds > 0 and self.signum is None:
            self._sleep(min(seconds, _SLICE))
            seconds -= _SLICE
        return self.signum is not None

    def check(self) -> None:
        """Stop if that was asked for in the meantime.

        Raises:
            StoppedError: Then.
        """
        if self.signum is not None:
            raise StoppedError(self.signum)
