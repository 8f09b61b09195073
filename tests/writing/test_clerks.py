"""Servers of other manners than the demo company's: whatever they tell, each row is made once."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.cases import some, thorough
from tests.writing.clerk import Clerk, RefusedError, Serving
from tests.writing.manners import Manners
from tests.writing.office import CLIENT, INVOICE, Office
from tests.writing.runs import Killed, Killer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Row = dict[str, Any]

SUPPLIER, CLIENTS, INVOICES = "new_supplier_invoices", "new_clients", "new_client_invoices"

PERSON: Row = {
    **{name: cell for name, cell in CLIENT.items() if name not in ("name", "vat_number", "email")},
    "external_id": "P-1", "kind": "individual", "first_name": "Aline", "last_name": "Abeille",
}  # fmt: skip
"""A client that nothing tells from others but all that is told."""


class KillerAt(Killer):
    """Kills a run at the place of a name."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def __call__(self, place: str) -> None:
        super().__call__(place)
        if place == self._place:
            raise Killed(place)


@contextmanager
def clerk_at(folder: Path, **manners: Any) -> Iterator[tuple[Office, Clerk]]:
    """Serve a clerk while the context lasts, and run the target against it."""
    clock = [datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()]
    clerk = Clerk(Manners(**manners), clock)
    with Serving(clerk) as server:
        yield Office(server, folder, clock), clerk  # type: ignore[arg-type]


def all_rows(office: Office, documents: int = 3) -> dict[str, list[Row]]:
    return {
        CLIENTS: [CLIENT, PERSON],
        INVOICES: [INVOICE, INVOICE | {"external_id": "S-2", "number": "A-7", "client": "P-1"}],
        SUPPLIER: office.documents(documents),
    }


def _older_columns(name: str, row: Row) -> Row:
    """Tell a client in the columns of before."""
    if name != "clients":
        return row
    address = row["billing_address"]
    older = {key: row[key] for key in row if key not in ("kind", "billing_address")}
    full = f"{row.get('first_name', '')} {row.get('last_name', '')}".strip()
    return older | {
        "type": row["kind"], "address": address["street_address"], "city": address["city"],
        "zip_code": address["zip_code"], "country_code": address["country_code"].lower(),
        "name": row.get("name") or full, "locale": row["locale"].upper(),
    }  # fmt: skip


def _own_spelling(name: str, row: Row) -> Row:
    """Tell numbers and names as a server may write them."""
    if name == "clients" and "vat_number" in row:
        return row | {"vat_number": f"FR 40 {row['vat_number'][4:]}.", "name": row["name"].upper()}
    if name == "client_invoices":
        items = [item | {"quantity": f"{item['quantity']}.00", "vat_rate": float(item["vat_rate"])}
                 for item in row["items"]]  # fmt: skip
        return row | {"items": items, "issue_date": f"{row['issue_date']}T00:00:00Z"}
    return row


MANNERS: dict[str, Row] = {
    "as documented": {},
    "without envelopes": {"wrapped": False},
    "201": {"created": 201},
    "207": {"created": 207},
    "in any order": {"order": "any"},
    "the same item twice": {"order": "twice"},
    "without the file's id": {"hides": frozenset({"attachment_id"})},
    "without the file's name": {"hides": frozenset({"file_name"})},
    "only what is required": {"hides": frozenset({"*"})},
    "without lines and days": {"hides": frozenset({"items", "issue_date", "due_date"})},
    "filters ignored": {"filters": False},
    "lists that are not counted": {"meta": False},
    "drafts that hide their number": {"numbers_drafts": False},
    "what is new is found late": {"lag": 2},
    "clients in the columns of before": {"writes": _older_columns},
    "spelt otherwise": {"writes": _own_spelling},
}
MOST_TELLING = ("as documented", "only what is required")
"""The others are for the slow tests."""

ONCE = {"clients": 2, "client_invoices": 2, "supplier_invoices": 3}


