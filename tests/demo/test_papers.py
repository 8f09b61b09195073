"""Documents, clients and invoices are taken by the rules that Qonto documents."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pypdf
import pytest
from defusedxml import ElementTree

from tap_qonto.demo import (
    Company,
    Writing,
)
from tests.kit.cases import some

if TYPE_CHECKING:
    from collections.abc import Callable

    Opener = Callable[..., Company]

from tests.demo.desk import PDF, PNG, Desk, Row, item


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


@pytest.mark.parametrize(
    "case", some(ITEMS, "a file of another kind", "both", "an unknown attachment")
)
@pytest.mark.parametrize("place", some([0, 1, 2], 1))
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


@pytest.mark.parametrize(
    "case",
    some(
        WRONG_INVOICES,
        *("no client", "no day", "VAT in percent"),
    ),
)
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
