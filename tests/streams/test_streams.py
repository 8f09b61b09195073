"""Every stream comes whole and clean, whatever Qonto has been seen doing to it."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tap_qonto.demo import COLLECTIONS, Api, Company, Response
from tests.kit.answers import alter, alter_rows, refuse
from tests.kit.runner import KEY, catalog_of, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_qonto.demo import Request
    from tests.kit.runner import Run

Row = dict[str, Any]

SINGLE = {"organization", "subscription", "einvoicing_settings"}
"""Streams of one object."""

UNPAGED = {*SINGLE, "cash_flow_categories"}

LONG = {
    "transactions",
    "beneficiaries",
    "sepa_transfers",
    "statements",
    "requests",
    "client_invoices",
    "quotes",
    "products",
    "clients",
    "supplier_invoices",
    "direct_debit_collections",
}
"""Streams with enough rows for several pages of 40."""

DOCUMENTS = {
    "transaction_attachments",
    "client_invoice_attachments",
    "credit_note_attachments",
    "quote_attachments",
    "supplier_invoice_attachments",
    "statement_files",
}

WITHOUT_META = {"bank_accounts", "terminals"}
"""Lists whose answers do not say how many pages there are."""

NEVER_SENT = {"bank_accounts.slug", "supplier_invoices.tin_number"}
"""Columns of other answers, which the demo company does not give."""


@pytest.fixture(scope="module")
def world() -> Company:
    """A company that no test changes."""
    return Company(transactions=900, accounts=6)


@pytest.fixture(scope="module")
def all_of_it(world: Company) -> Run:
    """Every stream, read over HTTP, and by small pages where an answer says how many follow."""
    long = run(api=Api(world, page_limit=40), select=LONG)
    short = run(api=Api(world, page_limit=1), select=set(COLLECTIONS) - LONG - WITHOUT_META)
    others = run(api=Api(world), select=WITHOUT_META)
    for part in (short, others):
        assert part.exit_code == 0, part.log
        long.messages += part.messages
        long.requests += part.requests
    return long


@pytest.fixture(scope="module")
def usual(world: Company) -> Run:
    """A run that selects everything, documents too."""
    return run(api=Api(world), catalog=catalog_of())


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_a_stream_has_as_many_rows_as_the_company_and_each_once(
    world: Company, all_of_it: Run, stream: str
) -> None:
    [schema] = all_of_it.schemas[stream]
    keys = [
        tuple(row[name] for name in schema["key_properties"]) for row in rows(all_of_it, stream)
    ]
    assert len(keys) == world.total(stream)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_the_rows_are_those_of_the_company(world: Company, all_of_it: Run, stream: str) -> None:
    names = all_of_it.schemas[stream][0]["key_properties"]
    expected = {tuple(map(row_key(world, row), names)) for row in world.rows(stream)}
    assert {tuple(row[name] for name in names) for row in rows(all_of_it, stream)} == expected


def row_key(world: Company, row: Row) -> Callable[[str], Any]:
    return lambda name: world.organization_id if name == "organization_id" else row[name]


@pytest.mark.parametrize("stream", sorted(set(COLLECTIONS) - UNPAGED - WITHOUT_META))
def test_a_stream_crosses_two_page_borders(all_of_it: Run, stream: str) -> None:
    asked = [query for query in all_of_it.requests if PATHS.get(stream, stream) in query.path]
    if stream in BY_VALUE:  # the first page again and again, each from further on
        name = BY_VALUE[stream]
        assert {dict(request.query)["page"] for request in asked} == {"1"}
        assert len({dict(request.query).get(name) for request in asked}) >= 3
    else:
        assert max(int(dict(request.query)["page"]) for request in asked) >= 3


BY_VALUE = {
    "client_invoices": "filter[created_at_from]",
    "clients": "filter[updated_at_from]",
    "credit_notes": "filter[created_at_from]",
    "quotes": "filter[created_at_from]",
    "requests": "created_at_from",
    "sepa_transfers": "updated_at_from",
    "supplier_invoices": "filter[updated_at_from]",
}
"""Streams that are read by value, and the filter that says from where on."""

PATHS = {
    "sepa_transfers": "/sepa/transfers",
    "beneficiaries": "/sepa/beneficiaries",
    "international_beneficiaries": "/international/beneficiaries",
    "payment_link_payments": "/payments",
    "clients": "/v2/clients",
}
"""What the paths of a stream's requests contain, if not its name."""


