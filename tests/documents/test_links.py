"""Links open a document for whoever holds them: they leave no trace, grow old, are asked anew."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from tap_qonto.demo import Response
from tests.kit.cases import some
from tests.kit.papers import PDF, RECEIPTS, Papers, files_in, statuses
from tests.kit.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_qonto.demo import Request

SIGNATURE = "X-Amz-Signature"
SIGNED = {"status": "available", "file_name": "a1.pdf", "file_size": "6"}


@pytest.mark.usefixtures("slept")
def test_links_leave_no_trace_and_the_file_host_sees_no_credentials(
    papers: Papers, tmp_path: Path
) -> None:
    papers.next("a0", 503, 403)
    papers.next("a1", 404)
    papers.always("a2", "redirect loop")
    papers.always("a3", "cut")
    papers.receipts(4)
    done = run(
        {"attachments_path": str(tmp_path)},
        select=RECEIPTS,
        api=papers.api,
        log_level=logging.DEBUG,
    )
    assert statuses(done) == ["stored", "missing", "failed", "failed"]
    links = [
        value for request in done.requests for name, value in request.query if name == SIGNATURE
    ]
    assert len(links) > 8
    said = json.dumps(done.messages, default=str) + done.log
    assert not [link for link in links if link in said]
    assert SIGNATURE not in said
    assert "acme-1234:secret" not in said
    asked = [request for request in done.requests if request.path.startswith("/files/")]
    assert not any(request.header("authorization") or request.header("cookie") for request in asked)


@pytest.mark.parametrize("status", some([400, 401, 403], 403))
def test_an_expired_link_is_asked_for_again(papers: Papers, tmp_path: Path, status: int) -> None:
    papers.receipts(1)
    papers.next("a0", status)
    done = papers.run(attachments_path=tmp_path)
    assert statuses(done) == ["stored"]
    assert len(done.asked("/attachments/a0")) == 1


def test_the_expired_link_of_a_statement_is_asked_for_again(papers: Papers, tmp_path: Path) -> None:
    id_ = papers.statement()
    papers.next(id_, 403)
    done = papers.run("statements", "statement_files", attachments_path=tmp_path)
    assert statuses(done, "statement_files") == ["stored"]
    assert len(done.asked(f"/statements/{id_}")) == 1


def test_a_link_that_stays_refused_is_asked_for_twice_more(papers: Papers, tmp_path: Path) -> None:
    papers.receipts(1)
    papers.always("a0", 403)
    done = papers.run(attachments_path=tmp_path)
    (row,) = done.records["transaction_attachments"]
    assert "although the link was new" in row["file_reason"]
    assert [request.path for request in done.requests].count("/files/a0") == 3
    assert files_in(tmp_path) == []


class Watch:
    """A stopwatch that a slow download moves on by half an hour."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def slow_download(self, _request: Request, content: bytes) -> Response:
        self.now += 31 * 60
        return Response(200, {}, content)


@pytest.fixture
def watch(on_machine: Callable[..., None]) -> Watch:
    """The stopwatch of the test's runs."""
    watch = Watch()
    on_machine(stopwatch=watch)
    return watch


def test_a_link_that_is_old_by_the_clock_is_not_even_tried(
    papers: Papers, tmp_path: Path, watch: Watch
) -> None:
    papers.receipts(2)
    papers.next("a0", watch.slow_download)
    done = papers.run(attachments_path=tmp_path, concurrency=1)
    assert statuses(done) == ["stored", "stored"]
    paths = [request.path for request in done.requests]
    # Both links came with the rows; only one was still young when its turn came.
    assert (paths.count("/v2/attachments/a0"), paths.count("/v2/attachments/a1")) == (0, 1)
    assert paths.count("/files/a1") == 1


def test_the_link_to_a_signed_copy_grows_old_with_that_to_the_original(
    papers: Papers, tmp_path: Path, watch: Watch
) -> None:
    papers.transaction(papers.document("a1", PDF, probative_attachment=SIGNED))
    papers.company.replace_document("a1-sealed", b"signed")
    papers.next("a1", watch.slow_download)
    done = papers.run(attachments_path=tmp_path, probative_attachments=True)
    (row,) = done.records["transaction_attachments"]
    assert row["probative_status"] == "stored"
    assert len(done.asked("/attachments/a1")) == 2
