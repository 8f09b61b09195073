"""README's commands, queries and outputs, kept true by running them as a newcomer would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

QUERIES = re.findall(
    r"<!-- query -->\n```sql\n(.*?)```\n\n```text\n(.*?)```\n<!-- /query -->", README, re.DOTALL
)
COMMANDS = re.findall(
    r"<!-- command -->\n```shell\n(.*?)```\n\n```text\n(.*?)```\n<!-- /command -->",
    README,
    re.DOTALL,
)
MAIN_JOB = "python3 -m pip install uv && uv run meltano run tap-qonto target-duckdb"


def section(name: str) -> str:
    """Return what stands between two markers."""
    return README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def shell(command: str, folder: Path) -> str:
    """Run a command of README, as it is, in a clean shell; return what it prints."""
    ours = ("VIRTUAL_ENV", "TAP_QONTO_", "MELTANO_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run(  # noqa: S602 - README's commands are shell commands
        command,
        shell=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr if command == MAIN_JOB else done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A fresh copy of the project after its first command, and what that printed."""
    folder = tmp_path_factory.mktemp("newcomer") / "tap-qonto"
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True)
    for name in names.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    assert MAIN_JOB in README
    return folder, shell(MAIN_JOB, folder)


@pytest.mark.slow
def test_the_first_command_prints_the_lines_that_readme_shows(newcomer: tuple[Path, str]) -> None:
    shown = re.findall(r"^(\w+: [\d,]+ rows?) in", section("first-run"), re.MULTILINE)
    assert shown
    for line in shown:
        assert line in newcomer[1]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "output"), COMMANDS)
def test_a_command_prints_what_readme_shows(
    newcomer: tuple[Path, str], command: str, output: str
) -> None:
    assert shell(command, newcomer[0]).strip() == output.strip()


@pytest.mark.slow
@pytest.mark.parametrize(("query", "output"), QUERIES)
def test_a_query_prints_what_readme_shows(
    newcomer: tuple[Path, str], query: str, output: str
) -> None:
    with duckdb.connect(newcomer[0] / "output" / "warehouse.duckdb", read_only=True) as warehouse:
        assert str(warehouse.query(query)).strip() == output.strip()


@pytest.mark.slow
def test_the_documents_lie_where_readme_shows_them(newcomer: tuple[Path, str]) -> None:
    shown = re.findall(r"[├└]── (\S+)", section("documents"))
    assert shown
    for path in shown:
        assert (newcomer[0] / "output" / "documents" / path).is_file()


@pytest.mark.slow
def test_the_second_run_loads_only_what_changed(newcomer: tuple[Path, str]) -> None:
    again = shell(MAIN_JOB, newcomer[0])
    rows = {name: int(count) for name, count in re.findall(r"(\w+): (\d+) rows? in", again)}
    assert rows["transactions"] < 20
    assert rows["client_invoices"] < 20
    with duckdb.connect(newcomer[0] / "output" / "warehouse.duckdb", read_only=True) as warehouse:
        count = warehouse.execute("select count(*) from qonto.transactions").fetchone()
        assert count == (5_400,)


def test_every_local_link_of_readme_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (ROOT / target).exists(), target
