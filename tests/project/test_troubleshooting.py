"""The symptoms of the manual, brought about: each is what the log says then."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company, DemoServer
from tests.kit.manual import section
from tests.kit.runner import catalog_of, config_for, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SYMPTOMS = re.findall(
    r"^\| `(.+?)` \|", section("docs/troubleshooting.md", "symptoms"), re.MULTILINE
)
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
