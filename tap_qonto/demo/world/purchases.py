"""What the company buys: supplier invoices, from the letterbox to the payment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import einvoice
from tap_qonto.demo.world.invoicing import issuer_of, steps_of
from tap_qonto.demo.world.moments import DAY, END, HOUR, SECOND, START, day, iso
from tap_qonto.demo.world.payees import SUPPLIERS, beneficiary_iban, beneficiary_name
from tap_qonto.demo.world.rows import Row, fraction, money
from tap_qonto.demo.world.trades import Event, Settled
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


SUPPLIER_INVOICE: Final[Row] = dict.fromkeys((
    "id", "organization_id", "status", "source_type", "source", "attachment_id",
    "display_attachment_id", "file_name", "declined_note", "is_einvoice", "e_invoice_type",
    "has_discrepancies", "has_duplicates", "invoice_number", "supplier_id", "supplier_name",
    "issuer_name", "supplier_snapshot", "vat_number", "tin", "description", "total_amount",
    "total_amount_excluding_taxes", "total_tax_amount", "taxes", "payable_amount",
    "total_amount_credit_notes", "issue_date", "due_date", "payment_date", "scheduled_date",
    "iban", "initiator_id", "is_attachment_invoice", "attachment_category",
    "is_attachment_non_financial", "analyzed_at", "matched_transactions",
    "matched_transactions_ids", "transfer_ids", "request_transfer", "self_invoice_id",
    "einvoicing_lifecycle_events", "meta", "available_actions", "approval_workflow",
    "is_credit_note", "has_suggested_credit_notes", "related_invoices", "suggested_transactions",
    "created_at", "updated_at",
))  # fmt: skip
"""All columns of a supplier invoice, in the order in which the API writes them."""


NOTHING_KNOWN: Final[Row] = {
    "is_attachment_invoice": False,
    "attachment_category": "UNKNOWN",
    "is_attachment_non_financial": False,
    "is_credit_note": False,
    "has_suggested_credit_notes": False,
}
"""What a document says before it has been analyzed."""


def supplier_invoices(company: Facts) -> Iterator[Row]:
    """Purchase documents, from the letterbox to the payment."""
    formula = company.formula
    for number in range(SUPPLIER_INVOICES):
        bought = purchase(company, number)
        paid = company.ledger.placed(("supplier_invoice", number))
        fresh = number >= SUPPLIER_INVOICES - 4
        status = _supplier_status(number, paid=paid is not None, fresh=fresh)
        kind = einvoice_type(number)
        source = formula.uuid("supplier_document", number)
        display = formula.uuid("supplier_display", number) if kind == "xrechnung" else source
        yield {
            **SUPPLIER_INVOICE,
            **NOTHING_KNOWN,
            **({} if fresh else _analysis(company, bought)),
            **_payment(company, number, paid),
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
            "description": f"Commande {4_000 + number}" if number % 3 == 0 else None,
            "scheduled_date": day(END + 5 * DAY) if status == "scheduled" else None,
            "initiator_id": formula.uuid("membership", number % 3),
            "einvoicing_lifecycle_events": steps_of(bought.created, (200, 203)) if kind else [],
            "meta": meta_of("grover" if number % 19 == 0 else None),
            "available_actions": actions_of(status, paid=paid is not None),
            "related_invoices": [],
            "suggested_transactions": [],
            **_moments(bought, number, paid, fresh=fresh),
        }


def _analysis(company: Facts, bought: Purchase) -> Row:
    """Return what was read from a supplier's document."""
    name = beneficiary_name(company, bought.supplier)
    iban = beneficiary_iban(bought.supplier)
    supplier = company.formula.uuid("supplier", bought.supplier)
    total = bought.net + bought.vat
    return {
        "invoice_number": bought.reference,
        "supplier_id": supplier,
        "supplier_name": name,
        "issuer_name": name,
        "supplier_snapshot": {
            "id": supplier,
            "name": name,
            "iban": iban,
            "tin": None,
            "vat_number": bought.vat_number,
            "email": f"{as_mailbox(name)}@mail.example",
            "currency": "EUR",
            "status": "validated",
        },
        "vat_number": bought.vat_number,
        "total_amount": money(total),
        "total_amount_excluding_taxes": money(bought.net),
        "total_tax_amount": money(bought.vat),
        "taxes": [{"tax_rate": fraction(bought.rate), "tax_amount": money(bought.vat)}],
        "payable_amount": money(total),
        "total_amount_credit_notes": money(0),
        "issue_date": day(bought.created - 2 * DAY),
        "due_date": day(bought.created + 28 * DAY),
        "iban": iban,
        "is_attachment_invoice": True,
        "attachment_category": "INVOICE",
    }


def _payment(company: Facts, number: int, paid: Settled | None) -> Row:
    """Return what ties a supplier invoice to its transfer and transaction, and who let it pass."""
    transfer = company.formula.uuid("sepa_transfer", number)
    approver = company.formula.uuid("membership", 1)
    return {
        "payment_date": day(paid.moment) if paid else None,
        "matched_transactions": _matches(paid.transaction_id, transfer, number) if paid else [],
        "matched_transactions_ids": [paid.transaction_id] if paid else [],
        "transfer_ids": [transfer] if paid else [],
        "approval_workflow": {
            "approver_ids": [approver],
            "supplier_invoice_request_id": None,
            "verified_by": approver if paid else None,
            "last_approved_by": approver if paid else None,
        },
    }


def _moments(bought: Purchase, number: int, paid: Settled | None, *, fresh: bool) -> Row:
    analyzed = None if fresh else bought.created + 40 * SECOND
    changed = paid.moment + 5 * SECOND if paid else bought.created + number * HOUR
    return {
        "analyzed_at": None if analyzed is None else iso(analyzed),
        "created_at": iso(bought.created),
        "updated_at": iso(min(END, max(changed, analyzed or 0))),
    }


def meta_of(connector: str | None) -> Row:
    """Return what other software knows of a supplier invoice."""
    return {
        "integration_type": None,
        "connector": connector,
        "accounting_recorded_at": None,
        "accounting_recorded_source": None,
    }


def actions_of(status: str, *, paid: bool) -> Row:
    """Return what may be done with a supplier invoice of a status."""
    return {
        "delete": not paid,
        "archive": paid,
        "unarchive": status == "archived",
        "pay": status == "to_pay",
        "reasons": None if status == "to_pay" else {"pay": ["invalid_status"]},
    }


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
