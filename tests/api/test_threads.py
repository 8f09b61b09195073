"""So many pieces of work at a time, and those that wait for others do not count."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from tap_qonto.api.threads import Threads
from tests.kit.runner import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Two places."""
    two = Threads(2, "test")
    yield two
    two.close()


def test_no_more_goes_on_at_the_same_time_than_allowed(threads: Threads) -> None:
    lock, both, most, now = threading.Lock(), threading.Barrier(2), [0], [0]

    def work() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        both.wait(PATIENCE)
        with lock:
            now[0] -= 1

    for done in [threads.submit(work) for _ in range(20)]:
        done.result(PATIENCE)
    assert most == [2]


def test_who_waits_for_other_work_keeps_nobody_from_working(threads: Threads) -> None:
    may_end = threading.Event()
    awaited = threads.submit(may_end.wait, PATIENCE)
    waiting = threads.submit(threads.result, awaited)
    last = threads.submit(may_end.set)
    assert last.result(PATIENCE) is None, "both places were taken"
    assert waiting.result(PATIENCE) is True


def test_who_has_waited_works_on_in_a_place(threads: Threads) -> None:
    lock, most, now = threading.Lock(), [0], [0]
    first = threads.submit(lambda: 1)

    def work() -> None:
        threads.result(first)
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.01)
        with lock:
            now[0] -= 1

    for done in [threads.submit(work) for _ in range(8)]:
        done.result(PATIENCE)
    assert most[0] <= 2


def test_an_error_reaches_whoever_waits(threads: Threads) -> None:
    failing = threads.submit(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        threads.submit(threads.result, failing).result(PATIENCE)
    with pytest.raises(ValueError, match="invalid literal"):
        threads.result(failing)


def test_what_has_not_begun_is_dropped_at_the_end(threads: Threads) -> None:
    end = threading.Event()
    ran: list[int] = []
    begun = [threads.submit(end.wait, PATIENCE) for _ in range(2)]
    others = [threads.submit(ran.append, number) for number in range(6)]
    threads.close()
    end.set()
    assert all(work.result(PATIENCE) for work in begun)
    for other in others:
        with pytest.raises(CancelledError):
            other.result(PATIENCE)
    assert not ran