@pytest.mark.parametrize("count", [99, 100, 101, 200, 201])
@pytest.mark.parametrize("stream", sorted(WITHOUT_META))
def test_a_list_without_meta_ends_with_a_short_page(stream: str, count: int) -> None:
    company = Company(transactions=0)
    [pattern, *_] = company.rows(stream)
    for number in range(count - company.total(stream)):
        company.put(stream, {**pattern, "id": company.formula.uuid("another", number)})
    done = run(api=Api(company), select=[stream])
    assert len(rows(done, stream)) == count
    assert len({row["id"] for row in rows(done, stream)}) == count


def rows(done: Run, stream: str) -> list[Row]:
    assert done.exit_code == 0, done.log
    return done.records.get(stream, [])


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_rows_are_valid_against_the_schema_that_was_sent(all_of_it: Run, stream: str) -> None:
    [message] = all_of_it.schemas[stream]
    validator = Draft202012Validator(message["schema"], format_checker=FormatChecker())
    for row in rows(all_of_it, stream):
        validator.validate(row)


@pytest.mark.parametrize("stream", COLLECTIONS)
def test_the_company_sends_every_column_but_the_one_for_news(all_of_it: Run, stream: str) -> None:
    columns = set(all_of_it.schemas[stream][0]["schema"]["properties"])
    sent = {name for row in rows(all_of_it, stream) for name in row}
    missing = {f"{stream}.{name}" for name in columns - sent - {"additional_properties"}}
    assert missing == {name for name in NEVER_SENT if name.startswith(f"{stream}.")}
    assert sent <= columns - {"additional_properties"}


def test_nothing_that_opens_a_document_or_signs_a_webhook_gets_out(
    world: Company, usual: Run
) -> None:
    text = json.dumps(usual.messages, default=str) + usual.log
    assert usual.records.keys() >= DOCUMENTS
    assert "X-Amz-" not in text
    assert "/files/" not in text
    for hook in world.rows("webhook_subscriptions"):
        assert hook["secret"] not in text
    assert all("secret" not in row for row in usual.records["webhook_subscriptions"])


def test_each_schema_is_sent_once_and_before_its_rows(usual: Run) -> None:
    seen: set[str] = set()
    for message in usual.messages:
        if message["type"] == "SCHEMA":
            assert message["stream"] not in seen, "a SCHEMA came twice"
            seen.add(message["stream"])
        elif message["type"] == "RECORD":
            assert message["stream"] in seen, "a row came before its SCHEMA"


def test_money_keeps_its_digits(api: Api) -> None:
    def hook(request: Request) -> Response | None:
        if request.path != "/v2/sepa/transfers":
            return None
        body = (
            b'{"transfers": [{"id": "t-1", "amount": 12.10, "amount_cents": 1210,'
            b' "updated_at": "2026-01-01T00:00:00Z"}, {"id": "t-2", "amount": 0.1,'
            b' "updated_at": "2026-01-01T00:00:00Z"}, {"id": "t-3",'
            b' "amount": 12345678901234.56, "updated_at": "2026-01-01T00:00:00Z"}],'
            b' "meta": {"current_page": 1, "total_pages": 1, "total_count": 3}}'
        )
        return Response(200, {"Content-Type": "application/json"}, body)

    api.before.append(hook)
    done = run(api=api, select=["sepa_transfers"])
    assert [str(row["amount"]) for row in rows(done, "sepa_transfers")] == [
        "12.10",
        "0.1",
        "12345678901234.56",
    ]


def test_amounts_are_those_of_the_company(world: Company, all_of_it: Run) -> None:
    expected = {row["id"]: Decimal(str(row["amount"])) for row in world.rows("transactions")}
    assert {row["id"]: row["amount"] for row in rows(all_of_it, "transactions")} == expected


# Transactions


