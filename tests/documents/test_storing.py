"""A file under its own name is whole; what is stored is not downloaded again."""

from __future__ import annotations

import resource
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tap_qonto.api.errors import StoppedStoringError
from tap_qonto.demo import DemoServer
from tap_qonto.documents.names import key_of
from tap_qonto.documents.places import Folder
from tests.kit.cases import thorough
from tests.kit.papers import (
    INVOICES,
    RECEIPTS,
    Papers,
    files_in,
    path_of,
    pause,
    statuses,
)
from tests.kit.runner import catalog_of, config_for, start_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_what_is_stored_is_not_downloaded_again(papers: Papers, tmp_path: Path) -> None:
    papers.receipts(1)
    first = papers.run(attachments_path=tmp_path)
    second = papers.run(attachments_path=tmp_path)
    assert "/files/a0" in [request.path for request in first.requests]
    assert "/files/a0" not in [request.path for request in second.requests]
    assert first.records["transaction_attachments"] == second.records["transaction_attachments"]


def test_a_stored_file_of_another_size_is_downloaded_again(papers: Papers, tmp_path: Path) -> None:
    papers.transaction(papers.document("a1", b"whole"))
    half = tmp_path / "transaction_attachments" / "a1" / "a1.pdf"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"wh")
    papers.run(attachments_path=tmp_path)
    assert half.read_bytes() == b"whole"


def test_nothing_gets_its_name_after_the_run_was_stopped(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    key = key_of("transaction_attachments", "a1", "a1.pdf")
    with storage.aside(key) as aside:
        aside.write(b"all of it")
        storage.stop()
        with pytest.raises(StoppedStoringError):
            aside.commit()
    assert files_in(tmp_path) == []


def test_what_a_killed_run_left_half_written_is_removed_and_never_taken_for_whole(
    papers: Papers, tmp_path: Path
) -> None:
    papers.transaction(papers.document("a1", b"whole"))
    folder = tmp_path / "transaction_attachments" / "a1"
    folder.mkdir(parents=True)
    (folder / ".a1.pdf.0123456789abcdef.part").write_bytes(b"whol")
    done = papers.run(attachments_path=tmp_path)
    assert files_in(tmp_path) == [folder / "a1.pdf"]
    assert path_of(done.records["transaction_attachments"][0]).read_bytes() == b"whole"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_a_run_that_is_stopped_leaves_nothing_that_looks_whole(
    papers: Papers, tmp_path: Path, signum: int
) -> None:
    folder = tmp_path / "documents"
    papers.transaction(papers.document("a1", b"x" * 3_000_000))
    papers.next("a1", "stall")
    with (
        DemoServer(papers.api) as server,
        start_process(
            {**config_for(server), "attachments_path": str(folder)}, catalog=catalog_of(RECEIPTS)
        ) as tap,
    ):
        for _ in range(1_000):
            if list(folder.rglob("*.part")):
                break
            pause(0.02)
        assert list(folder.rglob("*.part"))
        tap.send_signal(signum)
        output, _ = tap.communicate(timeout=20)
    assert b'"RECORD"' not in output
    if signum == signal.SIGTERM:
        assert files_in(folder) == []
    papers.run(attachments_path=folder)
    (whole,) = files_in(folder)
    assert whole.stat().st_size == 3_000_000


PLACES = {
    "a file in the way": ("{}/file", "cannot be used: "),
    "a file above it": ("{}/file/below", "cannot be used: "),
    "where nobody may write": ("/proc/tap-qonto", "cannot be used: "),
    "no name of a folder": ("{}/a\0b", "cannot be used: "),
    "an unknown protocol": (
        "gopher://somewhere/else",
        "begins with gopher:// and cannot be used: ",
    ),
    "no driver": ("gs://bucket/folder", "needs tap-qonto[gcs]"),
}


@pytest.mark.parametrize(
    ("place", "told"),
    thorough(PLACES, "a file in the way", "where nobody may write", "an unknown protocol"),
)
def test_a_place_that_cannot_be_used_ends_the_run_before_its_first_request(
    papers: Papers, tmp_path: Path, place: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as where it is not installed
    (tmp_path / "file").write_text("a file where a folder should be")
    papers.receipts(1)
    papers.invoice(papers.document("b"))
    done = papers.run(*RECEIPTS, *INVOICES, "labels", attachments_path=place.format(tmp_path))
    assert (done.exit_code, done.requests, done.records) == (1, [], {})
    (line,) = done.log.splitlines()
    assert line.startswith("ERROR tap-qonto attachments_path ")
    assert told in line


def test_a_place_that_nobody_needs_is_not_looked_at(papers: Papers) -> None:
    papers.receipts(1)
    done = papers.run("transactions", attachments_path="/proc/tap-qonto")
    assert (done.exit_code, len(done.records["transactions"])) == (0, 1)


def test_a_folder_that_takes_one_document_and_not_another_costs_that_stream_alone(
    papers: Papers, tmp_path: Path
) -> None:
    papers.receipts(1)
    papers.invoice(papers.document("b"))
    (tmp_path / RECEIPTS[1]).write_text("a file where a folder should be")
    done = papers.run(*RECEIPTS, *INVOICES, attachments_path=tmp_path)
    assert done.exit_code == 1
    assert f" the document {tmp_path.as_uri()}/{RECEIPTS[1]}/a0" in done.log
    assert "Internal error" not in done.log
    assert statuses(done, INVOICES[1]) == ["stored"]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to write files of more bytes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_fails_with_one_sentence_and_leaves_nothing(
    papers: Papers, tmp_path: Path
) -> None:
    papers.transaction(papers.document("a1", b"x" * 500_000))
    with largest_file(100_000):
        done = papers.run(attachments_path=tmp_path)
    assert done.exit_code == 1
    assert f"Cannot store the document {tmp_path.as_uri()}" in done.log
    assert "File too large" in done.log
    assert done.records.get("transactions", []) == []
    assert files_in(tmp_path) == []
