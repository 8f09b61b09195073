"""Money that moved: transactions, monthly statements, cash flow categories."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_qonto.api.errors import CeilingError, NotReadableError, QontoError
from tap_qonto.api.pages import paged
from tap_qonto.reading.accounts import ACCOUNTS, embedded
from tap_qonto.reading.block import Bounds
from tap_qonto.reading.order import merge
from tap_qonto.reading.state import STATUSES
from tap_qonto.reading.statuses import (
    DOCUMENTED,
    FEW,
    TRIED,
    Counting,
    compared,
    grouped,
    known,
)
from tap_qonto.settings import TRANSACTION_STATUSES
from tap_qonto.streams.kinds import MISUNDERSTOOD, Listed, Windowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Query, Row
    from tap_qonto.reading.debts import Partition
    from tap_qonto.reading.state import Bookmark
    from tap_qonto.reading.statuses import Statuses
    from tap_qonto.reading.window import WindowReading

EARLY = 8
"""Accounts whose first pages are fetched ahead of the stream's turn, and wait in memory."""

INCLUDES = tuple(("includes[]", name) for name in ("vat_details", "labels", "attachments"))


class Transactions(Windowed, params=INCLUDES):
    """Transactions of every bank account and status, with VAT, labels and attachments.

    Qonto lists them per account, so each account has its own bookmark. It is asked for one status
    at a time, unless it has shown in this run that it honours several at once.
    """

    name = "transactions"
    path = "/transactions"
    replication_key = "updated_at"
    partition_keys = ("bank_account_id",)
    asks_to_begin = True

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._readings: dict[str, list[WindowReading]] = {}
        self._has_told = False
        # Two of them: whoever finds the groups counts, and others begin to count meanwhile.
        self._lock = threading.Lock()
        self._counting_lock = threading.Lock()
        self._counted: dict[tuple[str, Statuses], Future[int | None]] = {}

    @property
    @override
    def partitions(self) -> list[dict[str, str]]:
        return [{"bank_account_id": account} for account in self._accounts]

    @cached_property
    def _readable(self) -> list[str]:
        """The accounts that the settings choose, those included that only the state still knows."""
        return self.run.bank_account_ids(self, self._marked)

    @cached_property
    def _accounts(self) -> list[str]:
        """Those of them to read now."""
        return [one for one in self._readable if self.is_wanted_again({"bank_account_id": one})]

    @cached_property
    def _marked(self) -> set[str]:
        """The accounts that have a bookmark in the state."""
        partitions = self.tap_state.get("bookmarks", {}).get(self.name, {}).get("partitions", ())
        found = (part["context"].get("bank_account_id") for part in partitions)
        return {account for account in found if isinstance(account, str)}

    @override
    def start(self, context: types.Context | None) -> str | None:
        return self.run.start_date if self._left_out(context) else super().start(context)

    @override
    def begun_anew(self) -> set[Partition]:
        return {partition for partition in self.bookmarks() if self._left_out(dict(partition))}

    def _left_out(self, context: types.Context | None) -> set[str]:
        """Return the statuses asked for that earlier runs left out, before the bookmark."""
        if not self.is_incremental:
            return set()
        had = self.stored_state(context).get(STATUSES, TRANSACTION_STATUSES)
        return set(self.config["transaction_statuses"]).difference(had)

    @override
    def bookmark(self, context: types.Context | None) -> Bookmark:
        if (names := self._left_out(context)) and not (self._has_told or self.is_walker):
            self._has_told = True
            self.logger.info(
                "%s: earlier runs left out those that are %s (transaction_statuses), so all are "
                "read again",
                self.name, " or ".join(sorted(names)),
            )  # fmt: skip
        bookmark = super().bookmark(context)
        if self.is_incremental:
            bookmark.restrict(self.config["transaction_statuses"], TRANSACTION_STATUSES)
        return bookmark

    @override
    def rows(self, context: types.Context | None) -> Iterator[Row]:
        if not context:
            return
        if owner := self.run.organization_id:
            self.sign(owner)
        account = context["bank_account_id"]
        position = self._accounts.index(account)
        # The accounts that follow are read ahead, as far as places and memory allow.
        for following in self._accounts[position : position + 1 + 2 * self.run.client.concurrency]:
            if following not in self._readings:
                self._readings[following] = self._begun({"bank_account_id": following})
        readings = self._readings[account]
        with ExitStack() as stack:
            for reading in readings:
                stack.callback(reading.close)
            rows = self.following(merge(readings, key=self.sort), context)
            if not self.run.is_listed(account):
                rows = self._if_readable(rows, account)
            yield from rows
        readings.clear()

    def _if_readable(self, rows: Iterator[Row], account: str) -> Iterator[Row]:
        """Yield the rows of an account that is not listed any more; warn if there are none."""
        try:
            yield from rows
        except QontoError as error:
            if not isinstance(error, NotReadableError) and error.status not in MISUNDERSTOOD:
                raise
            self.logger.warning(
                "%s: the state knows the bank account %s, which is not listed any more and cannot "
                "be read: %s. What was read of it before stays as it is",
                self.name, account, error,
            )  # fmt: skip
            self.passed_over.add(self.partition_of({"bank_account_id": account}))

    def _begun(self, context: types.Context) -> list[WindowReading]:
        """Return the readings of an account, one per group of statuses, begun."""
        window = self.window(context)
        selections = self._params(context)
        self.progress.lists = len(self._accounts) * len(selections)
        return [self.sequence(window, context, *params) for params in selections]

    @override
    def reshape(self, row: Row, context: types.Context | None) -> Row:
        if context and not row.get("bank_account_id"):
            row["bank_account_id"] = context["bank_account_id"]
        return row

    @override
    def first_queries(self) -> Sequence[Query]:
        guessed = self._guess()
        queries = [
            query
            for context in self.partitions[:EARLY]
            for params in self._params(context)
            for query in self.openings(self.window(context), *params)
        ]
        self.run.client.forget(set(guessed).difference(queries))
        return queries

    def _guess(self) -> Sequence[Query]:
        """Begin what will most likely be asked, while Qonto still lists the accounts.

        The organization's answer names the open ones. And most likely Qonto honours several
        statuses at once and knows those that it documents. Where a guess is wrong, nothing but a
        few requests is lost, since each is made sure of all the same.
        """
        client, waiting = self.run.client, lambda: not self._readings
        client.ask_early([paged(ACCOUNTS, 1)], waiting=waiting)
        try:
            accounts = embedded(self.run.organization, self.config)
        except QontoError:  # the list of accounts may be had all the same
            return ()
        statuses = dict.fromkeys(self.config["transaction_statuses"])
        documented = tuple(status for status in statuses if status in DOCUMENTED)
        if not accounts or not documented:
            return ()
        likely = min(accounts, key=lambda one: one not in self._marked)
        groups: list[Statuses] = [(status,) for status in documented]
        asked: list[Statuses] = [(status,) for status in statuses if status not in DOCUMENTED]
        if len(groups) > 1 and len(accounts) > FEW:
            asked += compared(documented)
            groups = [documented]
        for group in asked:
            self._counting(likely, group)
        queries = [
            query
            for account in accounts[:EARLY]
            for group in groups
            for query in self.openings(
                self.window({"bank_account_id": account}), *_selecting(account, group)
            )
        ]
        client.ask_early(queries, waiting=waiting)
        return queries

    # Statuses

    @property
    def _groups(self) -> Sequence[Statuses]:
        """The groups of statuses to ask for, found out once in a run."""
        with self._lock:
            return self._found_groups

    @cached_property
    def _found_groups(self) -> Sequence[Statuses]:
        accounts = self._readable
        if not accounts:
            return ()
        # Accounts with a bookmark have had transactions.
        marked, is_listed = self._marked, self.run.is_listed
        likely = sorted(accounts, key=lambda one: (not is_listed(one), one not in marked))
        counting = Counting(self._knows, self._counts)
        statuses = self._known(likely[:TRIED], counting)
        if not statuses:
            msg = (
                "Qonto knows none of the statuses in transaction_statuses. Leave the setting out, "
                "or name some of pending, declined, completed"
            )
            raise QontoError(msg)
        return grouped(statuses, likely, counting)

    def _known(self, accounts: Sequence[str], counting: Counting) -> Statuses:
        """Return the statuses that Qonto accepts, asked of the first account that answers.

        Raises:
            QontoError: If none does.
        """
        for position, account in enumerate(accounts, 1):
            try:
                return known(self.config["transaction_statuses"], account, counting)
            except QontoError as error:
                if error.ends_run or position == len(accounts):
                    raise
        return ()

    def _knows(self, account: str, status: str) -> bool:
        # Asked for beside it, because answers are waited for longer than they take.
        accepted = self._counting(account, ("completed",))
        try:
            self._counting(account, (status,)).result()
        except QontoError as error:
            if error.status not in MISUNDERSTOOD:
                raise
            accepted.result()  # it may be the account that is refused: then this fails too
            self.logger.info("%s: Qonto does not know the status %r", self.name, status)
            return False
        return True

    def _counts(self, account: str, groups: Sequence[Statuses]) -> list[int | None]:
        counts = [self._counting(account, group) for group in groups]
        try:
            return [count.result() for count in counts]
        except QontoError as error:
            if error.ends_run:
                raise
            return [None] * len(groups)  # this account's own trouble, told when it is read

    def _counting(self, account: str, statuses: Statuses) -> Future[int | None]:
        """Begin to count, once in a run."""
        key = (account, statuses)
        with self._counting_lock:
            if key not in self._counted:
                self._counted[key] = self.run.client.submit(self._count, account, statuses)
            return self._counted[key]

    def _count(self, account: str, statuses: Statuses) -> int | None:
        """Return how many transactions match; None if the count may be capped."""
        window = Bounds(self.run.start_date or self.floor, self.run.end)
        query = self.bounded(window, *_selecting(account, statuses))
        try:
            total = self.run.client.page(query, self.envelope, 1, per_page=1).total
        except CeilingError:
            return None
        return total if total is not None and total < self.run.machine.ceiling else None

    def _params(self, context: types.Context) -> list[tuple[tuple[str, str], ...]]:
        """Return, per group of statuses, the parameters that select its transactions."""
        account = context["bank_account_id"]
        return [_selecting(account, statuses) for statuses in self._groups]


def _selecting(account: str, statuses: Statuses) -> tuple[tuple[str, str], ...]:
    """Return the parameters that select the transactions of an account with some statuses."""
    return (("bank_account_id", account), *(("status[]", status) for status in statuses))


class Statements(Listed, params=(("sort_by", "period:asc"),)):
    """Monthly account statements; their documents are in `statement_files`."""

    name = "statements"
    path = "/statements"


class CashFlowCategories(Listed, scope="cash_flow_category.read", per_page=0):
    """Categories of the cash flow view, each with its subcategories."""

    name = "cash_flow_categories"
    path = "/cash_flow_categories"
