"""Names come from outside and are made harmless by rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tap_qonto.documents import names
from tap_qonto.documents.names import safe_id, safe_name
from tests.kit.papers import Papers, files_in, path_of

HOSTILE = [
    "../../../etc/passwd", "/etc/passwd", "..", ".", "", "a\0b.pdf", "C:\\Windows\\x.pdf",
    "con.pdf", "NUL", "com1.txt", "x" * 500 + ".pdf", "é" * 400 + ".pdf", "a\u202efdp.exe",
    "\x1b[31mred.pdf", "name. ", ".hidden", "a/b/c.pdf", "new\nline.pdf", "%2e%2e",
    "🦊" * 200,
]  # fmt: skip


def test_hostile_names_end_inside_the_folder_and_stay_in_the_row(
    papers: Papers, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    for number, name in enumerate(HOSTILE):
        papers.document(f"a{number}", f"content {number}".encode(), file_name=name)
    papers.transaction(*(f"a{number}" for number in range(len(HOSTILE))))
    done = papers.run(attachments_path=root)
    rows = done.records["transaction_attachments"]
    assert done.exit_code == 0
    assert [row["file_name"] for row in rows] == HOSTILE
    assert files_in(tmp_path) == sorted(map(path_of, rows))
    for number, row in enumerate(rows):
        path = path_of(row)
        assert path.read_bytes() == f"content {number}".encode()
        assert path.resolve().relative_to(root.resolve()).parts[:2] == (
            "transaction_attachments",
            row["id"],
        )


@pytest.mark.parametrize("name", [*HOSTILE, "\ud800.pdf"])
def test_a_safe_name_is_one_harmless_component(name: str) -> None:
    safe = safe_name(name)
    assert safe == Path(safe).name
    assert 0 < len(safe.encode()) <= names.LONGEST_NAME
    assert safe.isprintable()
    assert not safe.startswith(".")
    assert not safe.endswith((".", " "))
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", safe)
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("facture mai.pdf", "facture mai.pdf"),
        ("reçu-été.PDF", "reçu-été.PDF"),
        ("re\u0301c.pdf", "réc.pdf"),
        ("x" * 500 + ".pdf", "x" * 176 + ".pdf"),
        (None, "document.pdf"),
    ],
)
def test_names_stay_readable(name: str | None, expected: str) -> None:
    assert safe_name(name, "application/pdf") == expected


def test_equal_names_of_different_documents_do_not_meet(papers: Papers, tmp_path: Path) -> None:
    papers.document("a1", b"one", file_name="receipt.pdf")
    papers.document("a2", b"two", file_name="RECEIPT.PDF")
    papers.transaction("a1", "a2")
    done = papers.run(attachments_path=tmp_path)
    rows = done.records["transaction_attachments"]
    assert [path_of(row).read_bytes() for row in rows] == [b"one", b"two"]
    folders = {str(path_of(row).parent).casefold() for row in rows}
    assert len(folders) == 2


def test_hostile_ids_stay_different_and_inside() -> None:
    ids = ["../x", "a/b", "a_b", "A", "a", "", "con", ".", "..", "x" * 300, "x" * 301]
    safe = [safe_id(id_) for id_ in ids]
    assert len({name.casefold() for name in safe}) == len(ids)
    assert all(name == Path(name).name and name.strip(".") for name in safe)
    assert "con" not in safe, "a device on Windows"
    assert all(len(name) <= 64 for name in safe)
