"""The tables are the same in every database, and each is described."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.transform.runs import MARTS, Dbt, environment, requirements_of
from tests.transform.warehouses import DuckDB, Postgres, rows_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NAMES = [mart["name"] for mart in MARTS]
OF_ONE_LOAD = frozenset({"loaded_at"})
"""The only column that tells one load from another."""


@pytest.fixture(scope="module")
def newest(environments: Path, loaded: DuckDB, tmp_path_factory: pytest.TempPathFactory) -> DuckDB:
    """The loader's file with all tables built by the newest DuckDB that there is."""
    requirements = [item for item in requirements_of("dbt-duckdb") if not item.startswith("duckdb")]
    dbt = Dbt(environment(environments, [*requirements, "duckdb"]), tmp_path_factory.mktemp("dbt"))
    warehouse = loaded.copy(tmp_path_factory.mktemp("newest"))
    outcome = dbt.run("build", env=warehouse.env)
    dbt.close()
    assert outcome.success, outcome.log
    return warehouse


@pytest.mark.parametrize("mart", NAMES)
def test_the_newest_duckdb_gives_the_same_rows(mart: str, built: DuckDB, newest: DuckDB) -> None:
    assert rows_of(newest, mart) == rows_of(built, mart)


@pytest.mark.parametrize("mart", NAMES)
def test_postgres_gives_the_same_rows(mart: str, built: DuckDB, built_postgres: Postgres) -> None:
    assert rows_of(built_postgres, mart, OF_ONE_LOAD) == rows_of(built, mart, OF_ONE_LOAD)


def test_every_mart_of_a_healthy_company_but_the_gaps_has_rows(built: DuckDB) -> None:
    counts = {mart: len(rows_of(built, mart)) for mart in NAMES}
    assert counts.pop("qonto__balance_gaps") == 0
    assert all(counts.values()), counts


def test_nothing_warns_in_a_healthy_company(built: DuckDB, dbt: Dbt) -> None:
    outcome = dbt.run("test", env=built.env)
    assert outcome.success
    assert set(outcome.nodes.values()) == {"pass"}, outcome.log


def test_a_fresh_load_is_fresh(built: DuckDB, dbt: Dbt) -> None:
    outcome = dbt.run("source", "freshness", env=built.env)
    assert outcome.nodes == {"organization": "pass", "bank_accounts": "pass"}


def test_an_old_load_is_not(built: DuckDB, dbt: Dbt, tmp_path: Path) -> None:
    old = built.copy(tmp_path)
    old.run(
        "update qonto.bank_accounts set _sdc_extracted_at = now()::timestamp - interval 40 hour"
    )
    old.write("update qonto.organization set _sdc_extracted_at = now()::timestamp - interval 8 day")
    outcome = dbt.run("source", "freshness", env=old.env)
    assert outcome.nodes == {"organization": "error", "bank_accounts": "warn"}


def test_everything_that_people_see_is_described(built: DuckDB, dbt: Dbt) -> None:
    assert dbt.run("parse", env=built.env).success
    manifest = dbt.manifest()
    nodes: list[dict[str, Any]] = [
        node
        for part in ("nodes", "sources", "exposures", "unit_tests")
        for node in manifest[part].values()
    ]
    silent = [node["name"] for node in nodes if not node["description"].strip()]
    silent += [
        f"{node['name']}.{column['name']}"
        for node in nodes
        for column in node.get("columns", {}).values()
        if not column["description"].strip()
    ]
    assert silent == []


def test_money_is_decimal(built: DuckDB, built_postgres: Postgres) -> None:
    for warehouse in (built, built_postgres):
        types = warehouse.run(
            "select distinct data_type from information_schema.columns "
            "where table_schema in ('qonto_staging', 'qonto_finance')"
        )
        assert not {
            kind for (kind,) in types if "float" in kind.lower() or "double" in kind.lower()
        }
        [(cash,)] = warehouse.run("select cash from qonto_finance.qonto__kpis")
        assert isinstance(cash, Decimal)
