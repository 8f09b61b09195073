"""What the manual says about schedules, run as cron, GitHub and Docker would run it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from tap_qonto.demo import Api, Company, DemoServer
from tests.kit.manual import ROOT, fresh_copy, section
from tests.kit.runner import KEY
from tests.project.test_ways_in import count, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKFLOW = "examples/github/load-qonto.yml"
ROWS = 300


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a clone in it, whose plugins are installed."""
    folder = tmp_path_factory.mktemp("home")
    run("uv run meltano install", fresh_copy(folder / "tap-qonto"))
    return folder


@pytest.fixture
def account() -> Iterator[dict[str, str]]:
    """A company behind HTTP, and the variables with which it is reached."""
    login, _, secret_key = KEY.partition(":")
    with DemoServer(Api(Company(transactions=ROWS), authorization=KEY)) as server:
        yield {
            "TAP_QONTO_API_URL": server.api_url,
            "TAP_QONTO_LOGIN": login,
            "TAP_QONTO_SECRET_KEY": secret_key,
        }


@pytest.mark.slow
def test_the_line_for_cron_needs_no_variable_of_a_shell(
    home: Path, account: dict[str, str]
) -> None:
    [line] = re.findall(
        r"^\S+ \* \* \* \* (.+)$", section("docs/scheduling.md", "cron"), re.MULTILINE
    )
    clone = home / "tap-qonto"
    env_file = clone / ".env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in account.items()))
    try:
        subprocess.run(
            ["/bin/sh", "-c", line],
            cwd="/",
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            check=False,
            timeout=300,
        )
    finally:
        env_file.unlink()
    assert count(clone / "output/prod.duckdb") == ROWS, (clone / "output/cron.log").read_text()


@pytest.mark.slow
def test_the_commands_of_the_github_workflow_load_what_is_there(
    home: Path, account: dict[str, str], tmp_path: Path
) -> None:
    [job] = yaml.safe_load((ROOT / WORKFLOW).read_text(encoding="utf-8"))["jobs"].values()
    steps = [step for step in job["steps"] if "run" in step]
    # Only what the runner brings along is taken away: no PostgreSQL, and a folder for a bucket.
    commands = [step["run"].replace("target-postgres", "target-duckdb") for step in steps]
    named = {name for step in steps for name in step.get("env", {})}
    assert named >= account.keys() - {"TAP_QONTO_API_URL"}
    env = account | {
        "TAP_QONTO_ATTACHMENTS_PATH": "",
        "MELTANO_STATE_BACKEND_URI": f"file://{tmp_path}/state",
        "TARGET_DUCKDB_PATH": str(tmp_path / "github.duckdb"),
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment"),
    }
    run("\n".join(commands), home / "tap-qonto", env)
    assert count(tmp_path / "github.duckdb") == ROWS
    assert list((tmp_path / "state").iterdir())


@pytest.mark.slow
def test_one_organization_after_the_other_is_loaded_and_one_failure_does_not_stop_the_rest(
    home: Path, account: dict[str, str]
) -> None:
    clone = home / "tap-qonto"
    [command] = re.findall(
        r"^    (QONTO.*)$", (ROOT / "examples/organizations.py").read_text("utf-8"), re.MULTILINE
    )
    of_alpha = {name.replace("TAP_QONTO", "QONTO_ALPHA"): value for name, value in account.items()}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=clone,
        env=os.environ | of_alpha | {"TAP_QONTO_ATTACHMENTS_PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "Not loaded: beta"
    assert "No credentials are set" in done.stdout
    assert count(clone / "output/alpha.duckdb") == ROWS
    with duckdb.connect(str(clone / "output/alpha.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from qonto.labels").fetchone() != (0,)


def test_the_workflow_may_do_little_and_runs_one_at_a_time() -> None:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / WORKFLOW).read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_the_workflow_and_the_image_install_what_is_locked_for_them_and_nothing_else() -> None:
    for page in (WORKFLOW, "Dockerfile"):
        text = (ROOT / page).read_text(encoding="utf-8")
        installing = [line for line in text.splitlines() if re.search(r"\buv (run|sync)\b", line)]
        assert installing
        for line in installing:
            assert "--locked --no-default-groups --group deploy" in line, page


# The image


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each as one line."""
    text = re.sub(
        r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for line in lines if line for word, _, rest in [line.partition(" ")]]


def test_the_image_runs_as_a_user_without_rights_and_copies_no_secret() -> None:
    found = instructions()
    words = [word for word, _ in found]
    assert ("USER", "qonto") in found
    assert words.index("USER") < words.index("WORKDIR") < words.index("ENTRYPOINT")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    copied = {name for word, rest in found if word == "COPY" for name in shlex.split(rest)[1:-1]}
    assert {f"!{name}" for name in copied} == {line for line in ignored if line.startswith("!")}


@pytest.mark.slow
def test_the_steps_of_the_image_leave_a_project_that_runs(tmp_path: Path) -> None:
    """Where no engine is at hand: the instructions in a folder; `.ci/run image` builds it."""
    project, environment = tmp_path / "project", tmp_path / "environment"
    project.mkdir()
    env = {"PATH": f"{environment}/bin:{os.environ['PATH']}", "UV_PYTHON": sys.executable}
    for word, rest in instructions():
        line = rest.replace("/opt/qonto", str(environment)).replace("/project", str(project))
        if word == "ENV":
            env |= dict(pair.split("=", 1) for pair in shlex.split(line) if "PATH=" not in pair[:5])
        elif word == "COPY":
            _, *names, target = shlex.split(line)
            for name in names:
                run(f"cp -r {ROOT / name} {project / target}", project)
        elif word == "RUN" and "useradd" not in line:
            run(line, project, env)
    run("meltano run tap-qonto target-duckdb", project, env)
    assert count(project / "output/warehouse.duckdb") == Company("demo").total("transactions")
    assert list((project / "output/state").iterdir())
