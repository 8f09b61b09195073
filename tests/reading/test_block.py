"""A second with more rows than a page: read by page number, until all that are counted came."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.errors import CeilingError, ListError, PastTheEndError
from tap_qonto.api.instants import shift
from tap_qonto.api.pages import Page
from tap_qonto.reading.block import Bounds
from tap_qonto.reading.desk import Desk
from tap_qonto.reading.window import read_window
from tests.kit.worlds import WINDOW_END, Eagerly, Listing, world_of

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]

ROWS = 40


@pytest.fixture
def crowd() -> Listing:
    """A list of 40 rows of one second, and of one before it, 10 on a page."""
    return Listing(world_of([60.0] * ROWS + [90.0], Random(1)), per_page=10)


def read(fetch: Callable[[int, Bounds], Page], **options: Any) -> list[Row]:
    desk = Desk(Eagerly(Random(0)).pool(4))
    return list(
        read_window(fetch, Bounds(None, WINDOW_END), key="updated_at", desk=desk, **options)
    )


def test_a_row_that_always_stands_in_place_of_another_is_not_counted_twice(crowd: Listing) -> None:
    """No page is short and all readings agree; only the count of different rows tells."""

    def stuck(number: int, bounds: Bounds) -> Page:
        page = crowd(number, bounds)
        names = [row["id"] for row in page.rows]
        if "row-15" not in names:
            return page
        rows = [row if row["id"] != "row-15" else {**row, "id": "row-5"} for row in page.rows]
        return page._replace(rows=rows)

    with pytest.raises(ListError, match=r"do not hold still: 39 of 40 were seen"):
        read(stuck)


def test_more_rows_than_are_listed_are_known_from_their_count(crowd: Listing) -> None:
    """A hundred pages are not read only to be told so."""
    asked: list[int] = []

    def counting(number: int, bounds: Bounds) -> Page:
        asked.append(number)
        return crowd(number, bounds)

    with pytest.raises(ListError, match="more than 30 rows share the second"):
        read(counting, ceiling=30)
    assert set(asked) == {1}


def test_a_count_that_may_be_capped_is_not_taken_for_the_whole(crowd: Listing) -> None:
    def capped(number: int, bounds: Bounds) -> Page:
        page = crowd(number, bounds)
        return page._replace(total=min(page.total or 0, 30), pages=min(page.pages or 0, 3))

    with pytest.raises(ListError, match="more than 30 rows share the second"):
        read(capped, ceiling=30)


@pytest.mark.parametrize("counted", [5, 15, 25, 31, 39])
def test_rows_that_are_not_counted_yet_are_read(crowd: Listing, counted: int) -> None:
    """As if the counts came from a search index behind its database."""

    def behind(number: int, bounds: Bounds) -> Page:
        page = crowd(number, bounds)
        count = min(page.total or 0, counted)
        return page._replace(total=count, pages=-(-count // 10))

    assert {row["id"] for row in read(behind)} == set(crowd.world.rows)


def fewer(page: Page) -> Page:
    """Count no more than 35 rows."""
    return page._replace(total=min(page.total or 0, 35))


def test_no_page_is_looked_for_behind_what_the_server_lists_at_most(crowd: Listing) -> None:
    def strict(number: int, bounds: Bounds) -> Page:
        if number > 4:
            raise CeilingError
        return fewer(crowd(number, bounds))

    assert {row["id"] for row in read(strict, ceiling=45)} == set(crowd.world.rows)


def test_a_whole_page_of_rows_without_a_key_can_be_the_last() -> None:
    rows = [{"id": f"row-{number}", "updated_at": None} for number in range(10)]
    assert len(read(lambda _number, _bounds: Page(rows, pages=1, total=10, size=10))) == 10


def test_a_server_that_sends_its_last_page_for_any_behind_it_is_not_asked_for_ever(
    crowd: Listing,
) -> None:
    def kind(number: int, bounds: Bounds) -> Page:
        try:
            return fewer(crowd(number, bounds))
        except PastTheEndError:
            return fewer(crowd(4, bounds)._replace(number=number))

    assert {row["id"] for row in read(kind)} == set(crowd.world.rows)
    assert crowd.requests < 20


class Busy:
    """A list to which something happens right before some of the requests of its block.

    Args:
        crowd: The list.
        happens: What, by page and by how often the page has been asked for in the block.
    """

    def __init__(
        self, crowd: Listing, happens: dict[tuple[int, int], Callable[[dict[str, Row]], object]]
    ) -> None:
        self._crowd = crowd
        self._happens = happens
        self._asked: Counter[int] = Counter()

    def __call__(self, number: int, bounds: Bounds) -> Page:
        if bounds.start and bounds.end == shift(bounds.start, 3):
            self._asked[number] += 1
            if happen := self._happens.get((number, self._asked[number])):
                happen(self._crowd.world.rows)
        return self._crowd(number, bounds)


def add(*names: str) -> Callable[[dict[str, Row]], object]:
    """Let rows become visible late, behind the others."""
    return lambda rows: rows.update({name: {**rows["row-20"], "id": name} for name in names})


def remove(*names: str) -> Callable[[dict[str, Row]], object]:
    """Let rows leave the window; none before them is moved."""
    return lambda rows: [rows.pop(name) for name in names]


def add_first(name: str) -> Callable[[dict[str, Row]], object]:
    """Let a row become visible late, before the others, which all move."""

    def happen(rows: dict[str, Row]) -> None:
        before = dict(rows)
        rows.clear()
        rows.update({name: {**before["row-20"], "id": name}}, **before)

    return happen


def test_a_page_that_is_added_while_a_second_is_read_is_read_too(crowd: Listing) -> None:
    """As many rows have been seen as are counted, since some of them have left."""
    more = [f"more-{number}" for number in range(5)]
    add(*more)(crowd.world.rows)
    happens = {
        (4, 2): add_first("early"),  # in the first reading, so that a second one follows
        (1, 2): remove("row-39", *more),  # which leaves four pages
        (4, 3): add("a", "b", "c", "d", "e"),  # and now there are five again
    }
    found = {row["id"] for row in read(Busy(crowd, happens))}
    assert set(crowd.world.rows) <= found
    assert {"early", "e"} <= found, "all of that has happened"


def test_a_reading_that_has_added_a_row_is_followed_by_another_one(crowd: Listing) -> None:
    happens = {
        (3, 2): add_first("early"),
        (2, 2): lambda rows: (remove("row-38", "row-39")(rows), add("late")(rows)),
    }
    found = {row["id"] for row in read(Busy(crowd, happens))}
    assert {"early", "late"} <= found, "the late one stands where has been read already"


def test_a_last_page_that_names_another_one_is_not_taken_for_the_last(crowd: Listing) -> None:
    happens = {
        (4, 1): add("late"),  # while all pages are asked for at once
        (2, 2): remove("row-39"),  # so that as many have been seen as are counted
    }
    found = {row["id"] for row in read(Busy(crowd, happens))}
    assert "late" in found


def test_a_last_page_that_is_not_whole_is_asked_for_again(crowd: Listing) -> None:
    busy = Busy(crowd, {(2, 2): remove("row-38")})
    torn = iter([True])

    def short(number: int, bounds: Bounds) -> Page:
        page = busy(number, bounds)
        is_torn = number == 4 and next(torn, False)  # of 40 rows
        return page._replace(rows=page.rows[:-1]) if is_torn else page

    assert "row-39" in {row["id"] for row in read(short)}


# What the reader is told wrongly


def test_a_filter_that_is_not_honoured_is_noticed_at_once() -> None:
    listing = Listing(world_of([3_600.0 * n for n in range(1, 61)], Random(1)), per_page=10)

    def deaf(number: int, _bounds: Bounds) -> Page:
        return listing(number, Bounds(None, None))

    with pytest.raises(ListError, match="sent earlier ones"):
        read(deaf)
    assert listing.requests <= 20

    listing = Listing(world_of([3_600.0 * n for n in range(1, 11)], Random(1)), per_page=10)
    assert len(read(deaf)) == 10, "a page without room left is asked for once more"
    assert listing.requests == 2


def test_what_lies_after_the_end_of_a_list_that_knows_no_end_is_not_read() -> None:
    world = world_of([3_600.0 * n for n in range(1, 31)], Random(1))
    for number in range(500):
        at = shift(WINDOW_END, 60.0 * (number + 1))
        world.rows[f"new-{number}"] = {"id": f"new-{number}", "updated_at": at, "status": "x"}
    listing = Listing(world, per_page=10)
    assert len(read(listing, endless=True)) == 30
    assert listing.requests < 10


def test_a_page_of_unknown_size_is_as_large_as_the_others_need_it_to_be() -> None:
    """As if a search index were ahead of its database, and told no size of its pages."""
    listing = Listing(world_of([3_600.0 * n for n in range(1, 41)], Random(1)), per_page=10)
    behind = iter([True, True])

    def short(number: int, bounds: Bounds) -> Page:
        page = listing(number, bounds)._replace(size=None)
        return page._replace(rows=[*page.rows[:4], page.rows[-1]]) if next(behind, False) else page

    assert {row["id"] for row in read(short)} == set(listing.world.rows)
