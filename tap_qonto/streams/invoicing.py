"""Money to come in: client invoices and what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_qonto.api.instants import FLOOR
from tap_qonto.reading.block import Bounds, restart
from tap_qonto.streams.kinds import Listed, Single, Windowed, bounded_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Query, Row
    from tap_qonto.reading.desk import Desk

CREATED = {"sort": "created_at", "filters": "filter[created_at_{}]", "floor": ""}


class ClientInvoices(
    Windowed, scope="client_invoices.read", params=(("exclude_imported", "false"),), **CREATED
):
    """Invoices to clients, imported ones included.

    Qonto filters them by the last change but sorts them by creation only. So the changes of this
    run are a fixed filter, in which the invoices are read by their creation.
    """

    name = "client_invoices"
    path = "/client_invoices"
    replication_key = "updated_at"

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        return self.afterwards(self.read(context), context)

    @override
    def source(self, context: types.Context | None, desk: Desk) -> Iterator[Row]:
        changed = self._changed(context)
        return self.sequence(self.window(context), context, *changed, desk=desk)

    @override
    def first_queries(self) -> Sequence[Query]:
        return self.openings(self.window(None), *self._changed(None))

    def _changed(self, context: types.Context | None) -> tuple[tuple[str, str], ...]:
        """Return the filter for what has changed since the last run."""
        bounds = Bounds(restart(self.start(context)), self.run.end)
        return tuple(bounded_by("filter[updated_at_{}]", bounds, FLOOR))


class CreditNotes(Windowed, scope="client_invoices.read", **CREATED):
    """Credit notes to clients."""

    name = "credit_notes"
    path = "/credit_notes"

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        # The sandbox has been seen writing this one name with a capital letter.
        if "Invoice_issue_date" in row:
            row.setdefault("invoice_issue_date", row.pop("Invoice_issue_date"))
        return row


class Quotes(Windowed, scope="client_invoices.read", **CREATED):
    """Quotes to clients."""

    name = "quotes"
    path = "/quotes"


class Clients(
    Windowed, scope="client.read", filters="filter[updated_at_{}]", fallback="created_at:asc"
):
    """People and companies that get invoices."""

    name = "clients"
    path = "/clients"
    replication_key = "updated_at"


class Products(Listed, scope="product.read", params=(("sort_by", "created_at:asc"),)):
    """Goods and services of the catalogue."""

    name = "products"
    path = "/products"


class EinvoicingSettings(Single, scope="einvoicing.read"):
    """Whether electronic invoices can be sent and received."""

    name = "einvoicing_settings"
    path = "/einvoicing/settings"
    primary_keys = ("organization_id",)

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        settings = self.run.client.object(self.query())
        # Without either, the refusal of the organization is this stream's own.
        owner = self.run.organization_id or self.run.organization.get("id")
        yield self.clean({**settings, "organization_id": owner}, context)
