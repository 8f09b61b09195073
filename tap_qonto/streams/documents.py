"""Documents of the other streams' rows, each a child of the stream whose rows point at it."""

from __future__ import annotations

import logging
from collections import Counter, deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from typing_extensions import override

from tap_qonto.api.errors import NotReadableError, UnauthorizedError
from tap_qonto.documents.document import Document
from tap_qonto.streams.base import QontoStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Row
    from tap_qonto.documents.document import Fetched
    from tap_qonto.reading.run import Run
    from tap_qonto.singer.sdk import SdkTap

AHEAD = 100
"""Rows of the parent, about a page, whose documents may be under way before their turn."""


_DOCUMENTS = "\0documents"
"""Where a parent's row carries its documents from its cleaning to its turn."""


class _Waiting(NamedTuple):
    """A row of the parent that waits for its turn."""

    row: Row
    documents: tuple[Fetched | Future[Fetched], ...] = ()
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
    fields that hold IDs of attachments; `invoices`, whether they are invoices.
    """

    path = "/attachments/{id}"
    belongs_to: ClassVar[str] = ""
    pointers: ClassVar[tuple[str, ...]] = ("attachment_id",)
    invoices: ClassVar[bool] = False
    holds_documents = True
    state_partitioning_keys = ()  # one STATE for all parents

    _turn = _Waiting({})
    _written = 0
    _received = 0
    _unchanged = 0

    def __init__(self, tap: SdkTap, run: Run) -> None:
        super().__init__(tap, run)
        self._statuses: Counter[str] = Counter()
        self._unreadable = 0

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
            told=told,
            invoice=self.invoices and self.config["extract_facturx"],
        )

    # What the parent calls

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
        waiting: deque[_Waiting] = deque()
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
        if not documents or not parent.is_wanted(row):
            return _Waiting(row)
        if self.name in self.run.skipped:
            return _Waiting(row, unfinished=True)
        return _Waiting(row, tuple(map(self.run.archive.begin, documents)))

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
            QontoError: If one cannot be had.
            StorageError: If one cannot be stored.
        """
        try:
            for work in self._turn.documents:
                fetched = work.result() if isinstance(work, Future) else work
                self._note(fetched, context)
                row = self.clean(fetched.row, context)
                if self._is_usable(row):
                    self.write(row)
        except (NotReadableError, UnauthorizedError) as error:
            if not self.run.may_skip(self, error):
                raise
            self.run.skip(self, error)
            parent.hold(self._turn.row)
        # A parent that is not selected itself writes no STATE before its end.
        if not parent.selected and self._written >= self.STATE_MSG_FREQUENCY:
            self._written = 0
            self.checkpoint()

    # What the log says

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many documents were written, by what became of each."""
        fetched = self._statuses - Counter(stored=self._unchanged)
        return fetched + Counter(unchanged=self._unchanged)

    def _note(self, fetched: Fetched, context: types.Context | None) -> None:
        """Count what became of a document; warn of the first of each kind of trouble."""
        status = fetched.row["file_status"]
        if status == "missing" and not self._statuses[status]:
            self.logger.warning(
                "%s: a document of %s %s does not exist any more; its row says 'missing'. Others "
                "are counted at the end",
                self.name, self.belongs_to, (context or {}).get(self.belongs_to),
            )  # fmt: skip
        self._statuses[status] += 1
        self._unchanged += status == "stored" and not fetched.received
        self._received += fetched.received
        self._written += 1
        if fetched.complaint:
            if not self._unreadable:
                self.logger.warning(
                    "%s: the PDF of %s %s cannot be searched for an electronic invoice: %s. "
                    "Others are counted at the end",
                    self.name, self.belongs_to, (context or {}).get(self.belongs_to),
                    fetched.complaint,
                )  # fmt: skip
            self._unreadable += 1

    @override
    def log_sync_costs(self) -> None:
        if not self._statuses:
            return
        counts = [f"{count:,} {status}" for status, count in sorted(self._statuses.items())]
        if self._unreadable:
            counts.append(f"{self._unreadable:,} with an unreadable PDF")
        self.logger.log(
            logging.WARNING if self._unreadable or self._statuses["missing"] else logging.INFO,
            "%s: %s; %s MB downloaded",
            self.name, ", ".join(counts), f"{self._received / 1e6:,.1f}",
        )  # fmt: skip
