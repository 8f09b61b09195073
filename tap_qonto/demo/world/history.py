"""How the columns are filled: the history of all accounts, written once and in order."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.columns import COMPLETED, DECLINED, PENDING
from tap_qonto.demo.world.moments import DAY, END, START
from tap_qonto.demo.world.trades import TRADES, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_qonto.demo.world.columns import Account, Columns

BULK_IMPORT: Final = moments.at(2026, 2, 2, 8, 15)
"""The one `updated_at` of all rows that were categorised together."""

_OPENING = 15_000_000
_FLOOR = 4_000_000
_BULK_ROWS = 430


def write(columns: Columns, accounts: Sequence[Account], events: Iterable[Event]) -> None:
    """Fill the columns.

    Args:
        columns: What to fill.
        accounts: The bank accounts, the one that receives the rest of closed ones first.
        events: Movements that documents tell of; those that find no room are left out.
    """
    _History(columns, accounts).write(events)


class _History:
    def __init__(self, columns: Columns, accounts: Sequence[Account]) -> None:
        self._columns = columns
        self._accounts = accounts
        self._room = [account.transactions * 6 // 10 for account in accounts]

    def write(self, events: Iterable[Event]) -> None:
        for event in events:
            self._plan(event)
        for account in self._accounts:
            if account.closes is not None:
                self._write_account(account)
                self._close(account, account.closes)
        for account in self._accounts:
            if account.closes is None:
                self._write_account(account)

    def _plan(self, event: Event) -> int | None:
        """Give an event the first free row after its moment; None when there is no room."""
        columns, account = self._columns, event.account
        count = self._accounts[account].transactions
        first, slot = columns.first[account], columns.slots[account]
        # The first row opens an account, the last ones are not settled yet or close it.
        last = count - max(2, count // 50)
        index = max(1, (event.wanted - START) // slot + 1)
        while index < last and first + index in columns.planned:
            index += 1
        if index >= last or not self._room[account]:
            return None
        self._room[account] -= 1
        columns.planned[first + index] = event
        columns.placed[event.key] = first + index
        return first + index

    def _close(self, account: Account, moment: int) -> None:
        """Move what a closed account holds to the first account."""
        columns = self._columns
        position = columns.first[account.number + 1] - 1
        if account.transactions < 2:  # opening and closing
            return
        rest = columns.balances[position - 1]
        main = self._accounts[0]
        received = self._plan(
            Event(
                ("closing", account.number), 0, moment, rest, credit=True,
                operation="income", subject="Income", label="VIR CLOTURE DE COMPTE",
                fields={"clean_counterparty_name": "Clôture de compte",
                        "counterparty": account.iban, "cash": ("Other", "Internal transfers")},
            )
        )  # fmt: skip
        if received is None:
            return
        columns.planned[position] = Event(
            ("closing", -account.number), account.number, moment, rest, credit=False,
            operation="transfer", subject="Transfer", label="VIR CLOTURE DE COMPTE",
            fields={"clean_counterparty_name": "Clôture de compte", "counterparty": main.iban,
                    "cash": ("Other", "Internal transfers")},
        )  # fmt: skip
        columns.states[position] = COMPLETED
        columns.cents[position] = rest
        columns.balances[position] = columns.booked[account.number] = 0
        columns.free[account.number] = 0

    def _write_account(self, account: Account) -> None:
        """Fill the columns of one account in the order of settlement."""
        columns = self._columns
        number, count, first = account.number, account.transactions, columns.first[account.number]
        wheel = array("B", chain.from_iterable([n] * t.weight for n, t in enumerate(TRADES)))
        turns = len(wheel)
        spans = [(t.low, t.high - t.low + 1, t.credit) for t in TRADES]
        words, trades, cents = columns.words, columns.trades, columns.cents
        unsettled_from = count if account.closes is not None else count - count // 60
        balance = held = 0
        for index in range(count):
            position = first + index
            word = words[position]
            event = columns.planned.get(position)
            state = COMPLETED
            if event is not None:
                amount = event.cents
                balance += amount if event.credit else -amount
            elif index == 0:
                # The capital that the founders paid in.
                amount = _OPENING
                balance += amount
            else:
                trade = wheel[(word >> 8) % turns]
                low, span, credit = spans[trade]
                # Squared, so that small amounts are common and large ones rare.
                share = (word & 0xFFFF) ** 2
                amount = low + (share * span >> 32)
                if not credit and balance - amount < _FLOOR:
                    trade = 0
                    low, span, credit = spans[0]
                    amount = low + (share * span >> 32)
                trades[position] = trade
                if index >= unsettled_from and word % 5 < 3:  # three in five
                    state = PENDING
                    held += 0 if credit else amount
                elif word % 47 == 0 and not credit:
                    state = DECLINED
                else:
                    balance += amount if credit else -amount
            cents[position] = amount
            columns.states[position] = state
            columns.balances[position] = balance
        columns.booked[number] = balance
        columns.free[number] = balance - held
        self._date(account)

    def _date(self, account: Account) -> None:
        """Fill the column of last changes: at once, by the bookkeeper, long after, in bulk."""
        columns = self._columns
        first, count = columns.first[account.number], account.transactions
        updated, words, states = columns.updated, columns.words, columns.states
        for position in range(first, first + count):
            word = words[position]
            moment = columns.settled(position)
            kind = word % 16
            if states[position] != COMPLETED or kind < 10:  # ten in sixteen
                later = 1 + word % 90_000
            elif kind < 15:  # five in sixteen
                later = DAY + word % (20 * DAY)
            else:
                later = 60 * DAY + word % (300 * DAY)
            changed = moment + later
            updated[position] = changed if changed <= END else moment + 1 + word % 90_000
        if account.number == 0:
            middle = first + count // 4
            for position in range(middle, middle + min(_BULK_ROWS, count // 6)):
                if columns.settled(position) < BULK_IMPORT:
                    updated[position] = BULK_IMPORT
