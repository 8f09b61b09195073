"""Short lists, read while the streams before them are read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from tap_qonto.api.pages import PER_PAGE
from tap_qonto.reading.desk import Desk
from tap_qonto.streams.again import ReadAgain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Page, Query, Row
    from tap_qonto.reading.run import Run
    from tap_qonto.singer.tap import SingerTap

FEW = 500
"""Rows that a list may count to be read before its turn: they wait in memory."""


def is_worth_it(page: Page) -> bool:
    """Return whether a list should be read before its turn.

    Args:
        page: Its first page. If that is the whole list, nothing is left to wait for.
    """
    return not page.is_last and page.total is not None and page.total <= FEW


class ReadAhead:
    """The rows of a list that is read before its turn.

    It is read from its first page to its last as it would be in its turn, so that its pages are of
    one moment. Whoever wants the rows meanwhile waits for all of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._begun = False
        self._taken = False
        self._rows: list[Row] = []
        self._error: Exception | None = None

    def fill(self, read: Callable[[], Iterator[Row]]) -> None:
        """Read, unless it is the list's turn already.

        Args:
            read: Reads the list.
        """
        with self._lock:
            if self._taken or self._begun:
                return
            self._begun = True
        try:
            for row in read():
                self._rows.append(row)  # those before an error are good
        except Exception as error:  # noqa: BLE001 - raised in the list's turn
            self._error = error
        finally:
            self._done.set()

    def take(self) -> Iterator[Row] | None:
        """Return the rows, then whatever ended the reading; None if it has not begun."""
        with self._lock:
            begun, self._begun, self._taken = self._begun, False, True
        return self._all() if begun else None

    def _all(self) -> Iterator[Row]:
        self._done.wait()
        rows, self._rows = self._rows, []
        yield from rows
        if self._error:
            raise self._error


class ReadEarly(ReadAgain):
    """A stream whose list may be read while the streams before it are."""

    run: Run
    envelope: ClassVar[str] = ""
    per_page: ClassVar[int] = PER_PAGE

    def __init__(self, tap: SingerTap, schema: dict[str, Any]) -> None:
        super().__init__(tap, schema)
        self._in_advance = ReadAhead()

    def source(self, context: types.Context | None, desk: Desk) -> Iterator[Row]:
        """Yield the clean rows of one partition as the list has them.

        Args:
            context: The partition.
            desk: Asks the questions of a list that is read by value.
        """
        raise NotImplementedError

    def read(self, context: types.Context | None) -> Iterator[Row]:
        """Yield the rows of the list, which may have been read already."""
        rows = self._in_advance.take()
        return self.source(context, self.run.desk) if rows is None else rows

    def read_early(self, first: Query) -> None:
        """Read the list, if its first page was asked for early and says that it is short.

        Args:
            first: What was asked for the first page.

        Raises:
            QontoError: If the first page could not be had.
        """
        page = self.run.client.foreseen(first, self.envelope, per_page=self.per_page)
        if page and is_worth_it(page):
            self.prepare_rows()
            # The run's own desk belongs to the thread that writes.
            desk = Desk(self.run.client.pool)
            self._in_advance.fill(lambda: self.source(None, desk))

    def prepare_rows(self) -> None:
        """Find out what cleaning a row needs to know."""
