"""Money to come in: client invoices, credit notes, quotes and the state of e-invoicing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import einvoice
from tap_qonto.demo.world.clients import (
    INVOICES,
    address_of,
    client_fields,
    client_name,
    vat_number_of,
)
from tap_qonto.demo.world.moments import DAY, END, HOUR, SECOND, START, day, iso
from tap_qonto.demo.world.rows import Row, money
from tap_qonto.demo.world.sales import (
    DRAFTS,
    QUOTES,
    QUOTES_WITH_INVOICE,
    credit_notes_of,
    due_of,
    has_quote,
    is_canceled,
    is_imported,
    items_of,
    reference_of,
    sale,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.sales import Line, Sale
    from tap_qonto.demo.world.trades import Settled


def issuer_of(company: Facts) -> Row:
    """Return how the company calls itself on its invoices."""
    address = next(iter(company.rows("organization")))["address"]
    return {
        "id": company.organization_id,
        "legal_name": f"{company.legal_name.upper()} SAS",
        "legal_number": company.legal_number,
        "legal_country": "FR",
        "address_line_1": address["street_address"],
        "address_line_2": None,
        "address_zipcode": address["zip_code"],
        "address_city": address["city"],
        "address_country": "FR",
        "company_leadership": None,
        "district_court": None,
        "commercial_register_number": f"RCS {address['city']} {company.legal_number}",
        "vat_number": company.vat_number,
        "tax_number": None,
        "legal_capital_share": money(15_000_000),
        "transaction_type": "goods_and_services",
        "vat_payment_condition": "on_receipts",
    }


def steps_of(moment: int, codes: tuple[int, ...]) -> list[Row]:
    """Steps of an e-invoice; their times have four digits after the point."""
    return [
        {
            "status_code": code,
            "reason": None,
            "reason_message": None,
            "timestamp": f"{iso((moment + rank * HOUR) // 1000 * 1000)[:-1]}.{4497 - rank:04d}Z",
        }
        for rank, code in enumerate(codes)
    ]


INVOICE: Final[Row] = dict.fromkeys((
    "id", "organization_id", "number", "invoice_number", "client_id", "purchase_order", "status",
    "invoice_url", "contact_email", "terms_and_conditions", "discount_conditions",
    "late_payment_penalties", "legal_fixed_compensation", "header", "footer", "currency",
    "total_amount", "total_amount_cents", "vat_amount", "vat_amount_cents", "amount_paid",
    "discount", "deposit_amount", "issue_date", "due_date", "performance_date",
    "performance_start_date", "performance_end_date", "created_at", "updated_at", "finalized_at",
    "paid_at", "stamp_duty_amount", "items", "client", "payment_methods", "credit_notes_ids",
    "organization", "invoice_type", "quote_id", "upload_id", "attachment_id",
    "einvoicing_status", "welfare_fund", "withholding_tax", "payment_reporting",
    "einvoicing_lifecycle_events",
))  # fmt: skip
"""All columns of a client invoice, in the order in which the API writes them."""


TERMS: Final = {
    "terms_and_conditions": "Paiement à trente jours.",
    "discount_conditions": "Pas d'escompte pour paiement anticipé.",
    "late_payment_penalties": "Trois fois le taux d'intérêt légal.",
    "legal_fixed_compensation": "Indemnité forfaitaire de recouvrement de 40 euros.",
}
"""What the law or habit prints on invoices."""


def client_invoices(company: Facts) -> Iterator[Row]:
    """Invoices to clients: drafts, open, paid, canceled, and those of an earlier tool."""
    issuer = issuer_of(company)
    for number in range(INVOICES):
        sold = sale(company, number)
        draft = number >= INVOICES - DRAFTS
        lines = () if draft and number % 2 == 1 else sold.lines
        paid = company.ledger.placed(("client_invoice", number))
        yield {
            **INVOICE,
            **TERMS,
            **_sums(lines, paid=paid is not None),
            **_life(company, sold, number, paid),
            "id": company.formula.uuid("client_invoice", number),
            "organization_id": company.organization_id,
            "client_id": company.formula.uuid("client", sold.client),
            "purchase_order": f"PO-{4000 + number}" if number % 6 == 0 else None,
            "contact_email": f"factures@{company.slug}.example",
            "footer": "Merci de votre confiance." if number % 2 else None,
            "currency": "EUR",
            "issue_date": day(sold.created),
            "due_date": day(due_of(sold)),
            "performance_start_date": day(sold.created - 20 * DAY) if number % 5 == 0 else None,
            "performance_end_date": day(sold.created) if number % 5 == 0 else None,
            "items": items_of(lines) or None,
            "client": client_fields(company, sold.client),
            "payment_methods": [transfer_to(company, company.accounts[0].iban)],
            "credit_notes_ids": [
                company.formula.uuid("credit_note", n) for n in credit_notes_of(number)
            ],
            "organization": issuer,
            "invoice_type": "standard",
            "quote_id": company.formula.uuid("quote", number // 3) if has_quote(number) else None,
        }


def transfer_to(company: Facts, iban: str) -> Row:
    """Return the way to pay an invoice: a transfer to one of the company's accounts."""
    return {
        "beneficiary_name": company.legal_name,
        "bic": "QNTOFRP1XXX",
        "iban": iban,
        "type": "transfer",
    }


