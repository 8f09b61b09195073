"""What was agreed with clients, and how they paid: the trade behind the invoices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world.clients import (
    CLIENTS,
    INVOICES,
    PRODUCTS,
    REGULARS,
    STEP,
    client_name,
    kind_of,
    place_of,
    product_of,
)
from tap_qonto.demo.world.formula import iban
from tap_qonto.demo.world.moments import DAY, END, START, day
from tap_qonto.demo.world.rows import Row, fraction, money
from tap_qonto.demo.world.trades import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts


DRAFTS = 8
QUOTES_WITH_INVOICE = INVOICES // 3
QUOTES: Final = QUOTES_WITH_INVOICE + 10
_IMPORTS = tuple(START + STEP * n for n in (INVOICES // 3, INVOICES * 2 // 3, INVOICES - 7))
"""Moments at which the earlier tool's invoices were taken over, many at once."""


@dataclass(frozen=True)
class Line:
    """One line of a sale, before VAT; amounts in cents, the rate in tenths of a percent."""

    product: int
    title: str
    halves: int
    """Quantity in halves of a unit."""
    unit_price: int
    rate: int

    @property
    def quantity(self) -> str:
        """The quantity as decimal text."""
        return f"{self.halves // 2}.5" if self.halves % 2 else str(self.halves // 2)

    @property
    def subtotal(self) -> int:
        """Cents before VAT."""
        return self.unit_price * self.halves // 2

    @property
    def vat(self) -> int:
        """VAT in cents; prices are multiples of four euros, so nothing is ever rounded."""
        return self.subtotal * self.rate // 1_000


@dataclass(frozen=True)
class Sale:
    """What was agreed with a client; quote, invoice and credit note all show it."""

    client: int
    created: int
    lines: tuple[Line, ...]

    @property
    def vat(self) -> int:
        """VAT in cents."""
        return sum(line.vat for line in self.lines)

    @property
    def total(self) -> int:
        """Cents with VAT."""
        return sum(line.subtotal + line.vat for line in self.lines)


def sale(company: Facts, number: int) -> Sale:
    """Return the agreement behind invoice `number` (larger numbers never became an invoice)."""
    formula = company.formula
    client = formula.number("invoiced", number, min(CLIENTS, REGULARS + number))
    country, kind = place_of(client)[2], kind_of(client)
    created = START + min(number, INVOICES - 1) * STEP + formula.number("sold", number, STEP)
    if number % 12 == 5 and number < INVOICES:  # came from another tool
        created = _IMPORTS[number * 3 // INVOICES]
    lines = []
    for rank in range(1 + formula.number("lines", number, 4)):
        product = formula.number("sold product", 10 * number + rank, PRODUCTS)
        title, _, price, rate = product_of(company, product)
        if kind == "company" and country != "FR":
            rate = 0
        halves = 1 + formula.number("quantity", 10 * number + rank, 11)
        lines.append(Line(product, title, halves, price, rate))
    return Sale(client, created, tuple(lines))


def is_imported(number: int) -> bool:
    """Say whether an invoice came from another tool, which hides it from the list by default."""
    return number % 12 == 5 and number < INVOICES - DRAFTS  # one in twelve


def imported_ids(company: Facts) -> set[str]:
    """Return the ids of the invoices that `exclude_imported` hides."""
    return {
        company.formula.uuid("client_invoice", number)
        for number in range(INVOICES)
        if is_imported(number)
    }


def is_canceled(number: int) -> bool:
    """Say whether an invoice was canceled."""
    return number % 31 == 17  # one in thirty-one


def reference_of(sold: Sale, number: int, prefix: str = "F") -> str:
    """Return the legal number of a document of a sale."""
    return f"{prefix}-{day(sold.created)[:4]}-{number + 1:04d}"


def invoice_number(company: Facts, number: int) -> str:
    """Return the legal number of a finalized invoice."""
    return reference_of(sale(company, number), number)


def due_of(sold: Sale) -> int:
    """Return the moment by which a sale must be paid."""
    return sold.created + 30 * DAY


def payments_of_invoices(company: Facts) -> Iterator[Event]:
    """The incoming transactions that pay client invoices."""
    formula = company.formula
    for number in range(INVOICES - DRAFTS):
        if is_canceled(number):
            continue
        sold = sale(company, number)
        # Most clients pay around the due day; some of the old ones never do.
        wanted = sold.created + 3 * DAY + formula.number("paid after", number, 45 * DAY)
        if wanted > END - 2 * DAY or formula.chance("never paid", number, 6):
            continue
        reference = reference_of(sold, number)
        name = client_name(company, sold.client)
        rates = {line.rate for line in sold.lines}
        yield Event(
            ("client_invoice", number),
            0,
            wanted,
            sold.total,
            credit=True,
            operation="income",
            subject="Income",
            label=f"VIR {name.upper()}",
            fields={
                "clean_counterparty_name": name,
                "reference": reference,
                "counterparty": iban("FR", f"3000300{sold.client:03d}0000000{sold.client:04d}69"),
                "cash": ("Sales", "Services"),
                "vat": rates.pop() if len(rates) == 1 else None,
            },
        )


def items_of(lines: tuple[Line, ...], *, percent: bool = False) -> list[Row]:
    """Return the lines of a sale as documents show them; quotes write VAT in percent."""
    return [
        {
            "title": line.title,
            "description": None,
            "quantity": line.quantity,
            "unit": "heure" if line.product % 3 else "pièce",
            "unit_price": money(line.unit_price),
            "unit_price_cents": line.unit_price,
            "vat_rate": f"{line.rate / 10:g}" if percent else fraction(line.rate),
            "vat_exemption_reason": "S283" if line.rate == 0 else None,
            "discount": None,
            "total_vat": money(line.vat),
            "total_vat_cents": line.vat,
            "total_amount": money(line.subtotal + line.vat),
            "total_amount_cents": line.subtotal + line.vat,
            "subtotal": money(line.subtotal),
            "subtotal_cents": line.subtotal,
        }
        for line in lines
    ]


def credit_notes_of(number: int) -> list[int]:
    """Return the numbers of the credit notes of an invoice: its own number, or none."""
    if number >= INVOICES - DRAFTS:
        return []
    return [number] if is_canceled(number) or number % 25 == 9 else []  # a few


def has_quote(number: int) -> bool:
    """Say whether an invoice began as a quote."""
    accepted = number // 3 % 5 not in (3, 4)
    return number % 3 == 0 and accepted and number < INVOICES - DRAFTS
