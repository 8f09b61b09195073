"""Rows of the stream ``new_client_invoices``, checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tap_qonto.writing.payees import bare_iban
from tap_qonto.writing.rows import Columns, Reader, content_of, misspelt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from tap_qonto.writing.rows import Cells

STREAM: Final = "new_client_invoices"

TEXTS: Final = {"number": 40, "purchase_order": 40}
LONG_TEXTS: Final = {"header": 1_000, "footer": 1_000, "terms_and_conditions": 525}
"""Characters that texts may have; the long ones may have lines."""

_LINE_TEXTS: Final = {"title": 40, "description": 1_800, "unit": 20}
_LINE_NUMBERS: Final = ("quantity", "unit_price", "vat_rate")
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,10})?", re.ASCII)
_COLUMNS = Columns(
    stream=STREAM,
    known=frozenset(
        {"external_id", "client", "issue_date", "due_date", "items", "iban", "finalize"}
        | set(TEXTS) | set(LONG_TEXTS)
    ),
    fixed={"currency": "EUR"},
)  # fmt: skip
_YES_NO: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an invoice.

    Attributes:
        title: What is sold.
        quantity: How many.
        unit_price: EUR for one, before VAT.
        vat_rate: A fraction.
        description: More words; may be empty.
        unit: What is counted; may be empty.
    """

    title: str
    quantity: Decimal
    unit_price: Decimal
    vat_rate: Decimal
    description: str = ""
    unit: str = ""

    @property
    def net(self) -> Decimal:
        """EUR before VAT, exact."""
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice that shall exist.

    Attributes:
        external_id: The row's name, in one spelling.
        spelling: The row's name as the source writes it.
        content: Hash of its cells.
        client: The external ID of a row of ``new_clients``, or Qonto's ID of a client.
        issued: The day on it.
        due: The day by which it is to be paid.
        lines: What it is for.
        texts: Whatever is printed on it besides, by Qonto's names, the number included.
        iban: Of the account to be paid to; empty for the main one.
        finalize: Whether it is made final.
    """

    external_id: str
    spelling: str
    content: str
    client: str
    issued: date
    due: date
    lines: tuple[Line, ...]
    texts: Mapping[str, str]
    iban: str
    finalize: bool

    @property
    def stream(self) -> str:
        """The stream that it came in."""
        return STREAM

    @property
    def number(self) -> str:
        """The invoice's number; empty if Qonto gives it one."""
        return self.texts.get("number", "")

    @property
    def totals(self) -> tuple[int, ...]:
        """The total in cents, VAT included: rounded by rate, by line, or once, halves either way.

        Qonto does not say which one it is; the first is the most likely one.
        """
        totals = [total for way in (ROUND_HALF_UP, ROUND_HALF_EVEN) for total in self._totals(way)]
        return tuple(dict.fromkeys(int(total * 100) for total in totals))

    def _totals(self, way: str) -> Iterator[Decimal]:
        def rounded(amount: Decimal) -> Decimal:
            return _rounded(amount, way)

        rates: dict[Decimal, Decimal] = {}
        for line in self.lines:
            rates[line.vat_rate] = rates.get(line.vat_rate, Decimal(0)) + rounded(line.net)
        yield sum((net + rounded(net * rate) for rate, net in rates.items()), Decimal(0))
        yield sum(
            (rounded(line.net) + rounded(rounded(line.net) * line.vat_rate) for line in self.lines),
            Decimal(0),
        )
        yield rounded(sum((line.net * (1 + line.vat_rate) for line in self.lines), Decimal(0)))

    def body(self, client_id: str, iban: str) -> dict[str, Any]:
        """Return the draft as Qonto takes it.

        Args:
            client_id: Qonto's ID of the client.
            iban: Of the account to be paid to.
        """
        return {
            "client_id": client_id,
            "status": "draft",  # or Qonto makes it final at once
            "issue_date": self.issued.isoformat(),
            "due_date": self.due.isoformat(),
            "currency": "EUR",
            **self.texts,
            "payment_methods": {"iban": iban},
            "items": [
                {
                    "title": line.title,
                    **{
                        name: text
                        for name, text in (("description", line.description), ("unit", line.unit))
                        if text
                    },
                    "quantity": format(line.quantity, "f"),
                    "unit_price": {"value": priced(line.unit_price), "currency": "EUR"},
                    "vat_rate": format(line.vat_rate, "f"),
                }
                for line in self.lines
            ],
        }


def _rounded(amount: Decimal, way: str = ROUND_HALF_UP) -> Decimal:
    return amount.quantize(Decimal("0.01"), way)


def priced(amount: Decimal) -> str:
    """Return a price as Qonto writes it, with two decimals at least."""
    return format(max((_rounded(amount), amount), key=lambda each: -each.as_tuple().exponent), "f")  # type: ignore[operator]


