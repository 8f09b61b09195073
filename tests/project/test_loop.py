"""The loop closes: rows are sent, the tap reads them back, and the warehouse has what they say."""

from __future__ import annotations

import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import duckdb
import pytest

from tests.kit.meltano_project import fresh_project
from tests.kit.target import messages
from tests.writing.office import CLIENT, INVOICE, PDF
from tests.writing.processes import PATIENCE, Executioner, finish, start
from tests.writing.test_invoice_real_kills import hurried_office

if TYPE_CHECKING:
    from tests.writing.office import Office

pytestmark = pytest.mark.slow

Row = dict[str, Any]

DAY = 86_400.0
KILLS = ("POST /v2/client_invoices/[^/]+/finalize", "POST /v2/supplier_invoices/bulk")
"""Where the target dies in its first run, and in its second one."""


def rows_of(office: Office, run: int) -> dict[str, list[Row]]:
    """Return the rows that the source has at a run: those of before, and more."""
    return {
        "new_clients": [CLIENT],
        "new_client_invoices": [
            INVOICE | {"external_id": f"S-{n}", "due_date": f"2026-12-1{n}"}
            | ({"number": f"A-{n}"} if n % 2 else {})
            for n in range(2 + run)
        ],
        "new_supplier_invoices": [
            {"external_id": f"D-{n}", "file": office.file(f"{n}.pdf", PDF + b"%d" % n)}
            for n in range(3 + run)
        ],
    }  # fmt: skip


def test_what_rows_ask_for_is_in_the_warehouse_with_its_documents(tmp_path: Path) -> None:
    with fresh_project() as project, hurried_office(tmp_path) as (office, _, hurry):
        hurry.ahead = -DAY  # the tap reads nothing that lies ahead of its own time
        documents = project.root / "output" / "prod" / "documents"
        config = {
            "access_token": "access-token-of-the-test",
            "api_url": office.server.api_url,
            "journal_path": str(tmp_path / "journal.sqlite"),
            "results_path": str(tmp_path / "results"),
            "attachments_path": str(documents),
            "approve": "within_limits",
        }
        env = {
            "TAP_QONTO_API_URL": office.server.api_url,
            "TAP_QONTO_LOGIN": "acme",
            "TAP_QONTO_SECRET_KEY": "key",
        }
        for run, kill in enumerate(KILLS):
            text = "".join(
                messages(records, stream=stream) for stream, records in rows_of(office, run).items()
            )
            executioner = Executioner(kill, 1)
            office.api.after.append(executioner.after)
            executioner.process = start(text, config, tmp_path, hurry)
            assert executioner.process.wait(PATIENCE) == -signal.SIGKILL
            office.api.after.clear()
            assert finish(text, config, tmp_path, hurry) == 0, (tmp_path / "run.log").read_text()
            time.sleep(3)  # minutes there: what has just changed is left to the next run
            project.meltano("--environment=prod", "run", "tap-qonto", "target-duckdb", env=env)
            with duckdb.connect(project.root / "output" / "prod.duckdb", read_only=True) as house:
                compare(house, office, documents, rows_of(office, run))


def stored(url: str) -> Path:
    """Return where a document is."""
    return Path(unquote(urlsplit(url).path))


def compare(
    house: duckdb.DuckDBPyConnection, office: Office, documents: Path, rows: dict[str, list[Row]]
) -> None:
    """Compare the tables with the rows, by the IDs that the target has told."""
    ids = {name: row["qonto_id"] for name, row in office.results.items()}
    [(client, vat_number)] = house.execute(
        "select id, vat_number from qonto.clients where name = ?", [CLIENT["name"]]
    ).fetchall()
    assert (client, vat_number) == (ids["C-1"], CLIENT["vat_number"])

    invoices = house.execute(
        "select i.id, i.status, i.number, i.due_date::varchar, i.total_amount_cents, a.file_path"
        " from qonto.client_invoices i"
        " join qonto.client_invoice_attachments a on a.client_invoice_id = i.id"
        " where i.created_at > '2026-11-20'"
    ).fetchall()
    found = {invoice: told for invoice, *told in invoices}
    assert len(invoices) == len(found) == len(rows["new_client_invoices"])
    for row in rows["new_client_invoices"]:
        status, number, due, cents, file = found[ids[row["external_id"]]]
        assert (status, due[:10], cents) == ("unpaid", row["due_date"], Decimal(120_000))
        assert number == row["number"] if "number" in row else number
        assert stored(file).read_bytes().startswith(b"%PDF")
        # One copy, which the target has stored; the tap found it.
        assert list(stored(file).parent.iterdir()) == [stored(file)]
        assert stored(file).is_relative_to(documents)

    received = house.execute(
        "select s.id, s.file_name, s.status, a.file_path from qonto.supplier_invoices s"
        " join qonto.supplier_invoice_attachments a on a.supplier_invoice_id = s.id"
        " where s.created_at > '2026-11-20'"
    ).fetchall()
    kept = {invoice: told for invoice, *told in received}
    assert len(received) == len(kept) == len(rows["new_supplier_invoices"])
    for row in rows["new_supplier_invoices"]:
        name, status, file = kept[ids[row["external_id"]]]
        assert (name, status) == (Path(row["file"]).name, "to_review")
        assert stored(file).read_bytes() == Path(row["file"]).read_bytes()
