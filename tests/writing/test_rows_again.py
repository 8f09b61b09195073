"""Rows that come again, that have changed, or that have left the input."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest

from tests.kit.cases import some
from tests.writing.bank import TRANSFERS, Bank, Row, iban, instead, lose_answer, lose_request, row
from tests.writing.runs import Told, run

if TYPE_CHECKING:
    from pathlib import Path


def _again(bank: Bank, told: Told) -> tuple[int, list[str], int]:
    return told.exit_code, list(told.statuses.values()), len(bank.transfers)


def test_the_same_row_that_was_sent_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    cells = row(1, scheduled_date="2026-11-25")
    assert run(bank, [cells], tmp_path, caplog, approve="plan").settled
    bank.now += 10 * 86_400  # its day is over, which is no mistake of a row that was sent
    told = run(bank, [cells], tmp_path, caplog, approve="plan")
    assert _again(bank, told) == (0, ["already_sent"], 1)


@pytest.mark.parametrize("is_journal_there", [True, False])
@pytest.mark.parametrize(
    "changed",
    some([{"amount": "7"}, {"reference": "Other"}, {"beneficiary_iban": iban(2)}], {"amount": "7"}),
)
def test_another_content_of_a_row_that_was_sent_is_rejected(
    changed: Row, is_journal_there: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").settled
    if not is_journal_there:
        (tmp_path / "journal.sqlite").unlink()
    told = run(bank, [row(1, **changed)], tmp_path, caplog, approve="plan")
    assert _again(bank, told) == (1, ["rejected"], 1)
    assert told.results[0]["reason"] == (
        "was sent as 101.50 EUR on 2026-11-24; a new payment needs a new external_id"
    )


def test_another_content_of_a_row_without_answer_is_held_until_that_is_resolved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={TRANSFERS: deque([lose_request, lose_request])})
    first = run(bank, [row(1)], tmp_path, caplog, approve="plan")
    assert _again(bank, first) == (4, ["unknown"], 0)
    told = run(bank, [row(1, amount="7"), row(2)], tmp_path, caplog, approve="plan")
    assert _again(bank, told) == (3, ["held", "sent"], 1)
    assert run(bank, [row(1), row(2)], tmp_path, caplog, approve="plan").settled
    assert bank.paid() == {"Invoice 1": 1, "Invoice 2": 1}


def test_another_content_of_a_row_that_was_rejected_is_a_new_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={TRANSFERS: deque([instead(422, "invalid")])})
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").exit_code == 1
    told = run(bank, [row(1, amount="7")], tmp_path, caplog, approve="plan")
    assert _again(bank, told) == (0, ["sent"], 1)


def test_equal_rows_of_one_input_are_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    told = run(bank, [row(1), row(1)], tmp_path, caplog, approve="plan")
    assert _again(bank, told) == (0, ["sent"], 1)


@pytest.mark.parametrize("journal_name", ["journal.sqlite", "other.sqlite"])
def test_without_a_journal_the_tags_tell(
    journal_name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").settled
    (tmp_path / "journal.sqlite").unlink()
    [sent] = bank.transfers
    note = f"checked: {sent['note']}, ok"
    bank.company.change("sepa_transfers", sent["id"], note=note)
    bank.now += 400 * 86_400
    told = run(bank, [row(1), row(2)], tmp_path, caplog, approve="plan", journal=journal_name)
    assert _again(bank, told) == (0, ["already_sent", "sent"], 2)


def test_a_row_without_answer_that_left_the_input_is_looked_for_and_never_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={TRANSFERS: deque([lose_request, lose_request])})
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").exit_code == 4
    told = run(bank, [row(2)], tmp_path, caplog, approve="plan")
    assert _again(bank, told) == (4, ["sent"], 1)
    assert not told.settled
    assert "INV-1" in told.sentence


def test_a_row_without_answer_that_left_the_input_is_settled_once_it_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={TRANSFERS: deque([lose_answer, lose_request])}, lag=10_000.0)
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").exit_code == 4
    bank.now += 10_001
    told = run(bank, [row(2)], tmp_path, caplog, approve="plan")
    assert _again(bank, told) == (0, ["sent"], 2)


def test_a_plan_waits_for_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank(faults={TRANSFERS: deque([lose_request, lose_request])})
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").exit_code == 4
    bank.now -= 30  # the last request left half a minute ago
    began = bank.now
    told = run(bank, [row(1)], tmp_path, caplog)
    assert (told.exit_code, told.statuses, bank.now) == (0, {"INV-1": "unknown"}, began)
    bank.now += 60
    told = run(bank, [row(1)], tmp_path, caplog)
    assert told.statuses == {"INV-1": "planned"}
    assert "send again, the answer was lost" in told.log
