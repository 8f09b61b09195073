"""The command that writes a report: its options, its errors, and what it leaves behind."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from checks import read_checks
from formats import Formats
from report import main, write
from tests.report.books import CHECKOUT
from words import LANGUAGES, Words, language_of

if TYPE_CHECKING:
    from pathlib import Path

ERRORS = {
    "no file": (["none.duckdb", "r.html"], "There is no DuckDB file none.duckdb"),
    "threshold": (["none.duckdb", "r.html", "--threshold", "much"], "'much' is no amount"),
    "infinite": (["none.duckdb", "r.html", "--threshold", "inf"], "'inf' is no amount"),
    "postgres": (
        ["postgresql://me:hunter2@127.0.0.1:9/books", "r.html"],
        "The PostgreSQL database cannot be opened (OperationalError)",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
@pytest.mark.slow
def test_an_error_is_one_sentence_and_leaves_the_old_report(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old = tmp_path / "r.html"
    old.write_text("old", encoding="utf-8")
    arguments, sentence = ERRORS[case]

    assert main(arguments) == 1

    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert "hunter2" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert old.read_text(encoding="utf-8") == "old"


def test_a_report_replaces_the_old_one_whole_and_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.html"

    write(path, "first")
    write(path, "second")

    assert [(it.name, it.read_text("utf-8")) for it in path.parent.iterdir()] == [
        ("r.html", "second")
    ]


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(Exception, match=r"cannot be written to .*file/r\.html"):
        write(tmp_path / "file" / "r.html", "page")

    assert not capsys.readouterr().err


RESULTS: dict[str, tuple[str | None, int, int, int]] = {
    "all is well": ('[{"unique_id": "test.q.a.1", "status": "pass"}]', 1, 0, 0),
    "a warning": ('[{"unique_id": "test.q.a.1", "status": "warn"}]', 0, 1, 0),
    "a failure": ('[{"unique_id": "test.q.a.1", "status": "fail"}]', 0, 0, 1),
    "an error": ('[{"unique_id": "test.q.a.1", "status": "error"}]', 0, 0, 1),
    "not run": ('[{"unique_id": "test.q.a.1", "status": "skipped"}]', 0, 0, 1),
    "of another age": ('[{"unique_id": "unit_test.q.m.a", "status": "new"}]', 0, 0, 1),
    "no test in it": ('[{"unique_id": "model.q.a", "status": "success"}]', 0, 0, 0),
    "no list": ('{"unique_id": 1}', 0, 0, 0),
    "no file": (None, 0, 0, 0),
    "half a file": ("[", 0, 0, 0),
}


@pytest.mark.parametrize("case", RESULTS)
def test_a_test_counts_as_passed_only_if_dbt_says_so(case: str, tmp_path: Path) -> None:
    results, passed, warned, failed = RESULTS[case]
    if results is not None:
        metadata = '{"generated_at": "2026-11-01T06:30:00Z"}'
        told = f'{{"metadata": {metadata}, "results": {results}}}'
        (tmp_path / "run_results.json").write_text(told, encoding="utf-8")

    checks = read_checks(tmp_path)

    assert (checks.passed, checks.warned, checks.failed) == (passed, warned, failed)
    known = datetime(2026, 11, 1, 6, 30, tzinfo=UTC) if passed + warned + failed else None
    assert checks.finished_at == known


def texts(language: str) -> dict[str, Any]:
    return dict(Words.of(language).texts)


def places(text: Any) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", json.dumps(text)))


def test_all_languages_say_the_same() -> None:
    english = texts("en")
    for language in LANGUAGES:
        other = texts(language)
        assert other.keys() == english.keys()
        assert {key for key in english if places(english[key]) != places(other[key])} == set()


WRITTEN = {
    "thousands": ("money", Decimal("1234567.80"), "1,234,567.80", "1\u202f234\u202f567,80"),
    "below nothing": ("money", Decimal("-0.05"), "\u22120.05", "\u22120,05"),
    "nothing": ("money", Decimal("0.00"), "0.00", "0,00"),
    "less than a cent below": ("number", Decimal("-0.04"), "0.0", "0,0"),
    "not known": ("money", None, "\u2013", "\u2013"),
    "share": ("percent", Decimal("0.3201"), "32.0%", "32,0\u00a0%"),
    "rate": ("rate", Decimal("5.50"), "5.5%", "5,5\u00a0%"),
    "round rate": ("rate", Decimal("20.00"), "20%", "20\u00a0%"),
    "day": ("day", date(2026, 8, 1), "1\u00a0Aug\u00a02026", "1er\u00a0août\u00a02026"),
    "month": ("month", date(2026, 2, 1), "February\u00a02026", "février\u00a02026"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_a_number_is_written_as_its_language_writes_it(case: str) -> None:
    kind, value, english, french = WRITTEN[case]

    assert Formats("en").cell(value, kind) == english
    assert Formats("fr").cell(value, kind) == french


@pytest.mark.parametrize(
    ("locale", "language"),
    [("fr", "fr"), ("fr-FR", "fr"), ("FR", "fr"), ("en", "en"), ("de", "en"), (None, "en")],
)
def test_the_company_decides_the_language(locale: str | None, language: str) -> None:
    assert language_of(locale) == language


def test_the_report_reads_nothing_but_the_tables_for_people() -> None:
    path = CHECKOUT / "transform/report/questions.toml"
    for question in tomllib.loads(path.read_text(encoding="utf-8")).values():
        read = re.findall(r"\b(?:from|join)\s+([{\w.}]+)", question["sql"])
        assert [name for name in read if name != "day"] == ["{mart}"]
