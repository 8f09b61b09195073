"""What the page is made of, and the one maker of its figures and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from drawing import HALF, WIDE, Drawing, Said, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from charts import Chart
    from queries import Answer, Answers, Row
    from words import Words

MOST_ROWS: Final = 250
"""Rows of a table at most; the statement under it gives them all."""

NUMBERS: Final = frozenset({"money", "count", "number", "percent", "rate"})
"""Kinds of columns that stand on the right."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: Its name in the rows.
        heading: Its name for people.
        kind: As in `Formats.cell`.
        domain: Kind of word to translate, such as status; empty for what is not translated.
    """

    key: str
    heading: str
    kind: str = "text"
    domain: str = ""

    @property
    def is_number(self) -> bool:
        """True if it stands on the right."""
        return self.kind in NUMBERS


@dataclass(frozen=True)
class Table:
    """Rows for people.

    Attributes:
        id: In the page.
        caption: What it shows.
        columns: Its columns.
        rows: Its rows, `MOST_ROWS` at most.
        total: How many there are.
        sql: Gives them all.
        filter_key: Column by which a control filters it; empty if none does.
        is_open: True if it is no detail.
    """

    id: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    total: int
    sql: str
    filter_key: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class Control:
    """A choice, as a list to choose from.

    Attributes:
        id: In the page.
        label: What is chosen.
        options: Value and text of each choice; the first is the choice at first.
        param: Parameter of the charts that it sets.
        charts: Their ids.
        table: Id of a table that it filters, by the text of the choice.
        chosen: The choice at first.
    """

    id: str
    label: str
    options: Sequence[tuple[str, str]]
    param: str = ""
    charts: Sequence[str] = ()
    table: str = ""
    chosen: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart with its words and its tables.

    Attributes:
        id: In the page.
        title: What it shows.
        description: What it looks like, in words.
        drawing: The chart.
        is_wide: True if it wants the whole width.
        unit: Currency of its amounts, or empty.
        legend: Colour and meaning.
        controls: Choices above it.
        sets: Id of the control that a click sets, and the field that it sets it to.
        tables: Its numbers.
    """

    id: str
    title: str
    description: str
    drawing: Drawing
    is_wide: bool = True
    unit: str = ""
    legend: Sequence[tuple[str, str]] = ()
    controls: Sequence[Control] = ()
    sets: tuple[str, str] | None = None
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Tile:
    """A number of the first screen."""

    label: str
    value: Markup
    note: Markup = field(default_factory=Markup)
    is_alarming: bool = False


@dataclass
class Block:
    """What a section shows of one currency.

    Attributes:
        currency: ISO 4217 code; empty where it is about no currency.
        lead: Sentences with the numbers that matter.
        figures: Its charts.
        tables: Its tables beside those of the charts.
        controls: Choices above its tables.
    """

    currency: str
    lead: list[Markup] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)


@dataclass
class Section:
    """A section of the page.

    Attributes:
        id: In the page.
        title: Its heading.
        blocks: One for each currency that it says something about.
        notes: How it is to be read.
        absent: Tables that the warehouse does not have.
    """

    id: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    notes: list[Markup] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Maker:
    """Makes figures and tables of one currency.

    Attributes:
        answers: All that is known.
        words: The language.
        currency: ISO 4217 code.
        place: Number of the currency, for ids.
        threshold: Amount below which cash should not fall; None without one.
    """

    answers: Answers
    words: Words
    currency: str
    place: int
    threshold: Decimal | None = None

    def rows(self, name: str) -> list[Row]:
        """Return the rows of an answer that are of this currency."""
        return self.answers[name].of(self.currency)

    def id(self, name: str) -> str:
        """Return an id that no other currency has."""
        return f"{name}-{self.place}"

    def money(self, value: Decimal | None) -> Markup:
        """Write an amount with its currency, and its exact value for programs."""
        return self.words.number(value, "money", self.currency)

    def table(
        self,
        name: str,
        columns: Sequence[Column],
        rows: Sequence[Row],
        answer: Answer,
        **options: Any,
    ) -> Table:
        """Make a table, cut to `MOST_ROWS`.

        Args:
            name: Key of its caption (`table.` before it), and its id.
            columns: Its columns.
            rows: All its rows.
            answer: Where they come from.
            options: More of `Table`.
        """
        caption = self.words.plain(f"table.{name}")
        shown = rows[:MOST_ROWS]
        total = options.pop("total", len(rows))
        return Table(self.id(f"t-{name}"), caption, columns, shown, total, answer.sql, **options)

    def figure(
        self,
        name: str,
        chart: Chart,
        *,
        is_wide: bool = True,
        said: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Figure:
        """Draw a chart and put its words beside it.

        Args:
            name: Key of its title and description (`figure.` before it), and its id.
            chart: The chart.
            is_wide: True if it wants the whole width.
            said: Values in the description.
            options: More of `Figure`.
        """
        title = self.words.plain(f"figure.{name}")
        description = self.words.plain(f"figure.{name}.desc", **(said or {}))
        id_ = self.id(name)
        words = Said(id_, title, description)
        drawing = draw(chart, WIDE if is_wide else HALF, words, self.words.formats)
        options.setdefault("unit", self.currency)
        return Figure(id_, title, description, drawing, is_wide, **options)

    def columns(self, *columns: str | tuple[str, ...]) -> list[Column]:
        """Make columns whose headings are `column.` and the key.

        Args:
            columns: A key, or a key with kind and domain.
        """
        made = []
        for column in columns:
            key, *rest = (column,) if isinstance(column, str) else column
            made.append(Column(key, self.words.plain(f"column.{key}"), *rest))
        return made

    def tips(self, *keys: str) -> dict[str, str]:
        """Return titles of tooltips."""
        return {key: self.words.plain(f"column.{key}") for key in keys}
