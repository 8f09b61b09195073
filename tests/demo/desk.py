"""Somebody who writes to a demo company, at a time that a test sets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import requests

from tap_qonto.demo import (
    Api,
    Company,
    Request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

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


def item(key: str, **fields: Any) -> list[tuple[str, Any]]:
    parts = [("supplier_invoices[][idempotency_key]", (None, key))]
    for name, value in fields.items():
        part = value if isinstance(value, tuple) else (None, value)
        parts.append((f"supplier_invoices[][{name}]", part))
    return parts
