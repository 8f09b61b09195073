"""PDFs that hold up or fill up whoever reads them, written by formula."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def by_hand(objects: Mapping[int, bytes], entries: bytes | None = None) -> bytes:
    """Return a PDF of these objects, of which the first is the catalogue.

    Args:
        objects: Their content, by number.
        entries: The table of their places, if it is not to be the true one.
    """
    body, places = b"%PDF-1.7\n", {}
    for number, content in objects.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    if entries is None:
        lines = [b"%d 1\n%010d 00000 n \n" % (number, place) for number, place in places.items()]
        entries = b"0 1\n0000000000 65535 f \n" + b"".join(lines)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return body + b"xref\n" + entries + trailer % (max(objects) + 1, len(body))


def _with_file(stream: bytes) -> dict[int, bytes]:
    """Return the objects of a PDF that embeds a stream as its invoice."""
    return {
        1: b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names "
        b"[(factur-x.xml) 3 0 R] >> >> >>",
        2: b"<< /Type /Pages /Kids [] /Count 0 >>",
        3: b"<< /Type /Filespec /F (factur-x.xml) /UF (factur-x.xml) /EF << /F 4 0 R >> >>",
        4: stream,
    }


def _packed(content: bytes, further: bytes = b"", times: int = 1) -> bytes:
    """Return a stream object, packed as often as is said."""
    for _ in range(times):
        content = zlib.compress(content, 9)
    filters = b"/FlateDecode " * times
    return b"<< /Length %d /Filter [%s] %s >>\nstream\n%s\nendstream" % (
        len(content), filters, further, content,
    )  # fmt: skip


def many_entries_to_one_place(count: int = 200_000, blanks: int = 5_000) -> bytes:
    """Return a PDF whose table has many entries that all lead to the same long blank: 4 MB."""
    objects = {1: b"<< /Type /Catalog >>" + b" " * blanks}
    start = by_hand(objects).index(b"  ")
    return by_hand(objects, b"0 %d\n" % count + b"%010d 00000 n \n" % start * count)


def predicted(size: int = 74_000_000) -> bytes:
    """Return a PDF of 100 KB whose invoice has a predictor over 74 MB to be undone."""
    rows = b"\x02\x00"
    parameters = b"/DecodeParms << /Predictor 12 /Columns 1 /Colors 1 /BitsPerComponent 8 >>"
    return by_hand(_with_file(_packed(rows * (size // len(rows)), parameters)))


def bomb(size: int = 1_000_000_000) -> bytes:
    """Return a PDF whose invoice unpacks to a gigabyte."""
    packer = zlib.compressobj(9)
    million = bytes(1_000_000)
    packed = b"".join(packer.compress(million) for _ in range(size // len(million)))
    packed += packer.flush()
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)
    return by_hand(_with_file(stream))


def bomb_in_a_bomb(size: int = 100_000_000) -> bytes:
    """Return a PDF whose invoice is packed twice."""
    return by_hand(_with_file(_packed(bytes(size), times=2)))


def names_in_a_circle() -> bytes:
    """Return a PDF whose tree of names leads back to its root."""
    return by_hand(
        {
            1: b"<< /Type /Catalog /Names << /EmbeddedFiles 2 0 R >> >>",
            2: b"<< /Kids [2 0 R 3 0 R 2 0 R] >>",
            3: b"<< /Kids [2 0 R 3 0 R] /Names [(factur-x.xml) 3 0 R] >>",
        }
    )


def object_in_itself() -> bytes:
    """Return a PDF whose catalogue is the object that it refers to."""
    return by_hand({1: b"1 0 R"})


def length_in_itself() -> bytes:
    """Return a PDF in which the length of a stream is that stream."""
    stream = b"<< /Length 4 0 R /Filter /FlateDecode >>\nstream\nx\nendstream"
    return by_hand(_with_file(stream))


def nested(depth: int = 100_000) -> bytes:
    """Return a PDF with arrays in arrays."""
    return by_hand({1: b"<< /Type /Catalog /AF " + b"[" * depth + b"]" * depth + b" >>"})


def many_pages(count: int = 100_000) -> bytes:
    """Return a PDF with a page tree of many pages, of which none exists: 700 KB."""
    kids = b"".join(b"%d 0 R " % (number + 10) for number in range(count))
    pages = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, kids)
    return by_hand({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: pages})


def many_names(count: int = 200_000) -> bytes:
    """Return a PDF that lists very many embedded files, of which none exists."""
    names = b"(a) 9 0 R " * count
    return by_hand(
        {
            1: b"<< /Type /Catalog /Names << /EmbeddedFiles 2 0 R >> >>",
            2: b"<< /Names [" + names + b"] >>",
        }
    )


HOSTILE: Final[dict[str, Callable[[], bytes]]] = {
    function.__name__: function
    for function in (
        many_entries_to_one_place, predicted, bomb, bomb_in_a_bomb, names_in_a_circle,
        object_in_itself, length_in_itself, nested, many_pages, many_names,
    )
}  # fmt: skip
"""All of them, by name."""
