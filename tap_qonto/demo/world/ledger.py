"""The transactions of all bank accounts: columns of numbers, rows rendered on demand.

A company of a million transactions fits in some tens of megabytes because only what must be
known to sort, filter and add up is kept; everything else follows from one random word per row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import chain
from typing import TYPE_CHECKING

from tap_qonto.demo.world import history, moments
from tap_qonto.demo.world.columns import STATUSES, Account, Columns
from tap_qonto.demo.world.rendering import People, Renderer
from tap_qonto.demo.world.trades import TRADES, Event, Settled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from tap_qonto.demo.world.formula import Formula
    from tap_qonto.demo.world.rows import Row


class Order:
    """The rows of one account in the order of their last change, kept current meanwhile."""

    __slots__ = ("keys", "positions")

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Sort pairs of key and position."""
        ordered = sorted(pairs)
        self.keys = array("q", [key for key, _ in ordered])
        self.positions = array("q", [position for _, position in ordered])

    def _place(self, key: int, position: int) -> int:
        left = bisect_left(self.keys, key)
        right = bisect_right(self.keys, key, left)
        return bisect_left(self.positions, position, left, right)

    def add(self, key: int, position: int) -> None:
        """Put a row at its place."""
        place = self._place(key, position)
        self.keys.insert(place, key)
        self.positions.insert(place, position)

    def discard(self, key: int, position: int) -> None:
        """Take a row out."""
        place = self._place(key, position)
        del self.keys[place]
        del self.positions[place]


