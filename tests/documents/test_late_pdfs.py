"""Qonto makes an invoice's PDF seconds after the invoice; the tap waits for it, not for ever."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.cases import some
from tests.kit.faults import Faults, answer
from tests.kit.papers import INVOICES, Papers, Row, statuses

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def now(papers: Papers, clock: Any) -> str:
    """Let the next rows be as young as minutes when the tap runs; return when the first changes."""
    papers.now = clock.now - timedelta(minutes=5)
    return str((papers.now + timedelta(minutes=1)).isoformat()[:19])


def asked(done: Any, invoice: str) -> int:
    return len(done.asked(f"/client_invoices/{invoice}"))


def test_a_pdf_that_is_being_made_is_waited_for(
    papers: Papers, tmp_path: Path, slept: list[float], now: str
) -> None:
    papers.document("a1")
    invoice = papers.invoice(None)
    looks = 0

    def finish(request: Any) -> None:
        nonlocal looks
        looks += request.path == f"/v2/client_invoices/{invoice}"
        if looks == 4:
            row = papers.company.get("client_invoices", invoice) or {}
            papers.company.put("client_invoices", {**row, "attachment_id": "a1"})

    papers.api.before.append(finish)
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert asked(done, invoice) == 4
    assert slept.count(2) == 3
    assert [row["attachment_id"] for row in done.records["client_invoices"]] == ["a1"]
    assert statuses(done, INVOICES[1]) == ["stored"]
    assert (done.bookmark("client_invoices") or "")[:19] == now


@pytest.mark.slow
def test_an_invoice_that_stays_without_a_pdf_is_emitted_and_read_again(
    papers: Papers, tmp_path: Path, slept: list[float], now: str
) -> None:
    late = papers.invoice(None)
    later = papers.invoice(papers.document("a2"))
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert asked(done, late) == 15
    assert slept.count(2) == 14
    assert {row["id"] for row in done.records["client_invoices"]} == {late, later}
    assert (done.bookmark("client_invoices") or "")[:19] == now

    papers.document("a1")
    row = papers.company.get("client_invoices", late) or {}
    papers.company.put("client_invoices", {**row, "attachment_id": "a1"})
    again = papers.run(*INVOICES, attachments_path=tmp_path, state=done.state)
    assert "a1" in [row["id"] for row in again.records[INVOICES[1]]]


@pytest.mark.parametrize(
    "invoice",
    some(
        [
            {"status": "draft"},
            {"status": "unpaid", "updated_at": "2026-01-01T00:00:00.000Z"},
            {"status": "unpaid", "attachment_id": "a1"},
        ],
        *({"status": "draft"}, {"status": "unpaid", "updated_at": "2026-01-01T00:00:00.000Z"}),
    ),
)
def test_other_invoices_are_not_waited_for(
    papers: Papers, tmp_path: Path, slept: list[float], invoice: Row
) -> None:
    papers.document("a1")
    id_ = papers.invoice(None, **invoice)
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert asked(done, id_) == 0
    assert 2 not in slept
    assert len(done.records["client_invoices"]) == 1


def test_without_their_documents_invoices_are_not_waited_for(papers: Papers) -> None:
    id_ = papers.invoice(None)
    assert asked(papers.run("client_invoices"), id_) == 0


def test_an_invoice_that_is_deleted_while_it_is_waited_for_is_emitted_as_it_was(
    papers: Papers, tmp_path: Path
) -> None:
    id_ = papers.invoice(None)
    gone = Faults(f"/client_invoices/{id_}", always=answer(404, {"errors": []}))
    papers.api.before.append(gone)
    done = papers.run(*INVOICES, attachments_path=tmp_path)
    assert [row["id"] for row in done.records["client_invoices"]] == [id_]


@pytest.mark.slow
def test_many_late_pdfs_are_waited_for_together(
    papers: Papers, tmp_path: Path, clock: Any, on_machine: Callable[..., None]
) -> None:
    for _ in range(30):
        papers.now = clock.now - timedelta(minutes=5)
        papers.invoice(None)
    together = threading.Barrier(30)

    def sleep(_seconds: float) -> None:
        if not together.broken and together.n_waiting < together.parties:
            together.wait(20)

    on_machine(sleep=sleep)
    papers.run(*INVOICES, attachments_path=tmp_path)
    assert not together.broken, "not all thirty were waited for at once"
