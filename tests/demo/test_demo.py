"""The demo company keeps its books, and its API keeps the rules that Qonto documents."""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pypdf
import pytest
import requests
from defusedxml import ElementTree

from tap_qonto.demo import (
    COLLECTIONS,
    DEMO_API_URL,
    Api,
    Company,
    DemoAdapter,
    DemoServer,
    OAuth,
    Request,
    Response,
)
from tap_qonto.demo.world.moments import parse

Row = dict[str, Any]
Get = Callable[..., requests.Response]

START = "2024-11-01"
END = "2026-10-31T18:00:00Z"


@pytest.fixture(scope="module")
def company() -> Company:
    """Return a company that no test changes."""
    return Company()


@pytest.fixture
def world() -> Company:
    """Return a small company that a test may change."""
    return Company(transactions=600)


@pytest.fixture(scope="module")
def get(company: Company) -> Iterator[Get]:
    with session(Api(company)) as get:
        yield get


@contextmanager
def session(api: Api, **headers: str) -> Iterator[Get]:
    """Ask an API inside the process, by path."""
    with requests.Session() as session:
        session.mount("https://", DemoAdapter(api))
        session.headers.update(headers)

        def get(path: str, *query: tuple[str, Any], **options: Any) -> requests.Response:
            return session.get(DEMO_API_URL + path, params=list(query), **options)

        yield get


