"""Supplier invoices in, clients and client invoices out: over HTTP, against the demo company."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.writing.office import CLIENT, INVOICE, JPEG, PDF, PNG, office_at

if TYPE_CHECKING:
    from pathlib import Path

SUPPLIER, CLIENTS, INVOICES = "new_supplier_invoices", "new_clients", "new_client_invoices"


@pytest.mark.parametrize("writing", [{}, {"keep_attachment_id": False}, {"created": 201}])
@pytest.mark.parametrize("number", [1, 20, 21])
def test_documents_become_supplier_invoices_once(
    number: int, writing: dict[str, Any], tmp_path: Path
) -> None:
    with office_at(tmp_path, **writing) as (office, made):
        rows = {SUPPLIER: office.documents(number)}
        shown = office.run(rows)
        assert (shown.exit_code, made("supplier_invoices")) == (0, [])
        done = office.run(rows, approve=shown.digest)
        assert done.exit_code == 0, done.log
        assert len(done.states) == 1
        again = office.send(rows)
        assert again.exit_code == 0, again.log
        assert set(office.statuses.values()) == {"already_sent"}
        (tmp_path / "journal.sqlite").unlink()
        assert office.send(rows).exit_code == 0
        invoices = made("supplier_invoices")
        assert sorted(row["file_name"] for row in invoices) == [
            f"d{n:02}.pdf" for n in range(number)
        ]
        assert office.posts("/supplier_invoices/bulk") == -(-number // 20)


def test_a_client_and_its_invoice_are_made_and_its_document_stored(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        rows = {INVOICES: [INVOICE], CLIENTS: [CLIENT]}
        shown = office.run(rows)
        assert shown.exit_code == 0, shown.log
        assert made("clients") == []
        done = office.run(rows, approve=shown.digest)
        assert done.exit_code == 0, done.log
        [client], [invoice] = made("clients"), made("client_invoices")
        assert (client["name"], client["billing_address"]["country_code"]) == (CLIENT["name"], "FR")
        assert (invoice["status"], invoice["total_amount"]["value"]) == ("unpaid", "1200.00")
        [document] = (tmp_path / "documents").glob("client_invoice_attachments/*/*.pdf")
        assert document.read_bytes() == office.company.document(invoice["attachment_id"])
        assert "inside" in office.results["S-1"]["reason"]
        again = office.run(rows, approve=shown.digest)
        assert again.exit_code == 0, again.log
        assert set(office.statuses.values()) == {"already_sent"}
        assert len(made("client_invoices")) == 1


WRONG = {
    "missing": None,
    "empty": b"",
    "no document": b"hello",
    "too large": PDF + b"x" * 10_000_000,
    "called otherwise than it is": PNG,
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_sent_rejects_its_row_before_anything_is_sent(
    content: bytes | None, tmp_path: Path
) -> None:
    with office_at(tmp_path) as (office, made):
        path = office.file("wrong.pdf", content or b"")
        if content is None:
            path += ".gone"
        rows = [*office.documents(1), {"external_id": "wrong", "file": path}]
        loaded = office.send({SUPPLIER: rows})
        assert loaded.exit_code == 1
        assert office.statuses == {"D-00": "planned", "wrong": "rejected"}
        assert office.results["wrong"]["reason"].startswith("its file ")
        assert made("supplier_invoices") == []
        assert office.posts("") == 0


def test_pictures_are_documents_too(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        rows = [
            {"external_id": "1", "file": office.file("a.png", PNG)},
            {"external_id": "2", "file": office.file("b.jpeg", JPEG), "file_name": "c.jpg"},
        ]
        assert office.send({SUPPLIER: rows}).exit_code == 0
        assert {row["file_name"] for row in made("supplier_invoices")} == {"a.png", "c.jpg"}


def test_a_rate_in_percent_is_refused_with_the_sentence_that_says_so(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, _):
        items = json.dumps([{"title": "A", "quantity": 1, "unit_price": 5, "vat_rate": "20"}])
        loaded = office.send({INVOICES: [INVOICE | {"items": items}]})
        assert loaded.exit_code == 2
        assert "Rates are fractions: 20 percent is 0.2" in loaded.log
