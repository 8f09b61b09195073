"""The documents of the streams: one class for each kind of row that points at some."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_qonto.api.errors import NotReadableError, QontoError
from tap_qonto.api.instants import from_datetime
from tap_qonto.api.pages import Query
from tap_qonto.documents.document import STATEMENT, Document
from tap_qonto.streams.documents import DocumentStream, _Waiting
from tap_qonto.streams.invoicing import ClientInvoices, CreditNotes, Quotes
from tap_qonto.streams.spending import SupplierInvoices
from tap_qonto.streams.transactions import Statements, Transactions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.api.pages import Row
    from tap_qonto.streams.base import QontoStream


class TransactionAttachments(DocumentStream, belongs_to="transaction_id", sealable=True):
    """Receipts and other documents of transactions."""

    name = "transaction_attachments"
    primary_keys = ("transaction_id", "id")
    parent_stream_type = Transactions

    @override
    def documents_of(self, row: Row) -> Iterator[Document]:
        embedded = {
            told["id"]: told
            for told in row.get("attachments") or ()
            if isinstance(told, dict) and isinstance(told.get("id"), str)
        }
        for id_ in dict.fromkeys((*embedded, *(row.get("attachment_ids") or ()))):
            told = embedded.get(id_)
            # The row's cleaning removes the links, and changes the rest to what columns need.
            yield self.document(row, str(id_), None if told is None else _copied(told))


def _copied(told: Row) -> Row:
    """Return what a row tells of a document, which has objects in it, but none in these."""
    return {name: dict(part) if isinstance(part, dict) else part for name, part in told.items()}


class ClientInvoiceAttachments(DocumentStream, belongs_to="client_invoice_id", invoices=True):
    """PDF documents of client invoices.

    Qonto makes the PDF about 10 seconds after the invoice, says its guide, which advises to ask
    for the invoice up to 15 times, 2 seconds apart.
    """

    name = "client_invoice_attachments"
    primary_keys = ("client_invoice_id", "id")
    parent_stream_type = ClientInvoices

    @override
    def begin(self, row: Row, parent: QontoStream) -> _Waiting:
        if not _awaits_pdf(row, self.run.machine.clock()):
            return super().begin(row, parent)
        return _Waiting(row, later=self.run.archive.wait(self._begin_later, row, parent))

    def _begin_later(self, row: Row, parent: QontoStream) -> _Waiting:
        """Wait for an invoice's PDF; without one, the next run must read the invoice again."""
        invoice: Row | None = row
        for attempt in range(_LOOKS):
            if attempt:
                self.run.machine.sleep(_BETWEEN_LOOKS)
            try:
                invoice = self._invoice(row["id"])
            except QontoError as error:
                if error.ends_run:
                    raise
                break  # as long as it is young, the next run looks again
            if not invoice or invoice.get("attachment_id") or self.run.archive.stopped:
                break
        if invoice is None:
            return super().begin(row, parent)
        row = parent.clean(invoice, None)
        return super().begin(row, parent)._replace(unfinished=not row.get("attachment_id"))

    def _invoice(self, id_: str) -> Row | None:
        """Return an invoice as it is now; None if it was deleted meanwhile."""
        query = Query(self.name, f"/client_invoices/{id_}")
        try:
            return self.run.client.object(query, "client_invoice")
        except NotReadableError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None


_LOOKS = 15
_BETWEEN_LOOKS = 2.0
"""How often, and after how many seconds, an invoice without its PDF is looked at again."""

_RECENTLY = timedelta(minutes=15)
"""How long after an invoice's last change its PDF may still be in the making."""


def _awaits_pdf(invoice: Row, now: float) -> bool:
    """Return whether an invoice's PDF is likely to appear within seconds.

    Args:
        invoice: The invoice.
        now: Seconds since the epoch.
    """
    return (
        not invoice.get("attachment_id")
        and invoice.get("status") not in (None, "draft")
        and (invoice.get("updated_at") or "")
        > from_datetime(datetime.fromtimestamp(now, UTC) - _RECENTLY)
    )


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
    invoices=True,
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
    def documents_of(self, row: Row) -> Iterator[Document]:
        file, id_ = row.get("file"), row.get("id")
        if isinstance(file, dict) and isinstance(id_, str):
            columns = {name: row.get(name) for name in ("bank_account_id", "period")}
            columns |= {self.belongs_to: id_, "created_at": None}
            now = self.run.machine.stopwatch()
            yield Document(self.name, columns, id_, STATEMENT, now=now, told=dict(file))
