"""Rows as they come from a tap, checked: flat text in, typed values or one sentence out. Pure.

No sentence quotes a cell: cells are bank data, and the log is read by others. The external ID
alone is named, since it is how people find the row again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol
from unicodedata import category

import msgspec

from tap_qonto.api.errors import RowsRefusedError
from tap_qonto.api.redaction import printable
from tap_qonto.writing.identity import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_PLAIN_AMOUNT = re.compile(r"\d+(\.\d+)?")
_DECIMALS = 2
"""Of an amount in euros."""
_LARGEST = Decimal(10) ** 12
"""EUR that no transfer reaches; what is larger is a mistake in units."""

_LONG = 9
"""Letters of a word from which on two may be wrong in a misspelling of it, else one."""


class Row(Protocol):
    """What every checked row has, whatever its stream."""

    @property
    def stream(self) -> str:
        """The stream that it came in."""

    @property
    def external_id(self) -> str:
        """Its name, in one spelling."""

    @property
    def spelling(self) -> str:
        """Its name as the source writes it."""

    @property
    def content(self) -> str:
        """A hash of all its cells."""


@dataclass(frozen=True)
class Columns:
    """The columns of one stream.

    Attributes:
        stream: Name of the stream.
        known: Names of all columns.
        fixed: Columns that are understood, but may hold one text only, in upper case.
    """

    stream: str
    known: frozenset[str]
    fixed: Mapping[str, str]


class Cells:
    """The cells of one row, read by column.

    Args:
        columns: The columns of the stream.
        number: Number of the row in its stream, from 1.
        record: The row as it came.

    Raises:
        RowsRefusedError: If the row has no usable external ID.
    """

    def __init__(self, columns: Columns, number: int, record: Mapping[str, Any]) -> None:
        self._columns = columns
        self._record = record
        self.number = number
        self.external_id = spelled(record.get("external_id"))
        if not self.external_id:
            self.refuse("has no external_id, which is how a row is known in every run")
        if not _is_line(self.external_id):
            self.refuse("has an external_id with a line break or another control character")
        for name, only in columns.fixed.items():
            if self.text(name, only).upper() != only:
                self.refuse(f"has another {name} than {only}, the only one that is sent")

    @property
    def spelling(self) -> str:
        """The external ID as the source writes it."""
        spelling = str(self._record.get("external_id")).strip()
        return self.external_id if spelling == self.external_id else spelling

    def refuse(self, why: str) -> NoReturn:
        """Refuse the run for what is wrong with this row.

        Raises:
            RowsRefusedError: Always.
        """
        place = place_of(self._columns.stream, self.number, self.external_id)
        msg = f"{place} {why}. Nothing was sent"
        raise RowsRefusedError(msg) from None

    def get(self, name: str) -> Any:
        """Return a cell as it came; None if it is absent or empty."""
        value = self._record.get(name)
        if isinstance(value, str):
            value = value.strip()
        return None if value == "" else value

    def text(self, name: str, default: str = "", *, longest: int | None = None) -> str:
        """Return a cell as one line of text.

        Args:
            name: The column.
            default: What stands for an absent cell.
            longest: Characters that it may have.

        Raises:
            RowsRefusedError: If it holds something else.
        """
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, Decimal):
            value = format(value, "f")
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.refuse(f"has a {name} that is no text")
        text = str(value)
        if not _is_line(text):
            self.refuse(f"has a {name} with a line break or another control character")
        if longest is not None and len(text) > longest:
            self.refuse(f"has a {name} of {len(text)} characters; {longest} are the most")
        return text

    def required(self, name: str, *, longest: int | None = None) -> str:
        """Return a cell that must be there, as `text` does."""
        text = self.text(name, longest=longest)
        if not text:
            self.refuse(f"has no {name}")
        return text

    def cents(self, name: str) -> int:
        """Return an amount of money in cents.

        Raises:
            RowsRefusedError: If it is absent, not above zero, or not in whole cents.
        """
        value = self.get(name)
        if value is None:
            self.refuse(f"has no {name}")
        if isinstance(value, str):
            if not _PLAIN_AMOUNT.fullmatch(value):
                self.refuse(f"has an {name} that is no plain number with a dot, such as 1234.50")
            # Written out, a third decimal may be a thousand: 1.000 is one thing in Paris and
            # another one in London.
            if len(value.partition(".")[2]) > _DECIMALS:
                self.refuse(f"has an {name} of more than two decimals")
        elif isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.refuse(f"has an {name} that is no number")
        try:
            amount = Decimal(value)
            cents = amount.scaleb(2)
        except InvalidOperation:
            self.refuse(f"has an {name} that is no number")
        if not amount.is_finite() or amount >= _LARGEST:
            self.refuse(f"has an {name} that is too large")
        if cents != cents.to_integral_value():
            self.refuse(f"has an {name} of more than two decimals")
        if cents <= 0:
            self.refuse(f"has an {name} that is not above zero")
        return int(cents)

    def day(self, name: str) -> date | None:
        """Return a day, which a tap may also give as its midnight; None if the cell is absent.

        Raises:
            RowsRefusedError: If it is no ISO 8601 date.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            if len(text) == len("2026-12-01"):
                return date.fromisoformat(text)
            instant = datetime.fromisoformat(text)
        except ValueError:
            instant = None
        if instant is None or instant.time() != datetime.min.time():
            self.refuse(f"has a {name} that is no date such as 2026-12-01")
        return instant.date()


