"""The PDF of a final invoice: waited for, stored, and the electronic invoice inside compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tap_qonto.api.errors import UnreadableError
from tap_qonto.api.redaction import printable
from tap_qonto.documents.document import Document
from tap_qonto.documents.facturx import read_totals
from tap_qonto.writing.found import read
from tap_qonto.writing.issued import PATH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.documents.archive import Archive
    from tap_qonto.writing.client_invoice_rows import InvoiceRow
    from tap_qonto.writing.write import Desk

TRIES: Final = 15
BETWEEN: Final = 2.0
"""How often, and after how many seconds, a final invoice is asked for its PDF."""

STREAM: Final = "client_invoice_attachments"
"""Where the tap stores such documents: each is stored once."""


class Paper(NamedTuple):
    """What became of an invoice's document."""

    attachment: str = ""
    """ID of the attachment; empty if it is not there yet."""
    reason: str = ""
    """What a person should know."""
    fits: bool = True
    """Whether the electronic invoice inside says what the row says."""


class Papers:
    """Waits for documents and stores them.

    Args:
        desk: What the run works with.
        archive: Returns what fetches and stores documents; None if none are stored.
        pause: Waits for a number of seconds; returns whether the run was asked to stop.
    """

    def __init__(
        self,
        desk: Desk,
        archive: Callable[[], Archive] | None,
        pause: Callable[[float], bool],
    ) -> None:
        self._desk = desk
        self._archive = archive
        self.pause = pause

    @property
    def wanted(self) -> bool:
        """Whether documents are stored at all."""
        return self._archive is not None

    def store(self, invoice_id: str, row: InvoiceRow) -> Paper:
        """Have the document of a final invoice stored and compared.

        Raises:
            QontoError: If Qonto or the file host does not give it.
            StorageError: If it cannot be stored.
        """
        attachment = ""
        for attempt in range(TRIES):
            if attempt and self.pause(BETWEEN):
                break
            attachment = self._ready(invoice_id)
            if attachment:
                return self._keep(attachment, invoice_id, row)
        return Paper(reason="its PDF is not made yet; the next run goes on there")

    def _ready(self, invoice_id: str) -> str:
        """Return the ID of an invoice's document once it can be had, else nothing."""
        invoice = read(self._desk.client, f"{PATH}/{invoice_id}", "client_invoice") or {}
        attachment = invoice.get("attachment_id")
        if not isinstance(attachment, str) or not attachment:
            return ""
        told = read(self._desk.client, f"/attachments/{attachment}", "attachment")
        return attachment if told and told.get("url") else ""

    def _keep(self, attachment: str, invoice_id: str, row: InvoiceRow) -> Paper:
        if self._archive is None:
            return Paper(attachment)
        begun = self._archive().begin(
            Document(
                STREAM,
                {"client_invoice_id": invoice_id},
                attachment,
                now=0.0,  # of no use to a document of which nothing was told yet
                invoice=True,
            )
        )
        fetched = begun if isinstance(begun, tuple) else begun.result()
        status = fetched.row["file_status"]
        if status != "stored":
            return Paper(reason=f"its PDF could not be stored: {printable(status)}")
        if fetched.complaint:
            return Paper(attachment, f"its PDF cannot be read: {fetched.complaint}", fits=False)
        xml = fetched.row.get("facturx_xml")
        if not xml:
            return Paper(attachment, "its PDF is stored; no electronic invoice is inside")
        try:
            totals = read_totals(xml)
        except UnreadableError as error:
            return Paper(attachment, f"its electronic invoice cannot be read: {error}", fits=False)
        profile = printable(fetched.row.get("facturx_profile") or "of an unknown profile")
        if totals.cents not in (None, *row.totals) or totals.currency not in (None, "EUR"):
            reason = f"its electronic invoice ({profile}) has another total or currency"
            return Paper(attachment, reason, fits=False)
        return Paper(attachment, f"its PDF is stored; {profile} inside")
