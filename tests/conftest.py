"""What many tests need: a small company, and a server that shows it over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo.api import Api
from tap_qonto.demo.company import Company
from tap_qonto.demo.server import DemoServer
from tests.runner import KEY, config_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def company() -> Company:
    """A company of 900 transactions in 6 accounts, which the test may change."""
    return Company(transactions=900)


@pytest.fixture
def api(company: Company) -> Api:
    """The API of that company, which wants the key `KEY` and shows 100 rows per page at most."""
    return Api(company, authorization=KEY)


@pytest.fixture
def server(api: Api) -> Iterator[DemoServer]:
    """The same over real HTTP."""
    with DemoServer(api) as running:
        yield running


@pytest.fixture
def config(server: DemoServer) -> dict[str, Any]:
    """Settings that read from that server."""
    return config_for(server)
