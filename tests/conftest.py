"""What many tests need: a small company, and a server that shows it over real HTTP."""

from __future__ import annotations

import gc
import itertools
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.instants import from_datetime
from tap_qonto.api.redaction import forget
from tap_qonto.demo import Api, Company
from tap_qonto.tap import TapQonto
from tests.kit.outside import PROXIES
from tests.kit.runner import KEY, config_for, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_qonto.demo import DemoServer


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not again and again among all that was imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 5)


@pytest.fixture(scope="session", autouse=True)
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Path]]:
    """Give folders that do not exist yet, and let nothing of whoever runs the tests through."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "shared"))
        for name in list(os.environ):
            if name.startswith(("TAP_QONTO_", "TARGET_QONTO_")) or name in PROXIES:
                patch.delenv(name)
        yield (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_home(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what this test and its children store out of the user's folders, and of other tests'.

    Servers get their port from the system, which gives one twice: the requests that a test counted
    for `127.0.0.1:40000` would count in another test.
    """
    folder = next(homes)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def own_secrets() -> None:
    """Mask a test's own secrets only: the process is one, the taps in it are many."""
    forget()


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
    with serving(api) as running:
        yield running


@pytest.fixture
def config(server: DemoServer) -> dict[str, Any]:
    """Settings that read from that server."""
    return config_for(server)


@pytest.fixture
def postgres_url() -> str:
    """Where a PostgreSQL server listens that the test may fill."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        if os.environ.get("CI"):
            pytest.fail("TEST_POSTGRES_URL is not set")
        pytest.skip("`.ci/run pipes` starts the PostgreSQL server that this needs")
    return url


class Clock:
    """The time that the company, its API and the runs of the tap agree on.

    Attributes:
        now: The present, which only the test moves.
    """

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @property
    def uniform(self) -> str:
        """The present as the tap writes it."""
        return from_datetime(self.now)


@pytest.fixture
def on_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the runs of the test take something else from their machine than it offers."""

    def change(**parts: Any) -> None:
        monkeypatch.setattr(TapQonto, "machine", replace(TapQonto.machine, **parts))

    return change


@pytest.fixture
def clock(on_machine: Callable[..., None]) -> Clock:
    """A clock that says when each run of the test begins."""
    clock = Clock()
    on_machine(clock=lambda: clock().timestamp())
    return clock


@pytest.fixture
def slept(on_machine: Callable[..., None]) -> list[float]:
    """The seconds that the tap slept, which took no time."""
    return sleepless(on_machine)


def sleepless(on_machine: Callable[..., None]) -> list[float]:
    """Let time pass by sleeping alone; return the seconds slept, as they come."""
    slept: list[float] = []
    # Whoever sleeps until an instant wakes up after it.
    on_machine(
        sleep=slept.append, stopwatch=lambda: 1_000.0 + sum(seconds + 0.001 for seconds in slept)
    )
    return slept
