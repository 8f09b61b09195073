"""When the settings come to ask for more, the documents of rows that were read before follow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import DemoServer
from tests.kit.faults import Faults, answer
from tests.kit.papers import INVOICES, RECEIPTS, Papers, Row, files_in, owed, statuses
from tests.kit.pdfs import pdf
from tests.kit.runner import catalog_of, config_for, start_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.runner import Run

pytestmark = pytest.mark.usefixtures("slept")

XML = (
    "<i><GuidelineSpecifiedDocumentContextParameter><ID>urn:factur-x.eu:1p0:minimum</ID>"
    "</GuidelineSpecifiedDocumentContextParameter></i>"
)


def kept(done: Run, stream: str = "transaction_attachments") -> Row:
    found: Row = done.state["bookmarks"][stream]
    return found


def test_without_a_path_the_log_says_how_many_documents_are_only_listed(papers: Papers) -> None:
    papers.receipts(1_203)
    done = papers.run()
    assert done.exit_code == 0
    assert (
        "transaction_attachments: 1,203 listed, not downloaded: attachments_path is not set"
    ) in done.log


def test_a_path_that_is_set_later_brings_the_documents_of_all_rows(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(120)
    listed = papers.run()
    assert statuses(listed) == ["metadata_only"] * 120
    papers.transaction(papers.document("new"))
    stored = papers.run(state=listed.state, attachments_path=tmp_path)
    assert stored.exit_code == 0
    assert len(files_in(tmp_path)) == 121
    assert set(statuses(stored)) == {"stored"}
    assert "attachments_path was set since" in stored.log
    rows = [row["id"] for row in stored.records["transaction_attachments"]]
    assert rows.count("new") == 1, "it came with its row"
    # Only for their documents: the last row is read again by the reader's own rules.
    assert len(stored.records["transactions"]) <= 2
    (before,) = listed.bookmarks("transactions").values()
    (after,) = stored.bookmarks("transactions").values()
    assert after > before

    third = papers.run(state=stored.state, attachments_path=tmp_path)
    assert "since" not in third.log
    assert len(third.records.get("transaction_attachments", [])) <= 1
    assert "catching_up" not in kept(third)


@pytest.mark.slow
def test_a_path_that_is_set_later_brings_the_documents_of_invoices(
    papers: Papers, tmp_path: Path
) -> None:
    for number in range(120):
        papers.invoice(papers.document(f"a{number}"))
    listed = papers.run(*INVOICES)
    stored = papers.run(*INVOICES, state=listed.state, attachments_path=tmp_path)
    assert len(files_in(tmp_path)) == 120
    assert stored.exit_code == 0
    assert len(stored.records.get("client_invoices", [])) <= 1


def test_a_limit_that_is_raised_brings_what_was_too_large_and_nothing_else(
    papers: Papers, tmp_path: Path
) -> None:
    papers.transaction(papers.document("small"))
    papers.transaction(papers.document("large", b"x" * 5_000))
    papers.transaction(papers.document("huge", b"x" * 50_000))
    papers.transaction()
    first = papers.run(attachments_path=tmp_path, attachments_max_bytes=100)
    assert statuses(first) == ["stored", "too_large", "too_large"]
    second = papers.run(state=first.state, attachments_path=tmp_path, attachments_max_bytes=10_000)
    rows = {row["id"]: row["file_status"] for row in second.records["transaction_attachments"]}
    assert rows == {"large": "stored", "huge": "too_large"}
    assert "attachments_max_bytes was raised" in second.log
    third = papers.run(state=second.state, attachments_path=tmp_path)
    assert {row["id"] for row in third.records["transaction_attachments"]} == {"huge"}
    lowered = papers.run(state=third.state, attachments_path=tmp_path, attachments_max_bytes=1)
    assert lowered.records.get("transaction_attachments", []) == []


def test_signed_copies_that_are_switched_on_later_come_for_all_rows(
    papers: Papers, tmp_path: Path
) -> None:
    signed = {"status": "available", "file_name": "a.pdf", "file_size": "1800"}
    papers.receipts(3, probative_attachment=signed)
    papers.transaction()
    first = papers.run(attachments_path=tmp_path)
    second = papers.run(state=first.state, attachments_path=tmp_path, probative_attachments=True)
    assert "probative_attachments was switched on" in second.log
    assert [row["probative_status"] for row in second.records["transaction_attachments"]] == [
        "stored"
    ] * 3
    assert len(files_in(tmp_path)) == 6


def test_electronic_invoices_that_are_switched_on_later_come_for_all_rows(
    papers: Papers, tmp_path: Path
) -> None:
    papers.invoice(papers.document("a1", pdf({"factur-x.xml": XML.encode()})))
    papers.invoice(None)
    first = papers.run(*INVOICES, attachments_path=tmp_path, extract_facturx=False)
    second = papers.run(*INVOICES, state=first.state, attachments_path=tmp_path)
    assert "extract_facturx was switched on" in second.log
    (row,) = second.records[INVOICES[1]]
    assert row["facturx_profile"] == "MINIMUM"
    assert [request.path for request in second.requests].count("/files/a1") == 0


def test_documents_that_are_selected_later_come_for_all_rows(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(5)
    first = papers.run("transactions")
    second = papers.run(state=first.state, attachments_path=tmp_path)
    assert len(files_in(tmp_path)) == 5
    third = papers.run("transactions", state=second.state)
    papers.transaction(papers.document("between"))
    papers.transaction()
    fourth = papers.run("transactions", state=third.state)
    papers.run(state=fourth.state, attachments_path=tmp_path)
    assert len(files_in(tmp_path)) == 6


def test_documents_of_a_time_without_a_path_follow_when_there_is_one_again(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(2)
    with_path = papers.run(attachments_path=tmp_path)
    papers.transaction(papers.document("between"))
    papers.transaction()
    without = papers.run(state=with_path.state)
    again = papers.run(state=without.state, attachments_path=tmp_path)
    assert len(files_in(tmp_path)) == 3
    assert "catching_up" not in kept(again)


def test_rows_of_an_account_that_appears_meanwhile_need_no_catching_up(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(2)
    listed = papers.run()
    other = "20000000-0000-4000-8000-000000000000"
    papers.company.put("bank_accounts", {**next(papers.company.rows("bank_accounts")), "id": other})
    papers.transaction(papers.document("b1"), bank_account_id=other)
    done = papers.run(state=listed.state, attachments_path=tmp_path)
    rows = [row["id"] for row in done.records["transaction_attachments"]]
    assert sorted(set(rows)) == ["a0", "a1", "b1"]
    assert rows.count("b1") == 1


def test_a_failure_while_catching_up_is_a_debt_like_any_other(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(5)
    papers.transaction()
    listed = papers.run()
    papers.always("a2", 416)
    done = papers.run(state=listed.state, attachments_path=tmp_path)
    assert done.exit_code == 1
    assert [item["id"] for item in owed(done)] == ["a2"]
    assert "catching_up" not in kept(done)
    papers.always("a2", None)
    paid = papers.run(state=done.state, attachments_path=tmp_path)
    assert [row["id"] for row in paid.records["transaction_attachments"]] == ["a2"]


@pytest.mark.slow
def test_a_list_that_breaks_while_catching_up_is_gone_on_with_from_there(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(900)
    papers.transaction()
    listed = papers.run()
    late = [row["updated_at"][:19] for row in papers.company.rows("transactions")][600:890]

    def break_later(request: Any) -> Any:
        # Neither the first pages nor what follows the bookmark, in whatever order they are asked.
        start = dict(request.query).get("updated_at_from", "")[:19]
        return answer(400, {"errors": []})(request) if late[0] < start < late[-1] else None

    papers.api.before.append(break_later)
    broken = papers.run(state=listed.state, attachments_path=tmp_path)
    papers.api.before.remove(break_later)
    assert broken.exit_code == 1
    some = len(files_in(tmp_path))
    assert 400 < some < 900
    assert len(str(kept(broken))) < 600
    done = papers.run(state=broken.state, attachments_path=tmp_path)
    assert done.exit_code == 0
    assert len(files_in(tmp_path)) == 900
    downloads = [request.path for request in (*broken.requests, *done.requests)]
    # What was under way when the list broke was dropped.
    assert sum(path.startswith("/files/") for path in downloads) <= 900 + 8
    assert len(done.records["transaction_attachments"]) < 900
    assert "catching_up" not in kept(done)


@pytest.mark.slow
def test_a_run_that_is_killed_while_catching_up_is_gone_on_with(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(1_300)
    papers.transaction()
    listed = papers.run()
    papers.api.latency = 0.004
    folder = tmp_path / "documents"
    with (
        DemoServer(papers.api) as server,
        start_process(
            {**config_for(server), "lookback_seconds": 0, "attachments_path": str(folder)},
            state=listed.state,
            catalog=catalog_of(RECEIPTS),
        ) as tap,
    ):
        assert tap.stdout
        last: Row = {}
        for line in tap.stdout:
            if (
                b'"type":"STATE"' in line
                and b"replication_key_value"
                in line.partition(b'"catching_up"')[2].partition(b'"transactions"')[0]
            ):
                last = json.loads(line)["value"]
                tap.kill()
                break
    assert last, "no state came while the run was catching up"
    assert 0 < len(files_in(folder)) < 1_300
    papers.api.latency = 0
    done = papers.run(state=last, attachments_path=folder)
    assert done.exit_code == 0
    assert len([path for path in files_in(folder) if path.suffix == ".pdf"]) == 1_300
    assert len(done.records["transaction_attachments"]) < 1_300
    assert "catching_up" not in kept(done)


@pytest.mark.slow
def test_settings_that_change_again_while_catching_up_begin_anew(
    papers: Papers, tmp_path: Path
) -> None:
    signed = {"status": "available", "file_name": "a.pdf", "file_size": "1800"}
    papers.receipts(300, probative_attachment=signed)
    papers.transaction()
    listed = papers.run()
    state = listed.state
    state["bookmarks"]["transaction_attachments"]["catching_up"] = {
        "to": {"largest": 50_000_000, "sealed": False, "invoices": False},
        "partitions": [
            {
                "context": {"bank_account_id": papers.company.accounts[0].id},
                "replication_key": "updated_at",
                "replication_key_value": "2026-01-01T04:00:00.000000Z",
            }
        ],
    }
    done = papers.run(state=state, attachments_path=tmp_path, probative_attachments=True)
    assert done.exit_code == 0
    assert len(files_in(tmp_path)) == 600


def test_an_api_that_forbids_documents_leaves_the_catching_up_for_later(
    papers: Papers, tmp_path: Path
) -> None:
    for number in range(30):
        papers.invoice(papers.document(f"a{number}"))
    papers.invoice(None)
    first = papers.run("client_invoices")
    forbidden = [Faults(f"/attachments/a{number}", always=answer(403)) for number in range(30)]
    papers.api.before += forbidden
    settings: Row = {"attachments_path": tmp_path, "extract_facturx": False}
    refused = papers.run(*INVOICES, state=first.state, **settings)
    assert refused.exit_code == 1
    assert "attachment.read" in refused.log
    assert "catching_up" in kept(refused, INVOICES[1])
    for fault in forbidden:
        papers.api.before.remove(fault)
    papers.run(*INVOICES, state=refused.state, **settings)
    assert len(files_in(tmp_path)) == 30
