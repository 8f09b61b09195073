"""The charts: each takes rows and returns what is to be drawn.

Colours are the page's variables (`var(--in)`), so that light and dark share a drawing. Signed
amounts go up or right when money comes in. A parameter is set by a control of the same name.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import altair as alt

from drawing import HIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from queries import Row

    Chart = alt.Chart | alt.LayerChart | alt.FacetChart
    Colours = Mapping[str, str]

CERTAINTIES: Final = ("known", "likely", "learned", "assumed")
"""From the surest to the least sure; the base line is their sum."""

_SHORT: Final = "datum.value == 0 ? '0' : format(datum.value, '~s')"
MONEY: Final = ",.2f"
WHOLE: Final = ",.0f"

_ROOM: Final = "width / length(domain('x'))"
"""Pixels for each month or week of an axis."""

MONTH: Final = (
    f"{_ROOM} < 34 && utcmonth(toDate(datum.value)) % 3 != 0 ? ''"
    " : utcmonth(toDate(datum.value)) == 0"
    " ? [utcFormat(toDate(datum.value), '%b'), utcFormat(toDate(datum.value), '%Y')]"
    " : utcFormat(toDate(datum.value), '%b')"
)
"""A month for people: each one or, where there is little room, each third one."""

_WEEK: Final = (
    f"{_ROOM} < 52 && indexof(domain('x'), datum.value) % 3 != 0 ? ''"
    " : utcFormat(toDate(datum.value), '%d %b')"
)


def data(rows: Sequence[Mapping[str, Any]]) -> alt.InlineData:
    """Return rows as a chart takes them: what is drawn need not be exact to the cent."""
    return alt.InlineData(
        values=[
            {
                key: float(value) if isinstance(value, Decimal) else value
                for key, value in row.items()
            }
            for row in rows
        ]
    )


def money_axis(**options: Any) -> alt.Axis:
    """Return an axis of amounts: 50k, 1.2M."""
    return alt.Axis(labelExpr=_SHORT, **options)


def _amount(title: str | None = None, field: str = "amount", **options: Any) -> alt.Y:
    return alt.Y(f"{field}:Q", axis=money_axis(tickCount=5, title=title), **options)


def bands(field: str, expression: str, gap: float = 0.3, **options: Any) -> alt.X:
    """Return an axis of months or weeks, whose values are ISO days."""
    axis = alt.Axis(labelExpr=expression, labelAngle=0, title=None, labelOverlap=False, ticks=False)
    return alt.X(f"{field}:O", axis=axis, scale=alt.Scale(paddingInner=gap), **options)


def colour(field: str, colours: Colours) -> alt.Color:
    """Return what gives each value of a field its colour; the page has the legend."""
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{field}:N", scale=scale, legend=None)


def by_month(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """Return a chart of rows with a month, an ISO day, which gets `when` in words."""
    return alt.Chart(data(rows)).transform_calculate(when="utcFormat(toDate(datum.month), '%B %Y')")


def _zero() -> alt.Chart:
    rule = alt.Chart(data([{"zero": 0}])).mark_rule(color="var(--line)", strokeWidth=1)
    zero: alt.Chart = rule.encode(y=alt.Y("zero:Q", title=None))
    return zero


def cash(
    history: str,
    weeks: Sequence[Row],
    marks: Mapping[str, Row],
    words: Mapping[str, str],
) -> Chart:
    """Draw the balance by day, and what is expected of it, dashed.

    Args:
        history: CSV of day, `all` and a column for each account (`a0`, ...).
        weeks: day, closing and top (with what is doubtful) at the end of each week.
        marks: `today` and `lowest`, each with day and amount, and `threshold` with an amount.
        words: Titles of the tooltips: day, balance, expected, doubtful; what `today` and
            `lowest` are called.
    """
    day = alt.X(
        "day:T",
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(title=None, format="%b", labelExpr=_TIME, tickCount={"expr": "width / 70"}),
    )
    y = alt.Y("value:Q", axis=money_axis(tickCount=5, title=None))
    past = (
        alt.Chart(alt.InlineData(values=history, format=alt.CsvDataFormat(type="csv")))
        .transform_calculate(
            value="toNumber(datum[account])", when="utcFormat(toDate(datum.day), '%d %b %Y')"
        )
        .transform_filter("isValid(datum.value)")
    )
    future = (
        alt.Chart(data(weeks))
        .transform_filter("account == 'all'")
        .transform_calculate(when="utcFormat(toDate(datum.day), '%d %b %Y')")
    )
    layers: list[alt.Chart] = [
        past.mark_area(color="var(--balance)", opacity=0.12).encode(x=day, y=y),
        future.mark_area(color="var(--doubtful)", opacity=0.35).encode(
            x=day, y=alt.Y("closing:Q", title=None), y2="top:Q"
        ),
        past.mark_line(color="var(--balance)", strokeWidth=1.75).encode(x=day, y=y),
        future.mark_line(color="var(--balance)", strokeWidth=1.75, strokeDash=[5, 4]).encode(
            x=day, y=alt.Y("closing:Q", title=None)
        ),
    ]
    for name in ("today", "threshold", "lowest"):
        if mark := marks.get(name):
            layers += _mark(name, mark, day, words)
    layers += _touched(past, future, day, words)
    account = alt.param(name="account", value="all")
    return alt.layer(*layers).add_params(account).properties(height=300)


def _touched(
    past: alt.Chart, future: alt.Chart, day: alt.X, words: Mapping[str, str]
) -> list[alt.Chart]:
    """Return what nobody sees, and what tells its figures to whoever points at it."""
    when = alt.Tooltip("when:N", title=words["day"])
    return [
        past.mark_rule(strokeWidth=4, opacity=0, color="var(--ink)")
        .encode(x=day, tooltip=[when, alt.Tooltip("value:Q", format=MONEY, title=words["balance"])])
        .properties(name=HIT),
        future.mark_point(size=60, filled=True, color="var(--balance)", opacity=0.001).encode(
            x=day,
            y=alt.Y("closing:Q", title=None),
            tooltip=[
                when,
                alt.Tooltip("closing:Q", format=MONEY, title=words["expected"]),
                alt.Tooltip("top:Q", format=MONEY, title=words["doubtful"]),
            ],
        ),
    ]


_TIME: Final = (
    "utcmonth(datum.value) == 0"
    " ? [utcFormat(datum.value, '%b'), utcFormat(datum.value, '%Y')]"
    " : utcFormat(datum.value, '%b')"
)


def _mark(name: str, mark: Row, day: alt.X, words: Mapping[str, str]) -> list[alt.Chart]:
    base = alt.Chart(data([mark]))
    if name == "threshold":
        rule = base.mark_rule(color="var(--out)", strokeDash=[2, 3])
        return [rule.encode(y=alt.Y("amount:Q", title=None))]
    if name == "today":
        return [base.mark_rule(color="var(--line)").encode(x=day)]
    base = base.transform_filter("account == 'all'")
    y = alt.Y("amount:Q", title=None)
    dot = base.mark_point(filled=True, size=70, color="var(--out)", opacity=1)
    label = base.mark_text(
        align="right", dy=22, dx=4, color="var(--ink)", fontWeight=600, limit=320
    )
    return [dot.encode(x=day, y=y), label.encode(x=day, y=y, text=alt.value(words["lowest"]))]


def expected(rows: Sequence[Row], colours: Colours, words: Mapping[str, str]) -> Chart:
    """Draw expected money in (up) and out (down) by week, by certainty.

    Args:
        rows: week, certainty, order and amount, signed.
        colours: By certainty, in words.
        words: Titles of the tooltips.
    """
    bars = (
        alt.Chart(data(rows))
        .transform_calculate(when="utcFormat(toDate(datum.week), '%d %b %Y')")
        .mark_bar()
        .encode(
            x=bands("week", _WEEK),
            y=_amount(),
            color=colour("certainty", colours),
            order="order:Q",
            tooltip=[
                alt.Tooltip("when:N", title=words["week"]),
                alt.Tooltip("certainty:N", title=words["certainty"]),
                alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
            ],
        )
    )
    return alt.layer(bars, _zero()).properties(height=220)


def flow(
    rows: Sequence[Row], nets: Sequence[Row], colours: Colours, month: str, words: Mapping[str, str]
) -> Chart:
    """Draw money in (up) and out (down) by month, and their difference as a line.

    Args:
        rows: month, kind and amount, signed.
        nets: month and net.
        colours: By kind, in words.
        month: The month that is chosen at first, an ISO day.
        words: Titles of the tooltips.
    """
    title = alt.Tooltip("when:N", title=words["month"])
    bars = (
        by_month(rows)
        .mark_bar(cursor="pointer")
        .encode(
            x=bands("month", MONTH),
            y=_amount(),
            color=colour("kind", colours),
            opacity=alt.condition("datum.month == month", alt.value(1), alt.value(0.6)),
            tooltip=[
                title,
                alt.Tooltip("kind:N", title=words["kind"]),
                alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
            ],
        )
    )
    net = by_month(nets).encode(
        x=bands("month", MONTH),
        y=alt.Y("net:Q", title=None),
        tooltip=[title, alt.Tooltip("net:Q", format=MONEY, title=words["net"])],
    )
    line = net.mark_line(color="var(--ink)", strokeWidth=1.5)
    dots = net.mark_point(color="var(--ink)", fill="var(--paper)", size=34, opacity=1)
    chosen = alt.param(name="month", value=month)
    return alt.layer(bars, _zero(), line, dots).add_params(chosen).properties(height=280)


def pay_weeks(
    rows: Sequence[Row], order: Sequence[str], colours: Colours, words: Mapping[str, str]
) -> Chart:
    """Draw what is to be paid by week and status.

    Args:
        rows: week (in words), status and amount.
        order: Weeks in words, from left to right.
        colours: By status, in words.
        words: Titles of the tooltips.
    """
    axis = alt.Axis(labelAngle=0, title=None, ticks=False, labelOverlap="greedy")
    chart: Chart = (
        alt.Chart(data(rows))
        .mark_bar(size=38)
        .encode(
            x=alt.X("week:N", sort=list(order), axis=axis),
            y=_amount(),
            color=colour("status", colours),
            tooltip=[
                alt.Tooltip("week:N", title=words["week"]),
                alt.Tooltip("status:N", title=words["status"]),
                alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
            ],
        )
        .properties(height=200)
    )
    return chart


def vat(
    rows: Sequence[Row],
    nets: Sequence[Row],
    colours: Colours,
    method: str,
    words: Mapping[str, str],
) -> Chart:
    """Draw VAT collected (up) and deductible (down) by month and rate, and the net as a line.

    Args:
        rows: method, month, rate, kind (side and rate, in words) and amount, signed.
        nets: method, month and net.
        colours: By kind, in words.
        method: The method that is chosen at first.
        words: Titles of the tooltips.
    """
    chosen = alt.param(name="method", value=method)
    title = alt.Tooltip("when:N", title=words["month"])
    bars = (
        by_month(rows)
        .transform_filter("datum.method == method")
        .mark_bar()
        .encode(
            x=bands("month", MONTH),
            y=_amount(),
            color=colour("kind", colours),
            tooltip=[
                title,
                alt.Tooltip("kind:N", title=words["kind"]),
                alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
            ],
        )
    )
    net = (
        by_month(nets)
        .transform_filter("datum.method == method")
        .encode(
            x=bands("month", MONTH),
            y=alt.Y("net:Q", title=None),
            tooltip=[title, alt.Tooltip("net:Q", format=MONEY, title=words["net"])],
        )
    )
    line = net.mark_line(color="var(--ink)", strokeWidth=1.5)
    dots = net.mark_point(color="var(--ink)", fill="var(--paper)", size=34, opacity=1)
    return alt.layer(bars, _zero(), line, dots).add_params(chosen).properties(height=240)


def errors(rows: Sequence[Row], colours: Colours, words: Mapping[str, str]) -> Chart:
    """Draw what came after each past month end (bars) and what each method expected (dots).

    Args:
        rows: month, kind (in words), came (true for what came) and amount.
        colours: By kind, in words.
        words: Titles of the tooltips.
    """
    base = by_month(rows).encode(
        x=bands("month", MONTH),
        y=_amount(),
        color=colour("kind", colours),
        tooltip=[
            alt.Tooltip("when:N", title=words["month"]),
            alt.Tooltip("kind:N", title=words["kind"]),
            alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
        ],
    )
    bars = base.transform_filter("datum.came").mark_bar()
    dots = base.transform_filter("!datum.came").mark_point(filled=True, size=55, opacity=1)
    return alt.layer(bars, _zero(), dots).properties(height=220)
