"""Carrying out an approved plan, row by row, until it is done or there is a reason to stop."""

from __future__ import annotations

import logging
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING

from tap_qonto.api.errors import JournalError, SentenceError
from tap_qonto.api.redaction import printable
from tap_qonto.writing.plan import WAITS, Status
from tap_qonto.writing.post import Kind

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from tap_qonto.singer.stop import Stop
    from tap_qonto.writing.plan import Item
    from tap_qonto.writing.post import Outcome
    from tap_qonto.writing.resolving import Resolving
    from tap_qonto.writing.write import Desk, Writer

_ROUNDS = 4
"""How often rows are looked for in one run: once for each of their writes that can be lost."""

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
        try:
            for _, group in groupby(items, key=lambda item: item.row.stream):
                rows = list(group)
                self._keep(rows)
                self._send(rows)
                self._settle(rows)
        except SentenceError as error:
            _logger.error("%s", error)  # noqa: TRY400 - the sentence says it all

    def _keep(self, items: Sequence[Item]) -> None:
        """Note which rows of one stream Qonto has already."""
        found = [item for item in items if item.status is Status.ALREADY_SENT]
        if found and not self._ends:
            self._writers[found[0].row.stream].keep(found)

    def _send(self, items: Sequence[Item]) -> None:
        """Send rows of one stream."""
        writer = self._writers[items[0].row.stream]
        lost = 0
        with closing(self._outcomes(writer, items)) as outcomes:
            for settled, outcome in outcomes:
                lost = lost + 1 if outcome.kind is Kind.UNKNOWN else 0
                if outcome.kind is Kind.NOT_PROCESSED:
                    self._over = True
                elif lost == _LOST_IN_A_ROW:
                    self._over = True
                    _logger.error("No answer %d times in a row, so nothing more is sent", lost)
                for item in settled:
                    if item.status not in (Status.SENT, Status.PLANNED):
                        _logger.warning(
                            "%s %s: %s", item.row.stream, printable(item.row.external_id), item.what
                        )
                if self._ends or outcome.kind is Kind.FORBIDDEN:
                    return

    def _outcomes(
        self, writer: Writer, items: Iterable[Item]
    ) -> Generator[tuple[Sequence[Item], Outcome]]:
        """Yield what becomes of rows; after trouble with the journal nothing more is sent."""
        try:
            yield from writer.send_all(self._next(items))
        except JournalError:
            self._over = True
            raise

    def _next(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the rows that are to be sent, until there is a reason to stop."""
        for item in items:
            if self._ends:
                return
            if item.may_be_sent:
                if item.resend:
                    self._resent.add(item.key)
                yield item

    @property
    def _ends(self) -> bool:
        return self._over or self._stop.signum is not None

    def _settle(self, rows: Sequence[Item]) -> None:
        """Look for rows whose answers were lost; go on with those, a few times."""
        for _ in range(_ROUNDS):
            again = self._look(rows)
            if not again:
                return
            self._send(again)
            for item in again:
                if item.status is Status.PLANNED:  # its turn did not come
                    item.become(Status.UNKNOWN, "the answer was lost")

    def _look(self, rows: Iterable[Item]) -> list[Item]:
        """Look for rows whose answers were lost; return those that are to be sent (further).

        What was found may not be complete. What does not exist is sent again, once.
        """
        unknown = {item.key: item for item in rows if item.status is Status.UNKNOWN}
        if not unknown or self._stop.signum is not None:
            return []
        entries = self._desk.journal.entries(unknown)
        self._resolving.resolve(entries.values(), wait=True)
        again = []
        for key, item in unknown.items():
            found = self._resolving.found.get(key)
            if found and found.complete:
                item.qonto_id, item.qonto_status, _ = found
                item.become(Status.SENT, at=self._desk.now())
            elif key not in entries:
                again += [item] * (item.code == WAITS)  # for another row's outcome
            elif found or (key in self._desk.lost and key not in self._resent):
                again.append(item)
        if self._ends:
            return []
        for item in again:
            item.resend = item.key not in self._resolving.found
            item.become(Status.PLANNED)
        return again
