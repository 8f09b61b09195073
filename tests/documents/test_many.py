"""Many documents and large ones: side by side, within the concurrency, in little memory."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import DemoServer, Response
from tests.kit.memory import measuring, peak_of_ended
from tests.kit.papers import INVOICES, RECEIPTS, Papers, files_in, path_of, statuses
from tests.kit.runner import PATIENCE, catalog_of, config_for, start_process

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.slow
def test_downloads_and_questions_together_are_no_more_than_the_concurrency(
    papers: Papers, tmp_path: Path, concurrency: int
) -> None:
    for number in range(240):
        papers.transaction(*([papers.document(f"a{number}")] if number % 8 == 0 else []))
    papers.invoice("a0")
    papers.api.latency = 0.02
    done = papers.run(*RECEIPTS, *INVOICES, attachments_path=tmp_path, concurrency=concurrency)
    assert set(statuses(done)) == {"stored"}
    assert papers.api.most == concurrency


@pytest.mark.slow
def test_documents_are_fetched_with_the_concurrency_of_the_tap(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(40)
    papers.api.latency = 0.03
    papers.run(attachments_path=tmp_path, concurrency=5)
    assert papers.api.most_files == 5


@pytest.mark.slow
def test_many_parents_stay_flat(papers: Papers) -> None:
    papers.receipts(2_000)
    done = papers.run()
    assert len(done.records["transaction_attachments"]) == 2_000
    schemas = Counter(message["stream"] for message in done.messages if message["type"] == "SCHEMA")
    assert schemas == {"transactions": 1, "transaction_attachments": 1}
    assert len(done.states) <= 2_000 / 500 + 2
    assert len(json.dumps(done.state)) < 600
    assert len(done.log.splitlines()) < 60


@pytest.mark.slow
def test_a_large_document_passes_in_constant_memory(papers: Papers, tmp_path: Path) -> None:
    size = 64_000_000
    papers.transaction(papers.document("a1", file_size=str(size)))
    papers.always("a1", sparse(size))
    tracemalloc.start()
    try:
        done = papers.run(attachments_path=tmp_path, attachments_max_bytes=size)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    (row,) = done.records["transaction_attachments"]
    assert path_of(row).stat().st_size == size
    assert peak < 20_000_000


def sparse(size: int) -> Any:
    """Answer with so many bytes, a million at a time."""

    def send(_request: object, _content: bytes) -> Response:
        million = bytes(1_000_000)
        blocks = (million for _ in range(size // len(million)))
        return Response(200, {"Content-Length": str(size)}, blocks)

    return send


@pytest.mark.slow
def test_two_gigabytes_pass_in_the_memory_of_a_small_document(
    papers: Papers, tmp_path: Path
) -> None:
    size = 2_000_000_000
    folder, told = tmp_path / "documents", tmp_path / "told"
    papers.transaction(papers.document("a1", file_size=str(size)))
    papers.always("a1", sparse(size))
    peaks = []
    with DemoServer(papers.api) as server:
        for largest in (size - 1, size):
            config = {
                **config_for(server),
                "attachments_path": str(folder),
                "attachments_max_bytes": largest,
            }
            with start_process(config, catalog=catalog_of(RECEIPTS), by=measuring(told)) as tap:
                output, _ = tap.communicate(timeout=PATIENCE)
            assert tap.returncode == 0
            peaks.append(peak_of_ended(told))
            assert (b'"stored"' if largest == size else b'"too_large"') in output
    (whole,) = files_in(folder)
    assert whole.stat().st_size == size
    whole.unlink()
    assert peaks[1] < peaks[0] + 40_000_000
