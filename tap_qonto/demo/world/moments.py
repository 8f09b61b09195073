"""Points in time as integers: milliseconds since 1970, UTC; and the span of the history."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

SECOND: Final = 1_000
HOUR: Final = 3_600_000
DAY: Final = 86_400_000

_EPOCH: Final = date(1970, 1, 1).toordinal()
_SHAPE: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
# Qonto trims trailing zeros, so one text in ten has fewer than three digits.
_FRACTIONS: Final = ("", *(f".{n:03d}".rstrip("0") for n in range(1, 1000)))


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return a moment of the calendar (UTC)."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * SECOND


def now_utc() -> datetime:
    """Return the present, aware of its zone."""
    return datetime.now(UTC)


def of(instant: datetime) -> int:
    """Return an aware datetime as a moment."""
    return int(instant.timestamp() * SECOND)


@lru_cache(maxsize=8192)
def _calendar_day(number: int) -> str:
    return date.fromordinal(_EPOCH + number).isoformat()


def day(moment: int) -> str:
    """Return the day of a moment as YYYY-MM-DD."""
    return _calendar_day(moment // DAY)


def iso(moment: int) -> str:
    """Return a moment as Qonto writes it: ISO 8601, `Z`, milliseconds without trailing zeros."""
    days, rest = divmod(moment, DAY)
    seconds, milliseconds = divmod(rest, SECOND)
    return (
        f"{_calendar_day(days)}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        f"{_FRACTIONS[milliseconds]}Z"
    )


@lru_cache(maxsize=65536)
def parse(text: str) -> int:
    """Return the moment a text names; a day alone is its midnight, no zone means UTC.

    Raises:
        ValueError: The text is no ISO 8601 date or timestamp.
    """
    if _SHAPE.fullmatch(text) is None:
        message = "not an ISO 8601 date or timestamp"
        raise ValueError(message)
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    # Whole numbers only: a float would move some moments by a millisecond.
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1_000


def months(first: tuple[int, int], count: int) -> list[tuple[int, int]]:
    """Return `count` (year, month) pairs from `first` on."""
    start = first[0] * 12 + first[1] - 1
    return [(n // 12, n % 12 + 1) for n in range(start, start + count)]


FIRST_MONTH: Final = (2024, 11)
MONTHS: Final = 24
START: Final = at(2024, 11, 1, 6)
END: Final = at(2026, 10, 31, 18)
"""Nothing in the company's generated history is later."""
