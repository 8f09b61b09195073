"""What the bank makes of the transactions: statements and categories of the cash flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import FIRST_MONTH, MONTHS
from tap_qonto.demo.world.trades import TRADES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.formula import Formula
    from tap_qonto.demo.world.rows import Row


def statement_size(formula: Formula, number: int) -> int:
    """Return the size in bytes of a statement's file."""
    return 2_200 + formula.number("statement size", number, 900)


def statements(company: Facts) -> Iterator[Row]:
    """One statement per account and month, up to the account's closure."""
    for account in company.accounts:
        for rank, (year, month) in enumerate(moments.months(FIRST_MONTH, MONTHS)):
            if account.closes is not None and moments.at(year, month, 1) > account.closes:
                break
            number = account.number * MONTHS + rank
            size = statement_size(company.formula, number)
            yield {
                "id": company.formula.uuid("statement", number),
                "bank_account_id": account.id,
                "period": f"{month:02d}-{year}",
                "file": {
                    "file_name": f"statement-{year}-{month:02d}-{account.slug}.pdf",
                    "file_content_type": "application/pdf",
                    # Documented as text, seen as a number: both occur.
                    "file_size": str(size) if number % 2 else size,
                },
            }


def cash_flow_categories(company: Facts) -> Iterator[Row]:
    """The two-level tree that the trades of the ledger refer to."""
    tree: dict[str, dict[str, int | None]] = {}
    incoming = {"Sales"}
    for trade in TRADES:
        tree.setdefault(trade.cash_flow[0], {}).setdefault(trade.cash_flow[1], trade.vat)
    tree.setdefault("Salaries", {}).setdefault("Wages", None)
    tree["Other"].setdefault("Internal transfers", None)
    for number, (name, children) in enumerate(tree.items()):
        subcategories = []
        for rank, (child, vat) in enumerate(children.items()):
            row: Row = {
                "id": company.formula.uuid("cash_flow_subcategory", 100 * number + rank),
                "name": child,
            }
            if vat is not None:
                row["vat_rate"] = f"{vat / 10:.1f}"
            subcategories.append(row)
        category: Row = {
            "id": company.formula.uuid("cash_flow_category", number),
            "name": name,
            "type": "CATEGORY_TYPE_INFLOW" if name in incoming else "CATEGORY_TYPE_OUTFLOW",
            "subcategories": subcategories,
        }
        if name in ("Software", "Premises", "Equipment"):
            category["vat_rate"] = "20.0"
        yield category
