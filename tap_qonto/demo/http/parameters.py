"""How the text of a query parameter is read, and which rows it keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tap_qonto.demo.world import moments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.demo.world.rows import Row


class InvalidValueError(ValueError):
    """A parameter's value is not of its type; the message says what was expected."""


@dataclass(frozen=True)
class Bounds:
    """How `_from` and `_to` compare, which Qonto documents nowhere."""

    lower_inclusive: bool
    upper_inclusive: bool
    unit: int
    """Milliseconds; moments are cut to it before they are compared."""

    def first(self, bound: int) -> int:
        """Return the earliest moment that a `_from` keeps."""
        cut = bound // self.unit * self.unit
        return cut if self.lower_inclusive else cut + self.unit

    def end(self, bound: int) -> int:
        """Return the earliest moment that a `_to` drops."""
        cut = bound // self.unit * self.unit
        return cut + self.unit if self.upper_inclusive else cut


@dataclass(frozen=True)
class Asked:
    """What a filter may look at besides the row."""

    bounds: Bounds
    parameters: Mapping[str, Any]


Reader: TypeAlias = "Callable[[str], Any]"
Test: TypeAlias = "Callable[[Row, Any, Asked], bool]"


@dataclass(frozen=True)
class Parameter:
    """One query parameter: how its text is read, and which rows it keeps."""

    read: Reader
    keeps: Test | None = None
    many: bool = False
    """Whether it may be repeated; its value is then a list."""


_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def text(value: str) -> str:
    """Accept any text but none at all."""
    if not value:
        message = "must not be empty"
        raise InvalidValueError(message)
    return value


def uuid(value: str) -> str:
    """Read an identifier."""
    if _UUID.fullmatch(value) is None:
        message = "must be a UUID"
        raise InvalidValueError(message)
    return value.lower()


def boolean(value: str) -> bool:
    """Read `true` or `false`."""
    if value not in ("true", "false"):
        message = "must be true or false"
        raise InvalidValueError(message)
    return value == "true"


def moment(value: str) -> int:
    """Read a date-time, with or without milliseconds, or a day as its midnight."""
    try:
        return moments.parse(value)
    except ValueError as error:
        message = "must be an ISO 8601 date-time"
        raise InvalidValueError(message) from error


def choice(*allowed: str) -> Reader:
    """Make a reader of a closed list of words."""

    def read(value: str) -> str:
        if value not in allowed:
            message = f"must be one of {', '.join(allowed)}"
            raise InvalidValueError(message)
        return value

    return read


def number(least: int, most: int) -> Reader:
    """Make a reader of a whole number between two limits."""

    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not least <= int(value) <= most:
            message = f"must be an integer from {least} to {most}"
            raise InvalidValueError(message)
        return int(value)

    return read


def among(path: str, read: Reader = text) -> Parameter:
    """Make a repeatable parameter that keeps rows whose field has one of the values."""
    return Parameter(read, lambda row, values, _: row.get(path) in values, many=True)


def equal(path: str, read: Reader = text) -> Parameter:
    """Make a parameter that keeps rows whose field has the value."""
    return Parameter(read, lambda row, value, _: row.get(path) == value)


def same_text(path: str) -> Parameter:
    """Make a parameter that compares text without regard to case."""
    return Parameter(text, lambda row, value, _: str(row.get(path) or "").lower() == value.lower())


def since(path: str) -> Parameter:
    """Make the lower bound of a moment; a row without one is dropped."""
    return Parameter(
        moment,
        lambda row, value, asked: (
            (found := row.get(path)) is not None
            and moments.parse(found) >= asked.bounds.first(value)
        ),
    )


def until(path: str) -> Parameter:
    """Make the upper bound of a moment; a row without one is dropped."""
    return Parameter(
        moment,
        lambda row, value, asked: (
            (found := row.get(path)) is not None and moments.parse(found) < asked.bounds.end(value)
        ),
    )