class Reader(NamedTuple):
    """How the rows of one stream are checked."""

    columns: Columns
    read: Callable[[Cells], Row]


class Inbox:
    """The rows of a run as they arrive, checked one by one, until the input ends.

    Args:
        readers: How rows are checked, by stream.
        max_rows: Rows of all streams above which the run is refused.
    """

    def __init__(self, readers: Mapping[str, Reader], max_rows: int) -> None:
        self._readers = readers
        self._max_rows = max_rows
        self._rows: dict[str, dict[str, Row]] = {stream: {} for stream in readers}
        self._numbers = dict.fromkeys(readers, 0)
        self._columns_seen: dict[str, set[str]] = {stream: set() for stream in readers}
        self.ignored: dict[str, list[str]] = {}
        """Columns that mean nothing here, by stream, in the order of their appearance."""

    def add(self, stream: str, record: Mapping[str, Any]) -> None:
        """Check a row and keep it.

        Raises:
            RowsRefusedError: If it cannot be used, which refuses the whole run.
        """
        reader = self._readers[stream]
        if sum(self._numbers.values()) >= self._max_rows:
            msg = (
                f"More than {self._max_rows} rows arrived, which is what max_rows allows in one "
                "run. Nothing was sent. Raise max_rows if so many are meant"
            )
            raise RowsRefusedError(msg)
        self._numbers[stream] += 1
        self._check_columns(reader.columns, record)
        row = reader.read(Cells(reader.columns, self._numbers[stream], record))
        known = self._rows[stream].setdefault(row.external_id, row)
        if known is row:
            return
        name = printable(row.external_id)
        if known.spelling != row.spelling:
            msg = (
                f"{stream} has the external_id {name} in two spellings, such as 17 and 17.0, which "
                "are one name. Nothing was sent. Give each row one name of its own"
            )
            raise RowsRefusedError(msg)
        if known.content != row.content:
            msg = (
                f"{stream} has two different rows with the external_id {name}. Nothing was sent. "
                "Give each row a name of its own"
            )
            raise RowsRefusedError(msg)

    def rows(self, stream: str) -> list[Row]:
        """Return the rows of a stream in the order of their arrival, equal ones once."""
        return list(self._rows.get(stream, {}).values())

    def __len__(self) -> int:
        """Return how many different rows arrived."""
        return sum(map(len, self._rows.values()))

    def _check_columns(self, columns: Columns, record: Mapping[str, Any]) -> None:
        """Look at columns that no row before had.

        Raises:
            RowsRefusedError: If one looks like a misspelling of another one.
        """
        seen = self._columns_seen[columns.stream]
        if seen.issuperset(record):
            return
        for name in record:
            if name in seen:
                continue
            seen.add(name)
            if name in columns.known or name in columns.fixed or name.startswith("_sdc_"):
                continue
            if meant := misspelt(name, columns.known):
                msg = (
                    f"{columns.stream} has a column {printable(name)!r}, which looks like "
                    f"{meant!r}. Nothing was sent. Rename it, or leave it out"
                )
                raise RowsRefusedError(msg)
            self.ignored.setdefault(columns.stream, []).append(printable(name))


def place_of(stream: str, number: int, external_id: str) -> str:
    """Return which row this is, for a sentence."""
    name = f" (external_id {printable(external_id)})" if external_id else ""
    return f"{stream}, row {number}{name}"


def content_of(cells: Mapping[str, Any]) -> str:
    """Return a hash of the cells of a row, in which order and absent cells do not count."""
    present = {name: value for name, value in cells.items() if value not in (None, "")}
    return sha256(msgspec.json.encode(present, order="sorted")).hexdigest()


def _is_line(text: str) -> bool:
    """Return whether a text is one line that looks like what it is."""
    return text.isprintable() or all(
        character.isprintable() or category(character) == "Zs" for character in text
    )


def misspelt(name: str, known: Iterable[str]) -> str | None:
    """Return the known column that an unknown one looks like, or None."""
    words = _words(name)
    for column in sorted(known):
        meant = column.split("_")
        if len(words) == len(meant):
            alike = all(map(_looks_like, words, meant))
        else:
            alike = _distance("".join(words), "".join(meant)) <= 1
        if alike:
            return column
    return None


def _words(name: str) -> list[str]:
    """Return the words of a column, whether they are joined by signs or by capitals."""
    return re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).casefold())


def _looks_like(word: str, meant: str) -> bool:
    return _distance(word, meant) <= (2 if len(meant) >= _LONG else 1)


def _distance(one: str, other: str) -> int:
    """Return how many letters differ: wrong, missing, too many, or two swapped."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
