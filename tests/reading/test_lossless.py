"""Nothing is lost while rows change: the window reader against worlds that never hold still."""

from __future__ import annotations

import os
from itertools import pairwise, product
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tap_qonto.api.errors import ListError, PastTheEndError
from tap_qonto.api.instants import shift
from tap_qonto.reading.block import CEILING, Bounds
from tap_qonto.reading.desk import Desk
from tap_qonto.reading.order import merge
from tap_qonto.reading.window import read_window
from tests.kit.cases import some
from tests.kit.worlds import (
    RUN_START,
    WINDOW_END,
    Eagerly,
    Listing,
    naive_pages,
    world_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]

BOUNDS = ["[]", "[)", "(]", "()"]
UNITS = ["millisecond", "second"]

SETTINGS = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)

times = st.lists(
    st.one_of(
        st.floats(0.001, 3600 * 24 * 400),
        st.sampled_from([5.0, 60.0, 60.001, 60.5, 61.0, 3600.0]),  # bulk imports share a time
    ),
    max_size=40,
)


@example(
    times=[1.0, 1.0, 1.0], seed=1416219, changes=3, bounds="[]", unit="millisecond", per_page=1,
    ahead=1, endless=True,
)  # fmt: skip
@SETTINGS
@given(
    times=times,
    seed=st.integers(0, 2**32),
    changes=st.integers(0, 4),
    bounds=st.sampled_from(BOUNDS),
    unit=st.sampled_from(UNITS),
    per_page=st.integers(1, 8),
    ahead=st.integers(1, 8),
    endless=st.booleans(),
)
@pytest.mark.slow
def test_two_runs_leave_a_target_equal_to_the_api(
    times: list[float],
    seed: int,
    changes: int,
    bounds: str,
    unit: str,
    per_page: int,
    ahead: int,
    endless: bool,
) -> None:
    random = Random(seed)
    world = world_of(times, random, changes=changes)
    listing = Listing(world, bounds=bounds, unit=unit, per_page=per_page)
    existed = {name: dict(row) for name, row in world.rows.items()}
    target: dict[str, Row] = {}

    def run(window: Bounds) -> list[Row]:
        desk = Desk(Eagerly(random).pool(ahead))
        return list(read_window(listing, window, key="updated_at", desk=desk, endless=endless))

    first = run(Bounds(None, WINDOW_END))
    target.update((row["id"], row) for row in first)

    unchanged = {
        name for name, row in existed.items() if row["updated_at"] <= shift(WINDOW_END, -1)
    }
    missing = unchanged - world.touched - target.keys()
    assert not missing, "a row that did not change was lost"
    emitted = [(row["id"], row["updated_at"]) for row in first]
    assert len(emitted) == len(set(emitted)), "a row was emitted twice"
    keys = [row["updated_at"] for row in first]
    assert all(b >= shift(a, -2) for a, b in pairwise(keys)), "not in order"

    bookmark = max(keys, default=None)
    assert bookmark is None or bookmark <= WINDOW_END

    world.changes_per_request = 0
    world.now = shift(world.now, 10)
    target.update((row["id"], row) for row in run(Bounds(bookmark, shift(world.now, -1))))
    assert {name: row for name, row in target.items() if name in world.rows} == world.rows


HAPPENINGS: dict[str, tuple[str, ...]] = {
    "edited, added, deleted": ("update", "insert", "delete"),
    "one leaves while another arrives": ("swap",),
    "arriving late": ("late",),
    "all at once": ("update", "insert", "delete", "late", "swap", "swap"),
}


def random_world(random: Random) -> Listing:
    """Return a list of up to 1,000 rows, some of them far too close in time for one page."""
    rows = random.choice([0, 1, 5, 20, 60, 200, 500, 960])
    per_page = random.choice([3, 10, 10])
    span = random.choice([3_600, 86_400 * 400, 86_400 * 3_000])
    times = [random.uniform(1.5, span) for _ in range(rows)]
    for _ in range(random.choice([0, 0, 1, 2, 3])):
        at, width = float(random.randint(2, span)), random.choice([0, 0, 0.9, 1.9])
        times += [at + random.random() * width for _ in range(random.randint(2, per_page * 4))]
    world = world_of(times, random, changes=random.choice([0, 1, 2, 4]))
    world.kinds = random.choice(list(HAPPENINGS.values()))
    return Listing(
        world,
        bounds=random.choice(BOUNDS),
        unit=random.choice(UNITS),
        per_page=per_page,
        ceiling=random.choice([10_000, 10_000, per_page * 4]),
        capped=random.random() < 0.5,
        refuses_at_once=random.random() < 0.5,
        shuffles=random.random() < 0.6,
    )


