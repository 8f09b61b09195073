"""Whoever sends an invoice cannot stop the run: PDFs are read by processes that may be ended."""

from __future__ import annotations

import os
import signal
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.errors import UnreadableError
from tap_qonto.demo import DemoServer
from tap_qonto.demo.worlds.hostile import HOSTILE, many_entries_to_one_place, predicted
from tap_qonto.documents.facturx import Invoice
from tap_qonto.documents.reader import InvoiceReader
from tests.kit.cases import some
from tests.kit.papers import INVOICES, Papers, files_in, pause, statuses
from tests.kit.pdfs import pdf
from tests.kit.runner import catalog_of, config_for, start_process

if TYPE_CHECKING:
    from collections.abc import Iterator

XML = (
    "<i><GuidelineSpecifiedDocumentContextParameter><ID>urn:factur-x.eu:1p0:minimum</ID>"
    "</GuidelineSpecifiedDocumentContextParameter></i>"
)
GOOD = pdf({"factur-x.xml": XML.encode()})

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


def parents_by_reader() -> dict[int, int]:
    """Return the processes of this machine that read PDFs, each with its parent.

    A process may end between any two looks at it, so one that cannot be read is none.
    """
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if b"tap_qonto.documents.pdf_process" in command and state != "Z":
            found[int(process.name)] = int(parent)
    return found


def readers() -> set[int]:
    """Return the processes of this machine that read PDFs."""
    return set(parents_by_reader())


def children(parent: int) -> set[int]:
    """Return the processes that read PDFs for a process."""
    return {reader for reader, its_parent in parents_by_reader().items() if its_parent == parent}


@pytest.fixture
def reader() -> Iterator[InvoiceReader]:
    """Reads PDFs within two seconds and 300 MB."""
    with closing(InvoiceReader(seconds=2, megabytes=300)) as reader:
        yield reader


@pytest.mark.slow
def test_the_longest_ones_are_ended_and_the_next_one_is_read(
    reader: InvoiceReader, tmp_path: Path
) -> None:
    (tmp_path / "bad.pdf").write_bytes(many_entries_to_one_place())
    (tmp_path / "good.pdf").write_bytes(GOOD)
    with pytest.raises(UnreadableError, match=r"more than 2 seconds \(pdf_timeout_seconds\)"):
        reader.read(tmp_path / "bad.pdf")
    assert reader.read(tmp_path / "good.pdf") == Invoice("MINIMUM", XML)


@pytest.mark.slow
def test_the_largest_ones_are_ended_and_the_next_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(predicted())
    (tmp_path / "good.pdf").write_bytes(GOOD)
    with closing(InvoiceReader(seconds=60, megabytes=160)) as reader:
        with pytest.raises(UnreadableError, match=r"more than 160 MB .*pdf_max_memory_mb"):
            reader.read(tmp_path / "bad.pdf")
        assert reader.read(tmp_path / "good.pdf") == Invoice("MINIMUM", XML)


@pytest.mark.parametrize("name", some(HOSTILE, "object_in_itself"))
def test_no_pdf_takes_more_than_it_may(reader: InvoiceReader, tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.pdf"
    path.write_bytes(HOSTILE[name]())
    with suppress(UnreadableError):
        assert reader.read(path) is None
    (tmp_path / "good.pdf").write_bytes(GOOD)
    assert reader.read(tmp_path / "good.pdf") == Invoice("MINIMUM", XML)


def test_a_pdf_that_takes_longer_than_it_may_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(many_entries_to_one_place())
    with (
        closing(InvoiceReader(seconds=0.3, megabytes=300)) as reader,
        pytest.raises(UnreadableError, match=r"more than 0.3 seconds \(pdf_timeout_seconds\)"),
    ):
        reader.read(tmp_path / "bad.pdf")


def test_a_process_reads_one_pdf_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "good.pdf").write_bytes(GOOD)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nno")
    before = readers()
    with closing(InvoiceReader(seconds=20, megabytes=512, processes=1)) as reader:
        used = set()
        for _ in range(5):
            reader.read(tmp_path / "good.pdf")
            with pytest.raises(UnreadableError, match="it is broken"):
                reader.read(tmp_path / "broken.pdf")
            used |= children(os.getpid()) - before
        assert len(used) == 1
    assert not children(os.getpid()) - before


def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "good.pdf").write_bytes(GOOD)
    before = readers()
    with closing(InvoiceReader(seconds=20, megabytes=512, processes=1)) as reader:
        reader.read(tmp_path / "good.pdf")
        (process,) = children(os.getpid()) - before
        os.kill(process, signal.SIGKILL)
        with pytest.raises(UnreadableError, match="ends the process"):
            reader.read(tmp_path / "good.pdf")
        assert reader.read(tmp_path / "good.pdf") == Invoice("MINIMUM", XML)


def test_the_process_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good.pdf").write_bytes(GOOD)
    monkeypatch.setenv("TAP_QONTO_SECRET_KEY", "s3cr3t")
    before = readers()
    with closing(InvoiceReader(seconds=20, megabytes=512)) as reader:
        reader.read(tmp_path / "good.pdf")
        (process,) = children(os.getpid()) - before
        assert b"s3cr3t" not in Path(f"/proc/{process}/environ").read_bytes()


@pytest.mark.slow
def test_a_hostile_invoice_is_stored_and_the_log_says_why_it_was_not_read(
    papers: Papers, tmp_path: Path
) -> None:
    papers.invoice(papers.document("a1", many_entries_to_one_place()))
    papers.invoice(papers.document("a2", GOOD))
    done = papers.run(*INVOICES, attachments_path=tmp_path, pdf_timeout_seconds=1)
    assert done.exit_code == 0
    assert statuses(done, INVOICES[1]) == ["stored", "stored"]
    assert [row["facturx_profile"] for row in done.records[INVOICES[1]]] == [None, "MINIMUM"]
    assert len(files_in(tmp_path)) == 2
    assert "it takes more than 1 seconds (pdf_timeout_seconds)" in done.log
    assert not children(os.getpid())


@pytest.mark.parametrize(
    "signum",
    [
        signal.SIGKILL,
        *(pytest.param(one, marks=pytest.mark.slow) for one in (signal.SIGTERM, signal.SIGINT)),
    ],
)
def test_however_the_run_ends_no_process_stays(papers: Papers, tmp_path: Path, signum: int) -> None:
    for number in range(3):
        papers.invoice(papers.document(f"a{number}", many_entries_to_one_place()))
    with (
        DemoServer(papers.api) as server,
        start_process(
            {**config_for(server), "attachments_path": str(tmp_path / "documents")},
            catalog=catalog_of(INVOICES),
        ) as tap,
    ):
        started: set[int] = set()
        for _ in range(1_000):
            started = children(tap.pid)
            if started or tap.poll() is not None:
                break
            pause(0.02)
        assert started
        pause(0.3)  # now one is in the middle of a PDF
        tap.send_signal(signum)
        assert tap.wait(20) != 0
        for _ in range(500):
            if not readers() & started:
                break
            pause(0.02)
        assert not readers() & started


@pytest.mark.parametrize(
    ("setting", "value"),
    [("pdf_timeout_seconds", 0), ("pdf_timeout_seconds", "soon"), ("pdf_max_memory_mb", 1)],
)
def test_limits_that_cannot_be_are_refused(papers: Papers, setting: str, value: Any) -> None:
    done = papers.run(**{setting: value})
    assert done.exit_code == 1
    assert f"Set {setting} to a" in done.log
    assert done.requests == []