@pytest.mark.parametrize("manners", thorough(MANNERS, *MOST_TELLING))
def test_everything_is_made_once_and_known_again(manners: Row, tmp_path: Path) -> None:
    with clerk_at(tmp_path, **manners) as (office, clerk):
        rows = all_rows(office)
        first = office.send(rows, attachments_path="")
        assert first.exit_code == 0, first.log
        assert clerk.count() == ONCE
        assert {row["status"] for row in clerk.rows["client_invoices"].values()} == {"unpaid"}
        before = clerk.posts()
        again = office.send(rows, attachments_path="")
        assert again.exit_code == 0, again.log
        assert set(office.statuses.values()) == {"already_sent"}
        assert clerk.posts() == before


LOSSES = ("/attachments", "/supplier_invoices/bulk", "/clients", "/client_invoices", "/finalize")


@pytest.mark.parametrize("manners", thorough(MANNERS, *MOST_TELLING))
def test_an_answer_that_is_lost_makes_nothing_twice(manners: Row, tmp_path: Path) -> None:
    with clerk_at(tmp_path, **manners) as (office, clerk):
        left = set(LOSSES)

        def lose(method: str, path: str) -> None:
            for end in left if method == "POST" else ():
                if path.endswith(end):
                    left.remove(end)
                    raise ConnectionResetError

        clerk.after.append(lose)
        rows = all_rows(office)
        for _ in range(3):
            last = office.send(rows, attachments_path="")
            if last.exit_code == 0:
                break
        assert left == set()
        assert last.exit_code == 0, last.log
        final = [row for row in clerk.rows["client_invoices"].values() if row["status"] != "draft"]
        drafts = [row["id"] for row in clerk.rows["client_invoices"].values()
                  if row["status"] == "draft"]  # fmt: skip
        assert len(final) == 2
        assert len(drafts) <= ("items" in str(manners) or "*" in str(manners))
        assert len(clerk.rows["supplier_invoices"]) == 3
        nameless = "*" in manners.get("hides", ())
        assert len(clerk.rows["clients"]) <= 2 + nameless  # whom nothing tells from others


@pytest.mark.parametrize("manners", thorough(MANNERS, *MOST_TELLING))
def test_without_its_journal_a_run_makes_no_second_one(manners: Row, tmp_path: Path) -> None:
    with clerk_at(tmp_path, **manners) as (office, clerk):
        rows = all_rows(office)
        assert office.send(rows, attachments_path="").exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        before = clerk.count()
        again = office.send(rows, attachments_path="")
        assert again.exit_code in (0, 3), again.log
        assert clerk.count()["client_invoices"] == before["client_invoices"]
        assert clerk.count()["supplier_invoices"] == before["supplier_invoices"]
        assert office.statuses["S-1"] == "held"
        assert set(office.statuses.values()) <= {"already_sent", "held", "planned"}


SILENT = {"nothing told": {"hides": frozenset({"*"}), "filters": False}}


@pytest.mark.parametrize("manners", thorough(MANNERS | SILENT, *MOST_TELLING, *SILENT))
def test_a_run_that_died_is_finished_when_all_keys_are_forgotten(
    manners: Row, tmp_path: Path
) -> None:
    with clerk_at(tmp_path, **manners) as (office, clerk):
        rows = {SUPPLIER: office.documents(3)}
        office.die(rows, KillerAt("after POST /supplier_invoices/bulk"))
        assert clerk.count() == {"supplier_invoices": 3}
        office.clock[0] += 3_600
        clerk.forget()
        last = office.send(rows)
        assert clerk.count() == {"supplier_invoices": 3}
        if manners in SILENT.values():
            # Nothing that Qonto tells can say whether they exist, so a person has to look.
            assert last.exit_code == 4
            assert "tells too little to find out" in " ".join(last.log.split())
        else:
            assert last.exit_code == 0, last.log


