"""Money that moved: transactions, monthly statements, cash flow categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_qonto.api.pages import paged
from tap_qonto.reading.window import Bounds, merge, restart
from tap_qonto.streams.kinds import Listed, Windowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Query, Row

EARLY = 3
"""Accounts whose first pages are fetched ahead of their turn, and wait in memory."""

INCLUDES = tuple(("includes[]", name) for name in ("vat_details", "labels", "attachments"))


class Transactions(Windowed, params=INCLUDES):
    """Transactions of every bank account and status, with VAT, labels and attachments.

    Qonto lists them per account, so each account has its own bookmark. It is asked for one status
    at a time, because some clients report that only one of several is honoured.
    """

    name = "transactions"
    path = "/transactions"
    replication_key = "updated_at"

    @property
    @override
    def partitions(self) -> list[dict[str, str]]:
        return [{"bank_account_id": account} for account in self.run.bank_account_ids(self)]

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        if not context:
            return iter(())
        accounts = self.partitions
        following = accounts.index(dict(context)) + 1
        self.run.client.ask_early(self._openings(accounts[following : following + EARLY]))
        window = self.window(context)
        self.progress.lists = len(accounts) * len(self._params(context))
        sequences = [self.sequence(window, context, *params) for params in self._params(context)]
        return self.following(merge(sequences, key=self.sort), context)

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        if context and not row.get("bank_account_id"):
            row["bank_account_id"] = context["bank_account_id"]
        return row

    @override
    def first_queries(self) -> Sequence[Query]:
        return self._openings(self.partitions[:EARLY])

    def _openings(self, accounts: Sequence[types.Context]) -> list[Query]:
        """Return the first queries of some accounts."""
        return [
            paged(self.bounded(Bounds(restart(window.start), window.end), *params), 1)
            for context in accounts
            for window in (self.window(context),)
            for params in self._params(context)
        ]

    def _params(self, context: types.Context) -> list[tuple[tuple[str, str], ...]]:
        """Return, per status, the parameters that select its transactions."""
        account = ("bank_account_id", context["bank_account_id"])
        statuses = dict.fromkeys(self.config["transaction_statuses"])
        return [(account, ("status[]", status)) for status in statuses]


class Statements(Listed, params=(("sort_by", "period:asc"),)):
    """Monthly account statements; their documents are in `statement_files`."""

    name = "statements"
    path = "/statements"


class CashFlowCategories(Listed, scope="cash_flow_category.read", per_page=0):
    """Categories of the cash flow view, each with its subcategories."""

    name = "cash_flow_categories"
    path = "/cash_flow_categories"
