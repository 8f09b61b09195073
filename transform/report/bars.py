"""Charts by name rather than by time: bars that lie, shares, and receipts by person and month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import altair as alt

from charts import MONEY, MONTH, WHOLE, bands, by_month, colour, data, money_axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from charts import Chart, Colours
    from queries import Row

_BAR: Final = 26
"""Pixels for a lying bar and the space around it."""

_ROOM: Final = 70
"""Pixels right of the longest bar, for its number."""

_ONE: Final = alt.value(1)


def categories(
    rows: Sequence[Row], colours: Colours, month: str, words: Mapping[str, str]
) -> Chart:
    """Draw what came in and went out by category in the chosen month.

    Args:
        rows: month, category, kind and amount, signed.
        colours: By kind, in words.
        month: The month that is chosen at first, an ISO day.
        words: Titles of the tooltips.
    """
    chosen = alt.param(name="month", value=month)
    base = (
        alt.Chart(data(rows))
        .transform_filter("datum.month == month")
        .transform_calculate(size="abs(datum.amount)")
    )
    bars = base.mark_bar().encode(
        y=_names("category", "size"),
        x=alt.X("amount:Q", axis=money_axis(tickCount=4, title=None, grid=True)),
        color=colour("kind", colours),
        tooltip=[
            alt.Tooltip("category:N", title=words["category"]),
            alt.Tooltip("kind:N", title=words["kind"]),
            alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
        ],
    )
    chart: Chart = bars.add_params(chosen).properties(height=alt.Step(_BAR - 4))
    return chart


def _names(field: str, by: str | None = None, order: Sequence[str] | None = None) -> alt.Y:
    sort: Any = order
    if by is not None:
        sort = alt.EncodingSortField(field=by, op="max", order="descending")
    axis = alt.Axis(title=None, labelLimit=150, domain=False, ticks=False)
    return alt.Y(f"{field}:N", axis=axis, sort=sort)


def lying(
    rows: Sequence[Row],
    colours: Colours | None,
    words: Mapping[str, str],
    *,
    order: Sequence[str] | None = None,
    pointer: bool = False,
) -> Chart:
    """Draw bars that lie, with their numbers beside them.

    Args:
        rows: name, total, and kind and amount of each part.
        colours: By kind, in words; None for one colour.
        words: Titles of the tooltips.
        order: Names from top to bottom; by default the largest first.
        pointer: True if a bar can be chosen.
    """
    base = alt.Chart(data(rows))
    names = _names("name", None if order else "total", order)
    bars = base.mark_bar(cursor="pointer" if pointer else "default").encode(
        y=names,
        x=_length("amount"),
        color=colour("kind", colours) if colours else alt.value("var(--out)"),
        order="order:Q",
        tooltip=[
            alt.Tooltip("name:N", title=words["name"]),
            alt.Tooltip("kind:N", title=words["kind"]),
            alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
        ],
    )
    if pointer:
        choice = alt.condition("category == '' || datum.name == category", _ONE, alt.value(0.35))
        bars = bars.encode(opacity=choice).add_params(alt.param(name="category", value=""))
    totals = base.transform_filter("datum.order == 0").encode(y=names, x=_length("total"))
    numbers = totals.mark_text(align="left", dx=6).encode(text=alt.Text("total:Q", format=WHOLE))
    return alt.layer(bars, numbers).properties(height=alt.Step(_BAR))


def _length(field: str) -> alt.X:
    scale = alt.Scale(range=[0, {"expr": f"width - {_ROOM}"}])
    return alt.X(f"{field}:Q", axis=None, scale=scale)


def spending(rows: Sequence[Row], words: Mapping[str, str], most: int) -> Chart:
    """Draw the largest names of the chosen category.

    Args:
        rows: category, name and amount.
        words: Titles of the tooltips.
        most: How many names at most.
    """
    base = (
        alt.Chart(data(rows))
        .transform_filter("category == '' || datum.category == category")
        .transform_aggregate(total="sum(amount)", groupby=["name"])
        .transform_window(rank="row_number()", sort=[alt.SortField("total", order="descending")])
        .transform_filter(f"datum.rank <= {most}")
    )
    names = _names("name", "total")
    bars = base.mark_bar(color="var(--out)").encode(
        y=names,
        x=_length("total"),
        tooltip=[
            alt.Tooltip("name:N", title=words["name"]),
            alt.Tooltip("total:Q", format=MONEY, title=words["amount"]),
        ],
    )
    numbers = base.mark_text(align="left", dx=6).encode(
        y=names, x=_length("total"), text=alt.Text("total:Q", format=WHOLE)
    )
    chosen = alt.param(name="category", value="")
    return alt.layer(bars, numbers).add_params(chosen).properties(height=alt.Step(_BAR))


def missing(rows: Sequence[Row], order: Sequence[str], words: Mapping[str, str]) -> Chart:
    """Draw how many receipts are missing by person and month.

    Args:
        rows: holder, month, transactions and amount.
        order: Persons from top to bottom.
        words: Titles of the tooltips.
    """
    base = by_month(rows).encode(x=bands("month", MONTH, 0.04), y=_names("holder", order=order))
    cells = base.mark_rect(color="var(--out)", stroke="var(--paper)").encode(
        opacity=alt.Opacity(
            "transactions:Q", scale=alt.Scale(range=[0.08, 0.75], domainMin=0), legend=None
        ),
        tooltip=[
            alt.Tooltip("holder:N", title=words["holder"]),
            alt.Tooltip("when:N", title=words["month"]),
            alt.Tooltip("transactions:Q", format=WHOLE, title=words["transactions"]),
            alt.Tooltip("amount:Q", format=MONEY, title=words["amount"]),
        ],
    )
    numbers = base.mark_text(fontSize=11).encode(text=alt.Text("transactions:Q", format=WHOLE))
    choice = alt.condition("person == '' || datum.holder == person", _ONE, alt.value(0.2))
    chosen = alt.param(name="person", value="")
    layers = alt.layer(cells, numbers.encode(opacity=choice)).add_params(chosen)
    return layers.properties(height=alt.Step(_BAR))


def rates(rows: Sequence[Row], colours: Colours, words: Mapping[str, str]) -> Chart:
    """Draw shares by month as lines.

    Args:
        rows: month, kind and share.
        colours: By kind, in words.
        words: Titles of the tooltips.
    """
    axis = alt.Axis(format=".0%", tickCount=5, title=None)
    base = by_month(rows).encode(
        x=bands("month", MONTH),
        y=alt.Y("share:Q", axis=axis, scale=alt.Scale(domain=[0, 1])),
        color=colour("kind", colours),
        tooltip=[
            alt.Tooltip("when:N", title=words["month"]),
            alt.Tooltip("kind:N", title=words["kind"]),
            alt.Tooltip("share:Q", format=".1%", title=words["share"]),
        ],
    )
    return alt.layer(
        base.mark_line(strokeWidth=2), base.mark_point(filled=True, size=30, opacity=1)
    ).properties(height=220)
