"""The kinds of lists that a stream can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from tap_qonto.api.errors import (
    AnswerError,
    QontoError,
    UnsortedError,
)
from tap_qonto.api.instants import FLOOR, as_filter, shift
from tap_qonto.api.pages import Query, paged
from tap_qonto.reading.block import Bounds, restart
from tap_qonto.reading.lists import read_newest_first
from tap_qonto.reading.window import LONG_AGO, read_window
from tap_qonto.streams.base import QontoStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Page, Row
    from tap_qonto.reading.desk import Desk
    from tap_qonto.reading.window import WindowReading


class Single(QontoStream):
    """One object, under its envelope."""

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        answer = self.run.client.get(self.query())
        row = answer.get(self.envelope)
        if not isinstance(row, dict) and not self.is_absent(answer):
            msg = f"GET {self.path} answered JSON without the object {self.envelope!r}"
            raise AnswerError(msg, status=200)
        if row:
            yield self.clean(row, context)

    def is_absent(self, answer: Row) -> bool:
        """Return whether an answer says that the object does not exist."""
        return self.envelope in answer and not answer[self.envelope]

    @override
    def first_queries(self) -> Sequence[Query]:
        return (self.query(),)


class Listed(QontoStream):
    """Rows without a filter and a fixed order: the whole list, read again if it changes."""

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        return self.ahead(self.read(context))

    @override
    def source(self, context: types.Context | None, desk: Desk) -> Iterator[Row]:
        return self.numbered(self.query(), context)

    @override
    def first_queries(self) -> Sequence[Query]:
        query = self.query()
        return (paged(query, 1, self.per_page) if self.per_page else query,)


MISUNDERSTOOD = (400, 422)
"""Answers to a parameter that the server does not know."""


def bounded_by(pattern: str, bounds: Bounds, floor: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters that filter by a key.

    Args:
        pattern: Pattern of the filter's names.
        bounds: The first and the last key.
        floor: The earliest start that Qonto accepts; empty if there is none.
    """
    if bounds.start:
        # The second that readings start early must not take them below the floor.
        start = floor if floor and shift(floor, -1) <= bounds.start < floor else bounds.start
        yield pattern.format("from"), as_filter(start)
    if bounds.end:
        yield pattern.format("to"), as_filter(bounds.end)


class Windowed(QontoStream):
    """Rows sorted and filtered by one key.

    Class keywords: `sort`, the key; `filters`, the pattern of the filter's names; `endless` if
    there is no filter for the end; `floor`, the earliest instant that the filter accepts, if there
    is one; `fallback`, another order in which the whole list can be read,
    where it is not certain that Qonto sorts and filters by the key.
    """

    sort: ClassVar[str] = "updated_at"
    filters: ClassVar[str] = "updated_at_{}"
    endless: ClassVar[bool] = False
    floor: ClassVar[str] = FLOOR
    fallback: ClassVar[str] = ""

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        rows = self.read(context)
        if self.replication_key != self.sort:
            yield from self.ahead(rows)
            return
        try:
            yield from self.following(rows, context)
        except (UnsortedError, QontoError) as error:
            if not self.fallback or getattr(error, "status", 422) not in MISUNDERSTOOD:
                raise
            self.logger.warning("%s: %s; the whole list is read instead", self.name, error)
            if self._bookmark:
                # Rows before those written may be among the ones that follow.
                self._bookmark.undo()
                self.checkpoint()
            query = self.query(("sort_by", self.fallback))
            yield from self.afterwards(self.numbered(query, context), context)

    @override
    def source(self, context: types.Context | None, desk: Desk) -> Iterator[Row]:
        return self.sequence(self.window(context), context, desk=desk)

    def window(self, context: types.Context | None) -> Bounds:
        """Return the first and last value of the sort key that this run reads.

        The end keeps out what changes during the run, and so belongs to lists sorted by the last
        change. Other keys may lie in the future, as the date of a document does.
        """
        if self.replication_key != self.sort:
            return Bounds(None, None)
        return Bounds(self.start(context), self.run.end)

    def sequence(
        self,
        window: Bounds,
        context: types.Context | None,
        *params: tuple[str, str],
        desk: Desk | None = None,
    ) -> WindowReading:
        """Return the rows of a window that also match further parameters, in order."""
        return read_window(
            lambda number, bounds: self.page(self.bounded(bounds, *params), number, context),
            window,
            key=self.sort,
            desk=desk or self.run.desk,
            endless=self.endless,
            present=self.run.end,
            oldest=self.floor or LONG_AGO,
            pause=self.pause,
            ceiling=self.run.machine.ceiling,
            on_count=lambda rows: self.progress.expect((*(context or {}).values(), *params), rows),
        )

    @override
    def page(self, query: Query, number: int, context: types.Context | None) -> Page:
        page = super().page(query, number, context)
        if page.pages is None and page.total is None:
            msg = (
                f"GET {self.path} answered without the counts in 'meta' (total_count or "
                "total_pages), by which the tap knows that no row was missed"
            )
            raise AnswerError(msg, status=200)
        return page

    def bounded(self, bounds: Bounds, *params: tuple[str, str]) -> Query:
        """Return the query for the rows between two bounds."""
        filters = bounded_by(self.filters, bounds, self.floor)
        return self.query(("sort_by", f"{self.sort}:asc"), *params, *filters)

    @override
    def first_queries(self) -> Sequence[Query]:
        return () if self.parent_stream_type else self.openings(self.window(None))

    def openings(self, window: Bounds, *params: tuple[str, str]) -> Sequence[Query]:
        """Return what is asked first to read a window."""
        bounds = Bounds(restart(window.start), window.end)
        return (paged(self.bounded(bounds, *params), 1, self.per_page),)


class NewestFirst(Listed):
    """Rows sorted by their last change, latest first, without a filter: read to the bookmark."""

    replication_key = "updated_at"

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        bookmark = self.bookmark(context)
        last = ""
        for row in self.read(context):
            last = max(last, row.get("updated_at") or "")
            yield row
        bookmark.move(last)
        bookmark.finish()

    @override
    def source(self, context: types.Context | None, desk: Desk) -> Iterator[Row]:
        query = self.query()
        return read_newest_first(
            lambda number: self.page(query, number, context),
            key="updated_at",
            start=self.start(context),
            end=self.run.end,
            ceiling=self.run.machine.ceiling,
            on_count=lambda rows: self.progress.expect(query, rows),
            on_change=self.say_changed,
            pause=self.pause,
        )