def _read(cells: Cells) -> InvoiceRow:
    """Check a row.

    Raises:
        RowsRefusedError: If it cannot be used.
    """
    issued, due = cells.day("issue_date"), cells.day("due_date")
    if issued is None or due is None:
        cells.refuse(f"has no {'issue_date' if issued is None else 'due_date'}")
    if due < issued:
        cells.refuse("has a due_date that lies before its issue_date")
    lines = tuple(_line(cells, each) for each in _lines(cells))
    texts = {name: cells.text(name, longest=most) for name, most in TEXTS.items()}
    texts |= {name: _long_text(cells, name, most) for name, most in LONG_TEXTS.items()}
    texts = {name: text for name, text in texts.items() if text}
    client, iban = cells.required("client"), bare_iban(cells.text("iban"))
    finalize = _finalize(cells)
    content = content_of(
        {
            "client": client,
            "issue_date": issued,
            "due_date": due,
            "items": [
                [line.title, line.description, line.unit]
                + [
                    str(each.normalize())
                    for each in (line.quantity, line.unit_price, line.vat_rate)
                ]
                for line in lines
            ],
            "texts": texts,
            "iban": iban,
            "finalize": finalize,
        }
    )
    return InvoiceRow(
        cells.external_id, cells.spelling, content, client, issued, due, lines, texts, iban,
        finalize,
    )  # fmt: skip


def _long_text(cells: Cells, name: str, most: int) -> str:
    """Return a text that may have several lines."""
    value = cells.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        cells.refuse(f"has a {name} that is no text")
    if len(value) > most:
        cells.refuse(f"has a {name} of {len(value)} characters; {most} are the most")
    return value


def _finalize(cells: Cells) -> bool:
    value = cells.get("finalize")
    if value is None:
        return True
    said = _YES_NO.get(str(value).lower())
    if said is None:
        cells.refuse("has a finalize that is neither true nor false")
    return said


def _lines(cells: Cells) -> list[Any]:
    """Return the lines of an invoice, given as a list or as JSON text."""
    value = cells.get("items")
    if isinstance(value, str):
        try:
            value = msgspec.json.Decoder(float_hook=Decimal).decode(value)
        except msgspec.DecodeError:
            cells.refuse("has items that are no JSON array")
    if value is None or value == []:
        cells.refuse("has no items")
    if not isinstance(value, list):
        cells.refuse("has items that are no JSON array")
    return value


def _line_texts(cells: Cells, value: dict[str, Any]) -> dict[str, str]:
    """Return the texts of an item that has nothing that is not known."""
    known = (*_LINE_TEXTS, *_LINE_NUMBERS)
    for name in value:
        if name not in known and (meant := misspelt(str(name), known)):
            cells.refuse(f"has an item with {str(name)!r}, which looks like {meant!r}")
        if name not in known:
            cells.refuse("has an item with more than title, description, quantity, unit, "
                         "unit_price and vat_rate")  # fmt: skip
    texts = {name: value.get(name) or "" for name in _LINE_TEXTS}
    texts = {name: text.strip() if isinstance(text, str) else text for name, text in texts.items()}
    for name, most in _LINE_TEXTS.items():
        if not isinstance(texts[name], str) or len(texts[name]) > most:
            cells.refuse(f"has an item whose {name} is no text of at most {most} characters")
    if not texts["title"]:
        cells.refuse("has an item without a title")
    return texts


def _price(cells: Cells, price: Any) -> Any:
    """Return what an item costs, as it is given."""
    if isinstance(price, dict):
        if price.get("currency", "EUR") != "EUR":
            cells.refuse("has an item in another currency than EUR, the only one that is sent")
        price = price.get("value")
    return price


def _line(cells: Cells, value: Any) -> Line:
    if not isinstance(value, dict):
        cells.refuse("has an item that is no object")
    texts = _line_texts(cells, value)
    price = _price(cells, value.get("unit_price"))
    quantity, amount = (
        _number(cells, "quantity", value.get("quantity")),
        _number(cells, "unit_price", price),
    )
    rate = _number(cells, "vat_rate", value.get("vat_rate"))
    if rate >= 1:
        cells.refuse(
            "has an item with a vat_rate of 1 or more. Rates are fractions: 20 percent is 0.2"
        )
    if quantity == 0:
        cells.refuse("has an item with a quantity of zero")
    return Line(texts["title"], quantity, amount, rate, texts["description"], texts["unit"])


def _number(cells: Cells, name: str, value: Any) -> Decimal:
    """Return a number of an item, given as text or as a number."""
    if value is None or value == "":
        cells.refuse(f"has an item without {name}")
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        cells.refuse(f"has an item whose {name} is no number")
    text = value.strip() if isinstance(value, str) else format(Decimal(str(value)), "f")
    if not _NUMBER.fullmatch(text):
        cells.refuse(f"has an item whose {name} is no plain number with a dot, such as 0.2")
    try:
        return Decimal(text)
    except InvalidOperation:
        cells.refuse(f"has an item whose {name} is no number")


READER: Final = Reader(_COLUMNS, _read)
