"""CONTRIBUTING shows the house as it is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LONGEST_FILE = 400
"""Lines of a file of code, tables of data excepted."""

TABLES = {"tap_qonto/settings.py"}
"""Files that are a table of data."""


def rooms() -> set[str]:
    """Return the folders and files in the first column of the table."""
    lines = TEXT.split("## The house")[1].split("## ")[0].splitlines()
    return {
        path.rstrip("/")
        for line in lines
        if line.startswith("| `")
        for path in re.findall(r"`([^`]+)`", line.split("|")[1])
    }


def test_each_recipe_has_five_steps() -> None:
    recipes = [part for part in TEXT.split("\n## ") if re.search(r"^1\. ", part, re.MULTILINE)]
    steps = {part.splitlines()[0]: re.findall(r"^(\d)\. ", part, re.MULTILINE) for part in recipes}
    assert steps.keys() == {"Add a stream", "Add something to write", "Lift the SDK's pin"}
    assert all(numbers == list("12345") for numbers in steps.values()), steps


def test_every_room_in_the_table_is_there() -> None:
    assert not [room for room in rooms() if not (ROOT / room).exists()]


def test_every_room_is_in_the_table() -> None:
    inside = {
        f"tap_qonto/{path.name}"
        for path in (ROOT / "tap_qonto").iterdir()
        if not path.name.startswith(("__", ".")) and path.name != "py.typed"
    }
    assert inside <= rooms()


def test_no_file_is_longer_than_a_person_reads_in_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "tap_qonto").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert long.keys() <= TABLES, long
