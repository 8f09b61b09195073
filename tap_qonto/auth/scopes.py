"""What a login asks for: the scopes of the tap, and those of the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "organization.read": (
        "organization",
        "bank_accounts",
        "transactions",
        "labels",
        "memberships",
        "beneficiaries",
        "sepa_transfers",
        "bulk_transfers",
        "recurring_transfers",
        "international_beneficiaries",
        "statements",
        "requests",
    ),
    "attachment.read": ("attachments",),
    "card.read": ("cards",),
    "cash_flow_category.read": ("cash_flow_categories",),
    "client.read": ("clients",),
    "client_invoices.read": ("client_invoices", "credit_notes", "quotes"),
    "einvoicing.read": ("einvoicing_settings",),
    "payment_link.read": ("payment_links", "payment_link_payments"),
    "product.read": ("products",),
    "sepa_direct_debit.read": (
        "direct_debit_mandates",
        "direct_debit_subscriptions",
        "direct_debit_collections",
    ),
    "subscription.read": ("subscription",),
    "supplier_invoice.read": ("supplier_invoices",),
    "team.read": ("teams",),
    "terminal.read": ("terminals",),
}
"""The scopes that are asked for, with the streams that need each.

``webhook_subscriptions`` is missing on purpose: its scope ``webhook`` also lets its holder create
subscriptions. ``--add-scope webhook`` asks for it.
"""

TARGET_SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "organization.read": (
        "new_transfers",
        "new_supplier_invoices",
        "new_clients",
        "new_client_invoices",
    ),
    "payment.write": ("new_transfers",),
    "attachment.write": ("new_transfers", "new_supplier_invoices"),
    "attachment.read": ("new_supplier_invoices", "new_client_invoices"),
    "supplier_invoice.read": ("new_supplier_invoices",),
    "supplier_invoice.write": ("new_supplier_invoices",),
    "client.read": ("new_clients", "new_client_invoices"),
    "client.write": ("new_clients",),
    "client_invoices.read": ("new_client_invoices",),
    "client_invoice.write": ("new_client_invoices",),
}
"""The same for the target. Where Qonto reads invoices in the plural, it writes in the singular."""

WANTED: Final = {"tap-qonto": SCOPES, "target-qonto": TARGET_SCOPES}
"""Scopes by program."""
