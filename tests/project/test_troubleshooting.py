"""The symptoms of the manual, brought about: each is what the log says then."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tap_qonto.demo import Api, Company, DemoServer
from tests.kit.manual import blocks, section
from tests.kit.meltano_project import project
from tests.kit.runner import catalog_of, config_for, run
from tests.project.test_ways_in import run as shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = "docs/troubleshooting.md"
SYMPTOMS = re.findall(r"^\| `(.+?)` \|", section(PAGE, "symptoms"), re.MULTILINE)
KEY = "acme-1234:secret"


def no_credentials(folder: Path, server: DemoServer) -> str:
    del folder, server
    return run({"environment": "production"}).log


def wrong_key(folder: Path, server: DemoServer) -> str:
    del folder
    return run(config_for(server) | {"secret_key": "revoked"}).log


def oauth_only(folder: Path, server: DemoServer) -> str:
    del folder
    return run(config_for(server), catalog=catalog_of(["labels", "terminals"])).log


def lost_token_store(folder: Path, server: DemoServer) -> str:
    config: dict[str, Any] = {
        "client_id": "application",
        "client_secret": "secret",
        "token_store": str(folder / "tokens.json"),
        "api_url": server.api_url,
    }
    return run(config).log


def no_attachments_path(folder: Path, server: DemoServer) -> str:
    del folder
    return run(config_for(server), catalog=catalog_of(["statements", "statement_files"])).log


def open_elsewhere(folder: Path, server: DemoServer) -> str:
    del server
    open_it = f"import duckdb; held = duckdb.connect({str(folder / 'warehouse.duckdb')!r})"
    again = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {open_it!r}])"
    return subprocess.run(
        [sys.executable, "-c", f"{open_it}; {again}"], capture_output=True, text=True, check=True
    ).stderr


CAUSES: dict[str, Callable[[Path, DemoServer], str]] = {
    "No credentials are set": no_credentials,
    "answered 401 unauthorized": wrong_key,
    "skipped, because": oauth_only,
    "There is no refresh token": lost_token_store,
    "listed, not downloaded": no_attachments_path,
    "Could not set lock on file": open_elsewhere,
}


def test_the_manual_has_six_symptoms_and_each_can_be_brought_about() -> None:
    assert list(CAUSES) == SYMPTOMS
    assert len(SYMPTOMS) == 6


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_symptom_is_what_the_log_says(symptom: str, tmp_path: Path) -> None:
    with DemoServer(Api(Company(transactions=50), authorization=KEY)) as server:
        assert symptom in CAUSES[symptom](tmp_path, server)


def told_by(log: str) -> list[str]:
    """Return the lines of a failed run of Meltano without their times, tracebacks, and blanks."""
    lines = [re.sub(r"^\S+Z ", "", line) for line in log.splitlines()]
    return [line for line in lines if line.startswith("[")]


@pytest.mark.slow
def test_meltano_passes_on_what_the_tap_calls_an_error() -> None:
    key = {"TAP_QONTO_LOGIN": "acme-1234", "TAP_QONTO_SECRET_KEY": "secret"}
    log = project().meltano("run", "tap-qonto", "target-jsonl", env=key, fails=True)
    words, *added = [line for line in told_by(log) if line.startswith("[error    ]")]
    assert words.startswith("[error    ] tap-qonto    environment is demo")
    assert [" ".join(line.split()[3:]) for line in added] == [
        "Extractor failed",
        "Block run completed",
    ]


@pytest.mark.slow
def test_target_duckdb_says_what_went_wrong_in_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    with duckdb.connect(str(path)):
        log = project().meltano(
            *("run", "tap-qonto", "target-duckdb"),
            env={"TARGET_DUCKDB_PATH": str(path)},
            fails=True,
        )
    *_, last = [line for line in told_by(log) if "] target-duckdb" in line]
    assert last.startswith("[info     ] target-duckdb")
    assert "Could not set lock on file" in last
    assert [line.partition("meltano")[2].strip() for line in told_by(log)][-3:-1] == [
        "Loader failed",
        "Block run completed",
    ]


@pytest.mark.slow
def test_the_command_that_tells_every_step_shows_no_row_and_no_secret() -> None:
    [command] = blocks(PAGE, "every-step")
    login, secret_key = "acme-1234", "planted-secret"
    with DemoServer(Api(Company(transactions=50), authorization=f"{login}:{secret_key}")) as server:
        env = {
            "TAP_QONTO_API_URL": server.api_url,
            "TAP_QONTO_LOGIN": login,
            "TAP_QONTO_SECRET_KEY": secret_key,
        }
        log = shell(command, project().root, env)
    assert "transactions: 50 rows in" in log
    assert "[debug    ] meltano      Beginning sync of 'transactions'" in log
    assert "RECORD" not in log
    assert secret_key not in log
