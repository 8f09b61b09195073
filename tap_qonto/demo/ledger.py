"""The transactions of all bank accounts: columns of numbers, rows rendered on demand.

A company of a million transactions fits in some tens of megabytes because only what must be
known to sort, filter and add up is kept; everything else follows from one random word per row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from tap_qonto.demo import moments
from tap_qonto.demo.formula import french_iban
from tap_qonto.demo.moments import DAY, HOUR, SECOND, iso

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from tap_qonto.demo.formula import Formula
    from tap_qonto.demo.rows import Row

FIRST_MONTH: Final = (2024, 11)
MONTHS: Final = 24
START: Final = moments.at(2024, 11, 1, 6)
END: Final = moments.at(2026, 10, 31, 18)
"""Nothing in the company's history is later."""

BULK_IMPORT: Final = moments.at(2026, 2, 2, 8, 15)
"""The one `updated_at` of all rows that were categorised together."""

STATUSES: Final = ("completed", "declined", "pending")
_COMPLETED, _DECLINED, _PENDING = range(3)
_OPENING = 15_000_000
_FLOOR = 4_000_000
_BULK_ROWS = 430

SortKey = Literal["updated_at", "settled_at", "emitted_at", "created_at"]

_NEVER: Final = 1 << 62
"""Sorts rows without a settlement after all others."""


class Trade(NamedTuple):
    """A kind of everyday movement and its usual counterparty."""

    label: str
    name: str
    operation: str
    subject: str
    category: str
    cash_flow: tuple[str, str]
    vat: int | None
    """VAT in tenths of a percent."""
    low: int
    high: int
    weight: int
    receipt: int = 0
    """Share of rows with a receipt, in percent."""
    currency: str = "EUR"
    rate: int = 1_000
    """Units of `currency` for a thousand euros."""

    @property
    def credit(self) -> bool:
        """Whether money comes in."""
        return self.subject in _INCOMING


_INCOMING = frozenset(
    ("Income", "SwiftIncome", "Check", "DirectDebitCollection", "FinancingIncome", "Recall")
)

