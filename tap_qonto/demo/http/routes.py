"""Which paths there are, which parameters each accepts, and how each one sorts and pages."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from tap_qonto.demo import moments
from tap_qonto.demo.moments import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_qonto.demo.rows import Row

Meta: TypeAlias = Literal["full", "short", "previous", "quotes", "links", "none"]


class InvalidValueError(ValueError):
    """A parameter's value is not of its type; the message says what was expected."""


@dataclass(frozen=True)
class Bounds:
    """How `_from` and `_to` compare, which Qonto documents nowhere."""

    lower_inclusive: bool
    upper_inclusive: bool
    unit: int
    """Milliseconds; moments are cut to it before they are compared."""

    def first(self, bound: int) -> int:
        """Return the earliest moment that a `_from` keeps."""
        cut = bound // self.unit * self.unit
        return cut if self.lower_inclusive else cut + self.unit

    def end(self, bound: int) -> int:
        """Return the earliest moment that a `_to` drops."""
        cut = bound // self.unit * self.unit
        return cut + self.unit if self.upper_inclusive else cut


@dataclass(frozen=True)
class Asked:
    """What a filter may look at besides the row."""

    bounds: Bounds
    now: int
    parameters: Mapping[str, Any]


Reader: TypeAlias = "Callable[[str], Any]"
Test: TypeAlias = "Callable[[Row, Any, Asked], bool]"


@dataclass(frozen=True)
class Parameter:
    """One query parameter: how its text is read, and which rows it keeps."""

    read: Reader
    keeps: Test | None = None
    many: bool = False
    """Whether it may be repeated; its value is then a list."""
    most: int | None = None
    """How many values it takes."""


# -- reading values -----------------------------------------------------------------------------

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def text(value: str) -> str:
    """Accept any text but none at all."""
    if not value:
        message = "must not be empty"
        raise InvalidValueError(message)
    return value


def uuid(value: str) -> str:
    """Read an identifier."""
    if _UUID.fullmatch(value) is None:
        message = "must be a UUID"
        raise InvalidValueError(message)
    return value.lower()


def boolean(value: str) -> bool:
    """Read `true` or `false`."""
    if value not in ("true", "false"):
        message = "must be true or false"
        raise InvalidValueError(message)
    return value == "true"


def moment(value: str) -> int:
    """Read a date-time, with or without milliseconds, or a day as its midnight."""
    try:
        return moments.parse(value)
    except ValueError as error:
        message = "must be an ISO 8601 date-time"
        raise InvalidValueError(message) from error


def calendar_day(value: str) -> str:
    """Read a day, YYYY-MM-DD."""
    if len(value) != len("2026-01-01"):
        message = "must be a date (YYYY-MM-DD)"
        raise InvalidValueError(message)
    return moments.day(moment(value))


def choice(*allowed: str) -> Reader:
    """Make a reader of a closed list of words."""

    def read(value: str) -> str:
        if value not in allowed:
            message = f"must be one of {', '.join(allowed)}"
            raise InvalidValueError(message)
        return value

    return read


def choices(*allowed: str) -> Reader:
    """Make a reader of words joined with commas."""
    one = choice(*allowed)
    return lambda value: [one(part) for part in value.split(",")]


def number(least: int, most: int) -> Reader:
    """Make a reader of a whole number between two limits."""

    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not least <= int(value) <= most:
            message = f"must be an integer from {least} to {most}"
            raise InvalidValueError(message)
        return int(value)

    return read


_PERIOD: Final = re.compile(r"(0[1-9]|1[0-2])-(\d{4})", re.ASCII)


def period(value: str) -> str:
    """Read a month as YYYY-MM from `MM-YYYY` or a date: the sources disagree on the form."""
    match = _PERIOD.fullmatch(value)
    return f"{match[2]}-{match[1]}" if match else moments.day(moment(value))[:7]


def at_least(length: int) -> Reader:
    """Make a reader of text with a minimum length."""

    def read(value: str) -> str:
        if len(value) < length:
            message = f"must have {length} characters or more"
            raise InvalidValueError(message)
        return value

    return read


_PAYABLE: Final = re.compile(r"(lte|gte):([0-9]+(?:\.[0-9]+)?):([A-Z]{3})", re.ASCII)


def payable(value: str) -> tuple[str, Decimal, str]:
    """Read an amount with its operator, such as `gte:100.00:EUR`."""
    match = _PAYABLE.fullmatch(value)
    if match is None:
        message = "must be operator:amount:currency"
        raise InvalidValueError(message)
    return match[1], Decimal(match[2]), match[3]


# -- tests of rows ------------------------------------------------------------------------------


