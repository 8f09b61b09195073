"""A stream that was skipped and a column that was deselected do not break the build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.transform.runs import PROJECT
from tests.transform.warehouses import rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transform.runs import Dbt, Outcome
    from tests.transform.warehouses import DuckDB, Postgres, Warehouse

pytestmark = pytest.mark.slow

[SOURCE] = yaml.safe_load((PROJECT / "models/staging/sources.yml").read_text("utf-8"))["sources"]
STREAMS = [table["name"] for table in SOURCE["tables"]]


def deselect(warehouse: Warehouse, stream: str, column: str) -> None:
    """Load a stream as if a column of it had not been selected."""
    names = warehouse.run(
        "select column_name from information_schema.columns"
        f" where table_schema = 'qonto' and table_name = '{stream}' and column_name <> '{column}'"
    )
    kept = ", ".join(f'"{name}"' for (name,) in names)
    warehouse.write(f"create table qonto.selected as select {kept} from qonto.{stream}")
    warehouse.write(f"drop table qonto.{stream} cascade")
    warehouse.write(f"alter table qonto.selected rename to {stream}")


def some_are_gone(warehouse: Warehouse) -> None:
    warehouse.write("drop table qonto.supplier_invoices cascade")
    warehouse.write("drop table qonto.cards cascade")
    deselect(warehouse, "transactions", "vat_details")
    deselect(warehouse, "client_invoices", "amount_paid")


def all_streams_are_gone(warehouse: Warehouse) -> None:
    for stream in STREAMS:
        warehouse.write(f"drop table qonto.{stream} cascade")


def accounts_are_gone(warehouse: Warehouse) -> None:
    warehouse.write("drop table qonto.bank_accounts cascade")


def only_keys_are_left(warehouse: Warehouse) -> None:
    for stream in STREAMS:
        warehouse.write(f"create table qonto.keys as select id from qonto.{stream}")
        warehouse.write(f"drop table qonto.{stream} cascade")
        warehouse.write(f"alter table qonto.keys rename to {stream}")


def every_row_is_gone(warehouse: Warehouse) -> None:
    for stream in STREAMS:
        warehouse.write(f"delete from qonto.{stream}")


LOSSES = {
    "two streams and two columns": some_are_gone,
    "the accounts": accounts_are_gone,
    "every stream": all_streams_are_gone,
    "every column but the keys": only_keys_are_left,
    "every row": every_row_is_gone,
}


def rebuilt(dbt: Dbt, warehouse: Warehouse) -> Outcome:
    return dbt.run("build", "--exclude", "test_type:unit", env=warehouse.env)


@pytest.mark.parametrize("loss", LOSSES)
def test_duckdb_builds_without(loss: str, loaded: DuckDB, dbt: Dbt, tmp_path: Path) -> None:
    warehouse = loaded.copy(tmp_path)
    LOSSES[loss](warehouse)
    outcome = rebuilt(dbt, warehouse)
    assert outcome.success, outcome.log


@pytest.mark.parametrize("loss", LOSSES)
def test_postgres_builds_without(loss: str, loaded_postgres: Postgres, dbt_postgres: Dbt) -> None:
    warehouse = loaded_postgres.copy("qonto_transform_missing")
    LOSSES[loss](warehouse)
    outcome = rebuilt(dbt_postgres, warehouse)
    assert outcome.success, outcome.log


def test_what_does_not_need_them_stays_the_same(
    built: DuckDB, loaded: DuckDB, dbt: Dbt, tmp_path: Path
) -> None:
    warehouse = loaded.copy(tmp_path)
    some_are_gone(warehouse)
    assert rebuilt(dbt, warehouse).success
    for mart in ("qonto__daily_balances", "qonto__cash_flow", "qonto__missing_receipts"):
        without = frozenset({"card"})
        assert rows_of(warehouse, mart, without) == rows_of(built, mart, without)
    assert rows_of(warehouse, "qonto__payables") == []