# One euro of income meets a little more than one of expense: whenever an account runs low, an
# expense becomes an income instead, so that balances stay plausible at every size.
TRADES: Final = (
    Trade("VIR CLIENT REGLEMENT", "Client divers", "income", "Income", "sales",
          ("Sales", "Services"), 200, 8_000, 240_000, 90),
    Trade("STRIPE PAYOUT", "Stripe", "income", "Income", "sales",
          ("Sales", "Online shop"), 200, 3_000, 90_000, 70),
    Trade("NORTHWIND DESIGN INC", "Northwind Design", "swift_income", "SwiftIncome", "sales",
          ("Sales", "Export"), 0, 90_000, 700_000, 8, 40, "USD", 1_083),
    Trade("REMISE CHEQUE", "Remise de chèque", "cheque", "Check", "sales",
          ("Sales", "Services"), 200, 5_000, 80_000, 14),
    Trade("LOYER ET CHARGES BUREAUX", "Foncière des Tisserands", "direct_debit", "DirectDebit",
          "office_rental", ("Premises", "Rent"), 200, 180_000, 260_000, 14, 60),
    Trade("EDF PRO", "Électricité Bleue", "direct_debit", "DirectDebit", "utility",
          ("Premises", "Energy"), 200, 6_000, 42_000, 26, 70),
    Trade("TELECOM PRO FIBRE", "Fibrelia", "direct_debit", "DirectDebit", "utility",
          ("Premises", "Telecom"), 200, 2_990, 8_990, 26, 80),
    Trade("URSSAF", "URSSAF", "direct_debit", "DirectDebit", "tax",
          ("Taxes", "Social contributions"), None, 40_000, 420_000, 26),
    Trade("DGFIP TVA", "DGFIP", "direct_debit", "DirectDebit", "tax",
          ("Taxes", "VAT"), None, 60_000, 600_000, 14),
    Trade("ASSURANCE MULTIRISQUE", "Prévoya Assurances", "direct_debit", "DirectDebit",
          "insurance", ("Insurance", "Liability"), 0, 4_000, 36_000, 16, 30),
    Trade("CLOUD HOSTING", "Nuage Hosting", "card", "Card", "online_service",
          ("Software", "Hosting"), 200, 900, 48_000, 64, 75, "USD", 1_083),
    Trade("DESIGN SUITE LTD", "Design Suite", "card", "Card", "online_service",
          ("Software", "Subscriptions"), 200, 1_200, 12_000, 44, 60, "GBP", 856),
    Trade("SNCF CONNECT", "Rail Connect", "card", "Card", "transport",
          ("Travel", "Train"), 100, 1_500, 24_000, 72, 65),
    Trade("TAXI PARISIEN", "Taxis Réunis", "card", "Card", "transport",
          ("Travel", "Taxi"), 100, 900, 6_500, 56, 55),
    Trade("HOTEL DU PORT", "Hôtel du Port", "card", "Card", "hotel_and_lodging",
          ("Travel", "Hotel"), 100, 7_000, 38_000, 32, 70),
    Trade("HOTEL ZUERICH AG", "Hotel Limmatblick", "card", "Card", "hotel_and_lodging",
          ("Travel", "Hotel"), None, 12_000, 42_000, 10, 70, "CHF", 951),
    Trade("RESTAURANT LE COMPTOIR", "Le Comptoir", "card", "Card", "restaurant_and_bar",
          ("Meals", "Restaurant"), 100, 1_100, 14_000, 128, 72),
    Trade("BOULANGERIE MERCIER", "Boulangerie Mercier", "card", "Card", "restaurant_and_bar",
          ("Meals", "Bakery"), 55, 280, 3_400, 112, 45),
    Trade("EPICERIE DU CANAL", "Épicerie du Canal", "card", "Card", "food_and_grocery",
          ("Meals", "Groceries"), 55, 900, 16_000, 52, 50),
    Trade("PAPETERIE CENTRALE", "Papeterie Centrale", "card", "Card", "office_supply",
          ("Equipment", "Supplies"), 200, 600, 26_000, 64, 70),
    Trade("INFORMATIQUE EXPRESS", "Informatique Express", "card", "Card", "hardware_and_equipment",
          ("Equipment", "Computers"), 200, 9_000, 190_000, 24, 88),
    Trade("STATION SERVICE", "Station du Rhône", "card", "Card", "gas_station",
          ("Travel", "Fuel"), 200, 3_000, 11_000, 48, 60),
    Trade("LA POSTE PRO", "Courrier Pro", "card", "Card", "logistics",
          ("Equipment", "Postage"), 200, 400, 9_000, 44, 55),
    Trade("RETRAIT DAB", "Retrait d'espèces", "card", "Card", "atm",
          ("Other", "Cash"), None, 2_000, 20_000, 12),
    Trade("CAMPAGNE PUBLICITAIRE", "Regie Visible", "card", "Card", "marketing",
          ("Marketing", "Online ads"), 200, 2_000, 90_000, 36, 66),
    Trade("QONTO ABONNEMENT", "Qonto", "qonto_fee", "BillingTransfer", "fees",
          ("Bank", "Fees"), 200, 100, 4_500, 30, 100),
    Trade("VIR FOURNISSEUR", "Fournisseur divers", "transfer", "Transfer", "other_expense",
          ("Purchases", "Subcontracting"), 200, 8_000, 180_000, 44, 50),
    Trade("NOTE DE FRAIS", "Remboursement de frais", "transfer", "Transfer", "other_expense",
          ("Salaries", "Expense reports"), 0, 800, 24_000, 40, 30),
    Trade("PAIEMENT EN 3 FOIS", "Qonto Pay later", "financing_installment",
          "FinancingInstallment", "other_expense", ("Bank", "Financing"), None, 8_000, 60_000, 8),
    Trade("FINANCEMENT PAY LATER", "Qonto Pay later", "pay_later", "FinancingIncome",
          "treasury_and_interco", ("Bank", "Financing"), None, 30_000, 150_000, 3),
    Trade("RETENUE SUR PRELEVEMENTS", "Garantie prélèvements", "direct_debit_hold",
          "DirectDebitHold", "treasury_and_interco", ("Bank", "Guarantees"), None,
          2_000, 20_000, 3),
    Trade("AVVISO PAGOPA", "Comune di Torino", "other", "PagopaPayment", "tax",
          ("Taxes", "Other taxes"), None, 1_500, 12_000, 3, 40),
    Trade("RAPPEL VIREMENT", "Rappel de virement", "recall", "Recall", "refund",
          ("Other", "Refunds"), None, 2_000, 40_000, 4),
)  # fmt: skip

