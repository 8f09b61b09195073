"""A large company's tables are built in seconds, because no join is quadratic."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.transform.runs import PROJECT, WORKER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transform.runs import Dbt
    from tests.transform.warehouses import DuckDB

pytestmark = pytest.mark.slow

TIMES = 40
"""As many companies as the demo's in one: 216,000 transactions."""
CORES = 2
SECONDS = 25
BYTES = 500 * 1024 * 1024

MEASURED = """
import json, resource, subprocess, sys
finished = subprocess.run([sys.executable, sys.argv[1]], input=sys.stdin.buffer.read(),
    stdout=subprocess.PIPE, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"answer": json.loads(finished.stdout), "cpu": used.ru_utime + used.ru_stime,
    "bytes": used.ru_maxrss * 1024}))
"""

# Each copy has its own ids, accounts, IBANs, clients and invoice numbers, so that nothing matches
# across copies.
COPIES = {
    "bank_accounts": "id || '/' || n as id, iban || n as iban, name || n as name",
    "transactions": """
        id || '/' || n as id, bank_account_id || '/' || n as bank_account_id,
        initiator_id || '/' || n as initiator_id,
        case when reference like 'F-%' then reference || '/' || n else reference end as reference,
        regexp_replace(transfer::text, '"(FR[0-9]+)"', '"\\1' || n || '"')::json as transfer,
        regexp_replace(income::text, '"(FR[0-9]+)"', '"\\1' || n || '"')::json as income
    """,
    "client_invoices": """
        id || '/' || n as id, client_id || '/' || n as client_id,
        invoice_number || '/' || n as invoice_number, number || '/' || n as number
    """,
    "credit_notes": "id || '/' || n as id, invoice_id || '/' || n as invoice_id",
    "clients": "id || '/' || n as id",
    "supplier_invoices": """
        id || '/' || n as id,
        regexp_replace(
            matched_transactions::text, '("transaction_id": *"[^"]+)"', '\\1/' || n || '"', 'g'
        )::json as matched_transactions,
        cast('[]' as json) as matched_transactions_ids
    """,
    "sepa_transfers": """
        id || '/' || n as id, transaction_id || '/' || n as transaction_id,
        recurring_transfer_id || '/' || n as recurring_transfer_id,
        bank_account_id || '/' || n as bank_account_id
    """,
    "recurring_transfers": """
        id || '/' || n as id, bank_account_id || '/' || n as bank_account_id
    """,
    "statements": "id || '/' || n as id, bank_account_id || '/' || n as bank_account_id",
    "memberships": "id || '/' || n as id",
    "cards": "id || '/' || n as id, holder_id || '/' || n as holder_id",
}


def grown(warehouse: DuckDB) -> DuckDB:
    for table, replaced in COPIES.items():
        warehouse.write(f"""
            create table qonto.grown as
            select t.* replace ({replaced}) from qonto.{table} t, range({TIMES}) r (n)
        """)
        warehouse.write(f"drop table qonto.{table}")
        warehouse.write(f"alter table qonto.grown rename to {table}")
    return warehouse


def test_216_000_transactions_build_in_25_seconds_and_500_megabytes(
    loaded: DuckDB, dbt: Dbt, tmp_path: Path
) -> None:
    """Measured in what the processors worked: a machine that is busy otherwise does not count."""
    warehouse = grown(loaded.copy(tmp_path))
    assert warehouse.run("select count(*) from qonto.transactions") == [(216_000,)]
    command: dict[str, Any] = {
        "arguments": [
            *("build", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
        ],
        "env": {"QONTO_AS_OF": "latest", **warehouse.env},
    }
    finished = subprocess.run(
        [dbt.python, "-c", MEASURED, WORKER],
        input=json.dumps(command).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    measured = json.loads(finished.stdout)
    assert measured["answer"]["success"], measured["answer"]
    assert warehouse.run("select count(*) from qonto_finance.qonto__reconciliation") == [
        (5269 * TIMES,)
    ]
    assert measured["cpu"] <= SECONDS * CORES, measured["cpu"]
    assert measured["bytes"] <= BYTES, measured["bytes"]
