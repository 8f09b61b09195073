"""Money to be spent: cards, requests for approval, supplier invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_qonto.streams.kinds import Listed, Windowed

if TYPE_CHECKING:
    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Row


class Cards(Listed, scope="card.read", key_may_fail=True, params=(("sort_by", "created_at:asc"),)):
    """Cards that the credentials may see; no card number beyond the last digits."""

    name = "cards"
    path = "/cards"


class Requests(Windowed, sort="created_at", filters="created_at_{}", floor="", endless=True):
    """Requests for cards and transfers, with their decisions."""

    name = "requests"
    path = "/requests"


class SupplierInvoices(
    Windowed,
    filters="filter[updated_at_{}]",
    fallback="created_at:asc",
    scope="supplier_invoice.read",
):
    """Invoices of suppliers and documents under review."""

    name = "supplier_invoices"
    path = "/supplier_invoices"
    replication_key = "updated_at"

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        # Older answers hold ids where newer ones hold objects.
        matches = row.get("matched_transactions")
        if isinstance(matches, list):
            row["matched_transactions"] = [
                {"transaction_id": match} if isinstance(match, str) else match for match in matches
            ]
        return row
