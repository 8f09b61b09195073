"""When a signal may stop a run: at once while it reads, after the row under way while it writes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tap_qonto.api.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stop:
    """Whether a signal has asked the run to stop."""

    def __init__(self) -> None:
        self.signum: int | None = None
        """Number of the first signal."""
        self._finishing = False
        self._asked = threading.Event()

    def ask(self, signum: int) -> None:
        """Ask the run to stop; called by the handler of the signal.

        Raises:
            StoppedError: If it may stop at once.
        """
        self.signum = self.signum or signum
        self._asked.set()
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
        """Wait for so many seconds; return at once, and True, if the run was asked to stop."""
        return self._asked.wait(max(0.0, seconds))

    def check(self) -> None:
        """Stop if that was asked for in the meantime.

        Raises:
            StoppedError: Then.
        """
        if self.signum is not None:
            raise StoppedError(self.signum)
