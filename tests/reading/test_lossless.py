"""Nothing is lost while rows change: the window reader against worlds that never hold still."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tap_qonto.api.errors import ListError
from tap_qonto.api.instants import shift
from tap_qonto.api.pages import Page
from tap_qonto.reading.lists import read_newest_first
from tap_qonto.reading.window import CEILING, Bounds, merge, read_window
from tests.kit.worlds import (
    RUN_START,
    WINDOW_END,
    Eagerly,
    Listing,
    naive_pages,
    world_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]

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


@SETTINGS
@given(
    times=times,
    seed=st.integers(0, 2**32),
    changes=st.integers(0, 4),
    bounds=st.sampled_from(["[]", "[)", "(]", "()"]),
    unit=st.sampled_from(["millisecond", "second"]),
    per_page=st.integers(1, 8),
    ahead=st.integers(1, 8),
    endless=st.booleans(),
)
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
        pool = Eagerly(random).pool(ahead)
        return list(read_window(listing, window, key="updated_at", pool=pool, endless=endless))

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


def test_reading_by_page_number_loses_rows_in_such_worlds() -> None:
    lost = 0
    for seed in range(200):
        random = Random(seed)
        world = world_of([60.0 * n for n in range(1, 20)], random, changes=2)
        existed = set(world.rows)
        emitted = {row["id"] for row in naive_pages(Listing(world), Bounds(None, WINDOW_END))}
        lost += bool(existed - world.touched - emitted)
    assert lost > 50, "the counter-example no longer shows what the window reader is for"


def read(listing: Listing, window: Bounds, *, ahead: int = 4, ceiling: int = CEILING) -> list[Row]:
    pool = Eagerly(Random(0)).pool(ahead)
    return list(read_window(listing, window, key="updated_at", pool=pool, ceiling=ceiling))


LOW_CEILING = 12


@pytest.mark.parametrize("capped", [False, True], ids=["true count", "count capped at the ceiling"])
@pytest.mark.parametrize("bounds", ["[]", "[)", "(]", "()"])
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


@pytest.mark.parametrize("seed", range(8))
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
                pool=Eagerly(Random(0)).pool(2),
            )
        )


@example(start=RUN_START)
@SETTINGS
@given(start=st.sampled_from([shift(RUN_START, -seconds) for seconds in (0.5, 1, 100, 1e6)]))
def test_rows_before_the_start_are_not_read(start: str) -> None:
    world = world_of([0.7, 1.0, 2.0, 100.0, 100.5, 1e6, 2e6], Random(5))
    expected = {
        row["id"] for row in world.rows.values() if start <= row["updated_at"] <= WINDOW_END
    }
    for bounds in ("[]", "()"):
        rows = read(Listing(world, bounds=bounds), Bounds(start, WINDOW_END))
        certain = {
            row["id"]
            for row in world.rows.values()
            if start <= row["updated_at"] < shift(WINDOW_END, -1)
        }
        assert certain <= {row["id"] for row in rows} <= expected


def test_pages_that_hold_fewer_rows_than_they_count_are_no_complete_read() -> None:
    listing = Listing(world_of([float(n) for n in range(5, 45)], Random(6)), per_page=10)

    def short(number: int, bounds: Bounds) -> Any:
        page = listing(number, bounds)
        return page._replace(rows=page.rows[:-1]) if number == 3 else page

    pool = Eagerly(Random(0)).pool(2)
    with pytest.raises(ListError, match="count 40 rows, but their pages hold 39"):
        list(read_window(short, Bounds(None, WINDOW_END), key="updated_at", pool=pool))


@given(order=st.permutations(range(12)), per_page=st.integers(1, 5))
def test_a_list_that_is_not_newest_first_is_read_to_its_end(
    order: list[int], per_page: int
) -> None:
    """Unless its rows happen to be in order down to the start, which nobody could tell apart."""
    rows = [
        {"id": str(day), "updated_at": f"2026-01-{day + 1:02}T00:00:00.000000Z"} for day in order
    ]
    pages = [rows[first : first + per_page] for first in range(0, len(rows), per_page)]
    start = "2026-01-07T00:00:00.000000Z"
    asked = []

    def fetch(number: int) -> Page:
        asked.append(number)
        return Page(pages[number - 1], number, pages=len(pages), total=len(rows))

    found = {row["id"] for row in read_newest_first(fetch, key="updated_at", start=start)}
    seen = [row for number in asked for row in pages[number - 1]]
    assert found == {row["id"] for row in seen if row["updated_at"] >= start}
    in_order = seen == sorted(seen, key=lambda row: row["updated_at"], reverse=True)
    may_stop = in_order and seen[-1]["updated_at"] < start
    assert may_stop or asked == list(range(1, len(pages) + 1))
