"""What is made in the company's name: new clients, and invoices from the draft to the PDF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.world import einvoice
from tap_qonto.demo.world.invoicing import INVOICE, TERMS, invoice_url, issuer_of, transfer_to
from tap_qonto.demo.world.moments import iso
from tap_qonto.demo.world.rows import Row, money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_qonto.demo.world.company import Company

_COPIED: Final = (
    "id", "name", "first_name", "last_name", "type", "email", "vat_number",
    "tax_identification_number", "address", "city", "zip_code", "province_code", "country_code",
    "recipient_code", "locale", "billing_address", "delivery_address",
)  # fmt: skip
"""What an invoice repeats of its client, in the API's order."""

_PRINTED: Final = ("purchase_order", "header", "footer", "terms_and_conditions", "currency",
                   "performance_start_date", "performance_end_date")  # fmt: skip


# -- clients ------------------------------------------------------------------------------------


def add_client(company: Company, fields: Row, now: int) -> Row:
    """Add a client and return its row; `fields` are those that the API takes."""
    address = fields.get("billing_address") or {}
    row: Row = {"id": company.new_id("client")}
    names = ("name",) if fields["kind"] == "company" else ("first_name", "last_name")
    row |= {name: fields[name] for name in names}
    row |= {
        "type": fields["kind"],
        "email": fields.get("email"),
        "vat_number": fields.get("vat_number"),
        "tax_identification_number": fields.get("tax_identification_number"),
        "address": address.get("street_address"),
        "city": address.get("city"),
        "zip_code": address.get("zip_code"),
        "province_code": address.get("province_code"),
        "country_code": (address.get("country_code") or "").lower() or None,
        "recipient_code": fields.get("recipient_code"),
        "locale": fields.get("locale"),
        "billing_address": fields.get("billing_address"),
        "delivery_address": fields.get("delivery_address"),
        "kind": fields["kind"],
        "phone_number": None,
        "phone": fields.get("phone"),
        "extra_emails": fields.get("extra_emails") or [],
        "currency": fields.get("currency"),
        "e_invoicing_address": fields.get("e_invoicing_address"),
        "e_invoicing_reachable": False,
        "created_at": iso(now),
        "updated_at": iso(now),
    }
    company.put("clients", row)
    return row


# -- invoices -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Position:
    """One line of an invoice that was asked for; the rate is a fraction."""

    title: str
    quantity: Decimal
    unit_price: Decimal
    rate: Decimal
    description: str | None = None
    unit: str | None = None

    @property
    def subtotal(self) -> int:
        """Cents before VAT."""
        return _cents(self.quantity * self.unit_price)

    @property
    def vat(self) -> int:
        """VAT of this line in cents."""
        return _cents(Decimal(self.subtotal) / 100 * self.rate)

    def shown(self) -> Row:
        """Return the line as an invoice shows it."""
        price = _cents(self.unit_price)
        total = self.subtotal + self.vat
        return {
            "title": self.title,
            "description": self.description,
            "quantity": format(self.quantity, "f"),
            "unit": self.unit,
            "unit_price": money(price),
            "unit_price_cents": price,
            "vat_rate": format(self.rate, "f"),
            "vat_exemption_reason": None,
            "discount": None,
            "total_vat": money(self.vat),
            "total_vat_cents": self.vat,
            "total_amount": money(total),
            "total_amount_cents": total,
            "subtotal": money(self.subtotal),
            "subtotal_cents": self.subtotal,
        }


def _cents(amount: Decimal) -> int:
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


