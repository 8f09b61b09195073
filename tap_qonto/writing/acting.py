"""Carrying out an approved plan, row by row, until it is done or there is a reason to stop."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_qonto.api.errors import JournalError, SentenceError
from tap_qonto.api.redaction import printable
from tap_qonto.writing.plan import Status
from tap_qonto.writing.post import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_qonto.singer.stop import Stop
    from tap_qonto.writing.plan import Item
    from tap_qonto.writing.resolving import Resolving
    from tap_qonto.writing.write import Desk, Writer

_LOST_IN_A_ROW = 3
"""Lost answers after which the run stops sending."""

_logger = logging.getLogger("target-qonto")


class Acting:
    """Sends the rows of a plan.

    Args:
        desk: What the run works with.
        writers: What sends the rows of each stream.
        resolving: Finds out what became of rows whose answers were lost.
        stop: Whether a signal has asked the run to stop.
    """

    def __init__(
        self, desk: Desk, writers: Mapping[str, Writer], resolving: Resolving, stop: Stop
    ) -> None:
        self._desk = desk
        self._writers = writers
        self._resolving = resolving
        self._stop = stop
        self._resent: set[str] = set()
        self._over = False
        """Whether nothing more is sent, for a reason that holds for all rows."""

    def act(self, items: Iterable[Item]) -> None:
        """Send rows in order, then find out what became of those whose answers were lost.

        What happened is noted in the rows. Nothing is raised: money may have moved by then, so
        the truth about every row matters more than the first trouble.
        """
        rows = list(items)
        try:
            self._send(rows)
            self._settle(rows)
        except SentenceError as error:
            _logger.error("%s", error)  # noqa: TRY400 - the sentence says it all

    def _send(self, items: Iterable[Item]) -> None:
        lost = 0
        closed: set[str] = set()
        for item in items:
            if self._over or self._stop.signum is not None:
                return
            if item.row.stream in closed or not item.may_be_sent:
                continue
            if item.resend:
                self._resent.add(item.key)
            try:
                outcome = self._writers[item.row.stream].send(item)
            except JournalError:
                self._over = True
                raise
            lost = lost + 1 if outcome.kind is Kind.UNKNOWN else 0
            if outcome.kind is Kind.NOT_PROCESSED:
                self._over = True
            elif outcome.kind is Kind.FORBIDDEN:
                closed.add(item.row.stream)
            elif lost == _LOST_IN_A_ROW:
                self._over = True
                _logger.error("No answer %d times in a row, so nothing more is sent", lost)
            if item.status not in (Status.SENT, Status.PLANNED):
                _logger.warning(
                    "%s %s: %s", item.row.stream, printable(item.row.external_id), item.what
                )

    def _settle(self, rows: list[Item]) -> None:
        """Look for rows whose answers were lost; send those again, once, that do not exist."""
        if not self._look(rows) or self._over:
            return
        again = [
            item
            for item in rows
            if item.status is Status.UNKNOWN
            and item.key in self._desk.lost
            and item.key not in self._resent
        ]
        for item in again:
            item.resend = True
            item.become(Status.PLANNED)
        self._send(again)
        for item in again:
            if item.status is Status.PLANNED:  # its turn did not come
                item.become(Status.UNKNOWN, "the answer was lost")
        self._look(again)

    def _look(self, rows: Iterable[Item]) -> bool:
        """Look for rows whose answers were lost; return whether some are still unknown."""
        unknown = {item.key: item for item in rows if item.status is Status.UNKNOWN}
        if not unknown or self._stop.signum is not None:
            return False
        entries = self._desk.journal.entries(unknown).values()
        left = self._resolving.resolve(entries, wait=True)
        for key, item in unknown.items():
            if found := self._resolving.found.get(key):
                item.qonto_id, item.qonto_status = found
                item.become(Status.SENT, at=self._desk.now())
        return bool(left) and self._stop.signum is None
