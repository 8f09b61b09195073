"""A token server with its clock, a store, and a look at all that is logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.kit.token_server import MARK, Clock, TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[TokenServer]:
    with TokenServer(clock) as running:
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
