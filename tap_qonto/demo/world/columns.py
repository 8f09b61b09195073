"""What must be known of each transaction to sort, filter and add up: columns of numbers."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world.moments import DAY, END, HOUR, SECOND, START

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_qonto.demo.world.formula import Formula
    from tap_qonto.demo.world.trades import Event

STATUSES: Final = ("completed", "declined", "pending")
COMPLETED, DECLINED, PENDING = range(3)


@dataclass(frozen=True)
class Account:
    """What the ledger must know of a bank account."""

    number: int
    id: str
    iban: str
    slug: str
    transactions: int
    closes: int | None = None
    """Moment of the closure, when everything that is left goes to the first account."""


class Columns:
    """The generated transactions; a position is the rank of a row among those of all accounts.

    Attributes:
        first: Position of the first row of each account, and the number of all rows at the end.
        words: One random word per row, from which follows all that no column holds.
        trades: Rank in `TRADES` of each everyday row.
        states: Rank in `STATUSES` of each row.
        cents: Amount of each row.
        balances: Balance in cents of the account after each row.
        updated: Moment of each row's last change.
        slots: Milliseconds from one row of an account to the next.
        planned: The events that decide a row, by its position.
        placed: Positions of the events, by their documents.
        booked: Settled balance in cents of each account.
        free: Booked balance less what pending rows hold, in cents, of each account.
    """

    def __init__(self, formula: Formula, accounts: Sequence[Account]) -> None:
        """Make room for the transactions of all accounts."""
        self.first = [0]
        for account in accounts:
            self.first.append(self.first[-1] + account.transactions)
        count = self.first[-1]
        self.words = array(
            "I",
            Random(formula.seed("ledger")).randbytes(4 * count),
        )
        self.trades = array("B", bytes(count))
        self.states = array("B", bytes(count))
        self.cents = array("q", bytes(8 * count))
        self.balances = array("q", bytes(8 * count))
        self.updated = array("q", bytes(8 * count))
        self.slots = [
            ((account.closes or END) - START) // max(1, account.transactions)
            for account in accounts
        ]
        self.planned: dict[int, Event] = {}
        self.placed: dict[tuple[str, int], int] = {}
        self.booked = [0] * len(accounts)
        self.free = [0] * len(accounts)

    def open(self) -> None:
        """Add an account without generated rows."""
        self.first.append(self.first[-1])
        self.slots.append(END - START)
        self.booked.append(0)
        self.free.append(0)

    def account_of(self, position: int) -> int:
        """Return the account of a generated row."""
        return bisect_right(self.first, position, 0, len(self.first) - 1) - 1

    def settled(self, position: int, account: int | None = None) -> int:
        """Return the moment at which a generated row settles, or would have settled."""
        if account is None:
            account = self.account_of(position)
        slot = self.slots[account]
        # Rows are spread evenly; within its share of time the word of a row decides.
        return (
            START + slot * (position - self.first[account]) + self.words[position] * slot // 2**33
        )

    def emitted(self, position: int, subject: str) -> int:
        """Return the moment at which a generated row was ordered."""
        word, settled = self.words[position], self.settled(position)
        if self.states[position] != COMPLETED:
            return settled
        if subject == "Card":
            return settled - 12 * HOUR - word % (40 * HOUR)
        if subject == "DirectDebit":
            return settled - DAY
        return settled - SECOND - word % (30 * SECOND)

    def balance_at(self, account: int, count: int, moment: int) -> int:
        """Return the settled balance in cents of an account of `count` rows at a moment."""
        first = self.first[account]
        index = bisect_right(
            range(count), moment, key=lambda index: self.settled(first + index, account)
        )
        while index and self.states[first + index - 1] != COMPLETED:
            index -= 1
        return self.balances[first + index - 1] if index else 0