def _dig(row: Row, path: str) -> Any:
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def among(path: str, read: Reader = text, most: int | None = None) -> Parameter:
    """Make a repeatable parameter that keeps rows whose field has one of the values."""
    return Parameter(read, lambda row, values, _: _dig(row, path) in values, many=True, most=most)


def equal(path: str, read: Reader = text) -> Parameter:
    """Make a parameter that keeps rows whose field has the value."""
    return Parameter(read, lambda row, value, _: _dig(row, path) == value)


def same_text(path: str) -> Parameter:
    """Make a parameter that compares text without regard to case."""
    return Parameter(
        text, lambda row, value, _: str(_dig(row, path) or "").lower() == value.lower()
    )


def since(path: str) -> Parameter:
    """Make the lower bound of a moment; a row without one is dropped."""
    return Parameter(
        moment,
        lambda row, value, asked: (
            (found := _dig(row, path)) is not None
            and moments.parse(found) >= asked.bounds.first(value)
        ),
    )


def until(path: str) -> Parameter:
    """Make the upper bound of a moment; a row without one is dropped."""
    return Parameter(
        moment,
        lambda row, value, asked: (
            (found := _dig(row, path)) is not None
            and moments.parse(found) < asked.bounds.end(value)
        ),
    )


def from_day(path: str) -> Parameter:
    """Make the lower bound of a day."""
    return Parameter(calendar_day, lambda row, value, _: (_dig(row, path) or "") >= value)


def to_day(path: str) -> Parameter:
    """Make the upper bound of a day."""
    return Parameter(calendar_day, lambda row, value, _: (_dig(row, path) or "9") <= value)


def ignored(read: Reader) -> Parameter:
    """Make a parameter that some clients send and that changes nothing."""
    return Parameter(read)


