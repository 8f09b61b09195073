"""Nothing that was cut on its way is ever stored, also where nobody says how long it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kit.cases import some
from tests.kit.papers import Papers, files_in, owed, path_of, statuses

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("slept")

BODY = bytes(range(256)) * 40
WHOLE = {
    "pdf": b"%PDF-1.7\n" + BODY + b"\nstartxref\n9\n%%EOF\n",
    "pdf after a few bytes": b"\n\n%PDF-1.4\n" + BODY + b"%%EOF\0\0\0",
    "png": b"\x89PNG\r\n\x1a\n" + BODY + b"\0\0\0\0IEND\xaeB`\x82",
    "jpeg": b"\xff\xd8\xff\xe0" + BODY + b"\xff\xd9",
    "gif": b"GIF89a" + BODY + b"\x3b",
    "docx": b"PK\x03\x04" + BODY + b"PK\x05\x06" + bytes(18),
    "xml": b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><a:Invoice xmlns:a='u'>"
    + BODY.replace(b"<", b"_").replace(b">", b"_")
    + b"</a:Invoice>\n",
}
NAMELESS = b"name;amount\n" + b"x;1.00\n" * 1_000


@pytest.mark.parametrize("kind", some(WHOLE, "pdf", "xml"))
@pytest.mark.parametrize(
    "way", some(["without length", "chunked", "gzip"], "without length", "gzip")
)
def test_a_file_that_shows_its_end_is_stored_without_its_size(
    papers: Papers, tmp_path: Path, kind: str, way: str
) -> None:
    papers.transaction(papers.document("a1", WHOLE[kind], file_size=None))
    papers.always("a1", way)
    done = papers.run(attachments_path=tmp_path)
    (row,) = done.records["transaction_attachments"]
    assert path_of(row).read_bytes() == WHOLE[kind]
    assert done.exit_code == 0


@pytest.mark.parametrize("kind", some(WHOLE, "pdf", "xml"))
@pytest.mark.parametrize(
    "way",
    some(
        ["without length, cut", "chunked, short", "gzip, cut early"],
        *("without length, cut", "gzip, cut early"),
    ),
)
def test_a_file_without_its_end_is_tried_again_and_then_named(
    papers: Papers, tmp_path: Path, kind: str, way: str
) -> None:
    papers.transaction(papers.document("a1", WHOLE[kind], file_size=None))
    papers.always("a1", way)
    done = papers.run(attachments_path=tmp_path)
    assert (done.exit_code, statuses(done)) == (1, ["failed"])
    (row,) = done.records["transaction_attachments"]
    assert "whole" in row["file_reason"]
    assert [request.path for request in done.requests].count("/files/a1") == 6
    assert [item["id"] for item in owed(done)] == ["a1"]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("way", "status"),
    some(
        [
            ("chunked", "stored"),
            ("gzip", "stored"),
            ("without length", "failed"),
            ("without length, cut", "failed"),
            ("gzip, cut", "failed"),
            ("gzip, cut early", "failed"),
        ],
        *("gzip", "without length", "gzip, cut"),
    ),
)
def test_a_file_of_which_no_end_is_known_needs_a_way_that_has_one(
    papers: Papers, tmp_path: Path, way: str, status: str
) -> None:
    papers.transaction(papers.document("a1", NAMELESS, file_name="a1.csv", file_size=None))
    papers.always("a1", way)
    done = papers.run(attachments_path=tmp_path)
    assert statuses(done) == [status]
    stored = [path.read_bytes() for path in files_in(tmp_path)]
    assert stored == [NAMELESS] * (status == "stored")


@pytest.mark.parametrize(
    "way", some(["without length, cut", "chunked, short", "gzip, cut"], "gzip, cut")
)
def test_a_cut_that_happens_once_costs_one_more_try(
    papers: Papers, tmp_path: Path, way: str
) -> None:
    papers.transaction(papers.document("a1", WHOLE["pdf"], file_size=None))
    papers.next("a1", way)
    done = papers.run(attachments_path=tmp_path)
    assert (done.exit_code, statuses(done)) == (0, ["stored"])
    assert [path.read_bytes() for path in files_in(tmp_path)] == [WHOLE["pdf"]]


def test_a_packed_file_is_stored_unpacked_in_bounded_memory_with_all_its_parts(
    papers: Papers, tmp_path: Path
) -> None:
    content = WHOLE["pdf"] + bytes(3_000_000) + b"%%EOF"
    papers.transaction(papers.document("a1", content))

    papers.always("a1", "gzip, in two parts")
    done = papers.run(attachments_path=tmp_path)
    assert statuses(done) == ["stored"]
    assert [path.read_bytes() for path in files_in(tmp_path)] == [content]


def test_what_is_packed_in_a_way_that_nobody_asked_for_is_not_stored(
    papers: Papers, tmp_path: Path
) -> None:
    papers.transaction(papers.document("a1"))
    papers.always("a1", "brotli")
    done = papers.run(attachments_path=tmp_path)
    assert statuses(done) == ["failed"]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("status", [204, 206])
def test_half_an_answer_is_tried_again(papers: Papers, tmp_path: Path, status: int) -> None:
    papers.receipts(1)
    papers.next("a0", status)
    done = papers.run(attachments_path=tmp_path)
    assert (done.exit_code, statuses(done)) == (0, ["stored"])
