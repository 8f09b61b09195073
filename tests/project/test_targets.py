"""The same company in every loader that `meltano.yml` defines, before and after it changed."""

from __future__ import annotations

import csv
import json
import re
from ast import literal_eval
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlalchemy

from tap_qonto.demo import Api, Company, DemoServer
from tap_qonto.schemas import emitted
from tests.kit.manual import text_of
from tests.kit.meltano_project import CHECKOUT, Project, project, rows_read
from tests.kit.runner import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    Ask = Callable[[str, str], list[Any]]

Row = dict[str, Any]

pytestmark = pytest.mark.slow

COMPLETED = "completed"
TIMESTAMPTZ = CHECKOUT / "examples/postgres/timestamptz.sql"
LISTED = ("bank_accounts", "labels", "clients", "client_invoices", "transactions")


class World:
    """A company behind real HTTP, and the Meltano project that reads it.

    Attributes:
        company: The company, which the test changes between runs.
        changed: ID of the transaction that `change` has changed.
        new: ID of the one that it has added.
    """

    def __init__(self, company: Company, server: DemoServer) -> None:
        self.company = company
        self.project: Project = project()
        login, _, secret_key = KEY.partition(":")
        self._env = {
            "TAP_QONTO_API_URL": server.api_url,
            "TAP_QONTO_LOGIN": login,
            "TAP_QONTO_SECRET_KEY": secret_key,
        }
        rows = iter(company.rows("transactions"))
        self.changed: str = next(row["id"] for row in rows if row["status"] == COMPLETED)
        self._model = next(row for row in rows if row["status"] == COMPLETED)
        self.new = self._model["id"][:-4] + "beef"

    def load(self, target: str, suffix: str, env: dict[str, str]) -> dict[str, int]:
        """Load everything that is new into a target, and return how many rows were read."""
        log = self.project.meltano(
            "--environment=prod",
            "run",
            f"--state-id-suffix={suffix}",
            "tap-qonto",
            target,
            env=self._env | env,
        )
        assert "METRIC" not in log, "what an SDK tells of every stream"
        return rows_read(log)

    def change(self) -> None:
        """Give one transaction a note, and add one.

        Both a second after the last change that was loaded, so that no clock has a say.
        """
        last = max(row["updated_at"] for row in self.company.rows("transactions"))
        later = datetime.fromisoformat(last) + timedelta(seconds=1)
        at = later.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        note = "Seen by the accountant\nTwice"
        self.company.change("transactions", self.changed, note=note, updated_at=at)
        self.company.put("transactions", self._model | {"id": self.new, "updated_at": at})


@pytest.fixture
def world() -> Iterator[World]:
    company = Company(transactions=900)
    with DemoServer(Api(company, authorization=KEY)) as server:
        yield World(company, server)


def totals(company: Company) -> dict[str, int]:
    return {name: company.total(name) for name in LISTED}


def ids(company: Company) -> set[str]:
    return {row["id"] for row in company.rows("transactions")}


# DuckDB