def _sums(lines: Sequence[Line], *, paid: bool) -> Row:
    total = sum(line.subtotal + line.vat for line in lines)
    vat = sum(line.vat for line in lines)
    return {
        "total_amount": money(total),
        "total_amount_cents": total,
        "vat_amount": money(vat),
        "vat_amount_cents": vat,
        "amount_paid": money(total if paid else 0),
    }


def _life(company: Facts, sold: Sale, number: int, paid: Settled | None) -> Row:
    """Return how far an invoice has come: its status, moments, number and documents."""
    formula = company.formula
    draft = number >= INVOICES - DRAFTS
    status = "unpaid"
    if draft:
        status = "draft"
    elif is_canceled(number):
        status = "canceled"
    elif paid is not None:
        status = "paid"
    finalized = None if draft else sold.created + 2 * HOUR
    changed = paid.moment + 4 * SECOND if paid else (finalized or sold.created) + HOUR
    reference = None if draft else reference_of(sold, number)
    electronic = not draft and number % 4 == 0
    return {
        "number": reference,
        "invoice_number": reference,
        "status": status,
        "invoice_url": None if draft else invoice_url(formula.uuid("invoice_page", number)),
        "created_at": _offset(sold.created) if is_imported(number) else iso(sold.created),
        "updated_at": iso(min(changed, END)),
        "finalized_at": None if finalized is None else iso(min(finalized, END)),
        "paid_at": None if paid is None else iso(paid.moment),
        "attachment_id": None if draft else formula.uuid("client_invoice_pdf", number),
        "einvoicing_status": "approved" if electronic else None,
        "einvoicing_lifecycle_events": steps_of(sold.created + 3 * HOUR, (200, 202, 205))
        if electronic
        else [],
    }


def invoice_url(page: str) -> str:
    """Return the address at which a client sees an invoice."""
    return f"https://pay.demo.qonto.invalid/invoices/{page}"


def _offset(moment: int) -> str:
    """Write a moment in the French time of summer, as some answers do."""
    return f"{iso(moment + 2 * HOUR)[:-1]}+02:00"


def credit_notes(company: Facts) -> Iterator[Row]:
    """Corrections of client invoices: the whole of a canceled one, or one line."""
    formula = company.formula
    for number in range(INVOICES):
        if not credit_notes_of(number):
            continue
        sold = sale(company, number)
        lines = sold.lines if is_canceled(number) else sold.lines[:1]
        total = sum(line.subtotal + line.vat for line in lines)
        vat = sum(line.vat for line in lines)
        created = min(END, sold.created + 10 * DAY)
        yield {
            "id": formula.uuid("credit_note", number),
            "invoice_id": formula.uuid("client_invoice", number),
            "attachment_id": formula.uuid("credit_note_pdf", number),
            "number": reference_of(sold, number, "AV"),
            "issue_date": day(created),
            "invoice_issue_date": day(sold.created),
            "reason": "Annulation" if is_canceled(number) else "Geste commercial",
            "terms_and_conditions": None,
            "header": None,
            "footer": None,
            "currency": "EUR",
            "vat_amount": money(vat),
            "vat_amount_cents": vat,
            "total_amount": money(total),
            "total_amount_cents": total,
            "stamp_duty_amount": None,
            "created_at": iso(created),
            "finalized_at": iso(created),
            "contact_email": f"factures@{company.slug}.example",
            "invoice_url": f"https://pay.demo.qonto.invalid/credit-notes/{number}",
            "einvoicing_status": None,
            "welfare_fund": None,
            "withholding_tax": None,
            "items": items_of(lines),
            "client": client_fields(company, sold.client),
            "einvoicing_lifecycle_events": None,
        }


