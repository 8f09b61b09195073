"""The package's files keep to each other and to the tap's schemas."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.transform.columns import MACRO, columns, rendered
from tests.transform.runs import MARTS, PROJECT

MODELS = sorted((PROJECT / "models").rglob("*.sql"))
MACROS = sorted((PROJECT / "macros").rglob("*.sql"))
TESTS = sorted((PROJECT / "tests").rglob("*.sql"))


def read(path: str) -> Any:
    return yaml.safe_load((PROJECT / path).read_text("utf-8"))


def test_the_macro_of_columns_is_the_schemas() -> None:
    """If not: `python -m tests.transform.columns`."""
    assert MACRO.read_text("utf-8") == rendered()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_reads_columns_that_the_tap_has(path: Any) -> None:
    for stream, names in re.findall(r"rows_of\('(\w+)', \[([^\]]*)\]", path.read_text("utf-8")):
        assert set(re.findall(r"'(\w+)'", names)) <= set(columns()[stream])


def test_every_mart_says_its_grain_key_and_question() -> None:
    for mart in MARTS:
        meta = mart["config"]["meta"]
        assert set(meta) == {"grain", "key", "question"}
        names = [column["name"] for column in mart["columns"]]
        assert len(set(names)) == len(names)
        assert set(meta["key"]) <= set(names)
        assert "currency" in names
        [key] = [test["has_key"] for test in mart["data_tests"] if "has_key" in test]
        assert key["arguments"]["columns"] == meta["key"]


def test_every_mart_is_a_model_and_in_the_exposure() -> None:
    names = {mart["name"] for mart in MARTS}
    assert names == {path.stem for path in (PROJECT / "models/marts").glob("*.sql")}
    [report] = read("models/marts/exposures.yml")["exposures"]
    assert {f"ref('{name}')" for name in names} == set(report["depends_on"])


def test_every_model_is_described_by_name() -> None:
    described = {
        model["name"]
        for layer in ("staging/staging", "intermediate/intermediate", "marts/marts")
        for model in read(f"models/{layer}.yml")["models"]
    }
    assert described == {path.stem for path in MODELS}


def test_there_is_nothing_to_download() -> None:
    """dbt's packages come from a hub of their own; this one has none, and no seeds."""
    assert not [name for name in ("packages.yml", "dependencies.yml") if (PROJECT / name).exists()]
    assert not list(PROJECT.rglob("*.csv"))


@pytest.mark.parametrize("path", [*MODELS, *MACROS, *TESTS], ids=lambda path: path.stem)
def test_no_number_is_a_float(path: Any) -> None:
    assert not re.search(r"\b(float|double|real)\w*\b", code_of(path))


@pytest.mark.parametrize("path", [*MODELS, *TESTS], ids=lambda path: path.stem)
def test_what_databases_spell_differently_is_in_one_file(path: Any) -> None:
    own = r"->>|::|\bunnest\b|\blateral\b|\bjsonb?_\w+\(|date_trunc|interval '|\bextract\("
    found = re.findall(own, re.sub(r"\{\{.*?\}\}", "", code_of(path), flags=re.DOTALL))
    assert found == []


def code_of(path: Any) -> str:
    """Return the file without its comments."""
    text = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"--[^\n]*", "", text)


def test_every_variable_is_named_with_its_default() -> None:
    used = {
        name
        for path in [*MODELS, *MACROS, *TESTS, PROJECT / "models/staging/sources.yml"]
        for name in re.findall(r"(?<!env_)var\(['\"](\w+)['\"]", path.read_text("utf-8"))
    }
    assert used == set(read("dbt_project.yml")["vars"])
