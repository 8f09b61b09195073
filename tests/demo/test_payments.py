"""Payments to the demo company, by the rules that Qonto documents."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import (
    Company,
    Request,
    Response,
    Writing,
)
from tap_qonto.demo.world.moments import parse
from tests.kit.cases import some

if TYPE_CHECKING:
    from collections.abc import Callable

    Opener = Callable[..., Company]

from tests.demo.desk import Desk

NAMES: dict[str, tuple[Callable[[str], str], str]] = {
    "the name as it is": (lambda name: name, "MATCH"),
    "other capitals": (str.upper, "MATCH"),
    "without accents": (lambda name: name.replace("é", "e").replace("è", "e"), "MATCH"),
    "the words turned": (lambda name: " ".join(reversed(name.split())), "CLOSE_MATCH"),
    "one letter more": (lambda name: f"{name}s", "CLOSE_MATCH"),
    "somebody else": (lambda _: "Zoran Quux", "NO_MATCH"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_payee_is_checked_by_the_name(case: str) -> None:
    spelled, result = NAMES[case]
    desk = Desk()
    question = {"iban": desk.payee["iban"], "beneficiary_name": spelled(desk.payee["name"])}
    answer = desk.post("/sepa/verify_payee", question)
    assert answer.status == 200
    assert answer.body["match_result"] == f"MATCH_RESULT_{result}"
    assert answer.body["proof_token"]["token"]
    close = desk.payee["name"] if result == "CLOSE_MATCH" else None
    assert answer.body.get("matched_name") == close


def test_banks_outside_the_euro_cannot_check_and_unknown_accounts_match_nobody() -> None:
    desk = Desk()
    for iban, result in (
        ("CH9300762011623852957", "NOT_POSSIBLE"),
        ("FR7616958000010000004321396", "NO_MATCH"),
    ):
        answer = desk.post("/sepa/verify_payee", {"iban": iban, "beneficiary_name": "A"})
        assert answer.body["match_result"] == f"MATCH_RESULT_{result}"
    wrong = desk.post("/sepa/verify_payee", {"iban": "FR00", "beneficiary_name": "A"})
    assert (wrong.status, wrong.code) == (400, "BAD_REQUEST_ERROR_UNSPECIFIED")
    assert desk.post("/sepa/verify_payee", {"iban": "FR00"}).status == 422


def test_a_proof_is_good_for_its_payee_and_23_hours() -> None:
    desk = Desk()
    order = desk.order()
    desk.later(hours=22, minutes=59)
    assert desk.post("/sepa/transfers", order, "1").status == 200
    desk.later(minutes=1)
    late = desk.post("/sepa/transfers", order, "2")
    assert (late.status, late.code) == (401, "vop_proof_token_invalid")
    other = next(
        row
        for row in desk.company.rows("beneficiaries")
        if row["trusted"] and row["id"] != desk.payee["id"]
    )
    for proof, code in (
        (desk.proof(other), "vop_proof_token_invalid"),
        ("1|1|soon|x", "vop_proof_token_invalid"),
        (None, "vop_proof_token_missing"),
    ):
        answer = desk.post("/sepa/transfers", {**order, "vop_proof_token": proof}, "3")
        assert (answer.status, answer.code) == (401, code)
    once = Desk(writing=Writing(proof_once=True, proof_as_text=True))
    question = {"iban": once.payee["iban"], "beneficiary_name": once.payee["name"]}
    proof = once.post("/sepa/verify_payee", question).body["proof_token"]
    order = {"vop_proof_token": proof, "transfer": desk.order()["transfer"]}
    assert once.post("/sepa/transfers", order, "4").status == 200
    assert once.post("/sepa/transfers", order, "5").code == "vop_proof_token_invalid"


def test_a_transfer_is_accepted_then_settled_and_its_money_leaves_the_account() -> None:
    desk = Desk(writing=Writing(settle_time=3))
    before = desk.balance()
    answer = desk.pay(amount="150.10")
    sent = answer.body["transfer"]
    assert answer.status == 200
    assert (sent["status"], sent["amount"], sent["amount_cents"]) == ("pending", 150.1, 15_010)
    assert sent["transaction_id"] is None
    held = desk.balance()
    assert held["balance_cents"] == before["balance_cents"]
    assert held["authorized_balance_cents"] == before["authorized_balance_cents"] - 15_010
    desk.later(seconds=3)
    settled = desk.ask(f"/sepa/transfers/{sent['id']}")["transfer"]
    assert settled["status"] == "settled"
    assert settled["completed_at"] == settled["updated_at"] == "2026-11-24T12:00:03Z"
    after = desk.balance()
    assert after["balance_cents"] == before["balance_cents"] - 15_010
    assert after["authorized_balance_cents"] == held["authorized_balance_cents"]
    (transaction,) = desk.ask(
        "/transactions",
        ("bank_account_id", desk.account.id),
        ("sort_by", "updated_at:desc"),
        ("per_page", "1"),
    )["transactions"]
    assert transaction["id"] == settled["transaction_id"]
    assert transaction["settled_balance_cents"] == after["balance_cents"]
    assert (transaction["reference"], transaction["note"]) == (sent["reference"], sent["note"])
    assert transaction["transfer"]["counterparty_account_number"] == desk.payee["iban"]
    embedded = desk.ask("/organization")["organization"]["bank_accounts"]
    assert after["balance_cents"] in [one["balance_cents"] for one in embedded]


def test_balances_add_up_after_many_transfers() -> None:
    desk = Desk(writing=Writing(settle_time=60))
    before = desk.balance()["balance_cents"]
    for number in range(12):
        desk.later(seconds=10)
        assert desk.pay(f"key {number}", amount=f"{number + 1}.{number:02d}").status == 200
    account = desk.balance()
    assert 0 < before - account["balance_cents"] < sum(100 * n + n - 1 for n in range(1, 13))
    rows = list(desk.company.rows("transactions", bank_account_id=desk.account.id))
    completed = [row for row in rows if row["status"] == "completed"]
    balance = 0
    for row in sorted(completed, key=lambda row: parse(row["settled_at"])):
        balance += row["amount_cents"] * (1 if row["side"] == "credit" else -1)
        assert row["settled_balance_cents"] == balance
    pending = sum(
        row["amount_cents"] for row in rows if row["status"] == "pending" and row["side"] == "debit"
    )
    assert account["balance_cents"] == balance
    assert account["authorized_balance_cents"] == balance - pending


def test_a_transfer_of_another_day_waits_for_it() -> None:
    desk = Desk()
    sent = desk.pay(scheduled_date="2026-12-01").body["transfer"]
    before = desk.balance()
    assert sent["scheduled_date"] == "2026-12-01"
    desk.later(days=6, hours=11)
    assert desk.transfers()[0]["status"] == "pending"
    desk.later(hours=1)
    assert desk.transfers()[0]["status"] == "settled"
    assert desk.balance()["balance_cents"] == before["balance_cents"] - 15_000
    poor = desk.pay("poor", amount="20.00", scheduled_date="2026-12-10").body["transfer"]
    assert desk.pay("soon", amount="1.00", scheduled_date="2026-12-02").status == 200
    desk.later(days=1)
    status = {row["amount_cents"]: row["status"] for row in desk.transfers()}
    assert status == {15_000: "settled", 100: "settled", 2_000: "pending"}
    desk.company.change("bank_accounts", desk.account.id, authorized_balance_cents=1_999)
    desk.later(days=20)
    declined = desk.ask(f"/sepa/transfers/{poor['id']}")["transfer"]
    assert declined["status"] == "declined"
    assert declined["declined_reason"] == "debit_account_insufficient_funds"


def test_transfers_above_the_instant_limits_are_silently_standard() -> None:
    desk = Desk()
    assert desk.pay("1", amount="10000.00").status == 200
    assert desk.pay("2", amount="10000.01").status == 200
    status = {row["amount_cents"]: row["status"] for row in desk.transfers()}
    assert status == {1_000_000: "settled", 1_000_001: "pending"}
    desk.later(days=1)
    assert {row["status"] for row in desk.transfers()} == {"settled"}
    for number in range(6):
        assert desk.pay(f"day {number}", amount="9000.00").status == 200
    statuses = [row["status"] for row in desk.transfers() if row["amount_cents"] == 900_000]
    assert sorted(statuses) == ["pending"] + ["settled"] * 5, "50,000 EUR in 24 hours"


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "an amount as a number": ({"amount": 150.0}, 400, "not_a_string"),
    "no amount": ({"amount": None}, 400, "bad_request"),
    "three decimals": ({"amount": "1.001"}, 400, "bad_request"),
    "a comma": ({"amount": "1,50"}, 400, "bad_request"),
    "nothing": ({"amount": "0.00"}, 400, "bad_request"),
    "more than there is": (
        {"amount": "29999999.00", "attachment_ids": "own"}, 400, "insufficient_funds",
    ),
    "30,000.01 without a document": ({"amount": "30000.01"}, 422, "required"),
    "a document that is none": ({"attachment_ids": ["x"]}, 422, "not_found"),
    "six documents": ({"attachment_ids": ["x"] * 6}, 422, "invalid"),
    "no reference": ({"reference": None}, 422, "required"),
    "a reference of 141 letters": ({"reference": "x" * 141}, 422, "invalid"),
    "a note of 141 letters": ({"note": "x" * 141}, 422, "invalid"),
    "an account's slug": ({"bank_account_id": "demo-1"}, 400, "bank_account_not_found"),
    "a closed account": ({"bank_account_id": "closed"}, 400, "bank_account_not_found"),
    "an unknown payee": ({"beneficiary_id": "x"}, 422, "not_found"),
    "no payee": ({"beneficiary_id": None}, 400, "bad_request"),
    "two payees": ({"beneficiary": {"iban": "x"}}, 400, "bad_request"),
    "yesterday": ({"scheduled_date": "2026-11-23"}, 422, "invalid"),
    "a day that is none": ({"scheduled_date": "2026-02-30"}, 422, "invalid_format"),
    "a payee who is not trusted": ({"beneficiary_id": "untrusted"}, 428, "sca_required"),
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    some(
        REFUSED,
        *("an amount as a number", "more than there is", "30,000.01 without a document"),
        *("a closed account", "two payees", "yesterday", "a payee who is not trusted"),
    ),
)
def test_a_transfer_is_refused_and_nothing_is_kept(case: str) -> None:
    changes, status, code = REFUSED[case]
    desk = Desk()
    if changes.get("attachment_ids") == "own":
        changes = {**changes, "attachment_ids": [desk.upload()]}
    if changes.get("bank_account_id") == "closed":
        changes = {"bank_account_id": desk.company.accounts[-1].id}
    if changes.get("beneficiary_id") == "untrusted":
        desk.company.change("beneficiaries", desk.payee["id"], trusted=False)
        changes = {}
    before = desk.balance()
    answer = desk.pay("same", **changes)
    assert (answer.status, answer.code) == (status, code)
    assert desk.transfers() == []
    assert desk.balance() == before
    if status == 428:
        assert answer.body["sca_session_token"]
        assert answer.body["action_type"] == "transfer.single.create"
        desk.company.change("beneficiaries", desk.payee["id"], trusted=True)
    # An error is not kept: the same key may be used again.
    assert desk.pay("same").status == 200
    assert len(desk.transfers()) == 1


def test_own_accounts_and_payees_of_the_moment_are_not_paid() -> None:
    desk = Desk()
    inline = {"name": "New", "iban": "FR7616958000010000004321396"}
    order = desk.order(beneficiary_id=None, beneficiary=inline)
    question = {"iban": inline["iban"], "beneficiary_name": "New"}
    token = desk.post("/sepa/verify_payee", question).body["proof_token"]["token"]
    answer = desk.post("/sepa/transfers", {**order, "vop_proof_token": token}, "1")
    assert answer.status == 428
    own = {"name": "Us", "iban": desk.company.accounts[1].iban}
    answer = desk.pay("2", beneficiary_id=None, beneficiary=own)
    assert answer.code == "transfer_to_same_organization"
    strict = Desk(writing=Writing(approval_from=100))
    assert strict.pay("3").code == "payment_policy_approval_required"
    assert strict.pay("4", amount="99.99").status == 200


def test_a_document_above_30000_lands_at_the_transaction() -> None:
    desk = Desk()
    attachment = desk.upload()
    assert desk.pay(amount="30000.01", attachment_ids=[attachment]).status == 200
    desk.later(days=2)
    (transfer,) = desk.transfers()
    transaction = desk.company.get("transactions", transfer["transaction_id"])
    assert transaction is not None
    assert [one["id"] for one in transaction["attachments"]] == [attachment]


def test_a_key_repeats_the_old_answer_for_half_an_hour_whatever_the_body() -> None:
    desk = Desk()
    first = desk.pay("k")
    desk.later(minutes=29, seconds=59)
    assert desk.pay("k", amount="999.00", reference="other") == first
    assert desk.post("/sepa/transfers", {}, "k") == first
    assert len(desk.transfers()) == 1
    desk.later(seconds=1)
    again = desk.pay("k")
    assert again.status == 200
    assert again.body["transfer"]["id"] != first.body["transfer"]["id"]
    assert len(desk.transfers()) == 2


@pytest.mark.parametrize("path", ["/sepa/transfers", "/attachments"])
def test_a_key_is_mandatory_where_qonto_lists_it(path: str) -> None:
    answer = Desk().post(path, {})
    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize(("locked", "made"), [(True, 1), (False, 2)])
def test_two_requests_with_one_key_at_once(locked: bool, made: int) -> None:
    desk = Desk(writing=Writing(lock_keys=locked, work_time=0.05))
    order = desk.order()
    gate = threading.Barrier(2)

    def send() -> None:
        gate.wait()
        assert desk.post("/sepa/transfers", order, "k").status == 200

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(desk.transfers()) == made


def test_an_answer_can_get_lost_after_the_work_and_lists_can_lag() -> None:
    desk = Desk(writing=Writing(list_delay=30))

    def lose(request: Request, _: Response) -> Response | None:
        if request.method == "POST" and request.path.endswith("/transfers"):
            raise ConnectionResetError
        return None

    order = desk.order()
    desk.api.after.append(lose)
    with pytest.raises(ConnectionResetError):
        desk.post("/sepa/transfers", order, "k")
    desk.api.after.clear()
    assert desk.transfers() == []
    desk.later(seconds=30)
    (found,) = desk.transfers()
    repeated = desk.post("/sepa/transfers", order, "k").body["transfer"]
    assert repeated["id"] == found["id"]
