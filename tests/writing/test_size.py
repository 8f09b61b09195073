"""Very many rows: refused at once, or planned in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.kit.target import COMMAND
from tests.writing.test_many_documents import ASIDE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="asks the kernel for a process's memory"),
]

ROWS = 100_000
MEGABYTES = 200


@pytest.mark.parametrize(("max_rows", "exit_code", "sentence"), [
    (500, 2, "More than 500 rows arrived"),
    (ROWS, 0, f"{ROWS:,} of {ROWS:,} rows"),
])  # fmt: skip
def test_very_many_rows_take_little_memory(
    max_rows: int, exit_code: int, sentence: str, tmp_path: Path
) -> None:
    source, log = tmp_path / "rows.jsonl", tmp_path / "log"
    with source.open("w", encoding="utf-8") as lines:
        schema = {"type": "SCHEMA", "stream": "new_transfers", "schema": {"properties": {}}}
        lines.write(json.dumps(schema) + "\n")
        for number in range(ROWS):
            row = {
                "external_id": f"2026-{number:07}",
                "amount": "12.50",
                "beneficiary_iban": "FR7630004008210000150868038",
                "beneficiary_name": "Aline Abeille",
                "reference": f"Invoice {number}",
                "scheduled_date": "2099-12-01",
            }
            record = {"type": "RECORD", "stream": "new_transfers", "record": row}
            lines.write(json.dumps(record) + "\n")
    config = json.dumps({"environment": "demo", "max_rows": max_rows})
    with source.open("rb") as stdin, log.open("wb") as stderr:
        done = subprocess.run(
            [sys.executable, "-c", ASIDE, COMMAND, "--config", config],
            stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, check=True,
        )  # fmt: skip
    code, peak = map(int, done.stdout.split()[-2:])
    assert code == exit_code
    assert sentence in log.read_text(encoding="utf-8")
    unit = 1 if sys.platform == "darwin" else 1_024
    assert peak * unit < MEGABYTES * 1_000_000
