"""What the company buys: supplier invoices, from the letterbox to the payment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import einvoice
from tap_qonto.demo.world.invoicing import issuer_of, steps_of
from tap_qonto.demo.world.moments import DAY, END, HOUR, SECOND, START, day, iso
from tap_qonto.demo.world.payees import SUPPLIERS, beneficiary_iban, beneficiary_name
from tap_qonto.demo.world.rows import Row, fraction, money
from tap_qonto.demo.world.trades import Event
from tap_qonto.demo.world.words import as_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts


SUPPLIER_INVOICES: Final = 296
_SUPPLIER_STEP = (END - START) // SUPPLIER_INVOICES


@dataclass(frozen=True)
class Purchase:
    """What a supplier asks for; amounts in cents."""

    supplier: int
    created: int
    net: int
    rate: int

    @property
    def vat(self) -> int:
        """VAT in cents."""
        return self.net * self.rate // 1_000

    @property
    def vat_number(self) -> str:
        """The supplier's VAT number."""
        return f"FR{10 + self.supplier}{300_000_000 + self.supplier}"

    @property
    def reference(self) -> str:
        """The number that the supplier gave the invoice."""
        return (
            f"FA{day(self.created)[2:7].replace('-', '')}-{self.supplier:02d}{self.net % 997:03d}"
        )


def purchase(company: Facts, number: int) -> Purchase:
    """Return the purchase behind supplier invoice `number`."""
    formula = company.formula
    return Purchase(
        formula.number("supplier", number, SUPPLIERS),
        START + number * _SUPPLIER_STEP + formula.number("bought", number, _SUPPLIER_STEP),
        2_000 * (2 + formula.number("bought for", number, 110)),
        (200, 200, 100, 200, 55)[number % 5],
    )


def is_settled_by_transfer(company: Facts, number: int) -> int | None:
    """Return the earliest moment at which a supplier invoice is paid; None when it never is."""
    bought = purchase(company, number)
    if number % 17 in (4, 11):
        return None
    wanted = bought.created + 4 * DAY + company.formula.number("pays after", number, 30 * DAY)
    return None if wanted > END - 2 * DAY else wanted


def payments_to_suppliers(company: Facts) -> Iterator[Event]:
    """The outgoing transactions that pay supplier invoices."""
    formula = company.formula
    for number in range(SUPPLIER_INVOICES):
        wanted = is_settled_by_transfer(company, number)
        if wanted is None:
            continue
        bought = purchase(company, number)
        name = beneficiary_name(company, bought.supplier)
        yield Event(
            ("supplier_invoice", number),
            0,
            wanted,
            bought.net + bought.vat,
            credit=False,
            operation="transfer",
            subject="Transfer",
            label=f"VIR {name.upper()}",
            fields={
                "clean_counterparty_name": name,
                "reference": bought.reference,
                "counterparty": beneficiary_iban(bought.supplier),
                "cash": ("Purchases", "Subcontracting"),
                "vat": bought.rate,
                "initiator_id": formula.uuid("membership", number % 3),
                "attachment_ids": [formula.uuid("supplier_document", number)],
            },
        )


def einvoice_type(number: int) -> str | None:
    """Return the format of a supplier's electronic invoice; None for a plain document."""
    return {7: "zugferd", 15: "xrechnung"}.get(number % 24)


