"""What Qonto's documents leave open about commands: however it is, each row is sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Writing
from tests.kit.cases import thorough
from tests.kit.payroll import bank_at
from tests.kit.target import STATE, load, messages
from tests.writing.office import CLIENT, INVOICE, office_at

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS: dict[str, dict[str, Any]] = {
    "the proof of a payee check is a plain string": {"proof_as_text": True},
    "a proof is good for one transfer": {"proof_once": True},
    "a created transfer has no envelope": {"bare": True},
    "a created transfer answers 201": {"created": 201},
    "an instant transfer stays pending": {"settle_time": 60.0},
}


@pytest.mark.parametrize(
    "rules",
    thorough(ANSWERS, "a created transfer has no envelope", "an instant transfer stays pending"),
)
def test_payments_are_sent_once_whatever_the_answer_is(
    tmp_path: Path, rules: dict[str, Any]
) -> None:
    with bank_at(tmp_path, Writing(**rules)) as bank:
        rows = [bank.row(0), bank.row(1), bank.row(2)]
        digest = load(messages(rows), bank.config).digest
        for status in ("sent", "already_sent"):
            done = load(messages(rows), bank.config | {"approve": digest})
            assert (done.exit_code, done.states) == (0, [STATE]), done.log
            assert [row["status"] for row in bank.results] == [status] * 3
        assert len(bank.transfers) == 3


def test_payments_that_a_person_must_approve_are_not_sent_and_their_source_waits(
    tmp_path: Path,
) -> None:
    with bank_at(tmp_path, Writing(approval_from=101.0)) as bank:
        rows = [bank.row(0), bank.row(1)]  # of 100.50 and 101.50
        digest = load(messages(rows), bank.config).digest
        done = load(messages(rows), bank.config | {"approve": digest})
        assert (done.exit_code, done.states) == (1, []), done.log
        assert [row["status"] for row in bank.results] == ["sent", "rejected"]
        assert len(bank.transfers) == 1
    [error] = done.errors
    assert "payment_policy_approval_required" in error


def test_clients_and_invoices_without_envelope_are_made_once(tmp_path: Path) -> None:
    rows = {"new_clients": [CLIENT], "new_client_invoices": [INVOICE | {"finalize": True}]}
    with office_at(tmp_path, bare=True) as (office, made):
        for status in ("sent", "already_sent"):
            assert office.send(rows).exit_code == 0
            assert set(office.statuses.values()) == {status}
        assert [row["status"] for row in made("client_invoices")] == ["unpaid"]
        assert len(made("clients")) == 1


def test_where_invoices_are_numbered_by_hand_one_without_a_number_stays_a_draft(
    tmp_path: Path,
) -> None:
    invoices = [
        INVOICE | {"external_id": "S-1", "finalize": True},
        INVOICE | {"external_id": "S-2", "finalize": True, "number": "F-2026-7"},
    ]
    with office_at(tmp_path, manual_numbers=True) as (office, made):
        done = office.send({"new_clients": [CLIENT], "new_client_invoices": invoices})
        assert done.exit_code == 1
        assert office.statuses == {"C-1": "sent", "S-1": "rejected", "S-2": "sent"}
        assert "number is required" in office.results["S-1"]["reason"]
        assert {row["status"] for row in made("client_invoices")} == {"draft", "unpaid"}
