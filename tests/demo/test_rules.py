"""The demo company's API keeps the rules that Qonto documents."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import (
    Api,
    Company,
    Request,
)
from tap_qonto.demo.world.moments import parse
from tests.demo.visits import CHANGED, UNKNOWN, Get, Row, completed, session
from tests.kit.cases import some

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.mark.parametrize("way", some(["asc", "desc"], "asc"))
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


@pytest.mark.parametrize("bounds", some(["[]", "[)", "(]", "()"], "[]", "()"))
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
