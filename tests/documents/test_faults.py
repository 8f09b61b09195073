"""Whatever the file host does once is tried again; what it does not have is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.cases import some
from tests.kit.faults import Faults, answer
from tests.kit.papers import INVOICES, Papers, Row, files_in, owed, path_of, statuses

if TYPE_CHECKING:
    from pathlib import Path

    from tap_qonto.demo import Request, Response


@pytest.mark.parametrize("status", some([404, 410], 404))
@pytest.mark.parametrize("where", some(["file host", "API"], "file host"))
def test_a_document_that_is_gone_is_missing_and_the_run_goes_on(
    papers: Papers, tmp_path: Path, status: int, where: str
) -> None:
    for number in range(5):
        papers.invoice(papers.document(f"a{number}"))
        if where == "API":
            gone = Faults(f"/attachments/a{number}", always=answer(status, {"errors": []}))
            papers.api.before.append(gone)
        else:
            papers.always(f"a{number}", status)
    papers.invoice(papers.document("b"))
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert statuses(done, INVOICES[1]) == ["missing"] * 5 + ["stored"]
    assert done.exit_code == 0
    assert len(done.records["client_invoices"]) == 6
    assert done.log.count("does not exist any more; its row says 'missing'") == 1
    assert "5 missing" in done.log
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize(
    "fault", some([500, 503, 429, "cut", "other size", "chunked, short"], 503, "cut", "other size")
)
def test_a_fault_is_tried_again(
    papers: Papers, tmp_path: Path, slept: list[float], fault: int | str
) -> None:
    papers.transaction(papers.document("a1", b"x" * 3_000))
    papers.next("a1", fault, fault)
    done = papers.run(attachments_path=tmp_path)
    assert done.exit_code == 0
    (row,) = done.records["transaction_attachments"]
    assert path_of(row).read_bytes() == b"x" * 3_000
    assert [request.path for request in done.requests].count("/files/a1") == 3
    assert len([pause for pause in slept if pause >= 0.5]) == 2
    assert files_in(tmp_path) == [path_of(row)]


@pytest.mark.slow
def test_a_server_that_stalls_in_the_middle_is_given_up(
    papers: Papers, tmp_path: Path, slept: list[float]
) -> None:
    papers.transaction(papers.document("a1", b"x" * 3_000))
    papers.next("a1", "stall")
    done = papers.run(attachments_path=tmp_path, request_timeout=0.5)
    assert statuses(done) == ["stored"]
    assert slept


@pytest.mark.parametrize(
    ("differs", "way"),
    [({}, None), ({"file_size": None}, None), ({"file_size": None}, "chunked")],
)
def test_a_document_above_the_limit_is_listed_only(
    papers: Papers, tmp_path: Path, differs: Row, way: str | None
) -> None:
    papers.transaction(papers.document("a1", b"x" * 101, **differs))
    papers.transaction(papers.document("a2", b"x" * 100, **differs))
    if way:
        papers.always("a1", way)
        papers.always("a2", way)
    done = papers.run(attachments_path=tmp_path, attachments_max_bytes=100)
    rows = done.records["transaction_attachments"]
    assert [row["file_status"] for row in rows] == ["too_large", "stored"]
    assert files_in(tmp_path) == [path_of(rows[1])]
    asked = [request.path for request in done.requests].count("/files/a1")
    assert asked == (0 if "file_size" not in differs else 1)


@pytest.mark.parametrize("status", some([403, 401], 403))
def test_documents_of_which_none_may_be_read_are_rows_that_say_so_and_hold_nothing_up(
    papers: Papers, tmp_path: Path, status: int
) -> None:
    for number in range(60):
        papers.invoice(papers.document(f"a{number}"))
    refused = Faults(None, always=answer(status, {"errors": [{"code": "no", "detail": "No."}]}))

    def refuse(request: Request) -> Response | None:
        return refused(request) if request.path.startswith("/v2/attachments/") else None

    papers.api.before.append(refuse)
    settings: Row = {"attachments_path": tmp_path, "extract_facturx": False}
    done = papers.run(*INVOICES, **settings)
    assert done.exit_code == 1
    assert statuses(done, INVOICES[1]) == ["failed"] * 60
    assert f"answered {status} no" in done.records[INVOICES[1]][59]["file_reason"]
    assert len(done.records["client_invoices"]) == 60
    assert (done.bookmark("client_invoices") or "")[:19] == papers.now.isoformat()[:19]
    assert {item["id"] for item in owed(done, INVOICES[1])} == {f"a{n}" for n in range(60)}
    (sentence,) = [line for line in done.log.splitlines() if line.startswith("ERROR")]
    assert "60 document(s) could not be had" in sentence
    assert "they need the OAuth scope attachment.read" in sentence
    asked = sum(request.path.startswith("/v2/attachments/") for request in done.requests)
    assert asked <= 10 + 8, "Qonto is not asked for each of them"

    papers.api.before.remove(refuse)
    paid = papers.run(*INVOICES, state=done.state, **settings)
    assert (paid.exit_code, owed(paid, INVOICES[1])) == (0, [])
    assert len(files_in(tmp_path)) == 60


@pytest.mark.slow
def test_more_documents_than_a_state_can_name_may_all_be_refused(
    papers: Papers,
) -> None:
    for number in range(1_030):
        papers.invoice(papers.document(f"a{number}"))
    refused = Faults(None, always=answer(403, {"errors": []}))

    def refuse(request: Request) -> Response | None:
        return refused(request) if request.path.startswith("/v2/attachments/") else None

    papers.api.before.append(refuse)
    done = papers.run(*INVOICES)
    assert done.exit_code == 1
    assert len(done.records["client_invoices"]) == 1_030
    assert (done.bookmark("client_invoices") or "")[:19] == papers.now.isoformat()[:19]
    papers.api.before.remove(refuse)
    paid = papers.run(*INVOICES, state=done.state)
    assert (paid.exit_code, owed(paid, INVOICES[1])) == (0, [])
    assert set(statuses(paid, INVOICES[1])) == {"metadata_only"}
    assert len({row["id"] for row in paid.records[INVOICES[1]]}) == 1_030


def test_credentials_that_are_withdrawn_while_documents_are_read_end_the_run(
    papers: Papers, tmp_path: Path
) -> None:
    for number in range(5):
        papers.invoice(papers.document(f"a{number}"))
    withdrawn = []

    def refuse(request: Request) -> Response | None:
        if request.path.startswith("/v2/attachments/"):
            withdrawn.append(True)
        return answer(401, {"errors": []})(request) if withdrawn else None

    papers.api.before.append(refuse)
    done = papers.run(*INVOICES, "labels", attachments_path=tmp_path)
    assert done.exit_code == 1
    (sentence,) = [line for line in done.log.splitlines() if line.startswith("ERROR")]
    assert "401" in sentence
    assert not done.bookmark("client_invoices")


def test_a_link_that_is_refused_and_may_not_be_renewed_costs_one_document(
    papers: Papers, tmp_path: Path
) -> None:
    """The links of the others came with their rows, so that Qonto is asked for this one alone."""
    papers.receipts(5)
    papers.always("a2", 403)
    papers.api.before.append(Faults("/attachments/a2", always=answer(403, {"errors": []})))
    done = papers.run(attachments_path=tmp_path)
    assert done.exit_code == 1
    assert statuses(done) == ["stored"] * 2 + ["failed"] + ["stored"] * 2
    (bookmark,) = done.bookmarks("transactions").values()
    assert bookmark[:19] == papers.now.isoformat()[:19]
    assert [item["id"] for item in owed(done)] == ["a2"]


@pytest.mark.usefixtures("slept")
def test_an_api_that_cannot_be_reached_is_no_fault_of_a_document(
    papers: Papers, tmp_path: Path
) -> None:
    """Reset connections may have been sent; each document says so, and the rows arrive."""

    def reset(request: Any) -> None:
        if request.path.startswith("/v2/attachments/"):
            raise ConnectionResetError

    papers.invoice(papers.document("a1"))
    papers.api.before.append(reset)
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert done.exit_code == 1
    assert statuses(done, INVOICES[1]) == ["failed"]
    assert len(done.records["client_invoices"]) == 1
