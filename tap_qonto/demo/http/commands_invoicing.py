"""Commands that make clients and client invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from tap_qonto.demo.http import bodies
from tap_qonto.demo.http.lists import parameters
from tap_qonto.demo.http.messages import RefusalError, Request, pointed
from tap_qonto.demo.http.singles import found
from tap_qonto.demo.world import issued
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from tap_qonto.demo.http.desk import Desk
    from tap_qonto.demo.world.rows import Row

_CLIENT_TEXTS: Final = {
    "name": 250, "first_name": 60, "last_name": 60, "email": 250, "vat_number": 20,
    "tax_identification_number": 30, "currency": 3, "locale": 5, "recipient_code": 10,
    "e_invoicing_address": 60,
}  # fmt: skip
"""Characters that each text of a client may have."""

_ADDRESS_TEXTS: Final = {
    "street_address": 250, "city": 50, "zip_code": 20, "province_code": 2, "country_code": 2,
}  # fmt: skip
_INVOICE_TEXTS: Final = {
    "number": 40, "purchase_order": 40, "header": 1_000, "footer": 1_000,
    "terms_and_conditions": 3_000,
}  # fmt: skip
_NOT_IMITATED: Final = ("discount", "settings", "upload_id", "quote_id", "welfare_fund",
                        "withholding_tax", "stamp_duty_amount", "payment_reporting")  # fmt: skip


# -- clients ------------------------------------------------------------------------------------


def create_client(desk: Desk, request: Request) -> Row:
    """Add a client; little is checked before it is invoiced.

    Raises:
        RefusalError: The body is not a client's (400, 422).
    """
    body = bodies.json_of(request)
    kind = body.get("kind", body.get("type"))
    if kind not in ("company", "individual", "freelancer"):
        detail = "kind must be company, individual or freelancer"
        bodies.refuse("/kind", detail, "required" if kind is None else "invalid")
    for name in ("name",) if kind == "company" else ("first_name", "last_name"):
        bodies.text(body, name, _CLIENT_TEXTS[name])
    for name, most in _CLIENT_TEXTS.items():
        bodies.optional_text(body, name, most)
    for name in ("billing_address", "delivery_address"):
        if body.get(name) is not None:
            address = bodies.object_in(body, name)
            for part, most in _ADDRESS_TEXTS.items():
                bodies.optional_text(address, part, most, at=f"/{name}")
    row = issued.add_client(desk.company, {**body, "kind": kind}, desk.now)
    return row if desk.writing.bare else {"client": row}


# -- client invoices ----------------------------------------------------------------------------


def create_client_invoice(desk: Desk, request: Request) -> Row:
    """Make an invoice: finalized at once, unless its status is to be draft.

    Raises:
        RefusalError: The body is not an invoice's (400, 422), or its number is taken (409).
    """
    body = bodies.json_of(request)
    client = _client(desk, body)
    _check(body)
    _check_money(desk, body, client)
    positions = [_position(item, f"/items/{n}") for n, item in enumerate(_items(body))]
    status = body.get("status", "unpaid")
    if status not in ("draft", "unpaid"):
        bodies.refuse("/status", "status must be draft or unpaid", "invalid_format")
    _check_number(desk, body.get("number"), final=status == "unpaid")
    row = issued.draft(desk.company, client, body, positions, desk.now)
    if status == "unpaid":
        row = _finalize(desk, row)
    return row if desk.writing.bare else {"client_invoice": row}


def finalize(desk: Desk, request: Request, uuid: str) -> Row:
    """Make a draft an invoice for good.

    Raises:
        RefusalError: There is no such invoice (404), or it is no draft any more (412).
    """
    parameters({}, request)
    row = found(desk, "client_invoices", uuid)
    if row["status"] != "draft":
        detail = "the invoice is not in draft status"
        raise RefusalError(412, "invoice_not_in_draft_status", detail)
    _check_number(desk, row["number"], final=True, own=uuid)
    row = _finalize(desk, row)
    return row if desk.writing.bare else {"client_invoice": row}


def _finalize(desk: Desk, row: Row) -> Row:
    delay = int(desk.writing.pdf_time * SECOND)
    return issued.finalize(desk.company, row, desk.now, delay=delay)


def _client(desk: Desk, body: Row) -> Row:
    wanted = body.get("client_id")
    client = desk.company.get("clients", wanted) if isinstance(wanted, str) else None
    if client is None:
        _wrong("client_id", "client_id is not a client of yours", "invalid_client_id")
    return client


def _check(body: Row) -> None:
    """Refuse an invoice whose head does not hold together."""
    issue, due = bodies.day_in(body, "issue_date"), bodies.day_in(body, "due_date")
    if due < issue:
        _wrong("due_date", "due_date lies before issue_date")
    for name in ("performance_start_date", "performance_end_date"):
        if body.get(name) is not None:
            bodies.day_in(body, name)
    start, end = body.get("performance_start_date"), body.get("performance_end_date")
    if end is not None and (start is None or start > end):
        _wrong("performance_start_date", "it is required and not after the end")
    for name, most in _INVOICE_TEXTS.items():
        bodies.optional_text(body, name, most)
    for name in _NOT_IMITATED:
        if body.get(name) is not None:
            _wrong(name, f"the demo company does not imitate {name}")


def _check_money(desk: Desk, body: Row, client: Row) -> None:
    """Refuse an invoice that the client cannot get, or could not pay."""
    for name in ("currency", "locale", "billing_address"):
        if not client.get(name):
            pointer = f"/data/attributes/{name}"
            bodies.refuse(pointer, f"the client has no {name}", "required")
    if body.get("currency") != client["currency"]:
        _wrong("currency", "currency must be that of the client")
    methods = body.get("payment_methods")
    iban = methods.get("iban") if isinstance(methods, dict) else None
    own = {row["iban"] for row in desk.company.rows("bank_accounts") if row["status"] == "active"}
    if not isinstance(iban, str) or iban.replace(" ", "") not in own:
        detail = "IBAN is empty" if not iban else "IBAN is not of an active account of yours"
        _wrong("payment_methods/iban", detail, "invalid_iban")


def _items(body: Row) -> list[Any]:
    items = body.get("items")
    if not isinstance(items, list) or not items:
        bodies.refuse("/items", "items are required", "required")
    return items


def _position(item: Any, at: str) -> issued.Position:
    if not isinstance(item, dict):
        bodies.refuse(at, "an item must be an object", "invalid_format")
    price = bodies.object_in(item, "unit_price", at=at)
    if price.get("currency") != "EUR":
        bodies.refuse(f"{at}/unit_price/currency", "currency must be EUR")
    rate = bodies.decimal_in(item, "vat_rate", at=at)
    if rate > 1:
        detail = "vat_rate must be a fraction, such as 0.2 for 20 percent"
        bodies.refuse(f"{at}/vat_rate", detail, "invalid_format")
    return issued.Position(
        title=bodies.text(item, "title", 40, at=at),
        quantity=bodies.decimal_in(item, "quantity", at=at),
        unit_price=bodies.decimal_in(price, "value", at=f"{at}/unit_price"),
        rate=rate,
        description=bodies.optional_text(item, "description", 1_800, at=at),
        unit=bodies.optional_text(item, "unit", 20, at=at),
    )


def _check_number(desk: Desk, number: str | None, *, final: bool, own: str | None = None) -> None:
    if number is None:
        if final and desk.writing.manual_numbers:
            bodies.refuse("/number", "number is required", "required")
        return
    invoices = desk.company.rows("client_invoices", number=number)
    if any(row["id"] != own for row in invoices):
        detail = "another invoice has this number"
        raise RefusalError(409, "invoice_number_already_exists", detail, more={"status": "409"})


def _wrong(name: str, detail: str, code: str = "invalid_format") -> NoReturn:
    more = {"status": "422", "message": detail, "meta": {"validation_param": name}}
    raise RefusalError(422, code, detail, more=more | pointed(f"/{name}"))