@pytest.mark.parametrize("reading", ["all", "first", "last"])
def test_all_statuses_come_in_one_sorted_sequence_per_account(world: Company, reading: Any) -> None:
    done = run(api=Api(world, status_reading=reading), select=["transactions"])
    found = rows(done, "transactions")
    assert Counter(row["status"] for row in found) == Counter(
        row["status"] for row in world.rows("transactions")
    )
    by_account: dict[str, list[str]] = {}
    for row in found:
        by_account.setdefault(row["bank_account_id"], []).append(row["updated_at"])
    assert len(by_account) == 6
    for keys in by_account.values():
        assert keys == sorted(keys)


@pytest.mark.parametrize("statuses", [["completed"], ["pending", "declined"]], ids=str)
def test_only_the_configured_statuses_are_read(world: Company, statuses: list[str]) -> None:
    done = run({"transaction_statuses": statuses}, api=Api(world), select=["transactions"])
    wanted = [row for row in world.rows("transactions") if row["status"] in statuses]
    assert {row["id"] for row in rows(done, "transactions")} == {row["id"] for row in wanted}


def test_related_objects_are_included_without_their_links(world: Company) -> None:
    done = run(api=Api(world), select=["transactions"])
    expected = {row["id"]: row for row in world.rows("transactions")}
    for row in rows(done, "transactions"):
        original = expected[row["id"]]
        assert [label["id"] for label in row["labels"]] == original["label_ids"]
        assert [file["id"] for file in row["attachments"]] == original["attachment_ids"]
        assert all("url" not in file for file in row["attachments"])
    assert any(row["vat_details"] for row in rows(done, "transactions"))


def test_id_is_the_key_and_transaction_id_only_a_slug(all_of_it: Run, world: Company) -> None:
    [schema] = all_of_it.schemas["transactions"]
    assert list(schema["key_properties"]) == ["id"]
    slugs = {row["id"]: row["transaction_id"] for row in world.rows("transactions")}
    assert {row["id"]: row["transaction_id"] for row in rows(all_of_it, "transactions")} == slugs


def test_only_the_configured_accounts_are_read(world: Company) -> None:
    chosen = [world.accounts[1].id, world.accounts[3].id]
    done = run({"bank_account_ids": chosen}, api=Api(world), select=["transactions"])
    assert {row["bank_account_id"] for row in rows(done, "transactions")} == set(chosen)
    assert {query["bank_account_id"] for query in done.asked("/transactions")} == set(chosen)


def test_an_unknown_account_is_named_before_any_row_is_read(world: Company) -> None:
    done = run({"bank_account_ids": ["nobody"]}, api=Api(world), select=["transactions"])
    assert done.exit_code == 1
    assert not done.records
    assert "bank_account_ids" in done.log
    assert "nobody" in done.log


@pytest.mark.parametrize("start", ["2015-01-01", "2016-12-31T23:59:59Z", "0001-01-01"])
def test_a_start_before_2017_is_clamped(world: Company, start: str) -> None:
    done = run({"start_date": start}, api=Api(world), select=["transactions"])
    assert len(rows(done, "transactions")) == world.total("transactions")
    starts = [query["updated_at_from"] for query in done.asked("/transactions")]
    assert starts[0] == min(starts) == "2017-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "stream", ["transactions", "sepa_transfers", "client_invoices", "clients", "supplier_invoices"]
)
def test_a_first_run_begins_at_the_start_date(world: Company, stream: str) -> None:
    done = run({"start_date": "2026-08-01T12:00:00+02:00"}, api=Api(world), select=[stream])
    expected = {
        row["id"] for row in world.rows(stream) if row["updated_at"] >= "2026-08-01T10:00:00"
    }
    assert expected
    assert {row["id"] for row in rows(done, stream)} == expected


def test_external_accounts_come_only_when_asked_for(world: Company) -> None:
    streams = ["bank_accounts", "organization"]
    without = run(api=Api(world), select=streams)
    assert not any(row["is_external_account"] for row in rows(without, "bank_accounts"))
    assert all("include_external_accounts" not in query for query in without.asked("/organization"))
    done = run({"include_external_accounts": True}, api=Api(world), select=streams)
    [external] = [row for row in rows(done, "bank_accounts") if row["is_external_account"]]
    assert external["organization_id"] == world.organization_id
    assert len(rows(done, "bank_accounts")) == len(rows(without, "bank_accounts")) + 1


