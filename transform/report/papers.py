"""The sections about invoices: what is owed to us, and what we have to pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import bars
import charts
from parts import Block, Control, Figure, Maker, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from queries import Row

AGES: Final = ("not due", "1-30", "31-60", "61-90", "over 90")
"""Age buckets, the youngest first."""

_DUE_COLOURS: Final = {"not_due": "var(--in)", "overdue": "var(--out)"}

_STATUS_COLOURS: Final = {
    "scheduled": "var(--c1)",
    "pending": "var(--c2)",
    "awaiting_payment": "var(--c3)",
    "to_pay": "var(--s1)",
    "to_approve": "var(--s2)",
    "to_review": "var(--s3)",
}
"""Of a supplier invoice, what is furthest first; a status that is not here is grey."""

_MOST_CLIENTS: Final = 10


def owed(maker: Maker, kpi: Row | None) -> Block:
    """Return what clients owe."""
    block = Block(maker.currency)
    words = maker.words
    invoices = maker.rows("receivables")
    if not invoices:
        return block
    if kpi:
        said = {
            "open": maker.money(kpi["receivables"]),
            "overdue": maker.money(kpi["overdue"]),
            "invoices": words.count("invoices", kpi["overdue_invoices"]),
        }
        block.lead.append(words.text("lead.owed", **said))
        if kpi["dso_days"] is not None:
            days = words.number(kpi["dso_days"], "number")
            block.lead.append(words.text("lead.dso", days=days))
    block.figures += [_ages(maker), _clients(maker)]
    overdue = [row for row in invoices if row["days_overdue"] > 0]
    columns = maker.columns(
        "client_name",
        "invoice_number",
        ("due_on", "day"),
        ("days_overdue", "count"),
        ("open_amount", "money"),
        ("expected_on", "day"),
    )
    table = maker.table(
        "overdue",
        columns,
        overdue,
        maker.answers["receivables"],
        filter_key="client_name",
        is_open=True,
    )
    add_filtered(block, maker, table, "choice.all_clients", "column.client_name")
    return block


def add_filtered(block: Block, maker: Maker, table: Table, every: str, label: str) -> None:
    """Add a table and the control that filters it; neither if it is empty."""
    if not table.rows:
        return
    names = ordered(row[table.filter_key] for row in table.rows if row[table.filter_key])
    options = [("", maker.words.plain(every)), *((name, name) for name in sorted(names))]
    block.controls.append(
        Control(f"{table.id}-filter", maker.words.plain(label), options, table=table.id)
    )
    block.tables.append(table)


def ordered(names: Iterable[str]) -> list[str]:
    """Return each name once, where it was first."""
    return list(dict.fromkeys(names))


def _ages(maker: Maker) -> Figure:
    words = maker.words
    known = {row["age_bucket"]: row for row in maker.rows("ages")}
    buckets = [*AGES, *(name for name in known if name not in AGES)]
    rows = [
        known.get(name, {"age_bucket": name, "open_amount": 0, "invoices": 0}) for name in buckets
    ]
    drawn = [
        {
            "name": words.value("age", row["age_bucket"]),
            "kind": words.value("due", "not_due" if row["age_bucket"] == "not due" else "overdue"),
            "amount": row["open_amount"],
            "total": row["open_amount"],
            "order": 0,
        }
        for row in rows
    ]
    columns = maker.columns(
        ("age_bucket", "text", "age"), ("open_amount", "money"), ("invoices", "count")
    )
    order = [row["name"] for row in drawn]
    colours = words.in_words("due", _DUE_COLOURS)
    chart = bars.lying(drawn, colours, maker.tips("name", "kind", "amount"), order=order)
    return maker.figure(
        "ages",
        chart,
        is_wide=False,
        legend=[(colour, name) for name, colour in colours.items()],
        tables=[
            maker.table(
                "ages",
                columns,
                [known[name] for name in buckets if name in known],
                maker.answers["ages"],
            )
        ],
    )


def _clients(maker: Maker) -> Figure:
    words = maker.words
    rows = maker.rows("clients")
    colours = words.in_words("due", _DUE_COLOURS)
    drawn = []
    for row in rows[:_MOST_CLIENTS]:
        parts = {"not_due": row["open_amount"] - row["overdue"], "overdue": row["overdue"]}
        drawn += [
            {
                "name": row["client_name"] or words.plain("none.client"),
                "kind": words.value("due", kind),
                "amount": amount,
                "total": row["open_amount"],
                "order": order,
            }
            for order, (kind, amount) in enumerate(parts.items())
        ]
    columns = maker.columns(
        "client_name",
        ("open_amount", "money"),
        ("overdue", "money"),
        ("invoices", "count"),
        ("days_overdue", "count"),
    )
    return maker.figure(
        "clients",
        bars.lying(drawn, colours, maker.tips("name", "kind", "amount")),
        is_wide=False,
        said={"count": min(len(rows), _MOST_CLIENTS)},
        legend=[(colour, name) for name, colour in colours.items()],
        tables=[maker.table("clients", columns, rows, maker.answers["clients"])],
    )


def to_pay(maker: Maker, kpi: Row | None) -> Block:
    """Return what is to be paid to suppliers."""
    block = Block(maker.currency)
    words = maker.words
    invoices = maker.rows("payables")
    if not invoices:
        return block
    if kpi:
        said = {
            "open": maker.money(kpi["payables"]),
            "late": maker.money(kpi["payables_overdue"]),
            "week": maker.money(kpi["to_pay_7_days"]),
            "month": maker.money(kpi["to_pay_30_days"]),
        }
        block.lead.append(words.text("lead.to_pay", **said))
        if kpi["payables_not_analyzed"]:
            unread = words.count("invoices", kpi["payables_not_analyzed"])
            block.lead.append(words.text("lead.unread", invoices=unread))
    block.figures.append(_pay_weeks(maker))
    columns = maker.columns(
        "supplier_name",
        "invoice_number",
        ("status", "text", "payable"),
        ("approval", "text", "approval"),
        ("due_on", "day"),
        ("pay_on", "day"),
        ("open_amount", "money"),
    )
    answer = maker.answers["payables"]
    block.tables.append(maker.table("payables", columns, invoices, answer, is_open=True))
    return block


def _pay_weeks(maker: Maker) -> Figure:
    words = maker.words
    rows = maker.rows("pay_weeks")

    def week(row: Row) -> str:
        if row["late"]:
            return words.plain("week.late")
        return words.formats.short_day(row["week"]) if row["week"] else words.plain("week.none")

    drawn = [
        {
            "week": week(row),
            "status": words.value("payable", row["status"]),
            "amount": row["open_amount"],
        }
        for row in rows
        if row["open_amount"] is not None
    ]
    used = {row["status"] for row in drawn}
    all_colours = words.in_words("payable", _STATUS_COLOURS)
    colours = {name: colour for name, colour in all_colours.items() if name in used}
    colours |= dict.fromkeys(sorted(used - colours.keys()), "var(--muted)")
    columns = maker.columns(
        ("week", "day"),
        ("late", "text", "yes"),
        ("status", "text", "payable"),
        ("open_amount", "money"),
        ("invoices", "count"),
    )
    order = ordered(row["week"] for row in drawn)
    return maker.figure(
        "pay_weeks",
        charts.pay_weeks(drawn, order, colours, maker.tips("week", "status", "amount")),
        legend=[(colour, name) for name, colour in colours.items()],
        tables=[maker.table("pay_weeks", columns, rows, maker.answers["pay_weeks"])],
    )
