"""Client invoices that Qonto has, compared with rows that ask for some."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.api.redaction import printable
from tap_qonto.writing.found import walk
from tap_qonto.writing.lookups import cents_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_qonto.api.pages import Row
    from tap_qonto.writing.client_invoice_rows import InvoiceRow
    from tap_qonto.writing.lookups import Questions

PATH: Final = "/client_invoices"

_EARLIER = timedelta(days=62)
"""How long before its own day an invoice may have been made."""


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


def mismatch(invoice: Mapping[str, Any], row: InvoiceRow, client_id: str) -> str:
    """Return how an invoice differs from its row in what matters most; empty if it does not."""
    cents, currency = total_of(invoice)
    if currency not in ("", "EUR"):
        return "has another currency"
    if cents is not None and cents not in row.totals:
        return "has another total"
    if client_of(invoice) not in ("", client_id):
        return "has another client"
    number = invoice.get("number") or invoice.get("invoice_number")
    if row.number and number and number != row.number:
        return f"has another number, {printable(number)}"
    return ""


def is_same(invoice: Mapping[str, Any], row: InvoiceRow, client_id: str) -> bool:
    """Return whether an invoice is what a row asks for, its number aside."""
    if mismatch({**invoice, "number": None, "invoice_number": None}, row, client_id):
        return False
    days = (row.issued.isoformat(), row.due.isoformat())
    if (invoice.get("issue_date"), invoice.get("due_date")) != days:
        return False
    if (invoice.get("purchase_order") or "") != row.texts.get("purchase_order", ""):
        return False
    items = invoice.get("items")
    if not isinstance(items, list):
        return True
    return [_line(item) for item in items if isinstance(item, dict)] == [
        (line.title, line.quantity.normalize(), line.unit_price.normalize(),
         line.vat_rate.normalize())
        for line in row.lines
    ]  # fmt: skip


def _line(item: Mapping[str, Any]) -> tuple[Any, ...]:
    price = item.get("unit_price")
    value = price.get("value") if isinstance(price, dict) else price
    numbers = (_decimal(each) for each in (item.get("quantity"), value, item.get("vat_rate")))
    return (item.get("title"), *numbers)


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)).normalize()
    except InvalidOperation:
        return None


def invoices_around(client: Questions, rows: Iterable[InvoiceRow]) -> Iterator[Row]:
    """Yield all invoices that may be what rows ask for, drafts and imported ones too.

    Raises:
        QontoError: If they cannot be read.
    """
    days = [row.issued for row in rows]
    if days:
        yield from invoices_since(client, f"{min(days) - _EARLIER}T00:00:00.000Z")


def invoices_since(client: Questions, since: str) -> Iterator[Row]:
    """Yield the invoices that were made since an instant, as a filter has it.

    Raises:
        QontoError: If they cannot be read.
    """
    yield from walk(client, PATH, ("exclude_imported", "false"), ("filter[created_at_from]", since))


def invoices_numbered(client: Questions, number: str) -> Iterator[Row]:
    """Yield the invoices that have a number, the newest first.

    Raises:
        QontoError: If they cannot be read.
    """
    rows = walk(client, PATH, ("exclude_imported", "false"), ("sort_by", "created_at:desc"))
    for row in rows:
        if number in (row.get("number"), row.get("invoice_number")):
            yield row
