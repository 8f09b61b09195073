"""Reading JSON that no JSON parser accepts: what cannot be read is set aside, the rest is kept.

One row with such a value must not keep the other rows of its page from arriving. This is the slow
way, taken only where the fast one has failed.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

UNREADABLE_VALUE: Final = "\0unreadable"
"""Only key of the object that stands in place of a value that cannot be read; holds it as text."""

DEEPEST: Final = 64
"""Levels of objects and arrays; nothing that Qonto documents has more than six."""

_TOO_DEEP: Final = f"more than {DEEPEST} levels of nesting"

_LONGEST_NUMBER = 300
"""Digits of the longest number that fits into the floating point of any database."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)

_SURROGATE = re.compile("[\ud800-\udfff]")

_encoder = msgspec.json.Encoder(decimal_format="number")


def repaired(text: bytes) -> bytes | None:
    """Return the same JSON with every value that cannot be read set aside.

    Lone surrogates, bytes that are no UTF-8, NaN and infinities, numbers that no number type holds,
    control characters in texts, and values nested too deeply are dealt with.

    Args:
        text: What was sent.

    Returns:
        JSON in which an object with the key `UNREADABLE_VALUE` stands for each such value; None if
        the text is no JSON for another reason.
    """
    try:
        value = json.loads(
            _shallow(text).decode("utf-8", errors="surrogateescape"),
            strict=False,
            parse_float=_fraction,
            parse_int=_integer,
            parse_constant=_aside,
        )
        return _encoder.encode(_valid(value))
    except (ValueError, RecursionError):
        return None


def _aside(text: str) -> dict[str, str]:
    return {UNREADABLE_VALUE: text}


def _fraction(text: str) -> Any:
    try:
        return Decimal(text)
    except InvalidOperation:
        return _aside(text)


def _integer(text: str) -> Any:
    return int(text) if len(text) <= _LONGEST_NUMBER else _aside(text)


def _valid(value: Any) -> Any:
    """Return a value, no deeper than `DEEPEST`, in which every text can be encoded."""
    match value:
        case str() if _SURROGATE.search(value):
            return _aside(_SURROGATE.sub("\ufffd", value))
        case dict():
            return {_SURROGATE.sub("\ufffd", name): _valid(inner) for name, inner in value.items()}
        case list():
            return [_valid(inner) for inner in value]
        case _:
            return value


def _shallow(text: bytes) -> bytes:
    """Return JSON in which whatever is nested too deeply is set aside."""
    parts: list[bytes] = []
    depth = kept = start = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == DEEPEST:
                    start = token.start()
            case b"]" | b"}":
                if depth == DEEPEST:
                    parts += [text[kept:start], _encoder.encode(_aside(_TOO_DEEP))]
                    kept = token.end()
                depth -= 1
    return b"".join([*parts, text[kept:]])
