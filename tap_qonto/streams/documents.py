"""Documents of the other streams' rows, each a child of the stream whose rows point at it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from tap_qonto.documents import Document, link_of
from tap_qonto.streams.base import QontoStream
from tap_qonto.streams.invoicing import ClientInvoices, CreditNotes, Quotes
from tap_qonto.streams.spending import SupplierInvoices
from tap_qonto.streams.transactions import Statements, Transactions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers import types

    from tap_qonto.pagination import Row

AHEAD = 100
"""Rows of the parent, about a page, whose documents may be under way before their turn."""

_DOCUMENTS = "\0documents"
"""Where a parent's row carries its documents from its cleaning to its turn."""


class DocumentStream(QontoStream, scope="attachment.read"):
    """Documents that the parent's rows point at.

    Class keywords: `belongs_to`, the column that holds the parent's ID; `pointers`, the parent's
    fields that hold IDs of attachments.
    """

    path = "/attachments/{id}"
    belongs_to: ClassVar[str] = ""
    pointers: ClassVar[tuple[str, ...]] = ("attachment_id",)
    state_partitioning_keys = ()  # one STATE for all parents
    _parent: QontoStream
    _now: tuple[Row | Future[Row], ...] = ()

    def of(self, row: Row) -> Iterator[Document]:
        """Yield the documents that a row of the parent, as Qonto sent it, points at."""
        parent = {self.belongs_to: row.get("id")}
        for id_ in dict.fromkeys(row.get(name) for name in self.pointers):
            if isinstance(id_, str) and id_:
                yield Document(self.name, parent, id_)

    # What the parent calls

    @staticmethod
    def attach(row: Row, documents: tuple[Document, ...]) -> Row:
        """Let a clean row of the parent carry its documents until its turn."""
        if documents:
            row[_DOCUMENTS] = documents
        return row

    def ahead(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the parent's rows, while the documents of those that follow are fetched."""
        self._write_schema_message()
        waiting: deque[tuple[Row, tuple[Row | Future[Row], ...]]] = deque()
        try:
            for row in rows:
                waiting.append((row, self._begin(row)))
                if len(waiting) > AHEAD:
                    yield self._turn(waiting)
            while waiting:
                yield self._turn(waiting)
        finally:
            for _, pending in waiting:
                for document in pending:
                    if isinstance(document, Future):
                        document.cancel()

    def _begin(self, row: Row) -> tuple[Row | Future[Row], ...]:
        documents = row.pop(_DOCUMENTS, ())
        return tuple(map(self.tap.archive.begin, documents))

    def _turn(self, waiting: deque[tuple[Row, tuple[Row | Future[Row], ...]]]) -> Row:
        row, self._now = waiting.popleft()
        return row

    def contexts(self, row: Row) -> Iterator[types.Context]:
        """Yield the context of the row whose turn it is, if it has documents."""
        if self._now:
            yield {self.belongs_to: row["id"]}

    def write(self, context: types.Context | None) -> None:
        """Write the documents of the row whose turn it is."""
        for pending in self._now:
            row = self.clean(pending.result() if isinstance(pending, Future) else pending, context)
            self._write_record_message(row)


class TransactionAttachments(DocumentStream, belongs_to="transaction_id"):
    """Receipts and other documents of transactions."""

    name = "transaction_attachments"
    primary_keys = ("transaction_id", "id")
    parent_stream_type = Transactions

    @override
    def of(self, row: Row) -> Iterator[Document]:
        parent = {self.belongs_to: row.get("id")}
        embedded = {
            told["id"]: told
            for told in row.get("attachments") or ()
            if isinstance(told, dict) and told.get("id")
        }
        for id_ in dict.fromkeys((*embedded, *(row.get("attachment_ids") or ()))):
            if told := embedded.get(id_):
                yield Document(self.name, parent, id_, dict(told), link_of(told, "url"))
            else:
                yield Document(self.name, parent, id_)


class ClientInvoiceAttachments(DocumentStream, belongs_to="client_invoice_id"):
    """PDF documents of client invoices."""

    name = "client_invoice_attachments"
    primary_keys = ("client_invoice_id", "id")
    parent_stream_type = ClientInvoices


class CreditNoteAttachments(DocumentStream, belongs_to="credit_note_id"):
    """PDF documents of credit notes."""

    name = "credit_note_attachments"
    primary_keys = ("credit_note_id", "id")
    parent_stream_type = CreditNotes


class QuoteAttachments(DocumentStream, belongs_to="quote_id"):
    """PDF documents of quotes."""

    name = "quote_attachments"
    primary_keys = ("quote_id", "id")
    parent_stream_type = Quotes


class SupplierInvoiceAttachments(
    DocumentStream,
    belongs_to="supplier_invoice_id",
    pointers=("attachment_id", "display_attachment_id"),
):
    """Documents of supplier invoices: the original file and, where it differs, the readable one."""

    name = "supplier_invoice_attachments"
    primary_keys = ("supplier_invoice_id", "id")
    parent_stream_type = SupplierInvoices


class StatementFiles(DocumentStream, belongs_to="statement_id", scope="organization.read"):
    """PDF documents of account statements."""

    name = "statement_files"
    path = "/statements/{id}"
    primary_keys = ("statement_id",)
    parent_stream_type = Statements

    @override
    def of(self, row: Row) -> Iterator[Document]:
        file = row.get("file")
        if isinstance(file, dict):
            parent = {self.belongs_to: row.get("id")}
            columns = {name: row.get(name) for name in ("bank_account_id", "period")}
            told = {"created_at": None, **columns, **file}
            yield Document(self.name, parent, row.get("id") or "", told, link_of(file, "file_url"))