def test_an_external_account_that_comes_unasked_is_not_read(company: Company) -> None:
    api = Api(company)
    external = {"id": "elsewhere", "iban": "FR76", "is_external_account": True}
    alter(api, "/bank_accounts", lambda body: body["bank_accounts"].append(external))
    done = run(api=api, select=["transactions"])
    assert rows(done, "transactions")
    assert "elsewhere" not in {query["bank_account_id"] for query in done.asked("/transactions")}


@pytest.mark.parametrize("sent", [None, ""])
def test_a_transaction_that_does_not_name_its_account_gets_the_one_asked_for(
    company: Company, sent: str | None
) -> None:
    api = Api(company)
    alter_rows(api, "/transactions", lambda row: row.update(bank_account_id=sent))
    done = run(api=api, select=["transactions"])
    found = {row["id"]: row["bank_account_id"] for row in rows(done, "transactions")}
    assert found == {row["id"]: row["bank_account_id"] for row in company.rows("transactions")}


# Deviations of single endpoints


def first(done: Run, stream: str) -> Row:
    return rows(done, stream)[0]


def set_file_size(row: Row) -> None:
    row["file"]["file_size"] = "4711"


def nest_account(row: Row) -> None:
    row["bank_account"] = {name: row.pop(name) for name in ("iban", "bic", "currency")}


def misspell(row: Row) -> None:
    row["Invoice_issue_date"] = row.pop("invoice_issue_date")


def test_the_type_of_a_file_size_does_not_wobble(api: Api) -> None:
    alter_rows(api, "/statements", set_file_size)
    done = run(api=api, select=["statements"])
    assert {row["file"]["file_size"] for row in rows(done, "statements")} == {4711}


def test_beneficiaries_come_flat_although_the_sandbox_nests_their_account(
    api: Api, company: Company
) -> None:
    alter_rows(api, "/sepa/beneficiaries", nest_account)
    done = run(api=api, select=["beneficiaries"])
    ibans = {row["id"]: row["iban"] for row in company.rows("beneficiaries")}
    assert {row["id"]: row["iban"] for row in rows(done, "beneficiaries")} == ibans
    assert all("bank_account" not in row for row in rows(done, "beneficiaries"))
    assert not any(row.get("additional_properties") for row in rows(done, "beneficiaries"))


def test_matched_transactions_are_objects_although_older_answers_hold_ids(api: Api) -> None:
    alter_rows(api, "/supplier_invoices", lambda row: row.update(matched_transactions=["a", "b"]))
    done = run(api=api, select=["supplier_invoices"])
    matches = [{"transaction_id": "a"}, {"transaction_id": "b"}]
    assert first(done, "supplier_invoices")["matched_transactions"] == matches


def test_a_credit_note_keeps_the_date_that_the_sandbox_misspells(
    api: Api, company: Company
) -> None:
    alter_rows(api, "/credit_notes", misspell)
    done = run(api=api, select=["credit_notes"])
    dates = {row["id"]: row["invoice_issue_date"] for row in company.rows("credit_notes")}
    assert {row["id"]: row["invoice_issue_date"] for row in rows(done, "credit_notes")} == dates
    assert not any(row.get("additional_properties") for row in rows(done, "credit_notes"))


WOBBLES: dict[str, tuple[str, str, str, Any, Any]] = {
    "account_number as an integer": (
        "bank_accounts", "/bank_accounts", "account_number", 51234, "51234"
    ),
    "exp_month as an integer": ("cards", "/cards", "exp_month", 7, "7"),
    "a limit as text": ("cards", "/cards", "atm_daily_limit", "500.50", Decimal("500.50")),
    "a balance as text": ("bank_accounts", "/bank_accounts", "balance", "12.10", Decimal("12.10")),
    "a flag as text": ("cards", "/cards", "pin_set", "false", False),
    "a decimal as a number": ("requests", "/requests", "amount", 12.5, "12.5"),
}  # fmt: skip


@pytest.mark.parametrize("case", WOBBLES)
def test_a_column_keeps_its_type_when_the_api_wobbles(api: Api, case: str) -> None:
    stream, path, field, sent, expected = WOBBLES[case]
    alter_rows(api, path, lambda row: row.update({field: sent}))
    done = run(api=api, select=[stream])
    value = first(done, stream)[field]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("rate", ["20.0", 20.0, 20], ids=repr)
