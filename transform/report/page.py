"""Puts the page together: sections, style, and scripts whose hashes the page's policy names."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2

import money
import papers
import spent
from drawing import in_script
from formats import machine
from parts import Block, Maker, Section
from trust import check_sentence, complete, trust
from words import as_html

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from decimal import Decimal

    from markupsafe import Markup

    from checks import Checks
    from queries import Answers, Row
    from words import Words

    Writer = Callable[[Maker, Row | None], Block]

_HERE: Final = Path(__file__).parent

_SECTIONS: Final[Sequence[tuple[str, Writer, Sequence[str]]]] = (
    ("cash", money.cash, ("balances", "forecast", "accounts", "expected")),
    ("flows", lambda maker, _: money.flows(maker), ("flows",)),
    ("owed", papers.owed, ("receivables",)),
    ("to_pay", papers.to_pay, ("payables",)),
    ("vat", lambda maker, _: spent.vat(maker), ("vat",)),
    ("spending", lambda maker, _: spent.spending(maker), ("spend_category",)),
    ("documents", spent.documents, ("missing", "documented")),
    ("trust", trust, ("gaps", "errors")),
)
"""Key of its words, what writes it, and the answers that it wants."""

_MOST_BYTES: Final = 1_450_000
"""Bytes of a page that can still be mailed; tables get shorter until it is that small."""

_MOST_ROWS: Final = ((250, 100), (250, 60), (120, 40), (60, 25), (25, 10))
"""Rows of an open table and of one under details at most, tried in this order.

The statement under a table gives them all."""

_STALE_DAYS: Final = 2
"""Days after the load at which a reader is told how old the numbers are."""


@dataclass(frozen=True)
class Options:
    """How the report is to be.

    Attributes:
        built_at: Instant of the report, in UTC.
        threshold: Amount in the main currency below which cash should not fall; None without one.
    """

    built_at: datetime
    threshold: Decimal | None = None


def render(
    answers: Answers, checks: Checks, words: Words, options: Options, library: Future[str]
) -> str:
    """Return the page.

    Args:
        answers: What the tables say.
        checks: What dbt says of them.
        words: The language.
        options: How it is to be.
        library: Will be the script of Vega.
    """
    kpis = {row["currency"]: row for row in answers["kpis"].rows}
    makers = [
        Maker(answers, words, currency, place, options.threshold if place == 0 else None)
        for place, currency in enumerate(answers.currencies)
    ]
    nobodys = Maker(answers, words, "", 0)
    sections = [
        _section(name, writer, wanted, makers or [nobodys], kpis)
        for name, writer, wanted in _SECTIONS
    ]
    complete(sections[-1], nobodys, checks)
    main: Row = next(iter(kpis.values()), {})
    loaded_at = main.get("loaded_at")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["machine"] = machine
    scripts = [_script_text(script) for script in (library.result(), _read("page.js"))]
    said: dict[str, Any] = {
        "words": words,
        "organization": main.get("organization_name") or words.plain("page.nobody"),
        "as_of": answers.as_of,
        "loaded_at": loaded_at.replace(tzinfo=UTC) if loaded_at else None,
        "built_at": options.built_at,
        "checks": checks,
        "check_sentence": check_sentence(words, checks),
        "tiles": [
            (maker.currency, money.tiles(maker, kpis[maker.currency]))
            for maker in makers
            if maker.currency in kpis
        ],
        "sections": sections,
        "has_currencies": len(makers) > 1,
        "style": as_html(_read("page.css")),
        "scripts": scripts,
        "hashes": [_hash(script) for script in scripts],
        "settings": in_script(_settings(words, loaded_at, sections)),
    }
    return _of_bearable_size(environment.get_template("page.html"), said)


def _of_bearable_size(template: jinja2.Template, said: dict[str, Any]) -> str:
    """Return the page with as many rows as it can bear."""
    page = ""
    for most_open, most_under in _MOST_ROWS:
        page = template.render(said, most_open=most_open, most_under=most_under)
        if len(page.encode()) <= _MOST_BYTES:
            break
    return page


def _settings(
    words: Words, loaded_at: datetime | None, sections: Sequence[Section]
) -> dict[str, Any]:
    """Return what the page's script must know."""
    configs = (
        dict(figure.drawing.config)
        for section in sections
        for block in section.blocks
        for figure in block.figures
    )
    return {
        "number": words.formats.number_locale,
        "time": words.formats.time_locale,
        "loaded": loaded_at.replace(tzinfo=UTC).isoformat() if loaded_at else None,
        "config": next(configs, {}),
        "stale": words.plain("page.stale", days="{days}"),
        "stale_days": _STALE_DAYS,
    }


def _section(
    name: str,
    writer: Writer,
    wanted: Sequence[str],
    makers: Sequence[Maker],
    kpis: dict[str, Row],
) -> Section:
    blocks = [writer(maker, kpis.get(maker.currency)) for maker in makers]
    said = [block for block in blocks if block.lead or block.figures or block.tables]
    answers = [makers[0].answers[answer] for answer in wanted]
    absent = sorted({answer.table for answer in answers if not answer.is_there})
    return Section(name, makers[0].words.plain(f"section.{name}"), said, absent=absent)


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _script_text(script: str) -> Markup:
    """Return a script that cannot end the element in which it stands."""
    return as_html(script.replace("</script", "<\\/script"))  # our own, and Vega


def _hash(script: str) -> str:
    """Return how a policy names a script."""
    return "sha256-" + b64encode(sha256(script.encode()).digest()).decode()
