"""Pictures that say in words what they show, so that a test can tell when they are out of date.

Two browsers draw the same page in other bytes; the words are the same.
"""

from __future__ import annotations

import zlib
from typing import Final

KEYWORD: Final = b"Description\0"
"""What a PNG's own chunk of text (iTXt) says of what follows; one of the specification's words."""

PLAIN: Final = b"\0\0\0\0"
"""That the text is not compressed and names no language."""

END: Final = 12
"""Bytes of the last chunk of a PNG."""


def captioned(picture: bytes, text: str) -> bytes:
    """Return a PNG that carries a text.

    Args:
        picture: A PNG without one.
        text: What it shows.
    """
    content = b"iTXt" + KEYWORD + PLAIN + text.encode()
    chunk = (len(content) - 4).to_bytes(4, "big") + content
    chunk += zlib.crc32(content).to_bytes(4, "big")
    return picture[:-END] + chunk + picture[-END:]


def caption(picture: bytes) -> str | None:
    """Return the text that `captioned` gave a PNG; None if it has none."""
    _, found, rest = picture.partition(b"iTXt" + KEYWORD + PLAIN)
    return rest[: -END - 4].decode() if found else None
