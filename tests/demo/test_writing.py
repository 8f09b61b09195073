"""The demo company can be written to, by the rules that Qonto documents, and keeps it all."""

from __future__ import annotations

import io
import json
import multiprocessing
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec
import pypdf
import pytest
import requests
from defusedxml import ElementTree

from tap_qonto.demo import (
    Api,
    Company,
    DemoServer,
    OAuth,
    Request,
    Response,
    WorldFileError,
    Writing,
)
from tap_qonto.demo.world.moments import parse
from tests.kit.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Opener = Callable[..., Company]

Row = dict[str, Any]

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\r\n--edge of nothing\r\ntrailer\n<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n and so on"
TODAY = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Answer(NamedTuple):
    status: int
    body: Any

    @property
    def code(self) -> str:
        """The first error's code, wherever Qonto puts it."""
        return str(self.body["errors"][0]["code"] if "errors" in self.body else self.body["code"])


class Desk:
    """Somebody who sends commands to an API whose clock stands until it is moved."""

    def __init__(self, company: Company | None = None, **options: Any) -> None:
        self.now = TODAY
        self.company = company or Company(transactions=600)
        self.api = Api(self.company, clock=lambda: self.now, **options)
        self.account = self.company.accounts[0]
        self.payee = next(row for row in self.company.rows("beneficiaries") if row["trusted"])

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def ask(self, path: str, *query: tuple[str, str]) -> Any:
        answer = self.send("GET", path, query=query)
        assert answer.status == 200, answer
        return answer.body

    @staticmethod
    def keyed(key: str | None) -> dict[str, str]:
        return {} if key is None else {"X-Qonto-Idempotency-Key": key}

    def post(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self.keyed(key), **headers}
        return self.send("POST", path, content, headers)

    def form(self, path: str, *parts: tuple[str, Any], key: str | None = None) -> Answer:
        prepared = requests.Request("POST", "https://x/", files=list(parts)).prepare()
        assert isinstance(prepared.body, bytes)
        return self.send("POST", path, prepared.body, {**prepared.headers, **self.keyed(key)})

    def send(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        headers: dict[str, str] | None = None,
        query: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        request = Request(method, f"/v2{path}", query, headers or {}, content)
        response = self.api(request)
        assert isinstance(response.body, bytes)
        return Answer(response.status, msgspec.json.decode(response.body))

    # What the tests send most

    def proof(self, payee: Row | None = None) -> str:
        payee = payee or self.payee
        question = {"iban": payee["iban"], "beneficiary_name": payee["name"]}
        token: str = self.post("/sepa/verify_payee", question).body["proof_token"]["token"]
        return token

    def order(self, **changes: Any) -> Row:
        transfer = {
            "bank_account_id": self.account.id,
            "beneficiary_id": self.payee["id"],
            "reference": "INV-17",
            "amount": "150.00",
            "note": "Loyer · q:RKFWVWDQJZ2M",
        }
        transfer = {**transfer, **changes}
        return {
            "vop_proof_token": self.proof(),
            "transfer": {name: value for name, value in transfer.items() if value is not None},
        }

    def pay(self, key: str = "key", **changes: Any) -> Answer:
        return self.post("/sepa/transfers", self.order(**changes), key)

    def upload(self, content: bytes = PDF, name: str = "reçu.pdf", key: str = "key") -> str:
        answer = self.form("/attachments", ("file", (name, content)), key=key)
        assert answer.status == 200, answer
        assert answer.body.keys() == {"attachment"}
        return str(answer.body["attachment"]["id"])

    def client(self, **changes: Any) -> Answer:
        address = {
            "street_address": "1 rue de la Paix", "city": "Paris", "zip_code": "75002",
            "country_code": "FR",
        }  # fmt: skip
        client = {
            "kind": "company", "name": "Example SAS", "email": "billing@example.com",
            "currency": "EUR", "locale": "fr", "vat_number": "FR32123456789",
            "billing_address": address,
        }  # fmt: skip
        return self.post("/clients", {**client, **changes})

    def invoice(self, client: str, **changes: Any) -> Answer:
        price = {"value": "100.01", "currency": "EUR"}
        invoice = {
            "client_id": client,
            "issue_date": "2026-11-24",
            "due_date": "2026-12-24",
            "currency": "EUR",
            "status": "draft",
            "purchase_order": "PO-1",
            "payment_methods": {"iban": self.account.iban},
            "items": [
                {"title": "Hours", "quantity": "2.5", "unit_price": price, "vat_rate": "0.2"},
                {"title": "Book", "quantity": "3", "unit_price": price, "vat_rate": "0.055"},
            ],
        }
        body = {**invoice, **changes}
        present = {name: value for name, value in body.items() if value is not None}
        return self.post("/client_invoices", present)

    def transfers(self) -> list[Row]:
        query = [("beneficiary_ids[]", self.payee["id"]), ("updated_at_from", "2026-11-20")]
        rows: list[Row] = self.ask("/sepa/transfers", *query)["transfers"]
        return rows

    def balance(self) -> Row:
        return next(
            row
            for row in self.ask("/bank_accounts")["bank_accounts"]
            if row["id"] == self.account.id
        )


# -- payee check --------------------------------------------------------------------------------

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


# -- transfers ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("case", REFUSED)
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


# -- idempotency --------------------------------------------------------------------------------


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


# -- documents and supplier invoices ------------------------------------------------------------


def test_a_file_is_kept_byte_for_byte() -> None:
    desk = Desk()
    uuid = desk.upload(PDF, "Reçu n° 1.pdf")
    row = desk.ask(f"/attachments/{uuid}")["attachment"]
    assert (row["file_name"], row["file_size"]) == ("Reçu n° 1.pdf", str(len(PDF)))
    assert row["file_content_type"] == "application/pdf"
    assert desk.company.document(uuid) == PDF
    assert desk.upload(PNG, "a.png") == uuid, "the key repeats the answer"
    assert desk.upload(PNG, "a.png", key="other") != uuid


@pytest.mark.parametrize(
    ("content", "status"), [(b"hello", 422), (b"", 422), (b"%PDF-" + b"0" * 15_000_000, 422)]
)
def test_what_is_no_document_is_not_kept(content: bytes, status: int) -> None:
    desk = Desk()
    assert desk.form("/attachments", ("file", ("a.pdf", content)), key="k").status == status
    assert desk.form("/attachments", ("other", ("a.pdf", PDF)), key="k").status == 400
    assert desk.post("/attachments", {"file": "x"}, "k").status == 400


def item(key: str, **fields: Any) -> list[tuple[str, Any]]:
    parts = [("supplier_invoices[][idempotency_key]", (None, key))]
    for name, value in fields.items():
        part = value if isinstance(value, tuple) else (None, value)
        parts.append((f"supplier_invoices[][{name}]", part))
    return parts


def test_supplier_invoices_arrive_to_be_reviewed_with_their_document() -> None:
    desk = Desk()
    uploaded = desk.upload()
    answer = desk.form(
        "/supplier_invoices/bulk",
        *item("a", attachment_id=uploaded),
        *item("b", file=("scan.png", PNG)),
        ("source", (None, "integration")),
        ("meta", (None, '{"connector": "erp"}')),
    )
    assert answer.status == 200
    assert answer.body["errors"] == []
    by_file = {row["file_name"]: row for row in answer.body["supplier_invoices"]}
    assert list(by_file) == ["scan.png", "reçu.pdf"], "an order that nobody promised"
    row = by_file["reçu.pdf"]
    assert (row["status"], row["analyzed_at"], row["total_amount"]) == ("to_review", None, None)
    assert (row["attachment_id"], row["source"]) == (uploaded, "integration")
    assert row["meta"]["connector"] == "erp"
    (found,) = desk.ask("/supplier_invoices", ("filter[attachment_id]", uploaded))[
        "supplier_invoices"
    ]
    assert found == row
    named = desk.ask("/supplier_invoices", ("query", "scan"), ("query_fields", "file_name"))
    assert [one["id"] for one in named["supplier_invoices"]] == [by_file["scan.png"]["id"]]
    assert desk.company.document(by_file["scan.png"]["attachment_id"]) == PNG
    generated = next(iter(Company(transactions=0).rows("supplier_invoices")))
    assert list(row) == list(generated)


ITEMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a file of another kind": ({"file": ("a.pdf", b"hello")}, "invalid", "/file"),
    "a file of 10 MB and a byte": (
        {"file": ("a.pdf", b"%PDF-" + b"0" * 9_999_996)}, "invalid", "/file",
    ),
    "neither file nor attachment": ({}, "required", ""),
    "both": ({"file": ("a.pdf", PDF), "attachment_id": "x"}, "required", ""),
    "an unknown attachment": ({"attachment_id": "x"}, "invalid", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", ITEMS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_item_fails_alone_and_is_named_by_its_key(case: str, place: int) -> None:
    fields, code, suffix = ITEMS[case]
    desk = Desk()
    good = [item(f"good {n}", file=(f"{n}.pdf", PDF)) for n in range(2)]
    items = [*good[:place], item("bad", **fields), *good[place:]]
    answer = desk.form("/supplier_invoices/bulk", *(part for one in items for part in one))
    assert answer.status == 200
    (error,) = answer.body["errors"]
    assert error["code"] == code
    assert error["source"]["pointer"] == f"/supplier_invoices/idempotency_key/bad{suffix}"
    assert len(answer.body["supplier_invoices"]) == 2


def test_a_request_of_21_items_or_without_keys_is_refused_whole() -> None:
    desk = Desk()
    twenty = [part for n in range(20) for part in item(f"{n}", file=(f"{n}.pdf", PDF))]
    before = desk.company.total("supplier_invoices")
    more = desk.form("/supplier_invoices/bulk", *twenty, *item("20", file=("20.pdf", PDF)))
    assert (more.status, more.code) == (400, "limit_reached")
    twice = [*item("a", file=("a.pdf", PDF)), *item("a", file=("b.pdf", PDF))]
    assert desk.form("/supplier_invoices/bulk", *twice).status == 400
    keyless = [("supplier_invoices[][file]", ("a.pdf", PDF))]
    assert desk.form("/supplier_invoices/bulk", *keyless).status == 400
    assert desk.company.total("supplier_invoices") == before
    answer = desk.form("/supplier_invoices/bulk", *twenty)
    assert len(answer.body["supplier_invoices"]) == 20
    large = [item(f"l{n}", file=("l.pdf", b"%PDF-" + b"0" * 8_000_000)) for n in range(2)]
    whole = desk.form("/supplier_invoices/bulk", *(part for one in large for part in one))
    assert (whole.status, whole.code) == (400, "limit_reached")


def test_an_items_key_gives_the_same_invoice_and_another_key_a_duplicate() -> None:
    desk = Desk()
    uploaded = desk.upload()
    path, one = "/supplier_invoices/bulk", item("a", attachment_id=uploaded)
    (first,) = desk.form(path, *one).body["supplier_invoices"]
    (second,) = desk.form(path, *one).body["supplier_invoices"]
    assert second["id"] == first["id"]
    (third,) = desk.form(path, *item("b", attachment_id=uploaded)).body["supplier_invoices"]
    assert third["id"] != first["id"]
    assert (first["has_duplicates"], third["has_duplicates"]) == (False, True)
    desk.later(minutes=30)
    (late,) = desk.form(path, *one).body["supplier_invoices"]
    assert late["id"] not in (first["id"], third["id"])


def test_the_parts_of_an_item_may_come_in_either_order() -> None:
    desk = Desk()
    parts = [part for n in "ab" for part in reversed(item(n, file=(f"{n}.pdf", PDF)))]
    answer = desk.form("/supplier_invoices/bulk", *parts)
    assert answer.body["errors"] == []
    assert {row["file_name"] for row in answer.body["supplier_invoices"]} == {"a.pdf", "b.pdf"}


def test_attachment_ids_may_be_kept_or_not() -> None:
    desk = Desk(writing=Writing(keep_attachment_id=False))
    uploaded = desk.upload()
    (row,) = desk.form("/supplier_invoices/bulk", *item("a", attachment_id=uploaded)).body[
        "supplier_invoices"
    ]
    assert row["attachment_id"] != uploaded
    assert row["file_name"] == "reçu.pdf"
    assert desk.company.document(row["attachment_id"]) == PDF


# -- clients and invoices -----------------------------------------------------------------------


def test_a_client_is_made_each_time_and_found_by_its_numbers() -> None:
    desk = Desk()
    answer = desk.client(tax_identification_number="123456789")
    made = answer.body["client"]
    assert answer.status == 200
    assert made["kind"] == "company"
    for name, value in (
        ("vat_number", "fr32123456789"),
        ("tax_identification_number", "123456789"),
        ("email", "BILLING@example.com"),
    ):
        (found,) = desk.ask("/clients", (f"filter[{name}]", value))["clients"]
        assert found == made
    assert desk.client().body["client"]["id"] != made["id"], "nothing is unique"
    person = desk.client(kind="individual", first_name="A", last_name="B").body["client"]
    assert (person["first_name"], person.get("name")) == ("A", None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": None}, "required"),
        ({"kind": "friend"}, "invalid"),
        ({"name": ""}, "required"),
        ({"kind": "individual"}, "required"),
        ({"name": 7}, "invalid_format"),
        ({"vat_number": "x" * 21}, "invalid"),
        ({"billing_address": "Paris"}, "required"),
    ],
)
def test_a_client_without_its_names_is_refused(changes: Row, code: str) -> None:
    answer = Desk().client(**changes)
    assert (answer.status, answer.code) == (422, code)


def test_an_invoice_goes_from_draft_to_pdf() -> None:
    desk = Desk()
    client = desk.client().body["client"]["id"]
    answer = desk.invoice(client)
    draft = answer.body["client_invoice"]
    assert answer.status == 200
    assert (draft["status"], draft["number"], draft["attachment_id"]) == ("draft", None, None)
    assert draft["total_amount"] == {"value": "616.57", "currency": "EUR"}
    assert draft["payment_methods"][0]["iban"] == desk.account.iban
    assert list(draft) == list(next(iter(desk.company.rows("client_invoices"))))
    path = f"/client_invoices/{draft['id']}"
    final = desk.post(f"{path}/finalize").body["client_invoice"]
    assert final["status"] == "unpaid"
    assert final["number"] == "F-2026-0365"
    assert final["finalized_at"] == "2026-11-24T12:00:00Z"
    again = desk.post(f"{path}/finalize")
    assert (again.status, again.code) == (412, "invoice_not_in_draft_status")
    desk.later(seconds=9)
    assert desk.ask(path)["client_invoice"]["attachment_id"] is None
    desk.later(seconds=1)
    attachment = desk.ask(path)["client_invoice"]["attachment_id"]
    file = desk.ask(f"/attachments/{attachment}")["attachment"]
    content = desk.company.document(attachment)
    assert file["file_size"] == str(len(content))
    reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
    xml = ElementTree.fromstring(reader.attachments["factur-x.xml"][0])
    found = {tag.tag.rpartition("}")[2]: tag.text for tag in xml.iter() if tag.text}
    assert Decimal(found["GrandTotalAmount"]) == Decimal(final["total_amount"]["value"])
    assert Decimal(found["TaxTotalAmount"]) == Decimal(final["vat_amount"]["value"])
    assert found["PaymentReference"] == final["number"]
    assert "Example SAS" in reader.pages[0].extract_text()


def test_an_invoice_is_final_unless_it_is_asked_to_be_a_draft() -> None:
    desk = Desk()
    client = desk.client().body["client"]["id"]
    final = desk.invoice(client, status=None).body["client_invoice"]
    assert (final["status"], final["number"]) == ("unpaid", "F-2026-0365")


def test_a_number_is_given_once() -> None:
    desk = Desk()
    client = desk.client().body["client"]["id"]
    assert desk.invoice(client, number="A-1").status == 200
    again = desk.invoice(client, number="A-1")
    assert (again.status, again.code) == (409, "invoice_number_already_exists")
    manual = Desk(writing=Writing(manual_numbers=True))
    client = manual.client().body["client"]["id"]
    draft = manual.invoice(client).body["client_invoice"]
    assert manual.post(f"/client_invoices/{draft['id']}/finalize").code == "required"
    assert manual.invoice(client, number="A-1", status=None).status == 200


PRICE = {"value": "1.00", "currency": "EUR"}
ITEM = {"title": "A", "quantity": "1", "unit_price": PRICE, "vat_rate": "0.2"}
WRONG_INVOICES: dict[str, tuple[Row, str, str]] = {
    "no client": ({"client_id": "x"}, "invalid_client_id", "/client_id"),
    "no day": ({"issue_date": None}, "invalid_format", "/issue_date"),
    "due before it is issued": ({"due_date": "2026-11-23"}, "invalid_format", "/due_date"),
    "another currency": ({"currency": "USD"}, "invalid_format", "/currency"),
    "no account": ({"payment_methods": {}}, "invalid_iban", "/payment_methods/iban"),
    "somebody's account": (
        {"payment_methods": {"iban": "FR76"}}, "invalid_iban", "/payment_methods/iban",
    ),
    "no lines": ({"items": []}, "required", "/items"),
    "VAT in percent": (
        {"items": [{**ITEM, "vat_rate": "20"}]}, "invalid_format", "/items/0/vat_rate",
    ),
    "a quantity as a number": (
        {"items": [{**ITEM, "quantity": 1}]}, "invalid_format", "/items/0/quantity",
    ),
    "a line title of 41 letters": (
        {"items": [ITEM, {**ITEM, "title": "x" * 41}]}, "invalid", "/items/1/title",
    ),
    "a number of 41 letters": ({"number": "x" * 41}, "invalid", "/number"),
    "an end without a start": (
        {"performance_end_date": "2026-11-24"}, "invalid_format", "/performance_start_date",
    ),
    "a discount": (
        {"discount": {"type": "percentage", "value": "0.1"}}, "invalid_format", "/discount",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_INVOICES)
def test_an_invoice_is_refused(case: str) -> None:
    changes, code, pointer = WRONG_INVOICES[case]
    desk = Desk()
    client = desk.client().body["client"]["id"]
    before = desk.company.total("client_invoices")
    answer = desk.invoice(client, **changes)
    assert (answer.status, answer.code) == (422, code)
    assert answer.body["errors"][0]["source"]["pointer"] == pointer
    assert desk.company.total("client_invoices") == before


def test_a_client_without_an_address_cannot_be_invoiced() -> None:
    desk = Desk()
    for name in ("currency", "locale", "billing_address"):
        client = desk.client(**{name: None}).body["client"]["id"]
        answer = desk.invoice(client)
        assert answer.status == 422
        assert answer.body["errors"][0]["source"]["pointer"] == f"/data/attributes/{name}"


def test_answers_may_be_bare_and_created() -> None:
    desk = Desk(writing=Writing(bare=True, created=201))
    client = desk.client()
    assert (client.status, client.body["name"]) == (201, "Example SAS")
    assert desk.invoice(client.body["id"]).body["status"] == "draft"
    assert desk.pay().body["status"] == "pending"


# -- bodies and credentials ---------------------------------------------------------------------

COMMANDS = ["/sepa/verify_payee", "/sepa/transfers", "/clients", "/client_invoices"]


@pytest.mark.parametrize("path", COMMANDS)
def test_a_body_that_is_no_object_is_refused(path: str) -> None:
    desk = Desk()
    for content, code in (
        (b"{", "malformed_json"),
        (b"[]", "bad_request"),
        (b"", "malformed_json"),
    ):
        headers = {"Content-Type": "application/json", **desk.keyed("k")}
        answer = desk.send("POST", path, content, headers)
        assert (answer.status, answer.code) == (400, code)
    assert desk.send("POST", path, b"{}", desk.keyed("k")).code == "bad_request"


def test_payments_need_oauth_and_its_scope() -> None:
    oauth = OAuth()
    limited = OAuth(scope="organization.read client.write")
    desk = Desk(authorization="acme:secret", oauth=oauth)
    body = {"iban": desk.payee["iban"], "beneficiary_name": "A"}
    key = desk.post("/sepa/verify_payee", body, Authorization="acme:secret")
    assert (key.status, key.code) == (401, "unauthorized")
    assert desk.post("/clients", {}, Authorization="acme:secret").status == 422
    key = desk.post("/sepa/transfers", {}, "k", Authorization="acme:secret")
    assert (key.status, key.code) == (401, "unauthorized")
    bearer = f"Bearer {oauth.issue()}"
    assert desk.post("/sepa/verify_payee", body, Authorization=bearer).status == 200
    narrow = Desk(oauth=limited)
    bearer = f"Bearer {limited.issue()}"
    for path in ("/sepa/verify_payee", "/sepa/transfers", "/attachments", "/client_invoices"):
        answer = narrow.post(path, body, "k", Authorization=bearer)
        assert (answer.status, answer.code) == (403, "forbidden")
    assert narrow.post("/clients", {}, Authorization=bearer).status == 422
    reading = narrow.send("GET", "/clients", headers={"Authorization": bearer})
    assert reading.status == 403


# -- the tap reads it back ----------------------------------------------------------------------


@pytest.mark.slow
def test_the_tap_reads_back_what_was_written_with_its_documents(tmp_path: Path) -> None:
    desk = Desk(Company(transactions=60))
    earlier = run({"attachments_path": str(tmp_path)}, api=desk.api)
    desk.now = datetime.now(UTC) - timedelta(minutes=1)
    uploaded = desk.upload()
    desk.pay(attachment_ids=[uploaded])
    (invoice,) = desk.form("/supplier_invoices/bulk", *item("a", attachment_id=uploaded)).body[
        "supplier_invoices"
    ]
    client = desk.client().body["client"]["id"]
    final = desk.invoice(client, status=None).body["client_invoice"]
    desk.later(seconds=15)  # its PDF is made after ten, which changes the invoice once more
    later = run({"attachments_path": str(tmp_path)}, api=desk.api, state=earlier.state)
    assert later.exit_code == 0, later.log
    by_note = [
        row
        for stream in ("sepa_transfers", "transactions")
        for row in later.records[stream]
        if row["note"] == "Loyer · q:RKFWVWDQJZ2M"
    ]
    transfer, transaction = by_note
    assert transfer["transaction_id"] == transaction["id"]
    (account,) = (row for row in later.records["bank_accounts"] if row["id"] == desk.account.id)
    assert account["balance_cents"] == transaction["settled_balance_cents"]
    for stream, written in (
        ("supplier_invoices", invoice["id"]),
        ("clients", client),
        ("client_invoices", final["id"]),
    ):
        assert written in [row["id"] for row in later.records[stream]]
    for stream in ("transaction_attachments", "supplier_invoice_attachments"):
        (file,) = (row for row in later.records[stream] if row["id"] == uploaded)
        assert Path(unquote(urlsplit(file["file_path"]).path)).read_bytes() == PDF
    (printed,) = (
        row
        for row in later.records["client_invoice_attachments"]
        if row["client_invoice_id"] == final["id"]
    )
    assert printed["file_status"] == "stored"
    assert printed["facturx_profile"] == "EN 16931"


# -- a file that keeps it -----------------------------------------------------------------------


def rows_of(company: Company) -> dict[str, list[Row]]:
    names = ("transactions", "sepa_transfers", "bank_accounts", "supplier_invoices", "clients",
             "client_invoices", "organization")  # fmt: skip
    return {name: list(company.rows(name)) for name in names}


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens companies that keep a file, and lets go of the files at the end."""
    with ExitStack() as stack:
        yield lambda *name, **options: stack.enter_context(closing(Company(*name, **options)))


def test_what_was_written_stays_in_the_file(tmp_path: Path, opened: Opener) -> None:
    path = tmp_path / "folder" / "world.sqlite"
    desk = Desk(opened(transactions=600, path=path))
    desk.pay()
    uploaded = desk.upload()
    desk.form("/supplier_invoices/bulk", *item("a", attachment_id=uploaded))
    client = desk.client().body["client"]["id"]
    final = desk.invoice(client, status=None).body["client_invoice"]
    desk.company.remove("clients", client)
    desk.ask("/labels")
    later = Desk(opened(transactions=600, path=path))
    assert rows_of(later.company) == rows_of(desk.company)
    assert later.company.document(uploaded) == PDF
    first = desk.pay()
    assert later.pay(amount="1.00") == first, "the keys are kept too"
    later.later(seconds=10)
    printed = later.ask(f"/client_invoices/{final['id']}")["client_invoice"]["attachment_id"]
    assert later.company.document(printed).startswith(b"%PDF")
    other = opened("acme", transactions=600, path=path)
    assert rows_of(other) == rows_of(Company("acme", transactions=600))


def test_a_writer_knows_what_the_others_have_written(tmp_path: Path, opened: Opener) -> None:
    one, other = (opened(transactions=60, path=tmp_path / "w") for _ in range(2))
    made = [company.new_id("client") for company in (one, other, one)]
    assert len(set(made)) == 3


def _pay_many(path: str, name: str) -> None:
    with closing(Company(transactions=600, path=path)) as company:
        desk = Desk(company)
        for number in range(20):
            paid = desk.pay(f"{name} {number}", amount="1.00", reference=f"{name} {number}")
            assert paid.status == 200


@pytest.mark.slow
def test_two_processes_write_to_one_file(tmp_path: Path, opened: Opener) -> None:
    path = str(tmp_path / "world.sqlite")
    watcher = Desk(opened(transactions=600, path=path))
    before = watcher.balance()["balance_cents"]
    fork = multiprocessing.get_context("spawn")
    writers = [fork.Process(target=_pay_many, args=(path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    references = {row["reference"] for row in watcher.transfers()}
    assert references == {f"{name} {n}" for name in ("a", "b") for n in range(20)}
    assert watcher.balance()["balance_cents"] == before - 40 * 100
    settled = sorted(
        watcher.company.get("transactions", row["transaction_id"])["settled_balance_cents"]  # type: ignore[index]  # it is there
        for row in watcher.transfers()
    )
    assert settled == [before - 100 * n for n in range(40, 0, -1)]


@pytest.mark.parametrize("content", [b"not a database, but a text of some length" * 40, "sqlite"])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "other"
    if content == "sqlite":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE mine (a)")
    else:
        path.write_bytes(content)
    kept = path.read_bytes()
    with pytest.raises(WorldFileError, match="other"):
        Company(path=path)
    assert path.read_bytes() == kept


def test_the_command_keeps_what_is_written_over_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tap_qonto.demo", "--transactions", "60", "--settle-time", "0"]
    command += ["--path", str(tmp_path / "w"), "--work-time", "0.01", "--no-lock-keys"]
    company = Company(transactions=60)
    desk = Desk(company)
    sent = []
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            question = {"iban": desk.payee["iban"], "beneficiary_name": desk.payee["name"]}
            with requests.Session() as client:
                checked = client.post(f"{url}/sepa/verify_payee", json=question).json()
                order = {**desk.order(), "vop_proof_token": checked["proof_token"]["token"]}
                headers = {"X-Qonto-Idempotency-Key": "k"}
                answer = client.post(f"{url}/sepa/transfers", json=order, headers=headers)
                sent.append(answer.json()["transfer"]["id"])
            process.send_signal(signal.SIGKILL)
    assert sent[0] == sent[1]
    with closing(Company(transactions=60, path=tmp_path / "w")) as kept:
        assert kept.total("sepa_transfers") == company.total("sepa_transfers") + 1


def test_the_socket_takes_commands_too() -> None:
    desk = Desk()
    with DemoServer(Api(desk.company)) as server, requests.Session() as client:
        headers = {"X-Qonto-Idempotency-Key": "k"}
        answer = client.post(
            f"{server.api_url}/attachments", files={"file": ("é.pdf", PDF)}, headers=headers
        )
        uuid = answer.json()["attachment"]["id"]
        link = client.get(f"{server.api_url}/attachments/{uuid}").json()["attachment"]["url"]
        assert client.get(link).content == PDF
        assert server.requests[0].method == "POST"