def test_vat_details_are_numbers_however_they_are_sent(api: Api, rate: object) -> None:
    details = {"items": [{"amount": str(rate), "amount_cents": 2_000, "rate": rate}]}
    alter_rows(api, "/transactions", lambda row: row.update(vat_details=details))
    done = run(api=api, select=["transactions"])
    [item] = first(done, "transactions")["vat_details"]["items"]
    assert (item["amount"], item["rate"]) == (20, 20)
    assert not isinstance(item["rate"], str)


def test_a_new_field_and_a_new_enum_value_get_through(api: Api) -> None:
    alter_rows(api, "/cards", lambda row: row.update(status="melted", shape={"corners": 4}))
    done = run(api=api, select=["cards"])
    assert first(done, "cards")["status"] == "melted"
    assert first(done, "cards")["additional_properties"] == {"shape": {"corners": 4}}
    assert done.log.count("'shape' ") == 1


def test_a_link_that_opens_a_document_is_dropped_from_every_new_field(api: Api) -> None:
    link = "https://files.example/receipt.pdf?X-Amz-Expires=1800&X-Amz-Signature=5ecret"

    def add(row: Row) -> None:
        row |= {"preview_url": link, "files": [{"name": "a", "href": link}]}
        row["parent_card_summary"] = {"id": "1", "preview": link}

    alter_rows(api, "/cards", add)
    done = run(api=api, select=["cards"])
    assert "5ecret" not in json.dumps(done.messages, default=str) + done.log
    news = first(done, "cards")["additional_properties"]
    assert news == {"preview_url": None, "files": [{"name": "a", "href": None}]}


def test_columns_that_a_role_may_not_see_are_absent_and_no_error(api: Api) -> None:
    visible = {"id", "name", "status", "main", "organization_id"}

    def hide(row: Row) -> None:
        for name in row.keys() - visible:
            del row[name]

    alter_rows(api, "/bank_accounts", hide)
    done = run(api=api, select=["bank_accounts"])
    assert all(row.keys() == visible for row in rows(done, "bank_accounts"))
    assert len(rows(done, "bank_accounts")) == 6


def test_a_company_without_a_plan_has_no_subscription_row(api: Api) -> None:
    alter(api, "/subscription", lambda _: {"plan": None})
    done = run(api=api, select=["subscription"])
    assert rows(done, "subscription") == []
    assert "subscription" in done.schemas


def test_einvoicing_settings_carry_their_organization(api: Api, company: Company) -> None:
    done = run(api=api, select=["einvoicing_settings"])
    [row] = rows(done, "einvoicing_settings")
    assert row["organization_id"] == company.organization_id
    assert {"sending_status", "receiving_status"} <= row.keys()


def test_international_beneficiaries_come_currency_by_currency(
    world: Company,
) -> None:
    done = run(api=Api(world), select=["international_beneficiaries"])
    expected = Counter(row["currency"] for row in world.rows("international_beneficiaries"))
    assert Counter(r["currency"] for r in rows(done, "international_beneficiaries")) == expected
    assert len(expected) > 1


def test_imported_client_invoices_are_asked_for(world: Company) -> None:
    done = run(api=Api(world), select=["client_invoices"])
    assert {query["exclude_imported"] for query in done.asked("/client_invoices")} == {"false"}
    found = {row["id"] for row in rows(done, "client_invoices")}
    assert world.imported_invoices
    assert set(world.imported_invoices) <= found


def test_a_full_run_asks_for_pages_of_100_on_every_list(usual: Run) -> None:
    for request in usual.requests:
        query = dict(request.query)
        if "page" in query:
            # Where transactions are only counted, rows would be read by nobody.
            sizes = {"100", "1"} if request.path == "/v2/transactions" else {"100"}
            assert query["per_page"] in sizes, request.path


EMPTY_META: dict[str, Row | None] = {
    "no meta": None,
    "total_pages 0": {"current_page": 1, "total_pages": 0, "total_count": 0},
    "links that lie": {
        "current_page": 1, "next_page": 0, "prev_page": 1, "total_pages": 1, "total_count": 0,
    },
    "total for total_count": {"current_page": 1, "total_pages": 1, "total": 0},
}  # fmt: skip


