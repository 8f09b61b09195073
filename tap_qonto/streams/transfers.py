"""Money on its way: SEPA transfers and the people and companies they go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_qonto.api.errors import AnswerError
from tap_qonto.api.pages import Query
from tap_qonto.streams.kinds import Listed, NewestFirst, Windowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Row


class Beneficiaries(NewestFirst, key_may_fail=True, params=(("sort_by", "updated_at:desc"),)):
    """People and companies that receive SEPA transfers."""

    name = "beneficiaries"
    path = "/sepa/beneficiaries"

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        # The sandbox has been seen nesting what production sends flat.
        account = row.pop("bank_account", None)
        if isinstance(account, dict):
            for name, value in account.items():
                if row.get(name) is None:
                    row[name] = value
        return row


class SepaTransfers(Windowed, envelope="transfers", key_may_fail=True):
    """Outgoing SEPA transfers of all accounts, executions of recurring ones included."""

    name = "sepa_transfers"
    path = "/sepa/transfers"
    replication_key = "updated_at"


class BulkTransfers(NewestFirst, key_may_fail=True):
    """Batches of SEPA transfers ordered together."""

    name = "bulk_transfers"
    path = "/sepa/bulk_transfers"


class RecurringTransfers(NewestFirst, key_may_fail=True):
    """Standing orders."""

    name = "recurring_transfers"
    path = "/sepa/recurring_transfers"


class InternationalBeneficiaries(Listed, envelope="beneficiaries"):
    """People and companies that receive transfers outside SEPA, currency by currency."""

    name = "international_beneficiaries"
    path = "/international/beneficiaries"
    selected_by_default = False

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        for currency in self._currencies():
            for row in self.numbered(self.query(("currency", currency)), context):
                if not row.get("currency"):
                    row["currency"] = currency
                yield row

    def _currencies(self) -> list[str]:
        """Return the currencies that Qonto can send, in a fixed order."""
        path = "/international/currencies"
        answer = self.run.client.get(Query(self.name, path, (("source", "EUR"),)))
        currencies = answer.get("currencies")
        if not isinstance(currencies, list):
            msg = f"GET {path} answered JSON without the list 'currencies'"
            raise AnswerError(msg, status=200)
        codes: set[str] = set()
        for entry in currencies:
            code = entry.get("currency_code") if isinstance(entry, dict) else None
            if not isinstance(code, str):
                msg = f"GET {path} answered a currency without a 'currency_code'"
                raise AnswerError(msg, status=200)
            codes.add(code)
        return sorted(codes)

    @override
    def first_queries(self) -> Sequence[Query]:
        return ()
