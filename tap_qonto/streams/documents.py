"""Documents of the other streams' rows, each a child of the stream whose rows point at it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from typing_extensions import override

from tap_qonto.api.errors import DebtError, FaultError, ListError, QontoError, UnauthorizedError
from tap_qonto.api.instants import from_datetime
from tap_qonto.documents.copies import size_of
from tap_qonto.documents.document import Document
from tap_qonto.reading.debts import CATCHING_UP, Backlog, Debts, Wants, forget_rows
from tap_qonto.reading.familiar import Familiar, changed_at, mark_of
from tap_qonto.streams.base import QontoStream
from tap_qonto.streams.outcomes import Outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Row
    from tap_qonto.documents.document import Fetched
    from tap_qonto.reading.run import Run
    from tap_qonto.singer.tap import SingerTap

AHEAD = 100
"""Rows of the parent, about a page, whose documents may be under way before their turn."""


_DOCUMENTS = "\0documents"
"""Where a parent's row carries its documents from its cleaning to its turn."""


class _Waiting(NamedTuple):
    """A row of the parent that waits for its turn."""

    row: Row
    documents: tuple[Fetched | Future[Fetched], ...] = ()
    marks: tuple[bytes | None, ...] = ()
    """Those of the documents, in the same order."""
    later: Future[_Waiting] | None = None
    """Gives what takes this one's place."""
    unfinished: bool = False
    """Whether the next run must read the row again."""

    def cancel(self) -> None:
        """Begin nothing more for this row."""
        for work in (*self.documents, self.later):
            if isinstance(work, Future):
                work.cancel()


