"""The command on README's first screen, in a clean clone, and the tables that it leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import duckdb
import pytest

from tap_qonto.demo import COLLECTIONS, Company
from tap_qonto.streams import STREAMS
from tap_qonto.tap import TapQonto
from tests.kit.meltano_project import Project, project, rows_read

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

DEFAULT = {stream.name for stream in STREAMS if stream.selected_by_default}

LOOKBACK = 50
"""More rows than the demo company changed in the last ten minutes of any stream's history."""


@pytest.fixture(scope="module")
def clone() -> Project:
    return project()


@pytest.fixture(scope="module")
def first_run(clone: Project) -> str:
    return clone.meltano("run", "tap-qonto", "target-duckdb")


@pytest.fixture
def warehouse(clone: Project, first_run: str) -> Iterator[duckdb.DuckDBPyConnection]:
    assert first_run
    path = clone.root / "output/warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def ask(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def tables(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    names = ask(connection, "select table_name from information_schema.tables")
    return {
        name: ask(connection, f'select count(*) from qonto."{name}"')[0][0] for (name,) in names
    }


def documents(company: Company) -> dict[str, int]:
    """Return how many documents the company's rows point at."""

    def pointed_at(collection: str, *pointers: str) -> int:
        return sum(
            len({row[pointer] for pointer in pointers if row.get(pointer)})
            for row in company.rows(collection)
        )

    return {
        "transaction_attachments": sum(
            len(row["attachment_ids"]) for row in company.rows("transactions")
        ),
        "client_invoice_attachments": pointed_at("client_invoices", "attachment_id"),
        "credit_note_attachments": pointed_at("credit_notes", "attachment_id"),
        "quote_attachments": pointed_at("quotes", "attachment_id"),
        "supplier_invoice_attachments": pointed_at(
            "supplier_invoices", "attachment_id", "display_attachment_id"
        ),
        "statement_files": company.total("statements"),
    }


def test_every_table_has_as_many_rows_as_the_company(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    company = Company("demo")
    totals = {name: company.total(name) for name in DEFAULT & set(COLLECTIONS)}
    assert tables(warehouse) == totals | documents(company)
    assert totals["transactions"] >= 5_000


def test_columns_have_the_types_that_their_values_have(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    kinds = dict(
        ask(
            warehouse,
            "select column_name, data_type from information_schema.columns "
            "where table_name = 'transactions'",
        )
    )
    assert {kinds[name] for name in ("created_at", "updated_at", "settled_at")} == {"TIMESTAMP"}
    assert kinds["amount"] == "DOUBLE"
    assert kinds["amount_cents"] == "BIGINT"
    assert kinds["attachment_required"] == "BOOLEAN"
    assert kinds["vat_details"] == kinds["labels"] == "JSON"


def test_balances_follow_from_the_transactions(warehouse: duckdb.DuckDBPyConnection) -> None:
    sums = ask(
        warehouse,
        """
        select bank_account.balance_cents, sum(if(side = 'credit', 1, -1) * amount_cents)
        from qonto.bank_accounts as bank_account
        join qonto.transactions as moved on moved.bank_account_id = bank_account.id
        where moved.status = 'completed'
        group by bank_account.id, bank_account.balance_cents
        """,
    )
    assert len(sums) == 6
    assert all(balance == moved for balance, moved in sums)


def test_every_document_lies_where_its_row_says(
    clone: Project, warehouse: duckdb.DuckDBPyConnection
) -> None:
    folder = (clone.root / "output/documents").resolve()
    for table in documents(Company("demo")):
        rows = ask(
            warehouse,
            f"select file_status, file_path, file_size, file_sha256 from qonto.{table}",
        )
        assert {status for status, *_ in rows} == {"stored"}
        for _, uri, size, sha256 in rows:
            path = Path(unquote(urlsplit(uri).path))
            content = path.read_bytes()
            assert path.resolve().is_relative_to(folder)
            assert len(content) == size
            assert hashlib.sha256(content).hexdigest() == sha256


def test_the_second_run_loads_only_what_changed(clone: Project, first_run: str) -> None:
    path = str(clone.root / "output/warehouse.duckdb")
    with duckdb.connect(path, read_only=True) as connection:  # one at a time may write
        before = tables(connection)
    first = rows_read(first_run)
    second = rows_read(clone.meltano("run", "tap-qonto", "target-duckdb"))
    with duckdb.connect(path, read_only=True) as connection:
        assert tables(connection) == before
    assert first.keys() == second.keys()
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    for name, count in second.items():
        allowed = LOOKBACK if tap.streams[name].replication_key else first[name]
        assert count <= allowed, name


def test_the_example_of_an_env_file_changes_nothing(clone: Project) -> None:
    env_file = clone.root / ".env"
    env_file.write_bytes((clone.root / ".env.example").read_bytes())
    try:
        told = clone.meltano("invoke", "tap-qonto", "--test=schema")
    finally:
        env_file.unlink()
    assert '"stream":"transactions"' in told