def draft(
    company: Company, client: Row, fields: Row, positions: Sequence[Position], now: int
) -> Row:
    """Make the draft of an invoice and return its row.

    Args:
        company: Who sends it.
        client: Row of the client.
        fields: What was asked for, as the API takes it.
        positions: Its lines.
        now: The present.
    """
    totals = einvoice.taxes_of((_percent(one.rate), one.subtotal) for one in positions).values()
    net, vat = sum(basis for basis, _ in totals), sum(tax for _, tax in totals)
    iban = fields["payment_methods"]["iban"].replace(" ", "")
    row = {
        **INVOICE,
        **TERMS,
        **{name: fields[name] for name in _PRINTED if fields.get(name) is not None},
        "id": company.new_id("client_invoice"),
        "organization_id": company.organization_id,
        "number": fields.get("number"),
        "invoice_number": fields.get("number"),
        "client_id": client["id"],
        "status": "draft",
        "contact_email": f"factures@{company.slug}.example",
        "total_amount": money(net + vat),
        "total_amount_cents": net + vat,
        "vat_amount": money(vat),
        "vat_amount_cents": vat,
        "amount_paid": money(0),
        "issue_date": fields["issue_date"],
        "due_date": fields["due_date"],
        "created_at": iso(now),
        "updated_at": iso(now),
        "items": [one.shown() for one in positions],
        "client": {name: client[name] for name in _COPIED if name in client},
        "payment_methods": [transfer_to(company, iban)],
        "credit_notes_ids": [],
        "organization": issuer_of(company),
        "invoice_type": "standard",
        "einvoicing_lifecycle_events": [],
    }
    company.put("client_invoices", row)
    return row


def finalize(company: Company, invoice: Row, now: int, *, delay: int) -> Row:
    """Make a draft an invoice for good and return its row.

    Args:
        company: Who sends it.
        invoice: The draft.
        now: The present.
        delay: Milliseconds until its PDF is made; it has no document before.
    """
    number = invoice["number"] or _next_number(company, invoice["issue_date"][:4])
    row = company.change(
        "client_invoices", invoice["id"], number=number, invoice_number=number, status="unpaid",
        invoice_url=invoice_url(company.formula.uuid("invoice_page", now)),
        finalized_at=iso(now), updated_at=iso(now),
    )  # fmt: skip
    company.put("agenda", {"id": row["id"], "what": "print", "at": now + delay})
    return row


def _next_number(company: Company, year: str) -> str:
    """Return the next number that no invoice of a year has."""
    pattern = re.compile(rf"F-{year}-(\d{{1,9}})", re.ASCII)
    found = (pattern.fullmatch(row["number"] or "") for row in company.rows("client_invoices"))
    last = max((int(match[1]) for match in found if match), default=0)
    return f"F-{year}-{last + 1:04d}"


def print_invoice(company: Company, plan: Row, now: int) -> None:
    """Make the PDF of an invoice, with its electronic twin inside."""
    invoice = company.get("client_invoices", plan["id"])
    if invoice is None:
        return
    uuid = company.new_id("attachment")
    content = einvoice.facturx(_electronic(company, invoice), company.formula.seed(uuid))
    company.put(
        "attachments",
        {
            "id": uuid,
            "created_at": iso(now),
            "file_name": f"{invoice['number']}.pdf",
            "file_size": str(len(content)),
            "file_content_type": "application/pdf",
            "probative_attachment": {"status": "unavailable"},
        },
    )
    company.replace_document(uuid, content)
    company.change("client_invoices", plan["id"], attachment_id=uuid, updated_at=iso(now))


def _electronic(company: Company, invoice: Row) -> einvoice.Invoice:
    issuer, client = invoice["organization"], invoice["client"]
    place: dict[str, Any] = client.get("billing_address") or {}
    person = f"{client.get('first_name') or ''} {client.get('last_name') or ''}".strip()
    return einvoice.Invoice(
        number=invoice["number"],
        issued=invoice["issue_date"],
        due=invoice["due_date"],
        currency=invoice["currency"],
        seller=einvoice.Party(
            issuer["legal_name"], issuer["address_line_1"], issuer["address_city"],
            issuer["address_zipcode"], "FR", company.legal_number, company.vat_number,
        ),
        buyer=einvoice.Party(
            client.get("name") or person, place.get("street_address") or "",
            place.get("city") or "", place.get("zip_code") or "",
            place.get("country_code") or "FR", None, client.get("vat_number"),
        ),
        iban=invoice["payment_methods"][0]["iban"],
        lines=tuple(
            einvoice.Line(
                item["title"], item["quantity"], item["unit_price_cents"], item["subtotal_cents"],
                _percent(Decimal(item["vat_rate"])),
            )
            for item in invoice["items"]
        ),
        purchase_order=invoice["purchase_order"],
    )  # fmt: skip


def _percent(rate: Decimal) -> str:
    """Return a VAT rate as electronic invoices write it: in percent, two places."""
    return f"{rate * 100:.2f}"
