"""Ways to be paid: payment links, terminals, SEPA direct debit. All need OAuth."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from typing_extensions import override

from tap_qonto.api.errors import NotReadableError
from tap_qonto.streams.kinds import Listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Query, Row


class PaymentLinks(Listed, scope="payment_link.read", oauth_only=True):
    """Links by which clients pay online."""

    name = "payment_links"
    path = "/payment_links"

    @override
    def get_child_context(
        self, record: types.Record, context: types.Context | None
    ) -> types.Context | None:
        return {"payment_link_id": record["id"]}


class PaymentLinkPayments(
    Listed,
    envelope="payments",
    scope="payment_link.read",
    oauth_only=True,
    params=(("sort_by", "creation_date:asc"),),
):
    """Attempts to pay by a payment link."""

    name = "payment_link_payments"
    path = "/payment_links/{payment_link_id}/payments"
    primary_keys = ("payment_link_id", "id")
    parent_stream_type = PaymentLinks
    state_partitioning_keys = ()  # one bookmark for all links, not one per link

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        link = quote((context or {})["payment_link_id"], safe="")
        query = self.query()._replace(path=self.path.format(payment_link_id=link))
        try:
            yield from self.numbered(query, context)
        except NotReadableError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        return {**row, **(context or {})}

    @override
    def first_queries(self) -> Sequence[Query]:
        return ()


class Terminals(Listed, scope="terminal.read", oauth_only=True):
    """Card terminals."""

    name = "terminals"
    path = "/terminals"


class DirectDebitMandates(Listed, scope="sepa_direct_debit.read", oauth_only=True):
    """Mandates by which clients let themselves be debited."""

    name = "direct_debit_mandates"
    path = "/sepa/direct_debit_mandates"


class DirectDebitSubscriptions(Listed, scope="sepa_direct_debit.read", oauth_only=True):
    """Schedules of direct debits."""

    name = "direct_debit_subscriptions"
    path = "/sepa/direct_debit_subscriptions"


class DirectDebitCollections(
    Listed,
    scope="sepa_direct_debit.read",
    oauth_only=True,
    params=(("sort_by", "collection_date:asc"),),
):
    """Single direct debits, whose status may change weeks later."""

    name = "direct_debit_collections"
    path = "/sepa/direct_debit_collections"
