"""The demo companies that are visited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_qonto.demo import (
    Api,
    Company,
)
from tests.demo.visits import Get, session

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def company() -> Company:
    """Return a company that no test changes."""
    return Company()


@pytest.fixture
def world() -> Company:
    """Return a small company that a test may change."""
    return Company(transactions=600)


@pytest.fixture(scope="module")
def get(company: Company) -> Iterator[Get]:
    with session(Api(company)) as get:
        yield get
