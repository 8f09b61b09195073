"""Timestamps as the tap writes them: one uniform UTC text, whose order as text is order in time.

Qonto sends milliseconds, seconds, microseconds or an offset, depending on the endpoint. Singer
bookmarks are compared as text, so every timestamp leaves the tap in one form of 27 characters, to
the microsecond: ``2026-03-01T08:15:00.123000Z``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FLOOR = "2017-01-01T00:00:00.000000Z"
"""The earliest ``updated_at_from`` that Qonto accepts (seen by clients in production)."""


_SHORTEST = len("2026-03-01T08:15:00Z")


_ENDS = {_SHORTEST: ".000000Z"} | {
    _SHORTEST + 1 + digits: "0" * (6 - digits) + "Z" for digits in range(1, 7)
}
"""How what Qonto nearly always sends, with its Z cut off, ends in the uniform form, by length."""


def uniform(text: str) -> str:
    """Return any ISO 8601 timestamp in the uniform form.

    A timestamp without an offset is taken as UTC.

    Args:
        text: For example ``2026-03-01T09:15:00+01:00``.

    Returns:
        For example ``2026-03-01T08:15:00.000000Z``.

    Raises:
        ValueError: If the text is not a timestamp.
    """
    instant = datetime.fromisoformat(text)
    end = _ENDS.get(len(text))
    if end and text[7] + text[10] + text[16] + text[-1] == "-T:Z" and text[19] in ".Z":
        return text[:-1] + end
    return from_datetime(instant)


def from_datetime(instant: datetime) -> str:
    """Return a datetime in the uniform form; a naive one is taken as UTC.

    Raises:
        ValueError: If the instant, moved to UTC, lies outside the years 1 to 9999.
    """
    try:
        instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    return f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def to_datetime(instant: str) -> datetime:
    """Return a uniform timestamp as an aware datetime in UTC."""
    return datetime.fromisoformat(instant)


def whole_second(instant: str) -> str:
    """Return the uniform timestamp of the second in which the instant lies."""
    return f"{instant[:19]}.000000Z"


def shift(instant: str, seconds: float) -> str:
    """Return the uniform timestamp so many seconds later (earlier when negative).

    The result never leaves the years that a timestamp can express.
    """
    try:
        return from_datetime(to_datetime(instant) + timedelta(seconds=seconds))
    except OverflowError:
        return "0001-01-01T00:00:00.000000Z" if seconds < 0 else "9999-12-31T23:59:59.999999Z"


def middle(start: str, end: str) -> str:
    """Return the whole second half-way between two uniform timestamps."""
    first = to_datetime(start)
    return whole_second(from_datetime(first + (to_datetime(end) - first) / 2))


def seconds_between(start: str, end: str) -> float:
    """Return the seconds from one uniform timestamp to another."""
    return (to_datetime(end) - to_datetime(start)).total_seconds()


def as_filter(instant: str) -> str:
    """Return the instant as a filter value, to the second.

    Whole seconds are what every reading of Qonto's filters agrees on: clients send them with and
    without milliseconds, and nobody knows to which unit the server rounds.
    """
    return f"{instant[:19]}Z"