class DocumentStream(QontoStream, scope="attachment.read"):
    """Documents that the parent's rows point at.

    The parent hands over its rows before their turn, so that their documents are fetched while
    others are written; a row's documents are written before the row itself.

    Class keywords: `belongs_to`, the column that holds the parent's ID; `pointers`, the parent's
    fields that hold IDs of attachments; `invoices`, whether they are invoices; `sealable`, whether
    Qonto has signed copies of them.
    """

    path = "/attachments/{id}"
    belongs_to: ClassVar[str] = ""
    pointers: ClassVar[tuple[str, ...]] = ("attachment_id",)
    invoices: ClassVar[bool] = False
    sealable: ClassVar[bool] = False
    holds_documents = True
    state_partitioning_keys = ()  # one STATE for all parents

    _turn = _Waiting({})
    _written = 0

    def __init__(self, tap: SingerTap, run: Run) -> None:
        super().__init__(tap, run)
        self._outcomes = Outcomes(self.name, self.belongs_to)
        self._ahead: deque[_Waiting] = deque()
        self._state: dict[str, Any] = {}
        self._debts = Debts({}, self.name, self.primary_keys)
        self._backlog = Backlog({}, Wants(), {})
        self._familiar: Familiar | None = None

    def documents_of(self, row: Row) -> Iterator[Document]:
        """Yield the documents that a row of the parent, as Qonto sent it, points at."""
        named = (row.get(name) for name in self.pointers)
        for id_ in dict.fromkeys(id_ for id_ in named if isinstance(id_, str) and id_):
            yield self.document(row, id_)

    def document(self, row: Row, id_: str, told: Row | None = None) -> Document:
        """Return a document of a row.

        Args:
            row: A row of the parent.
            id_: ID of an attachment.
            told: What the row says about it.
        """
        return Document(
            self.name,
            {self.belongs_to: row.get("id"), "id": id_},
            id_,
            now=self.run.machine.stopwatch(),
            told=told,
            changed=changed_at(row),
            invoice=self.invoices and self.config["extract_facturx"],
            sealed=self.sealable and self.config["probative_attachments"],
            mark=mark_of(row, id_, self._columns) if told is None and self._remembers else None,
        )

    @cached_property
    def _remembers(self) -> bool:
        """Whether documents are only listed, of rows that every run reads anew."""
        key: object = getattr(self.parent_stream_type, "replication_key", None)
        return not (self.config.get("attachments_path") or isinstance(key, str))

    @cached_property
    def _columns(self) -> list[str]:
        """The columns that are written: a new one has to be told of every document."""
        return sorted(set(self.effective_schema["properties"]).difference(self._deselected))

    def owed_document(self, ids: Row) -> Document:
        """Return a document of which nothing is known but the columns that name it."""
        document = self.document({"id": ids[self.belongs_to]}, ids["id"])
        document.owed = True
        return document

    @property
    def wants(self) -> Wants:
        """What the settings ask of the documents."""
        if not self.config.get("attachments_path"):
            return Wants()
        return Wants(
            self.config["attachments_max_bytes"],
            self.sealable and self.config["probative_attachments"],
            self.invoices and self.config["extract_facturx"],
            self.run.start_date or "",
        )

    # What the parent calls before and after its rows

    def prepare(self, parent: QontoStream) -> None:
        """Look at what the documents of earlier runs' rows lack, and at what this run asks for.

        Raises:
            StorageError: If there is no place for documents.
        """
        if self.is_test:
            return
        _ = self.run.archive  # says now if it cannot be
        if self._remembers:
            self._familiar = Familiar(self.get_context_state(None))
        if not parent.is_incremental:  # all of it is read, and found lacking, anew
            return
        self._state = self.get_context_state(None)
        self._debts = Debts(self._state, self.name, self.primary_keys)
        self._backlog = Backlog(self._state, self.wants, parent.bookmarks(), parent.begun_anew())

    def settle(self, parent: QontoStream) -> None:
        """Have what the documents of earlier runs' rows lack.

        Raises:
            DebtError: If too many cannot be had.
            QontoError: If the rows cannot be read again.
            StorageError: If a document cannot be stored.
        """
        if self.is_test:
            return
        self.announce()  # also where no row of the parent has come
        if self._backlog.lacking:
            self._catch_up(parent)
        self._try_again()
        if self._familiar:
            self._familiar.keep(complete=not parent.progress.unfinished)
        self.mark()
        if self._debts:
            reason = self._outcomes.first_reason
            because = f", the first because: {reason}" if reason else ""
            if self.run.archive.forbids(self.name):
                because += f". All were refused: they need the OAuth scope {self.scope}"
            said = f"{len(self._debts):,} document(s) could not be had{because}"
            self.run.failed.setdefault(self.name, []).append(said)

    def forget(self) -> None:
        """Note that rows are read without their documents."""
        forget_rows(self.stored_state(None))

    def _catch_up(self, parent: QontoStream) -> None:
        """Read the rows of earlier runs once more, for their documents only.

        Raises:
            SentenceError: If some cannot be read; those of other partitions have been.
        """
        walker = parent.walker(self._state[CATCHING_UP], self, set(self._backlog.lacking))
        contexts: Sequence[types.Context] = [{}] if walker.partitions is None else walker.partitions
        told, errors = "", list[QontoError | ListError]()
        for context in contexts:
            partition = frozenset(context.items())
            why = self.wants.more_than(self._backlog.lacking[partition])
            if why != told:
                self.logger.info(
                    "%s: %s; the documents of rows that earlier runs have read follow",
                    self.name, why,
                )  # fmt: skip
            told = why
            try:
                self._read_again(walker, context)
            except (QontoError, ListError) as error:
                errors.append(error)
                if error.ends_run or (isinstance(error, FaultError) and len(errors) > 1):
                    raise
                continue
            if self.run.archive.forbids(self.name):
                return  # the next run goes on from here, if it may
            if partition not in walker.passed_over:
                self._backlog.caught_up(partition)
        if errors:
            raise errors[0]

    def _read_again(self, walker: QontoStream, context: types.Context) -> None:
        for row in walker.rows(context or None):
            for child_context in self.contexts(row):
                self.write_all(child_context, walker)
            if self.run.archive.forbids(self.name):
                return

    def _try_again(self) -> None:
        """Try to have the documents that an earlier run could not have."""
        under_way: deque[tuple[Row, Fetched | Future[Fetched]]] = deque()
        for ids in self._debts.untried():
            under_way.append((ids, self.run.archive.begin(self.owed_document(ids))))
            if len(under_way) > AHEAD:
                self._settle_one(*under_way.popleft())
        while under_way:
            self._settle_one(*under_way.popleft())

    def _settle_one(self, ids: Row, work: Fetched | Future[Fetched]) -> None:
        fetched = work.result() if isinstance(work, Future) else work
        owed, until = fetched.owed, fetched.until
        if not owed and fetched.row["file_status"] == "missing":
            until = self._debts.until(ids)
            owed = until > from_datetime(datetime.fromtimestamp(self.run.machine.clock(), UTC))
        self._settled(ids, until, owed=owed)
        context = {self.belongs_to: ids[self.belongs_to]}
        self._outcomes.note(fetched, context)
        # Without anything new to say, the row that is there says more.
        if fetched.known or fetched.row["file_status"] == "missing":
            self._write_row(fetched.row, context)

    # What the parent calls for its rows

    @staticmethod
    def attach(row: Row, documents: tuple[Document, ...]) -> Row:
        """Let a clean row of the parent carry its documents until its turn."""
        if documents:
            row[_DOCUMENTS] = documents
        return row

    def accompany(self, rows: Iterable[Row], parent: QontoStream) -> Iterator[Row]:
        """Yield the parent's rows, while the documents of those that follow are fetched."""
        self.announce()
        ahead = 0 if self.is_test else AHEAD
        waiting = self._ahead = deque()
        try:
            for row in rows:
                waiting.append(self.begin(row, parent))
                if len(waiting) > ahead:
                    yield self._next(waiting.popleft(), parent)
            while waiting:
                yield self._next(waiting.popleft(), parent)
        finally:
            for row_ahead in waiting:
                row_ahead.cancel()

    def begin(self, row: Row, parent: QontoStream) -> _Waiting:
        """Begin to fetch the documents of a row."""
        documents = row.pop(_DOCUMENTS, ())
        if parent.is_walker:
            documents = self._lacking(row, documents, parent)
        if not documents or not parent.is_wanted(row):
            return _Waiting(row)
        documents = self._unfamiliar(documents)
        begun = tuple(map(self.run.archive.begin, documents))
        return _Waiting(row, begun, tuple(document.mark for document in documents))

    def _unfamiliar(self, documents: tuple[Document, ...]) -> tuple[Document, ...]:
        """Return the documents of which an earlier run has not told the same."""
        familiar = self._familiar
        if familiar is None:
            return documents
        rest = tuple(one for one in documents if one.mark is None or not familiar.knows(one.mark))
        self._outcomes.pass_over(len(documents) - len(rest))
        return rest

    def _lacking(
        self, row: Row, documents: tuple[Document, ...], parent: QontoStream
    ) -> tuple[Document, ...]:
        """Return the documents of an earlier run's row that lack what the settings ask for now."""
        partition = parent.partition_of(row)
        if not self._backlog.lacks(partition, row.get(parent.replication_key or "") or ""):
            return ()
        had = self._backlog.lacking[partition]
        if had is None or had.largest < 0 or self.wants._replace(largest=-1).asks_more_than(had):
            return documents
        sizes = [size_of(document.told or {}) for document in documents]
        return tuple(
            document
            for document, size in zip(documents, sizes, strict=True)
            if size is None or size > had.largest
        )

    def _next(self, waiting: _Waiting, parent: QontoStream) -> Row:
        while waiting.later:
            waiting = waiting.later.result()
        if waiting.unfinished:
            parent.hold(waiting.row)
        self._turn = waiting
        return waiting.row

    def contexts(self, row: Row) -> Iterator[types.Context]:
        """Yield the context of the row whose turn it is, if it has documents."""
        if self._turn.documents:
            yield {self.belongs_to: row["id"]}

    def write_all(self, context: types.Context | None, parent: QontoStream) -> None:
        """Write the documents of the row whose turn it is.

        Raises:
            BadCredentialsError: If the credentials are not accepted any more.
            DebtError: If too many cannot be had.
            QontoError: If Qonto cannot be asked.
            StorageError: If one cannot be stored.
        """
        for work, mark in zip(self._turn.documents, self._turn.marks, strict=True):
            fetched = work.result() if isinstance(work, Future) else work
            if isinstance(fetched.refusal, UnauthorizedError):
                self.run.may_skip(self, fetched.refusal)
            self._settled(fetched.row, fetched.until, owed=fetched.owed)
            self._outcomes.note(fetched, context or {})
            self._write_row(fetched.row, context)
            if self._familiar and mark and fetched.is_final:
                self._familiar.learn(mark)
        # A parent that is not selected itself writes no STATE before its end.
        if self._written >= self.STATE_MSG_FREQUENCY and (parent.is_walker or not parent.selected):
            self._written = 0
            self.checkpoint()

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many documents were written, by what became of each."""
        return self._outcomes.counts

    def _write_row(self, row: Row, context: types.Context | None) -> None:
        self._written += 1
        row = self.clean(row, context)
        if self._is_usable(row):
            self.write(row)

    def _settled(self, ids: Row, until: str, *, owed: bool) -> None:
        """Note whether something of a document is owed.

        Raises:
            DebtError: If too much is, and not just because nothing may be read.
        """
        if not owed:
            self._debts.pay(ids)
            return
        try:
            self._debts.add(ids, until)
        except DebtError:
            if not self.run.archive.forbids(self.name):
                raise
            # No list of names is needed where all are lacking: a run that may read them has them.
            forget_rows(self._state)

    @override
    def log_sync_costs(self) -> None:
        self._outcomes.log()
