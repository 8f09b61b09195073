"""What reading by value costs: requests, requests that wait for each other, and memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from concurrent.futures import Future
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.instants import shift
from tap_qonto.api.pages import Page, Pool
from tap_qonto.reading.block import Bounds
from tap_qonto.reading.desk import Desk
from tap_qonto.reading.statuses import Counting, grouped, known
from tap_qonto.reading.window import read_window
from tests.kit.cases import some
from tests.kit.worlds import RUN_START, WINDOW_END

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

Row = dict[str, Any]

YEAR = 86_400 * 365


class Rounds:
    """Answers as many requests at once as there are places, one round after the other.

    Attributes:
        rounds: How many rounds have passed, each of which would take as long as one request.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting: list[tuple[Future[Page], Callable[..., Page], tuple[Any, ...]]] = []
        self.rounds = 0

    def submit(self, work: Callable[..., Page], *args: Any) -> Future[Page]:
        future: Future[Page] = Future()
        self._waiting.append((future, work, args))
        return future

    def wait(self, _under_way: Collection[Future[Page]]) -> None:
        self.rounds += 1
        batch, self._waiting = self._waiting[: self._places], self._waiting[self._places :]
        for future, work, args in batch:
            if future.set_running_or_notify_cancel():
                future.set_result(work(*args))

    def pool(self, ahead: int) -> Pool:
        return Pool(self.submit, ahead, self._places, self.wait)


