"""Which lists there are, which parameters each accepts, and how each one sorts and pages.

It is what this project asks for, no more: the tap to read, the target to look up.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from tap_qonto.demo.http.parameters import (
    Parameter,
    among,
    boolean,
    choice,
    equal,
    moment,
    same_text,
    since,
    text,
    until,
    uuid,
)
from tap_qonto.demo.world import moments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.demo.world.rows import Row

Meta: TypeAlias = Literal["full", "short", "previous", "quotes", "links", "none"]

READ: Final = "organization.read"


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
    scope: str = READ
    """The OAuth scope that is needed."""
    oauth_only: bool = False
    paged: bool = True
    """Whether `page` and `per_page` exist."""
    item: str | None = None
    """Envelope of the path of a single row; None when nobody asks for one."""


_CREATED = {
    "filter[created_at_from]": since("created_at"),
    "filter[created_at_to]": until("created_at"),
}
_UPDATED = {
    "filter[updated_at_from]": since("updated_at"),
    "filter[updated_at_to]": until("updated_at"),
}


def _named_so(row: Row, value: str, _: object) -> bool:
    return value.casefold() in str(row.get("file_name") or "").casefold()


LISTINGS: Final[dict[str, Listing]] = {
    "/bank_accounts": Listing("bank_accounts", "bank_accounts", "none"),
    "/labels": Listing("labels", "labels"),
    "/memberships": Listing("memberships", "memberships"),
    "/teams": Listing("teams", "teams", scope="team.read"),
    "/sepa/beneficiaries": Listing(
        "beneficiaries", "beneficiaries", per_page=25, sorts=("updated_at",),
        order="updated_at:desc", item="beneficiary",
        parameters={"iban[]": among("iban")},
    ),
    "/sepa/transfers": Listing(
        "sepa_transfers", "transfers", sorts=("updated_at",), order="updated_at:desc",
        item="transfer",
        parameters={
            "beneficiary_ids[]": among("beneficiary_id", uuid),
            "updated_at_from": since("updated_at"),
            "updated_at_to": until("updated_at"),
        },
    ),
    "/sepa/bulk_transfers": Listing(
        "bulk_transfers", "bulk_transfers", order="updated_at:desc"
    ),
    "/sepa/recurring_transfers": Listing(
        "recurring_transfers", "recurring_transfers", order="updated_at:desc"
    ),
    "/international/beneficiaries": Listing(
        "international_beneficiaries", "beneficiaries",
        parameters={"currency": equal("currency")},
    ),
    "/statements": Listing(
        "statements", "statements", sorts=("period",), order="period:desc", item="statement",
    ),
    "/cards": Listing(
        "cards", "cards", "short", sorts=("created_at",), order="status:asc", scope="card.read",
    ),
    "/requests": Listing(
        "requests", "requests", sorts=("created_at",), order="created_at:desc",
        parameters={"created_at_from": since("created_at")},
    ),
    "/cash_flow_categories": Listing(
        "cash_flow_categories", "cash_flow_categories", "none", paged=False,
        scope="cash_flow_category.read",
    ),
    "/client_invoices": Listing(
        "client_invoices", "client_invoices", "previous", sorts=("created_at",),
        order="created_at:desc", item="client_invoice", scope="client_invoices.read",
        parameters=_CREATED | _UPDATED | {"exclude_imported": Parameter(boolean)},
    ),
    "/credit_notes": Listing(
        "credit_notes", "credit_notes", parameters=_CREATED, sorts=("created_at",),
        order="created_at:desc", scope="client_invoices.read",
    ),
    "/quotes": Listing(
        "quotes", "quotes", "quotes", sorts=("created_at",), order="created_at:desc", most=500,
        parameters=_CREATED, scope="client_invoices.read",
    ),
    "/clients": Listing(
        "clients", "clients", sorts=("created_at", "updated_at"), order="name:asc", item="client",
        scope="client.read",
        parameters=_UPDATED | {
            "filter[email]": same_text("email"),
            "filter[vat_number]": same_text("vat_number"),
            "filter[tax_identification_number]": same_text("tax_identification_number"),
        },
    ),
    "/products": Listing(
        "products", "products", sorts=("created_at",), order="title:asc", scope="product.read",
    ),
    "/supplier_invoices": Listing(
        "supplier_invoices", "supplier_invoices", per_page=25, order="created_at:desc",
        sorts=("created_at", "updated_at"), item="supplier_invoice", scope="supplier_invoice.read",
        parameters=_UPDATED | {
            "filter[created_at_from]": since("created_at"),
            "filter[attachment_id]": equal("attachment_id", uuid),
            "query": Parameter(text, _named_so),
            "query_fields": Parameter(choice("file_name"), many=True),
        },
    ),
    "/payment_links": Listing(
        "payment_links", "payment_links", "links", oauth_only=True, scope="payment_link.read",
    ),
    "/payment_links/{id}/payments": Listing(
        "payment_link_payments", "payments", "links", sorts=("creation_date",), oauth_only=True,
        scope="payment_link.read",
    ),
    "/terminals": Listing(
        "terminals", "terminals", "none", oauth_only=True, scope="terminal.read"
    ),
    "/webhook_subscriptions": Listing(
        "webhook_subscriptions", "subscriptions", oauth_only=True, scope="webhook",
    ),
    "/sepa/direct_debit_mandates": Listing(
        "direct_debit_mandates", "direct_debit_mandates", oauth_only=True,
        scope="sepa_direct_debit.read",
    ),
    "/sepa/direct_debit_subscriptions": Listing(
        "direct_debit_subscriptions", "direct_debit_subscriptions", order="created_at:desc",
        oauth_only=True, scope="sepa_direct_debit.read",
    ),
    "/sepa/direct_debit_collections": Listing(
        "direct_debit_collections", "direct_debit_collections", oauth_only=True,
        sorts=("collection_date",), order="collection_date:desc",
        scope="sepa_direct_debit.read",
    ),
}  # fmt: skip
"""All lists but that of the transactions, by their paths."""

INCLUDES: Final = Parameter(choice("vat_details", "labels", "attachments"), many=True)

TRANSACTIONS: Final = Listing(
    "transactions", "transactions", sorts=("updated_at",),
    parameters={
        "bank_account_id": Parameter(uuid),
        "includes[]": INCLUDES,
        "status[]": Parameter(choice("pending", "declined", "completed", "reversed"), many=True),
        "updated_at_from": Parameter(moment),
        "updated_at_to": Parameter(moment),
    },
)  # fmt: skip


def _plain(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _full_name(row: Row) -> str:
    return row.get("name") or f"{row.get('first_name') or ''} {row.get('last_name') or ''}"


def sort_key(name: str) -> Callable[[Row], tuple[bool, Any]]:
    """Return the key of a sort; rows without a value come last when ascending."""
    column = {"creation_date": "created_at"}.get(name, name)

    def key(row: Row) -> tuple[bool, Any]:
        value = _full_name(row) if column == "name" else row.get(column)
        if value is None:
            return True, 0
        if column.endswith("_at"):
            return False, moments.parse(value)
        if column == "period":
            return False, f"{value[3:]}-{value[:2]}"
        return False, _plain(str(value))

    return key
