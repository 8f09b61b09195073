"""The one type that all collections share."""

from __future__ import annotations

from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
"""One object as the API shows it."""


def money(cents: int, currency: str = "EUR") -> dict[str, str]:
    """Return an amount as the invoicing half of the API writes it: decimal text and currency."""
    return {"value": decimal(cents), "currency": currency}


def decimal(cents: int) -> str:
    """Return cents as decimal text with two places."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def fraction(rate: int) -> str:
    """Return a VAT rate in tenths of a percent as invoices write it: a fraction, zeros trimmed."""
    return f"{rate / 1_000:g}"
