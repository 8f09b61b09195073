"""Names of files, made harmless by rule: nothing that a sender chose reaches a path as it is."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import NamedTuple

LONGEST_NAME = 180
"""Bytes of a safe name: below the 255 of common file systems, with room to write aside."""


class Key(NamedTuple):
    """Where a document lies below the root; every part is safe as the name of a file."""

    stream: str
    id: str
    name: str


# Names

_RESERVED = frozenset(
    f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"
).union(("con", "prn", "aux", "nul", "conin$", "conout$"))
"""Names of devices, which Windows finds in every folder."""


_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


_FORBIDDEN = frozenset('<>:"/\\|?*#%')
"""What Windows forbids in names, and what would need escaping in a URI."""


def key_of(stream: str, id_: str, name: str | None, content_type: str | None = None) -> Key:
    """Return the place of a document: always the same, and different for different IDs.

    Args:
        stream: Name of the stream.
        id_: ID of the document, from outside.
        name: Its name, from outside.
        content_type: Its MIME type, for a document without a name.
    """
    return Key(stream, safe_id(id_), safe_name(name, content_type))


def safe_id(id_: str) -> str:
    """Return an ID as the name of a folder; Qonto's UUIDs stay as they are."""
    if _PLAIN.fullmatch(id_) and id_ not in _RESERVED:
        return id_
    # Different IDs must stay different, even where a file system ignores case.
    known = _cut(_clean(id_).strip(". "), 40)
    return f"{known}-{sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def safe_name(name: str | None, content_type: str | None = None) -> str:
    """Return a name that is one harmless component of a path on every system.

    Letters of all scripts stay. What does not is replaced; a long name is cut before its
    extension.
    """
    safe = _clean(name or "").strip(". ")
    if not safe.strip("_"):
        safe = f"document{_ENDINGS.get(content_type or '', '')}"
    if safe.partition(".")[0].rstrip().lower() in _RESERVED:
        safe = f"_{safe}"
    stem, dot, extension = safe.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = safe, "", ""
    room = LONGEST_NAME - len(f"{dot}{extension}".encode())
    return f"{_cut(stem, room)}{dot}{extension}"


_LONGEST_EXTENSION = 20


_ENDINGS = {
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "application/xml": ".xml",
    "text/xml": ".xml",
}


def beside(key: Key, mark: str) -> Key:
    """Return the place of a second file of a document, beside it: `receipt.mark.pdf`."""
    stem, dot, extension = key.name.rpartition(".")
    if not stem:
        stem, dot, extension = key.name, "", ""
    return key._replace(name=f"{_cut(stem, LONGEST_NAME)}.{mark}{dot}{extension}")


def _clean(text: str) -> str:
    """Replace the characters that mean something to a file system, a terminal or a URI."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        "_" if character in _FORBIDDEN or unicodedata.category(character)[0] == "C" else character
        for character in (" " if char.isspace() else char for char in composed)
    )


def _cut(text: str, size: int) -> str:
    """Return as many whole characters of a text as fit into so many bytes."""
    return text.encode()[:size].decode(errors="ignore").rstrip(". ") or "_"