def bare(spelling: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Accept parameters of repeated values also without their brackets.

    The documentation spells some of them both ways.
    """
    return {name.removesuffix("[]"): parameter for name, parameter in spelling.items()} | dict(
        spelling
    )


def _plain(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def person_or_company(row: Row) -> str:
    """Return the name that clients are searched and sorted by."""
    return row.get("name") or f"{row.get('first_name') or ''} {row.get('last_name') or ''}"


def _in_bucket(found: str | None, bucket: str, asked: Asked) -> bool:
    """Say whether a day is in a span that is relative to today."""
    if found is None:
        return False
    today = asked.now // DAY
    monday = today - (today + 3) % 7  # 1 January 1970 was a Thursday
    this_month = moments.day(asked.now)[:7]
    last_month = moments.day(moments.parse(f"{this_month}-01") - DAY)[:7]
    distance = moments.parse(found) // DAY
    return {
        "today": distance == today,
        "yesterday": distance == today - 1,
        "this_week": monday <= distance < monday + 7,
        "past_week": monday - 7 <= distance < monday,
        "this_month": found[:7] == this_month,
        "past_month": found[:7] == last_month,
    }[bucket]


_BUCKETS: Final = ("today", "yesterday", "this_week", "past_week", "this_month", "past_month")


def _due_bucket(row: Row, value: str, asked: Asked) -> bool:
    due = row.get("due_date")
    if value == "missing_date":
        return due is None
    today = moments.day(asked.now)
    return due is not None and (due <= today) == (value == "past_and_today")


def _payable(row: Row, value: tuple[str, Decimal, str], _: Asked) -> bool:
    operator, amount, currency = value
    found = row.get("payable_amount")
    if found is None or found["currency"] != currency:
        return False
    cents = Decimal(found["value"])
    return cents >= amount if operator == "gte" else cents <= amount


_SEARCHED: Final = {
    "supplier_name": "supplier_name",
    "amount": "total_amount.value",
    "file_name": "file_name",
    "invoice_number": "invoice_number",
}


def _found(row: Row, value: str, asked: Asked) -> bool:
    names = asked.parameters.get("query_fields") or _SEARCHED
    return any(
        value.casefold() in str(_dig(row, _SEARCHED[name]) or "").casefold() for name in names
    )


def _special(row: Row, values: Sequence[str], _: Asked) -> bool:
    return ("duplicates" in values and bool(row.get("has_duplicates"))) or (
        "non_financial_documents" in values and bool(row.get("is_attachment_non_financial"))
    )


def _card_text(row: Row, value: str, _: Asked) -> bool:
    keys = ("embossed_name", "id", "nickname", "last_digits", "status", "exp_month", "exp_year")
    return any(value.casefold() in str(row.get(key) or "").casefold() for key in keys)


# -- the table of lists -------------------------------------------------------------------------


@dataclass(frozen=True)
class Listing:
    """One path that answers with pages of a collection."""

    collection: str
    envelope: str
    meta: Meta = "full"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    sorts: tuple[str, ...] = ()
    """Fields that `sort_by` accepts; without any there is no such parameter."""
    order: str | None = None
    """The order without `sort_by`, as `field:direction`; None keeps that of creation."""
    per_page: int = 100
    most: int = 100
    """Limit of `per_page`."""
    oauth_only: bool = False
    old: bool = False
    """Whether `current_page`, the parameter's former name, still works."""
    paged: bool = True
    """Whether `page` and `per_page` exist."""
    item: str | None = None
    """Envelope of the path of a single row; None when there is no such path."""
    flat_item: bool = False
    """Whether a single row comes without any envelope."""


_TRANSFER_STATUSES = ("pending", "processing", "canceled", "declined", "settled")
_PAYEE_STATUSES = choice("pending", "validated", "declined")
_SUPPLIER_STATUSES = choice(
    "to_review", "to_pay", "to_approve", "awaiting_payment", "pending", "scheduled", "paid",
    "archived", "rejected", "discarded",
)  # fmt: skip
_LEGACY = {
    "trusted": equal("trusted", boolean),
    "status[]": among("status", _PAYEE_STATUSES),
    "iban[]": among("iban"),
    "updated_at_from": since("updated_at"),
    "updated_at_to": until("updated_at"),
}
_CREATED = {
    "filter[created_at_from]": since("created_at"),
    "filter[created_at_to]": until("created_at"),
}
_UPDATED = {
    "filter[updated_at_from]": since("updated_at"),
    "filter[updated_at_to]": until("updated_at"),
}
_REQUEST_STATUSES: Final = ("pending", "approved", "declined", "canceled")
_LINK_STATUSES = choice("open", "expired", "canceled", "paid", "processing")

LISTINGS: Final[dict[str, Listing]] = {
    "/bank_accounts": Listing(
        "bank_accounts", "bank_accounts", "none", item="bank_account", old=True
    ),
    "/labels": Listing("labels", "labels", item="label", old=True),
    "/memberships": Listing("memberships", "memberships", old=True),
    "/teams": Listing("teams", "teams"),
    "/beneficiaries": Listing(
        "beneficiaries", "beneficiaries", parameters=_LEGACY, sorts=("updated_at",),
        order="updated_at:desc", item="beneficiary", old=True,
    ),
    "/sepa/beneficiaries": Listing(
        "beneficiaries", "beneficiaries", per_page=25, sorts=("updated_at",),
        order="updated_at:desc", item="beneficiary",
        parameters=bare({
            "iban[]": among("iban"),
            "status[]": among("status", _PAYEE_STATUSES),
        }) | {
            "trusted": equal("trusted", boolean),
            # Sent by a client in production although no documentation has them.
            "updated_at_from": ignored(moment),
            "updated_at_to": ignored(moment),
        },
    ),
    "/sepa/transfers": Listing(
        "sepa_transfers", "transfers", sorts=("updated_at", "scheduled_date"),
        order="updated_at:desc", item="transfer",
        parameters=bare({
            "status[]": among("status", choice(*_TRANSFER_STATUSES)),
            "ids[]": among("id", uuid, most=100),
            "recurring_transfer_ids[]": among("recurring_transfer_id", uuid),
        }) | {
            "beneficiary_ids[]": among("beneficiary_id", uuid),
            "updated_at_from": since("updated_at"),
            "updated_at_to": until("updated_at"),
            "scheduled_date_from": from_day("scheduled_date"),
            "scheduled_date_to": to_day("scheduled_date"),
        },
    ),
    "/sepa/bulk_transfers": Listing(
        "bulk_transfers", "bulk_transfers", order="updated_at:desc", item="bulk_transfer"
    ),
    "/sepa/recurring_transfers": Listing(
        "recurring_transfers", "recurring_transfers", order="updated_at:desc",
        item="recurring_transfer",
    ),
    "/international/beneficiaries": Listing(
        "international_beneficiaries", "beneficiaries",
        parameters={"currency": equal("currency")},
    ),
    "/statements": Listing(
        "statements", "statements", sorts=("period",), order="period:desc", item="statement",
        parameters={
            "bank_account_ids[]": among("bank_account_id", uuid),
            "ibans[]": among("iban"),
            "period_from": Parameter(
                period, lambda row, value, _: period(row["period"]) >= value
            ),
            "period_to": Parameter(period, lambda row, value, _: period(row["period"]) <= value),
        },
    ),
    "/cards": Listing(
        "cards", "cards", "short", sorts=("status", "nickname", "last_activity_at", "created_at"),
        order="status:asc", item="card",
        parameters={
            "query": Parameter(text, _card_text),
            "holder_ids[]": among("holder_id", uuid),
            "statuses[]": among("status"),
            "bank_account_ids[]": among("bank_account_id", uuid),
            "card_levels[]": among("card_level"),
            "ids[]": among("id", uuid),
        },
    ),
    "/requests": Listing(
        "requests", "requests", sorts=("created_at", "processed_at", "status"),
        order="created_at:desc",
        parameters={
            "status[]": among("status", choice(*_REQUEST_STATUSES)),
            "request_type[]": among(
                "request_type", choice("flash_card", "virtual_card", "transfer", "multi_transfer")
            ),
            "created_at_from": since("created_at"),
            "processed_at_from": since("processed_at"),
            # Rows have no such field; an early client of the vendor sent it.
            "updated_at_from": ignored(moment),
        },
    ),
    "/cash_flow_categories": Listing(
        "cash_flow_categories", "cash_flow_categories", "none", paged=False
    ),
    "/client_invoices": Listing(
        "client_invoices", "client_invoices", "previous", sorts=("created_at",),
        order="created_at:desc", item="client_invoice",
        parameters=_CREATED | _UPDATED | {
            "filter[status]": Parameter(
                choices("draft", "unpaid", "paid", "canceled"),
                lambda row, values, _: row["status"] in values,
            ),
            "filter[due_date]": equal("due_date", calendar_day),
            "filter[due_date_from]": from_day("due_date"),
            "filter[due_date_to]": to_day("due_date"),
            "exclude_imported": ignored(boolean),
        },
    ),
    "/credit_notes": Listing(
        "credit_notes", "credit_notes", parameters=_CREATED, sorts=("created_at",),
        order="created_at:desc", item="credit_note",
    ),
    "/quotes": Listing(
        "quotes", "quotes", "quotes", sorts=("created_at",), order="created_at:desc", most=500,
        item="quote", flat_item=True,
        parameters=_CREATED | {
            "filter[status]": equal("status", choice("pending_approval", "approved", "canceled")),
        },
    ),
    "/clients": Listing(
        "clients", "clients", sorts=("created_at", "updated_at", "name"), order="name:asc",
        item="client",
        parameters=_UPDATED | {
            "filter[name]": Parameter(
                at_least(2), lambda row, value, _: _plain(value) in _plain(person_or_company(row))
            ),
            "filter[email]": same_text("email"),
            "filter[vat_number]": same_text("vat_number"),
            "filter[tax_identification_number]": same_text("tax_identification_number"),
        },
    ),
    "/products": Listing(
        "products", "products", sorts=("created_at", "title"), order="title:asc", item="product",
        parameters={"filter[type]": equal("type", choice("good", "service"))},
    ),
    "/supplier_invoices": Listing(
        "supplier_invoices", "supplier_invoices", per_page=25, order="created_at:desc",
        item="supplier_invoice",
        sorts=("created_at", "updated_at", "file_name", "supplier_name", "payment_date",
               "due_date", "scheduled_date", "total_amount"),
        parameters=_CREATED | _UPDATED | {
            "filter[status][]": among("status", _SUPPLIER_STATUSES),
            "filter[status]": equal("status", _SUPPLIER_STATUSES),
            "filter[due_date]": Parameter(
                choice("past_and_today", "future", "missing_date"),
                lambda row, values, asked: any(_due_bucket(row, one, asked) for one in values),
                many=True,
            ),
            "filter[attachment_id]": equal("attachment_id", uuid),
            "filter[attachment_id][]": among("attachment_id", uuid),
            "filter[payment_date]": Parameter(
                choice(*_BUCKETS),
                lambda row, value, asked: _in_bucket(row.get("payment_date"), value, asked),
            ),
            "filter[issue_date]": Parameter(
                choice(*_BUCKETS),
                lambda row, value, asked: _in_bucket(row.get("issue_date"), value, asked),
            ),
            "filter[issue_date_from]": from_day("issue_date"),
            "filter[missing_data]": Parameter(
                boolean,
                lambda row, value, _: (
                    row.get("total_amount") is None or row.get("iban") is None
                ) == value,
            ),
            "filter[matched_transactions]": Parameter(
                boolean, lambda row, value, _: bool(row.get("matched_transactions")) == value
            ),
            "filter[document_type]": Parameter(
                choice("duplicates", "non_financial_documents"),
                lambda row, value, asked: _special(row, [value], asked),
            ),
            "filter[document_type][]": Parameter(
                choice("duplicates", "non_financial_documents"), _special, many=True
            ),
            "filter[approver_id][]": Parameter(
                uuid,
                lambda row, values, _: not set(values).isdisjoint(
                    _dig(row, "approval_workflow.approver_ids") or ()
                ),
                many=True,
            ),
            "filter[exclude_credit_notes]": Parameter(
                boolean, lambda row, value, _: not (value and row.get("is_credit_note"))
            ),
            "filter[payable_amount]": Parameter(payable, _payable),
            "filter[source][]": among("source"),
            "query": Parameter(text, _found),
            "query_fields": Parameter(choice(*_SEARCHED), many=True),
        },
    ),
    "/payment_links": Listing(
        "payment_links", "payment_links", "links", sorts=("amount", "expiration_date"),
        oauth_only=True, item="payment_link", flat_item=True,
        parameters=bare({"status[]": among("status", _LINK_STATUSES)}),
    ),
    "/terminals": Listing("terminals", "terminals", "none", oauth_only=True),
    "/webhook_subscriptions": Listing(
        "webhook_subscriptions", "subscriptions", oauth_only=True, item="subscription",
        flat_item=True,
    ),
    "/sepa/direct_debit_mandates": Listing(
        "direct_debit_mandates", "direct_debit_mandates", oauth_only=True,
        item="direct_debit_mandate", parameters={"client_id": equal("client_id", uuid)},
    ),
    "/sepa/direct_debit_subscriptions": Listing(
        "direct_debit_subscriptions", "direct_debit_subscriptions", sorts=("amount",),
        order="created_at:desc", oauth_only=True, item="direct_debit_subscription",
        parameters={
            "status[]": among(
                "status", choice("pending_mandate_signature", "scheduled", "in_progress")
            ),
            "direct_debit_mandate_id": equal("direct_debit_mandate_id", uuid),
        },
    ),
    "/sepa/direct_debit_collections": Listing(
        "direct_debit_collections", "direct_debit_collections", oauth_only=True,
        sorts=("collection_date", "status", "amount"), order="collection_date:desc",
        item="direct_debit_collection",
        parameters={
            "direct_debit_subscription_id": equal("direct_debit_subscription_id", uuid)
        },
    ),
}  # fmt: skip

PAYMENTS: Final = Listing(
    "payment_link_payments", "payments", "links", sorts=("creation_date",), oauth_only=True,
    parameters=bare({
        "status[]": among(
            "status",
            choice("open", "pending", "authorized", "paid", "canceled", "expired", "failed"),
        ),
    }),
)  # fmt: skip
"""Attempts to pay one link: /payment_links/{id}/payments."""

TRANSACTION_STATUSES: Final = ("pending", "declined", "completed")

_INCLUDES = Parameter(choice("vat_details", "labels", "attachments"), many=True)

TRANSACTION: Final = {"includes[]": _INCLUDES}
"""Parameters of a single transaction."""

TRANSACTIONS: Final = Listing(
    "transactions", "transactions", sorts=("updated_at", "settled_at", "emitted_at"),
    order="settled_at:desc", item="transaction", old=True,
    parameters={
        "bank_account_id": Parameter(uuid),
        "iban": Parameter(text),
        "includes[]": _INCLUDES,
        "status[]": Parameter(choice(*TRANSACTION_STATUSES), many=True),
        **{
            f"{key}_{side}": Parameter(moment)
            for key in ("updated_at", "emitted_at", "settled_at", "created_at")
            for side in ("from", "to")
        },
        "side": equal("side", choice("credit", "debit")),
        "operation_type[]": among("operation_type"),
        "with_attachments": Parameter(
            boolean, lambda row, value, _: bool(row["attachment_ids"]) == value
        ),
    },
)  # fmt: skip


def sort_key(field_name: str) -> Callable[[Row], tuple[bool, Any]]:
    """Return the key of a sort; rows without a value come last when ascending."""
    name = {"creation_date": "created_at"}.get(field_name, field_name)

    def key(row: Row) -> tuple[bool, Any]:
        value = person_or_company(row) if name == "name" else row.get(name)
        if value is None:
            return True, 0
        if name == "status" and value in _REQUEST_STATUSES and "request_type" in row:
            return False, _REQUEST_STATUSES.index(value)
        if name.endswith("_at") or name == "expiration_date":
            return False, moments.parse(value)
        if name in ("amount", "total_amount"):
            return False, _amount(value)
        return False, period(value) if name == "period" else _plain(str(value))

    return key


def _amount(value: Any) -> Decimal:
    try:
        return Decimal(str(value["value"] if isinstance(value, dict) else value))
    except InvalidOperation:
        return Decimal(0)
