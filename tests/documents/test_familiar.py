"""Documents of lists that come whole: where they are only listed, each is told once."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Response
from tap_qonto.reading.familiar import MOST, Familiar, mark_of
from tests.kit.cases import some
from tests.kit.runner import Run, catalog_of, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kit.papers import Papers, Row

QUOTES = ("quotes", "quote_attachments")
NOTES = ("credit_notes", "credit_note_attachments")


def asked(done: Run) -> list[str]:
    """Return the documents that Qonto was asked about, by their IDs."""
    paths = [request.path for request in done.requests]
    return sorted(path.rpartition("/")[2] for path in paths if "/attachments/" in path)


def told(done: Run, stream: str = "quote_attachments") -> list[str]:
    """Return the documents that rows tell of, by their IDs."""
    return sorted(row["id"] for row in done.records.get(stream, ()))


@pytest.mark.parametrize("streams", [QUOTES, NOTES])
def test_a_document_of_a_row_that_has_not_changed_is_asked_for_once(
    papers: Papers, streams: tuple[str, str]
) -> None:
    for name in ("a1", "a2"):
        papers.invoice(papers.document(name), streams[0])
    first = papers.run(*streams)
    assert (asked(first), told(first, streams[1])) == (["a1", "a2"], ["a1", "a2"])
    second = papers.run(*streams, state=first.state)
    assert (asked(second), told(second, streams[1])) == ([], [])
    assert len(second.records[streams[0]]) == 2, "the rows themselves come whole"
    assert "2 documents (2 unchanged)" in second.log
    assert f"{streams[1]}: 2 listed by an earlier run: attachments_path is not set" in second.log
    third = papers.run(*streams, state=second.state)
    assert asked(third) == []


def edited(papers: Papers, quote: str) -> Row:
    papers.company.change("quotes", quote, status="approved")
    return {}


def replaced(papers: Papers, quote: str) -> Row:
    papers.company.change("quotes", quote, attachment_id=papers.document("b1"))
    return {}


def joined(papers: Papers, _quote: str) -> Row:
    papers.invoice(papers.document("b1"), "quotes")
    return {}


def stored(_papers: Papers, _quote: str) -> Row:
    return {"attachments_path": "a place"}


@pytest.mark.parametrize(
    ("change", "expected"),
    some(
        [(edited, ["a1"]), (replaced, ["b1"]), (joined, ["b1"]), (stored, ["a1", "a2"])],
        *(edited, stored),
    ),
)
def test_whatever_may_be_told_otherwise_is_asked_for_again(
    papers: Papers,
    tmp_path: Path,
    change: Callable[[Papers, str], Row],
    expected: list[str],
) -> None:
    quote = papers.invoice(papers.document("a1"), "quotes")
    papers.invoice(papers.document("a2"), "quotes")
    first = papers.run(*QUOTES)
    config: Row = dict.fromkeys(change(papers, quote), tmp_path)
    second = papers.run(*QUOTES, state=first.state, **config)
    assert (asked(second), told(second)) == (expected, expected)
    if not config:
        assert asked(papers.run(*QUOTES, state=second.state)) == []


def test_a_column_that_is_selected_later_is_filled_for_all(papers: Papers) -> None:
    papers.invoice(papers.document("a1"), "quotes")

    def read(state: Row, *without: str) -> Run:
        catalog = catalog_of(QUOTES, without={"quote_attachments": without})
        return run({"lookback_seconds": 0}, state=state, catalog=catalog, api=papers.api)

    first = read({}, "file_size")
    assert asked(read(first.state, "file_size")) == []
    [row] = read(first.state).records["quote_attachments"]
    assert row["file_size"] == 23


@pytest.mark.parametrize("state", [None, {}])
def test_without_a_state_everything_is_told(papers: Papers, state: Row | None) -> None:
    papers.invoice(papers.document("a1"), "quotes")
    papers.run(*QUOTES)
    assert told(papers.run(*QUOTES, state=state)) == ["a1"]


def test_what_qonto_does_not_know_or_is_about_to_sign_is_asked_for_again(papers: Papers) -> None:
    papers.invoice("nowhere", "quotes")
    papers.invoice(papers.document("a1", probative_attachment={"status": "pending"}), "quotes")
    first = papers.run(*QUOTES)
    second = papers.run(*QUOTES, state=first.state)
    assert asked(second) == ["a1", "nowhere"]


def test_documents_of_rows_that_changed_lately_come_with_them_every_time(papers: Papers) -> None:
    papers.invoice(papers.document("a1"))
    streams = ("client_invoices", "client_invoice_attachments")
    first = papers.run(*streams)
    again = papers.run(*streams, state=first.state)
    assert told(again, streams[1]) == told(first, streams[1]) == ["a1"]


def test_a_list_that_breaks_off_forgets_nothing(papers: Papers) -> None:
    for name in ("a1", "a2"):
        papers.invoice(papers.document(name), "quotes")
    first = papers.run(*QUOTES)
    papers.api.before.append(
        lambda request: Response(400, {}, b"{}") if request.path == "/v2/quotes" else None
    )
    broken = papers.run(*QUOTES, state=first.state)
    assert broken.exit_code == 1
    papers.api.before.pop()
    assert asked(papers.run(*QUOTES, state=broken.state)) == []


def test_no_state_says_told_before_the_row_was_written(papers: Papers) -> None:
    for number in range(30):
        papers.invoice(papers.document(f"a{number}"), "quotes")
    written = set()
    for message in papers.run(*QUOTES).messages:
        if message.get("stream") == "quote_attachments" and message["type"] == "RECORD":
            written.add(message["record"]["id"])
        elif message["type"] == "STATE" and "told" in str(message):
            assert len(written) == 30


def test_what_has_gone_is_forgotten(papers: Papers) -> None:
    gone = papers.invoice(papers.document("a1"), "quotes")
    papers.invoice(papers.document("a2"), "quotes")
    first = papers.run(*QUOTES)
    papers.company.remove("quotes", gone)
    second = papers.run(*QUOTES, state=first.state)
    marks = [done.state["bookmarks"]["quote_attachments"]["told"] for done in (first, second)]
    assert [len(each) for each in marks] == [16, 8]


@pytest.mark.parametrize("marks", ["???", "AAAA", 7, ["AAAAAAAA"]])
def test_marks_that_cannot_be_read_end_the_run_in_one_sentence(papers: Papers, marks: Any) -> None:
    done = papers.run(*QUOTES, state={"bookmarks": {"quote_attachments": {"told": marks}}})
    assert done.exit_code == 1
    assert re.search("The state of quote_attachments is damaged: which documents", done.log)
    assert not done.requests


def test_a_state_keeps_no_more_marks_than_fit() -> None:
    state: Row = {"told": b64encode(b"before").decode()}
    familiar = Familiar(state)
    assert familiar.knows(b"before")
    for number in range(2 * MOST):
        familiar.learn(mark_of(number))
    familiar.keep(complete=True)
    assert len(state["told"]) == MOST * 8
    known = Familiar(state)
    assert sum(known.knows(mark_of(number)) for number in range(2 * MOST)) >= MOST - 1
