"""Columns keep their types and names, whichever shape an answer has."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company
from tests.kit.answers import alter, alter_rows
from tests.kit.cases import some
from tests.kit.runner import catalog_of, run
from tests.streams.reading import first, rows

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]

# No test here is about waiting before another attempt.
pytestmark = pytest.mark.usefixtures("slept")


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


@pytest.mark.parametrize(
    "case", some(WOBBLES, "account_number as an integer", "a limit as text", "a flag as text")
)
def test_a_column_keeps_its_type_when_the_api_wobbles(api: Api, case: str) -> None:
    stream, path, field, sent, expected = WOBBLES[case]
    alter_rows(api, path, lambda row: row.update({field: sent}))
    done = run(api=api, select=[stream])
    value = first(done, stream)[field]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("rate", some(["20.0", 20.0, 20], 20.0), ids=repr)
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


def test_imported_client_invoices_are_asked_for(company: Company) -> None:
    done = run(api=Api(company), select=["client_invoices"])
    assert {query["exclude_imported"] for query in done.asked("/client_invoices")} == {"false"}
    found = {row["id"] for row in rows(done, "client_invoices")}
    assert company.imported_invoices
    assert set(company.imported_invoices) <= found


EMPTY_META: dict[str, Row | None] = {
    "no meta": None,
    "total_pages 0": {"current_page": 1, "total_pages": 0, "total_count": 0},
    "links that lie": {
        "current_page": 1, "next_page": 0, "prev_page": 1, "total_pages": 1, "total_count": 0,
    },
    "total for total_count": {"current_page": 1, "total_pages": 1, "total": 0},
}  # fmt: skip


@pytest.mark.parametrize("meta", some(EMPTY_META, "no meta", "links that lie"))
@pytest.mark.parametrize(
    "stream", some(["labels", "payment_links", "webhook_subscriptions"], "labels", "payment_links")
)
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


@pytest.mark.slow
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
