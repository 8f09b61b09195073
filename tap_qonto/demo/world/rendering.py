"""How a generated transaction looks in the API, made of its columns when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tap_qonto.demo.world.columns import COMPLETED, STATUSES
from tap_qonto.demo.world.formula import french_iban
from tap_qonto.demo.world.moments import iso
from tap_qonto.demo.world.trades import OPENING_TRADE, TRADES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_qonto.demo.world.columns import Account, Columns
    from tap_qonto.demo.world.formula import Formula
    from tap_qonto.demo.world.rows import Row
    from tap_qonto.demo.world.trades import Event, Trade

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

_CATEGORIES: Final = {
    "Sales": "sales",
    "Salaries": "salary",
    "Purchases": "other_expense",
    "Other": "treasury_and_interco",
}
"""The older, automatic category of a planned row, by its cash flow category."""

_NOTES: Final = (
    "À vérifier", "Refacturé au client", "Personnel, à rembourser", "Validé par la compta",
)  # fmt: skip

NO_SUBJECT: Final[Row] = dict.fromkeys(_BLOCKS.values())
"""The fields that describe a subject, of which a row fills one at most."""

_DECIDED: Final = ("reference", "note", "initiator_id", "attachment_ids")
"""Fields of a planned row that its document decides, copied as they are."""


@dataclass(frozen=True)
class People:
    """Whom and what the rows refer to.

    Attributes:
        cash_flow: Category and subcategory (id and name) by their names.
        labels: The company's labels.
        members: Ids of the memberships that make payments.
    """

    cash_flow: dict[tuple[str, str], tuple[Row, Row]]
    labels: Sequence[Row]
    members: Sequence[str]

    def labels_of(self, word: int) -> list[Row]:
        """Return the labels of the row with this word."""
        return [self.labels[word % len(self.labels)]] if word % 3 == 0 and self.labels else []


class _Movement(NamedTuple):
    """What a row says of its kind: an everyday trade's words, or those of a document's event."""

    operation: str
    subject: str
    label: str
    credit: bool
    name: str
    category: str
    cash_flow: tuple[str, str]
    rate: int | None
    """VAT in tenths of a percent."""
    currency: str = "EUR"
    per_thousand: int = 1_000
    """Units of `currency` for a thousand euros."""
    fields: Mapping[str, Any] = MappingProxyType({})


def _of_trade(trade: Trade) -> _Movement:
    return _Movement(
        trade.operation, trade.subject, trade.label, trade.credit, trade.name, trade.category,
        trade.cash_flow, trade.vat, trade.currency, trade.rate,
    )  # fmt: skip


def _of_event(event: Event) -> _Movement:
    fields = event.fields
    cash_flow: tuple[str, str] = fields["cash"]
    return _Movement(
        event.operation, event.subject, event.label, event.credit,
        fields["clean_counterparty_name"], _CATEGORIES[cash_flow[0]], cash_flow,
        fields.get("vat"), fields=fields,
    )  # fmt: skip


_OPENING: Final = _of_trade(OPENING_TRADE)
_EVERYDAY: Final = tuple(map(_of_trade, TRADES))


class Renderer:
    """Writes rows of one ledger."""

    def __init__(
        self, formula: Formula, columns: Columns, accounts: Sequence[Account], people: People
    ) -> None:
        """Write rows of these columns; `accounts` may grow."""
        self._formula = formula
        self._columns = columns
        self._accounts = accounts
        self._people = people

    def row(self, position: int) -> Row:
        """Return a generated row with everything but `attachments` included."""
        columns, people = self._columns, self._people
        account = self._accounts[columns.account_of(position)]
        index = position - columns.first[account.number]
        word, cents = columns.words[position], columns.cents[position]
        move, state = self._movement(position, index), columns.states[position]
        settled = columns.settled(position) if state == COMPLETED else None
        balance = None if settled is None else columns.balances[position]
        emitted = columns.emitted(position, move.subject)
        category, subcategory = people.cash_flow[move.cash_flow]
        rate = move.rate
        vat = None if rate is None else (cents * rate + (1_000 + rate) // 2) // (1_000 + rate)
        local_cents = cents if move.currency == "EUR" else cents * move.per_thousand // 1_000
        labels, card = people.labels_of(word), move.subject == "Card"
        row: Row = {
            "id": self._formula.uuid("transaction", position),
            "transaction_id": f"{account.slug}-transaction-{index + 1}",
            "amount": cents / 100,
            "amount_cents": cents,
            "settled_balance": None if balance is None else balance / 100,
            "settled_balance_cents": balance,
            "attachment_ids": self.receipts(position),
            "logo": _logo(move.name) if card else None,
            "local_amount": local_cents / 100,
            "local_amount_cents": local_cents,
            "side": "credit" if move.credit else "debit",
            "operation_type": move.operation,
            "currency": "EUR",
            "local_currency": move.currency,
            "label": move.label,
            "clean_counterparty_name": move.name,
            "settled_at": None if settled is None else iso(settled),
            "emitted_at": iso(emitted),
            "created_at": iso(emitted + 500),
            "updated_at": iso(columns.updated[position]),
            "status": STATUSES[state],
            "note": _NOTES[word % len(_NOTES)] if word % 11 == 0 else None,
            "reference": None if card else f"REF {word % 1_000_000:06d}",
            "vat_amount": None if vat is None else vat / 100,
            "vat_amount_cents": vat,
            "vat_rate": None if rate is None else (rate // 10 if rate % 10 == 0 else rate / 10),
            "initiator_id": None if move.credit else people.members[word % len(people.members)],
            "label_ids": [label["id"] for label in labels],
            "attachment_lost": card and word % 53 == 0,
            "attachment_required": card,
            "card_id": self._formula.uuid("card", word % 24) if card else None,
            "card_last_digits": f"{1000 + word % 24 * 311:04d}" if card else None,
            "category": move.category,
            "cashflow_category": category,
            "cashflow_subcategory": subcategory,
            "subject_type": move.subject,
            "bank_account_id": account.id,
            "is_external_transaction": False,
            "labels": labels,
            "vat_details": None if vat is None else _vat_lines(cents, vat, rate or 0, word),
            **NO_SUBJECT,
        }
        self._decide(row, move, word)
        return row

    def _movement(self, position: int, index: int) -> _Movement:
        event = self._columns.planned.get(position)
        if event is not None:
            return _of_event(event)
        return _OPENING if index == 0 else _EVERYDAY[self._columns.trades[position]]

    @staticmethod
    def _decide(row: Row, move: _Movement, word: int) -> None:
        """Fill in what the subject and the document of a row decide."""
        block = _BLOCKS.get(move.subject)
        if block is not None:
            row[block] = _subject(block, word, move.fields)
        for key in _DECIDED:
            if key in move.fields:
                row[key] = move.fields[key]

    def receipts(self, position: int) -> list[str]:
        """Return the ids of the receipts of a generated row."""
        event = self._columns.planned.get(position)
        if event is not None:
            return list(event.fields.get("attachment_ids", ()))
        return [self._formula.uuid("receipt", n) for n in self.receipt_numbers(position)]

    def receipt_numbers(self, position: int) -> range:
        """Return the numbers of the receipts that a generated row has of its own."""
        columns, none = self._columns, range(0)
        if position in columns.planned:
            return none
        trade = TRADES[columns.trades[position]]
        word = columns.words[position]
        if not trade.receipt or columns.states[position] != COMPLETED or position in columns.first:
            return none
        if (word >> 20) % 100 >= trade.receipt:
            return none
        return range(2 * position, 2 * position + (2 if word % 29 == 0 else 1))


def _subject(block: str, word: int, fields: Mapping[str, Any]) -> Row:
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
    other = counterparty(fields.get("counterparty") or _stranger(word % 400))
    if block in _BY_MANDATE:
        other["unique_mandate_reference"] = fields.get("reference") or f"RUM-{word % 400:05d}"
    return other


_BY_MANDATE = ("direct_debit", "direct_debit_collection")
"""Subjects that say by which mandate the money moved."""


def counterparty(iban: str) -> Row:
    """Return how a transaction shows the account at the other end."""
    return {
        "counterparty_account_number": iban,
        "counterparty_account_number_format": "IBAN",
        "counterparty_bank_identifier": "QNTOFRP1XXX" if "16958" in iban[4:9] else "AGRIFRPP",
        "counterparty_bank_identifier_format": "SWIFT_BIC",
    }


def _stranger(number: int) -> str:
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
    if word % 17 == 0 and cents > 1_000:  # too small to split below ten euros
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
