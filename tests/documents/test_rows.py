"""What the rows of document streams say, and which documents they are about."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.kit.cases import some
from tests.kit.papers import INVOICES, RECEIPTS, Papers, Row, files_in, path_of, statuses
from tests.kit.pdfs import pdf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

XML = (
    '<?xml version="1.0" encoding="UTF-8"?><i xmlns="u">'
    "<GuidelineSpecifiedDocumentContextParameter><ID>urn:factur-x.eu:1p0:minimum</ID>"
    "</GuidelineSpecifiedDocumentContextParameter>é</i>"
)
SIGNED = {"status": "available", "file_name": "a1.pdf", "file_size": "6"}


def test_without_a_path_documents_are_listed_and_nothing_is_downloaded(papers: Papers) -> None:
    first = papers.transaction(papers.document("a1"), papers.document("a2", b"xyz"))
    papers.transaction()
    done = papers.run()
    rows = done.records["transaction_attachments"]
    assert [(row["transaction_id"], row["id"]) for row in rows] == [(first, "a1"), (first, "a2")]
    assert {row["file_status"] for row in rows} == {"metadata_only"}
    assert [row["file_size"] for row in rows] == [23, 3]
    assert rows[0]["created_at"] == "2026-01-01T00:00:00.000000Z"
    assert rows[0]["probative_attachment_status"] == "unavailable"
    paths = [request.path for request in done.requests]
    assert not any("/files/" in path or "/attachments/" in path for path in paths)


def test_a_stored_document_is_the_one_that_qonto_has(papers: Papers, tmp_path: Path) -> None:
    content = os.urandom(70_000)
    papers.transaction(papers.document("a1", content))
    done = papers.run(attachments_path=tmp_path)
    (row,) = done.records["transaction_attachments"]
    assert path_of(row).read_bytes() == content
    assert path_of(row) == tmp_path / "transaction_attachments" / "a1" / "a1.pdf"
    assert row["file_sha256"] == hashlib.sha256(content).hexdigest()
    assert (row["file_status"], row["file_reason"]) == ("stored", None)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["stored_at"])
    assert files_in(tmp_path) == [path_of(row)]


@pytest.mark.parametrize(
    ("parent", "child", "key", "pointers", "expected"),
    [
        ("client_invoices", "client_invoice_attachments", "client_invoice_id",
         {"attachment_id": "a1"}, ["a1"]),
        ("credit_notes", "credit_note_attachments", "credit_note_id",
         {"attachment_id": "a1"}, ["a1"]),
        ("quotes", "quote_attachments", "quote_id", {"attachment_id": "a1"}, ["a1"]),
        ("supplier_invoices", "supplier_invoice_attachments", "supplier_invoice_id",
         {"attachment_id": "a1", "display_attachment_id": "a2"}, ["a1", "a2"]),
        ("supplier_invoices", "supplier_invoice_attachments", "supplier_invoice_id",
         {"attachment_id": "a1", "display_attachment_id": "a1"}, ["a1"]),
        ("supplier_invoices", "supplier_invoice_attachments", "supplier_invoice_id",
         {"attachment_id": None, "display_attachment_id": "a2"}, ["a2"]),
        ("quotes", "quote_attachments", "quote_id", {"attachment_id": None}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stored", some([True, False], True))
def test_documents_known_by_id_are_asked_for(
    papers: Papers,
    tmp_path: Path,
    parent: str,
    child: str,
    key: str,
    pointers: Row,
    expected: list[str],
    stored: bool,
) -> None:
    papers.document("a1")
    papers.document("a2")
    id_ = papers.invoice(None, parent, **pointers)
    path = tmp_path if stored else None
    done = papers.run(parent, child, attachments_path=path, extract_facturx=False)
    rows = done.records.get(child, [])
    assert [row["id"] for row in rows] == expected
    assert all(row[key] == id_ for row in rows)
    assert {row["file_name"] for row in rows} == {f"{id_}.pdf" for id_ in expected}
    assert [path_of(row).exists() for row in rows if stored] == [True] * len(expected) * stored
    assert len(done.records[parent]) == 1


def test_statements_bring_their_file(papers: Papers, tmp_path: Path) -> None:
    id_ = papers.statement()
    done = papers.run("statements", "statement_files", attachments_path=tmp_path)
    (found,) = done.records["statement_files"]
    assert (found["statement_id"], found["period"]) == (id_, "05-2026")
    assert path_of(found) == tmp_path / "statement_files" / id_ / "may.pdf"
    assert path_of(found).read_bytes() == papers.company.document(id_)
    assert "additional_properties" not in found


def test_attachments_that_were_not_embedded_are_asked_for(papers: Papers) -> None:
    papers.transaction(papers.document("a1"), embedded=False)
    done = papers.run()
    assert [row["file_name"] for row in done.records["transaction_attachments"]] == ["a1.pdf"]
    assert len(done.asked("/attachments/a1")) == 1


def test_documents_come_without_their_parents_too(papers: Papers, tmp_path: Path) -> None:
    papers.receipts(1)
    done = papers.run("transaction_attachments", attachments_path=tmp_path)
    assert [row["id"] for row in done.records["transaction_attachments"]] == ["a0"]
    assert "transactions" not in done.records


def test_a_parent_that_is_filtered_out_brings_no_documents(papers: Papers, tmp_path: Path) -> None:
    wanted = papers.receipts(3)[1]
    maps = {"transactions": {"__filter__": f"id == '{wanted}'"}}
    done = papers.run(attachments_path=tmp_path, stream_maps=maps)
    assert [row["id"] for row in done.records["transaction_attachments"]] == ["a1"]
    assert len(files_in(tmp_path)) == 1


# Signed copies


def test_the_signed_copy_is_stored_beside_the_original(papers: Papers, tmp_path: Path) -> None:
    papers.transaction(papers.document("a1", b"one", probative_attachment=SIGNED))
    papers.transaction(papers.document("a2", b"two"))
    papers.company.replace_document("a1-sealed", b"signed")
    done = papers.run(attachments_path=tmp_path, probative_attachments=True)
    first, second = done.records["transaction_attachments"]
    original = path_of(first)
    beside = original.with_name("a1.probative.pdf")
    assert (original.read_bytes(), beside.read_bytes()) == (b"one", b"signed")
    assert first["probative_status"] == "stored"
    assert first["probative_path"] == beside.as_uri()
    assert first["probative_sha256"] == hashlib.sha256(b"signed").hexdigest()
    assert first["probative_attachment_status"] == "available"
    assert second["probative_status"] is second["probative_path"] is None
    assert len(done.asked("/attachments/a1")) == 1


@pytest.mark.usefixtures("slept")
def test_a_signed_copy_that_cannot_be_had_is_owed_while_the_original_is_stored(
    papers: Papers, tmp_path: Path
) -> None:
    papers.transaction(papers.document("a1", b"one", probative_attachment=SIGNED))
    papers.company.replace_document("a1-sealed", b"signed")
    papers.always("a1-sealed", 500)
    done = papers.run(attachments_path=tmp_path, probative_attachments=True)
    (row,) = done.records["transaction_attachments"]
    assert (done.exit_code, row["file_status"], row["probative_status"]) == (1, "stored", "failed")
    assert "answered 500" in row["probative_reason"]
    papers.always("a1-sealed", None)
    paid = papers.run(state=done.state, attachments_path=tmp_path, probative_attachments=True)
    assert paid.exit_code == 0
    assert {row["probative_status"] for row in paid.records["transaction_attachments"]} == {
        "stored"
    }


def test_a_signed_copy_that_is_being_made_is_asked_for_again_while_its_row_is_young(
    papers: Papers, tmp_path: Path, recent: Callable[[], None]
) -> None:
    recent()
    pending = {"status": "pending"}
    transaction = papers.transaction(papers.document("a1", b"one", probative_attachment=pending))
    papers.transaction()
    done = papers.run(attachments_path=tmp_path, probative_attachments=True)
    assert done.exit_code == 0
    papers.document("a1", b"one", probative_attachment=SIGNED)
    papers.company.replace_document("a1-sealed", b"signed")
    paid = papers.run(state=done.state, attachments_path=tmp_path, probative_attachments=True)
    (row,) = paid.records["transaction_attachments"]
    assert (row["transaction_id"], row["probative_status"]) == (transaction, "stored")


# Factur-X


@pytest.mark.parametrize("again", some([False, True], True))
def test_the_invoice_inside_a_pdf_is_in_its_row(
    papers: Papers, tmp_path: Path, again: bool
) -> None:
    papers.invoice(papers.document("a1", pdf({"factur-x.xml": XML.encode()})))
    papers.invoice(papers.document("a2", pdf({})))
    if again:
        papers.run(*INVOICES, attachments_path=tmp_path)
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    first, second = done.records[INVOICES[1]]
    assert (first["facturx_profile"], first["facturx_xml"]) == ("MINIMUM", XML)
    assert (second["facturx_profile"], second["facturx_xml"]) == (None, None)


def test_it_is_left_there_if_it_is_not_wanted(papers: Papers, tmp_path: Path) -> None:
    papers.invoice(papers.document("a1", pdf({"factur-x.xml": XML.encode()})))
    done = papers.run(*INVOICES, attachments_path=tmp_path, extract_facturx=False)
    assert not done.records[INVOICES[1]][0].get("facturx_xml")


def test_broken_pdfs_are_stored_with_one_warning(papers: Papers, tmp_path: Path) -> None:
    for number in range(4):
        papers.invoice(papers.document(f"a{number}", b"%PDF-1.7\nthis is no PDF at all"))
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert (done.exit_code, statuses(done, INVOICES[1])) == (0, ["stored"] * 4)
    assert done.log.count("cannot be searched") == 1
    assert "4 with an unreadable PDF" in done.log


# Many


def test_documents_are_written_before_their_row_in_the_order_of_the_rows(
    papers: Papers, tmp_path: Path
) -> None:
    transactions = papers.receipts(40)
    papers.api.latency = 0.01
    done = papers.run(attachments_path=tmp_path, concurrency=5)
    order = [
        message["record"].get("transaction_id") or message["record"]["id"]
        for message in done.messages
        if message["type"] == "RECORD"
    ]
    assert order == [id_ for id_ in transactions for _ in RECEIPTS]
