"""README and the manual in `docs/`, whose marked blocks the tests run and compare."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from tests.kit.outside import WAY_OUT

ROOT: Final = Path(__file__).parents[2]
_OURS: Final = ("VIRTUAL_ENV", "TAP_", "TARGET_", "MELTANO_", "UV_PROJECT")
"""How the names of variables begin that a newcomer's shell does not have."""


def pages() -> list[str]:
    """Return README and the pages of the manual, as paths from the project's folder."""
    return ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    """Return what stands on a page between two markers."""
    return text_of(page).split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def blocks(page: str, name: str, language: str = "shell") -> list[str]:
    """Return the blocks of code that stand on a page between two markers."""
    return re.findall(rf"```{language}\n(.*?)```", section(page, name), re.DOTALL)


def shown(name: str, language: str) -> list[tuple[str, str]]:
    """Return every command or query of README and the manual, with the output that is shown."""
    marked = rf"<!-- {name} -->\n```{language}\n(.*?)```\n\n```text\n(.*?)```\n<!-- /{name} -->"
    return [pair for page in pages() for pair in re.findall(marked, text_of(page), re.DOTALL)]


def newcomer_variables() -> dict[str, str]:
    """Return the variables of a shell in which nothing of this run is set."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return own | WAY_OUT


def fresh_copy(folder: Path) -> Path:
    """Copy what a clone would have into a folder, and return it."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True)
    for name in names.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
