"""Files that a transfer wants are uploaded before it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.pages import Query
from tests.kit.cases import some, thorough
from tests.writing.bank import (
    CHECKS,
    TRANSFERS,
    Bank,
    fail_after,
    instead,
    lose_answer,
    lose_request,
    row,
)
from tests.writing.runs import run

if TYPE_CHECKING:
    from pathlib import Path

PDF = b"%PDF-1.7\n%made up\n"


def test_above_30_000_eur_the_attachment_is_uploaded_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    file = tmp_path / "Facture no 7.pdf"
    file.write_bytes(PDF)
    cells = row(1, amount="30000.01", attachment=str(file))
    told = run(bank, [cells], tmp_path, caplog, approve="plan")
    assert told.settled, told.log
    assert bank.posts == ["/attachments", CHECKS, TRANSFERS]
    [attachment] = bank.bodies[0]["transfer"]["attachment_ids"]
    uploaded = bank.get(Query("", f"/attachments/{attachment}"))["attachment"]
    assert (uploaded["file_name"], uploaded["file_content_type"], uploaded["file_size"]) == (
        "Facture no 7.pdf", "application/pdf", str(len(PDF)),
    )  # fmt: skip


FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "its file does not exist"),
    "empty": (b"", "its file is empty"),
    "of another kind": (b"PK\3\4", "its file is neither PDF, PNG nor JPEG"),
    "too large": (PDF.ljust(15_000_001), "its file is larger than 15 MB"),
}


@pytest.mark.parametrize(("content", "reason"), thorough(FILES, "missing", "too large"))
def test_a_file_that_cannot_be_sent_rejects_its_row(
    content: bytes | None, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    file = tmp_path / "file.pdf"
    if content is not None:
        file.write_bytes(content)
    told = run(bank, [row(1, attachment=str(file)), row(2)], tmp_path, caplog, approve="plan")
    assert (told.exit_code, bank.posts) == (1, [])
    assert told.results[0]["reason"] == reason


@pytest.mark.parametrize(
    "fault", some([lose_request, lose_answer, fail_after, instead(500)], lose_answer)
)
def test_an_upload_whose_answer_is_lost_is_repeated(
    fault: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank(faults={"/attachments": deque([fault])})
    file = tmp_path / "file.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    told = run(bank, [row(1, attachment=str(file))], tmp_path, caplog, approve="plan")
    assert told.settled, told.log
    assert len(bank.bodies[0]["transfer"]["attachment_ids"]) == 1
