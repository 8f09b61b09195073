"""Clients of the demo company, and the invoices that are written to them."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pypdf
import pytest
from defusedxml import ElementTree

from tap_qonto.demo import Writing
from tests.demo.desk import Desk

Row = dict[str, Any]


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
