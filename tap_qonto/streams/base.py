"""What streams have in common: how each kind of list is read, and how bookmarks move.

A stream says what its rows are, where they are listed and what differs; the kind of list it is,
it inherits:

* `Single`: one object.
* `Listed`: pages with neither a filter nor a fixed order, read whole.
* `Windowed`: sorted and filtered by one key, read by value.
* `NewestFirst`: sorted by the last change, latest first, without a filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from typing_extensions import override

from tap_qonto import schemas
from tap_qonto.api.errors import (
    CeilingError,
    FaultError,
    NotReadableError,
    SentenceError,
    UnauthorizedError,
    UnsortedError,
)
from tap_qonto.api.instants import FLOOR, shift, uniform
from tap_qonto.api.pages import Query
from tap_qonto.reading.findings import Findings, TellingRow
from tap_qonto.reading.lists import read_numbered
from tap_qonto.reading.records import Cleaner
from tap_qonto.reading.state import INTERRUPTED, OWNER, Bookmark
from tap_qonto.streams.early import ReadEarly

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Page, Row
    from tap_qonto.documents.document import Document
    from tap_qonto.reading.debts import Partition
    from tap_qonto.reading.run import Run
    from tap_qonto.singer.tap import SingerTap


class Companion(Protocol):
    """The child stream that holds the documents of a stream's rows, as the parent sees it."""

    def prepare(self, parent: QontoStream) -> None:
        """Look at what is lacking, before the rows are read."""

    def settle(self, parent: QontoStream) -> None:
        """Have what is lacking, after the rows were read."""

    def forget(self) -> None:
        """Note that rows are read without their documents."""

    def documents_of(self, row: Row) -> Iterator[Document]:
        """Yield the documents that a row, as Qonto sent it, points at."""

    def attach(self, row: Row, documents: tuple[Document, ...]) -> Row:
        """Let a clean row carry its documents until its turn."""

    def accompany(self, rows: Iterable[Row], parent: QontoStream) -> Iterator[Row]:
        """Yield the rows, while the documents of those that follow are fetched."""

    def contexts(self, row: Row) -> Iterator[types.Context]:
        """Yield the context of the row whose turn it is, if it has documents."""

    def write_all(self, context: types.Context | None, parent: QontoStream) -> None:
        """Write the documents of the row whose turn it is."""


_HOPELESS = 2
"""Partitions in a row that six attempts could not have, after which the others are left alone."""

_HOPELESS_CHILD = 1
"""The same for rows of a parent, of which there may be thousands."""


