"""What streams have in common: how each kind of list is read, and how bookmarks move.

A stream says what its rows are, where they are listed and what differs; the kind of list it is,
it inherits:

* `Single`: one object.
* `Listed`: pages with neither a filter nor a fixed order, read whole.
* `Windowed`: sorted and filtered by one key, read by value.
* `NewestFirst`: sorted by the last change, latest first, without a filter.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk.helpers._catalog import pop_deselected_record_properties
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_qonto import schemas
from tap_qonto.client import (
    AnswerError,
    NotReadableError,
    QontoError,
    Query,
    UnauthorizedError,
    paged,
)
from tap_qonto.instants import FLOOR, as_filter, shift, uniform
from tap_qonto.pagination import (
    Bounds,
    CeilingError,
    LateRows,
    ListError,
    UnsortedError,
    read_newest_first,
    read_numbered,
    read_window,
)
from tap_qonto.progress import Progress, Silent
from tap_qonto.records import Cleaner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers import types
    from singer_sdk.singerlib import Catalog

    from tap_qonto.pagination import Page, Row
    from tap_qonto.streams.documents import DocumentStream
    from tap_qonto.tap import TapQonto

INTERRUPTED = "reading_until"
"""Key of a bookmark whose run has not come to its end: the last instant which that run reads."""


class Bookmark:
    """How far a partition has been read: its part of the Singer state.

    Args:
        state: The partition's state, which is changed in place.
        key: Name of the replication key.
        limit: The last instant that this run reads, uniform; the bookmark never passes it.
    """

    def __init__(self, state: dict[str, Any], key: str, limit: str) -> None:
        self.key = key
        self.value = uniform(state.get("replication_key_value") or FLOOR)
        """The latest key written, uniform."""
        self._state = state
        self._before = dict(state)
        self._limit = limit

    def hold(self, at: str) -> None:
        """Never move past this instant, so that the next run reads from it."""
        self._limit = min(self._limit, at)

    def move(self, at: str) -> None:
        """Move the bookmark forward, or leave it if the key lies before it."""
        if at > self.value:
            self.value = at
            self._state["replication_key"] = self.key
            self._state["replication_key_value"] = min(at, self._limit)
            self._state[INTERRUPTED] = self._limit

    def finish(self) -> None:
        """Note that the partition has been read to its end."""
        self._state.pop(INTERRUPTED, None)

    def undo(self) -> None:
        """Go back to where the partition was before the run."""
        self._state.clear()
        self._state.update(self._before)


class QontoStream(Stream):
    """Rows of one endpoint.

    Class keywords say what differs from the usual: `envelope`, the key that holds the rows
    (default: the stream's name); `scope`, the OAuth scope that the endpoint needs; `oauth_only`
    for endpoints that refuse API keys, which are not selected by default; `params` that every
    request carries; `per_page`, 0 for lists that know no pages.
    """

    path: ClassVar[str]
    envelope: ClassVar[str] = ""
    scope: ClassVar[str] = "organization.read"
    oauth_only: ClassVar[bool] = False
    params: ClassVar[tuple[tuple[str, str], ...]] = ()
    per_page: ClassVar[int] = 100

    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # rows are clean when the SDK gets them
    STATE_MSG_FREQUENCY = 500  # half of what a killed run may read twice

    def __init_subclass__(cls, **differs: Any) -> None:
        """Set the class attributes named by the class keywords."""
        super().__init_subclass__()
        for name, value in differs.items():
            if not hasattr(cls, name):
                msg = f"{cls.__name__} has no class keyword {name!r}"
                raise TypeError(msg)
            setattr(cls, name, value)
        if differs.get("oauth_only"):
            cls.selected_by_default = False

    def __init__(self, tap: TapQonto) -> None:
        super().__init__(tap, schema=schemas.emitted(self.name, type(self).primary_keys))
        self.tap = tap
        self.envelope = self.envelope or self.name  # type: ignore[misc]
        self._cleaner: Cleaner | None = None
        self.started = False
        """Whether reading has begun."""
        self._schema_written = False
        self._progress = Progress(self.name, quiet=True)
        self._documents: DocumentStream | None = None
        self._bookmark: Bookmark | None = None

    # What a kind of list and a stream can say about themselves

    def rows(self, context: types.Context | None) -> Iterator[Row]:
        """Yield the clean rows of one partition, moving its bookmark.

        Raises:
            QontoError: If the rows cannot be had.
            ListError: If they cannot be read completely.
        """
        raise NotImplementedError

    def reshape(self, row: Row, context: types.Context | None) -> Row:  # noqa: ARG002
        """Return the API's row with the deviations undone that no schema can describe."""
        return row

    def first_queries(self) -> Sequence[Query]:
        """Return what the stream asks first, so that it can be fetched ahead of its turn."""
        return ()

    # Asking and cleaning

    def query(self, *params: tuple[str, str]) -> Query:
        """Return a query for the stream's endpoint with these parameters besides its own."""
        return Query(self.name, self.path, (*self.params, *params))

    def page(self, query: Query, number: int, context: types.Context | None) -> Page:
        """Return one page, whose rows are clean when they are looked at."""
        page = self.tap.client.page(query, self.envelope, number, per_page=self.per_page)
        rows = LateRows(lambda: [self.clean(row, context) for row in page.rows])
        return page._replace(rows=rows)

    def clean(self, row: Any, context: types.Context | None) -> Row:
        """Return one row of the API clean.

        Raises:
            RowError: If it cannot be used at all.
        """
        if self._cleaner is None:
            self._cleaner = Cleaner(
                schemas.promised(self.name),
                self.effective_schema,
                tuple(self.primary_keys),
                lambda sentence: self.logger.warning("%s: %s", self.name, sentence),
            )
        if type(row) is not dict:
            return self._cleaner(row)
        row = self.reshape(row, context)
        if self._documents is None:
            return self._cleaner(row)
        # Cleaning removes the links to the documents.
        documents = tuple(self._documents.of(row))
        return self._documents.attach(self._cleaner(row), documents)

    def ahead(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield rows as they are; if documents are selected, fetch those of the rows to come."""
        return iter(rows) if self._documents is None else self._documents.accompany(rows, self)

    def numbered(self, query: Query, context: types.Context | None) -> Iterator[Row]:
        """Yield the rows of one list, page by page."""
        return read_numbered(
            lambda number: self.page(query, number, context),
            keys=self.primary_keys,
            pool=self.tap.client.pool,
            on_count=lambda rows: self._progress.expect(query, rows),
            on_change=self._say_changed,
        )

    def _say_changed(self, again: bool) -> None:
        self.logger.warning(
            "%s: the list changed while it was read, so it %s",
            self.name,
            "is read again" if again else "may be incomplete; the next run reads it anew",
        )

    # Bookmarks

    @property
    def is_incremental(self) -> bool:
        """Whether the stream goes on from its bookmark."""
        return bool(self.replication_key) and self.replication_method == REPLICATION_INCREMENTAL

    def start(self, context: types.Context | None) -> str | None:
        """Return the first key to read, uniform, or None for everything.

        A finished run is taken up `lookback_seconds` before its bookmark, because rows may become
        visible late. An interrupted run is taken up at its bookmark, unless that is so young that
        rows before it may have become visible since.
        """
        state = self._stored(context) if self.is_incremental else {}
        bookmark = state.get("replication_key_value")
        if not bookmark:
            return self.tap.start_date
        start = uniform(bookmark)
        end = uniform(state[INTERRUPTED]) if INTERRUPTED in state else start
        return max(min(start, shift(end, -self.tap.lookback)), FLOOR)

    def _stored(self, context: types.Context | None) -> dict[str, Any]:
        """Return the state of a partition, without making one as the SDK would.

        Queries are prepared in the background, where nothing may change the state.
        """
        state: dict[str, Any] = self.tap_state.get("bookmarks", {}).get(self.name, {})
        if not context:
            return state
        partitions = (part for part in state.get("partitions", ()) if part["context"] == context)
        return next(partitions, {})

    def bookmark(self, context: types.Context | None) -> Bookmark:
        """Return the bookmark of a partition."""
        state = self.get_context_state(context) if self.is_incremental else {}
        self._bookmark = Bookmark(state, self.replication_key or "", self.tap.run_end)
        return self._bookmark

    def hold(self, row: Row) -> None:
        """Let the next run read a row again, because not all that belongs to it could be had."""
        if self._bookmark and (at := row.get(self._bookmark.key)):
            self._bookmark.hold(at)

    def following(self, rows: Iterable[Row], context: types.Context | None) -> Iterator[Row]:
        """Yield rows sorted by the replication key; the bookmark follows those written."""
        bookmark = self.bookmark(context)
        key = bookmark.key
        for row in self.ahead(rows):
            yield row
            at = row.get(key)
            if at and at > bookmark.value:
                bookmark.move(at)
        bookmark.finish()

    def afterwards(self, rows: Iterable[Row], context: types.Context | None) -> Iterator[Row]:
        """Yield rows in any order; the bookmark moves when all have been written."""
        bookmark = self.bookmark(context)
        last, count = "", 0
        for row in self.ahead(rows):
            yield row
            count += 1
            last = max(last, row.get(bookmark.key) or "")
        # Rows without the key leave only the end of what was asked for to remember.
        bookmark.move(self.tap.run_end if count and not last else last)
        bookmark.finish()

    # What the SDK calls

    @override
    def get_records(self, context: types.Context | None) -> Iterator[Row]:
        self.started = True
        self._documents = self._selected_documents()
        emitted = False
        try:
            for row in self.rows(context):
                emitted = True
                yield row
        except (NotReadableError, UnauthorizedError) as error:
            if emitted or not self.tap.may_skip(self, error):
                raise
            self.tap.skip(self, error)
        except CeilingError as error:
            msg = (
                f"{self.path} lists more rows than Qonto gives out for one query, and has no "
                "filter to ask for fewer"
            )
            raise ListError(msg) from error

    def _selected_documents(self) -> DocumentStream | None:
        """Return the child stream that holds the rows' documents, if it is selected."""
        from tap_qonto.streams.documents import DocumentStream  # noqa: PLC0415 - it imports this

        return next(
            (
                child
                for child in self.child_streams
                if isinstance(child, DocumentStream) and child.selected
            ),
            None,
        )

    @override
    def generate_child_contexts(
        self, record: types.Record, context: types.Context | None
    ) -> Iterable[types.Context | None]:
        if self._documents is None:
            return super().generate_child_contexts(record, context)
        return self._documents.contexts(record)

    @override
    def _sync_children(self, child_context: types.Context | None) -> None:
        # The SDK's way costs two lines of log, a STATE and 0.3 ms per parent.
        if self._documents is None:
            super()._sync_children(child_context)
        else:
            self._documents.write(child_context, self)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        # A catalog written by hand may leave out the key, without which rows would pile up.
        if not self.primary_keys:
            self.primary_keys = type(self).primary_keys  # type: ignore[misc]
        # One without the replication key would read everything at every run without saying so.
        key: object = type(self).replication_key
        self.replication_key = key if isinstance(key, str) else None

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **options: Any) -> None:
        # The SDK announces each error before it raises it; its own sentence comes at the end.
        level = logging.DEBUG if level >= logging.ERROR else level
        super().log(message, *args, level=level, **options)

    @override
    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = 0
    ) -> Progress:
        self._progress = Progress(self.name, quiet=self.parent_stream_type is not None)
        return self._progress

    @override
    def get_sync_timer(self) -> Silent:
        return Silent()

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Refuse BATCH: the SDK writes deselected columns into its files."""

    @override
    def get_replication_key_signpost(self, context: types.Context | None = None) -> None:
        """Leave out the SDK's cap on bookmarks: `Bookmark` has its own, in the uniform form."""

    @override
    def _write_starting_replication_value(self, context: types.Context | None) -> None:
        """Leave the state alone until a row has been written."""

    @override
    def _increment_stream_state(
        self, latest_record: types.Record, *, context: types.Context | None = None
    ) -> None:
        """Leave bookmarks to `Bookmark`."""

    @override
    def _write_schema_message(self) -> None:
        # The SDK sends a child's schema once per parent, and targets flush at each.
        if not self._schema_written:
            self._schema_written = True
            super()._write_schema_message()

    @override
    def _process_record(
        self,
        record: types.Record,
        child_context: types.Context | None = None,
        partition_context: types.Context | None = None,
    ) -> None:
        if self._has_descendents:
            super()._process_record(record, child_context, partition_context)

    @override
    def _write_record_message(self, record: types.Record) -> None:
        if self._unmapped_name is None:
            super()._write_record_message(record)
            return
        for name in self._deselected:
            record.pop(name, None)
        if self._deselects_inside:
            pop_deselected_record_properties(record, self.schema, self.mask)
        self.tap.message_writer.write_record(self._unmapped_name, record, self._stream_version)
        self.state_manager.is_flushed = False

    # What the SDK would find out anew for every row

    @cached_property
    def _has_descendents(self) -> bool:
        return self.has_selected_descendents

    @cached_property
    def _unmapped_name(self) -> str | None:
        """The name under which rows are written as they are; None if a stream map changes them."""
        maps = self.stream_maps
        if len(maps) != 1 or type(maps[0]) is not SameRecordTransform or maps[0].flattening_enabled:
            return None
        return maps[0].stream_alias

    @cached_property
    def _deselected(self) -> tuple[str, ...]:
        """Columns that the catalog deselects."""
        return tuple(path[1] for path in self._hidden if len(path) == _COLUMN)

    @cached_property
    def _deselects_inside(self) -> bool:
        """Whether the catalog deselects a property inside a column."""
        return any(len(path) > _COLUMN for path in self._hidden)

    @property
    def _hidden(self) -> list[tuple[str, ...]]:
        return [path for path, selected in self.mask.items() if path and not selected]


