"""Rows of the stream ``new_supplier_invoices``, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_qonto.writing.rows import Columns, Reader, content_of

if TYPE_CHECKING:
    from tap_qonto.writing.rows import Cells

STREAM: Final = "new_supplier_invoices"

_LONGEST_NAME = 200
_COLUMNS = Columns(stream=STREAM, known=frozenset({"external_id", "file", "file_name"}), fixed={})


@dataclass(frozen=True, slots=True)
class SupplierRow:
    """One document that shall exist as a supplier invoice.

    Attributes:
        external_id: The row's name, in one spelling.
        spelling: The row's name as the source writes it.
        content: Hash of its cells; in a plan, of the document and its name.
        file: Path or URL of the document.
        file_name: What it is called, if not as in its path; may be empty.
    """

    external_id: str
    spelling: str
    content: str
    file: str
    file_name: str

    @property
    def stream(self) -> str:
        """The stream that it came in."""
        return STREAM


def _read(cells: Cells) -> SupplierRow:
    """Check a row.

    Raises:
        RowsRefusedError: If it cannot be used.
    """
    file = cells.required("file")
    name = cells.text("file_name", longest=_LONGEST_NAME)
    content = content_of({"file": file, "file_name": name})
    return SupplierRow(cells.external_id, cells.spelling, content, file, name)


READER: Final = Reader(_COLUMNS, _read)