class QontoStream(ReadEarly):
    """Rows of one endpoint.

    Class keywords say what differs from the usual: `envelope`, the key that holds the rows
    (default: the stream's name); `scope`, the OAuth scope that the endpoint needs; `oauth_only`
    for endpoints that refuse API keys, which are not selected by default; `params` that every
    request carries; `per_page`, 0 for lists that know no pages; `counted`, False for lists that
    are documented without counts.
    """

    path: ClassVar[str]
    scope: ClassVar[str] = "organization.read"
    oauth_only: ClassVar[bool] = False
    key_may_fail: ClassVar[bool] = False
    """Whether Qonto's own collection of requests gives the endpoint no API key."""
    params: ClassVar[tuple[tuple[str, str], ...]] = ()
    counted: ClassVar[bool] = True
    holds_documents: ClassVar[bool] = False
    """Whether this is a `Companion` of its parent."""
    asks_to_begin: ClassVar[bool] = False
    """Whether something must be asked before it is known what the stream asks first."""

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

    def __init__(self, tap: SingerTap, run: Run) -> None:
        super().__init__(tap, schemas.emitted(self.name, type(self).primary_keys))
        self.run = run
        self.envelope = self.envelope or self.name  # type: ignore[misc]
        self._cleaner: Cleaner | None = None
        self._signs = False
        """Whether rows say which organization they are of."""
        self.started = False
        """Whether reading has begun."""
        self._documents: Companion | None = None
        self._bookmark: Bookmark | None = None
        self._tap_of_run = tap
        self._given_up = 0
        self._findings = Findings()

    # What a kind of list and a stream can say about themselves

    def rows(self, context: types.Context | None) -> Iterator[Row]:
        """Yield the clean rows of one partition, moving its bookmark.

        Raises:
            QontoError: If the rows cannot be had.
            ListError: If they cannot be read completely.
        """
        raise NotImplementedError

    def reshape(self, row: Row, context: types.Context | None) -> Row:  # noqa: ARG002 - for others
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
        page = self.run.client.page(query, self.envelope, number, per_page=self.per_page)
        if page.pages is None and page.total is None and self.counted and self.per_page:
            # Where counts are missing, pages may be shorter than asked for too: only looking tells.
            page = page._replace(full=bool(page.rows))
        return page.changed(lambda row: self.clean(row, context))

    def clean(self, row: Any, context: types.Context | None) -> Row:
        """Return one row of the API clean.

        Raises:
            RowError: If it cannot be used at all.
        """
        if self._cleaner is None:
            # A catalog of an older version does not know the column.
            self._signs = schemas.ORGANIZATION in self.effective_schema["properties"]
            self._cleaner = Cleaner(
                schemas.promised(self.name),
                self.effective_schema,
                tuple(self.primary_keys),
                f"GET {self.path}",
            )
        if type(row) is not dict:
            return self._cleaner(row)
        row = self.reshape(row, context)
        # Cleaning removes the links to the documents.
        documents = tuple(self._documents.documents_of(row)) if self._documents else ()
        row = self._cleaner(row)
        if self._signs and not row.get(schemas.ORGANIZATION):
            row[schemas.ORGANIZATION] = self.run.owner
        return self._documents.attach(row, documents) if self._documents else row

    def ahead(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield rows as they are; if documents are selected, fetch those of the rows to come."""
        return iter(rows) if self._documents is None else self._documents.accompany(rows, self)

    def numbered(self, query: Query, context: types.Context | None) -> Iterator[Row]:
        """Yield the rows of one list, page by page."""
        return read_numbered(
            lambda number: self.page(query, number, context),
            keys=self.primary_keys,
            ceiling=self.run.machine.ceiling,
            pool=self.run.client.pool,
            on_count=lambda rows: self.progress.expect(query, rows),
            on_change=self.say_changed,
            pause=self.pause,
        )

    def say_changed(self) -> None:
        """Say that a list is read again."""
        self.logger.warning(
            "%s: the list changed while it was read, so it is read again", self.name
        )

    def pause(self, times: int) -> None:
        """Give Qonto time to agree with itself, the more the more often it did not."""
        self.run.machine.sleep(0.25 * 2**times)

    # Bookmarks

    def start(self, context: types.Context | None) -> str | None:
        """Return the first key to read, uniform, or None for everything.

        A finished run is taken up `lookback_seconds` before its bookmark, because rows may become
        visible late. An interrupted run is taken up at its bookmark, unless that is so young that
        rows before it may have become visible since.
        """
        state = self.stored_state(context) if self.is_incremental else {}
        bookmark = state.get("replication_key_value")
        if not bookmark:
            return self.run.start_date
        start = uniform(bookmark)
        end = uniform(state[INTERRUPTED]) if INTERRUPTED in state else start
        return max(min(start, shift(end, -self.run.lookback)), FLOOR)

    def bookmark(self, context: types.Context | None) -> Bookmark:
        """Return the bookmark of a partition."""
        state = self.get_context_state(context) if self.is_incremental else {}
        self._bookmark = Bookmark(state, self.replication_key or "", self.run.end)
        return self._bookmark

    def sign(self, owner: str) -> None:
        """Let the state say whose it is."""
        state: Any = self.tap_state
        state[OWNER] = owner

    def hold(self, row: Row) -> None:
        """Let the next run read a row again, because not all that belongs to it could be had."""
        if self._bookmark and (at := row.get(self._bookmark.key)):
            self._bookmark.hold(at)

    def following(self, rows: Iterable[Row], context: types.Context | None) -> Iterator[Row]:
        """Yield rows sorted by the replication key; the bookmark follows those written."""
        bookmark = self.bookmark(context)
        key = bookmark.key
        for row in self.ahead(rows):
            at = row.get(key)  # before the row is written, which takes deselected columns away
            yield row
            if at and at > bookmark.value:
                bookmark.move(at)
        bookmark.finish()

    def afterwards(self, rows: Iterable[Row], context: types.Context | None) -> Iterator[Row]:
        """Yield rows in any order; the bookmark moves when all have been written."""
        bookmark = self.bookmark(context)
        last, count = "", 0
        for row in self.ahead(rows):
            count += 1
            last = max(last, row.get(bookmark.key) or "")
            yield row
        # Rows without the key leave only the end of what was asked for to remember.
        bookmark.move(self.run.end if count and not last else last)
        bookmark.finish()

    def walker(
        self, walk: dict[str, Any], documents: Companion, among: Collection[Partition]
    ) -> QontoStream:
        """Return this stream once more, to read what it has read before for the documents only.

        Args:
            walk: Keeps how far it has come, as a stream's state does.
            documents: The stream of the documents.
            among: The partitions to read.
        """
        walker = type(self)(self._tap_of_run, self.run)
        walker.walk_by(walk, among)
        walker.read_for(documents)
        return walker

    def read_for(self, documents: Companion | None) -> None:
        """Let the rows carry their documents, unless nobody wants them."""
        self._documents = documents

    # What the SDK calls

    @override
    def before_rows(self) -> None:
        self.prepare_rows()
        if self._documents:
            self._documents.prepare(self)
            return
        for child in self.children:
            if isinstance(child, QontoStream) and child.holds_documents:
                cast("Companion", child).forget()

    @override
    def after_rows(self) -> None:
        if self._documents:
            self._documents.settle(self)

    @override
    def get_records(self, context: types.Context | None) -> Iterator[Row]:
        self.started = True
        self._bookmark = None
        if self._given_up >= (_HOPELESS_CHILD if self.parent_stream_type else _HOPELESS):
            self.progress.unfinished = True
            return
        emitted = False
        try:
            for row in self.rows(context):
                if type(row) is not dict and not self._is_usable(row):
                    continue
                emitted = True
                yield row
            self._given_up = 0
        except SentenceError as error:
            self._survive(error, context, emitted=emitted)

    def _is_usable(self, row: Row) -> bool:
        """Return whether a row can be written, having noted what there is to tell of it."""
        if not isinstance(row, TellingRow):
            return True
        self._findings.add(row.notes)
        return row.is_usable

    @override
    def report(self) -> None:
        if sentence := self._findings.sentence(
            has_column=self._cleaner is None or self._cleaner.has_column
        ):
            self.logger.warning("%s: %s", self.name, sentence)

    def _survive(
        self, error: SentenceError, context: types.Context | None, *, emitted: bool
    ) -> None:
        """Note what ended the reading of one partition, so that the others are read all the same.

        Args:
            error: What happened.
            context: The partition.
            emitted: Whether some of its rows have been written.

        Raises:
            SentenceError: If nothing else can be read either, or this is a test.
        """
        if (
            isinstance(error, NotReadableError | UnauthorizedError)
            and not emitted
            and self.run.may_skip(self, error)
        ):
            self.run.skip(self, error)
            return
        if self.is_test or error.ends_run:
            raise error
        if isinstance(error, UnsortedError) and self._bookmark:
            # Rows may be missing before those that were written.
            self._bookmark.undo()
        self.progress.unfinished = True
        self._given_up += isinstance(error, FaultError) or bool(self.parent_stream_type)
        sentence = str(error)
        if isinstance(error, CeilingError):
            sentence = (
                f"GET {self.path} lists more rows than Qonto gives out for one query, and has no "
                "filter to ask for fewer"
            )
        if account := (context or {}).get("bank_account_id"):
            sentence = f"bank account {account}: {sentence}"
        self.run.fail(self, error, sentence)

    @override
    def prepare_rows(self) -> None:
        documents = (
            cast("Companion", child)
            for child in self.children
            if isinstance(child, QontoStream) and child.holds_documents and child.selected
        )
        self.read_for(next(documents, None))

    @override
    def generate_child_contexts(
        self, record: types.Record, context: types.Context | None
    ) -> Iterable[types.Context | None]:
        if self._documents is None:
            return super().generate_child_contexts(record, context)
        return self._documents.contexts(record)

    @override
    def write_children(self, _context: types.Context | None) -> bool:
        if self._documents is None:
            return False
        self._documents.write_all(_context, self)
        return True