def quotes(company: Facts) -> Iterator[Row]:
    """Offers to clients, some of which became an invoice."""
    formula = company.formula
    issuer = issuer_of(company)
    for number in range(QUOTES):
        with_invoice = number < QUOTES_WITH_INVOICE
        sold = sale(company, 3 * number if with_invoice else INVOICES + number)
        status = "pending_approval"
        if with_invoice and has_quote(3 * number):
            status = "approved"
        elif number % 5 == 4:  # one in five
            status = "canceled"
        created = max(START - DAY, sold.created - 20 * DAY - number * SECOND)
        decided = min(END, created + 8 * DAY)
        yield {
            "id": formula.uuid("quote", number),
            "organization_id": company.organization_id,
            "number": f"D-{day(created)[:4]}-{number + 1:04d}",
            "status": status,
            "currency": "EUR",
            "total_amount": money(sold.total),
            "total_amount_cents": sold.total,
            "vat_amount": money(sold.vat),
            "vat_amount_cents": sold.vat,
            "issue_date": day(created),
            "expiry_date": day(created + 60 * DAY),
            "created_at": iso(created),
            "approved_at": iso(decided) if status == "approved" else None,
            "canceled_at": iso(decided) if status == "canceled" else None,
            "attachment_id": formula.uuid("quote_pdf", number) if number % 8 else None,
            "quote_url": f"https://pay.demo.qonto.invalid/quotes/{number}",
            "contact_email": f"devis@{company.slug}.example",
            "terms_and_conditions": "Devis valable soixante jours.",
            "header": None,
            "footer": None,
            "discount": None,
            "welfare_fund": None,
            "withholding_tax": None,
            "stamp_duty_amount": None,
            # Quotes, unlike invoices, write VAT rates in percent.
            "items": items_of(sold.lines, percent=True),
            "client": client_fields(company, sold.client),
            "organization": issuer,
            "invoice_ids": [formula.uuid("client_invoice", 3 * number)]
            if status == "approved"
            else [],
        }


def electronic_invoice(company: Facts, number: int) -> einvoice.Invoice:
    """Return what the Factur-X document of a finalized client invoice says."""
    sold, issuer = sale(company, number), issuer_of(company)
    address = address_of(sold.client)
    return einvoice.Invoice(
        number=reference_of(sold, number),
        issued=day(sold.created),
        due=day(due_of(sold)),
        currency="EUR",
        seller=einvoice.Party(
            issuer["legal_name"], issuer["address_line_1"], issuer["address_city"],
            issuer["address_zipcode"], "FR", company.legal_number, company.vat_number,
        ),
        buyer=einvoice.Party(
            client_name(company, sold.client), address["street_address"], address["city"],
            address["zip_code"], address["country_code"], None, vat_number_of(sold.client),
        ),
        iban=company.accounts[0].iban,
        lines=tuple(
            einvoice.Line(
                line.title, line.quantity, line.unit_price, line.subtotal, f"{line.rate / 10:.2f}"
            )
            for line in sold.lines
        ),
        purchase_order=f"PO-{4000 + number}" if number % 6 == 0 else None,
    )  # fmt: skip


def einvoicing_settings(company: Facts) -> Iterator[Row]:
    """State of e-invoicing."""
    yield {
        "sending_status": "enabled",
        "receiving_status": company.formula.pick("receiving", 0, ("enabled", "pending_creation")),
    }
