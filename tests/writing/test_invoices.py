"""Supplier invoices in, clients and client invoices out: over HTTP, against the demo company."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Request, Response
from tap_qonto.writing.identity import Identity
from tests.kit.cases import some, thorough
from tests.writing.office import CLIENT, INVOICE, JPEG, PDF, PNG, office_at

if TYPE_CHECKING:
    from pathlib import Path

SUPPLIER, CLIENTS, INVOICES = "new_supplier_invoices", "new_clients", "new_client_invoices"


@pytest.mark.parametrize("writing", some([{}, {"keep_attachment_id": False}, {"created": 201}], {}))
@pytest.mark.parametrize("number", some([1, 20, 21], 21))
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


@pytest.mark.parametrize("content", thorough(WRONG, "missing", "called otherwise than it is"))
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


POSITIONS = {
    f"item {at + 1} of {number}": (number, at) for number in (20, 21) for at in range(number)
}
AT_THE_EDGE = "item 20 of 21"
"""Where a request of 20 items ends, and the next one begins."""


@pytest.mark.parametrize(("number", "at"), thorough(POSITIONS, AT_THE_EDGE))
def test_an_item_that_fails_is_the_only_one_that_does(number: int, at: int, tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        rows = office.documents(number)
        failed = f"D-{at:02}"

        def fail(request: Request, response: Response) -> Response | None:
            if not request.path.endswith("/bulk"):
                return None
            assert isinstance(response.body, bytes)
            body = json.loads(response.body)
            gone = [row for row in body["supplier_invoices"] if row["file_name"] == f"d{at:02}.pdf"]
            for row in gone:
                office.company.remove("supplier_invoices", row["id"])
                body["supplier_invoices"].remove(row)
                pointer = f"/supplier_invoices/idempotency_key/{keys[failed]}/file"
                body["errors"].append(
                    {"code": "invalid", "detail": "no", "source": {"pointer": pointer}}
                )
            return Response(
                200,
                dict(response.headers) | {"Content-Length": str(len(json.dumps(body)))},
                json.dumps(body).encode(),
            )

        organization = str(office.company.organization_id)
        keys = {
            row["external_id"]: Identity(organization, SUPPLIER, row["external_id"], "invoice").key
            for row in rows
        }
        office.api.after.append(fail)
        loaded = office.send({SUPPLIER: rows})
        assert loaded.exit_code == 1
        assert loaded.states == []
        assert [name for name, status in office.statuses.items() if status != "sent"] == [failed]
        assert office.results[failed]["status"] == "rejected"
        assert office.results[failed]["code"] == "invalid"
        assert len(made("supplier_invoices")) == number - 1


@pytest.mark.parametrize("keeps", some([True, False], False))
@pytest.mark.parametrize("at", some([0, 7, 19], 19))
def test_an_item_that_the_answer_leaves_out_is_looked_for(
    at: int, keeps: bool, tmp_path: Path
) -> None:
    with office_at(tmp_path, keep_attachment_id=keeps) as (office, made):

        def leave_out(request: Request, response: Response) -> Response | None:
            if not request.path.endswith("/bulk"):
                return None
            assert isinstance(response.body, bytes)
            body = json.loads(response.body)
            name = f"d{at:02}.pdf"
            body["supplier_invoices"] = [
                row for row in body["supplier_invoices"] if row["file_name"] != name
            ]
            return Response(
                200,
                dict(response.headers) | {"Content-Length": str(len(json.dumps(body)))},
                json.dumps(body).encode(),
            )

        office.api.after.append(leave_out)
        loaded = office.send({SUPPLIER: office.documents(20)})
        assert loaded.exit_code == 0, loaded.log
        assert len(made("supplier_invoices")) == 20
        ids = {row["qonto_id"] for row in office.results.values()}
        assert ids == {row["id"] for row in made("supplier_invoices")}
        assert ("file name and the time" in " ".join(loaded.log.split())) is not keeps


SAME_CLIENT: dict[str, dict[str, Any]] = {
    "by VAT number, in other letters": {"vat_number": "fr40123456824", "email": "x@y.example"},
    "by tax number": {"vat_number": "", "tax_identification_number": "T-9", "email": ""},
    "by e-mail": {"vat_number": "", "email": "COMPTA@lac.example"},
}


@pytest.mark.parametrize("cells", thorough(SAME_CLIENT, "by tax number", "by e-mail"))
def test_a_client_is_looked_for_before_it_is_created(cells: dict[str, Any], tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        first = CLIENT | {"tax_identification_number": "T-9"}
        other = first | {"external_id": "C-2"} | cells
        assert office.send({CLIENTS: [first, other]}).exit_code == 0
        [client] = made("clients")
        assert {row["qonto_id"] for row in office.results.values()} == {client["id"]}
        assert office.send({CLIENTS: [other | {"external_id": "C-3"}]}).exit_code == 0
        assert len(made("clients")) == 1


def test_another_client_with_the_same_mailbox_is_another_client(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        other = CLIENT | {"external_id": "C-2", "vat_number": "FR83404833048"}
        assert office.send({CLIENTS: [CLIENT, other]}).exit_code == 0
        assert len(made("clients")) == 2


@pytest.mark.parametrize(
    ("cells", "status"),
    [({}, "already_sent"), ({"due_date": "2026-12-31"}, "rejected")],
    ids=["the same", "another"],
)
def test_a_number_that_exists_is_compared(
    cells: dict[str, Any], status: str, tmp_path: Path
) -> None:
    with office_at(tmp_path) as (office, made):
        numbered = INVOICE | {"number": "A-7"}
        rows = {CLIENTS: [CLIENT], INVOICES: [numbered]}
        assert office.send(rows, attachments_path="").exit_code == 0
        [client] = made("clients")
        again = numbered | {"external_id": "S-2", "client": client["id"]} | cells
        settings = {"journal_path": str(tmp_path / "other.sqlite"), "attachments_path": ""}
        loaded = office.send({INVOICES: [again]}, **settings)
        assert loaded.exit_code == (0 if status == "already_sent" else 1), loaded.log
        assert office.statuses == {"S-2": status}
        assert len(made("client_invoices")) == 1


def test_a_draft_stays_one_if_the_row_says_so(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        rows = {CLIENTS: [CLIENT], INVOICES: [INVOICE | {"finalize": "false"}]}
        for _ in range(2):
            loaded = office.send(rows)
            assert loaded.exit_code == 0, loaded.log
        assert [row["status"] for row in made("client_invoices")] == ["draft"]
        assert office.posts("/finalize") == 0


def test_a_draft_with_another_total_is_not_made_final(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):

        def change(request: Request, _response: Response) -> Response | None:
            if request.method == "POST" and request.path.endswith("/client_invoices"):
                [row] = made("client_invoices")
                total = {"value": "0.05", "currency": "EUR"}
                office.company.change(
                    "client_invoices", row["id"], total_amount_cents=5, total_amount=total
                )
            return None

        office.api.after.append(change)
        loaded = office.send({CLIENTS: [CLIENT], INVOICES: [INVOICE]})
        assert loaded.exit_code == 1
        assert "has another total" in office.results["S-1"]["reason"]
        assert office.posts("/finalize") == 0


@pytest.mark.parametrize(("stream", "column", "row"), some([
    (SUPPLIER, "fille", {"external_id": "1", "file": "x"}),
    (CLIENTS, "billing_zipcode", CLIENT),
    (INVOICES, "issue_dat", INVOICE),
], SUPPLIER))  # fmt: skip
def test_a_column_that_looks_misspelt_is_refused(
    stream: str, column: str, row: dict[str, Any], tmp_path: Path
) -> None:
    with office_at(tmp_path) as (office, _):
        loaded = office.send({stream: [row | {column: "x"}]})
        assert loaded.exit_code == 2
        assert column in loaded.log


def test_an_invoice_of_which_nothing_tells_but_itself_is_held(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        rows = {CLIENTS: [CLIENT], INVOICES: [INVOICE]}
        assert office.send(rows, attachments_path="").exit_code == 0
        settings = {"journal_path": str(tmp_path / "other.sqlite"), "attachments_path": ""}
        loaded = office.send(rows, **settings)
        assert loaded.exit_code == 3
        assert office.statuses == {"C-1": "already_sent", "S-1": "held"}
        assert len(made("client_invoices")) == 1
