"""A warehouse that owes the demo nothing: every table says what was worked out on paper."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.transform import answers_of_firm as paper
from tests.transform.firm import TABLES, TODAY
from tests.transform.loaders import DUCKDB, POSTGRES, structs
from tests.transform.runs import MARTS
from tests.transform.warehouses import DuckDB, Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.transform.firm import Row
    from tests.transform.runs import Dbt, Outcome
    from tests.transform.warehouses import Warehouse

pytestmark = pytest.mark.slow

FINANCE = "qonto_finance."


def built(dbt: Dbt, warehouse: Warehouse, *options: str) -> Outcome:
    outcome = dbt.run(
        *("build", "--exclude", "test_type:unit"),
        *options,
        env={**warehouse.env, "QONTO_AS_OF": TODAY},
    )
    assert not outcome.ended("error"), outcome.log
    return outcome


def told(warehouse: Warehouse, mart: str, columns: str, rest: str = "") -> set[tuple[Any, ...]]:
    """Return rows as `answers_of_firm` writes them."""

    def written(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        return value.isoformat() if isinstance(value, date) else value

    rows = warehouse.run(f"select {columns} from {FINANCE}{mart} {rest}")
    found = [tuple(written(value) for value in row) for row in rows]
    assert len(set(found)) == len(found)
    return set(found)


@pytest.fixture(scope="module")
def make_duckdb(
    dbt: Dbt, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Mapping[str, Sequence[Row]]], DuckDB]:
    """Makes a DuckDB file of tables, as a loader or JSON files leave them."""

    def make(how: str, tables: Mapping[str, Sequence[Row]]) -> DuckDB:
        folder = tmp_path_factory.mktemp("firm")
        warehouse = DuckDB(folder / "warehouse.duckdb", dbt.python)
        warehouse.write(
            structs(tables, folder)
            if how == "as structs and lists"
            else DUCKDB[how].statements(tables)
        )
        return warehouse

    return make


@pytest.fixture(scope="module")
def make_postgres(
    postgres_admin: Postgres,
) -> Iterator[Callable[[str, Mapping[str, Sequence[Row]]], Postgres]]:
    """Makes a PostgreSQL database of tables, as a loader leaves them."""
    name = "qonto_transform_firm"

    def make(how: str, tables: Mapping[str, Sequence[Row]]) -> Postgres:
        postgres_admin.run(f"drop database if exists {name}")
        postgres_admin.run(f"create database {name}")
        warehouse = Postgres(postgres_admin.server, name)
        warehouse.write(POSTGRES[how].statements(tables))
        return warehouse

    yield make
    postgres_admin.run(f"drop database if exists {name}")


@pytest.fixture(
    scope="module",
    params=[
        *(("DuckDB", how) for how in (*DUCKDB, "as structs and lists")),
        *(("PostgreSQL", how) for how in POSTGRES),
    ],
    ids=" ".join,
)
def firm(request: pytest.FixtureRequest) -> tuple[Warehouse, Outcome]:
    """The company in a database, all tables built, and how that went."""
    database, how = request.param
    fixtures = ("make_duckdb", "dbt") if database == "DuckDB" else ("make_postgres", "dbt_postgres")
    make, dbt = (request.getfixturevalue(name) for name in fixtures)
    warehouse: Warehouse = make(how, TABLES)
    return warehouse, built(dbt, warehouse)


def test_every_table_of_every_loader_says_what_was_worked_out(
    firm: tuple[Warehouse, Outcome],
) -> None:
    warehouse, outcome = firm
    assert outcome.success, outcome.log
    assert outcome.ended("warn") == {"identity_7_accounts_begin_with_nothing"}
    for mart, (columns, rows) in paper.WHOLE.items():
        assert told(warehouse, mart, columns) == rows, mart


def test_balances_of_days_are_those_of_the_days_in_paris(firm: tuple[Warehouse, Outcome]) -> None:
    warehouse, _ = firm
    columns, rows = paper.DAYS
    assert rows <= told(warehouse, "qonto__daily_balances", columns)
    counted = "select account_id, count(*) from qonto_finance.qonto__daily_balances group by 1"
    assert dict(warehouse.run(counted)) == paper.DAYS_OF_AN_ACCOUNT


def test_the_forecast_is_made_of_what_is_expected(firm: tuple[Warehouse, Outcome]) -> None:
    warehouse, _ = firm
    columns, rows = paper.CALENDAR
    with_document = "where certainty not in ('learned', 'assumed')"
    assert told(warehouse, "qonto__payment_calendar", columns, with_document) == rows
    columns, rows = paper.LEARNED
    learned = "where certainty in ('learned', 'assumed') group by 1, 2, 3, 4"
    assert told(warehouse, "qonto__payment_calendar", columns, learned) == rows
    columns, rows = paper.FORECAST
    assert rows <= told(warehouse, "qonto__forecast", columns)
    columns, rows = paper.FORECAST_TOTALS
    assert told(warehouse, "qonto__forecast", columns, "group by 1, 2") == rows


def test_no_table_is_left_out() -> None:
    others = {"qonto__daily_balances", "qonto__payment_calendar", "qonto__forecast"}
    assert {mart["name"] for mart in MARTS} == set(paper.WHOLE) | others


def without_cents(rows: Sequence[Row]) -> list[Row]:
    return [{name: it for name, it in row.items() if not name.endswith("_cents")} for row in rows]


def accounts_and_transactions() -> dict[str, list[Row]]:
    return {name: TABLES[name] for name in ("bank_accounts", "transactions")}


def everything_without_cents() -> dict[str, list[Row]]:
    return {name: without_cents(rows) for name, rows in TABLES.items()}


LITTLE: dict[str, Callable[[], dict[str, list[Row]]]] = {
    "accounts and transactions alone": accounts_and_transactions,
    "without columns of cents": everything_without_cents,
}


@pytest.mark.parametrize("little", LITTLE)
@pytest.mark.parametrize("database", ["DuckDB", "PostgreSQL"])
def test_what_little_is_there_says_the_same(
    database: str, little: str, request: pytest.FixtureRequest
) -> None:
    fixtures = ("make_duckdb", "dbt") if database == "DuckDB" else ("make_postgres", "dbt_postgres")
    make, dbt = (request.getfixturevalue(name) for name in fixtures)
    warehouse: Warehouse = make("with JSON in text and zones", LITTLE[little]())
    outcome = built(dbt, warehouse)
    assert outcome.success, outcome.log
    for mart in ("qonto__accounts", "qonto__cash_flow", "qonto__balance_gaps"):
        columns, rows = paper.WHOLE[mart]
        if little == "accounts and transactions alone" and mart == "qonto__accounts":
            columns = columns.partition(", statements")[0]
            rows = {row[: columns.count(",") + 1] for row in rows}
        assert told(warehouse, mart, columns) == rows, mart
    columns, rows = paper.DAYS
    assert rows <= told(warehouse, "qonto__daily_balances", columns)
    if little == "without columns of cents":
        for mart, (columns, rows) in paper.WHOLE.items():
            assert told(warehouse, mart, columns) == rows, mart
    else:
        assert warehouse.run(f"select currency, cash from {FINANCE}qonto__kpis order by 1") == [
            ("EUR", Decimal("5068.00")),
            ("USD", Decimal("6166.50")),
        ]