class Ledger:
    """All transactions; a position is the rank of a row among those of all accounts."""

    def __init__(
        self,
        formula: Formula,
        accounts: Sequence[Account],
        events: Iterable[Event],
        people: People,
    ) -> None:
        """Write the history of all accounts.

        Args:
            formula: Where the numbers come from.
            accounts: The bank accounts, the one that receives the rest of closed ones first.
            events: Movements that documents tell of; those that find no room are left out.
            people: Whom and what the rows refer to.
        """
        self._formula = formula
        self._accounts = list(accounts)
        self._columns = columns = Columns(formula, accounts)
        self._renderer = Renderer(formula, columns, self._accounts, people)
        self._formula_rows = self._next = columns.first[-1]
        self._rows: dict[int, Row] = {}
        self._extra: dict[str, int] = {}
        self._gone: set[int] = set()
        self._orders: dict[tuple[int, frozenset[str]], Order] = {}
        self._by_id = {account.id: account.number for account in accounts}
        history.write(columns, accounts, events)

    # -- what was booked ----------------------------------------------------------------------

    def balance(self, account: int) -> int:
        """Return the settled balance of an account in cents, at the end of its history."""
        return self._columns.booked[account]

    def available(self, account: int) -> int:
        """Return the balance of an account in cents, less what its pending rows hold."""
        return self._columns.free[account]

    def balance_at(self, account: int, moment: int) -> int:
        """Return the settled balance in cents of an account at a moment."""
        count = self._accounts[account].transactions
        return self._columns.balance_at(account, count, moment)

    def settled(self, position: int) -> int:
        """Return the moment at which a generated row settles, or would have settled."""
        return self._columns.settled(position)

    def placed(self, key: tuple[str, int]) -> Settled | None:
        """Say where the event of a document ended up, if it found room."""
        position = self._columns.placed.get(key)
        if position is None:
            return None
        return Settled(self._formula.uuid("transaction", position), self.settled(position))

    def total(self) -> int:
        """Return the number of rows in all accounts."""
        return self._next - len(self._gone)

    def positions(self, account: int | None = None) -> Iterator[int]:
        """Yield the positions of one account, or of all."""
        if account is None:
            generated = range(self._formula_rows)
        else:
            generated = range(self._columns.first[account], self._columns.first[account + 1])
        extra: Iterable[int] = self._extra.values()
        if account is not None:
            extra = (p for p in extra if self._number_of(p) == account)
        for position in chain(generated, extra):
            if position not in self._gone:
                yield position

    def _number_of(self, position: int) -> int:
        """Return the account of any row, generated or not; -1 for an unknown account."""
        row = self._rows.get(position)
        if row is None:
            return self._columns.account_of(position)
        return self._by_id.get(row["bank_account_id"], -1)

    def find(self, uuid: str) -> int | None:
        """Return the position of a row by its id."""
        position = self._extra.get(uuid)
        if position is None:
            position = self._formula.find("transaction", uuid)
            if position is None or position >= self._formula_rows:
                return None
        return None if position in self._gone else position

    def order(self, account: int, statuses: Collection[str]) -> Order:
        """Return the rows of an account that have one of `statuses`, the last changed last."""
        name = (account, frozenset(statuses))
        order = self._orders.get(name)
        if order is None:
            order = self._orders[name] = Order(
                (self.updated(position), position)
                for position in self.positions(account)
                if self.status(position) in name[1]
            )
        return order

    def status(self, position: int) -> str:
        """Return the status of a row."""
        row = self._rows.get(position)
        return STATUSES[self._columns.states[position]] if row is None else str(row["status"])

    def updated(self, position: int) -> int:
        """Return the moment of a row's last change."""
        row = self._rows.get(position)
        return self._columns.updated[position] if row is None else moments.parse(row["updated_at"])

    def open(self, account: Account) -> None:
        """Add an account without history; rows can be put into it."""
        self._accounts.append(account)
        self._columns.open()
        self._by_id[account.id] = account.number

    # -- changing rows ------------------------------------------------------------------------

    def _touch(self, position: int, *, into: bool) -> None:
        """Take a row out of the orders that hold it, or put it back."""
        account, status = self._number_of(position), self.status(position)
        for (number, statuses), order in self._orders.items():
            if number == account and status in statuses:
                change = order.add if into else order.discard
                change(self.updated(position), position)

    def put(self, row: Row) -> None:
        """Insert or replace a row by its id."""
        position = self.find(row["id"])
        if position is not None:
            self._touch(position, into=False)
        else:
            position = self._formula.find("transaction", row["id"])
            if position is not None and position in self._gone:
                self._gone.discard(position)
            else:
                position, self._next = self._next, self._next + 1
                self._extra[row["id"]] = position
        self._rows[position] = row
        self._touch(position, into=True)

    def remove(self, uuid: str) -> None:
        """Delete a row.

        Raises:
            KeyError: There is none with that id.
        """
        position = self.find(uuid)
        if position is None:
            raise KeyError(uuid)
        self._touch(position, into=False)
        self._gone.add(position)
        self._rows.pop(position, None)
        self._extra.pop(uuid, None)

    # -- rows and receipts --------------------------------------------------------------------

    def receipt_numbers(self, position: int) -> range:
        """Return the numbers of the receipts that a generated row has of its own."""
        return self._renderer.receipt_numbers(position)

    def receipt(self, uuid: str) -> tuple[int, int] | None:
        """Return (position, number of the receipt) of a receipt's id."""
        n = self._formula.find("receipt", uuid)
        if (
            n is None
            or n // 2 >= self._formula_rows
            or n not in self._renderer.receipt_numbers(n // 2)
        ):
            return None
        return n // 2, n

    def is_generated(self, position: int) -> bool:
        """Say whether a row is an everyday one that nobody has changed."""
        return position not in self._rows and position not in self._columns.planned

    def created(self, position: int) -> int:
        """Return the moment at which the receipts of a generated row were added."""
        subject = TRADES[self._columns.trades[position]].subject
        emitted, updated = self._columns.emitted(position, subject), self._columns.updated[position]
        return emitted + (updated - emitted) * 3 // 4

    def row(self, position: int) -> Row:
        """Return a row as the API shows it with everything but `attachments` included."""
        row = self._rows.get(position)
        return self._renderer.row(position) if row is None else dict(row)
