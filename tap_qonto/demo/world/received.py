"""What is uploaded: files, and supplier invoices that nobody has looked at yet."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from tap_qonto.demo.world.moments import iso
from tap_qonto.demo.world.purchases import NOTHING_KNOWN, SUPPLIER_INVOICE, actions_of, meta_of

if TYPE_CHECKING:
    from tap_qonto.demo.world.company import Company
    from tap_qonto.demo.world.rows import Row

_SIGNATURES: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)  # fmt: skip


class Upload(NamedTuple):
    """A file as it came in."""

    name: str
    content: bytes

    @property
    def kind(self) -> str | None:
        """Its content type, by what is in it; None for one that is not accepted."""
        return next((kind for sign, kind in _SIGNATURES if self.content.startswith(sign)), None)


def keep(company: Company, upload: Upload, now: int) -> str:
    """Keep a file that is of a known kind, and return its id."""
    uuid = company.new_id("attachment")
    company.put(
        "attachments",
        {
            "id": uuid,
            "created_at": iso(now),
            "file_name": upload.name,
            "file_size": str(len(upload.content)),
            "file_content_type": upload.kind,
            "probative_attachment": {"status": "unavailable"},
        },
    )
    company.replace_document(uuid, upload.content)
    return uuid


def receive(company: Company, attachment: str, *, source: str, meta: Row | None, now: int) -> Row:
    """Take a document as a supplier invoice to review, and return it; nothing is read from it."""
    file = company.get("attachments", attachment) or {}
    row = {
        **SUPPLIER_INVOICE,
        **NOTHING_KNOWN,
        "id": company.new_id("supplier_invoice"),
        "organization_id": company.organization_id,
        "status": "to_review",
        "source_type": "direct_upload",
        "source": source,
        "attachment_id": attachment,
        "display_attachment_id": attachment,
        "file_name": file["file_name"],
        "declined_note": "",
        "is_einvoice": False,
        "has_discrepancies": False,
        "has_duplicates": _is_known(company, attachment),
        "matched_transactions": [],
        "matched_transactions_ids": [],
        "transfer_ids": [],
        "initiator_id": company.formula.uuid("membership", 0),
        "einvoicing_lifecycle_events": [],
        "meta": meta_of(None) | (meta or {}),
        "available_actions": actions_of("to_review", paid=False),
        "approval_workflow": {
            "approver_ids": [company.formula.uuid("membership", 1)],
            "supplier_invoice_request_id": None,
            "verified_by": None,
            "last_approved_by": None,
        },
        "related_invoices": [],
        "suggested_transactions": [],
        "created_at": iso(now),
        "updated_at": iso(now),
    }
    company.put("supplier_invoices", row)
    return row


def _is_known(company: Company, attachment: str) -> bool:
    """Say whether the same bytes have been received before, and remember them."""
    digest = blake2b(company.document(attachment), digest_size=16).hexdigest()
    known = company.get("digests", digest) is not None
    company.put("digests", {"id": digest})
    return known