def test_duckdb_has_a_changed_transaction_once(world: World) -> None:
    path = world.project.root / "output/targets.duckdb"
    env = {"TARGET_DUCKDB_PATH": str(path)}

    def ask(query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def counts() -> dict[str, int]:
        return {name: ask(f"select count(*) from qonto.{name}")[0][0] for name in LISTED}

    world.load("target-duckdb", "duckdb", env)
    assert counts() == totals(world.company)
    world.change()
    read = world.load("target-duckdb", "duckdb", env)
    assert counts() == totals(world.company)
    assert 2 <= read["transactions"] < 50
    assert ask(f"select note from qonto.transactions where id = '{world.changed}'") == [
        ("Seen by the accountant\nTwice",)
    ]


# PostgreSQL


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[tuple[str, Connection]]:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("drop schema if exists qonto cascade")
        yield postgres_url, connection
    engine.dispose()


def kind_in_postgres(schema: Row) -> str:
    """Return the type that a column should have."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    [name] = [name for name in types if name != "null"]
    formats = {"date-time": "timestamp with time zone", "date": "date", None: "text"}
    if name == "string":
        return formats[schema.get("format")]
    return {
        "number": "numeric",
        "integer": "bigint",
        "boolean": "boolean",
        "object": "jsonb",
        "array": "ARRAY",
    }[name]


def test_postgres_has_a_changed_transaction_once_and_columns_of_the_right_types(
    world: World, postgres: tuple[str, Connection]
) -> None:
    url, connection = postgres
    env = {"TARGET_POSTGRES_SQLALCHEMY_URL": url}

    def ask(query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.exec_driver_sql(query)]

    def counts() -> dict[str, int]:
        return {name: ask(f"select count(*) from qonto.{name}")[0][0] for name in LISTED}

    world.load("target-postgres", "postgres", env)
    assert counts() == totals(world.company)
    connection.exec_driver_sql(TIMESTAMPTZ.read_text(encoding="utf-8").replace("%", "%%"))
    world.change()
    read = world.load("target-postgres", "postgres", env)
    assert counts() == totals(world.company)
    assert 2 <= read["transactions"] < 50
    assert ask(f"select note from qonto.transactions where id = '{world.changed}'") == [
        ("Seen by the accountant\nTwice",)
    ]

    for table, column, kind in ask(
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema = 'qonto' and not starts_with(column_name, '_sdc_')"
    ):
        assert kind == kind_in_postgres(emitted(table, ())["properties"][column]), (table, column)

    # Amounts keep their digits, and JSON can be asked.
    [(amount,)] = ask(f"select amount from qonto.transactions where id = '{world.changed}'")
    row = world.company.get("transactions", world.changed)
    assert row is not None
    assert int(amount * 100) == row["amount_cents"]
    [(labelled,)] = ask("select count(*) from qonto.transactions where cardinality(labels) > 0")
    assert labelled > 0
    [condition] = re.findall(r"`(nullif.*?)`", text_of("docs/targets.md"))
    [(checks,)] = ask(f"select count(*) from qonto.transactions where {condition}")
    assert checks == sum(row["check"] is not None for row in world.company.rows("transactions")) > 0


# Files: the latest line of a key is the row


def latest(lines: list[Row]) -> dict[str, Row]:
    return {line["id"]: line for line in lines}


def test_json_lines_end_with_the_changed_transaction(world: World) -> None:
    folder = world.project.root / "output/targets-jsonl"
    folder.mkdir()
    env = {"TARGET_JSONL_DESTINATION_PATH": str(folder)}

    def lines(stream: str) -> list[Row]:
        with (folder / f"{stream}.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    world.load("target-jsonl", "jsonl", env)
    assert {name: len(lines(name)) for name in LISTED} == totals(world.company)
    world.change()
    read = world.load("target-jsonl", "jsonl", env)
    assert 2 <= read["transactions"] < 50
    rows = latest(lines("transactions"))
    assert ids(world.company) - rows.keys() == set()
    assert rows[world.changed]["note"] == "Seen by the accountant\nTwice"


def test_csv_files_end_with_the_changed_transaction(world: World) -> None:
    folder = world.project.root / "output/targets-csv"
    env = {"TARGET_CSV_OUTPUT_PATH": str(folder)}

    def lines(stream: str) -> list[Row]:
        found = []
        for path in sorted((folder / stream).glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                found += list(csv.DictReader(file))
        return found

    world.load("target-csv", "csv", env)
    assert {name: len(lines(name)) for name in LISTED} == totals(world.company)
    world.change()
    read = world.load("target-csv", "csv", env)
    assert 2 <= read["transactions"] < 50
    written = lines("transactions")
    assert Counter(row["id"] for row in written)[world.changed] == 2
    rows = latest(written)
    assert ids(world.company) - rows.keys() == set()
    assert rows[world.changed]["note"] == "Seen by the accountant\nTwice"
    for row in world.company.rows("transactions"):
        assert literal_eval(rows[row["id"]]["label_ids"]) == row["label_ids"], "as Python has it"


# Columns only


FLAT = {"TAP_QONTO_FLATTENING_ENABLED": "true", "TAP_QONTO_FLATTENING_MAX_DEPTH": "2"}
"""Objects become columns, and objects in them too; lists become text."""

BALANCE = "total_amount__value"
"""A column that a supplier invoice has only if it is flattened."""


def in_duckdb(place: Path) -> Ask:
    def ask(table: str, column: str) -> list[Any]:
        with duckdb.connect(str(place), read_only=True) as connection:
            found = connection.execute(f"select {column} from qonto.{table}").fetchall()
        return [value for (value,) in found]

    return ask


def in_lines(place: Path) -> Ask:
    def ask(table: str, column: str) -> list[Any]:
        lines = (place / f"{table}.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line).get(column) for line in lines]  # no objects, no columns

    return ask


def in_csv(place: Path) -> Ask:
    def ask(table: str, column: str) -> list[Any]:
        [path] = (place / table).glob("*.csv")
        with path.open(encoding="utf-8", newline="") as file:
            return [row[column] for row in csv.DictReader(file)]

    return ask


@pytest.mark.parametrize(
    ("target", "setting", "asking"),
    [
        ("target-duckdb", "TARGET_DUCKDB_PATH", in_duckdb),
        ("target-jsonl", "TARGET_JSONL_DESTINATION_PATH", in_lines),
        ("target-csv", "TARGET_CSV_OUTPUT_PATH", in_csv),
    ],
)
def test_flattened_rows_arrive(
    world: World, target: str, setting: str, asking: Callable[[Path], Ask]
) -> None:
    place = world.project.root / f"output/flat-{target}"
    if target != "target-duckdb":
        place.mkdir()
    world.load(target, "flat", {setting: str(place)} | FLAT)
    expect_flat(world.company, asking(place))


def test_flattened_rows_arrive_in_postgres(world: World, postgres: tuple[str, Connection]) -> None:
    url, connection = postgres
    world.load("target-postgres", "flat", {"TARGET_POSTGRES_SQLALCHEMY_URL": url} | FLAT)

    def ask(table: str, column: str) -> list[Any]:
        found = connection.exec_driver_sql(f"select {column} from qonto.{table}")
        return [value for (value,) in found]

    expect_flat(world.company, ask)


def expect_flat(company: Company, ask: Ask) -> None:
    """Look for all rows, and for what was inside an object."""
    assert {name: len(ask(name, "id")) for name in LISTED} == totals(company)
    amounts = [
        str(row["total_amount"]["value"]) if row["total_amount"] else ""
        for row in company.rows("supplier_invoices")
    ]
    found = ["" if value is None else str(value) for value in ask("supplier_invoices", BALANCE)]
    assert Counter(map(_number, found)) == Counter(map(_number, amounts))
    named = dict(zip(ask("transactions", "id"), ask("transactions", "label_ids"), strict=True))
    for row in company.rows("transactions"):
        assert json.loads(named[row["id"]]) == row["label_ids"], "lists are JSON"


def _number(text: str) -> float | None:
    return float(text) if text else None