def faults_of(listing: Listing, random: Random) -> list[str] | None:
    """Read a world once; return what is wrong with the rows, or None if it was refused."""
    world = listing.world
    desk = Desk(Eagerly(random).pool(random.randint(1, 30), random.randint(1, 8)))
    start = shift(RUN_START, -random.uniform(0, 1e8)) if random.random() < 0.3 else None
    existed = {
        name: row["updated_at"]
        for name, row in world.rows.items()
        if (start or "") <= row["updated_at"] <= shift(WINDOW_END, -1)
    }
    try:
        rows = list(
            read_window(
                listing,
                Bounds(start, WINDOW_END),
                key="updated_at",
                desk=desk,
                endless=random.random() < 0.15,
                ceiling=listing.ceiling,
            )
        )
    except ListError:
        return None
    emitted = [(row["id"], row["updated_at"]) for row in rows]
    keys = [at for _, at in emitted]
    faults = {
        "rows lost": not existed.keys() - world.touched <= {name for name, _ in emitted},
        "rows came twice": len(emitted) != len(set(emitted)),
        "not in order": any(later < shift(sooner, -2) for sooner, later in pairwise(keys)),
        "not in order at rest": not world.changes_per_request and keys != sorted(keys),
    }
    return [fault for fault, is_so in faults.items() if is_so]


def outcome_of(seeds: range) -> tuple[int, int]:
    """Read worlds; return how many were refused, and how many were read."""
    refused = 0
    for seed in seeds:
        random = Random(seed)
        faults = faults_of(random_world(random), random)
        assert not faults, f"world {seed}: {faults}"
        refused += faults is None
    return refused, len(seeds) - refused