_COLUMN = len(("properties", "name"))
"""Length of a breadcrumb that leads to a column."""


class Single(QontoStream):
    """One object, under its envelope."""

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        answer = self.tap.client.get(self.query())
        row = answer.get(self.envelope) if isinstance(answer, dict) else None
        if not isinstance(row, dict) and not self.is_absent(answer):
            msg = f"GET {self.path} answered JSON without the object {self.envelope!r}"
            raise AnswerError(msg, status=200)
        if row:
            yield self.clean(row, context)

    def is_absent(self, answer: Any) -> bool:
        """Return whether an answer says that the object does not exist."""
        return isinstance(answer, dict) and self.envelope in answer and not answer[self.envelope]

    @override
    def first_queries(self) -> Sequence[Query]:
        return (self.query(),)


class Listed(QontoStream):
    """Rows without a filter and a fixed order: the whole list, read again if it changes."""

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        return self.ahead(self.numbered(self.query(), context))

    @override
    def first_queries(self) -> Sequence[Query]:
        query = self.query()
        return (paged(query, 1, self.per_page) if self.per_page else query,)


_MISUNDERSTOOD = (400, 422)
"""Answers to a parameter that the server does not know."""


class Windowed(QontoStream):
    """Rows sorted and filtered by one key.

    Class keywords: `sort`, the key; `filters`, the pattern of the filter's names; `endless` if
    there is no filter for the end; `fallback`, another order in which the whole list can be read,
    where it is not certain that Qonto sorts and filters by the key.
    """

    sort: ClassVar[str] = "updated_at"
    filters: ClassVar[str] = "updated_at_{}"
    endless: ClassVar[bool] = False
    fallback: ClassVar[str] = ""

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        rows = self.sequence(self.window(context), context)
        if self.replication_key != self.sort:
            yield from self.ahead(rows)
            return
        try:
            yield from self.following(rows, context)
        except (UnsortedError, QontoError) as error:
            if not self.fallback or getattr(error, "status", 422) not in _MISUNDERSTOOD:
                raise
            self.logger.warning("%s: %s; the whole list is read instead", self.name, error)
            if self._bookmark:
                # Rows before those written may be among the ones that follow.
                self._bookmark.undo()
                self._write_state_message()
            query = self.query(("sort_by", self.fallback))
            yield from self.afterwards(self.numbered(query, context), context)

    def window(self, context: types.Context | None) -> Bounds:
        """Return the first and last value of the sort key that this run reads."""
        start = self.start(context) if self.replication_key == self.sort else None
        return Bounds(start, self.tap.run_end)

    def sequence(
        self, window: Bounds, context: types.Context | None, *params: tuple[str, str]
    ) -> Iterator[Row]:
        """Yield the rows of a window that also match further parameters, in order."""
        return read_window(
            lambda number, bounds: self.page(self.bounded(bounds, *params), number, context),
            window,
            key=self.sort,
            pool=self.tap.client.pool,
            endless=self.endless,
            on_count=lambda rows: self._progress.expect((*(context or {}).values(), *params), rows),
        )

    @override
    def page(self, query: Query, number: int, context: types.Context | None) -> Page:
        page = super().page(query, number, context)
        if page.total is None or page.pages is None:
            msg = (
                f"GET {self.path} answered without the counts in 'meta' (total_count, "
                "total_pages), by which the tap knows that no row was missed"
            )
            raise AnswerError(msg, status=200)
        return page

    def bounded(self, bounds: Bounds, *params: tuple[str, str]) -> Query:
        """Return the query for the rows between two bounds."""
        filters = [
            (self.filters.format(side), as_filter(max(bound, FLOOR)))
            for side, bound in (("from", bounds.start), ("to", bounds.end))
            if bound
        ]
        return self.query(("sort_by", f"{self.sort}:asc"), *params, *filters)


class NewestFirst(Listed):
    """Rows sorted by their last change, latest first, without a filter: read to the bookmark."""

    replication_key = "updated_at"

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        query = self.query()
        bookmark = self.bookmark(context)
        last = ""
        reading = read_newest_first(
            lambda number: self.page(query, number, context),
            key="updated_at",
            start=self.start(context),
            on_count=lambda rows: self._progress.expect(query, rows),
            on_change=self._say_changed,
        )
        while True:
            try:
                row = next(reading)
            except StopIteration as end:
                if end.value:
                    bookmark.move(last)
                    bookmark.finish()
                return
            last = max(last, row.get("updated_at") or "")
            yield row
