"""What stands in a report, read without a browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64encode
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.books import CHECKOUT, HOSTILE, NAMES, WORLDS, contract, two_currencies, usual
from tests.report.reading import Element, read

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # drawing all of them takes twenty seconds

SECTIONS = ["cash", "flows", "owed", "to_pay", "vat", "spending", "documents", "trust"]

CHARTS = [
    *("cash", "expected", "flow", "categories", "ages", "clients", "pay_weeks", "vat"),
    *("spend-category", "spend-supplier", "spend-team", "spend-card", "missing", "rates", "errors"),
]

DBT = {
    "metadata": {"generated_at": "2026-11-01T06:30:00.000000Z"},
    "results": [
        {"unique_id": "model.qonto.qonto__kpis", "status": "success", "failures": None},
        {"unique_id": "test.qonto.identity_1.abc", "status": "pass", "failures": 0},
        {"unique_id": "test.qonto.identity_4.abc", "status": "warn", "failures": 2},
        {"unique_id": "unit_test.qonto.stg_x.leap_day", "status": "pass", "failures": 0},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every report of `WORLDS`, and what its statements give."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / "run_results.json").write_text(json.dumps(DBT), encoding="utf-8")
    command = [sys.executable, "-m", "tests.report.books", str(folder)]
    built = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, Element]:
    return {name: read(text(folder, name)) for name in WORLDS}


def text(folder: Path, world: str) -> str:
    return (folder / f"{world}.html").read_text(encoding="utf-8")


def numbers(element: Element) -> list[str]:
    """Return the exact values that an element gives to programs."""
    return [data.attributes["value"] for data in element.all("data")]


def test_every_amount_of_the_first_screen_is_that_of_qonto__kpis(pages: dict[str, Element]) -> None:
    [kpi] = usual()["kpis"]
    shown = {
        tile.one("dt").text: (numbers(tile.all("dd")[0]), numbers(tile.all("dd")[1]))
        for tile in pages["usual"].one("dl", class_="tiles").all("div")
    }

    assert shown == {
        "Cash": ([kpi["cash"]], [kpi["available"]]),
        "Lowest point ahead": ([kpi["lowest_balance"]], [str(kpi["lowest_week_starts_on"])]),
        "Runway": ([kpi["runway_months"]], [kpi["burn"]]),
        "Overdue from clients": ([kpi["overdue"]], ["3", kpi["receivables"]]),
        "To pay in 30 days": (
            [kpi["to_pay_30_days"]],
            [kpi["to_pay_7_days"], kpi["payables_overdue"]],
        ),
        "Receipts missing": (["17"], [kpi["missing_receipts_amount"]]),
    }


def canonical(value: str) -> str:
    """Write a number in one way, whichever type the database gave it."""
    return f"{Decimal(value).normalize():f}"


@pytest.mark.parametrize("world", WORLDS)
def test_every_number_of_a_table_is_what_its_statement_gives(
    world: str, folder: Path, pages: dict[str, Element]
) -> None:
    answers = json.loads((folder / f"{world}.json").read_text(encoding="utf-8"))
    tables = pages[world].all("table")
    language = pages[world].one("html").attributes["lang"]
    compared = 0
    for table in tables:
        assert table.parent is not None
        assert table.parent.parent is not None
        following = table.parent.parent.children
        after = following[following.index(table.parent) :]
        statement = next((it for it in after if it.attributes.get("class") == "sql"), None)
        if statement is None:
            assert table.attributes["id"] == "t-checks"
            continue
        rows = answers[re.search(r"<code>(.*?)</code>", markup(statement), re.DOTALL)[1]]  # type: ignore[index] # each has one
        known = {canonical(cell) for row in rows for cell in row if is_number(cell)}
        cells = [cell for cell in table.all("td") if cell.attributes.get("data-v")]
        unknown = {cell.text for cell in cells if canonical(cell.attributes["data-v"]) not in known}
        assert not unknown, table.attributes["id"]
        for cell in cells:
            shown = shown_number(cell.text, language)
            assert canonical(cell.attributes["data-v"]) == shown
        compared += len(cells)

    assert compared or world == "empty"


def markup(statement: Element) -> str:
    """Return the statement as the page wrote it."""
    code = statement.one("code").text
    escaped = code.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<code>{escaped.replace(chr(39), '&#39;')}</code>"


def is_number(cell: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", cell) is not None


def shown_number(shown: str, language: str) -> str:
    """Return a number as people read it, for programs."""
    marks = {"en": {",": ""}, "fr": {"\u202f": "", ",": "."}}[language]
    plain = shown.replace("\u2212", "-").rstrip("%\u00a0")
    for mark, meaning in marks.items():
        plain = plain.replace(mark, meaning)
    return canonical(plain)


@pytest.mark.parametrize("world", ["usual", "french_nameless", "hostile", "many"])
def test_each_chart_is_one_svg_with_a_title_a_description_and_its_table(
    world: str, pages: dict[str, Element]
) -> None:
    figures = pages[world].all("figure")

    assert [figure.attributes["id"] for figure in figures] == [f"f-{name}-0" for name in CHARTS]
    for figure in figures:
        svg = figure.one("svg")
        assert svg.one("title").text == figure.one("figcaption").text.removesuffix(" EUR")
        assert svg.one("desc").text
        ids = [svg.one("title").attributes["id"], svg.one("desc").attributes["id"]]
        assert svg.attributes["aria-labelledby"].split() == ids
        assert svg.all("path") or svg.all("text")
        assert all(table.all("td") for table in figure.all("details")[0].all("table"))


@pytest.mark.parametrize("world", WORLDS)
def test_ids_are_given_once(world: str, pages: dict[str, Element]) -> None:
    ids = [it.attributes["id"] for it in pages[world].below() if "id" in it.attributes]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("world", WORLDS)
def test_a_page_is_small_and_asks_nobody(
    world: str, folder: Path, pages: dict[str, Element]
) -> None:
    assert (folder / f"{world}.html").stat().st_size < 1_500_000

    policy = pages[world].one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert not re.search(r"https?:|\*|data:|blob:", policy)
    for element in pages[world].below():
        sources = {"src", "srcset", "data", "action", "xlink:href", "poster", "background"}
        assert not sources & element.attributes.keys()
        assert element.attributes.get("href", "#").startswith("#")
        assert element.name not in {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"url\(|@import", pages[world].one("style").text)


@pytest.mark.parametrize("world", WORLDS)
def test_only_the_two_scripts_that_the_policy_names_can_run(
    world: str, pages: dict[str, Element]
) -> None:
    policy = pages[world].one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    scripts = pages[world].all("script")
    running = [script for script in scripts if "type" not in script.attributes]
    others = [script for script in scripts if "type" in script.attributes]

    assert len(running) == 2
    for script in running:
        digest = b64encode(sha256(script.text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert {script.attributes["type"] for script in others} == {"application/json"}
    for script in others:
        json.loads(script.text)


def test_hostile_names_are_text(pages: dict[str, Element]) -> None:
    page = pages["hostile"]
    cells = {cell.text for cell in page.all("td")}

    assert page.one("h1").text == HOSTILE[0]
    assert page.all("title")[0].text.startswith(HOSTILE[0])
    assert cells.issuperset(HOSTILE)
    names = [
        json.dumps(json.loads(script.text), ensure_ascii=False)
        for script in page.all("script", id="clients-0-spec")
    ]
    assert all(json.dumps(name, ensure_ascii=False)[1:-1] in names[0] for name in HOSTILE)
    assert "document.title='taken'" not in "".join(
        script.text for script in page.all("script") if "type" not in script.attributes
    )
    assert "49" not in {cell.strip() for cell in cells}


def test_a_french_company_reads_french_numbers_and_words(pages: dict[str, Element]) -> None:
    page = pages["french_nameless"]
    [kpi] = usual()["kpis"]
    cash = page.one("dl", class_="tiles").all("dd")[0].text

    assert page.one("html").attributes["lang"] == "fr"
    whole, cents = kpi["cash"].split(".")
    assert cash == f"{int(whole):,}".replace(",", "\u202f") + f",{cents}\u00a0EUR"
    assert [it.text for it in page.all("h2")][:2] == [
        "Trésorerie",
        "Encaissements et décaissements",
    ]


def test_without_names_no_person_and_no_company_is_in_the_file(folder: Path) -> None:
    page = text(folder, "french_nameless")

    assert "Fournisseur 1" in page
    assert "Client 2" in page
    assert "Personne 1" in page
    assert not [name for name in NAMES[1:] if name in page]


@pytest.mark.parametrize("place", [0, 1])
def test_no_number_of_the_first_screen_mixes_currencies(
    place: int, pages: dict[str, Element]
) -> None:
    kpi = two_currencies()["kpis"][place]
    tiles = pages["two_currencies"].all("dl", class_="tiles")[place]
    known = {str(value) for value in kpi.values()}

    assert set(numbers(tiles)) <= known
    assert all(kpi["currency"] in tile.all("dd")[0].text for tile in tiles.all("div")[:2])


def test_each_currency_has_charts_of_its_own(pages: dict[str, Element]) -> None:
    ids = [figure.attributes["id"] for figure in pages["two_currencies"].all("figure")]

    assert sorted(ids) == sorted(f"f-{name}-{place}" for name in CHARTS for place in (0, 1))


@pytest.mark.parametrize("world", WORLDS)
def test_every_section_is_there_whatever_the_tables_hold(
    world: str, pages: dict[str, Element]
) -> None:
    assert [it.attributes["id"] for it in pages[world].all("section")] == SECTIONS
    links = [link.attributes["href"] for link in pages[world].one("nav").all("a")]
    assert links == [f"#{name}" for name in SECTIONS]


def test_a_section_says_which_of_its_tables_are_not_there(pages: dict[str, Element]) -> None:
    absent = {
        section.attributes["id"]: re.findall(
            r"qonto__\w+", section.all("p", class_="absent")[0].text
        )
        for section in pages["few_tables"].all("section")
        if section.all("p", class_="absent")
    }

    assert absent["owed"] == ["qonto__receivables"]
    assert absent["vat"] == ["qonto__vat"]
    assert "to_pay" not in absent


def test_a_table_that_is_cut_says_how_many_rows_there_are(pages: dict[str, Element]) -> None:
    section = pages["many"].all("section")[SECTIONS.index("to_pay")]
    table = section.one("table", id="t-payables-0")
    said = section.all("details", class_="sql")[-1].one("summary")

    rows = len(table.one("tbody").all("tr"))
    assert 10 <= rows < 3600
    assert numbers(said) == [str(rows), "3600"]


def test_the_page_says_which_tests_passed_and_when(pages: dict[str, Element]) -> None:
    state = pages["usual"].one("ul", class_="state")

    assert numbers(state.all("li")[0]) == ["2026-11-01T06:00:00+00:00"]
    assert numbers(state.all("li")[1]) == ["2", "1", "2026-11-01T06:30:00+00:00"]
    assert "2 checks of the tables passed and 1 warned" in state.text
    rows = [
        [cell.text for cell in row.all("td")]
        for row in pages["usual"].one("table", id="t-checks").one("tbody").all("tr")
    ]
    assert rows == [
        ["identity_4", "warns", "2"],
        ["identity_1", "holds", "0"],
        ["stg_x.leap_day", "holds", "0"],
    ]


def test_the_threshold_is_drawn_and_cash_below_it_alarms(pages: dict[str, Element]) -> None:
    legend = pages["usual"].one("figure", id="f-cash-0").one("ul", class_="legend")

    assert "Threshold EUR\u00a02,500.00" in legend.text
    assert "Threshold" not in pages["hostile"].one("figure", id="f-cash-0").text


def test_the_made_up_tables_are_those_of_the_contract() -> None:
    books: dict[str, Any] = usual()

    assert books.keys() == contract().keys()
    for mart, rows in books.items():
        assert {name for row in rows for name in row} <= contract()[mart].keys(), mart
