"""What a row is called towards Qonto: its idempotency key and its tag, both made from its name.

Amount and payee are no part of it, so that a corrected row meets what was sent for it before,
instead of slipping past it.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

_INTEGER = re.compile(r"([+-]?\d+)\.0+")

_TAG = re.compile(r"(?<!\w)q:([A-Z2-7]{12})(?!\w)")

TAG_LENGTH = len(" · q:RKFWVWDQJZ2M")
"""Characters that a tag takes at the end of a note."""


def spelled(value: Any) -> str:
    """Return an external ID in the one spelling that stands for all.

    Args:
        value: As the row has it: text or a number.

    Returns:
        The trimmed text in Unicode's composed form; an integer without ``.0``, which spreadsheets
        add. Empty if the value is neither text nor a number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | float):
        return ""
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    text = unicodedata.normalize("NFC", text).strip()
    integer = _INTEGER.fullmatch(text)
    return integer[1] if integer else text


class Identity(NamedTuple):
    """The name of one write: the same in every run, on every machine."""

    organization_id: str
    stream: str
    external_id: str
    step: str
    """What is written for the row; one row may need several writes."""

    @property
    def _hash(self) -> bytes:
        return sha256("\0".join(self).encode()).digest()

    @property
    def key(self) -> str:
        """The idempotency key, formally a UUID of version 4."""
        return str(UUID(bytes=self._hash[:16], version=4))

    @property
    def tag(self) -> str:
        """Twelve characters that mark what was written, for ever."""
        return base64.b32encode(self._hash)[:12].decode()


def tagged(note: str | None, tag: str) -> str:
    """Return a note that ends with a tag."""
    return f"{note} · q:{tag}" if note else f"q:{tag}"


def tags_of(note: Any) -> list[str]:
    """Return the tags in a note, wherever a person who edited it has left them."""
    return _TAG.findall(note) if isinstance(note, str) else []