def supplier_invoices(company: Facts) -> Iterator[Row]:
    """Purchase documents, from the letterbox to the payment."""
    formula = company.formula
    for number in range(SUPPLIER_INVOICES):
        bought = purchase(company, number)
        paid = company.ledger.placed(("supplier_invoice", number))
        fresh = number >= SUPPLIER_INVOICES - 4
        status = _supplier_status(number, paid=paid is not None, fresh=fresh)
        total = bought.net + bought.vat
        kind = einvoice_type(number)
        name = beneficiary_name(company, bought.supplier)
        analyzed = None if fresh else bought.created + 40 * SECOND
        changed = paid.moment + 5 * SECOND if paid else bought.created + number * HOUR
        source = formula.uuid("supplier_document", number)
        display = formula.uuid("supplier_display", number) if kind == "xrechnung" else source
        yield {
            "id": formula.uuid("supplier_invoice", number),
            "organization_id": company.organization_id,
            "status": status,
            "source_type": "e_invoicing" if kind else ("email", "direct_upload")[number % 2],
            "source": "e_invoicing" if kind else ("email_forward", "generic_upload")[number % 2],
            "attachment_id": source,
            "display_attachment_id": display,
            "file_name": supplier_file(company, number)[0],
            "declined_note": "Montant contesté" if status == "rejected" else "",
            "is_einvoice": kind is not None,
            "e_invoice_type": kind,
            "has_discrepancies": number % 43 == 0,
            "has_duplicates": number % 61 == 0,
            "invoice_number": None if fresh else bought.reference,
            "supplier_id": None if fresh else formula.uuid("supplier", bought.supplier),
            "supplier_name": None if fresh else name,
            "issuer_name": None if fresh else name,
            "supplier_snapshot": None
            if fresh
            else {
                "id": formula.uuid("supplier", bought.supplier),
                "name": name,
                "iban": beneficiary_iban(bought.supplier),
                "tin": None,
                "vat_number": bought.vat_number,
                "email": f"{as_mailbox(name)}@mail.example",
                "currency": "EUR",
                "status": "validated",
            },
            "vat_number": None if fresh else bought.vat_number,
            "tin": None,
            "description": f"Commande {4_000 + number}" if number % 3 == 0 else None,
            "total_amount": None if fresh else money(total),
            "total_amount_excluding_taxes": None if fresh else money(bought.net),
            "total_tax_amount": None if fresh else money(bought.vat),
            "taxes": None
            if fresh
            else [{"tax_rate": fraction(bought.rate), "tax_amount": money(bought.vat)}],
            "payable_amount": None if fresh else money(total),
            "total_amount_credit_notes": None if fresh else money(0),
            "issue_date": None if fresh else day(bought.created - 2 * DAY),
            "due_date": None if fresh else day(bought.created + 28 * DAY),
            "payment_date": day(paid.moment) if paid else None,
            "scheduled_date": day(END + 5 * DAY) if status == "scheduled" else None,
            "iban": None if fresh else beneficiary_iban(bought.supplier),
            "initiator_id": formula.uuid("membership", number % 3),
            "is_attachment_invoice": not fresh,
            "attachment_category": "UNKNOWN" if fresh else "INVOICE",
            "is_attachment_non_financial": False,
            "analyzed_at": None if analyzed is None else iso(analyzed),
            "matched_transactions": _matches(paid.transaction_id, formula.uuid(
                "sepa_transfer", number), number) if paid else [],
            "matched_transactions_ids": [paid.transaction_id] if paid else [],
            "transfer_ids": [formula.uuid("sepa_transfer", number)] if paid else [],
            "request_transfer": None,
            "self_invoice_id": None,
            "einvoicing_lifecycle_events": steps_of(bought.created, (200, 203)) if kind else [],
            "meta": {
                "integration_type": None,
                "connector": "grover" if number % 19 == 0 else None,
                "accounting_recorded_at": None,
                "accounting_recorded_source": None,
            },
            "available_actions": {
                "delete": not paid,
                "archive": bool(paid),
                "unarchive": status == "archived",
                "pay": status == "to_pay",
                "reasons": None if status == "to_pay" else {"pay": ["invalid_status"]},
            },
            "approval_workflow": {
                "approver_ids": [formula.uuid("membership", 1)],
                "supplier_invoice_request_id": None,
                "verified_by": formula.uuid("membership", 1) if paid else None,
                "last_approved_by": formula.uuid("membership", 1) if paid else None,
            },
            "is_credit_note": False,
            "has_suggested_credit_notes": False,
            "related_invoices": [],
            "suggested_transactions": [],
            "created_at": iso(bought.created),
            "updated_at": iso(min(END, max(changed, analyzed or 0))),
        }  # fmt: skip


def _supplier_status(number: int, *, paid: bool, fresh: bool) -> str:
    if fresh:
        return "to_review"
    if paid:
        return "paid"
    open_states = ("to_pay", "to_approve", "scheduled", "awaiting_payment", "rejected", "archived")
    return open_states[number % len(open_states)]


def _matches(transaction: str, transfer: str, number: int) -> list[str] | list[Row]:
    """Name the matched transaction in the older form (an id) or in the newer one (an object)."""
    if number < SUPPLIER_INVOICES // 3:
        return [transaction]
    return [{"transaction_id": transaction, "subject_id": transfer, "subject_type": "transfer"}]


def supplier_file(company: Facts, number: int) -> tuple[str, str]:
    """Return name and type of the original file of a supplier invoice."""
    reference = purchase(company, number).reference
    if einvoice_type(number) == "xrechnung":
        return f"{reference}.xml", "application/xml"
    return f"{reference}.pdf", "application/pdf"


def electronic_purchase(company: Facts, number: int) -> einvoice.Invoice:
    """Return what the electronic invoice of a supplier says."""
    bought, issuer = purchase(company, number), issuer_of(company)
    name = beneficiary_name(company, bought.supplier)
    return einvoice.Invoice(
        number=bought.reference,
        issued=day(bought.created - 2 * DAY),
        due=day(bought.created + 28 * DAY),
        currency="EUR",
        seller=einvoice.Party(
            name, f"{bought.supplier + 1} rue des Artisans", "Lyon", "69007", "FR",
            str(300_000_000 + bought.supplier),
            bought.vat_number,
        ),
        buyer=einvoice.Party(
            issuer["legal_name"], issuer["address_line_1"], issuer["address_city"],
            issuer["address_zipcode"], "FR", company.legal_number, company.vat_number,
        ),
        iban=beneficiary_iban(bought.supplier),
        lines=(
            einvoice.Line("Prestation", "1", bought.net, bought.net, f"{bought.rate / 10:.2f}"),
        ),
    )  # fmt: skip
