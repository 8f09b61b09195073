"""Documents and supplier invoices that are handed to the demo company."""

from __future__ import annotations

from typing import Any

import pytest

from tap_qonto.demo import Company, Writing
from tests.demo.desk import PDF, PNG, Desk, item


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
