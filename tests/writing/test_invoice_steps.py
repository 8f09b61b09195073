"""Each step of clients, invoices and documents, where things are otherwise than they should be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.documents.facturx import Totals
from tap_qonto.writing import papers
from tests.writing.clerk import RefusedError
from tests.writing.office import CLIENT, INVOICE, PDF, office_at
from tests.writing.runs import Killed, Killer
from tests.writing.test_clerks import clerk_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.writing.clerk import Clerk

Row = dict[str, Any]

SUPPLIER, CLIENTS, INVOICES = "new_supplier_invoices", "new_clients", "new_client_invoices"
BOTH: dict[str, list[Row]] = {CLIENTS: [CLIENT], INVOICES: [INVOICE]}
NUMBERED: dict[str, list[Row]] = {CLIENTS: [CLIENT], INVOICES: [INVOICE | {"number": "A-7"}]}


class Ending(Killer):
    """Kills a run when a request for a path that ends so leaves."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self._end = f"{end} leaves"

    def __call__(self, place: str) -> None:
        super().__call__(place)
        if place.endswith(self._end):
            raise Killed(place)


def lose_once(clerk: Clerk, end: str, *, request: bool = False) -> None:
    """Let the answer to a request to write be lost, or the request itself."""

    def lose(method: str, path: str) -> None:
        if method == "POST" and path.endswith(end):
            hooks.remove(lose)
            raise ConnectionResetError

    hooks = clerk.before if request else clerk.after
    hooks.append(lose)


# Clients


