"""The first sections: what there is, what came and went, and the numbers of the first screen."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

import bars as bar_charts
import charts
from parts import Block, Column, Control, Figure, Maker, Tile
from queries import months_before

if TYPE_CHECKING:
    from queries import Row

CERTAINTY_COLOURS: Final = {
    "known": "var(--c1)",
    "likely": "var(--c2)",
    "learned": "var(--c3)",
    "assumed": "var(--c4)",
}

FLOW_COLOURS: Final = {
    "operating_in": "var(--in)",
    "operating_out": "var(--out)",
    "financing_in": "var(--financing)",
    "financing_out": "var(--financing-2)",
}

_LARGEST: Final = 15
"""Expected payments that are listed."""


def tiles(maker: Maker, kpi: Row) -> list[Tile]:
    """Return the numbers of the first screen, of one currency."""
    words, money = maker.words, maker.money

    def tile(name: str, value: Markup, note: str, *, alarming: bool = False, **said: Any) -> Tile:
        text = words.text(f"tile.{note}", **said) if note else Markup()
        return Tile(words.plain(f"tile.{name}"), value, text, alarming)

    burn = kpi["burn"]
    if burn is None:
        runway = tile("runway", words.number(None, "number"), "runway.short")
    elif kpi["runway_months"] is None:
        runway = tile("runway", Markup("∞"), "runway.earns", burn=money(-burn))
    else:
        months = words.text("page.months", count=words.number(kpi["runway_months"], "number"))
        runway = tile("runway", months, "runway.burns", burn=money(burn))
    lowest = kpi["lowest_balance"]
    week = kpi["lowest_week_starts_on"]
    return [
        tile("cash", money(kpi["cash"]), "cash.note", available=money(kpi["available"])),
        tile(
            "lowest",
            money(lowest),
            "lowest.note" if week else "lowest.none",
            alarming=lowest is not None and (lowest < 0 or _is_below(lowest, maker)),
            week=words.number(week, "day"),
        ),
        runway,
        tile(
            "overdue",
            money(kpi["overdue"]),
            "overdue.note",
            alarming=kpi["overdue"] > 0,
            invoices=words.count("invoices", kpi["overdue_invoices"]),
            open=money(kpi["receivables"]),
        ),
        tile(
            "to_pay",
            money(kpi["to_pay_30_days"]),
            "to_pay.note",
            week=money(kpi["to_pay_7_days"]),
            late=money(kpi["payables_overdue"]),
        ),
        tile(
            "missing",
            words.number(kpi["missing_receipts"], "count"),
            "missing.note",
            amount=money(kpi["missing_receipts_amount"]),
        ),
    ]


def _is_below(amount: Any, maker: Maker) -> bool:
    return maker.threshold is not None and bool(amount < maker.threshold)


def cash(maker: Maker, kpi: Row | None) -> Block:
    """Return what there is, and what is expected of it."""
    block = Block(maker.currency)
    words = maker.words
    balances, weeks = maker.rows("balances"), maker.rows("forecast")
    if kpi and kpi["accounts"]:
        said = {
            "cash": maker.money(kpi["cash"]),
            "accounts": words.count("accounts", kpi["accounts"]),
            "available": maker.money(kpi["available"]),
        }
        block.lead.append(words.text("lead.cash", **said))
    if kpi and kpi["lowest_week"] is not None:
        said = {
            "lowest": maker.money(kpi["lowest_balance"]),
            "week": words.number(kpi["lowest_week_starts_on"], "day"),
            "closing": maker.money(kpi["forecast_closing"]),
        }
        block.lead.append(words.text("lead.forecast", **said))
        shares = {name: words.number(kpi[f"share_{name}"], "percent") for name in CERTAINTY_COLOURS}
        if kpi["share_known"] is not None:
            block.lead.append(words.text("lead.shares", **shares))
    if balances or weeks:
        block.figures.append(_cash_figure(maker, balances, weeks))
    if weeks:
        block.figures.append(_expected_figure(maker, weeks))
    if accounts := maker.rows("accounts"):
        columns = maker.columns(
            "account_name",
            ("status", "text", "account"),
            ("balance", "money"),
            ("available", "money"),
            ("last_movement_on", "day"),
        )
        answer = maker.answers["accounts"]
        block.tables.append(maker.table("accounts", columns, accounts, answer, is_open=True))
    return block


def _cash_figure(maker: Maker, balances: list[Row], weeks: list[Row]) -> Figure:
    words, as_of = maker.words, maker.answers.as_of
    accounts = {row["account_id"]: row["account_name"] for row in balances}
    places = {account: f"a{place}" for place, account in enumerate(accounts)}
    lines = [",".join(["day", "all", *places.values()])]
    totals = {}
    for day, of_day in groupby(balances, key=lambda row: row["day"]):
        on_day = {row["account_id"]: row["balance"] for row in of_day}
        totals[day] = sum(on_day.values())
        cells = [f"{on_day[account]:f}" if account in on_day else "" for account in places]
        lines.append(",".join([day.isoformat(), f"{totals[day]:f}", *cells]))
    ends = [
        {
            "day": row["week_ends_on"].isoformat(),
            "closing": row["closing"],
            "top": row["closing_with_doubtful"],
        }
        for row in _once_a_week(weeks)
    ]
    if ends:
        opening = next(iter(weeks))["opening"]
        ends.insert(0, {"day": as_of.isoformat(), "closing": opening, "top": opening})
    marks: dict[str, Row] = {"today": {"day": as_of.isoformat()}}
    lowest = next((row for row in weeks if row["is_lowest_week"]), None)
    label = ""
    if lowest:
        marks["lowest"] = {"day": lowest["week_ends_on"].isoformat(), "amount": lowest["lowest"]}
        amount = words.formats.money(lowest["lowest"], maker.currency)
        label = words.plain("figure.cash.lowest", amount=amount)
    legend = [("var(--balance)", words.plain("legend.balance"))]
    if ends:
        legend.append(("dashed var(--balance)", words.plain("legend.expected")))
        legend.append(("var(--doubtful)", words.plain("legend.doubtful")))
    if maker.threshold is not None:
        marks["threshold"] = {"amount": maker.threshold}
        amount = words.formats.money(maker.threshold, maker.currency)
        legend.append(("dashed var(--out)", words.plain("legend.threshold", amount=amount)))
    chart = charts.cash("\n".join(lines), ends, marks, {**maker.tips(*_CASH_TIPS), "lowest": label})
    controls = []
    if len(accounts) > 1:
        names = [(places[account], name or account) for account, name in accounts.items()]
        options = [("all", words.plain("choice.all_accounts")), *names]
        id_ = maker.id("cash")
        label = words.plain("column.account_name")
        controls = [Control(f"{id_}-account", label, options, "account", [id_], chosen="all")]
    return maker.figure(
        "cash",
        chart,
        said={
            "first": words.formats.cell(min(totals, default=as_of), "day"),
            "last": words.formats.cell(as_of, "day"),
            "balance": words.formats.cell(totals.get(as_of), "money"),
            "closing": words.formats.cell(ends[-1]["closing"] if ends else None, "money"),
        },
        legend=legend,
        controls=controls,
        tables=[_month_ends(maker)],
    )


_CASH_TIPS: Final = ("day", "balance", "expected", "doubtful")


def _once_a_week(weeks: list[Row]) -> list[Row]:
    return [next(rows) for _, rows in groupby(weeks, key=lambda row: row["week"])]


def _month_ends(maker: Maker) -> Any:
    columns = maker.columns(
        ("day", "day"), ("balance", "money"), ("pending_out", "money"), ("available", "money")
    )
    answer = maker.answers["month_ends"]
    return maker.table("month_ends", columns, maker.rows("month_ends"), answer)


def _expected_figure(maker: Maker, weeks: list[Row]) -> Figure:
    words = maker.words
    rows = [
        {
            "week": row["week_starts_on"].isoformat(),
            "certainty": words.value("certainty", row["certainty"]),
            "order": charts.CERTAINTIES.index(row["certainty"]),
            "amount": amount,
        }
        for row in weeks
        if row["certainty"] in charts.CERTAINTIES
        for amount in (row["money_in"], -row["money_out"])
        if amount
    ]
    wide = [
        {**next(iter(same)), **{row["certainty"]: row["net"] for row in same}}
        for same in (list(rows) for _, rows in groupby(weeks, key=lambda row: row["week"]))
    ]
    columns = [
        *maker.columns(("week_starts_on", "day"), ("opening", "money")),
        *(
            Column(name, words.value("certainty", name), "money")
            for name in (*charts.CERTAINTIES, "doubtful")
        ),
        *maker.columns(("closing", "money"), ("lowest", "money")),
    ]
    colours = words.in_words("certainty", CERTAINTY_COLOURS)
    answer = maker.answers["forecast"]
    expected = maker.rows("expected")
    flows = maker.columns(
        ("expected_on", "day"),
        "counterparty",
        "description",
        ("source", "text", "source"),
        ("certainty", "text", "certainty"),
        ("net", "money"),
    )
    return maker.figure(
        "expected",
        charts.expected(rows, colours, maker.tips("week", "certainty", "amount")),
        said={"weeks": len(wide)},
        legend=[(colour, name) for name, colour in colours.items()],
        tables=[
            maker.table("forecast", columns, wide, answer, total=len(wide)),
            maker.table(
                "expected",
                flows,
                expected[:_LARGEST],
                maker.answers["expected"],
                total=len(expected),
            ),
        ],
    )


def flows(maker: Maker) -> Block:
    """Return what came in and went out by month, and by category."""
    block = Block(maker.currency)
    words = maker.words
    months, categories = maker.rows("flows"), maker.rows("flow_categories")
    if not months:
        return block
    bars, nets = [], []
    for month, of_month in groupby(months, key=lambda row: row["month"]):
        same = list(of_month)
        nets.append({"month": month.isoformat(), "net": sum(row["net"] for row in same)})
        bars += [bar for row in same for bar in _in_and_out(maker, row, row["flow_type"])]
    chosen = _last_full_month(maker.answers.as_of, sorted({row["month"] for row in months}))
    of_chosen = [row for row in months if row["month"] == chosen]
    block.lead.append(
        words.text(
            "lead.flows",
            month=words.number(chosen, "month"),
            money_in=maker.money(sum(row["money_in"] for row in of_chosen)),
            money_out=maker.money(sum(row["money_out"] for row in of_chosen)),
            net=maker.money(sum(row["net"] for row in of_chosen)),
        )
    )
    used = {row["kind"] for row in bars}
    all_colours = words.in_words("kind", FLOW_COLOURS)
    colours = {kind: colour for kind, colour in all_colours.items() if kind in used}
    control = f"{maker.id('flow')}-month"
    columns = maker.columns(
        ("month", "month"),
        ("flow_type", "text", "flow"),
        ("money_in", "money"),
        ("money_out", "money"),
        ("net", "money"),
        ("transactions", "count"),
    )
    first = chosen.isoformat()
    block.figures.append(
        maker.figure(
            "flow",
            charts.flow(bars, nets, colours, first, maker.tips("month", "kind", "amount", "net")),
            is_wide=False,
            said={"months": len(nets)},
            legend=[
                *((colour, kind) for kind, colour in colours.items()),
                ("line var(--ink)", words.plain("legend.net")),
            ],
            sets=(control, "month"),
            tables=[maker.table("flow", columns, months, maker.answers["flows"])],
        )
    )
    block.figures.append(_categories_figure(maker, categories, chosen, control))
    return block


def _categories_figure(maker: Maker, rows: list[Row], chosen: date, control: str) -> Figure:
    words = maker.words
    bars = [
        {**bar, "category": words.value("category", row["category"])}
        for row in rows
        for bar in _in_and_out(maker, row, "operating")
    ]
    months = sorted({row["month"] for row in rows}, reverse=True)
    options = [(month.isoformat(), words.formats.month(month)) for month in months]
    charts_set = [maker.id("flow"), maker.id("categories")]
    label = words.plain("column.month")
    columns = maker.columns(
        ("month", "month"),
        ("category", "text", "category"),
        ("money_in", "money"),
        ("money_out", "money"),
        ("net", "money"),
    )
    kinds = {kind: FLOW_COLOURS[kind] for kind in ("operating_in", "operating_out")}
    colours = words.in_words("kind", kinds)
    first = chosen.isoformat()
    return maker.figure(
        "categories",
        bar_charts.categories(bars, colours, first, maker.tips("category", "kind", "amount")),
        said={"month": words.formats.month(chosen)},
        is_wide=False,
        legend=[(colour, kind) for kind, colour in colours.items()],
        controls=[Control(control, label, options, "month", charts_set, chosen=first)],
        tables=[maker.table("categories", columns, rows, maker.answers["flow_categories"])],
    )


def _in_and_out(maker: Maker, row: Row, flow_type: str) -> list[Row]:
    """Return the bar that goes up and the bar that goes down, of those that are not 0."""
    kind = "operating" if flow_type == "operating" else "financing"
    return [
        {
            "month": row["month"].isoformat(),
            "kind": maker.words.value("kind", f"{kind}_{way}"),
            "amount": amount,
        }
        for way, amount in (("in", row["money_in"]), ("out", -row["money_out"]))
        if amount
    ]


def _last_full_month(as_of: date, months: list[date]) -> date:
    """Return the last of the months that is over on that day, else the last one."""
    tomorrow = as_of + timedelta(days=1)
    over = [month for month in months if month <= months_before(tomorrow, 1)]
    return (over or months)[-1]
