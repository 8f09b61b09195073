"""A token server, a store, somebody who logs in, and a look at all that is logged."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from tests.auth.person import Person
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, MARK, Clock, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[Tokens]:
    with Tokens(clock) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tokens.json"


@pytest.fixture(autouse=True)
def _nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for phase in ("setup", "call", "teardown"):
        for record in caplog.get_records(phase):
            assert MARK not in record.getMessage()
            assert MARK not in str(record.exc_info)


@pytest.fixture
def person(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Person]:
    for name in [name for name in os.environ if name.startswith("TAP_QONTO_")]:
        monkeypatch.delenv(name)
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "state" / "tokens.json"
    monkeypatch.setenv("TAP_QONTO_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("TAP_QONTO_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("TAP_QONTO_TOKEN_STORE", str(store))
    with Tokens(clock) as server:
        somebody = Person(server, store, clock)
        somebody.read = capsys.readouterr
        monkeypatch.setattr("webbrowser.open", somebody.browse)
        yield somebody
    assert MARK not in caplog.text
