"""Writes whose answers were lost: looked for, and believed only when the looking can be believed.

What is found was carried out. What is not found was not, but only once Qonto can no longer be
working on it: a minute, and the longest that a request may take, after it left.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from tap_qonto.api.instants import shift
from tap_qonto.writing.write import Found, instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.write import Desk, Writer

SHORTEST_WAIT: Final = 60.0
"""Seconds after a request within which Qonto may still be working on it, at least."""

_DAY = 86_400
"""Seconds before a request from which on is looked: clocks may differ."""

_logger = logging.getLogger("target-qonto")


class Resolving:
    """Finds out what became of writes whose answers were lost.

    Args:
        desk: What the run works with.
        writers: What looks for the writes of each stream.
        request_timeout: Seconds that one request may take.
        pause: Waits for a number of seconds; returns whether the run was asked to stop.
    """

    def __init__(
        self,
        desk: Desk,
        writers: Mapping[str, Writer],
        *,
        request_timeout: float,
        pause: Callable[[float], bool],
    ) -> None:
        self._desk = desk
        self._writers = writers
        self._wait = max(SHORTEST_WAIT, request_timeout)
        self._pause = pause
        self.found: dict[str, Found] = {}
        """What was found, by key."""

    def resolve(self, entries: Iterable[Entry], *, wait: bool) -> list[Entry]:
        """Look for writes, and note in the journal what is found.

        What is looked for in vain, and can be believed not to exist, is added to the desk's
        `lost`.

        Args:
            entries: The writes.
            wait: Whether to wait until that can be believed.

        Returns:
            Those that were not found.

        Raises:
            QontoError: If Qonto cannot be asked.
            JournalError: If the journal cannot be written.
        """
        looked_at = self._desk.clock()
        left = self._look(list(entries))
        if left and wait:
            ready = max(entry.last_attempt_at for entry in left) + self._wait
            seconds = min(ready - looked_at, self._wait)
            if seconds > 0:
                _logger.info(
                    "The answer to %d request(s) was lost; looking for them in %.0f s, when Qonto "
                    "can no longer be working on them", len(left), seconds,
                )  # fmt: skip
                if self._pause(seconds):
                    return left
                looked_at = self._desk.clock()
                left = self._look(left)
        self._desk.lost.update(
            entry.key
            for entry in left
            if entry.last_attempt_at + self._wait <= looked_at
            and entry.key not in self._desk.unclear
        )
        return left

    def _look(self, entries: list[Entry]) -> list[Entry]:
        """Look for writes once; return those that were not found."""
        if not entries:
            return []
        since = shift(instant(min(entry.first_attempt_at for entry in entries)), -_DAY)
        found: dict[str, Found] = {}
        for stream, writer in self._writers.items():
            if ours := [entry for entry in entries if entry.stream == stream]:
                found |= writer.look(ours, since)
        self.found |= found
        for entry in entries:
            if entry.key in found:
                self._desk.journal.done(
                    entry, self._desk.clock(), qonto_id=found[entry.key].qonto_id
                )
        return [entry for entry in entries if entry.key not in found]
