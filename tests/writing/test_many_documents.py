"""A thousand documents: side by side, and in flat memory. Whole processes are measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tap_qonto.demo import Api, Company, DemoServer
from tests.kit.target import COMMAND, messages
from tests.writing.office import PDF

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="asks the kernel for a process's memory"),
]

LATENCY = 0.1
"""Seconds that each request takes."""


ASIDE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command from a small process: a child counts what its parent had when it was forked."""


class Measured(NamedTuple):
    """One process."""

    seconds: float
    peak: int
    """Bytes of memory at most."""
    made: int
    """Supplier invoices."""


def measure(folder: Path, number: int, *, size: int, latency: float, **config: Any) -> Measured:
    """Send that many documents by the real command."""
    folder.mkdir()
    rows = []
    for name in range(number):
        path = folder / f"{name}.pdf"
        path.write_bytes(PDF + b"%d" % name + bytes(size))
        rows.append({"external_id": f"D-{name}", "file": str(path)})
    source = folder / "rows.jsonl"
    source.write_text(messages(rows, stream="new_supplier_invoices"))
    company = Company("many", transactions=10, accounts=1)
    before = company.total("supplier_invoices")
    with DemoServer(Api(company), latency=latency) as server:
        settings = {
            "access_token": "access-token-of-the-test", "api_url": server.api_url,
            "journal_path": str(folder / "journal"), "approve": "within_limits",
            "max_rows": number, **config,
        }  # fmt: skip
        began = time.monotonic()
        with source.open("rb") as lines, (folder / "log").open("wb") as log:
            done = subprocess.run(
                [sys.executable, "-c", ASIDE, COMMAND, "--config", json.dumps(settings)],
                stdin=lines, stdout=subprocess.PIPE, stderr=log, check=True,
            )  # fmt: skip
        seconds = time.monotonic() - began
    code, peak = map(int, done.stdout.split()[-2:])
    assert code == 0, (folder / "log").read_text()
    unit = 1 if sys.platform == "darwin" else 1_024
    made = company.total("supplier_invoices") - before
    return Measured(seconds, peak * unit, made)


def test_documents_are_uploaded_side_by_side(tmp_path: Path) -> None:
    number = int(os.environ.get("DOCUMENTS", "300"))
    together = measure(tmp_path / "together", number, size=10_000, latency=LATENCY)
    in_turn = measure(tmp_path / "in-turn", number, size=10_000, latency=LATENCY, concurrency=1)
    share = together.seconds / in_turn.seconds
    told = f"{number} documents: {together.seconds:.1f} s / {in_turn.seconds:.1f} s = {share:.2f}"
    sys.stdout.write(f"{told}\n")
    assert together.made == in_turn.made == number
    assert share <= 0.25


def test_a_thousand_documents_take_the_memory_of_fifty(tmp_path: Path) -> None:
    few, many = (
        measure(tmp_path / str(number), number, size=300_000, latency=0)
        for number in (50, 1_000)
    )  # fmt: skip
    told = f"{few.peak / 1e6:.0f} MB for 50, {many.peak / 1e6:.0f} MB for 1,000 documents"
    sys.stdout.write(f"{told}\n")
    assert many.made == 1_000
    assert many.peak < few.peak + 15_000_000
