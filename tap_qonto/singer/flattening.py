"""What the SDK's flattening leaves in a row that its schema lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_qonto.api.pages import Row

_REST: Final = "additional_properties"
"""The column that takes what has no other."""


def fitting(row: Row, columns: Collection[str]) -> Row:
    """Return a flattened row that has no column but those of its table.

    The SDK keeps an object that is null under its own name, which the table does not have, and the
    fields that Qonto added inside an object under names that no schema knows. The former say
    nothing; the latter move into the column for what has no other.

    Args:
        row: The row, flattened.
        columns: The table's columns.
    """
    strange = row.keys() - columns
    if not strange:
        return row
    news = {name: row[name] for name in sorted(strange) if row[name] is not None}
    row = {name: value for name, value in row.items() if name not in strange}
    if news and _REST in columns:
        known = row.get(_REST)
        held = json.loads(known) if isinstance(known, str) else known or {}
        row[_REST] = json.dumps(held | news, default=str)
    return row
