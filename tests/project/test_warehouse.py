"""Descriptions of tables and columns, made from the schemas, and where they go."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
import yaml

from tap_qonto.streams import STREAMS
from tests.kit.manual import ROOT, blocks

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

DESCRIPTIONS = ROOT / "examples/descriptions.py"
SCHEMA = "qonto_described"


@pytest.fixture(scope="module")
def descriptions() -> Any:
    """The module that makes both files."""
    spec = spec_from_file_location("descriptions", DESCRIPTIONS)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_files_are_what_the_schemas_say(descriptions: Any) -> None:
    for name, made in (
        ("dbt/sources.yml", descriptions.sources()),
        ("postgres/comments.sql", descriptions.comments()),
    ):
        assert (DESCRIPTIONS.parent / name).read_text(encoding="utf-8") == made, (
            f"{name} is not what the schemas say: run examples/descriptions.py"
        )


def test_every_stream_is_a_source_and_every_table_and_column_is_described() -> None:
    content = yaml.safe_load((DESCRIPTIONS.parent / "dbt/sources.yml").read_text(encoding="utf-8"))
    [source] = content["sources"]
    assert [table["name"] for table in source["tables"]] == [stream.name for stream in STREAMS]
    assert len(source["tables"]) == 36
    for table in source["tables"]:
        assert table["description"], table["name"]
        for column in table["columns"]:
            assert column["description"], (table["name"], column["name"])


# In PostgreSQL


@pytest.fixture
def connection(postgres_url: str) -> Any:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
        opened.exec_driver_sql(f"drop schema if exists {SCHEMA} cascade; create schema {SCHEMA}")
        opened.exec_driver_sql(f"set search_path to {SCHEMA}")
        yield opened
        opened.exec_driver_sql(f"drop schema {SCHEMA} cascade")
    engine.dispose()


def psql(url: str, script: str) -> None:
    """Run a script as its first lines say, in the schema of this test."""
    lines = (ROOT / script).read_text(encoding="utf-8").splitlines()
    [export] = [line for line in lines if line.startswith("--   export PGOPTIONS")]
    command = next(line for line in lines if line.startswith("--   psql"))
    command = command.removeprefix("--   ").replace("postgresql://...", f'"{url}"')
    subprocess.run(
        [
            *("bash", "-euc"),
            export.removeprefix("--   ").replace("qonto_demo", SCHEMA)
            + f"\n{command} --set ON_ERROR_STOP=1 --quiet",
        ],
        cwd=ROOT,
        check=True,
    )


@pytest.mark.slow
def test_comments_reach_the_tables_and_columns_that_are_there(
    postgres_url: str, connection: Connection
) -> None:
    connection.exec_driver_sql('create table transactions (id text, "check" jsonb, x int)')
    psql(postgres_url.replace("+psycopg", ""), "examples/postgres/comments.sql")
    found = connection.exec_driver_sql(
        "select attname, col_description(attrelid, attnum) from pg_attribute "
        "where attrelid = 'transactions'::regclass and attnum > 0"
    )
    assert dict(tuple(row) for row in found) == {
        "id": "Transaction id; primary key.",
        "check": "Cheque; null for other subjects.",
        "x": None,
    }
    [(table,)] = connection.exec_driver_sql("select obj_description('transactions'::regclass)")
    assert table.startswith("Money movements")


@pytest.mark.slow
def test_timestamps_get_their_zone_in_the_schema_that_is_named(
    postgres_url: str, connection: Connection
) -> None:
    connection.exec_driver_sql("create table labels (id text, made_at timestamp)")
    connection.exec_driver_sql("insert into labels values ('a', '2026-01-01 12:00')")
    psql(postgres_url.replace("+psycopg", ""), "examples/postgres/timestamptz.sql")
    [(kind, text)] = connection.exec_driver_sql(
        "select pg_typeof(made_at)::text, (made_at at time zone 'UTC')::text from labels"
    )
    assert (kind, text) == ("timestamp with time zone", "2026-01-01 12:00:00")


@pytest.mark.slow
def test_rows_that_the_last_load_did_not_touch_are_found_in_postgres(
    connection: Connection,
) -> None:
    [query] = blocks("docs/state.md", "gone-postgres", "sql")
    connection.exec_driver_sql(
        "create table labels (id text, name text, _sdc_sync_started_at bigint)"
    )
    connection.exec_driver_sql(
        "insert into labels values ('a', 'Here', 2), ('b', 'Here', 2), ('c', 'Gone', 1)"
    )
    rows = connection.exec_driver_sql(query.replace("qonto.", ""))
    assert [tuple(row) for row in rows] == [("c", "Gone")]