def test_a_client_that_was_found_is_known_to_invoices_of_later_runs(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        assert office.send({CLIENTS: [CLIENT]}).exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        found = office.send({CLIENTS: [CLIENT]})
        assert (found.exit_code, office.statuses) == (0, {"C-1": "already_sent"})
        alone = office.send({INVOICES: [INVOICE]}, attachments_path="")
        assert alone.exit_code == 0, alone.log
        assert clerk.count() == {"clients": 1, "client_invoices": 1}


def test_a_plan_that_is_only_shown_notes_no_client(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, _):
        assert office.send({CLIENTS: [CLIENT]}).exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        assert office.run({CLIENTS: [CLIENT]}).exit_code == 0
        assert office.run({INVOICES: [INVOICE]}).exit_code == 0
        assert office.statuses == {"S-1": "rejected"}


def test_a_found_client_whose_row_changes_is_looked_for_again(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        assert office.send({CLIENTS: [CLIENT]}).exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        assert office.send({CLIENTS: [CLIENT]}).exit_code == 0
        moved = office.send({CLIENTS: [CLIENT | {"billing_city": "Lyon"}]})
        assert (moved.exit_code, office.statuses) == (0, {"C-1": "already_sent"})
        assert clerk.count() == {"clients": 1}


@pytest.mark.parametrize("request_lost", [False, True], ids=["answer", "request"])
def test_a_row_waits_for_the_one_whose_client_it_shares(
    tmp_path: Path, *, request_lost: bool
) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        lose_once(clerk, "/clients", request=request_lost)
        rows = {
            CLIENTS: [CLIENT, CLIENT | {"external_id": "C-2"}],
            INVOICES: [INVOICE | {"client": "C-2"}],
        }
        done = office.send(rows, attachments_path="")
        assert done.exit_code == 0, done.log
        assert clerk.count() == {"clients": 1, "client_invoices": 1}
        assert office.results["C-2"]["qonto_id"] == office.results["C-1"]["qonto_id"]


def test_a_client_without_the_number_asked_for_is_another_one(tmp_path: Path) -> None:
    hides = frozenset({"vat_number", "email"})
    with clerk_at(tmp_path, filters=False, hides=hides) as (office, clerk):
        for n in range(2):
            row = CLIENT | {"external_id": f"C-{n}", "name": f"N {n}", "vat_number": f"FR{n}" * 3}
            assert office.send({CLIENTS: [row]}).exit_code == 0
        assert clerk.count() == {"clients": 2}


# Invoices


def test_a_lost_draft_is_not_mistaken_for_an_older_one(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        assert office.send(BOTH, attachments_path="").exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        office.clock[0] += 3_600
        rows = {CLIENTS: [CLIENT], INVOICES: [INVOICE | {"external_id": "S-2"}]}
        shown = office.run(rows, attachments_path="")
        assert office.statuses["S-2"] == "held"
        lose_once(clerk, "/client_invoices", request=True)
        done = office.run(rows, attachments_path="", approve=shown.digest)  # a person wants two
        assert done.exit_code == 0, done.log
        assert clerk.count()["client_invoices"] == 2


@pytest.mark.parametrize("issue_date", ["2024-02-01", "2027-09-01"])
def test_an_invoice_of_another_year_is_found_without_a_journal(
    issue_date: str, tmp_path: Path
) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        dates = {"issue_date": issue_date, "due_date": "2027-10-01"}
        rows = {CLIENTS: [CLIENT], INVOICES: [INVOICE | dates]}
        assert office.send(rows, attachments_path="").exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        assert office.send(rows, attachments_path="").exit_code == 3
        assert clerk.count()["client_invoices"] == 1


def test_the_invoice_of_another_row_is_not_taken_for_one_that_is_there(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        assert office.send(BOTH, attachments_path="").exit_code == 0
        rows = {INVOICES: [INVOICE, INVOICE | {"external_id": "S-2"}]}
        assert office.send(rows, attachments_path="").exit_code == 0
        assert office.statuses == {"S-1": "already_sent", "S-2": "sent"}
        assert clerk.count()["client_invoices"] == 2


def test_an_invoice_found_by_its_number_gets_its_document_stored(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, made):
        assert office.send(NUMBERED, attachments_path="").exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        for _ in range(2):
            found = office.send(NUMBERED)
            assert found.exit_code == 0, found.log
            assert set(office.statuses.values()) == {"already_sent"}
        assert len(made("client_invoices")) == 1
        assert len(list((tmp_path / "documents").glob("client_invoice_attachments/*/*"))) == 1


def test_a_row_that_wants_a_draft_takes_the_final_invoice_of_its_number(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        assert office.send(NUMBERED, attachments_path="").exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        rows = {CLIENTS: [CLIENT], INVOICES: [NUMBERED[INVOICES][0] | {"finalize": "no"}]}
        for _ in range(2):
            again = office.send(rows, attachments_path="")
            assert again.exit_code == 0, again.log
            assert set(office.statuses.values()) == {"already_sent"}
        assert clerk.count()["client_invoices"] == 1


def test_a_server_that_makes_invoices_final_at_once_is_told(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        clerk.makes_final = True
        done = office.send({CLIENTS: [CLIENT], INVOICES: [INVOICE | {"finalize": "no"}]})
        assert done.exit_code == 1
        assert "is final, though only a draft was asked for" in office.results["S-1"]["reason"]


def test_an_invoice_whose_number_is_not_told_is_known_by_the_conflict(tmp_path: Path) -> None:
    with clerk_at(tmp_path, hides=frozenset({"*"})) as (office, clerk):
        assert office.send(NUMBERED, attachments_path="").exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        again = office.send(NUMBERED, attachments_path="")
        assert again.exit_code == 0, again.log
        assert office.statuses == {"C-1": "already_sent", "S-1": "already_sent"}
        assert clerk.count() == {"clients": 1, "client_invoices": 1}


@pytest.mark.parametrize("body", [{"message": "no"}, b"", {"errors": {"code": "x"}}])
def test_a_step_to_final_that_is_refused_after_it_was_made_is_made(
    body: Any, tmp_path: Path
) -> None:
    with clerk_at(tmp_path) as (office, clerk):

        def refuse(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/finalize"):
                raise RefusedError(412, body)

        clerk.after.append(refuse)
        done = office.send(BOTH, attachments_path="")
        assert done.exit_code == 0, done.log
        assert office.statuses["S-1"] == "sent"


def test_a_step_to_final_without_an_answer_is_shown_as_unknown(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        office.die(BOTH, Ending("/finalize"))
        assert [row["status"] for row in clerk.rows["client_invoices"].values()] == ["draft"]
        shown = office.run(BOTH, attachments_path="")
        assert shown.exit_code == 0, shown.log
        assert office.statuses["S-1"] == "unknown"
        assert "the answer was lost; an approved run resolves it" in office.results["S-1"]["reason"]
        assert office.send(BOTH, attachments_path="").exit_code == 0
        assert clerk.count()["client_invoices"] == 1


def test_nothing_is_left_open_in_the_journal_of_a_run_that_ended_well(tmp_path: Path) -> None:
    with office_at(tmp_path) as (office, _):
        assert office.send({**NUMBERED, SUPPLIER: office.documents(2)}).exit_code == 0
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as journal:
        steps = journal.execute("select step, state, qonto_id from writes").fetchall()
    assert sorted(step for step, *_ in steps) == [
        "attachment", "attachment", "client", "document", "draft", "finalize", "invoice", "invoice",
    ]  # fmt: skip
    assert all(state == "done" and qonto_id for _, state, qonto_id in steps)


def test_what_is_told_too_little_of_is_not_made_final_for_a_row(tmp_path: Path) -> None:
    hides = frozenset({"items", "issue_date", "due_date"})
    with clerk_at(tmp_path, hides=hides) as (office, clerk):
        assert office.send({CLIENTS: [CLIENT]}).exit_code == 0
        lose_once(clerk, "/client_invoices")
        done = office.send(BOTH, attachments_path="")
        assert done.exit_code == 0, done.log
        [draft] = [
            row["id"] for row in clerk.rows["client_invoices"].values() if row["status"] == "draft"
        ]
        assert f"second draft like it, {draft}" in " ".join(done.log.split())


def test_a_document_that_says_something_else_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with office_at(tmp_path) as (office, _):
        monkeypatch.setattr(papers, "read_totals", lambda _xml: Totals(5, "EUR"))
        told = office.send(BOTH)
        assert (told.exit_code, told.states) == (1, [])
        assert "look at S-1 (it is final, and its electronic invoice" in told.log
        invoice = office.results["S-1"]
        assert (invoice["status"], invoice["code"]) == ("sent", "document_mismatch")
        assert office.send(BOTH).exit_code == 0


def test_a_document_that_is_not_made_yet_is_fetched_by_the_next_run(tmp_path: Path) -> None:
    with office_at(tmp_path, pdf_time=120.0) as (office, made):
        waiting = office.send(BOTH)
        assert (waiting.exit_code, waiting.states) == (4, [])
        assert "1 invoice sent, and without a stored document yet: S-1" in waiting.log
        office.clock[0] += 120
        assert office.send(BOTH).exit_code == 0
        assert len(made("client_invoices")) == 1
        assert len(list((tmp_path / "documents").glob("client_invoice_attachments/*/*"))) == 1


# Documents of suppliers


def test_errors_that_name_no_document_are_told_apart(tmp_path: Path) -> None:
    def unnamed(answer: Row) -> Row:
        return answer | {
            "errors": [{"code": "invalid", "detail": f"no {len(answer['errors'])}"}]
            if answer["errors"] else []
        }  # fmt: skip

    with clerk_at(tmp_path, answers=unnamed) as (office, clerk):

        def vanish(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/bulk"):
                clerk.files = {
                    one: file for one, file in clerk.files.items() if file[0] == "d01.pdf"
                }

        clerk.before.append(vanish)
        assert office.send({SUPPLIER: office.documents(3)}).exit_code == 1
        assert office.statuses == {"D-00": "rejected", "D-01": "sent", "D-02": "rejected"}
        assert "no 1" in office.results["D-02"]["reason"]  # of an answer that was about it alone


class Doing(Killer):
    """Does something at a place, and lets the run live."""

    def __init__(self, place: str, what: Any) -> None:
        super().__init__()
        self._place, self._what = place, what

    def __call__(self, place: str) -> None:
        super().__call__(place)
        if place == self._place:
            self._what()


def test_a_file_that_changes_after_the_plan_is_not_sent(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        rows = {CLIENTS: [CLIENT], SUPPLIER: office.documents(1)}
        office.die(rows, Doing("before POST /clients", lambda: office.file("d00.pdf", PDF + b"?")))
        assert clerk.count() == {"clients": 1}


def test_a_file_that_was_mended_after_it_was_refused_is_uploaded_anew(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, clerk):
        rows = {SUPPLIER: office.documents(1)}

        def refuse(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/bulk"):
                raise RefusedError(422, {"errors": [{"code": "invalid"}]})

        clerk.before.append(refuse)
        assert office.send(rows).exit_code == 1
        clerk.before.clear()
        office.file("d00.pdf", PDF + b"mended")
        assert office.send(rows).exit_code == 0
        [row] = clerk.rows["supplier_invoices"].values()
        assert clerk.files[row["attachment_id"]][1] == PDF + b"mended"


@pytest.mark.parametrize("hides", [frozenset({"attachment_id"}), frozenset({"url"})])
def test_a_document_of_the_same_name_that_is_not_shown_is_held(
    hides: frozenset[str], tmp_path: Path
) -> None:
    with clerk_at(tmp_path, hides=hides) as (office, clerk):
        rows = {SUPPLIER: office.documents(1)}
        assert office.send(rows).exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        if "url" in hides:
            clerk.shows_files = False
        assert office.send(rows).exit_code == 3
        assert office.statuses == {"D-00": "held"}
        clerk.forget()
        shown = office.run(rows)
        assert office.run(rows, approve=shown.digest).exit_code == 0  # a person says it is new
        assert clerk.count() == {"supplier_invoices": 2}


def test_another_document_that_tells_nothing_is_not_taken_for_a_lost_one(tmp_path: Path) -> None:
    manners = {"filters": False, "hides": frozenset({"attachment_id", "file_name"})}
    with clerk_at(tmp_path, **manners) as (office, clerk):
        rows = {SUPPLIER: office.documents(1)}

        def arrive(method: str, path: str) -> None:
            if method == "POST" and path.endswith("/bulk"):
                clerk.before.clear()
                clerk.arrive("by-mail.pdf")
                raise ConnectionResetError

        clerk.before.append(arrive)
        assert office.send(rows).exit_code == 0
        names = [row["file_name"] for row in clerk.rows["supplier_invoices"].values()]
        assert sorted(names) == ["by-mail.pdf", "d00.pdf"]


def test_documents_that_exist_are_noted_so_that_their_files_may_go(tmp_path: Path) -> None:
    with clerk_at(tmp_path) as (office, _):
        rows = {SUPPLIER: office.documents(1)}
        assert office.send(rows).exit_code == 0
        (tmp_path / "journal.sqlite").unlink()
        assert office.send(rows).exit_code == 0
        (tmp_path / "inbox" / "d00.pdf").unlink()
        gone = office.send(rows)
        assert (gone.exit_code, office.statuses) == (0, {"D-00": "already_sent"}), gone.log