class Clock:
    """A present that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def completed(company: Company, account: str) -> list[Row]:
    rows = company.rows("transactions", bank_account_id=account)
    return sorted(
        (row for row in rows if row["status"] == "completed"),
        key=lambda row: parse(row["settled_at"]),
    )


def by_id(company: Company, collection: str) -> dict[str, Row]:
    return {row["id"]: row for row in company.rows(collection)}


# -- the books ----------------------------------------------------------------------------------


def test_has_the_size_that_was_promised(company: Company) -> None:
    assert company.total("transactions") == 5_400
    assert [row["status"] for row in company.rows("bank_accounts")] == ["active"] * 5 + ["closed"]
    assert company.total("client_invoices") > 300
    assert company.total("supplier_invoices") > 250
    for collection in ("clients", "beneficiaries", "sepa_transfers", "products"):
        assert company.total(collection) > 200, collection


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_total_counts_rows_with_different_keys(company: Company, collection: str) -> None:
    rows = list(company.rows(collection))
    keys = {row.get("id", collection) for row in rows}
    assert len(rows) == len(keys) == company.total(collection) > 0


@pytest.mark.parametrize("transactions", [0, 1, 7, 60, 600, 5_400])
def test_balances_follow_from_the_transactions(transactions: int) -> None:
    company = Company(transactions=transactions)
    for account in company.rows("bank_accounts"):
        balance = 0
        for row in completed(company, account["id"]):
            balance += row["amount_cents"] * (1 if row["side"] == "credit" else -1)
            assert row["settled_balance_cents"] == balance >= 0
        pending = sum(
            row["amount_cents"]
            for row in company.rows("transactions", bank_account_id=account["id"])
            if row["status"] == "pending" and row["side"] == "debit"
        )
        assert account["balance_cents"] == balance
        assert account["authorized_balance_cents"] == balance - pending


def test_the_closed_account_is_empty_and_quiet(company: Company) -> None:
    closed = next(row for row in company.rows("bank_accounts") if row["status"] == "closed")
    last = completed(company, closed["id"])[-1]
    assert closed["balance_cents"] == last["settled_balance_cents"] == 0
    assert parse(last["settled_at"]) <= parse(closed["updated_at"])
    received = [
        row
        for row in company.rows("transactions")
        if row["label"] == last["label"] and row["side"] == "credit"
    ]
    assert [row["amount_cents"] for row in received] == [last["amount_cents"]]


def test_money_is_the_same_in_both_units(company: Company) -> None:
    for row in company.rows("transactions"):
        for field in ("amount", "settled_balance", "local_amount", "vat_amount"):
            if row[field] is not None:
                assert Decimal(str(row[field])) * 100 == row[f"{field}_cents"]
        if row["vat_details"] is not None:
            parts = row["vat_details"]["items"]
            assert sum(int(part["amount_cents"]) for part in parts) == row["vat_amount_cents"]
            net = sum(int(part["amount_excluding_vat_cents"]) for part in parts)
            assert net + row["vat_amount_cents"] == row["amount_cents"]


def test_a_paid_client_invoice_has_its_incoming_transaction(company: Company) -> None:
    incoming = Counter(
        (row["reference"], row["amount_cents"], row["settled_at"])
        for row in company.rows("transactions")
        if row["side"] == "credit" and row["status"] == "completed"
    )
    invoices = list(company.rows("client_invoices"))
    paid = [row for row in invoices if row["status"] == "paid"]
    assert len(paid) > 200
    for row in paid:
        assert incoming[row["number"], row["total_amount_cents"], row["paid_at"]] == 1
        assert row["amount_paid"] == row["total_amount"]
    assert {row["status"] for row in invoices} == {"draft", "unpaid", "paid", "canceled"}
    assert all(row["amount_paid"]["value"] == "0.00" for row in invoices if row not in paid)


def test_a_paid_supplier_invoice_has_its_transfer_and_transaction(company: Company) -> None:
    transactions, transfers = by_id(company, "transactions"), by_id(company, "sepa_transfers")
    paid = [row for row in company.rows("supplier_invoices") if row["status"] == "paid"]
    assert len(paid) > 200
    for row in paid:
        (match,) = row["matched_transactions"]
        transaction = transactions[match if isinstance(match, str) else match["transaction_id"]]
        (transfer_id,) = row["transfer_ids"]
        assert transfers[transfer_id]["transaction_id"] == transaction["id"]
        assert transaction["side"] == "debit"
        assert Decimal(row["total_amount"]["value"]) * 100 == transaction["amount_cents"]
        assert transaction["reference"] == row["invoice_number"]
        assert row["attachment_id"] in transaction["attachment_ids"]


def test_a_settled_transfer_has_its_transaction(company: Company) -> None:
    transactions, payees = by_id(company, "transactions"), by_id(company, "beneficiaries")
    for row in company.rows("sepa_transfers"):
        assert row["beneficiary_id"] in payees
        if row["status"] != "settled":
            assert row["transaction_id"] is None
            continue
        transaction = transactions[row["transaction_id"]]
        assert transaction["operation_type"] == "transfer"
        assert transaction["amount_cents"] == row["amount_cents"]
        assert transaction["settled_at"] == row["completed_at"]
        assert transaction["bank_account_id"] == row["bank_account_id"]


def test_bulk_and_recurring_transfers_name_transfers_that_exist(company: Company) -> None:
    transfers = by_id(company, "sepa_transfers")
    schedules = by_id(company, "recurring_transfers")
    for bulk in company.rows("bulk_transfers"):
        made = [line["transfer_id"] for line in bulk["results"] if line["status"] == "completed"]
        assert len(made) == bulk["completed_count"]
        assert len(bulk["results"]) == bulk["total_count"]
        assert transfers.keys() >= set(made)
    runs = [row for row in transfers.values() if row["recurring_transfer_id"]]
    assert {row["recurring_transfer_id"] for row in runs} == schedules.keys()
    for row in runs:
        assert row["amount_cents"] == schedules[row["recurring_transfer_id"]]["amount_cents"]


@pytest.mark.parametrize("collection", ["client_invoices", "credit_notes", "quotes"])
def test_documents_add_up_line_by_line(company: Company, collection: str) -> None:
    scale = 100 if collection == "quotes" else 1
    for row in company.rows(collection):
        items = row["items"] or []
        for item in items:
            exact = Decimal(item["quantity"]) * item["unit_price_cents"]
            assert item["subtotal_cents"] == exact
            assert item["total_vat_cents"] == exact * Decimal(item["vat_rate"]) / scale
            assert item["total_amount_cents"] == item["subtotal_cents"] + item["total_vat_cents"]
        assert row["total_amount_cents"] == sum(item["total_amount_cents"] for item in items)
        assert row["vat_amount_cents"] == sum(item["total_vat_cents"] for item in items)
        assert Decimal(row["total_amount"]["value"]) * 100 == row["total_amount_cents"]


def test_documents_of_a_sale_name_each_other(company: Company) -> None:
    invoices, clients = by_id(company, "client_invoices"), by_id(company, "clients")
    notes, quotes = by_id(company, "credit_notes"), by_id(company, "quotes")
    assert {note for row in invoices.values() for note in row["credit_notes_ids"]} == notes.keys()
    for note in notes.values():
        assert note["id"] in invoices[note["invoice_id"]]["credit_notes_ids"]
    for row in invoices.values():
        assert parse(clients[row["client_id"]]["created_at"]) <= parse(row["created_at"])
        if row["quote_id"] is not None:
            quote = quotes[row["quote_id"]]
            assert quote["invoice_ids"] == [row["id"]]
            assert quote["total_amount_cents"] == row["total_amount_cents"]


def test_a_completed_collection_has_its_transaction(company: Company) -> None:
    found = Counter(
        (row["reference"], row["amount_cents"])
        for row in company.rows("transactions")
        if row["operation_type"] == "direct_debit_collection"
    )
    expected = Counter(
        (row["unique_mandate_reference"], int(Decimal(row["amount"]["value"]) * 100))
        for row in company.rows("direct_debit_collections")
        if row["status"] == "completed"
    )
    assert found == expected
    assert expected.total() > 100


def test_history_is_24_months_and_ends_on_its_day(company: Company) -> None:
    stamps = [
        value
        for collection in COLLECTIONS
        for row in company.rows(collection)
        for field, value in row.items()
        if field in ("created_at", "updated_at", "settled_at", "emitted_at") and value
    ]
    assert max(map(parse, stamps)) <= parse(END)
    settled = [row["settled_at"] for row in company.rows("transactions") if row["settled_at"]]
    assert min(settled).startswith(START)
    assert max(settled).startswith("2026-10-31")
    assert len({stamp[:7] for stamp in settled}) == 24


def test_hundreds_of_rows_share_a_moment_and_others_change_late(company: Company) -> None:
    rows = [row for row in company.rows("transactions") if row["status"] == "completed"]
    ((moment, count),) = Counter(row["updated_at"] for row in rows).most_common(1)
    assert 250 < count < 1_000
    assert moment == "2026-02-02T08:15:00Z"
    month = 30 * 86_400_000
    late = sum(parse(row["updated_at"]) - parse(row["settled_at"]) > 2 * month for row in rows)
    assert late > 100


def test_timestamps_come_in_all_lengths_that_the_api_writes(company: Company) -> None:
    lengths = Counter(len(row["updated_at"]) for row in company.rows("transactions"))
    assert {len("2026-01-01T00:00:00Z") + extra for extra in (0, 3, 4)} <= lengths.keys()
    assert all(len(row["created_at"]) == 27 for row in company.rows("cards"))
    offsets = [row for row in company.rows("client_invoices") if "+" in row["created_at"]]
    assert {row["id"] for row in offsets} == company.imported_invoices
    assert next(company.rows("organization"))["contract_signed_at"][10] == " "


# -- one name, one company ----------------------------------------------------------------------


def fingerprint(name: str) -> str:
    company = Company(name, transactions=600)
    digest = hashlib.sha256()
    for collection in COLLECTIONS:
        digest.update(msgspec.json.encode(list(company.rows(collection))))
    for row in company.rows("client_invoices"):
        if row["attachment_id"] is not None:
            digest.update(company.document(row["attachment_id"]))
    return digest.hexdigest()


def test_two_processes_found_the_same_company() -> None:
    script = "from tests.demo.test_demo import fingerprint; print(fingerprint('demo'))"
    other = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert other.stdout.strip() == fingerprint("demo")


def test_other_names_are_other_companies() -> None:
    one, other = Company("one"), Company("other")
    assert one.slug != other.slug
    for collection in ("bank_accounts", "clients", "transactions"):
        ids = [{row["id"] for row in company.rows(collection)} for company in (one, other)]
        assert not ids[0] & ids[1]
    amounts = [[r["amount_cents"] for r in c.rows("transactions")] for c in (one, other)]
    assert amounts[0] != amounts[1]


def test_a_large_account_is_written_whole() -> None:
    company = Company(transactions=50_000, accounts=1)
    assert company.total("transactions") == 50_000
    (account,) = company.rows("bank_accounts")
    with session(Api(company)) as get:
        answer = get(
            "/transactions",
            ("bank_account_id", account["id"]),
            ("updated_at_from", "2026-10-01"),
            ("sort_by", "updated_at:asc"),
        ).json()
    assert answer["meta"]["total_count"] > 1_500
    stamps = [parse(row["updated_at"]) for row in answer["transactions"]]
    assert stamps == sorted(stamps)
    assert stamps[0] >= parse("2026-10-01")


# -- rules of the API ---------------------------------------------------------------------------

UNKNOWN = "00000000-0000-4000-8000-000000000000"
CHANGED = ("sort_by", "updated_at:asc")
"""The one order in which transactions are asked for."""

REFUSED = {
    "no account is named": ("/transactions", [], 400, "missing_parameter"),
    "no order is named": ("/transactions", [], 400, "missing_parameter"),
    "somebody else's account": (
        "/transactions", [("bank_account_id", UNKNOWN), CHANGED], 422, "invalid",
    ),
    "an account that is no UUID": ("/transactions", [("bank_account_id", "1")], 422, "invalid"),
    "a date before 2017": ("/transactions", [("updated_at_from", "2016-12-31")], 422, "invalid"),
    "a date that is none": ("/transactions", [("updated_at_to", "soon")], 422, "invalid"),
    "an impossible day": ("/transactions", [("updated_at_to", "2026-02-30")], 422, "invalid"),
    "a status that is none": ("/transactions", [("status[]", "paid")], 422, "invalid"),
    "a sort that is none": ("/transactions", [("sort_by", "amount:asc")], 422, "invalid"),
    "a sort of an unsorted list": ("/labels", [("sort_by", "name:asc")], 400, "unknown_parameter"),
    "a filter of another list": (
        "/client_invoices", [("updated_at_from", "2026-01-01")], 400, "unknown_parameter",
    ),
    "invoices by update": (
        "/client_invoices", [("sort_by", "updated_at:asc")], 422, "invalid",
    ),
    "a misspelt filter": (
        "/sepa/transfers", [("filter[updated_at_from]", "2026-01-01")], 400, "unknown_parameter",
    ),
    "the former name of page": ("/clients", [("current_page", "2")], 400, "unknown_parameter"),
    "page zero": ("/teams", [("page", "0")], 422, "invalid"),
    "a page that is no number": ("/teams", [("page", "two")], 422, "invalid"),
    "a page behind the last": ("/teams", [("page", "2")], 422, "invalid"),
    "101 rows a page": ("/sepa/beneficiaries", [("per_page", "101")], 422, "invalid"),
    "501 quotes a page": ("/quotes", [("per_page", "501")], 422, "invalid"),
    "no rows a page": ("/statements", [("per_page", "0")], 422, "invalid"),
    "payees without a currency": ("/international/beneficiaries", [], 422, "invalid_currency"),
    "payees abroad in no currency": (
        "/international/beneficiaries", [("currency", "euro")], 422, "invalid_currency",
    ),
    "currencies without a source": ("/international/currencies", [], 400, "missing_parameter"),
    "a truth that is none": ("/client_invoices", [("exclude_imported", "no")], 422, "invalid"),
    "a filter that nobody asks for": (
        "/supplier_invoices", [("filter[missing_data]", "true")], 400, "unknown_parameter",
    ),
    "an unknown client": (f"/clients/{UNKNOWN}", [], 404, "not_found"),
    "an unknown attachment": (f"/attachments/{UNKNOWN}", [], 404, "not_found"),
    "payments of no link": (f"/payment_links/{UNKNOWN}/payments", [], 404, "not_found"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(company: Company, get: Get, case: str) -> None:
    path, query, status, code = REFUSED[case]
    if path == "/transactions" and case not in (
        "no account is named",
        "somebody else's account",
        "an account that is no UUID",
    ):
        query = [*query, ("bank_account_id", company.accounts[0].id)]
    answer = get(path, *query)
    body = answer.json()
    assert answer.status_code == status
    assert body["errors"][0]["code"] == code
    assert body["trace_id"] == answer.headers["X-Tyk-Trace-Id"]


def test_errors_have_the_shape_of_their_resource(get: Get) -> None:
    with session(Api(Company(transactions=0), authorization="a:b")) as closed:
        assert closed("/webhook_subscriptions").json()["code"] == "unauthorized"
        assert closed("/labels").json()["errors"][0]["code"] == "unauthorized"
    unknown = get("/memberships/1")
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (
        404,
        "text/plain; charset=utf-8",
    )


def test_methods_that_nobody_asks_for_are_refused(company: Company) -> None:
    api = Api(company)
    for method, path in (("PATCH", "clients"), ("DELETE", "clients"), ("POST", "labels")):
        assert api(Request(method, f"/v2/{path}")).status == 405


# Path, envelope, rows, size of a page by default, keys of `meta` besides current_page.
FULL = {"next_page", "prev_page", "total_pages", "total_count", "per_page"}
LISTS: dict[str, tuple[str, str, int, set[str] | None]] = {
    "/bank_accounts": ("bank_accounts", "bank_accounts", 100, None),
    "/labels": ("labels", "labels", 100, FULL),
    "/memberships": ("memberships", "memberships", 100, FULL),
    "/teams": ("teams", "teams", 100, FULL),
    "/sepa/beneficiaries": ("beneficiaries", "beneficiaries", 25, FULL),
    "/sepa/transfers": ("transfers", "sepa_transfers", 100, FULL),
    "/sepa/bulk_transfers": ("bulk_transfers", "bulk_transfers", 100, FULL),
    "/sepa/recurring_transfers": ("recurring_transfers", "recurring_transfers", 100, FULL),
    "/statements": ("statements", "statements", 100, FULL),
    "/cards": ("cards", "cards", 100, FULL - {"next_page", "prev_page"}),
    "/requests": ("requests", "requests", 100, FULL),
    "/cash_flow_categories": ("cash_flow_categories", "cash_flow_categories", 100, None),
    "/client_invoices": (
        "client_invoices", "client_invoices", 100, FULL - {"prev_page"} | {"previous_page"},
    ),
    "/credit_notes": ("credit_notes", "credit_notes", 100, FULL),
    "/quotes": ("quotes", "quotes", 100, FULL - {"per_page", "total_count"} | {"total"}),
    "/clients": ("clients", "clients", 100, FULL),
    "/products": ("products", "products", 100, FULL),
    "/supplier_invoices": ("supplier_invoices", "supplier_invoices", 25, FULL),
    "/payment_links": ("payment_links", "payment_links", 100, FULL),
    "/terminals": ("terminals", "terminals", 100, None),
    "/webhook_subscriptions": ("subscriptions", "webhook_subscriptions", 100, FULL),
    "/sepa/direct_debit_mandates": ("direct_debit_mandates", "direct_debit_mandates", 100, FULL),
    "/sepa/direct_debit_subscriptions": (
        "direct_debit_subscriptions", "direct_debit_subscriptions", 100, FULL,
    ),
    "/sepa/direct_debit_collections": (
        "direct_debit_collections", "direct_debit_collections", 100, FULL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_a_list_has_its_envelope_meta_and_page_size(company: Company, get: Get, path: str) -> None:
    envelope, collection, size, meta = LISTS[path]
    query = [("exclude_imported", "false")] if path == "/client_invoices" else []
    body = get(path, *query).json()
    assert len(body[envelope]) == min(size, company.total(collection))
    if meta is None:
        assert body.keys() == {envelope}
    else:
        assert body["meta"].keys() == meta | {"current_page"}


@pytest.mark.parametrize("path", [path for path, (*_, meta) in LISTS.items() if meta])
def test_pages_hold_every_row_once(company: Company, path: str) -> None:
    envelope, collection, _, _ = LISTS[path]
    query = [("exclude_imported", "false")] if path == "/client_invoices" else []
    seen: list[str] = []
    page = pages = 1
    with session(Api(company, page_limit=9)) as get:
        while page <= pages:
            body = get(path, *query, ("page", page), ("per_page", 100)).json()
            pages = body["meta"]["total_pages"]
            seen += [row["id"] for row in body[envelope]]
            page += 1
    assert Counter(seen) == Counter(row["id"] for row in company.rows(collection))


SINGLE = {
    "/sepa/beneficiaries": "beneficiary", "/sepa/transfers": "transfer",
    "/statements": "statement", "/client_invoices": "client_invoice", "/clients": "client",
    "/supplier_invoices": "supplier_invoice",
}  # fmt: skip


@pytest.mark.parametrize("path", SINGLE)
def test_a_row_can_be_retrieved_as_its_list_shows_it(get: Get, path: str) -> None:
    listed = get(path, ("per_page", 1)).json()[LISTS[path][0]][0]
    body = get(f"{path}/{listed['id']}").json()
    single = body[SINGLE[path]]
    for row in (single, listed):
        row.get("file", {}).pop("file_url", None)
    assert single == listed


KEPT: dict[str, tuple[str, str, Callable[[Row], bool]]] = {
    "invoices by update": (
        "/client_invoices", "filter[updated_at_from]=2026-08-01&exclude_imported=false",
        lambda row: parse(row["updated_at"]) >= parse("2026-08-01"),
    ),
    "clients by update": (
        "/clients", "filter[updated_at_from]=2026-10-01T00:00:00Z",
        lambda row: parse(row["updated_at"]) >= parse("2026-10-01"),
    ),
    "transfers by update": (
        "/sepa/transfers", "updated_at_from=2026-08-01&updated_at_to=2026-08-31",
        lambda row: parse("2026-08-01") <= parse(row["updated_at"]) <= parse("2026-08-31"),
    ),
    "a payee by its account": (
        "/sepa/beneficiaries", "iban[]=FR7630004008210000120000019&iban[]=x",
        lambda row: row["iban"] == "FR7630004008210000120000019",
    ),
    "a client by its VAT number": (
        "/clients", "filter[vat_number]=fr83100014428",
        lambda row: row["vat_number"] == "FR83100014428",
    ),
    "a client by its tax number": (
        "/clients", "filter[tax_identification_number]=tin000004",
        lambda row: row["tax_identification_number"] == "TIN000004",
    ),
    "supplier invoices by the name of their file": (
        "/supplier_invoices", "query=fa2607&query_fields=file_name",
        lambda row: "FA2607" in row["file_name"],
    ),
    "requests since": (
        "/requests", "created_at_from=2026-06-01",
        lambda row: parse(row["created_at"]) >= parse("2026-06-01"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT)
def test_filters_keep(company: Company, get: Get, case: str) -> None:
    path, query, keeps = KEPT[case]
    envelope, collection, _, _ = LISTS[path]
    kept = {row["id"] for row in company.rows(collection) if keeps(row)}
    # Brackets arrive raw here, and percent-encoded in the other tests.
    body = get(f"{path}?{query}&per_page=100").json()
    found = [row["id"] for row in body[envelope]]
    assert len(found) == min(100, len(kept)) > 0
    assert set(found) <= kept
    assert body["meta"].get("total_count", body["meta"].get("total")) == len(kept)


def test_imported_invoices_are_hidden_unless_asked_for(company: Company, get: Get) -> None:
    total = company.total("client_invoices")
    hidden = get("/client_invoices").json()["meta"]["total_count"]
    shown = get("/client_invoices", ("exclude_imported", "false")).json()["meta"]["total_count"]
    assert (hidden, shown) == (total - len(company.imported_invoices), total)
    assert len(company.imported_invoices) > 20


ORDERS: dict[str, Callable[[Row], Any]] = {
    "/sepa/beneficiaries": lambda row: -parse(row["updated_at"]),
    "/sepa/transfers": lambda row: -parse(row["updated_at"]),
    "/sepa/bulk_transfers": lambda row: -parse(row["updated_at"]),
    "/sepa/recurring_transfers": lambda row: -parse(row["updated_at"]),
    "/requests": lambda row: -parse(row["created_at"]),
    "/client_invoices": lambda row: -parse(row["created_at"]),
    "/supplier_invoices": lambda row: -parse(row["created_at"]),
    "/statements": lambda row: -int(row["period"][3:] + row["period"][:2]),
    "/cards": lambda row: row["status"],
}


@pytest.mark.parametrize("path", ORDERS)
def test_lists_have_their_default_order(get: Get, path: str) -> None:
    rows = get(path).json()[LISTS[path][0]]
    keys = [ORDERS[path](row) for row in rows]
    assert keys == sorted(keys)


# -- transactions -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["asc", "desc"])
def test_transactions_are_completed_unless_asked_and_in_the_order_asked_for(
    company: Company, get: Get, way: str
) -> None:
    account = company.accounts[0].id
    query = ("bank_account_id", account), ("sort_by", f"updated_at:{way}")
    body = get("/transactions", *query).json()
    assert {row["status"] for row in body["transactions"]} == {"completed"}
    assert body["meta"]["total_count"] == len(completed(company, account))
    changed = [parse(row["updated_at"]) for row in body["transactions"]]
    assert changed == sorted(changed, reverse=way == "desc")


def test_related_objects_come_only_when_included(company: Company, get: Get) -> None:
    query = [("bank_account_id", company.accounts[0].id), ("sort_by", "updated_at:asc")]
    bare = get("/transactions", *query).json()["transactions"]
    assert not {"vat_details", "labels", "attachments"} & bare[0].keys()
    parts = [("includes[]", part) for part in ("vat_details", "labels", "attachments")]
    full = get("/transactions", *query, *parts).json()["transactions"]
    for row in full:
        assert [one["id"] for one in row["attachments"]] == row["attachment_ids"]
        assert [one["id"] for one in row["labels"]] == row["label_ids"]
    assert any(row["attachments"] for row in full)


@pytest.mark.parametrize(
    ("reading", "seen"),
    [("all", {"pending", "declined"}), ("first", {"pending"}), ("last", {"declined"})],
)
def test_several_statuses_are_read_as_configured(
    company: Company, reading: Any, seen: set[str]
) -> None:
    with session(Api(company, status_reading=reading)) as get:
        rows = get(
            "/transactions",
            ("bank_account_id", company.accounts[0].id),
            CHANGED,
            ("status[]", "pending"),
            ("status[]", "declined"),
        ).json()["transactions"]
    assert {row["status"] for row in rows} == seen


@pytest.mark.parametrize("bounds", ["[]", "[)", "(]", "()"])
@pytest.mark.parametrize("unit", ["millisecond", "second"])
def test_bounds_compare_as_configured(bounds: Any, unit: Any) -> None:
    company = Company(transactions=0)
    account = company.accounts[0].id
    template = next(Company(transactions=10).rows("transactions"))
    stamps = [f"2026-01-01T00:00:0{second}.{ms}Z" for second in (1, 2, 3) for ms in (100, 900)]
    for number, stamp in enumerate(stamps):
        row = {"id": f"0000000{number}-0000-4000-8000-000000000000", "updated_at": stamp}
        company.put("transactions", {**template, **row, "bank_account_id": account})
    with session(Api(company, bounds=bounds, bounds_unit=unit)) as get:
        rows = get(
            "/transactions",
            ("bank_account_id", account),
            ("updated_at_from", stamps[1]),
            ("updated_at_to", stamps[4]),
            ("sort_by", "updated_at:asc"),
        ).json()["transactions"]
    inside = {
        "millisecond": {"[]": (1, 5), "[)": (1, 4), "(]": (2, 5), "()": (2, 4)},
        "second": {"[]": (0, 6), "[)": (0, 4), "(]": (2, 6), "()": (2, 4)},
    }[unit][bounds]
    assert [row["updated_at"] for row in rows] == stamps[slice(*inside)]


def test_ten_thousand_rows_are_the_ceiling_of_a_list(company: Company) -> None:
    account = ("bank_account_id", company.accounts[0].id)
    total = len(completed(company, company.accounts[0].id))
    with session(Api(company, ceiling=500)) as get:
        last = get("/transactions", account, CHANGED, ("page", 5))
        assert last.json()["meta"]["total_count"] == 500
        assert len(last.json()["transactions"]) == 100
        beyond = get("/transactions", account, CHANGED, ("page", 6))
        assert beyond.status_code == 422
        assert beyond.json()["errors"][0]["code"] == "search_limit_reached"
        since = ("updated_at_from", "2026-08-01")
        narrow = get("/transactions", account, CHANGED, since, ("page", 2))
        assert narrow.status_code == 200
    with session(Api(company, ceiling=500, count="true")) as get:
        assert get("/transactions", account, CHANGED).json()["meta"]["total_count"] == total


def test_an_empty_list_has_a_first_page(company: Company, get: Get) -> None:
    closed = ("bank_account_id", company.accounts[-1].id)
    none = get("/transactions", closed, CHANGED, ("updated_at_from", "2026-12-01")).json()
    assert none["transactions"] == []
    assert none["meta"]["total_pages"] == 0
    without = Company(transactions=0)
    for row in list(without.rows("payment_links")):
        without.remove("payment_links", row["id"])
    with session(Api(without)) as get_from:
        links = get_from("/payment_links").json()
    assert (links["meta"]["next_page"], links["meta"]["prev_page"]) == (0, 1)


# -- credentials --------------------------------------------------------------------------------


def test_the_key_is_checked_when_there_is_one(company: Company) -> None:
    api = Api(company, authorization="acme:secret")
    for header in (None, "acme:wrong", "Bearer acme:secret", "Basic YWNtZTpzZWNyZXQ="):
        headers = {} if header is None else {"Authorization": header}
        with session(api, **headers) as get:
            answer = get("/organization")
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["code"] == "unauthorized"
    with session(api, Authorization="acme:secret") as get:
        assert get("/organization").status_code == 200
        for path in ("/terminals", "/payment_links", "/sepa/direct_debit_mandates"):
            refused = get(path)
            assert (refused.status_code, refused.json()["errors"][0]["detail"]) == (
                401,
                "OAuth2 required",
            )
        assert get("/webhook_subscriptions").json()["detail"] == "OAuth2 required"


def test_the_sandbox_shows_a_page_without_its_token(company: Company) -> None:
    api = Api(company, staging_token="stage")
    with session(api) as get:
        page = get("/organization")
    assert (page.status_code, page.headers["Content-Type"][:9]) == (200, "text/html")
    with session(api, **{"X-Qonto-Staging-Token": "stage"}) as get:
        assert get("/organization").json()["organization"]["slug"] == company.slug


def token(api: Api, **form: str) -> tuple[int, Row]:
    body = "&".join(f"{key}={value}" for key, value in form.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = api(Request("POST", "/oauth2/token", (), headers, body.encode()))
    assert isinstance(answer.body, bytes)
    return answer.status, msgspec.json.decode(answer.body)


APPLICATION = {"client_id": "app", "client_secret": "s3cret"}


def test_refresh_tokens_rotate_and_die_after_their_grace(company: Company) -> None:
    clock = Clock()
    oauth = OAuth(**APPLICATION, refresh_token="seed", clock=clock)
    api = Api(company, oauth=oauth, clock=clock)
    refresh = {"grant_type": "refresh_token", **APPLICATION}
    status, pair = token(api, **refresh, refresh_token="seed")
    assert (status, pair["expires_in"]) == (200, 3600)
    clock.forward(seconds=59)
    assert token(api, **refresh, refresh_token="seed") == (200, pair)
    clock.forward(seconds=1)
    status, refused = token(api, **refresh, refresh_token="seed")
    assert (status, refused["error"]) == (400, "invalid_grant")
    with session(api, Authorization=f"Bearer {pair['access_token']}") as get:
        assert get("/terminals").status_code == 200
        clock.forward(hours=1)
        assert get("/terminals").status_code == 401
    clock.forward(days=90)
    assert token(api, **refresh, refresh_token=pair["refresh_token"])[0] == 400
    assert token(api, **{**refresh, "client_secret": "no"}, refresh_token="x")[0] == 401
    assert oauth.refreshes == 4


@pytest.mark.parametrize(
    ("verifier", "after", "status"), [("v" * 43, 0, 200), ("w" * 43, 0, 400), ("v" * 43, 600, 400)]
)
def test_a_code_is_traded_once_with_its_verifier(
    company: Company, verifier: str, after: float, status: int
) -> None:
    clock = Clock()
    api = Api(company, oauth=OAuth(**APPLICATION, clock=clock), clock=clock)
    redirect = "http://127.0.0.1:9/callback"
    digest = hashlib.sha256(b"v" * 43).digest()
    query = {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": redirect,
        "state": "st",
        "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    sent = api(Request("GET", "/oauth2/auth", list(query.items())))
    back = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert (sent.status, back["state"]) == (302, ["st"])
    form = {
        "grant_type": "authorization_code",
        "code": back["code"][0],
        "code_verifier": verifier,
        "redirect_uri": redirect,
        **APPLICATION,
    }
    clock.forward(seconds=after)
    assert token(api, **form)[0] == status
    assert token(api, **form)[0] == 400


# -- documents ----------------------------------------------------------------------------------

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def test_every_finalized_invoice_is_a_factur_x_with_its_amounts(company: Company) -> None:
    rows = [row for row in company.rows("client_invoices") if row["attachment_id"]]
    assert len(rows) > 300
    for row in rows[::12]:
        content = company.document(row["attachment_id"])
        reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
        assert list(reader.attachments) == ["factur-x.xml"]
        (packet,) = reader.attachments["factur-x.xml"]
        xml = ElementTree.fromstring(packet)

        def amount(name: str, xml: Any = xml) -> Decimal:
            return Decimal(xml.find(f".//{RAM}{name}").text) * 100

        assert amount("GrandTotalAmount") == row["total_amount_cents"]
        assert amount("TaxTotalAmount") == row["vat_amount_cents"]
        assert xml.findtext(f".//{RAM}PaymentReference") == row["number"]
        assert len(xml.findall(f".//{RAM}IncludedSupplyChainTradeLineItem")) == len(row["items"])
        metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()  # type: ignore[index]  # pypdf types it loosely
        assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in metadata
        assert row["number"] in reader.pages[0].extract_text()


def test_drafts_have_no_document(company: Company) -> None:
    drafts = [row for row in company.rows("client_invoices") if row["status"] == "draft"]
    assert drafts
    assert not any(row["attachment_id"] for row in drafts)


def test_a_document_has_the_size_and_type_that_its_row_says(company: Company, get: Get) -> None:
    ids = [
        one["id"] for row in list(company.rows("transactions"))[::40] for one in row["attachments"]
    ]
    for collection in ("client_invoices", "credit_notes", "quotes", "supplier_invoices"):
        ids += [r["attachment_id"] for r in company.rows(collection) if r["attachment_id"]][::15]
    ids += [row["display_attachment_id"] for row in company.rows("supplier_invoices")][::15]
    types = set()
    for one in ids:
        row = get(f"/attachments/{one}").json()["attachment"]
        content = company.document(one)
        assert int(row["file_size"]) == len(content)
        signature = {
            "application/pdf": b"%PDF",
            "image/png": b"\x89PNG",
            "application/xml": b"<?xml",
        }
        assert content.startswith(signature[row["file_content_type"]])
        types.add(row["file_content_type"])
    assert types == {"application/pdf", "image/png", "application/xml"}


def test_a_statement_shows_the_balances_of_its_month(company: Company) -> None:
    account = company.accounts[0]
    row = next(
        row
        for row in company.rows("statements", bank_account_id=account.id)
        if row["period"] == "03-2026"
    )
    content = company.document(row["id"])
    assert len(content) == int(row["file"]["file_size"])
    before = [
        one["settled_balance"]
        for one in completed(company, account.id)
        if one["settled_at"] < "2026-04-01"
    ][-1]
    assert (
        f"Solde final {before:.2f} EUR"
        in pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    )


def test_links_differ_expire_and_take_no_credentials(company: Company) -> None:
    clock = Clock()
    api = Api(company, clock=clock)
    one = next(row for row in company.rows("transactions") if row["attachment_ids"])
    with session(api) as get:
        path = f"/attachments/{one['attachment_ids'][0]}"
        first, second = (get(path).json()["attachment"]["url"] for _ in range(2))
    assert first != second
    with requests.Session() as files:
        files.mount("https://", DemoAdapter(api))
        fetched = files.get(first)
        assert fetched.content == company.document(one["attachment_ids"][0])
        assert fetched.headers["Content-Length"] == str(len(fetched.content))
        assert files.get(first, headers={"Authorization": "a:b"}).status_code == 400
        assert files.get(first, headers={"X-Qonto-Staging-Token": "t"}).status_code == 400
        assert files.get(first[:-1] + ("0" if first[-1] != "0" else "1")).status_code == 403
        clock.forward(minutes=30)
        assert files.get(first).status_code == 403
        assert files.get("https://files.demo.qonto.invalid/files/x").status_code == 403
        with pytest.raises(requests.ConnectionError, match="answers"):
            files.get("https://example.com/")


# -- a world that changes -----------------------------------------------------------------------


def test_a_change_shows_in_the_next_answer(world: Company) -> None:
    clock = Clock()
    world.clock = clock
    account = ("bank_account_id", world.accounts[0].id)
    newest = ("sort_by", "updated_at:desc")
    with session(Api(world)) as get:
        oldest = get("/transactions", account, ("sort_by", "updated_at:asc")).json()
        row = oldest["transactions"][0]
        world.change("transactions", row["id"], note="Seen")
        first = get("/transactions", account, newest).json()["transactions"][0]
        assert (first["id"], first["note"]) == (row["id"], "Seen")
        assert first["updated_at"] == "2026-11-01T12:00:00Z"

        total = oldest["meta"]["total_count"]
        world.remove("transactions", row["id"])
        assert get("/transactions", account, newest).json()["meta"]["total_count"] == total - 1

        world.put("transactions", {**first, "id": UNKNOWN, "status": "pending", "settled_at": None})
        assert get("/transactions", account, newest).json()["meta"]["total_count"] == total - 1
        pending = get("/transactions", account, ("status[]", "pending"), newest).json()
        assert pending["transactions"][0]["id"] == UNKNOWN
        assert world.total("transactions") == 600

        client = next(world.rows("clients"))
        world.change("clients", client["id"], name="Anon", updated_at="2026-11-02T00:00:00.5Z")
        changed = get("/clients", ("filter[updated_at_from]", "2026-11-01T23:00:00+00:00")).json()
        assert [row["name"] for row in changed["clients"]] == ["Anon"]


def test_transactions_can_be_put_into_a_new_account(world: Company) -> None:
    row = next(world.rows("bank_accounts"))
    world.put("bank_accounts", {**row, "id": UNKNOWN, "iban": "FR7612345", "name": "New"})
    transaction = next(world.rows("transactions"))
    world.put("transactions", {**transaction, "id": UNKNOWN, "bank_account_id": UNKNOWN})
    with session(Api(world)) as get:
        accounts = get("/organization").json()["organization"]["bank_accounts"]
        assert [one["name"] for one in accounts][-1] == "New"
        query = ("bank_account_id", UNKNOWN), CHANGED
        found = get("/transactions", *query).json()["transactions"]
    assert [one["id"] for one in found] == [UNKNOWN]
    assert [one["id"] for one in world.rows("transactions", bank_account_id=UNKNOWN)] == [UNKNOWN]


def test_random_changes_leave_every_order_sorted() -> None:
    company = Company(transactions=300, accounts=1)
    ids = [row["id"] for row in company.rows("transactions")]
    api = Api(company)
    with session(api) as get:
        for step in range(120):
            one = ids[step * 7 % len(ids)]
            if step % 5 == 4:
                if company.get("transactions", one) is not None:
                    company.remove("transactions", one)
            elif company.get("transactions", one) is not None:
                stamp = f"2026-0{1 + step % 9}-01T00:00:00Z"
                status = ("completed", "pending", "declined")[step % 3]
                company.change("transactions", one, updated_at=stamp, status=status)
            rows = [row for row in company.rows("transactions") if row["status"] == "completed"]
            body = get(
                "/transactions",
                ("bank_account_id", company.accounts[0].id),
                ("sort_by", "updated_at:asc"),
                ("page", 1 + step % 2),
            ).json()
            expected = sorted(parse(row["updated_at"]) for row in rows)
            start = step % 2 * 100
            shown = [parse(row["updated_at"]) for row in body["transactions"]]
            assert shown == expected[start : start + 100]
            assert body["meta"]["total_count"] == len(rows)


def test_a_file_can_be_replaced_renamed_and_lost(world: Company) -> None:
    one = next(row for row in world.rows("transactions") if row["attachment_ids"])
    receipt = one["attachment_ids"][0]
    world.replace_document(receipt, b"other bytes")
    world.change("attachments", receipt, file_name="../../etc/passwd")
    with session(Api(world)) as get:
        row = get(f"/attachments/{receipt}").json()["attachment"]
        assert row["file_name"] == "../../etc/passwd"
        assert urlsplit(row["url"]).path == f"/files/{receipt}"
        world.remove("attachments", receipt)
        assert get(f"/attachments/{receipt}").status_code == 404
    found = next(row for row in world.rows("transactions") if row["id"] == one["id"])
    assert receipt not in [attachment["id"] for attachment in found["attachments"]]


# -- over a socket ------------------------------------------------------------------------------


def test_a_socket_gives_the_same_answers(company: Company) -> None:
    paths = [
        "/organization",
        "/labels?page=1&per_page=7",
        f"/transactions?bank_account_id={company.accounts[0].id}&status[]=pending",
        "/client_invoices?filter[status]=draft",
        "/teams?page=4",
        "/nowhere",
    ]
    ours = session(Api(company))
    with ours as get, DemoServer(Api(company)) as server, requests.Session() as client:
        for path in paths:
            near, far = get(path), client.get(server.api_url + path)
            assert (near.status_code, near.content) == (far.status_code, far.content)
            assert near.headers["Content-Type"] == far.headers["Content-Type"]
        assert server.requests[0].path == "/v2/organization"
        one = next(row for row in company.rows("statements"))
        link = client.get(f"{server.api_url}/statements/{one['id']}").json()
        url = link["statement"]["file"]["file_url"]
        assert url.startswith(server.file_url)
        assert client.get(url).content == company.document(one["id"])


def test_faults_reach_a_client_over_the_socket(company: Company) -> None:
    api = Api(company)
    faults: list[Callable[[], Response]] = []

    def hook(_: Request) -> Response | None:
        return faults.pop()() if faults else None

    def reset() -> Response:
        raise ConnectionResetError

    api.before.append(hook)
    with DemoServer(api) as server, requests.Session() as client:
        url = f"{server.api_url}/organization"
        faults.append(lambda: Response(429, {"Retry-After": "0"}, b""))
        assert client.get(url).headers["Retry-After"] == "0"
        faults.append(lambda: Response(200, {"Content-Length": "99"}, [b"cut"]))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            client.get(url)
        faults.append(reset)
        with pytest.raises(requests.ConnectionError):
            client.get(url)
        assert client.get(url).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_url_and_ends_on_a_signal(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "tap_qonto.demo", "--transactions", "60"]
    key = ["--login", "acme", "--secret-key", "k"]
    with subprocess.Popen([*command, *key], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with requests.Session() as client:
            assert client.get(f"{url}/labels").status_code == 401
            assert client.get(f"{url}/labels", headers={"Authorization": "acme:k"}).ok
        process.send_signal(end)
        assert process.wait(timeout=120) == 0
