"""What a run of transfers does, as the bank, the log and the result rows see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.writing.bank import Bank, row, run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_plan_sends_nothing_and_an_approved_run_sends_each_row_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    rows = [row(1), row(2)]
    shown = run(bank, rows, tmp_path, caplog)
    assert (shown.exit_code, shown.settled, bank.posts) == (0, False, [])
    assert set(shown.statuses.values()) == {"planned"}
    done = run(bank, rows, tmp_path, caplog, approve=shown.digest)
    assert (done.exit_code, done.settled) == (0, True), done.log
    assert bank.paid() == {"Invoice 1": 1, "Invoice 2": 1}
    again = run(bank, rows, tmp_path, caplog, approve=shown.digest)
    assert (again.exit_code, again.settled) == (0, True), again.log
    assert set(again.statuses.values()) == {"already_sent"}
    assert bank.paid() == {"Invoice 1": 1, "Invoice 2": 1}
