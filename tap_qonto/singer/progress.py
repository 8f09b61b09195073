"""How far a stream has come, on the log: never more than a line every few seconds."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from singer_sdk.metrics import Counter, Metric, Timer
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from singer_sdk.helpers import types


_logger = logging.getLogger("tap-qonto")

_SELDOM = 64
"""Rows after which the time is asked for at the latest."""


class Progress(Counter):
    """Counts the rows of a stream in place of the SDK's counter, and says how long it will take.

    Args:
        stream: Name of the stream.
        quiet: Says nothing, for child streams that are synced once per parent.
        every: Seconds between two lines.
        stopwatch: Returns seconds that only ever grow.
    """

    def __init__(
        self,
        stream: str,
        *,
        quiet: bool,
        every: float = 5.0,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(Metric.RECORD_COUNT, {"stream": stream})
        self._stream = stream
        self._quiet = quiet
        self._every = every
        self._stopwatch = stopwatch
        self.lists = 1
        """How many lists the stream's rows come from; the sum of their counts is the total."""
        self.rows = 0
        """How many rows have been written."""
        self._started = stopwatch()
        # The first line comes early: whoever watches wants to know that something happens.
        self._spoken = self._started - every + min(1.0, every)
        self._look = 1
        self._expected: dict[object, int] = {}
        self.unfinished = False
        """Whether some of the stream's rows could not be had."""

    def expect(self, sequence: object, rows: int) -> None:
        """Note how many rows one of the stream's lists has in all, once that is known."""
        self._expected[sequence] = rows

    @override
    def with_context(self, value: types.Context | None) -> None:
        pass

    @override
    def increment(self, value: int = 1) -> None:
        self.rows += value
        # Asking for the time costs as much as the rest of this method.
        if self.rows >= self._look and not self._quiet:
            now = self._stopwatch()
            rows_in_a_tenth = self.rows / (now - self._started + 0.1) / 10
            self._look = self.rows + max(1, min(_SELDOM, int(rows_in_a_tenth)))
            if now - self._spoken >= self._every:
                self._spoken = now
                _logger.info("%s: %s", self._stream, self._line(now - self._started))

    def _line(self, seconds: float) -> str:
        rate = self.rows / max(seconds, 1e-9)
        promised = sum(self._expected.values())
        # A total that grows while one watches is none.
        if promised <= self.rows or len(self._expected) < self.lists:
            return f"{_rows(self.rows)}, {_rows(rate)}/s"
        left = (promised - self.rows) / rate
        return (
            f"{self.rows:,} of {promised:,} rows ({self.rows / promised:.0%}), "
            f"{_rows(rate)}/s, {left:,.0f} s left"
        )

    @override
    def exit(self) -> None:
        """Say nothing: so a target ends its counters, which tell no progress."""

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._quiet:
            return
        seconds = self._stopwatch() - self._started
        end = ", not finished" if exc_type or self.unfinished else ""
        _logger.info("%s: %s in %.1f s%s", self._stream, _rows(self.rows), seconds, end)


def _rows(count: float) -> str:
    return f"{count:,.0f} row{'' if round(count) == 1 else 's'}"


class Silent(Timer):
    """Takes the place of the SDK's timer, whose figure `Progress` already tells."""

    def __init__(self) -> None:
        super().__init__(Metric.SYNC_DURATION)

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        pass
