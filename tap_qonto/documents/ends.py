"""How a file shows that it is whole, where nobody has told how long it is.

A connection that is closed ends a file as well as it cuts one. Then only the file itself can say:
most formats end in a mark of their own.
"""

from __future__ import annotations

from typing import NamedTuple

TAIL = 65_536 + 22
"""Bytes at the end that have to be looked at: a ZIP archive may carry a long comment there."""


_ZIP, _ZIP_END = b"PK\x03\x04", b"PK\x05\x06"

_ZIP_END_SIZE = 22
"""Bytes of the last record of a ZIP archive, at the end of which is the size of its comment."""


class _Format(NamedTuple):
    """A format whose files begin and end in a certain way."""

    begin: bytes
    end: bytes
    within: int
    """Bytes before the end of the file within which its mark begins."""


_FORMATS = (
    _Format(b"%PDF-", b"%%EOF", 1_024),
    _Format(b"\x89PNG\r\n", b"IEND\xaeB`\x82", 64),
    _Format(b"\xff\xd8\xff", b"\xff\xd9", 64),
    _Format(b"GIF8", b"\x3b", 8),
    _Format(_ZIP, _ZIP_END, TAIL),
)

HEAD = 1_024
"""Bytes at the beginning in which a PDF may say that it is one."""


class Ends:
    """Remembers the two ends of a file that passes by in blocks."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""

    def pass_by(self, block: bytes) -> None:
        """Look at the next block."""
        if len(self._head) < HEAD:
            self._head += block[: HEAD - len(self._head)]
        self._tail = (self._tail + block)[-TAIL:] if len(block) < TAIL else block[-TAIL:]

    @property
    def are_known(self) -> bool:
        """Whether the file's format has a mark for its end."""
        return self._format is not None or self._root is not None

    @property
    def are_whole(self) -> bool:
        """Whether the file ends as its format wants it, which needs a known format."""
        if self._format and self._format.begin == _ZIP:
            end = self._tail.rpartition(_ZIP_END)[2]
            comment = _ZIP_END_SIZE - len(_ZIP_END)
            told = int.from_bytes(end[comment - 2 : comment], "little")
            return len(end) == comment + told
        if self._format:
            return self._format.end in self._tail[-self._format.within :]
        return self._root is not None and self._tail.rstrip(_PADDING).endswith(
            b"</" + self._root + b">"
        )

    @property
    def _format(self) -> _Format | None:
        if b"%PDF-" in self._head:  # some programs put a few bytes before it
            return _FORMATS[0]
        return next((known for known in _FORMATS if self._head.startswith(known.begin)), None)

    @property
    def _root(self) -> bytes | None:
        """The name of an XML document's outermost element."""
        text = self._head.removeprefix(b"\xef\xbb\xbf").lstrip()
        while text.startswith((b"<?", b"<!--")):
            text = text.partition(b">")[2].lstrip()
        if not text.startswith(b"<") or text.startswith(b"<!"):
            return None
        name = text[1:].partition(b">")[0].split()
        return name[0].rstrip(b"/") if name else None


_PADDING = b"\0\r\n\t "
