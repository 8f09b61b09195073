"""The list of transactions, which is asked for by account and answered from the ledger."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from tap_qonto.demo.http.lists import asked, check_floor, shuffled
from tap_qonto.demo.http.messages import RefusalError, Request
from tap_qonto.demo.http.routes import TRANSACTIONS
from tap_qonto.demo.world import organization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_qonto.demo.http.filehost import FileHost
    from tap_qonto.demo.http.lists import Lists
    from tap_qonto.demo.http.rules import ReadingRules
    from tap_qonto.demo.world.company import Company
    from tap_qonto.demo.world.rows import Row


class Transactions:
    """Answers lists of a company's transactions."""

    def __init__(
        self, company: Company, rules: ReadingRules, lists: Lists, files: FileHost
    ) -> None:
        """Answer by these rules, with links to `files`."""
        self._company = company
        self._rules = rules
        self._lists = lists
        self._files = files

    def answer(self, request: Request) -> Row:
        """Return the page that is asked for.

        Raises:
            RefusalError: A parameter is missing or not accepted (400, 422).
        """
        values = asked(TRANSACTIONS, request)
        check_floor(values)
        statuses = self._rules.statuses(values.get("status[]", ["completed"]))
        if "reversed" in statuses and not self._rules.reversed_known:
            detail = "status[] must be one of pending, declined, completed"
            raise RefusalError(422, "invalid", detail, "status[]")
        if "sort_by" not in values:
            detail = "sort_by is required: the demo company knows no order but by updated_at"
            raise RefusalError(400, "missing_parameter", detail, "sort_by")
        account = self._account(values)
        positions: Sequence[int] = ()
        if account is not None:
            positions = self._positions(account, statuses, values)
            if self._rules.ties is not None:
                positions = shuffled(positions, self._company.ledger.updated, self._rules.ties)
        shown, meta = self._lists.page(TRANSACTIONS, values, len(positions))
        if values["sort_by"] == "updated_at:desc":
            total = len(positions)
            selected = positions[max(0, total - shown.stop) : total - shown.start][::-1]
        else:
            selected = positions[shown]
        includes = frozenset(values.get("includes[]", ()))
        rows = [self.row(position, includes, request) for position in selected]
        return {"transactions": rows, "meta": meta}

    def _account(self, values: Mapping[str, Any]) -> int | None:
        """Return the number of the account that is asked for; None for one at another bank."""
        name = "bank_account_id"
        if name not in values:
            raise RefusalError(400, "missing_parameter", f"{name} is required", name)
        for account in self._company.accounts:
            if values[name] == account.id:
                return account.number
        if values[name] in {row["id"] for row in organization.external_accounts(self._company)}:
            return None
        raise RefusalError(422, "invalid", f"{name} is not an account of yours", name)

    def _positions(
        self, account: int, statuses: Sequence[str], values: Mapping[str, Any]
    ) -> Sequence[int]:
        """Return the positions of the matching rows, the last changed last."""
        order, bounds = self._company.ledger.order(account, statuses), self._rules.bounds
        first, end = 0, len(order.keys)
        if "updated_at_from" in values:
            first = bisect_left(order.keys, bounds.first(values["updated_at_from"]))
        if "updated_at_to" in values:
            end = bisect_left(order.keys, bounds.end(values["updated_at_to"]))
        return order.positions[first:end]

    def row(self, position: int, includes: frozenset[str], request: Request) -> Any:
        """Return a transaction with the related objects that were asked for, and only those.

        What it returns is written as JSON, so it may also be JSON that was written before.
        """
        if "attachments" in includes:
            row = self._company.transaction(position)
            row["attachments"] = [
                {**one, "url": self._files.link(request, one["id"])} for one in row["attachments"]
            ]
        else:
            row = self._company.ledger.row(position)
            row.pop("attachments", None)
        if "vat_details" not in includes:
            row.pop("vat_details", None)
        if "labels" not in includes:
            row.pop("labels", None)
        return row
