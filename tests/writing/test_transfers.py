"""What a run of transfers does, as the bank, the log and the result rows see it."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tap_qonto.api.pages import Query
from tap_qonto.writing.plan import NEVER
from tests.writing.bank import (
    CHECKS,
    TRANSFERS,
    Bank,
    Row,
    answer,
    fail_after,
    iban,
    instead,
    lose_answer,
    lose_request,
    payee_id,
    refuse_connection,
    row,
    work_on,
)
from tests.writing.runs import Told, run

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Bank().other

PDF = b"%PDF-1.7\n%made up\n"


def journal(folder: Path) -> list[tuple[Any, ...]]:
    """Return external ID, state, attempts and code of everything in a journal."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as database:
        return database.execute(
            "SELECT external_id, state, attempts, code FROM writes ORDER BY external_id"
        ).fetchall()


# The plan and its approval


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


def test_the_plan_is_the_pay_sheet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank(cents=1_820_107 + 80_000)
    bank.change_payee(1, name="Müller GmbH")
    bank.change_payee(2, name="Doe, Jane")
    bank.change_payee(3, name="Müller GmbH")
    done = row(3, external_id="INV-16", amount="800", reference="INV 16")
    run(bank, [done], tmp_path, caplog, approve="plan")
    bank.by_hand(2, amount_cents=111_050, reference="INV 18", days=4)
    rows = [
        row(1, external_id="INV-17", amount="1200", scheduled_date="2026-12-01"),
        row(2, external_id="INV-18", amount="1110.5", reference="INV 18", team="x", rate=1),
        done,
    ]
    told = run(bank, rows, tmp_path, caplog)
    digest = told.digest
    name = bank.get(Query("", "/organization"))["organization"]["name"]
    assert told.log.partition("Plan ")[2] == (
        f"{digest} for {name}, account …5663, 2 of 3 rows, 2,310.50 EUR "
        "(balance 18,201.07, after 15,890.57)\n"
        "  new_transfers  INV-17  Müller GmbH …0100  1,200.00  on 2026-12-01  send\n"
        "  new_transfers  INV-18  Doe, Jane …0200    1,110.50  at once        "
        'held: 1,110.50 "INV 18" was paid by hand on 2026-11-20\n'
        f"  new_transfers  INV-16  Müller GmbH …0300    800.00  {NEVER}              "
        "already sent on 2026-11-24\n"
        "  new_transfers: not used: team, rate\n"
        f"Nothing was sent. To send exactly this: approve = {digest}\n"
    )
    assert told.statuses == {"INV-17": "planned", "INV-18": "held", "INV-16": "already_sent"}