_BLOCKS: Final = {
    "Transfer": "transfer",
    "Income": "income",
    "SwiftIncome": "swift_income",
    "DirectDebit": "direct_debit",
    "DirectDebitCollection": "direct_debit_collection",
    "Check": "check",
    "FinancingInstallment": "financing_installment",
    "PagopaPayment": "pagopa_payment",
    "DirectDebitHold": "direct_debit_hold",
}
"""The field of a row that describes its subject, by subject type."""


@dataclass(frozen=True)
class Event:
    """A movement that another document tells of, such as the payment of an invoice."""

    key: tuple[str, int]
    """The document: its collection and its position there."""
    account: int
    wanted: int
    """Earliest moment of settlement."""
    cents: int
    credit: bool
    operation: str
    subject: str
    label: str
    fields: Row = field(default_factory=dict, hash=False)
    """Fields of the rendered row that the document decides."""


class Settled(NamedTuple):
    """Where an event ended up."""

    transaction_id: str
    moment: int
    """When it was settled."""


class Order:
    """The rows of one account in the order of one key, kept current while rows change."""

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


class Ledger:
    """All transactions; a position is the rank of a row among those of all accounts."""

    def __init__(  # noqa: PLR0913 - settings, given by name
        self,
        formula: Formula,
        accounts: Sequence[Account],
        events: Iterable[Event],
        *,
        cash_flow: dict[tuple[str, str], tuple[Row, Row]],
        labels: Sequence[Row],
        members: Sequence[str],
    ) -> None:
        """Write the history of all accounts.

        Args:
            formula: Where the numbers come from.
            accounts: The bank accounts, the one that receives the rest of closed ones first.
            events: Movements that documents tell of; those that find no room are left out.
            cash_flow: Category and subcategory (id and name) by their names.
            labels: The company's labels.
            members: Ids of the memberships that make payments.
        """
        self._formula = formula
        self._accounts = list(accounts)
        self._cash_flow = cash_flow
        self._labels = labels
        self._members = members
        self._first = [0]
        for account in accounts:
            self._first.append(self._first[-1] + account.transactions)
        count = self._first[-1]
        self._formula_rows = count
        self._words = array(
            "I",
            Random(formula.seed("ledger")).randbytes(4 * count),  # noqa: S311 - no secret
        )
        self._trades = array("B", bytes(count))
        self._states = array("B", bytes(count))
        self._cents = array("q", bytes(8 * count))
        self._balances = array("q", bytes(8 * count))
        self._updated = array("q", bytes(8 * count))
        self._slots = [
            ((account.closes or END) - START) // max(1, account.transactions)
            for account in accounts
        ]
        self._planned: dict[int, Event] = {}
        self._placed: dict[tuple[str, int], int] = {}
        self._rows: dict[int, Row] = {}
        self._extra: dict[str, int] = {}
        self._gone: set[int] = set()
        self._next = count
        self._orders: dict[tuple[int, SortKey, frozenset[str]], Order] = {}
        self.balances = [0] * len(accounts)
        self.authorized = [0] * len(accounts)
        self._by_id = {account.id: account.number for account in accounts}
        self._write(events)

    # -- writing the history ------------------------------------------------------------------

    def _write(self, events: Iterable[Event]) -> None:
        room = [account.transactions * 6 // 10 for account in self._accounts]
        for event in events:
            self._plan(event, room)
        closed = [account for account in self._accounts if account.closes is not None]
        for account in closed:
            self._write_account(account)
            self._close(account, room)
        for account in self._accounts:
            if account.closes is None:
                self._write_account(account)

    def _plan(self, event: Event, room: list[int]) -> int | None:
        """Give an event the first free row after its moment; None when there is no room."""
        account = event.account
        count = self._accounts[account].transactions
        first, slot = self._first[account], self._slots[account]
        # The first row opens an account, the last ones are not settled yet or close it.
        last = count - max(2, count // 50)
        index = max(1, (event.wanted - START) // slot + 1)
        while index < last and first + index in self._planned:
            index += 1
        if index >= last or not room[account]:
            return None
        room[account] -= 1
        self._planned[first + index] = event
        self._placed[event.key] = first + index
        return first + index

    def _close(self, account: Account, room: list[int]) -> None:
        """Move what a closed account holds to the first account."""
        position = self._first[account.number + 1] - 1
        if account.transactions < 2 or account.closes is None:
            return
        rest = self._balances[position - 1]
        main = self._accounts[0]
        received = self._plan(
            Event(
                ("closing", account.number), 0, account.closes, rest, credit=True,
                operation="income", subject="Income", label="VIR CLOTURE DE COMPTE",
                fields={"clean_counterparty_name": "Clôture de compte",
                        "counterparty": account.iban, "cash": ("Other", "Internal transfers")},
            ),
            room,
        )  # fmt: skip
        if received is None:
            return
        self._planned[position] = Event(
            ("closing", -account.number), account.number, account.closes, rest, credit=False,
            operation="transfer", subject="Transfer", label="VIR CLOTURE DE COMPTE",
            fields={"clean_counterparty_name": "Clôture de compte", "counterparty": main.iban,
                    "cash": ("Other", "Internal transfers")},
        )  # fmt: skip
        self._states[position] = _COMPLETED
        self._cents[position] = rest
        self._balances[position] = self.balances[account.number] = 0
        self.authorized[account.number] = 0

    def _write_account(self, account: Account) -> None:
        """Fill the columns of one account in the order of settlement."""
        number, count, first = account.number, account.transactions, self._first[account.number]
        wheel = array("B", chain.from_iterable([n] * t.weight for n, t in enumerate(TRADES)))
        turns = len(wheel)
        spans = [(t.low, t.high - t.low + 1, t.credit) for t in TRADES]
        words, trades, cents = self._words, self._trades, self._cents
        unsettled_from = count if account.closes is not None else count - count // 60
        balance = held = 0
        for index in range(count):
            position = first + index
            word = words[position]
            event = self._planned.get(position)
            state = _COMPLETED
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
                if index >= unsettled_from and word % 5 < 3:
                    state = _PENDING
                    held += 0 if credit else amount
                elif word % 47 == 0 and not credit:
                    state = _DECLINED
                else:
                    balance += amount if credit else -amount
            cents[position] = amount
            self._states[position] = state
            self._balances[position] = balance
        self.balances[number] = balance
        self.authorized[number] = balance - held
        self._date(account)

    def _date(self, account: Account) -> None:
        """Fill the column of last changes: at once, by the bookkeeper, long after, in bulk."""
        first, count = self._first[account.number], account.transactions
        updated, words, states = self._updated, self._words, self._states
        for position in range(first, first + count):
            word = words[position]
            moment = self.settled(position)
            kind = word % 16
            if states[position] != _COMPLETED or kind < 10:
                later = 1 + word % 90_000
            elif kind < 15:
                later = DAY + word % (20 * DAY)
            else:
                later = 60 * DAY + word % (300 * DAY)
            changed = moment + later
            updated[position] = changed if changed <= END else moment + 1 + word % 90_000
        if account.number == 0:
            middle = first + count // 4
            for position in range(middle, middle + min(_BULK_ROWS, count // 6)):
                if self.settled(position) < BULK_IMPORT:
                    updated[position] = BULK_IMPORT

    # -- reading the columns ------------------------------------------------------------------

    def _account_of(self, position: int) -> int:
        return bisect_right(self._first, position, 0, len(self._first) - 1) - 1

    def settled(self, position: int, account: int | None = None) -> int:
        """Return the moment at which a generated row settles, or would have settled."""
        if account is None:
            account = self._account_of(position)
        slot = self._slots[account]
        # Rows are spread evenly; within its share of time the word of a row decides.
        return (
            START + slot * (position - self._first[account]) + self._words[position] * slot // 2**33
        )

    def _emitted(self, position: int, subject: str) -> int:
        word, settled = self._words[position], self.settled(position)
        if self._states[position] != _COMPLETED:
            return settled
        if subject == "Card":
            return settled - 12 * HOUR - word % (40 * HOUR)
        if subject == "DirectDebit":
            return settled - DAY
        return settled - SECOND - word % (30 * SECOND)

    def placed(self, key: tuple[str, int]) -> Settled | None:
        """Say where the event of a document ended up, if it found room."""
        position = self._placed.get(key)
        if position is None:
            return None
        return Settled(self._formula.uuid("transaction", position), self.settled(position))

    def balance_at(self, account: int, moment: int) -> int:
        """Return the settled balance in cents of an account at a moment."""
        first, count = self._first[account], self._accounts[account].transactions
        index = bisect_right(
            range(count), moment, key=lambda index: self.settled(first + index, account)
        )
        while index and self._states[first + index - 1] != _COMPLETED:
            index -= 1
        return self._balances[first + index - 1] if index else 0

    def total(self) -> int:
        """Return the number of rows in all accounts."""
        return self._next - len(self._gone)

    def positions(self, account: int | None = None) -> Iterator[int]:
        """Yield the positions of one account, or of all."""
        if account is None:
            generated = range(self._formula_rows)
        else:
            generated = range(self._first[account], self._first[account + 1])
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
            return self._account_of(position)
        return self._by_id.get(row["bank_account_id"], -1)

    def find(self, uuid: str) -> int | None:
        """Return the position of a row by its id."""
        position = self._extra.get(uuid)
        if position is None:
            position = self._formula.find("transaction", uuid)
            if position is None or position >= self._formula_rows:
                return None
        return None if position in self._gone else position

    def order(self, account: int, key: SortKey, statuses: Collection[str]) -> Order:
        """Return the rows of an account that have one of `statuses`, ascending by `key`."""
        name = (account, key, frozenset(statuses))
        order = self._orders.get(name)
        if order is None:
            order = self._orders[name] = Order(
                (self.key(position, key), position)
                for position in self.positions(account)
                if self.status(position) in name[2]
            )
        return order

    def status(self, position: int) -> str:
        """Return the status of a row."""
        row = self._rows.get(position)
        return STATUSES[self._states[position]] if row is None else str(row["status"])

    def key(self, position: int, key: SortKey) -> int:
        """Return the moment by which a row is sorted; never-settled rows come last."""
        row = self._rows.get(position)
        if row is not None:
            text = row.get(key)
            return _NEVER if text is None else moments.parse(text)
        if key == "updated_at":
            return self._updated[position]
        if key == "settled_at":
            return self.settled(position) if self._states[position] == _COMPLETED else _NEVER
        event = self._planned.get(position)
        subject = event.subject if event else TRADES[self._trades[position]].subject
        emitted = self._emitted(position, subject)
        return emitted if key == "emitted_at" else emitted + 500

    def open(self, account: Account) -> None:
        """Add an account without history; rows can be put into it."""
        self._accounts.append(account)
        self._first.append(self._first[-1])
        self._slots.append(END - START)
        self.balances.append(0)
        self.authorized.append(0)
        self._by_id[account.id] = account.number

    # -- changing rows ------------------------------------------------------------------------

    def _touch(self, position: int, *, into: bool) -> None:
        """Take a row out of the orders that hold it, or put it back."""
        account, status = self._number_of(position), self.status(position)
        for (number, key, statuses), order in self._orders.items():
            if number == account and status in statuses:
                change = order.add if into else order.discard
                change(self.key(position, key), position)

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

    # -- rendering ----------------------------------------------------------------------------

    def receipts(self, position: int) -> list[str]:
        """Return the ids of the receipts of a generated row."""
        event = self._planned.get(position)
        if event is not None:
            return list(event.fields.get("attachment_ids", ()))
        return [self._formula.uuid("receipt", n) for n in self.receipt_numbers(position)]

    def receipt_numbers(self, position: int) -> range:
        """Return the numbers of the receipts that a generated row has of its own."""
        none = range(0)
        if position in self._planned:
            return none
        trade = TRADES[self._trades[position]]
        word = self._words[position]
        if not trade.receipt or self._states[position] != _COMPLETED or position in self._first:
            return none
        if (word >> 20) % 100 >= trade.receipt:
            return none
        return range(2 * position, 2 * position + (2 if word % 29 == 0 else 1))

    def receipt(self, uuid: str) -> tuple[int, int] | None:
        """Return (position, number of the receipt) of a receipt's id."""
        n = self._formula.find("receipt", uuid)
        if n is None or n // 2 >= self._formula_rows or n not in self.receipt_numbers(n // 2):
            return None
        return n // 2, n

    def is_generated(self, position: int) -> bool:
        """Say whether a row is an everyday one that nobody has changed."""
        return position not in self._rows and position not in self._planned

    def created(self, position: int) -> int:
        """Return the moment at which the receipts of a generated row were added."""
        subject = TRADES[self._trades[position]].subject
        emitted, updated = self._emitted(position, subject), self._updated[position]
        return emitted + (updated - emitted) * 3 // 4

    def row(self, position: int) -> Row:
        """Return a row as the API shows it with everything but `attachments` included."""
        row = self._rows.get(position)
        return self._render(position) if row is None else dict(row)

    def _render(self, position: int) -> Row:
        account = self._accounts[self._account_of(position)]
        index = position - self._first[account.number]
        word, cents = self._words[position], self._cents[position]
        state = self._states[position]
        event = self._planned.get(position)
        fields: Row = event.fields if event is not None else {}
        trade = _OPENING_TRADE if index == 0 else TRADES[self._trades[position]]
        operation, subject, label, credit, name = (
            (event.operation, event.subject, event.label, event.credit,
             fields["clean_counterparty_name"])
            if event is not None
            else (trade.operation, trade.subject, trade.label, trade.credit, trade.name)
        )  # fmt: skip
        emitted = self._emitted(position, subject)
        settled = self.settled(position) if state == _COMPLETED else None
        category, subcategory = self._cash_flow[
            fields["cash"] if event is not None else trade.cash_flow
        ]
        rate = fields.get("vat") if event is not None else trade.vat
        vat = None if rate is None else (cents * rate + (1_000 + rate) // 2) // (1_000 + rate)
        local = trade.currency if event is None else "EUR"
        local_cents = cents if local == "EUR" else cents * trade.rate // 1_000
        balance = self._balances[position]
        labels = [self._labels[word % len(self._labels)]] if word % 3 == 0 and self._labels else []
        card = subject == "Card"
        row: Row = {
            "id": self._formula.uuid("transaction", position),
            "transaction_id": f"{account.slug}-transaction-{index + 1}",
            "amount": cents / 100,
            "amount_cents": cents,
            "settled_balance": None if settled is None else balance / 100,
            "settled_balance_cents": None if settled is None else balance,
            "attachment_ids": self.receipts(position),
            "logo": _logo(name) if card else None,
            "local_amount": local_cents / 100,
            "local_amount_cents": local_cents,
            "side": "credit" if credit else "debit",
            "operation_type": operation,
            "currency": "EUR",
            "local_currency": local,
            "label": label,
            "clean_counterparty_name": name,
            "settled_at": None if settled is None else iso(settled),
            "emitted_at": iso(emitted),
            "created_at": iso(emitted + 500),
            "updated_at": iso(self._updated[position]),
            "status": STATUSES[state],
            "note": _NOTES[word % len(_NOTES)] if word % 11 == 0 else None,
            "reference": None if card else f"REF {word % 1_000_000:06d}",
            "vat_amount": None if vat is None else vat / 100,
            "vat_amount_cents": vat,
            "vat_rate": None if rate is None else (rate // 10 if rate % 10 == 0 else rate / 10),
            "initiator_id": None if credit else self._members[word % len(self._members)],
            "label_ids": [label["id"] for label in labels],
            "attachment_lost": card and word % 53 == 0,
            "attachment_required": card,
            "card_last_digits": f"{1000 + word % 24 * 311:04d}" if card else None,
            "category": trade.category if event is None else _CATEGORIES[fields["cash"][0]],
            "cashflow_category": category,
            "cashflow_subcategory": subcategory,
            "subject_type": subject,
            "bank_account_id": account.id,
            "is_external_transaction": False,
            "labels": labels,
            "vat_details": None
            if vat is None or rate is None
            else _vat_lines(cents, vat, rate, word),
            **_NO_SUBJECT,
        }
        block = _BLOCKS.get(subject)
        if block is not None:
            row[block] = self._subject(block, word, fields)
        for key in _DECIDED:
            if key in fields:
                row[key] = fields[key]
        return row

    def _subject(self, block: str, word: int, fields: Row) -> Row:
        if block == "check":
            return {"check_number": f"{word % 10_000_000:07d}", "check_key": f"{word % 97:02d}"}
        if block == "financing_installment":
            return {"total_installments_number": 3, "current_installment_number": 1 + word % 3}
        if block == "pagopa_payment":
            return {
                "notice_number": f"3{word:017d}",
                "creditor_fiscal_code": "00514490010",
                "iuv": f"{word:017d}",
            }
        if block == "direct_debit_hold":
            return {"guarding_rate": "0.1"}
        other = fields.get("counterparty")
        if other is None:
            other = _counterparty(word % 400)
        return {
            "counterparty_account_number": other,
            "counterparty_account_number_format": "IBAN",
            "counterparty_bank_identifier": "QNTOFRP1XXX" if "16958" in other[4:9] else "AGRIFRPP",
            "counterparty_bank_identifier_format": "SWIFT_BIC",
        }


_OPENING_TRADE = Trade(
    "VIR APPORT EN CAPITAL", "Apport des associés", "income", "Income", "treasury_and_interco",
    ("Other", "Internal transfers"), None, 0, 0, 0,
)  # fmt: skip

_CATEGORIES: Final = {
    "Sales": "sales",
    "Salaries": "salary",
    "Purchases": "other_expense",
    "Other": "treasury_and_interco",
}
"""The older, automatic category of a planned row, by its cash flow category."""

_NOTES = ("À vérifier", "Refacturé au client", "Personnel, à rembourser", "Validé par la compta")

_NO_SUBJECT: Final[Row] = dict.fromkeys(_BLOCKS.values())

# Fields of a planned row that its document decides, copied as they are.
_DECIDED: Final = ("reference", "note", "initiator_id", "attachment_ids")


def _counterparty(number: int) -> str:
    return french_iban("3000200550", 10_000_000 + 7_919 * number)


def _logo(name: str) -> Row:
    slug = "".join(sign for sign in name.lower() if "a" <= sign <= "z")
    return {
        "small": f"https://logos.demo.qonto.invalid/{slug}-small.png",
        "medium": f"https://logos.demo.qonto.invalid/{slug}-medium.png",
    }


def _vat_lines(cents: int, vat: int, rate: int, word: int) -> Row:
    """Split the VAT of a row; most rows carry text as documented, one in eight carries numbers."""
    parts = [(vat, cents - vat)]
    if word % 17 == 0 and cents > 1_000:
        parts = [(vat // 3, (cents - vat) // 3), (vat - vat // 3, cents - vat - (cents - vat) // 3)]
    percent = rate // 10 if rate % 10 == 0 else rate / 10
    if word % 8 == 0:
        return {
            "items": [
                {"amount": tax / 100, "amount_cents": tax, "amount_excluding_vat": net / 100,
                 "amount_excluding_vat_cents": net, "rate": percent}
                for tax, net in parts
            ]
        }  # fmt: skip
    return {
        "items": [
            {"amount": f"{tax / 100:.2f}", "amount_cents": str(tax),
             "amount_excluding_vat": f"{net / 100:.2f}", "amount_excluding_vat_cents": str(net),
             "rate": f"{rate / 10:.1f}"}
            for tax, net in parts
        ]
    }  # fmt: skip
