"""The last line of a run: what it brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_STORED = "stored"
"""What becomes of a document as a rule; only the rest is worth a word."""


def closing_line(tables: int, rows: int, documents: Mapping[str, int], seconds: float) -> str:
    """Return one line that says what a run brought.

    Args:
        tables: How many streams were read.
        rows: How many rows were written, those of documents included.
        documents: How many documents there were, by what became of each.
        seconds: How long the run took.
    """
    parts = [_counted(tables, "table"), _counted(rows, "row")]
    if total := sum(documents.values()):
        rest = [
            f"{count:,} {status.replace('_', ' ')}"
            for status, count in sorted(documents.items())
            if status != _STORED and count
        ]
        parts.append(_counted(total, "document") + (f" ({', '.join(rest)})" if rest else ""))
    return ", ".join([*parts, f"{seconds:,.0f} s"])


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