def test_a_result_row_tells_the_whole_story(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    told = run(bank, [row(1)], tmp_path, caplog, approve="plan")
    assert told.results == [
        {
            "run_id": "run-0001",
            "stream": "new_transfers",
            "external_id": "INV-1",
            "status": "sent",
            "qonto_id": bank.transfers[0]["id"],
            "qonto_status": "pending",
            "amount": "101.50",
            "currency": "EUR",
            "payee_check": "match",
            "code": None,
            "reason": None,
            "at": "2026-11-24T12:00:00.000000Z",
            "digest": told.digest,
        }
    ]


def test_what_is_sent_is_what_the_row_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    cells = row(1, amount="1500", note="November", scheduled_date="2026-12-01")
    assert run(bank, [cells], tmp_path, caplog, approve="plan").settled
    [body] = bank.bodies
    tag = body["transfer"].pop("note").removeprefix("November · q:")
    assert len(tag) == 12
    assert body["transfer"] == {
        "bank_account_id": bank.main,
        "beneficiary_id": payee_id(1),
        "reference": "Invoice 1",
        "amount": "1500.00",
        "scheduled_date": "2026-12-01",
    }
    assert body["vop_proof_token"].startswith("1|1|")


CHANGES: dict[str, Any] = {
    "another amount": lambda rows: [rows[0] | {"amount": "101.51"}, rows[1]],
    "another payee": lambda rows: [rows[0] | {"beneficiary_iban": iban(3)}, rows[1]],
    "another reference": lambda rows: [rows[0] | {"reference": "Invoice 9"}, rows[1]],
    "another note": lambda rows: [rows[0] | {"note": "x"}, rows[1]],
    "another day": lambda rows: [rows[0] | {"scheduled_date": "2026-12-24"}, rows[1]],
    "another account": lambda rows: [rows[0] | {"bank_account_id": OTHER}, rows[1]],
    "another name": lambda rows: [rows[0] | {"beneficiary_name": "Payee"}, rows[1]],
    "a row more": lambda rows: [*rows, row(3)],
    "a row less": lambda rows: rows[:1],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_digest_approves_exactly_one_content(
    change: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    rows = [row(1), row(2)]
    digest = run(bank, rows, tmp_path, caplog).digest
    told = run(bank, change(rows), tmp_path, caplog, approve=digest)
    assert (told.exit_code, bank.posts) == (3, [])
    assert told.sentence.startswith(f"Nothing was sent: {digest} was approved, and this is ")


def test_the_order_of_the_rows_and_spellings_of_a_cell_do_not_matter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    digest = run(bank, [row(1, note=""), row(2)], tmp_path, caplog).digest
    spaced = " ".join(iban(2)[start : start + 4] for start in range(0, 27, 4)).lower()
    rows = [
        row(2, beneficiary_iban=spaced, amount=Decimal("102.5"), _sdc_extracted_at="now"),
        row(1, note=None, amount="101.5"),
    ]
    assert run(bank, rows, tmp_path, caplog, approve=digest).settled


def test_a_row_that_is_held_after_it_was_shown_needs_a_new_approval(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    digest = run(bank, [row(1)], tmp_path, caplog).digest
    bank.by_hand(1)
    told = run(bank, [row(1)], tmp_path, caplog, approve=digest)
    assert (told.exit_code, bank.posts) == (3, [])
    # Shown as held and approved, it is paid.
    assert run(bank, [row(1)], tmp_path, caplog, approve=told.digest).settled
    assert bank.paid() == {"Invoice 1": 1}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "needs max_transfer"),
        ({"max_transfer": 20_000}, "needs max_total"),
        ({"max_total": 20_000}, "needs max_transfer"),
    ],
)
def test_within_limits_needs_limits(
    options: Row, sentence: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    told = run(bank, [row(1)], tmp_path, caplog, approve="within_limits", **options)
    assert (told.exit_code, bank.requests) == (2, [])
    assert sentence in told.sentence


@pytest.mark.parametrize("approve", ["within_limits", "plan"])
@pytest.mark.parametrize(
    ("max_transfer", "max_total", "sentence"),
    [
        (10_249, 100_000, "INV-2 is over max_transfer, 102.49 EUR"),
        (20_000, 20_399, "204.00 EUR is over max_total, 203.99 EUR"),
        (10_250, 20_400, ""),
    ],
)
def test_limits_hold_for_every_approval(
    approve: str,
    max_transfer: int,
    max_total: int,
    sentence: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bank = Bank()
    told = run(
        bank, [row(1), row(2)], tmp_path, caplog,
        approve=approve, max_transfer=max_transfer, max_total=max_total,
    )  # fmt: skip
    assert sentence in told.sentence
    assert (told.exit_code, bank.posts == []) == ((3, True) if sentence else (0, False))


def test_within_limits_sends_nothing_if_a_row_is_held(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    bank.by_hand(2)
    told = run(
        bank, [row(1), row(2)], tmp_path, caplog,
        approve="within_limits", max_transfer=100_000, max_total=100_000,
    )  # fmt: skip
    assert (told.exit_code, bank.posts) == (3, [])
    assert told.statuses == {"INV-1": "planned", "INV-2": "held"}


def test_more_than_the_account_holds_is_not_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(cents=20_399)
    told = run(bank, [row(1), row(2)], tmp_path, caplog, approve="plan")
    assert (told.exit_code, bank.posts) == (3, [])
    assert "204.00 EUR is more than account …5663 holds, 203.99 EUR" in told.sentence


HANDS: dict[str, tuple[Row, bool]] = {
    "the same": ({}, True),
    "written with other capitals": ({"reference": "INVOICE  1"}, True),
    "with a note that was edited": ({"note": "ok, paid"}, True),
    "30 days ago": ({"days": 29.9}, True),
    "longer ago": ({"days": 30.1}, False),
    "another amount": ({"amount_cents": 10_151}, False),
    "another reference": ({"reference": "Invoice 11"}, False),
    "another payee": ({"beneficiary_id": payee_id(2)}, False),
    "one that failed": ({"status": "declined"}, False),
    "one that was canceled": ({"status": "canceled"}, False),
    "one with a tag of ours": ({"note": "q:AAAAAAAAAAAA"}, False),
}


@pytest.mark.parametrize(("hand", "is_held"), HANDS.values(), ids=HANDS)
def test_a_row_that_looks_paid_by_hand_is_held(
    hand: Row, is_held: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    bank.by_hand(1, **hand)
    told = run(bank, [row(1)], tmp_path, caplog)
    assert told.statuses == {"INV-1": "held" if is_held else "planned"}


# Payees

PAYEES: dict[str, tuple[Row | None, Row, str]] = {
    "unknown": (None, {}, "beneficiary_unknown"),
    "not yet validated": ({"status": "pending"}, {}, "beneficiary_not_validated"),
    "declined": ({"status": "declined"}, {}, "beneficiary_not_validated"),
    "not trusted": ({"trusted": False}, {}, "beneficiary_not_trusted"),
    "of unknown trust": ({"trusted": None}, {}, "beneficiary_not_trusted"),
    "another one than the ID says": ({}, {"beneficiary_id": payee_id(2)}, "beneficiary_unknown"),
}


@pytest.mark.parametrize(("changed", "cells", "code"), PAYEES.values(), ids=PAYEES)
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


@pytest.mark.parametrize(("result", "level", "is_paid"), CHECKED.values(), ids=CHECKED)
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


def gives(reply: Any) -> Any:
    """Return the fault that gives an answer."""
    return lambda _bank, _post, _work: reply


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


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_payee_check_that_goes_wrong_is_no_payment(
    trouble: Trouble, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={CHECKS: deque(trouble.faults)})
    told = run(bank, [row(1)], tmp_path, caplog, approve="plan", payee_check=trouble.level)
    assert told.statuses == {"INV-1": trouble.status}, told.log
    assert told.exit_code == trouble.exit_code
    assert len(bank.transfers) == bank.posts.count(TRANSFERS) == (trouble.status == "sent")


# Attachments


def test_above_30_000_eur_the_attachment_is_uploaded_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    file = tmp_path / "Facture no 7.pdf"
    file.write_bytes(PDF)
    cells = row(1, amount="30000.01", attachment=str(file))
    told = run(bank, [cells], tmp_path, caplog, approve="plan")
    assert told.settled, told.log
    assert bank.posts == ["/attachments", CHECKS, TRANSFERS]
    [attachment] = bank.bodies[0]["transfer"]["attachment_ids"]
    uploaded = bank.get(Query("", f"/attachments/{attachment}"))["attachment"]
    assert (uploaded["file_name"], uploaded["file_content_type"], uploaded["file_size"]) == (
        "Facture no 7.pdf", "application/pdf", str(len(PDF)),
    )  # fmt: skip


FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "its file does not exist"),
    "empty": (b"", "its file is empty"),
    "of another kind": (b"PK\3\4", "its file is neither PDF, PNG nor JPEG"),
    "too large": (PDF.ljust(15_000_001), "its file is larger than 15 MB"),
}


@pytest.mark.parametrize(("content", "reason"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_sent_rejects_its_row(
    content: bytes | None, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    file = tmp_path / "file.pdf"
    if content is not None:
        file.write_bytes(content)
    told = run(bank, [row(1, attachment=str(file)), row(2)], tmp_path, caplog, approve="plan")
    assert (told.exit_code, bank.posts) == (1, [])
    assert told.results[0]["reason"] == reason


@pytest.mark.parametrize("fault", [lose_request, lose_answer, fail_after, instead(500)])
def test_an_upload_whose_answer_is_lost_is_repeated(
    fault: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={"/attachments": deque([fault])})
    file = tmp_path / "file.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    told = run(bank, [row(1, attachment=str(file))], tmp_path, caplog, approve="plan")
    assert told.settled, told.log
    assert len(bank.bodies[0]["transfer"]["attachment_ids"]) == 1


# Outcomes of the transfer itself


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


@pytest.mark.parametrize("case", OUTCOMES.values(), ids=OUTCOMES)
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


# A row that comes again


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
    "changed", [{"amount": "7"}, {"reference": "Other"}, {"beneficiary_iban": iban(2)}]
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


# Signals


@pytest.mark.parametrize("signum", [2, 15])
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


# Cost


@pytest.mark.slow
def test_500_transfers_cost_two_requests_and_two_commits_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(cents=10**10, people=500)
    commits: list[str] = []

    def count(place: str) -> None:
        if place.startswith("before") and place.endswith("on the disk"):
            commits.append(place)

    told = run(
        bank, [row(number) for number in range(1, 501)], tmp_path, caplog,
        approve="within_limits", max_transfer=10**9, max_total=10**9, stop_at=count,
    )  # fmt: skip
    assert told.settled
    assert len(bank.requests) <= 2 * 500 + 10
    assert len(commits) == 2 * 500


def test_a_day_is_over_when_it_is_over_everywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    today = datetime.fromtimestamp(bank.now, UTC).date()
    assert run(bank, [row(1, scheduled_date=today)], tmp_path, caplog).exit_code == 2  # no text
    told = run(bank, [row(1, scheduled_date=str(today))], tmp_path, caplog)
    assert told.exit_code == 0
    told = run(bank, [row(1, scheduled_date=str(today - timedelta(1)))], tmp_path, caplog)
    assert (told.exit_code, bank.posts) == (2, [])
    assert "has a scheduled_date that is over" in told.sentence
