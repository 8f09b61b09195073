"""Every outcome of a request has its consequence."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.kit.cases import thorough
from tests.writing.bank import (
    TRANSFERS,
    Bank,
    answer,
    fail_after,
    gives,
    instead,
    lose_answer,
    lose_request,
    payee_id,
    refuse_connection,
    row,
    work_on,
)
from tests.writing.runs import journal, run

if TYPE_CHECKING:
    from pathlib import Path


class Case(NamedTuple):
    """What happens to the first transfer, and what comes of it."""

    faults: list[Any]
    statuses: list[str]
    exit_code: int
    posts: int
    """Requests for transfers in all."""
    state: str
    """Of the first row, in the journal."""
    code: str = ""
    renewals: int = 0


def _no_fit(**changed: Any) -> Any:
    """Answer 200 with a transfer that does not fit the request, and do nothing."""

    def fault(_bank: Bank, post: Any, _work: Any) -> Any:
        asked = json.loads(post.body)["transfer"]
        transfer = {
            "id": "transfer-99",
            "status": "pending",
            "amount": float(asked["amount"]),
            "amount_cents": round(float(asked["amount"]) * 100),
            "beneficiary_id": asked["beneficiary_id"],
            "reference": asked["reference"],
            "note": asked["note"],
        }
        return answer(200, {"transfer": transfer | changed})

    return fault


SENT, REJECTED, PLANNED, UNKNOWN = "sent", "rejected", "planned", "unknown"

OUTCOMES: dict[str, Case] = {
    "accepted": Case([None], [SENT, SENT], 0, 2, "done"),
    "connection refused, three times": Case([refuse_connection] * 3, [SENT, SENT], 0, 5, "done"),
    "connection refused for good": Case(
        [refuse_connection] * 9, [REJECTED, PLANNED], 1, 4, "rejected", "never_arrived"
    ),
    "throttled": Case([instead(429, Retry_After="3")] * 2, [SENT, SENT], 0, 4, "done"),
    "throttled for good": Case([instead(429)] * 9, [REJECTED, PLANNED], 1, 6, "rejected", "429"),
    "payee check expired": Case(
        [instead(401, "vop_proof_token_invalid")], [SENT, SENT], 0, 3, "done"
    ),
    "payee check expired twice": Case(
        [instead(401, "vop_proof_token_missing")] * 2,
        [REJECTED, SENT],
        1,
        3,
        "rejected",
        "vop_proof_token_missing",
    ),
    "credentials refused, renewed": Case(
        [instead(401, "unauthorized")], [SENT, SENT], 0, 3, "done", renewals=1
    ),
    "credentials refused for good": Case(
        [instead(401, "unauthorized")] * 9, [REJECTED, PLANNED], 1, 1, "rejected", "unauthorized"
    ),
    "credentials refused, renewed, refused": Case(
        [instead(401, "unauthorized")] * 9,
        [REJECTED, PLANNED],
        1,
        2,
        "rejected",
        "unauthorized",
        renewals=9,
    ),
    "no right": Case(
        [instead(403, "forbidden")], [REJECTED, PLANNED], 1, 1, "rejected", "forbidden"
    ),
    **{
        f"refused, {status} {code}": Case(
            [instead(status, code)], [REJECTED, SENT], 1, 2, "rejected", code
        )
        for status, code in (
            (400, "insufficient_funds"),
            (400, "payment_policy_approval_required"),
            (404, "not_found"),
            (409, "conflict"),
            (412, "precondition_failed"),
            (422, "invalid"),
            (428, "sca_required"),
        )
    },
    "request lost": Case([lose_request], [SENT, SENT], 0, 3, "done"),
    "answer cut off": Case([lose_answer], [SENT, SENT], 0, 2, "done"),
    "500 before the work": Case([instead(500)], [SENT, SENT], 0, 3, "done"),
    "500 after the work": Case([fail_after], [SENT, SENT], 0, 2, "done"),
    "503": Case([instead(503)], [SENT, SENT], 0, 3, "done"),
    "408": Case([instead(408)], [SENT, SENT], 0, 3, "done"),
    "no JSON": Case([gives(answer(200, b"<html>"))], [SENT, SENT], 0, 3, "done"),
    "no body": Case([gives(answer(200))], [SENT, SENT], 0, 3, "done"),
    "no transfer": Case([gives(answer(200, {}))], [SENT, SENT], 0, 3, "done"),
    "another amount": Case([_no_fit(amount_cents=1)], [SENT, SENT], 0, 3, "done"),
    "another payee": Case([_no_fit(beneficiary_id=payee_id(9))], [SENT, SENT], 0, 3, "done"),
    "another reference": Case([_no_fit(reference="x")], [SENT, SENT], 0, 3, "done"),
    "without the tag": Case([_no_fit(note="q:AAAAAAAAAAAA")], [SENT, SENT], 0, 3, "done"),
    "still worked on": Case([work_on(45.0)], [SENT, SENT], 0, 2, "done"),
    "lost twice": Case([lose_request, None, lose_request], [UNKNOWN, SENT], 4, 3, "sending"),
    "a redirect": Case([instead(302)], [SENT, SENT], 0, 3, "done"),
}
MOST_TELLING = [
    *("accepted", "connection refused for good", "throttled", "payee check expired"),
    *("refused, 422 invalid", "request lost", "answer cut off", "500 after the work"),
    *("another amount", "lost twice"),
]
"""The others are for the slow tests."""


@pytest.mark.parametrize("case", thorough(OUTCOMES, *MOST_TELLING))
def test_every_outcome_of_a_request_has_its_consequence(
    case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={TRANSFERS: deque(case.faults)}, renewals=case.renewals)
    rows = [row(1), row(2)]
    told = run(bank, rows, tmp_path, caplog, approve="plan", request_timeout=20.0)
    assert list(told.statuses.values()) == case.statuses, told.log
    assert (told.exit_code, told.settled) == (case.exit_code, case.exit_code == 0)
    assert bank.posts.count(TRANSFERS) == case.posts
    assert journal(tmp_path)[0][1] == case.state
    assert told.results[0]["code"] == (case.code or None) or case.state == "sending"
    assert max(bank.paid().values(), default=0) <= 1
    # Whatever it was, it passes, and the next run settles the rest.
    bank.faults.clear()
    bank.now += 3_600
    assert run(bank, rows, tmp_path, caplog, approve="plan").settled
    assert bank.paid() == {"Invoice 1": 1, "Invoice 2": 1}


def test_an_answer_that_leaves_out_much_is_completed_by_a_question(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def short(_bank: Bank, _post: Any, work: Any) -> Any:
        whole = json.loads(work().body)["transfer"]
        return answer(200, {"transfer": {name: whole[name] for name in ("id", "amount_cents")}})

    bank = Bank(faults={TRANSFERS: deque([short])})
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").settled
    assert bank.requests[-1] == ("GET", f"/sepa/transfers/{bank.transfers[0]['id']}")


def test_three_lost_answers_in_a_row_stop_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={TRANSFERS: deque([instead(500)] * 3)})
    rows = [row(number) for number in range(1, 6)]
    told = run(bank, rows, tmp_path, caplog, approve="plan")
    assert told.exit_code == 4
    assert list(told.statuses.values()) == [UNKNOWN] * 3 + [PLANNED] * 2
    assert bank.posts.count(TRANSFERS) == 3
    assert run(bank, rows, tmp_path, caplog, approve=told.digest).settled
    assert set(bank.paid().values()) == {1}


def test_waits_are_those_that_the_server_asks_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={TRANSFERS: deque([instead(429, Retry_After="123")])})
    began = bank.now
    assert run(bank, [row(1)], tmp_path, caplog, approve="plan").settled
    assert bank.now - began == 123.0


@pytest.mark.parametrize("signum", [2, 15])
@pytest.mark.slow
def test_a_signal_while_a_row_is_sent_lets_that_row_end(
    signum: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places: list[str] = []
    run(Bank(), [row(1), row(2)], tmp_path / "count", caplog, approve="plan", stop_at=places.append)
    for number, place in enumerate(places):
        seen: list[str] = []

        def stop_at(here: str, seen: list[str] = seen, number: int = number) -> int | None:
            seen.append(here)
            return signum if len(seen) == number + 1 else None

        bank = Bank()
        folder = tmp_path / str(number)
        told = run(bank, [row(1), row(2)], folder, caplog, approve="plan", stop_at=stop_at)
        first = number < len(places) / 2
        assert told.exit_code == (128 + signum if first else 0), place
        assert len(bank.transfers) == (1 if first else 2), place
        assert {state for _, state, _, _ in journal(folder)} == {"done"}
        assert list(told.statuses.values()) == ["sent", "planned" if first else "sent"]
