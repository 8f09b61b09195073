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
from tap_qonto.api.errors import (
    CeilingError,
    ListError,
    NotReadableError,
    UnauthorizedError,
)
from tap_qonto.api.instants import FLOOR, shift, uniform
from tap_qonto.api.pages import LateRows, Query
from tap_qonto.reading.lists import read_numbered
from tap_qonto.reading.records import Cleaner
from tap_qonto.reading.state import INTERRUPTED, Bookmark
from tap_qonto.singer.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers import types
    from singer_sdk.singerlib import Catalog

    from tap_qonto.api.pages import Page, Row
    from tap_qonto.streams.documents import DocumentStream
    from tap_qonto.tap import TapQonto


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
