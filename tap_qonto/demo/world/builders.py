"""Which collections a company has, and who makes the rows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import (
    clients,
    integrations,
    invoicing,
    organization,
    payees,
    payments,
    purchases,
    spending,
    transactions,
    transfers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.rows import Row

BUILDERS: Final[dict[str, Callable[[Facts], Iterator[Row]]]] = {
    "organization": organization.organization,
    "bank_accounts": organization.bank_accounts,
    "labels": organization.labels,
    "memberships": organization.memberships,
    "teams": organization.teams,
    "beneficiaries": payees.beneficiaries,
    "international_beneficiaries": payees.international_beneficiaries,
    "statements": transactions.statements,
    "cards": spending.cards,
    "requests": spending.requests,
    "cash_flow_categories": transactions.cash_flow_categories,
    "subscription": organization.subscription,
    "sepa_transfers": transfers.sepa_transfers,
    "bulk_transfers": transfers.bulk_transfers,
    "recurring_transfers": transfers.recurring_transfers,
    "direct_debit_mandates": payments.direct_debit_mandates,
    "direct_debit_subscriptions": payments.direct_debit_subscriptions,
    "direct_debit_collections": payments.direct_debit_collections,
    "clients": clients.clients,
    "products": clients.products,
    "client_invoices": invoicing.client_invoices,
    "credit_notes": invoicing.credit_notes,
    "quotes": invoicing.quotes,
    "supplier_invoices": purchases.supplier_invoices,
    "einvoicing_settings": invoicing.einvoicing_settings,
    "payment_links": payments.payment_links,
    "payment_link_payments": payments.payment_link_payments,
    "terminals": payments.terminals,
    "webhook_subscriptions": integrations.webhook_subscriptions,
}

COLLECTIONS: Final = ("transactions", *BUILDERS)
"""Names of all collections; those of the tap's streams."""

MEMORIES: Final = frozenset(("agenda", "answers", "digests", "numbers"))
"""What a company remembers of its being written to: what comes when, what was answered."""


def key_of(collection: str, row: Row) -> str:
    """Return what tells a row from the others of its collection."""
    if collection in ("subscription", "einvoicing_settings"):
        return collection
    return str(row["id"])