# Answers to documents that were sent together


def _without_keys(answer: Row) -> Row:
    return answer | {
        "errors": [{name: error[name] for name in ("code", "detail")} for error in answer["errors"]]
    }


def _nested(answer: Row) -> Row:
    return answer | {"errors": {"code": "invalid", "errors": answer["errors"]}}


def _keys_elsewhere(answer: Row) -> Row:
    return answer | {"errors": [
        {"code": "invalid", "message": "no such file",
         "idempotency_key": error["source"]["pointer"].rpartition("/")[2].upper()}
        for error in answer["errors"]
    ]}  # fmt: skip


ANSWERS: dict[str, Callable[[Row], Row]] = {
    "as documented": dict,
    "errors without keys": _without_keys,
    "errors in an error": _nested,
    "keys elsewhere": _keys_elsewhere,
    "no list of what was made": lambda answer: {"errors": answer["errors"]},
    "both lists empty": lambda _answer: {"supplier_invoices": [], "errors": []},
    "nothing": lambda _answer: {},
    "wrapped": lambda answer: {"data": answer},
    "each one wrapped": lambda answer: answer | {
        "supplier_invoices": [{"supplier_invoice": row} for row in answer["supplier_invoices"]]
    },
}  # fmt: skip


@pytest.mark.parametrize("number", some([2, 21, 1, 20], 2))
@pytest.mark.parametrize(
    "answers",
    thorough(
        ANSWERS,
        *("as documented", "errors without keys", "errors in an error", "nothing", "wrapped"),
    ),
)
def test_whatever_the_answer_an_item_that_failed_is_the_only_one(
    answers: Callable[[Row], Row], number: int, tmp_path: Path
) -> None:
    with clerk_at(tmp_path, answers=answers) as (office, clerk):
        rows = office.documents(number)
        failed = rows[number // 2]["external_id"]
        name = rows[number // 2]["file"].rpartition("/")[2]

        def vanish(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/bulk"):
                for file, (called, _) in list(clerk.files.items()):
                    if called == name:
                        del clerk.files[file]

        clerk.before.append(vanish)
        last = office.send({SUPPLIER: rows})
        others = {row["external_id"] for row in rows} - {failed}
        statuses = office.statuses
        assert {statuses[name] for name in others} <= {"sent"}
        assert {row["file_name"] for row in clerk.rows["supplier_invoices"].values()} == {
            row["file"].rpartition("/")[2] for row in rows if row["external_id"] != failed
        }
        if answers in (ANSWERS["both lists empty"], ANSWERS["nothing"]):
            assert (statuses[failed], last.exit_code) == ("unknown", 4)
        else:
            assert (statuses[failed], last.exit_code) == ("rejected", 1), last.log
            assert "no such file" in office.results[failed]["reason"]


def test_one_document_that_has_all_refused_is_the_only_one_that_is(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        rows = office.documents(5)
        body = {"errors": {"code": "bad_request", "detail": "unreadable"}}

        def refuse(answer: Row) -> Row:
            if any(row["file_name"] == "d03.pdf" for row in answer["supplier_invoices"]):
                for row in answer["supplier_invoices"]:
                    del clerk.rows["supplier_invoices"][row["id"]]
                clerk.forget()
                raise RefusedError(400, body)
            return answer

        clerk.manners.answers = refuse
        assert office.send({SUPPLIER: rows}).exit_code == 1
        assert office.statuses == {f"D-0{n}": "rejected" if n == 3 else "sent" for n in range(5)}
        assert "unreadable" in office.results["D-03"]["reason"]
        assert clerk.count() == {"supplier_invoices": 4}


def test_files_that_qonto_takes_for_one_are_two_documents(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        clerk.one_file_per_content = True
        rows = [{"external_id": str(n), "file": office.file(f"{n}.pdf")} for n in range(2)]
        assert office.send({SUPPLIER: rows}).exit_code == 0
        assert office.send({SUPPLIER: rows}).exit_code == 0
        assert clerk.count() == {"supplier_invoices": 2}


# Refusals

SHAPES: dict[str, Any] = {
    "a list": {"errors": [{"code": "odd", "detail": "so it is"}], "trace_id": "t-1"},
    "an object": {"errors": {"code": "odd", "message": "so it is"}},
    "nested": {"errors": [{"code": "odd", "errors": [{"code": "x", "detail": "so it is"}]}]},
    "flat": {"code": "odd", "detail": "so it is", "source": {"pointer": "/x"}},
    "a message": {"message": "so it is", "code": "odd"},
    "the gateway's": {"message": "so it is", "trace_id": "t-1"},
    "text": b"so it is",
    "nothing": b"",
}
PATHS = {
    "/attachments": SUPPLIER, "/supplier_invoices/bulk": SUPPLIER, "/clients": CLIENTS,
    "/client_invoices": INVOICES, "/finalize": INVOICES,
}  # fmt: skip


@pytest.mark.parametrize("path", some(PATHS, "/client_invoices"))
@pytest.mark.parametrize(
    ("status", "shape"),
    some(
        zip([400, 404, 409, 422, 413, 405, 412, 400], SHAPES, strict=True),
        *((404, "an object"), (413, "a message"), (412, "text")),
    ),
)
def test_a_refusal_rejects_its_row_with_a_sentence_and_makes_nothing(
    status: int, shape: str, path: str, tmp_path: Path
) -> None:
    with clerk_at(tmp_path) as (office, clerk):

        def refuse(method: str, asked: str) -> None:
            if method == "POST" and asked.endswith(path):
                raise RefusedError(status, SHAPES[shape])

        rows = {SUPPLIER: office.documents(2), CLIENTS: [CLIENT], INVOICES: [INVOICE]}
        if PATHS[path] != SUPPLIER:
            del rows[SUPPLIER]
        else:
            rows = {SUPPLIER: rows[SUPPLIER]}
        clerk.before.append(refuse)
        refused = office.send(rows, attachments_path="")
        assert (refused.exit_code, refused.states) == (1, [])
        results = [row for row in office.results.values() if row["stream"] == PATHS[path]]
        assert {row["status"] for row in results} == {"rejected"}
        for row in results:
            assert re.search(rf"answered {status}\b", row["reason"])
            if shape not in ("text", "nothing", "nested"):
                assert "so it is" in row["reason"]
        final = [row for row in clerk.rows["client_invoices"].values() if row["status"] != "draft"]
        assert final == []
        clerk.before.clear()
        assert office.send(rows, attachments_path="").exit_code == 0
        assert clerk.count() in (
            {"supplier_invoices": 2}, {"clients": 1, "client_invoices": 1},
        )  # fmt: skip


@pytest.mark.parametrize("hides", [frozenset(), frozenset({"*"})], ids=["told", "untold"])
@pytest.mark.parametrize(
    "code", some(["invoice_number_already_exists", "client_invoice_conflict", ""], "")
)
def test_a_conflict_over_the_own_number_is_no_refusal(
    code: str, hides: frozenset[str], tmp_path: Path
) -> None:
    with clerk_at(tmp_path, hides=hides) as (office, clerk):
        rows = {CLIENTS: [CLIENT], INVOICES: [INVOICE | {"number": "A-7"}]}

        def lose_and_conflict(method: str, path: str) -> None:
            if method == "POST" and path == "/client_invoices":
                body = {"errors": [{"code": code, "status": "409"}]} if code else {}
                raise RefusedError(409, body)

        clerk.after.append(lose_and_conflict)  # as if the request came twice
        first = office.send(rows, attachments_path="")
        assert first.exit_code == 0, first.log
        assert clerk.count() == {"clients": 1, "client_invoices": 1}
        assert [row["status"] for row in clerk.rows["client_invoices"].values()] == ["unpaid"]
