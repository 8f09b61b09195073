"""The commands, queries and outputs of README and the manual, kept true by running them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest

from tap_qonto.schemas import promised
from tests.kit.manual import (
    ROOT,
    blocks,
    fresh_copy,
    newcomer_variables,
    pages,
    section,
    shown,
    text_of,
)

if TYPE_CHECKING:
    from pathlib import Path

MAIN_JOB = "python3 -m pip install uv && uv run meltano run tap-qonto target-duckdb"
LONGEST_README = 250
"""Lines."""


def shell(command: str, folder: Path) -> str:
    """Run a command of README, as it is, in a clean shell; return what it prints."""
    done = subprocess.run(  # noqa: S602 - README's commands are shell commands
        command,
        shell=True,
        cwd=folder,
        env=newcomer_variables(),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr if command == MAIN_JOB else done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A fresh copy of the project after its first command, and what that printed."""
    folder = fresh_copy(tmp_path_factory.mktemp("newcomer") / "tap-qonto")
    assert MAIN_JOB in text_of("README.md")
    return folder, shell(MAIN_JOB, folder)


@pytest.mark.slow
def test_the_first_command_prints_the_lines_that_readme_shows(newcomer: tuple[Path, str]) -> None:
    lines = re.findall(r"^(\w+: [\d,]+ rows?) in", section("README.md", "first-run"), re.MULTILINE)
    assert lines
    for line in lines:
        assert line in newcomer[1]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "output"), shown("command", "shell"))
def test_a_command_prints_what_readme_shows(
    newcomer: tuple[Path, str], command: str, output: str
) -> None:
    assert shell(command, newcomer[0]).strip() == output.strip()


@pytest.mark.slow
@pytest.mark.parametrize(("query", "output"), shown("query", "sql"))
def test_a_query_prints_what_the_manual_shows(
    newcomer: tuple[Path, str], query: str, output: str
) -> None:
    with duckdb.connect(newcomer[0] / "output" / "warehouse.duckdb", read_only=True) as warehouse:
        assert str(warehouse.query(query)).strip() == output.strip()


@pytest.mark.slow
def test_the_documents_lie_where_the_manual_shows_them(newcomer: tuple[Path, str]) -> None:
    paths = re.findall(r"[├└]── (\S+)", section("docs/documents.md", "documents"))
    assert paths
    for path in paths:
        assert (newcomer[0] / "output" / "documents" / path).is_file()


@pytest.mark.slow
def test_the_second_run_loads_only_what_changed(newcomer: tuple[Path, str]) -> None:
    again = shell(MAIN_JOB, newcomer[0])
    rows = {name: int(count) for name, count in re.findall(r"(\w+): (\d+) rows? in", again)}
    assert rows["transactions"] < 20
    assert rows["client_invoices"] < 20
    with duckdb.connect(newcomer[0] / "output" / "warehouse.duckdb", read_only=True) as warehouse:
        count = warehouse.execute("select count(*) from qonto.transactions").fetchone()
        assert count == (5_400,)


@pytest.mark.slow
def test_rows_that_the_last_load_did_not_touch_are_found_in_duckdb(
    newcomer: tuple[Path, str], tmp_path: Path
) -> None:
    [query] = blocks("docs/state.md", "gone-duckdb", "sql")
    path = tmp_path / "warehouse.duckdb"
    shutil.copy2(newcomer[0] / "output" / "warehouse.duckdb", path)
    with duckdb.connect(path) as warehouse:
        assert warehouse.execute(query).fetchall() == []
        warehouse.execute(
            "insert into qonto.labels (id, name, _sdc_extracted_at) "
            "select 'gone', 'Gone', max(_sdc_extracted_at) - interval 1 day from qonto.labels"
        )
        assert warehouse.execute(query).fetchall() == [("gone", "Gone")]


# What holds without running anything


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_tests_pass_in_a_shell_that_has_a_proxy(proxy: str) -> None:
    tests = (
        "tests/api/test_faults.py::test_a_name_that_does_not_resolve_is_told",
        "tests/auth/test_token_faults.py",
        "tests/auth/test_refusals.py",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", *tests],
        cwd=ROOT,
        env=os.environ | {proxy: "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def headings(page: str) -> set[str]:
    """Return the names under which the headings of a page can be linked to."""
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    }


@pytest.mark.parametrize("page", [*pages(), "CONTRIBUTING.md", "SECURITY.md"])
def test_every_local_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        leads_to = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert leads_to.exists(), target
        if heading:
            assert heading in headings(str(leads_to.relative_to(ROOT))), target


def test_readme_is_short_and_names_every_page_of_the_manual() -> None:
    readme = text_of("README.md")
    assert len(readme.splitlines()) <= LONGEST_README
    for page in pages()[1:]:
        assert f"]({page})" in readme, page
    contents = readme.split("## Contents")[1]
    for heading in re.findall(r"^## (.+)$", contents, re.MULTILINE):
        assert f"[{heading}](#{heading.lower().replace(' ', '-')})" in contents


def test_the_manual_names_the_shapes_of_amounts_as_the_schemas_have_them() -> None:
    rows = re.findall(
        r"^\| (a number|an integer|text|an object).*?\|(.*?)\|",
        section("docs/tables.md", "amounts"),
        re.MULTILINE,
    )
    kinds = {"a number": "number", "an integer": "integer", "text": "string", "an object": "object"}
    assert {shape for shape, _ in rows} == set(kinds)
    for shape, columns in rows:
        for stream, column in re.findall(r"`(\w+)\.(\w+)`", columns):
            assert kinds[shape] in promised(stream)["properties"][column]["type"], (stream, column)


def test_the_manual_names_every_column_that_sql_reserves() -> None:
    # In a process of its own: DuckDB's complaints at exit would follow the summary of all tests.
    keywords = (
        "select list(keyword_name) from duckdb_keywords() where keyword_category = 'reserved'"
    )
    script = f"import duckdb, json; print(json.dumps(duckdb.execute({keywords!r}).fetchone()[0]))"
    reserved = set(json.loads(subprocess.check_output([sys.executable, "-c", script])))
    named = re.findall(
        r"a column of `(\w+)` `(\w+)`, which is a reserved", text_of("docs/tables.md")
    )
    found = [
        (path.stem, column)
        for path in (ROOT / "tap_qonto/schemas").glob("*.json")
        for column in json.loads(path.read_text(encoding="utf-8"))["properties"]
        if column in reserved
    ]
    assert found == named