@pytest.mark.parametrize("meta", EMPTY_META)
@pytest.mark.parametrize("stream", ["labels", "payment_links", "webhook_subscriptions"])
def test_an_empty_list_is_no_error_whatever_its_meta(
    company: Company, stream: str, meta: str
) -> None:
    api = Api(company)
    envelope = {"webhook_subscriptions": "subscriptions"}.get(stream, stream)
    body: Row = {envelope: []}
    if EMPTY_META[meta] is not None:
        body["meta"] = EMPTY_META[meta]
    alter(api, f"/{stream}", lambda _: body)
    done = run(api=api, select=[stream])
    assert rows(done, stream) == []
    assert len(done.asked(f"/{stream}")) == 1


def test_an_id_that_is_no_word_does_not_lead_to_another_path(company: Company) -> None:
    api = Api(company)
    links = {"payment_links": [{"id": "../labels?x=#1"}], "meta": {"total_pages": 1}}
    alter(api, "/payment_links", lambda _: links)
    done = run(api=api, select=["payment_links", "payment_link_payments"])
    assert [request.path for request in done.requests][-1] == (
        "/v2/payment_links/../labels?x=#1/payments"
    )


def test_a_deselected_column_stays_inside(world: Company) -> None:
    private = {"birthdate", "nationality", "birth_country"}
    catalog = catalog_of(["memberships", "transactions"], without={"memberships": private})
    done = run(api=Api(world), catalog=catalog)
    assert not any(private & row.keys() for row in rows(done, "memberships"))
    assert not private & done.schemas["memberships"][0]["schema"]["properties"].keys()
    assert all("label" in row for row in rows(done, "transactions"))


# Streams that the credentials may not read


OPEN = ["labels", "sepa_transfers", "teams"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "forbidden"), (403, "insufficient_scope"), (404, "not_found")],
)
@pytest.mark.parametrize(
    ("stream", "path", "scope"),
    [
        ("supplier_invoices", "/supplier_invoices", "supplier_invoice.read"),
        ("cards", "/cards", "card.read"),
        ("subscription", "/subscription", "subscription.read"),
        ("client_invoices", "/client_invoices", "client_invoices.read"),
    ],
)
def test_a_refused_stream_is_skipped_and_the_others_go_on(
    api: Api, stream: str, path: str, scope: str, status: int, code: str
) -> None:
    before = {"replication_key": "updated_at", "replication_key_value": "2026-01-01T00:00:00Z"}
    incremental = stream in {"supplier_invoices", "client_invoices"}
    state = {"bookmarks": {stream: before}} if incremental else None
    refuse(api, path, status, code)
    done = run(api=api, select=[stream, *OPEN], state=state)
    assert done.exit_code == 0
    assert all(done.records[name] for name in OPEN)
    warnings = [line for line in done.log.splitlines() if line.startswith("WARNING")]
    [notice] = [line for line in warnings if f"{stream}: skipped" in line]
    assert code in notice
    assert scope in notice
    assert f"{stream} ({status} {code})" in warnings[-1]
    if incremental:
        assert done.bookmark(stream) == before["replication_key_value"]


def test_refused_transactions_keep_the_bookmark_of_every_account(
    api: Api, company: Company
) -> None:
    earlier = run(api=api, select=["transactions"])
    refuse(api, "/transactions", 403)
    done = run(api=api, select=["transactions", *OPEN], state=earlier.state)
    assert done.exit_code == 0
    assert done.bookmarks("transactions") == earlier.bookmarks("transactions")
    assert len(done.bookmarks("transactions")) == len(company.accounts)
    assert done.log.count("transactions: skipped") == 1


def test_a_stream_for_oauth_only_is_skipped_with_an_api_key(api: Api) -> None:
    done = run(api=api, select=["terminals", "labels"])
    assert done.exit_code == 0
    assert done.records["labels"]
    assert "terminal.read" in done.log
    assert "terminals (401 unauthorized)" in done.log.splitlines()[-1]


def test_a_wrong_key_ends_the_run_with_where_to_find_it(api: Api) -> None:
    done = run({"secret_key": "mistyped-4711"}, api=api)
    assert done.exit_code == 1
    assert not done.records
    sentence = done.log.splitlines()[-1]
    assert sentence.startswith("ERROR")
    assert "secret_key" in sentence
    assert "Integrations and Partnerships > API key" in sentence
    assert "mistyped-4711" not in sentence
    assert "Traceback" not in done.log


