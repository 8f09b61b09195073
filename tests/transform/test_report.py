"""The report on the demo company, as Debian's Chromium shows it, and its picture for README."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.report.books import HOSTILE
from tests.transform.pictures import caption, captioned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser

    from tests.transform.runs import Dbt
    from tests.transform.warehouses import DuckDB, Postgres

CHECKOUT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
PICTURE = CHECKOUT / "docs/report.png"

pytestmark = pytest.mark.slow

ONE_MORNING = r"""() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        text.data = text.data.replace(/\d+\s\w+\s\d{4},\s\d\d:\d\d\sUTC/g, "1 Nov 2026, 06:30 UTC");
    }
}"""
"""Makes one time of load and checks, so that a picture changes only with what it shows."""

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def report(
    database: str, path: Path, *options: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the report's command."""
    return subprocess.run(
        [sys.executable, CHECKOUT / "transform/report/report.py", database, path, *options],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def html(built: DuckDB, dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the demo company, in English."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    # Once more: dbt tells of its last run only, which may have been another test's.
    assert dbt.run("build", env=built.env).success
    written = report(str(built.path), path, "--language", "en", "--dbt", str(dbt.target))
    assert written.returncode == 0, written.stderr
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's browser, with a profile that it throws away."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("`.ci/run slow` installs the browser that this needs")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that was opened, and what it did beside that.

    Attributes:
        page: The page.
        requests: Addresses that it asked for, without its own.
        errors: What it complained of.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def visit(
    browser: Browser,
    html: Path,
    *,
    width: int = 1280,
    script: bool = True,
    scheme: Literal["light", "dark"] = "light",
    scale: float = 1,
) -> Visit:
    """Open the report from its file, and wait until its charts are drawn."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        java_script_enabled=script,
        color_scheme=scheme,
        device_scale_factor=scale,
    )
    seen = Visit(context.new_page())
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("console", lambda message: seen.errors.append(message.text))
    seen.page.goto(html.as_uri())
    if script:
        seen.page.wait_for_selector("html.drawn")
    seen.requests.remove(html.as_uri())
    return seen


def paths(page: Page, chart: str) -> list[str]:
    """Return the lines and bars of a chart."""
    drawn: list[str] = page.eval_on_selector_all(
        f"#{chart} svg path", "paths => paths.map(path => path.getAttribute('d'))"
    )
    return drawn


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_asks_for_nothing_and_complains_of_nothing(
    scheme: Literal["light", "dark"], chromium: Browser, html: Path
) -> None:
    seen = visit(chromium, html, scheme=scheme)
    for select in seen.page.query_selector_all("select"):
        select.select_option(index=1)
    for chart in seen.page.query_selector_all(".drawing"):
        chart.hover()

    assert (seen.requests, seen.errors) == ([], [])
    assert seen.page.eval_on_selector_all(".drawing svg[role=img] > title", "it => it.length") == 15


CHOICES = {
    "account": ("cash-0-account", ["cash-0"]),
    "month": ("flow-0-month", ["flow-0", "categories-0"]),
    "VAT method": ("vat-0-method", ["vat-0"]),
    "category": ("spend-category-0-choice", ["spend-supplier-0", "spend-team-0", "spend-card-0"]),
}


@pytest.mark.parametrize("case", CHOICES)
def test_a_choice_changes_its_charts_and_the_first_choice_restores_them(
    case: str, chromium: Browser, html: Path
) -> None:
    control, charts = CHOICES[case]
    page = visit(chromium, html).page
    first = page.eval_on_selector(f"#{control}", "select => select.value")
    before = {chart: page.inner_html(f"#{chart}") for chart in charts}

    other = page.eval_on_selector(
        f"#{control}",
        "s => [...s.options].map(o => o.value).filter(v => v !== s.value)[0]",
    )
    page.select_option(f"#{control}", other)
    after = {chart: page.inner_html(f"#{chart}") for chart in charts}
    page.select_option(f"#{control}", first)

    assert all(before[chart] != after[chart] for chart in charts)
    assert all(paths(page, chart) for chart in charts)


def test_the_chart_of_an_account_ends_where_its_balance_is(
    chromium: Browser, html: Path, built: DuckDB
) -> None:
    page = visit(chromium, html).page
    balances = built.run(
        "select account_name, balance from qonto_finance.qonto__daily_balances"
        " where day = (select max(day) from qonto_finance.qonto__daily_balances)"
    )
    page.locator("#cash-0").scroll_into_view_if_needed()
    for name, balance in balances:
        page.select_option("#cash-0-account", label=name)
        box = page.query_selector_all("#cash-0 svg .hit_marks line")[-1].bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_function("!document.getElementById('tip').hidden")
        assert f"{balance:,.2f}" in page.inner_text("#tip"), name


def test_a_click_on_a_month_and_on_a_category_is_a_choice(chromium: Browser, html: Path) -> None:
    page = visit(chromium, html).page

    page.locator("#flow-0 svg .mark-rect path").nth(3).click()
    page.locator("#spend-category-0 svg .mark-rect path").first.click()

    month = page.eval_on_selector("#flow-0-month", "select => select.value")
    assert month != page.eval_on_selector("#flow-0-month", "s => s.options[0].value")
    assert page.eval_on_selector("#spend-category-0-choice", "select => select.value")


def test_a_table_is_sorted_and_filtered(chromium: Browser, html: Path, built: DuckDB) -> None:
    page = visit(chromium, html).page
    shown = "#t-overdue-0 tbody tr:not([hidden])"
    amounts = f"{shown} td:nth-child(5)"
    values = "cells => cells.map(cell => Number(cell.dataset.v))"

    page.click("#t-overdue-0 th:nth-child(5) button")
    rising = page.eval_on_selector_all(amounts, values)
    page.click("#t-overdue-0 th:nth-child(5) button")
    falling = page.eval_on_selector_all(amounts, values)
    client = page.eval_on_selector("#t-overdue-0-filter", "select => select.options[1].value")
    page.select_option("#t-overdue-0-filter", client)

    assert rising == sorted(rising)
    assert falling == rising[::-1]
    [(owed, count)] = built.run(
        "select sum(open_amount), count(*) from qonto_finance.qonto__receivables"
        f" where days_overdue > 0 and client_name = '{client.replace(chr(39), chr(39) * 2)}'"
    )
    left = page.eval_on_selector_all(amounts, values)
    assert (round(sum(left), 2), len(left)) == (float(owed), count)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reports on tables that were made up: hostile names, and a French company."""
    folder = tmp_path_factory.mktemp("made-up")
    command = [
        sys.executable,
        "-m",
        "tests.report.books",
        str(folder),
        "hostile",
        "french_nameless",
    ]
    subprocess.run(command, cwd=CHECKOUT, check=True)
    return folder


@pytest.mark.parametrize("script", [True, False])
def test_names_that_want_to_be_more_are_text_in_a_browser(
    script: bool, chromium: Browser, made_up: Path
) -> None:
    seen = visit(chromium, made_up / "hostile.html", script=script)
    for chart in seen.page.query_selector_all(".drawing"):
        chart.hover()

    assert seen.page.inner_text("h1") == HOSTILE[0]
    assert seen.page.title().startswith(HOSTILE[0])
    assert seen.page.locator("img, h1 script, td script").count() == 0
    assert (seen.requests, seen.errors) == ([], [])


def test_a_french_report_is_french_after_its_scripts_too(chromium: Browser, made_up: Path) -> None:
    seen = visit(chromium, made_up / "french_nameless.html")
    for select in seen.page.query_selector_all("select"):
        select.select_option(index=1)

    assert seen.page.get_attribute("html", "lang") == "fr"
    drawn = seen.page.inner_text(".drawing >> nth=0")
    assert re.search(r"janv|févr|mars|avr|mai|juin|juil|août|sept|oct|nov|déc", drawn), drawn
    assert (seen.requests, seen.errors) == ([], [])


def test_the_report_is_small_and_made_in_six_seconds(built: DuckDB, tmp_path: Path) -> None:
    """Measured in what the processors worked: a machine that is busy otherwise does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    assert report(str(built.path), tmp_path / "report.html").returncode == 0
    seconds = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds, worked) <= 6
    assert (tmp_path / "report.html").stat().st_size < 1_500_000


def test_without_scripts_all_charts_and_tables_are_there(chromium: Browser, html: Path) -> None:
    seen = visit(chromium, html, script=False)

    charts = seen.page.locator(".drawing svg")
    assert charts.count() == 15
    assert all(charts.nth(place).is_visible() for place in range(15))
    assert not seen.page.locator("select").first.is_visible()
    assert seen.page.locator("#t-overdue-0").is_visible()
    assert seen.requests == []


@pytest.mark.parametrize("script", [True, False])
def test_a_narrow_window_scrolls_in_one_direction_only(
    script: bool, chromium: Browser, html: Path
) -> None:
    page = visit(chromium, html, width=360, script=script).page

    body = page.locator("body").bounding_box()
    assert body
    assert body["width"] <= 360
    for svg in page.locator(".tiles, figure, .scroll, .lead").all():
        box = svg.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360


def test_it_prints_on_a4(chromium: Browser, html: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    visit(chromium, html).page.pdf(path=pdf, prefer_css_page_size=True)

    told = subprocess.check_output(["pdfinfo", pdf], text=True)
    text = subprocess.check_output(["pdftotext", "-layout", pdf, "-"], text=True)
    pages = int(re.search(r"Pages:\s+(\d+)", told)[1])  # type: ignore[index] # pdfinfo says so
    assert "A4" in told
    assert 3 <= pages <= 15
    for title in ("Cash", "Owed to us", "VAT", "Documents", "How far to trust this"):
        assert re.search(rf"^\s*{title}$", text, re.MULTILINE)


def test_the_first_screen_is_that_of_qonto__kpis(
    chromium: Browser, html: Path, built: DuckDB
) -> None:
    [row] = built.run(
        "select cash, available, lowest_balance, burn, overdue, receivables, to_pay_30_days,"
        " missing_receipts_amount from qonto_finance.qonto__kpis"
    )
    tiles = visit(chromium, html).page.inner_text(".tiles")

    assert [value for value in row if f"{value:,.2f}" not in tiles] == []


def test_readmes_picture_shows_what_the_report_says(
    chromium: Browser, html: Path, tmp_path: Path
) -> None:
    page = visit(chromium, html, width=1180).page
    page.set_viewport_size({"width": 1180, "height": 1120})
    page.evaluate(ONE_MORNING)
    said = " ".join(word for part in ("header", "nav") for word in page.inner_text(part).split())

    drawn = tmp_path / "report.png"
    drawn.write_bytes(captioned(page.screenshot(), said))

    assert 20_000 < PICTURE.stat().st_size < 400_000
    assert caption(PICTURE.read_bytes()) == said, f"README's is another one: cp {drawn} {PICTURE}"


def test_a_report_on_postgresql_says_the_same(
    built: DuckDB, built_postgres: Postgres, tmp_path: Path
) -> None:
    path, html = tmp_path / "postgres.html", tmp_path / "duckdb.html"
    assert report(str(built.path), html, "--language", "en").returncode == 0
    env: dict[str, Any] = {"PATH": "/usr/bin", **built_postgres.env}
    written = report("postgresql://", path, "--language", "en", env=env)
    assert written.returncode == 0, written.stderr

    def numbers(page: Path) -> list[str]:
        text = page.read_text(encoding="utf-8")
        tiles = text[text.index('<dl class="tiles">') : text.index("<nav")]
        return re.findall(r'<data value="([^"]*)">', tiles) + re.findall(r'data-v="([^"]*)"', text)

    assert numbers(path) == numbers(html)
