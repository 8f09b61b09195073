"""A document that cannot be had holds nothing up, and is not forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.answers import refuse
from tests.kit.cases import some
from tests.kit.faults import Faults, answer
from tests.kit.papers import (
    INVOICES,
    RECEIPTS,
    Papers,
    files_in,
    owed,
    path_of,
    size_of,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("slept")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    some(
        [
            (403, "answered 403"),
            (500, "answered 500"),
            (503, "answered 503"),
            (416, "answered 416"),
            ("redirect loop", "redirected"),
            ("redirect", "not https://"),
            ("other size", "bytes instead of"),
            ("cut", "not or not whole"),
        ],
        "cut",
    ),
)
def test_a_document_that_cannot_be_had_is_a_row_that_says_why_and_holds_nothing_up(
    papers: Papers, tmp_path: Path, trouble: int | str, reason: str
) -> None:
    transactions = papers.receipts(12)
    papers.always("a2", trouble)
    done = papers.run(attachments_path=tmp_path)
    assert done.exit_code == 1
    assert [row["id"] for row in done.records["transactions"]] == transactions
    assert statuses(done) == ["stored"] * 2 + ["failed"] + ["stored"] * 9
    row = done.records["transaction_attachments"][2]
    assert reason in row["file_reason"]
    assert (row["file_name"], row["file_path"]) == ("a2.pdf", None)
    assert owed(done) == [{"transaction_id": transactions[2], "id": "a2"}]
    (bookmark,) = done.bookmarks("transactions").values()
    assert bookmark[:19] == papers.now.isoformat()[:19]
    assert "transaction_attachments: 1 document(s) could not be had, the first because: " in (
        done.log
    )
    assert len(files_in(tmp_path)) == 11

    again = papers.run(state=done.state, attachments_path=tmp_path)
    assert again.exit_code == 1
    assert owed(again) == owed(done)

    papers.always("a2", None)
    paid = papers.run(state=again.state, attachments_path=tmp_path)
    assert paid.exit_code == 0
    assert owed(paid) == []
    (row,) = [row for row in paid.records["transaction_attachments"] if row["id"] == "a2"]
    assert (row["file_status"], row["file_reason"]) == ("stored", None)
    assert (row["transaction_id"], row["file_name"]) == (transactions[2], "a2.pdf")
    assert path_of(row).read_bytes() == papers.company.document("a2")


def test_a_document_without_a_link_is_a_row_that_says_so(papers: Papers, tmp_path: Path) -> None:
    papers.invoice(papers.document("a1"))
    papers.invoice(papers.document("a2"))
    told = {"id": "a1", "file_name": "a1.pdf", "file_size": "5"}
    papers.api.before.append(Faults("/attachments/a1", always=answer(200, {"attachment": told})))
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert done.exit_code == 1
    assert statuses(done, INVOICES[1]) == ["failed", "stored"]
    assert "gives no link" in done.records[INVOICES[1]][0]["file_reason"]
    assert len(done.records["client_invoices"]) == 2


@pytest.mark.parametrize(
    "url",
    some(["file:///etc/passwd", "http://203.0.113.9/x", "ftp://h/x"], "http://203.0.113.9/x"),
)
def test_links_that_are_not_https_are_not_followed(
    papers: Papers, tmp_path: Path, url: str
) -> None:
    papers.invoice(papers.document("a1"))
    told = {"id": "a1", "file_name": "a1.pdf", "file_size": "5", "url": url}
    papers.api.before.append(Faults("/attachments/a1", always=answer(200, {"attachment": told})))
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    (row,) = done.records[INVOICES[1]]
    assert row["file_status"] == "failed"
    assert "is not https://" in row["file_reason"]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("status", some([500, 422, 403], 422))
def test_a_document_of_which_qonto_tells_nothing_is_owed_while_others_come(
    papers: Papers, tmp_path: Path, status: int
) -> None:
    for number in range(5):
        papers.invoice(papers.document(f"a{number}"))
    refused = Faults("/attachments/a0", always=answer(status, {"errors": []}))
    papers.api.before.append(refused)
    settings: dict[str, Any] = {"attachments_path": tmp_path, "extract_facturx": False}
    done = papers.run(*INVOICES, **settings)
    assert done.exit_code == 1
    assert statuses(done, INVOICES[1]) == ["failed"] + ["stored"] * 4
    assert len(done.records["client_invoices"]) == 5
    papers.api.before.remove(refused)
    paid = papers.run(*INVOICES, state=done.state, **settings)
    assert paid.exit_code == 0
    assert [row["file_name"] for row in paid.records[INVOICES[1]] if row["id"] == "a0"] == [
        "a0.pdf"
    ]


def test_what_still_cannot_be_had_does_not_lose_what_its_row_said(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(1)
    papers.transaction()
    papers.always("a0", 500)
    done = papers.run(attachments_path=tmp_path)
    papers.api.before.append(Faults("/attachments/a0", always=answer(500)))
    again = papers.run(state=done.state, attachments_path=tmp_path)
    assert again.exit_code == 1
    assert len(again.records["transactions"]) == 1
    assert again.records.get("transaction_attachments", []) == []
    assert owed(again) == owed(done)


def test_a_debt_whose_document_is_gone_is_over(papers: Papers, tmp_path: Path) -> None:
    papers.receipts(3)
    papers.always("a0", 500)
    done = papers.run(attachments_path=tmp_path)
    papers.company.remove("attachments", "a0")
    over = papers.run(state=done.state, attachments_path=tmp_path)
    assert over.exit_code == 0
    assert owed(over) == []
    assert [
        row["file_status"] for row in over.records["transaction_attachments"] if row["id"] == "a0"
    ] == ["missing"]


def test_a_debt_that_the_changed_row_pays_is_not_tried_twice(
    papers: Papers, tmp_path: Path
) -> None:
    (transaction,) = papers.receipts(1)
    papers.always("a0", 500)
    done = papers.run(attachments_path=tmp_path)
    papers.always("a0", None)
    papers.company.change("transactions", transaction, updated_at="2026-02-01T00:00:00.000Z")
    paid = papers.run(state=done.state, attachments_path=tmp_path)
    assert (paid.exit_code, owed(paid)) == (0, [])
    assert statuses(paid) == ["stored"]


def test_documents_of_lists_that_are_read_whole_need_no_place_in_the_state(
    papers: Papers, tmp_path: Path
) -> None:
    streams = ("quotes", "quote_attachments")
    papers.invoice(papers.document("a1"), "quotes")
    papers.always("a1", 500)
    done = papers.run(*streams, attachments_path=tmp_path)
    assert done.exit_code == 1
    assert statuses(done, "quote_attachments") == ["failed"]
    assert owed(done, "quote_attachments") == []
    papers.always("a1", None)
    assert statuses(papers.run(*streams, state=done.state, attachments_path=tmp_path),
                    "quote_attachments") == ["stored"]  # fmt: skip


@pytest.mark.slow
def test_the_debt_of_a_run_that_is_killed_is_in_every_state_that_has_passed_its_row(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(1_100)
    papers.always("a3", 500)
    done = papers.run(attachments_path=tmp_path)
    passed = [
        state
        for state in done.states
        if any(
            part.get("replication_key_value", "") >= "2026-01-01T00:04"
            for part in state["bookmarks"]["transactions"].get("partitions", [])
        )
    ]
    assert len(passed) >= 3
    for state in passed:
        assert [item["id"] for item in state["bookmarks"]["transaction_attachments"]["owed"]] == [
            "a3"
        ]


@pytest.mark.slow
def test_more_than_a_thousand_debts_are_the_failure_of_the_stream(
    papers: Papers, tmp_path: Path
) -> None:
    transactions = papers.receipts(1_020)
    for number in range(1_020):
        papers.always(f"a{number}", 416)
    done = papers.run(attachments_path=tmp_path)
    assert done.exit_code == 1
    assert "more than 1,000 documents could not be had" in done.log
    assert len(owed(done)) == 1_000
    assert size_of(done.state) < 150_000
    assert [row["id"] for row in done.records["transactions"]] == transactions[:1_000]
    for number in range(1_020):
        papers.always(f"a{number}", None)
    paid = papers.run(state=done.state, attachments_path=tmp_path)
    assert (paid.exit_code, owed(paid)) == (0, [])
    assert [row["id"] for row in paid.records["transactions"]][-20:] == transactions[1_000:]
    assert len(files_in(tmp_path)) == 1_020


@pytest.mark.slow  # its sibling is shorter
def test_patience_ends_where_nothing_can_be_had(papers: Papers, tmp_path: Path) -> None:
    papers.receipts(100)
    for number in range(100):
        papers.always(f"a{number}", 503)
    done = papers.run(attachments_path=tmp_path)
    requests = sum(request.path.startswith("/files/") for request in done.requests)
    assert statuses(done) == ["failed"] * 100
    # Eight threads may each be trying hard when the first eight give up.
    assert 100 <= requests <= 16 * 6 + 24 * 2 + 84


def test_patience_ends_where_nothing_is_stored_either(papers: Papers) -> None:
    for number in range(100):
        papers.invoice(papers.document(f"a{number}"))
    for number in range(100):
        refuse(papers.api, f"/attachments/a{number}", 503, "unavailable", "Not now")
    done = papers.run(*INVOICES)
    requests = sum("/attachments/" in request.path for request in done.requests)
    assert statuses(done, INVOICES[1]) == ["failed"] * 100
    assert 100 <= requests <= 16 * 6 + 24 * 2 + 84


# The state


def test_the_debts_of_another_organization_are_refused(papers: Papers, tmp_path: Path) -> None:
    papers.receipts(2)
    papers.always("a0", 500)
    done = papers.run(attachments_path=tmp_path)
    assert done.state["organization_id"] == papers.company.organization_id
    state = {**done.state, "organization_id": "10000000-0000-4000-8000-000000000000"}
    refused = papers.run(state=state, attachments_path=tmp_path)
    assert refused.exit_code == 1
    assert "another organization" in refused.log
    assert refused.records == {}


@pytest.mark.parametrize(
    "damage",
    [
        {"owed": 7},
        {"owed": ["a1"]},
        {"owed": [{"id": "a1"}]},
        {"owed": [{"id": "a1", "transaction_id": None}]},
        {"owed": [{"id": "a1", "transaction_id": "t1", "file_name": "x.pdf"}]},
        {"owed": [{"id": "a1", "transaction_id": "t1", "until": "soon"}]},
        {"owed": [{"id": f"a{number}", "transaction_id": "t1"} for number in range(1_001)]},
        {"read_with": {"largest": "many", "sealed": False, "invoices": False}},
        {"read_with": {}},
        {"catching_up": []},
        {"catching_up": {"partitions": [{"context": {}, "replication_key_value": "x"}]}},
    ],
    ids=lambda damage: json.dumps(damage)[:40],
)
def test_a_state_whose_debts_are_damaged_is_refused_in_one_sentence(
    papers: Papers, damage: dict[str, Any]
) -> None:
    done = papers.run(state={"bookmarks": {"transaction_attachments": damage}})
    assert done.exit_code == 1
    assert "transaction" in done.log
    assert "Traceback" not in done.log
    assert "Internal error" not in done.log
    assert done.requests == []


# What is not there yet


def test_a_file_that_is_not_there_yet_is_asked_for_again_in_the_same_run(
    papers: Papers, tmp_path: Path, recent: Callable[[], None]
) -> None:
    recent()
    papers.receipts(1)
    papers.next("a0", 404)
    done = papers.run(attachments_path=tmp_path)
    assert (done.exit_code, statuses(done), owed(done)) == (0, ["stored"], [])


def test_a_file_that_stays_away_is_asked_for_by_the_next_runs_while_its_row_is_young(
    papers: Papers, tmp_path: Path, recent: Callable[[], None],
    on_machine: Callable[..., None],
) -> None:  # fmt: skip
    recent()
    papers.receipts(2)
    papers.always("a0", 404)
    first = papers.run(attachments_path=tmp_path)
    assert (first.exit_code, statuses(first)) == (0, ["missing", "stored"])
    assert [item["id"] for item in owed(first)] == ["a0"]
    second = papers.run(state=first.state, attachments_path=tmp_path)
    assert owed(second) == owed(first)

    papers.always("a0", None)
    third = papers.run(state=second.state, attachments_path=tmp_path)
    assert (third.exit_code, owed(third)) == (0, [])
    assert "stored" in [
        row["file_status"] for row in third.records["transaction_attachments"] if row["id"] == "a0"
    ]

    papers.always("a0", 404)
    late = papers.now.timestamp() + 2 * 86_400
    on_machine(clock=lambda: late)
    over = papers.run(state=second.state, attachments_path=tmp_path / "elsewhere")
    assert (over.exit_code, owed(over)) == (0, [])


def test_a_file_of_an_old_row_that_is_gone_is_asked_for_once(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(1)
    papers.always("a0", 404)
    done = papers.run(attachments_path=tmp_path)
    assert (done.exit_code, statuses(done), owed(done)) == (0, ["missing"], [])
    assert [request.path for request in done.requests].count("/files/a0") == 1


def test_a_debt_is_paid_after_its_schema_also_where_no_row_can_be_read(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(1)
    papers.always("a0", 416)
    done = papers.run(attachments_path=tmp_path)
    papers.always("a0", None)
    for path in ("/organization", "/bank_accounts"):
        papers.api.before.append(Faults(path, always=answer(403, {"errors": []})))
    paid = papers.run(state=done.state, attachments_path=tmp_path)
    kinds = [message["type"] for message in paid.messages if message.get("stream") == RECEIPTS[1]]
    assert kinds == ["SCHEMA", "RECORD"]
    assert (statuses(paid), owed(paid)) == (["stored"], [])
