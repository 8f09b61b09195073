"""The payroll of the manual, paid through Meltano in a clean clone: plan, consent, again."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.kit.manual import ROOT, section
from tests.kit.meltano_project import Project, fresh_project

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PAGE = "README.md"
ROWS = [
    json.loads(line)
    for line in (ROOT / "examples" / "payroll.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module")
def clone() -> Iterator[Project]:
    with fresh_project() as project:
        yield project


def shown(name: str) -> str:
    """Return the output that the manual shows."""
    return section(PAGE, name).split("```text\n")[1].split("```")[0]


def plan_of(log: str) -> str:
    """Return the pay sheet in a log."""
    found = re.search(r"(Plan [0-9a-f-]{14} .*?\nNothing was sent[^\n]*\n)", log, re.DOTALL)
    assert found, log
    return found[1]


def results(clone: Project) -> list[dict[str, Any]]:
    folder = clone.root / "output" / "results" / "new_transfers"
    last = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for line in last.read_text(encoding="utf-8").splitlines()]


def test_a_payroll_is_planned_approved_paid_and_read_back(clone: Project) -> None:
    run = ("run", "tap-payroll", "target-qonto")
    job = "demo:tap-payroll-to-target-qonto"
    log = clone.meltano(*run)
    assert plan_of(log) == shown("plan")
    # The source's bookmark stays where it is, so the rows come again.
    assert plan_of(clone.meltano(*run)) == shown("plan")
    assert job not in clone.meltano("state", "list")
    digest = shown("plan").split()[1]
    assert f"TARGET_QONTO_APPROVE={digest} " in section(PAGE, "approved")

    payroll = clone.root / "examples" / "payroll.jsonl"
    whole = payroll.read_text(encoding="utf-8")
    payroll.write_text(whole.replace("2184.30", "2184.31"), encoding="utf-8")
    log = clone.meltano(*run, env={"TARGET_QONTO_APPROVE": digest}, fails=True)
    assert f"Nothing was sent: {digest} was approved, and this is " in log
    payroll.write_text(whole, encoding="utf-8")

    log = clone.meltano(*run, env={"TARGET_QONTO_APPROVE": digest})
    assert shown("approved").strip() in log
    assert [row["status"] for row in results(clone)] == ["sent"] * len(ROWS)
    assert job in clone.meltano("state", "list")
    log = clone.meltano(*run, "--full-refresh", env={"TARGET_QONTO_APPROVE": digest})
    assert f"Sent 0 of {len(ROWS)} rows" in log
    assert [row["status"] for row in results(clone)] == ["already_sent"] * len(ROWS)

    clone.meltano("run", "tap-qonto", "target-duckdb")
    sent = {row["qonto_id"]: row["amount"] for row in results(clone)}
    with duckdb.connect(clone.root / "output" / "warehouse.duckdb", read_only=True) as warehouse:
        found = warehouse.execute(
            "select t.id, t.amount, t.reference, m.amount, m.side from qonto.sepa_transfers t"
            " join qonto.transactions m on m.id = t.transaction_id where t.id in ?",
            [list(sent)],
        ).fetchall()
        [(balance,)] = warehouse.execute(
            "select balance from qonto.bank_accounts where main"
        ).fetchall()
    assert {row[0]: f"{row[1]:.2f}" for row in found} == sent
    assert sorted(row[2] for row in found) == sorted(row["reference"] for row in ROWS)
    assert all(row[1] == row[3] and row[4] == "debit" for row in found)
    assert balance > 0
