"""The list of transactions, which is asked for by account and answered from the ledger."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
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
    from tap_qonto.demo.world.ledger import SortKey
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
        key, _, way = values.get("sort_by", "settled_at:desc").partition(":")
        account = self._account(values)
        positions: Sequence[int] = ()
        if account is not None:
            positions = self._positions(account, key, statuses, values)
            if self._rules.ties is not None:
                sort: SortKey = key
                keys = partial(self._company.ledger.key, key=sort)
                positions = shuffled(positions, keys, self._rules.ties)
        shown, meta = self._lists.page(TRANSACTIONS, values, len(positions))
        if way == "desc":
            total = len(positions)
            selected = positions[max(0, total - shown.stop) : total - shown.start][::-1]
        else:
            selected = positions[shown]
        includes = frozenset(values.get("includes[]", ()))
        rows = [self.row(position, includes, request) for position in selected]
        return {"transactions": rows, "meta": meta}

    def _account(self, values: Mapping[str, Any]) -> int | None:
        """Return the number of the account that is asked for; None for one at another bank."""
        if "bank_account_id" in values:
            name, wanted = "bank_account_id", values["bank_account_id"]
        elif "iban" in values:
            name, wanted = "iban", values["iban"].replace(" ", "")
        else:
            detail = "bank_account_id or iban is required"
            raise RefusalError(400, "missing_parameter", detail, "bank_account_id")
        for account in self._company.accounts:
            if wanted in (account.id, account.iban):
                return account.number
        if wanted in {row["id"] for row in organization.external_accounts(self._company)}:
            return None
        raise RefusalError(422, "invalid", f"{name} is not an account of yours", name)

    def _positions(
        self, account: int, key: str, statuses: Sequence[str], values: Mapping[str, Any]
    ) -> Sequence[int]:
        """Return the positions of the matching rows, ascending by the sort key."""
        ledger, bounds = self._company.ledger, self._rules.bounds
        sort: SortKey = key  # type: ignore[assignment]  # checked against the list of sorts
        order = ledger.order(account, sort, statuses)
        first, end = 0, len(order.keys)
        tests: list[tuple[SortKey, int, int]] = []
        names: tuple[SortKey, ...] = ("updated_at", "settled_at", "emitted_at")
        for name in names:
            lower, upper = values.get(f"{name}_from"), values.get(f"{name}_to")
            if lower is None and upper is None:
                continue
            least = 0 if lower is None else bounds.first(lower)
            # A row that never settled has no settlement to compare, whatever the bound.
            most = 1 << 61 if upper is None else bounds.end(upper)
            if name == key:
                first, end = bisect_left(order.keys, least), bisect_left(order.keys, most)
            else:
                tests.append((name, least, most))
        window = order.positions[first:end]
        if not tests:
            return window
        cache = (
            "transactions", self._company.version("transactions"), account, key,
            frozenset(statuses), first, end, str(tests),
        )  # fmt: skip
        return self._lists.remembered(
            cache,
            lambda: [
                position
                for position in window
                if all(least <= ledger.key(position, name) < most for name, least, most in tests)
            ],
        )

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
