"""The last section: how far to trust the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import charts
from parts import Block, Maker, Section, Table

if TYPE_CHECKING:
    from markupsafe import Markup

    from checks import Checks
    from queries import Row
    from words import Words

_ERROR_COLOURS: Final = {
    "actual": "var(--shade)",
    "base": "var(--c1)",
    "documents": "var(--s1)",
}
"""What came, what this forecast would have said, and what open documents alone would have."""

_NOTES: Final = ("forecast", "vat", "internal", "receipts", "pending")


def trust(maker: Maker, kpi: Row | None) -> Block:
    """Return whether the numbers hold, of one currency."""
    block = Block(maker.currency)
    words = maker.words
    gaps = maker.rows("gaps")
    if kpi and kpi["accounts"]:
        holds = kpi["accounts"] == kpi["accounts_explained"]
        said = {
            "explained": words.number(kpi["accounts_explained"], "count"),
            "accounts": words.count("accounts", kpi["accounts"]),
        }
        block.lead.append(words.text("trust.explained" if holds else "trust.unexplained", **said))
    if maker.answers["gaps"].is_there:
        days = words.count("gaps", len(gaps))
        block.lead.append(words.text("trust.gaps" if gaps else "trust.no_gaps", gaps=days))
    means = maker.rows("mean_errors")
    errors = maker.rows("errors")
    if base := next((row for row in means if row["method"] == "base"), None):
        said = {
            "error": maker.money(base["mean_absolute_error"]),
            "mean": maker.money(base["mean_error"]),
            "ends": words.count("month_ends", base["month_ends"]),
            "days": words.number(errors[0]["horizon_days"], "count"),
        }
        block.lead.append(words.text("trust.errors", **said))
    if gaps:
        block.tables.append(_gaps(maker, gaps))
    if accounts := maker.rows("accounts"):
        block.tables.append(_accounts(maker, accounts))
    if errors:
        _errors(maker, block, errors, means)
    return block


def _gaps(maker: Maker, rows: list[Row]) -> Table:
    columns = maker.columns(
        ("day", "day"),
        "account_name",
        ("kind", "text", "gap"),
        ("said", "money"),
        ("explained", "money"),
        ("difference", "money"),
    )
    return maker.table("gaps", columns, rows, maker.answers["gaps"], is_open=True)


def _accounts(maker: Maker, rows: list[Row]) -> Table:
    columns = maker.columns(
        "account_name",
        ("balance", "money"),
        ("explained_balance", "money"),
        ("difference", "money"),
        ("explained", "text", "yes"),
        ("movements", "count"),
        ("first_movement_on", "day"),
        ("statements", "count"),
    )
    return maker.table("explained", columns, rows, maker.answers["accounts"], is_open=True)


def _errors(maker: Maker, block: Block, rows: list[Row], means: list[Row]) -> None:
    words = maker.words
    drawn = [
        {
            "month": row["month_end"].replace(day=1).isoformat(),
            "kind": words.value("method", kind),
            "came": kind == "actual",
            "amount": row["actual"] if kind == "actual" else row["forecast"],
        }
        for row in rows
        for kind in (("actual", "base") if row["method"] == "base" else (row["method"],))
        if kind in _ERROR_COLOURS
    ]
    colours = words.in_words("method", _ERROR_COLOURS)
    all_errors = maker.columns(
        ("month_end", "day"),
        ("method", "text", "method"),
        ("forecast", "money"),
        ("actual", "money"),
        ("error", "money"),
    )
    mean_errors = maker.columns(
        ("method", "text", "method"),
        ("month_ends", "count"),
        ("mean_absolute_error", "money"),
        ("mean_error", "money"),
    )
    block.figures.append(
        maker.figure(
            "errors",
            charts.errors(drawn, colours, maker.tips("month", "kind", "amount")),
            said={"days": rows[0]["horizon_days"]},
            legend=[(colour, kind) for kind, colour in colours.items()],
            tables=[maker.table("errors", all_errors, rows, maker.answers["errors"])],
        )
    )
    answer = maker.answers["mean_errors"]
    block.tables.append(maker.table("mean_errors", mean_errors, means, answer, is_open=True))


def complete(section: Section, maker: Maker, checks: Checks) -> None:
    """Add what is about no currency: the tests of the last build, and how to read all this.

    Args:
        section: The section to complete.
        maker: Of any currency.
        checks: The tests.
    """
    block = Block("", lead=[check_sentence(maker.words, checks)])
    if checks.checks:
        rows = [
            {"test": check.name, "result": check.status, "failures": check.failures}
            for check in checks.checks
        ]
        columns = maker.columns("test", ("result", "text", "result"), ("failures", "count"))
        caption = maker.words.plain("table.checks")
        block.tables.append(Table("t-checks", caption, columns, rows, len(rows), ""))
    section.blocks.insert(0, block)
    section.notes = [maker.words.text(f"note.{name}") for name in _NOTES]


def check_sentence(words: Words, checks: Checks) -> Markup:
    """Say which tests passed, and when."""
    if checks.finished_at is None:
        return words.text("checks.unknown")
    said = {
        "passed": words.count("checks", checks.passed),
        "all": words.count("checks", len(checks.checks)),
        "failed": words.number(checks.failed, "count"),
        "warned": words.number(checks.warned, "count"),
        "when": words.number(checks.finished_at, "instant"),
    }
    if checks.failed:
        return words.text("checks.failed", **said)
    return words.text("checks.warned" if checks.warned else "checks.passed", **said)