class Archive:
    """A list at rest, with pages of 100."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self.keys = sorted(shift(RUN_START, -second) for second in seconds)
        self.requests = 0

    def __call__(self, number: int, bounds: Bounds) -> Page:
        self.requests += 1
        first = bisect_left(self.keys, bounds.start or "")
        end = bisect_right(self.keys, bounds.end or "9")
        begin = first + (number - 1) * 100
        rows = [
            {"id": str(position), "updated_at": self.keys[position]}
            for position in range(begin, min(begin + 100, end))
        ]
        total = end - first
        return Page(rows, number, pages=-(-total // 100), total=total, size=100)


def evenly(count: int, random: Random) -> list[float]:
    return [random.uniform(2, 3 * YEAR) for _ in range(count)]


def growing(count: int, random: Random) -> list[float]:
    return [2 + 3 * YEAR * random.random() ** 2.5 for _ in range(count)]


def in_working_hours(count: int, random: Random) -> list[float]:
    return [
        86_400 * random.randint(0, 1_000) + 36_000 + random.gauss(0, 1_800) for _ in range(count)
    ]


def cost(seconds: Sequence[float], *, places: int = 8, ahead: int = 128) -> tuple[int, int]:
    """Read a list; return how many requests and how many rounds that took."""
    archive, rounds = Archive(seconds), Rounds(places)
    desk = Desk(rounds.pool(ahead))
    rows = list(read_window(archive, Bounds(None, WINDOW_END), key="updated_at", desk=desk))
    assert [row["updated_at"] for row in rows] == archive.keys
    return archive.requests, rounds.rounds


MOST = {60: (1, 1), 250: (4, 3), 1_000: (16, 4), 2_500: (36, 7), 10_000: (121, 17)}
"""By the number of rows: the most requests and the most rounds."""


@pytest.mark.parametrize("spread", [evenly, growing, in_working_hours])
@pytest.mark.parametrize("count", some(MOST, 60, 250, 1_000, 2_500))
def test_reading_by_value_takes_few_more_requests_than_there_are_pages(
    count: int, spread: Callable[[int, Random], list[float]]
) -> None:
    requests, rounds = cost(spread(count, Random(count)))
    most_requests, most_rounds = MOST[count]
    assert requests <= most_requests
    assert rounds <= most_rounds, "parts are read side by side"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_rows_that_are_not_counted_yet_are_read(share: float) -> None:
    """As if the counts came from a search index behind its database."""
    archive = Archive(evenly(2_500, Random(7)))

    def behind(number: int, bounds: Bounds) -> Page:
        page = archive(number, bounds)
        count = int((page.total or 0) * share)
        return page._replace(total=count, pages=max(1, -(-count // 100)))

    desk = Desk(Rounds(8).pool(128))
    rows = read_window(behind, Bounds(None, WINDOW_END), key="updated_at", desk=desk)
    assert [row["updated_at"] for row in rows] == archive.keys


@pytest.mark.parametrize("position", [0, 98, 99, 100, 249])
def test_rows_may_be_newer_than_the_present(position: int) -> None:
    archive = Archive(evenly(250, Random(5)))
    present = archive.keys[position]
    desk = Desk(Rounds(8).pool(128))
    rows = read_window(archive, Bounds(None, None), key="updated_at", desk=desk, present=present)
    assert [row["updated_at"] for row in rows] == archive.keys


def test_what_follows_a_dense_second_is_not_guessed_while_it_is_read() -> None:
    requests, rounds = cost([*evenly(5_000, Random(1)), *[5e7] * 450])
    assert requests <= 68
    assert rounds <= 12


@pytest.mark.parametrize("places", [8, 32])
def test_parts_of_a_few_seconds_hold_each_row_once(places: int) -> None:
    random = Random(1)
    cost([random.uniform(3, 12) for _ in range(700)], places=places)


@pytest.mark.slow
def test_50_000_rows_take_about_600_requests() -> None:
    requests, rounds = cost(evenly(50_000, Random(1)))
    assert requests <= 600
    assert rounds <= 90


def test_one_place_reads_one_page_after_the_other() -> None:
    requests, rounds = cost(evenly(1_000, Random(1)), places=1)
    assert requests == rounds == 11


@pytest.mark.parametrize("ahead", [2, 10, 128])
def test_no_more_pages_wait_in_memory_than_allowed(ahead: int) -> None:
    archive, rounds = Archive(evenly(5_000, Random(2))), Rounds(8)
    desk = Desk(rounds.pool(ahead))
    taken = 0
    most = 0
    reading = read_window(archive, Bounds(None, WINDOW_END), key="updated_at", desk=desk)
    for _ in reading:
        taken += 1
        if taken % 50 == 0:
            waiting = sum(len(segment.pages) for segment in reading.segments)
            most = max(most, waiting)
    assert taken == 5_000
    # The page that is wanted next is asked for in any case.
    assert most <= ahead + 1


def test_a_reading_that_is_closed_asks_no_more() -> None:
    archive, rounds = Archive(evenly(5_000, Random(3))), Rounds(8)
    desk = Desk(rounds.pool(128))
    first = read_window(archive, Bounds(None, WINDOW_END), key="updated_at", desk=desk)
    other = read_window(archive, Bounds(None, WINDOW_END), key="updated_at", desk=desk)
    next(first)
    first.close()
    before = archive.requests
    assert len(list(other)) == 5_000
    assert archive.requests - before < 75


def test_two_readings_share_the_places_and_the_first_one_comes_first() -> None:
    archive, rounds = Archive(evenly(2_500, Random(4))), Rounds(8)
    desk = Desk(rounds.pool(128))
    readings = [
        read_window(archive, Bounds(None, WINDOW_END), key="updated_at", desk=desk)
        for _ in range(2)
    ]
    assert len(list(readings[0])) == 2_500
    after_first = rounds.rounds
    assert len(list(readings[1])) == 2_500
    alone = cost(evenly(2_500, Random(4)))[1]
    assert after_first <= alone + 2
    assert rounds.rounds < 2 * alone, "the second was read ahead"


@pytest.mark.parametrize(
    ("count", "rows", "most_requests", "most_rounds"),
    [(2, 1_100, 26, 4), (2, 1_700, 39, 6), (3, 1_700, 57, 8), (4, 2_000, 89, 12)],
)
def test_places_that_the_last_list_would_leave_empty_read_ahead(
    count: int, rows: int, most_requests: int, most_rounds: int
) -> None:
    lists, rounds = [Archive(evenly(rows, Random(seed))) for seed in range(count)], Rounds(8)
    desk = Desk(rounds.pool(128))
    readings = [
        read_window(each, Bounds(None, WINDOW_END), key="updated_at", desk=desk) for each in lists
    ]
    for each, reading in zip(lists, readings, strict=True):
        assert [row["updated_at"] for row in reading] == each.keys
    assert sum(each.requests for each in lists) <= most_requests
    assert rounds.rounds <= most_rounds


# Statuses


EVERY = ("pending", "declined", "completed")
HELD = {"pending": 2, "declined": 0, "completed": 30}


def counting(honours: str, held: dict[str, int], asked: list[tuple[str, ...]]) -> Counting:
    """Return a server that honours all of several statuses, or one of them, or none."""

    def count(statuses: tuple[str, ...]) -> int:
        asked.append(statuses)
        obeyed = {
            "all": statuses,
            "first": statuses[:1],
            "last": statuses[-1:],
            "none": tuple(held),
        }[honours]
        return sum(held.get(status, 0) for status in obeyed)

    return Counting(
        knows=lambda _account, status: status in held,
        counts=lambda _account, groups: [count(group) for group in groups],
    )


@pytest.mark.parametrize(
    "held", [HELD, {**HELD, "pending": 0}, {"pending": 30, "declined": 30, "completed": 30}]
)
@pytest.mark.parametrize("honours", ["all", "first", "last", "none"])
def test_statuses_are_asked_for_together_only_where_counts_prove_that_all_are_honoured(
    honours: str, held: dict[str, int]
) -> None:
    groups = grouped(EVERY, ["one", "two", "three"], counting(honours, held, []))
    assert groups == ([EVERY] if honours == "all" else [(status,) for status in EVERY])


def test_no_transactions_prove_nothing() -> None:
    asked: list[tuple[str, ...]] = []
    nothing = dict.fromkeys(EVERY, 0)
    accounts = [str(number) for number in range(500)]
    groups = grouped(EVERY, accounts, counting("all", nothing, asked))
    assert groups == [(status,) for status in EVERY]
    assert len(asked) == 5 * 5, "it is given up after some accounts"


def test_few_accounts_are_not_worth_a_comparison() -> None:
    asked: list[tuple[str, ...]] = []
    grouped(EVERY, ["one", "two"], counting("all", HELD, asked))
    assert not asked


def test_only_statuses_that_are_not_documented_are_tried() -> None:
    tried: list[str] = []

    def knows(_account: str, status: str) -> bool:
        tried.append(status)
        return False

    server = Counting(knows=knows, counts=lambda _account, _groups: [])
    assert known(("pending", "reversed", "pending"), "one", server) == ("pending",)
    assert tried == ["reversed"]
