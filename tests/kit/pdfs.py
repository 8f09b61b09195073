"""PDFs with embedded files, written with the library that the tap reads them with."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pypdf import PdfWriter

if TYPE_CHECKING:
    from collections.abc import Mapping


def pdf(files: Mapping[str, bytes], password: str = "") -> bytes:
    """Return a PDF that embeds these files, encrypted if there is a password."""
    writer = PdfWriter()
    writer.add_blank_page(width=72, height=72)
    for name, content in files.items():
        writer.add_attachment(name, content)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
