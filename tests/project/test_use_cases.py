"""README's table of use cases: one command each, and nothing more the second time."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.writing.streams import READERS
from tests.kit.manual import ROOT, blocks, text_of
from tests.kit.meltano_project import Project, fresh_project

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "README.md"
COMMANDS = [
    re.match(r"(.*?)uv run meltano (.*)", line)
    for line in blocks(PAGE, "use-cases")[0].splitlines()
]  # fmt: skip


def examples() -> list[tuple[str, str]]:
    """Return the stream and the example of each use case that README names."""
    table = text_of(PAGE).split("| use case | stream | example |")[1].split("\n\n")[0]
    found: list[tuple[str, str]] = []
    for line in table.splitlines()[2:]:
        streams, files = re.findall(r"`(new_\w+)`", line), re.findall(r"\]\((\S+)\)", line)
        found += zip(streams, files, strict=True)
    return found


def test_readme_has_an_example_for_every_stream_that_is_written() -> None:
    assert {stream for stream, _ in examples()} == set(READERS)
    for stream, file in examples():
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        names = [json.loads(line)["external_id"] for line in lines]
        assert len(names) == len(set(names)) > 0, stream


@pytest.fixture(scope="module")
def clone() -> Iterator[Project]:
    with fresh_project() as project:
        yield project


def content(clone: Project) -> list[str]:
    """Return all that the demo company has kept of what was written to it."""
    with closing(sqlite3.connect(clone.root / "output" / "demo.sqlite")) as company:
        return list(company.iterdump())


def results(clone: Project) -> dict[str, dict[str, Any]]:
    """Return the last result rows of each stream, by external ID."""
    found: dict[str, dict[str, Any]] = {}
    for folder in (clone.root / "output" / "results").iterdir():
        last = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        rows = (json.loads(line) for line in last.read_text(encoding="utf-8").splitlines())
        found |= {f"{folder.name} {row['external_id']}": row for row in rows}
    return found


@pytest.mark.slow
def test_each_use_case_is_one_command_and_a_second_run_changes_nothing(clone: Project) -> None:
    for again in (False, True):
        before = content(clone) if again else []
        for command in COMMANDS:
            assert command
            env = dict(pair.split("=") for pair in command[1].split())
            more = ("--full-refresh",) if again else ()
            clone.meltano(*command[2].split(), *more, env=env)
        found = results(clone)
        assert {row["status"] for row in found.values()} == {"already_sent" if again else "sent"}
        assert not again or content(clone) == before
    wanted = {
        f"{stream} {json.loads(line)['external_id']}"
        for stream, file in examples()
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines()
    }
    assert set(found) == wanted
    invoices = [row for name, row in found.items() if name.startswith("new_client_invoices ")]
    documents = list(
        (clone.root / "output" / "documents").glob("client_invoice_attachments/*/*.pdf")
    )
    assert len(documents) == len(invoices)
