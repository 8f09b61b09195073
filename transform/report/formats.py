"""How numbers and days are written, in English and in French."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING: Final = "\N{EN DASH}"
"""Stands where a number is not known."""

_NARROW: Final = "\N{NARROW NO-BREAK SPACE}"
_HARD: Final = "\N{NO-BREAK SPACE}"
_MINUS: Final = "\N{MINUS SIGN}"

_MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin", "juillet"),
        *("août", "septembre", "octobre", "novembre", "décembre"),
    ),
}

_SHORT_MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "fr": (
        *("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil."),
        *("août", "sept.", "oct.", "nov.", "déc."),
    ),
}

_DAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "fr": ("dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"),
}


@dataclass(frozen=True)
class Formats:
    """Writes numbers and days.

    Attributes:
        language: en or fr.
    """

    language: str

    def number(self, value: Decimal | int, decimals: int = 0) -> str:
        """Write a number with its thousands apart: 1,234.5 or 1 234,5."""
        text = f"{abs(value):,.{decimals}f}"
        if self.language == "fr":
            text = text.replace(",", _NARROW).replace(".", ",")
        return _MINUS + text if value < 0 and text.strip("0,.") else text

    def money(self, value: Decimal, currency: str | None = None) -> str:
        """Write an amount in major units: EUR 1,234.56 or 1 234,56 EUR.

        Args:
            value: The amount.
            currency: Its ISO 4217 code; None leaves it out.
        """
        text = self.number(value, 2)
        if currency is None:
            return text
        return f"{text}{_HARD}{currency}" if self.language == "fr" else f"{currency}{_HARD}{text}"

    def percent(self, share: Decimal) -> str:
        """Write a share of 1 as percent: 32.0% or 32,0 %."""
        text = self.number(share * 100, 1)
        return f"{text}{_HARD}%" if self.language == "fr" else f"{text}%"

    def rate(self, percent: Decimal) -> str:
        """Write a rate that is in percent, without decimals that say nothing: 5.5% or 5,5 %."""
        decimals = max(0, -int(Decimal(percent).normalize().as_tuple().exponent))
        text = self.number(percent, decimals)
        return f"{text}{_HARD}%" if self.language == "fr" else f"{text}%"

    def day(self, value: date) -> str:
        """Write a day: 31 Oct 2026 or 31 oct. 2026."""
        month = _SHORT_MONTHS[self.language][value.month - 1]
        first = "1er" if self.language == "fr" and value.day == 1 else str(value.day)
        return f"{first}{_HARD}{month}{_HARD}{value.year}"

    def short_day(self, value: date) -> str:
        """Write a day without its year: 31 Oct or 31 oct."""
        return self.day(value).rpartition(_HARD)[0]

    def month(self, value: date) -> str:
        """Write a month: October 2026 or octobre 2026."""
        return f"{_MONTHS[self.language][value.month - 1]}{_HARD}{value.year}"

    def instant(self, value: datetime) -> str:
        """Write an instant, given in UTC, to the minute."""
        return f"{self.day(value.date())}, {value:%H:%M}{_HARD}UTC"

    def cell(self, value: Any, kind: str) -> str:
        """Write a value of a table.

        Args:
            value: From a row.
            kind: text, money, count, number, percent, rate, day, month or instant.
        """
        if value is None:
            return NOTHING
        written = {
            "money": lambda: self.money(value),
            "count": lambda: self.number(value),
            "number": lambda: self.number(value, 1),
            "percent": lambda: self.percent(value),
            "rate": lambda: self.rate(value),
            "day": lambda: self.day(value),
            "month": lambda: self.month(value),
            "instant": lambda: self.instant(value),
        }
        return written[kind]() if kind in written else str(value)

    @property
    def number_locale(self) -> dict[str, Any]:
        """The same for charts (d3-format)."""
        if self.language == "fr":
            return {
                "decimal": ",",
                "thousands": _NARROW,
                "grouping": [3],
                "currency": ["", ""],
                "percent": f"{_HARD}%",
                "minus": _MINUS,
            }
        return {
            "decimal": ".",
            "thousands": ",",
            "grouping": [3],
            "currency": ["", ""],
            "minus": _MINUS,
        }

    @property
    def time_locale(self) -> dict[str, Any]:
        """The same for charts (d3-time-format)."""
        days = list(_DAYS[self.language])
        return {
            "dateTime": "%d/%m/%Y %H:%M",
            "date": "%d/%m/%Y",
            "time": "%H:%M:%S",
            "periods": ["AM", "PM"],
            "days": days,
            "shortDays": [day[:3] for day in days],
            "months": list(_MONTHS[self.language]),
            "shortMonths": list(_SHORT_MONTHS[self.language]),
        }


def machine(value: Any) -> str:
    """Write a value for programs: the table's own digits, ISO days, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
