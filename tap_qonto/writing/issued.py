"""Client invoices that Qonto has, compared with rows that ask for some."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.api.errors import CeilingError
from tap_qonto.api.instants import as_filter, shift, uniform
from tap_qonto.api.redaction import printable
from tap_qonto.writing.client_invoice_rows import LONG_TEXTS, STREAM
from tap_qonto.writing.found import read, walk
from tap_qonto.writing.lookups import cents_of
from tap_qonto.writing.write import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_qonto.api.pages import Row
    from tap_qonto.writing.client_invoice_rows import InvoiceRow, Line
    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.write import Desk

PATH: Final = "/client_invoices"

_EARLIER = timedelta(days=62)
"""How long before its own day an invoice may have been made."""

_CLOCKS = 600
"""Seconds that Qonto's clock may be behind ours where a time decides."""


def total_of(invoice: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return an invoice's total in cents and its currency, from whichever way Qonto says it."""
    total = invoice.get("total_amount")
    money = total if isinstance(total, dict) else {"value": total}
    cents = cents_of(
        {"amount_cents": invoice.get("total_amount_cents"), "amount": money.get("value")}
    )
    return cents, str(money.get("currency") or invoice.get("currency") or "")


def client_of(invoice: Mapping[str, Any]) -> str:
    """Return the ID of an invoice's client."""
    client = invoice.get("client")
    inside = client.get("id") if isinstance(client, dict) else None
    return str(invoice.get("client_id") or inside or "")


def number_of(invoice: Mapping[str, Any]) -> str:
    """Return an invoice's number; empty if it has none, or none is told."""
    return str(invoice.get("number") or invoice.get("invoice_number") or "")


def mismatch(invoice: Mapping[str, Any], row: InvoiceRow, client_id: str) -> str:
    """Return how an invoice differs from its row in what matters most; empty if it does not."""
    cents, currency = total_of(invoice)
    if currency not in ("", "EUR"):
        return "has another currency"
    if cents is not None and cents not in row.totals:
        return "has another total"
    if client_of(invoice) not in ("", client_id):
        return "has another client"
    number = number_of(invoice)
    if row.number and number not in ("", row.number):
        return f"has another number, {printable(number)}"
    return ""


def likeness(invoice: Mapping[str, Any], row: InvoiceRow, client_id: str) -> bool | None:
    """Return whether an invoice is what a row asks for, its number aside.

    Returns:
        None if nothing contradicts it, and too little is told to be sure.
    """
    if mismatch({**invoice, "number": None, "invoice_number": None}, row, client_id):
        return False
    told = [total_of(invoice)[0] is not None, bool(client_of(invoice))]
    for name, day in (("issue_date", row.issued), ("due_date", row.due)):
        said = invoice.get(name)
        told.append(bool(said))
        if said and str(said)[:10] != day.isoformat():
            return False
    if "purchase_order" in invoice and _differ(invoice, row, "purchase_order"):
        return False
    # What a row does not say, the organization's settings may.
    if any(
        row.texts.get(name) and invoice.get(name) and _differ(invoice, row, name)
        for name in LONG_TEXTS
    ):
        return False
    items = invoice.get("items")
    told.append(isinstance(items, list))
    if isinstance(items, list):
        lines = [item for item in items if isinstance(item, dict)]
        if len(lines) != len(row.lines) or not all(map(_is_line, lines, row.lines)):
            return False
    return True if all(told) else None


def same_words(invoice: Mapping[str, Any], row: InvoiceRow) -> int:
    """Return how many of the texts are the very same: of two alike, the one with more is meant."""
    return sum(not _differ(invoice, row, name) for name in LONG_TEXTS)


def _differ(invoice: Mapping[str, Any], row: InvoiceRow, name: str) -> bool:
    said = invoice.get(name)
    return (said.split() if isinstance(said, str) else []) != row.texts.get(name, "").split()


def _is_line(item: Mapping[str, Any], line: Line) -> bool:
    """Return whether nothing that is told of an item contradicts a line."""
    price = item.get("unit_price")
    value = price.get("value") if isinstance(price, dict) else price
    numbers = (
        (item.get("quantity"), line.quantity), (value, line.unit_price),
        (item.get("vat_rate"), line.vat_rate),
    )  # fmt: skip
    texts = ((item.get("title"), line.title), (item.get("description"), line.description))
    return all(said is None or _decimal(said) == number for said, number in numbers) and all(
        not isinstance(said, str) or said.split() == text.split() for said, text in texts
    )


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


class Issued:
    """Looks for client invoices.

    Args:
        desk: What the run works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._read: dict[str, Row] = {}

    def around(self, rows: Sequence[InvoiceRow]) -> list[Row]:
        """Return all invoices that may be what rows ask for, unless the journal knows whose.

        Raises:
            QontoError: If they cannot be read.
        """
        if not rows:
            return []
        today = datetime.fromtimestamp(self._desk.clock(), UTC).date()
        first = min(today, *(row.issued for row in rows))
        return self._since(f"{first - _EARLIER}T00:00:00.000Z")

    def _since(self, since: str) -> list[Row]:
        """Return the invoices since an instant, as a filter has it, that belong to no row yet."""
        taken = self._desk.journal.written(STREAM)
        params = (("exclude_imported", "false"), ("filter[created_at_from]", since))
        return [row for row in walk(self._desk.client, PATH, *params) if row.get("id") not in taken]

    def like(
        self, invoices: Iterable[Row], row: InvoiceRow, client_id: str
    ) -> tuple[list[Row], list[Row]]:
        """Return the invoices that are what a row asks for, and those that may be.

        Of an invoice of which a list tells too little, more is asked.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        sure: list[Row] = []
        perhaps: list[Row] = []
        for invoice in invoices:
            told = invoice
            if row.number and number_of(told) not in ("", row.number):
                continue
            alike = likeness(told, row, client_id)
            if alike is None:
                told = self._whole(invoice)
                alike = likeness(told, row, client_id)
            if alike is not False:
                (sure if alike else perhaps).append(told)
        sure.sort(key=lambda each: (number_of(each) != row.number, -same_words(each, row)))
        return sure, perhaps

    def _whole(self, invoice: Row) -> Row:
        """Return an invoice as it is told when asked for by its ID."""
        name = str(invoice.get("id"))
        if name not in self._read:
            more = read(self._desk.client, f"{PATH}/{name}", "client_invoice") or {}
            self._read[name] = {**invoice, **more}
        return self._read[name]

    def made_by(
        self, entry: Entry, row: InvoiceRow, client_id: str, since: str
    ) -> tuple[list[Row], list[Row]]:
        """Return what a lost request may have made, as `like` does.

        Args:
            entry: The request.
            row: The row that it was sent for.
            client_id: Qonto's ID of its client.
            since: Uniform instant from whose creations on Qonto is asked.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        # What is older was there before, perhaps by hand.
        earliest = shift(instant(entry.first_attempt_at), -_CLOCKS)
        invoices = [
            invoice
            for invoice in self._since(as_filter(since))
            if not isinstance(at := invoice.get("created_at"), str) or uniform(at) >= earliest
        ]
        return self.like(invoices, row, client_id)

    def numbered(self, number: str) -> Row | None:
        """Return the invoice that has a number; None if none shows it.

        Raises:
            QontoError: If they cannot be read.
        """
        rows = walk(
            self._desk.client, PATH, ("exclude_imported", "false"), ("sort_by", "created_at:desc")
        )
        try:
            return next((row for row in rows if number_of(row) == number), None)
        except CeilingError:
            return None