def test_nothing_is_lost_in_worlds_that_never_hold_still() -> None:
    refused, read_whole = outcome_of(range(20, 54))
    assert refused < 0.05 * read_whole, (
        "a world is refused for its ceiling or its restlessness only"
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_nothing_is_lost_in_thousands_of_worlds_that_never_hold_still(part: int) -> None:
    """`WORLDS=5000` reads so many, and takes minutes."""
    worlds = int(os.environ.get("WORLDS", "2000"))
    refused, read_whole = outcome_of(range(1_000 + part, 1_000 + worlds, 4))
    assert refused < 0.06 * read_whole


@pytest.mark.parametrize(("rows", "changes"), some([(25, 1), (25, 2), (40, 2)], (25, 2)))
def test_a_crowded_second_in_another_order_at_each_request_keeps_the_rows_that_stay(
    rows: int, changes: int
) -> None:
    """Rows that leave make up the number of those seen, so that one more may be missing."""
    for seed in range(150):
        random = Random(seed)
        world = world_of([60.0] * rows, random, changes=changes)
        world.kinds = ("update",)
        existed = set(world.rows)
        found = read(Listing(world, per_page=10, shuffles=True), Bounds(None, WINDOW_END))
        assert existed - world.touched <= {row["id"] for row in found}, seed


def naive_counts(listing: Listing, window: Bounds) -> Iterator[Row]:
    """Read by page number as long as the counts agree, and begin again as soon as they do not."""
    while True:
        rows: list[Row] = []
        total = number = 0
        while True:
            try:
                page = listing(number + 1, window)
            except PastTheEndError:
                break
            total = total or page.total or 0
            rows += page.rows
            number += 1
            if page.total != total:
                break
            if page.is_last:
                yield from rows
                return


@pytest.mark.parametrize("naive", some([naive_pages, naive_counts], naive_counts))
@pytest.mark.parametrize(("happening", "shuffles"), some([("swap", False), (None, True)], "swap"))
def test_readers_that_trust_counts_lose_rows_in_such_worlds(
    naive: Callable[[Listing, Bounds], Iterator[Row]], happening: str | None, *, shuffles: bool
) -> None:
    lost = {"naive": 0, "ours": 0}
    for seed in range(60):
        for name in lost:
            random = Random(seed)
            times = [60.0 * (n // 4) for n in range(4, 24)]
            world = world_of(times, random, changes=1 if happening else 0)
            world.kinds, world.late = (happening or "update",), 5
            listing = Listing(world, shuffles=shuffles)
            existed = set(world.rows)
            window = Bounds(None, WINDOW_END)
            rows = naive(listing, window) if name == "naive" else iter(read(listing, window))
            lost[name] += bool(existed - {row["id"] for row in rows} - world.touched)
    assert lost["naive"] > 10, "the counter-example no longer shows what the window reader is for"
    assert not lost["ours"]


def read(listing: Listing, window: Bounds, *, ahead: int = 4, ceiling: int = CEILING) -> list[Row]:
    desk = Desk(Eagerly(Random(0)).pool(ahead))
    return list(read_window(listing, window, key="updated_at", desk=desk, ceiling=ceiling))


LOW_CEILING = 12


@pytest.mark.parametrize("capped", [False, True], ids=["true count", "count capped at the ceiling"])
@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("changes", [0, 2])
def test_a_window_above_the_ceiling_is_split(bounds: str, changes: int, *, capped: bool) -> None:
    world = world_of([7.0 * n for n in range(1, 100)], Random(1), changes=changes)
    existed = set(world.rows)
    listing = Listing(world, bounds=bounds, ceiling=LOW_CEILING, capped=capped, per_page=4)
    window = Bounds(None, WINDOW_END)
    emitted = [row["id"] for row in read(listing, window, ceiling=LOW_CEILING)]
    assert existed - world.touched <= set(emitted)
    assert len(emitted) == len(set(emitted))


def test_more_rows_than_the_ceiling_in_one_second_fail_the_run() -> None:
    world = world_of([60.0] * (LOW_CEILING + 1) + [90.0], Random(1))
    with pytest.raises(ListError, match="share the second"):
        read(
            Listing(world, ceiling=LOW_CEILING, per_page=4),
            Bounds(None, WINDOW_END),
            ceiling=LOW_CEILING,
        )


def test_exactly_as_many_rows_as_the_ceiling_in_one_second_are_read() -> None:
    world = world_of([60.0] * LOW_CEILING, Random(1))
    listing = Listing(world, ceiling=LOW_CEILING, per_page=4)
    assert len(read(listing, Bounds(None, WINDOW_END), ceiling=LOW_CEILING)) == LOW_CEILING


@pytest.mark.parametrize("seed", some(range(8), 0))
@pytest.mark.parametrize("changes", [0, 3], ids=["at rest", "in motion"])
def test_hundreds_of_rows_with_one_timestamp_come_once_each(changes: int, seed: int) -> None:
    world = world_of([60.0] * 300 + [30.0, 90.0], Random(seed), changes=changes)
    existed = set(world.rows)
    listing = Listing(world, per_page=10)
    emitted = [row["id"] for row in read(listing, Bounds(None, WINDOW_END))]
    assert existed - world.touched <= set(emitted)
    assert len(emitted) == len(set(emitted))
    assert listing.requests < 2_000


STATUSES = ("pending", "declined", "completed")


@pytest.mark.parametrize("honours", [True, False], ids=["status honoured", "status ignored"])
def test_statuses_merge_into_one_sorted_sequence_of_rows_that_come_once(honours: bool) -> None:
    world = world_of([13.0 * (n // 3) for n in range(3, 60)], Random(3))

    def sequence(status: str) -> Iterator[Row]:
        listing = Listing(world, statuses=(status,) if honours else STATUSES)
        return iter(read(listing, Bounds(None, WINDOW_END)))

    rows = list(merge([sequence(status) for status in STATUSES], key="updated_at"))
    assert sorted(row["id"] for row in rows) == sorted(world.rows)
    assert [row["updated_at"] for row in rows] == sorted(row["updated_at"] for row in rows)


def test_a_list_in_another_order_is_refused_rather_than_read_wrongly() -> None:
    world = world_of([60.0, 50.0, 40.0], Random(4))
    listing = Listing(world)

    def newest_first(number: int, bounds: Bounds) -> Any:
        page = listing(number, bounds)
        return page._replace(rows=page.rows[::-1])

    with pytest.raises(ListError, match="another order"):
        list(
            read_window(
                newest_first,
                Bounds(None, WINDOW_END),
                key="updated_at",
                desk=Desk(Eagerly(Random(0)).pool(2)),
            )
        )


def test_rows_before_the_start_are_not_read() -> None:
    world = world_of([0.7, 1.0, 2.0, 100.0, 100.5, 1e6, 2e6], Random(5))
    starts = [shift(RUN_START, -seconds) for seconds in (0, 0.5, 1, 100, 1e6)]
    for bounds, start in product(("[]", "()"), starts):
        expected = {
            row["id"] for row in world.rows.values() if start <= row["updated_at"] <= WINDOW_END
        }
        rows = read(Listing(world, bounds=bounds), Bounds(start, WINDOW_END))
        certain = {
            row["id"]
            for row in world.rows.values()
            if start <= row["updated_at"] < shift(WINDOW_END, -1)
        }
        assert certain <= {row["id"] for row in rows} <= expected


def test_pages_that_hold_fewer_rows_than_they_count_are_no_complete_read() -> None:
    listing = Listing(world_of([float(n) for n in range(5, 45)], Random(6)), per_page=10)
    asked: list[int] = []

    def short(number: int, bounds: Bounds) -> Any:
        page = listing(number, bounds)
        asked.append(page.total or 0)
        return page._replace(rows=page.rows[:-1])

    desk = Desk(Eagerly(Random(0)).pool(2))
    with pytest.raises(ListError, match="counts 40 rows, but page 1 of 4 holds only 9"):
        list(read_window(short, Bounds(None, WINDOW_END), key="updated_at", desk=desk))
    assert asked == [40] * 4, "it is read again before that is said"


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_page_that_holds_fewer_rows_than_it_counts_is_asked_for_again(times: int) -> None:
    """As if a search index were ahead of its database."""
    world = world_of([float(n) for n in range(5, 45)], Random(6))
    listing = Listing(world, per_page=10)
    short = iter([True] * times)
    pauses: list[int] = []

    def behind(number: int, bounds: Bounds) -> Any:
        page = listing(number, bounds)
        return page._replace(rows=page.rows[1:]) if next(short, False) else page

    desk = Desk(Eagerly(Random(0)).pool(2))
    rows = read_window(
        behind, Bounds(None, WINDOW_END), key="updated_at", desk=desk, pause=pauses.append
    )
    assert {row["id"] for row in rows} == set(world.rows)
    assert sorted(pauses) == list(range(1, times + 1))
