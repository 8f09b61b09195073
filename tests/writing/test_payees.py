"""Only payees who are trusted and checked are paid."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.kit.cases import thorough
from tests.writing.bank import (
    CHECKS,
    TRANSFERS,
    Bank,
    Row,
    answer,
    gives,
    iban,
    instead,
    lose_request,
    payee_id,
    row,
)
from tests.writing.runs import run

if TYPE_CHECKING:
    from pathlib import Path

PAYEES: dict[str, tuple[Row | None, Row, str]] = {
    "unknown": (None, {}, "beneficiary_unknown"),
    "not yet validated": ({"status": "pending"}, {}, "beneficiary_not_validated"),
    "declined": ({"status": "declined"}, {}, "beneficiary_not_validated"),
    "not trusted": ({"trusted": False}, {}, "beneficiary_not_trusted"),
    "of unknown trust": ({"trusted": None}, {}, "beneficiary_not_trusted"),
    "another one than the ID says": ({}, {"beneficiary_id": payee_id(2)}, "beneficiary_unknown"),
}


@pytest.mark.parametrize(
    ("changed", "cells", "code"), thorough(PAYEES, "unknown", "declined", "not trusted")
)
def test_only_payees_that_are_validated_and_trusted_are_paid(
    changed: Row | None,
    cells: Row,
    code: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bank = Bank()
    if changed is None:
        bank.company.remove("beneficiaries", payee_id(1))
    elif changed:
        bank.change_payee(1, **changed)
    rows = [row(1, **cells), row(2)]
    assert run(bank, rows, tmp_path, caplog).exit_code == 0
    told = run(bank, rows, tmp_path, caplog, approve="plan")
    assert (told.exit_code, bank.posts) == (1, [])
    assert told.statuses == {"INV-1": "rejected", "INV-2": "planned"}
    assert told.results[0]["code"] == code


def test_a_payee_is_found_by_id_and_with_its_iban_inside_an_account(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    bank.change_payee(2, bank_account={"iban": iban(2)}, iban=None)
    rows = [row(1, beneficiary_iban=None, beneficiary_id=payee_id(1)), row(2)]
    told = run(bank, rows, tmp_path, caplog)
    assert told.statuses == {"INV-1": "planned", "INV-2": "planned"}
    assert "Payee 1 …0100" in told.log


CHECKED: dict[str, tuple[str, str, bool]] = {
    f"{result} with payee_check {level}": (result, level, result in paid)
    for level, paid in {
        "match": {"MATCH"},
        "close_match": {"MATCH", "CLOSE_MATCH"},
        "any": {"MATCH", "CLOSE_MATCH", "NO_MATCH", "NOT_POSSIBLE", "UNSPECIFIED"},
    }.items()
    for result in ("MATCH", "CLOSE_MATCH", "NO_MATCH", "NOT_POSSIBLE", "UNSPECIFIED")
}


@pytest.mark.parametrize(
    ("result", "level", "is_paid"),
    thorough(
        CHECKED,
        *("MATCH with payee_check match", "CLOSE_MATCH with payee_check match"),
        "NO_MATCH with payee_check close_match",
        "UNSPECIFIED with payee_check any",
    ),
)
def test_the_payee_check_decides(
    result: str, level: str, is_paid: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(names={"Payee 1": result})
    told = run(bank, [row(1)], tmp_path, caplog, approve="plan", payee_check=level)
    assert told.results[0]["payee_check"] == result.lower()
    assert told.exit_code == (0 if is_paid else 3)
    assert told.statuses == {"INV-1": "sent" if is_paid else "held"}
    assert bool(bank.paid()) is is_paid


class Trouble(NamedTuple):
    """A payee check that goes wrong, and what comes of it."""

    faults: list[Any]
    status: str
    exit_code: int
    level: str = "match"


BANK_TROUBLE = answer(504, {"errors": [{"code": "GATEWAY_TIMEOUT_ERROR_RESPONDING_BANK"}]})


def _as_text(_bank: Bank, _post: Any, work: Any) -> Any:
    """Give the proof as older answers do."""
    body = json.loads(work().body)
    return answer(200, body | {"proof_token": body["proof_token"]["token"]})


def _without_check(_bank: Bank, _post: Any, work: Any) -> Any:
    """Say that the other bank is away, and give a proof that it was asked."""
    proof = json.loads(work().body)["proof_token"]
    error = {"code": "BAD_REQUEST_ERROR_RESPONDING_BANK_NOT_AVAILABLE"}
    return answer(400, {"errors": [error | {"meta": {"proof_token": proof}}]})


TROUBLES: dict[str, Trouble] = {
    "a token that is plain text": Trouble([_as_text], "sent", 0),
    "no answer, once": Trouble([lose_request], "sent", 0),
    "no answer, ever": Trouble([lose_request] * 9, "held", 3),
    "the other bank is away": Trouble([gives(BANK_TROUBLE)] * 9, "held", 3),
    "the other bank is away, with a proof": Trouble([_without_check], "held", 3),
    "the same, and any result is paid": Trouble([_without_check], "sent", 0, "any"),
    "an answer without token": Trouble(
        [gives(answer(200, {"match_result": "MATCH_RESULT_MATCH"}))], "rejected", 1
    ),
    "a refusal": Trouble([instead(422, "invalid")], "rejected", 1),
    "no right": Trouble([instead(403, "forbidden")], "rejected", 1),
    "throttled": Trouble([instead(429, Retry_After="7")], "sent", 0),
}


@pytest.mark.parametrize(
    "trouble",
    thorough(
        TROUBLES,
        *("no answer, once", "no answer, ever", "the other bank is away, with a proof"),
        "an answer without token",
    ),
)
def test_a_payee_check_that_goes_wrong_is_no_payment(
    trouble: Trouble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={CHECKS: deque(trouble.faults)})
    told = run(bank, [row(1)], tmp_path, caplog, approve="plan", payee_check=trouble.level)
    assert told.statuses == {"INV-1": trouble.status}, told.log
    assert told.exit_code == trouble.exit_code
    assert len(bank.transfers) == bank.posts.count(TRANSFERS) == (trouble.status == "sent")
