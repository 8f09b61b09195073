"""The streams that the target takes, in the order of their work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.writing import client_invoice_rows, client_rows, supplier_rows, transfer_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_qonto.writing.rows import Reader

READERS: Final[Mapping[str, Reader]] = {
    client_rows.STREAM: client_rows.READER,
    client_invoice_rows.STREAM: client_invoice_rows.READER,
    supplier_rows.STREAM: supplier_rows.READER,
    transfer_rows.STREAM: transfer_rows.READER,
}
"""How the rows of each stream are checked."""