def test_the_key_is_sent_as_it_is(api: Api) -> None:
    done = run(api=api, select=["labels"])
    assert {request.headers["Authorization"] for request in done.requests} == {KEY}


def test_a_run_in_which_everything_is_refused_fails(api: Api) -> None:
    for path in ("/labels", "/teams"):
        refuse(api, path, 403)
    done = run(api=api, select=["labels", "teams"])
    assert done.exit_code == 1
    assert "Nothing could be read" in done.log


def test_the_sandbox_wants_its_token_and_a_page_to_sign_in_is_no_data(
    company: Company,
) -> None:
    api = Api(company, staging_token="let-me-in")
    sandbox = {"environment": "sandbox"}
    good = run({**sandbox, "staging_token": "let-me-in"}, api=api, select=["labels"])
    assert rows(good, "labels")
    bad = run({**sandbox, "staging_token": "mistyped-4711"}, api=api, select=["labels"])
    assert bad.exit_code == 1
    assert not bad.records
    assert "Sign in" not in bad.log
    assert "staging_token" in bad.log


@pytest.fixture(autouse=True)
def nothing_waits(slept: list[float]) -> list[float]:
    """No test here is about waiting before another attempt."""
    return slept


def test_fields_that_live_answers_have_get_columns_of_their_own(api: Api) -> None:
    def add(row: Row) -> None:
        row["card_id"] = "card-1"
        row["direct_debit"] = {"unique_mandate_reference": "UMR-1"}
        row["direct_debit_collection"] = {"unique_mandate_reference": "UMR-2"}

    alter_rows(api, "/transactions", add)
    done = run(api=api, select=["transactions"])
    row = first(done, "transactions")
    assert row["card_id"] == "card-1"
    assert row["direct_debit"] == {"unique_mandate_reference": "UMR-1"}
    assert row["direct_debit_collection"] == {"unique_mandate_reference": "UMR-2"}
    assert "the catalog does not know" not in done.log
    (schema, *_) = done.schemas["transactions"]
    columns = schema["schema"]["properties"]
    assert "card_id" in columns
    for name in ("direct_debit", "direct_debit_collection"):
        assert "unique_mandate_reference" in columns[name]["properties"]


def test_a_completed_direct_debit_says_when(company: Company) -> None:
    api = Api(company)
    alter_rows(
        api,
        "/sepa/direct_debit_collections",
        lambda row: row.update(completed_at="2026-01-02T03:04:05Z"),
    )
    done = run(api=api, select=["direct_debit_collections"])
    row = first(done, "direct_debit_collections")
    assert row["completed_at"] == "2026-01-02T03:04:05.000000Z"
    assert "the catalog does not know" not in done.log


def test_a_signed_copy_has_its_name_type_and_size_and_no_link(api: Api, tmp_path: Path) -> None:
    settings = {"attachments_path": str(tmp_path), "probative_attachments": True}
    done = run(settings, api=api, select=["transactions", "transaction_attachments"])
    assert done.exit_code == 0, done.log
    signed = [
        row["probative_attachment"]
        for row in done.records["transaction_attachments"]
        if row.get("probative_path")
    ]
    assert signed
    for copy in signed:
        assert set(copy) == {"status", "file_name", "file_content_type", "file_size"}
        assert copy["file_content_type"] == "application/pdf"
        assert type(copy["file_size"]) is int


def test_every_row_says_whose_it_is(usual: Run, world: Company) -> None:
    [organization] = usual.records["organization"]
    for stream, rows in usual.records.items():
        assert {row["organization_id"] for row in rows} == {organization["id"]}, stream
    assert world.total("organization") == 1
    assert sum(request.path == "/v2/organization" for request in usual.requests) == 1


def test_a_table_begins_with_its_key_and_its_integers_have_64_bits(usual: Run) -> None:
    for stream, [message] in usual.schemas.items():
        columns = message["schema"]["properties"]
        keys = message["key_properties"]
        assert list(columns)[: len(keys)] == keys, stream
        assert list(columns)[-1] == "additional_properties", stream
        for name, column in columns.items():
            if "integer" in column["type"]:
                assert (column["minimum"], column["maximum"]) == (-(2**63), 2**63 - 1), name
