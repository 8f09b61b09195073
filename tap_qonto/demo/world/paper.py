"""The bytes of plain documents: PDF and PNG, written so that they never change."""

from __future__ import annotations

import struct
import zlib
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


SMALLEST: Final = 1_600
"""Bytes below which `pdf` and `png` cannot promise an exact size."""


PAGE = "/MediaBox [0 0 595 842] /Resources << /Font << /F1 4 0 R >> >>"


FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def stream(dictionary: str, body: bytes) -> bytes:
    """Return a PDF stream object; `dictionary` says what it is."""
    # The length has a fixed width: the size of a file is then its padding plus a constant.
    return b"<< %s /Length %010d >>\nstream\n%s\nendstream" % (
        dictionary.encode(),
        len(body),
        body,
    )


def _text(text: str) -> bytes:
    """Write text as a PDF string in the encoding of the standard fonts."""
    safe = text.encode("cp1252", "replace")
    return b"(" + safe.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)") + b")"


def page(lines: Sequence[str]) -> bytes:
    """Return the drawing of a page that shows lines of text."""
    shown = b"".join(_text(line) + b" Tj T*\n" for line in lines)
    return b"BT /F1 11 Tf 16 TL 56 780 Td\n" + shown + b"ET"


def assemble(objects: Sequence[bytes], identity: int) -> bytes:
    """Number the objects from 1 (the catalogue) and add the table of their places."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += (
        b"trailer\n<< /Size %d /Root 1 0 R /ID [<%032x> <%032x>] >>\nstartxref\n%010d\n%%%%EOF\n"
        % (
            len(objects) + 1,
            identity,
            identity,
            start,
        )
    )
    return bytes(out)


def pdf(lines: Sequence[str], size: int, identity: int) -> bytes:
    """Return a one-page PDF of exactly `size` bytes that shows `lines` (seven short ones at most).

    Args:
        lines: Text of the page, one string per line.
        size: Length of the file in bytes, at least `SMALLEST`.
        identity: A number that differs between documents; it also makes the filling.
    """

    def render(filling: bytes) -> bytes:
        return assemble(
            [
                b"<< /Type /Catalog /Pages 2 0 R >>",
                b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
                f"<< /Type /Page /Parent 2 0 R {PAGE} /Contents 5 0 R >>".encode(),
                FONT,
                stream("", page(lines)),
                stream("/Type /DemoFilling", filling),
            ],
            identity,
        )

    missing = size - len(render(b""))
    return render(Random(identity).randbytes(missing))


def png(size: int, identity: int) -> bytes:
    """Return a small grey picture of exactly `size` bytes, at least `SMALLEST`."""
    side = 24
    source = Random(identity)
    pixels = b"".join(b"\0" + source.randbytes(side) for _ in range(side))

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    tail = chunk(b"IDAT", zlib.compress(pixels, 0)) + chunk(b"IEND", b"")
    # A private chunk, which every reader must skip, makes up the rest.
    return head + chunk(b"fiLl", source.randbytes(size - len(head) - len(tail) - 12)) + tail
