"""The sections about what was spent: VAT, spending, and the receipts for it."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import bars
import charts
from papers import add_filtered, ordered
from parts import Block, Control, Figure, Maker

if TYPE_CHECKING:
    from queries import Row

_SHADES: Final = 4
"""Shades of a colour, for rates of VAT."""

_MOST_NAMES: Final = 8
_MOST_PEOPLE: Final = 16
_MOST_OF_PERSON: Final = 25
"""Missing receipts of a person that are listed, the largest."""


def vat(maker: Maker) -> Block:
    """Return VAT collected and deductible, in both methods."""
    block = Block(maker.currency)
    words = maker.words
    rows = maker.rows("vat")
    if not rows:
        return block
    rates = sorted({row["rate"] for row in rows if row["rate"] is not None}, reverse=True)
    drawn, nets = [], []
    colours: dict[str, str] = {}
    for side in ("collected", "deductible"):
        for place, rate in enumerate([*rates, None]):
            colour = "in" if side == "collected" else "out"
            colours[_vat_kind(maker, side, rate)] = f"var(--{colour}-{min(place, _SHADES - 1) + 1})"
    for row in rows:
        for side, sign in (("collected", 1), ("deductible", -1)):
            if row[side]:
                drawn.append(
                    {
                        "method": row["method"],
                        "month": row["month"].isoformat(),
                        "kind": _vat_kind(maker, side, row["rate"]),
                        "amount": sign * row[side],
                    }
                )
    methods = ordered(row["method"] for row in rows)
    for (method, month), same in groupby(rows, key=lambda row: (row["method"], row["month"])):
        net = sum(row["net"] for row in same)
        nets.append({"method": method, "month": month.isoformat(), "net": net})
    used = {row["kind"] for row in drawn}
    colours = {kind: colour for kind, colour in colours.items() if kind in used}
    id_ = maker.id("vat")
    options = [(method, words.value("method", method)) for method in methods]
    label = words.plain("column.method")
    columns = maker.columns(
        ("month", "month"),
        ("method", "text", "method"),
        ("rate", "rate"),
        ("collected", "money"),
        ("deductible", "money"),
        ("net", "money"),
    )
    block.figures.append(
        maker.figure(
            "vat",
            charts.vat(drawn, nets, colours, methods[0], maker.tips(*_VAT_TIPS)),
            said={"method": words.value("method", methods[0])},
            legend=[
                *((colour, kind) for kind, colour in colours.items()),
                ("line var(--ink)", words.plain("legend.vat_net")),
            ],
            controls=[Control(f"{id_}-method", label, options, "method", [id_], chosen=methods[0])],
            tables=[maker.table("vat", columns, rows, maker.answers["vat"])],
        )
    )
    return block


_VAT_TIPS: Final = ("month", "kind", "amount", "net")


def _vat_kind(maker: Maker, side: str, rate: Any) -> str:
    words = maker.words
    written = words.plain("none.rate") if rate is None else words.formats.rate(rate)
    return f"{words.plain(f'column.{side}')} {written}"


def spending(maker: Maker) -> Block:
    """Return what was spent on what, with whom, by which team and card."""
    block = Block(maker.currency)
    words = maker.words
    rows = maker.rows("spend_category")
    if not rows:
        return block
    total = sum(row["amount"] for row in rows)
    largest = rows[0]
    block.lead.append(
        words.text(
            "lead.spending",
            total=maker.money(total),
            transactions=words.number(sum(row["transactions"] for row in rows), "count"),
            category=words.value("category", largest["category"]),
            amount=maker.money(largest["amount"]),
        )
    )
    drawn = [
        {
            "name": words.value("category", row["category"]),
            "kind": words.formats.number(row["transactions"]),
            "amount": row["amount"],
            "total": row["amount"],
            "order": 0,
        }
        for row in rows
    ]
    names = ("category", "supplier", "team", "card")
    control = f"{maker.id('spend-category')}-choice"
    options = [("", words.plain("choice.all_categories"))]
    options += [(row["name"], row["name"]) for row in drawn]
    columns = maker.columns(
        ("category", "text", "category"), ("amount", "money"), ("transactions", "count")
    )
    tips = {**maker.tips("name", "amount"), "kind": words.plain("column.transactions")}
    block.figures.append(
        maker.figure(
            "spend-category",
            bars.lying(drawn, None, tips, pointer=True),
            is_wide=False,
            sets=(control, "name"),
            controls=[
                Control(
                    control,
                    words.plain("column.category"),
                    options,
                    "category",
                    [maker.id(f"spend-{name}") for name in names],
                )
            ],
            tables=[maker.table("spend-category", columns, rows, maker.answers["spend_category"])],
        )
    )
    block.figures += [_spend_figure(maker, name) for name in names[1:]]
    return block


def _spend_figure(maker: Maker, name: str) -> Figure:
    words = maker.words
    answer = maker.answers[f"spend_{name}"]
    rows = maker.rows(f"spend_{name}")
    drawn = [
        {
            "category": words.value("category", row["category"]),
            "name": row[name] or words.plain(f"none.{name}"),
            "amount": row["amount"],
        }
        for row in _largest(rows, name)
        if row[name] or name != "card"
    ]
    columns = maker.columns(
        ("category", "text", "category"), name, ("amount", "money"), ("transactions", "count")
    )
    return maker.figure(
        f"spend-{name}",
        bars.spending(drawn, maker.tips("name", "amount"), _MOST_NAMES),
        is_wide=False,
        tables=[maker.table(f"spend-{name}", columns, rows, answer)],
    )


def _largest(rows: list[Row], name: str) -> list[Row]:
    """Return the rows that the chart can show: of the largest names of all, and of a category.

    A firm can have thousands of suppliers; all rows of the largest stay, so that their sum is true.
    """
    totals: dict[Any, Any] = defaultdict(int)
    seen: dict[Any, int] = defaultdict(int)
    kept = []
    for row in rows:
        totals[row[name]] += row["amount"]
    first = set(sorted(totals, key=lambda one: -totals[one])[:_MOST_NAMES])
    for row in rows:
        seen[row["category"]] += 1
        if row[name] in first or seen[row["category"]] <= _MOST_NAMES:
            kept.append(row)
    return kept


def documents(maker: Maker, kpi: Row | None) -> Block:
    """Return which receipts are missing, and how much of the movements has its document."""
    block = Block(maker.currency)
    words = maker.words
    if kpi and (kpi["missing_receipts"] or kpi["matched_rate"] is not None):
        said = {
            "receipts": words.count("receipts", kpi["missing_receipts"]),
            "amount": maker.money(kpi["missing_receipts_amount"]),
        }
        block.lead.append(words.text("lead.missing", **said))
        rates = {
            name: words.number(kpi[f"{name}_rate"], "percent") for name in ("matched", "documented")
        }
        block.lead.append(words.text("lead.rates", **rates))
    if rows := maker.rows("missing_months"):
        block.figures.append(_missing(maker, rows))
    if rows := maker.rows("documented"):
        block.figures.append(_rates(maker, rows))
    columns = maker.columns(
        "holder",
        "team",
        "counterparty",
        ("settled_on", "day"),
        ("days", "count"),
        ("amount", "money"),
    )
    missing = maker.rows("missing")
    nobody = words.plain("none.holder")
    listed: list[Row] = []
    seen: dict[str, int] = defaultdict(int)
    for row in missing:
        holder = row["holder"] or nobody
        seen[holder] += 1
        if seen[holder] <= _MOST_OF_PERSON:
            listed.append({**row, "holder": holder})
    table = maker.table(
        "missing",
        columns,
        listed,
        maker.answers["missing"],
        filter_key="holder",
        is_open=True,
        total=len(missing),
    )
    add_filtered(block, maker, table, "choice.all_people", "column.holder")
    return block


def _missing(maker: Maker, rows: list[Row]) -> Figure:
    words = maker.words
    totals: dict[str, int] = defaultdict(int)
    drawn = []
    for row in rows:
        holder = row["holder"] or words.plain("none.holder")
        totals[holder] += row["transactions"]
        drawn.append({**row, "holder": holder, "month": row["month"].isoformat()})
    order = sorted(totals, key=lambda holder: (-totals[holder], holder))[:_MOST_PEOPLE]
    drawn = [
        {key: row[key] for key in ("holder", "month", "transactions", "amount")}
        for row in drawn
        if row["holder"] in order
    ]
    id_ = maker.id("missing")
    options = [("", words.plain("choice.all_people")), *((name, name) for name in sorted(order))]
    columns = maker.columns(
        ("month", "month"), "holder", ("transactions", "count"), ("amount", "money")
    )
    return maker.figure(
        "missing",
        bars.missing(drawn, order, maker.tips("holder", "month", "transactions", "amount")),
        unit="",
        said={"people": len(totals)},
        controls=[Control(f"{id_}-person", words.plain("column.holder"), options, "person", [id_])],
        tables=[maker.table("missing_months", columns, rows, maker.answers["missing_months"])],
    )


_RATE_COLOURS: Final = {"matched": "var(--c2)", "documented": "var(--s1)"}


def _rates(maker: Maker, rows: list[Row]) -> Figure:
    words = maker.words
    drawn = [
        {
            "month": row["month"].isoformat(),
            "kind": words.value("rate", kind),
            "share": row[kind] / row[whole],
        }
        for row in rows
        for kind, whole in (("matched", "matchable"), ("documented", "documentable"))
        if row[whole]
    ]
    colours = words.in_words("rate", _RATE_COLOURS)
    columns = maker.columns(
        ("month", "month"),
        ("matchable", "count"),
        ("matched", "count"),
        ("documentable", "count"),
        ("documented", "count"),
    )
    return maker.figure(
        "rates",
        bars.rates(drawn, colours, maker.tips("month", "kind", "share")),
        unit="",
        legend=[(colour, name) for name, colour in colours.items()],
        tables=[maker.table("documented", columns, rows, maker.answers["documented"])],
    )
