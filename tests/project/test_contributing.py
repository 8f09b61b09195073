"""CONTRIBUTING shows the house as it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LONGEST_FILE = 400
"""Lines of a file of code, tables of data excepted."""

TABLES = {"tap_qonto/settings.py"}
"""Files that are a table of data."""

LONGEST_FUNCTION = 60
"""Lines of a function."""

KEPT = "# NOQA".lower()
"""What keeps a line from the lint; spelled so, it is not counted here."""

MOST_EXCEPTIONS = 30
"""How often a line may be kept from the lint."""


def code(*folders: str) -> dict[str, str]:
    """Return the text of every Python file below some folders, by its path."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }


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
        name: lines
        for name, text in code("tap_qonto", "tests", "transform/report").items()
        if (lines := len(text.splitlines())) > LONGEST_FILE
    }
    assert long.keys() <= TABLES, long


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{name}: {node.name}": lines
        for name, text in code("tap_qonto", "transform/report").items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert not long


def test_few_lines_are_kept_from_the_lint_and_each_says_why() -> None:
    kept = [
        f"{name}: {line.strip()}"
        for name, text in code("tap_qonto", "tests", "transform/report", "examples").items()
        for line in text.splitlines()
        if KEPT in line
    ]
    assert len(kept) <= MOST_EXCEPTIONS, kept
    assert not [line for line in kept if not re.search(KEPT + r": [A-Z0-9, ]+ - \S", line)]


def test_no_test_reaches_into_a_module() -> None:
    patches = re.compile(r"""(?:setattr|patch|delattr)\(\s*["']tap_qonto\.""")
    assert patches.search('monkeypatch.setattr("' + 'tap_qonto.tap.time", clock)')
    assert not [name for name, text in code("tests").items() if patches.search(text)]
