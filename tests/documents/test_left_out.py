"""Rows that a run leaves out while it catches up: a later one has their documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Response
from tests.kit.answers import alter
from tests.kit.papers import INVOICES, Papers, Row, files_in

if TYPE_CHECKING:
    from pathlib import Path

    from tap_qonto.demo import Request
    from tests.kit.runner import Run

pytestmark = pytest.mark.usefixtures("slept")

OTHER = "20000000-0000-4000-8000-000000000000"


@pytest.fixture
def accounts(papers: Papers) -> list[str]:
    """Two accounts with three documents each, `a0` and so on, and `b0` and so on."""
    first = next(papers.company.rows("bank_accounts"))
    papers.company.put("bank_accounts", {**first, "id": OTHER})
    papers.receipts(3)
    for number in range(3):
        papers.transaction(papers.document(f"b{number}"), bank_account_id=OTHER)
    return [str(first["id"]), OTHER]


def stored(done: Run) -> set[str]:
    """Return the IDs of the documents that a run has stored or found there."""
    return {
        row["id"]
        for name, rows in done.records.items()
        for row in rows
        if name.endswith("_attachments") and row["file_status"] == "stored"
    }


def kept(done: Run) -> Row:
    found: Row = done.state["bookmarks"]["transaction_attachments"]
    return found


def test_documents_of_an_account_that_is_left_out_meanwhile_follow(
    papers: Papers, accounts: list[str], tmp_path: Path
) -> None:
    path = {"attachments_path": tmp_path}
    listed = papers.run()
    some = papers.run(state=listed.state, bank_account_ids=accounts[:1], **path)
    assert stored(some) == {"a0", "a1", "a2"}
    again = papers.run(state=some.state, bank_account_ids=accounts[:1], **path)
    assert "follow" not in again.log
    assert len(stored(again)) <= 1, "the last row is read again by the reader's own rules"
    rest = papers.run(state=again.state, **path)
    assert {"b0", "b1", "b2"} <= stored(rest)
    assert len(files_in(tmp_path)) == 6
    assert kept(rest).keys() == {"read_with"}
    assert "attachments_path was set since" in rest.log


@pytest.mark.parametrize("known", [slice(0, 2), slice(1, 2)], ids=["both", "only that one"])
def test_documents_of_an_account_that_is_not_listed_for_a_run_follow(
    papers: Papers, accounts: list[str], tmp_path: Path, known: slice
) -> None:
    hidden_one = accounts[1]

    def hide(body: Row) -> None:
        body["bank_accounts"][:] = [one for one in body["bank_accounts"] if one["id"] != hidden_one]

    def refuse(request: Request) -> Response | None:
        of_other = dict(request.query).get("bank_account_id") == hidden_one
        return Response(404, {}, b'{"errors": []}') if of_other else None

    listed = papers.run(bank_account_ids=accounts[known])
    usual = list(papers.api.before), list(papers.api.after)
    alter(papers.api, "/bank_accounts", hide)
    alter(papers.api, "/organization", lambda body: hide(body["organization"]))
    papers.api.before.append(refuse)
    hidden = papers.run(state=listed.state, attachments_path=tmp_path)
    assert hidden.exit_code == 0
    assert hidden_one in hidden.log
    assert stored(hidden) == {"a0", "a1", "a2"}
    papers.api.before[:], papers.api.after[:] = usual
    back = papers.run(state=hidden.state, attachments_path=tmp_path)
    assert {"b0", "b1", "b2"} <= stored(back)
    assert len(files_in(tmp_path)) == 6
    assert kept(back).keys() == {"read_with"}


def test_an_account_that_cannot_be_read_does_not_keep_the_others_from_catching_up(
    papers: Papers, accounts: list[str], tmp_path: Path
) -> None:
    def refuse(request: Request) -> Response | None:
        of_first = dict(request.query).get("bank_account_id") == accounts[0]
        return Response(400, {}, b'{"errors": []}') if of_first else None

    listed = papers.run()
    papers.api.before.append(refuse)
    broken = papers.run(state=listed.state, attachments_path=tmp_path)
    assert broken.exit_code == 1
    assert {"b0", "b1", "b2"} <= stored(broken)
    papers.api.before.remove(refuse)
    done = papers.run(state=broken.state, attachments_path=tmp_path)
    assert {"a0", "a1", "a2"} <= stored(done)
    assert kept(done).keys() == {"read_with"}


def test_limits_count_for_what_an_account_that_was_left_out_has(
    papers: Papers, accounts: list[str], tmp_path: Path
) -> None:
    papers.transaction(papers.document("large", b"x" * 5_000), bank_account_id=OTHER)
    path = {"attachments_path": tmp_path}
    first = papers.run(attachments_max_bytes=1_000, attachments_path=tmp_path)
    some = papers.run(state=first.state, bank_account_ids=accounts[:1], **path)
    rest = papers.run(state=some.state, **path)
    assert "large" in stored(rest)
    assert "attachments_max_bytes was raised" in rest.log
    assert "b0" not in stored(rest), "it was small enough"


@pytest.mark.parametrize(
    ("streams", "of"),
    [((), "transaction_attachments"), (INVOICES, INVOICES[1])],
    ids=["transactions", "invoices"],
)
def test_documents_of_rows_before_a_start_date_follow_when_it_is_taken_away(
    papers: Papers, tmp_path: Path, streams: tuple[str, ...], of: str
) -> None:
    for number in range(3):
        if streams:
            papers.invoice(papers.document(f"a{number}"))
        else:
            papers.transaction(papers.document(f"a{number}"))
    path = {"attachments_path": tmp_path}
    listed = papers.run(*streams)
    last = papers.now.isoformat()
    late = papers.run(*streams, state=listed.state, start_date=last, **path)
    assert stored(late) == {"a2"}
    done = papers.run(*streams, state=late.state, **path)
    assert {"a0", "a1"} <= stored(done)
    assert "start_date lies earlier than it did" in done.log
    assert "since" not in done.state["bookmarks"][of]["read_with"]
    quiet = papers.run(*streams, state=done.state, **path)
    assert "follow" not in quiet.log


def test_documents_of_rows_that_were_never_read_do_not_follow(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(3)
    first = papers.run(start_date=papers.now.isoformat(), attachments_path=tmp_path)
    assert stored(first) == {"a2"}
    done = papers.run(state=first.state, attachments_path=tmp_path)
    assert stored(done) <= {"a2"}
    assert "follow" not in done.log


def test_documents_of_statuses_that_are_left_out_meanwhile_follow(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(3)
    papers.transaction(papers.document("p0"), status="pending")
    listed = papers.run()
    some = papers.run(
        state=listed.state, attachments_path=tmp_path, transaction_statuses=["pending"]
    )
    assert stored(some) == {"p0"}
    rest = papers.run(state=some.state, attachments_path=tmp_path)
    assert {"a0", "a1", "a2"} <= stored(rest)
    assert len(files_in(tmp_path)) == 4


def test_statuses_and_a_start_date_may_be_taken_away_one_after_the_other(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(3)
    last = papers.now.isoformat()
    path = {"attachments_path": str(tmp_path)}
    listed = papers.run()
    pending = papers.run(state=listed.state, **path, transaction_statuses=["pending"])
    late = papers.run(state=pending.state, **path, start_date=last)
    assert stored(late) == {"a2"}
    done = papers.run(state=late.state, **path)
    assert {"a0", "a1"} <= stored(done)


@pytest.mark.parametrize(
    "damage",
    [
        {"read_with_less": {}},
        {"read_with_less": ["a"]},
        {"read_with_less": [{"context": []}]},
        {"read_with_less": [{"context": {"bank_account_id": []}}]},
        {"read_with_less": [{"context": {"bank_account_id": "a"}, "read_with": {}}]},
        {"read_with": {"largest": 1, "sealed": False, "invoices": False, "since": 1}},
    ],
    ids=str,
)
def test_a_damaged_memory_of_what_is_lacking_is_refused(papers: Papers, damage: Any) -> None:
    papers.receipts(1)
    state = papers.run().state
    state["bookmarks"]["transaction_attachments"] |= damage
    done = papers.run(state=state)
    assert done.exit_code == 1
    assert "The state of transaction_attachments is damaged" in done.log
    assert not done.requests
