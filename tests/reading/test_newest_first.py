"""Lists read newest first: where they stop, and what makes them read on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_qonto.api.errors import ListError
from tests.reading.shelf import Shelf, dated, newest

if TYPE_CHECKING:
    from tap_qonto.api.pages import Page


def test_reading_newest_first_stops_at_the_start() -> None:
    shelf = Shelf(dated(60))
    rows = list(newest(shelf, start=shelf.rows[4]["updated_at"]))
    assert rows == shelf.rows[:5]
    assert shelf.asked == [1]


def test_equal_keys_at_the_start_are_read_to_their_end() -> None:
    rows = dated(60)
    for row in rows[5:34]:
        row["updated_at"] = rows[5]["updated_at"]
    shelf = Shelf(rows)
    found = {row["id"] for row in newest(shelf, start=rows[5]["updated_at"])}
    assert found == {row["id"] for row in rows[:34]}


def test_a_page_that_is_short_before_the_start_is_noticed() -> None:
    shelf = Shelf(dated(60))
    short = iter([True])

    def behind(number: int) -> Page:
        page = shelf(number)
        return page._replace(rows=page.rows[2:]) if next(short, False) else page

    rows = list(newest(behind, start=shelf.rows[4]["updated_at"]))
    assert {row["id"] for row in rows} == {f"row-{number}" for number in range(5)}


def test_a_page_of_unknown_size_is_no_reason_to_stop_at_the_start() -> None:
    """It may lack a row, which only the count of all rows tells."""
    shelf = Shelf(dated(35))

    def lacking(number: int) -> Page:
        page = shelf(number)
        rows = [row for row in page.rows if row["id"] != "row-2"]
        return page._replace(rows=rows, size=None)

    with pytest.raises(ListError, match="counts 35 rows, but sent only 34"):
        list(newest(lacking, start=shelf.rows[5]["updated_at"]))


@pytest.mark.parametrize("pages", [3, 6])
def test_rows_that_move_to_the_front_at_each_request_hide_no_other(pages: int) -> None:
    shelf = Shelf(dated(pages * 10))
    existed = {row["id"] for row in shelf.rows}
    minutes = iter(range(60))

    def touch(_number: int) -> None:
        row = shelf.rows.pop()
        at = f"2026-06-02T00:{next(minutes):02}:00.000000Z"
        shelf.rows.insert(0, {**row, "updated_at": at})

    shelf.before = touch
    assert {row["id"] for row in newest(shelf)} == existed


@settings(deadline=None)  # a busy machine is no fault
@given(order=st.permutations(range(12)), per_page=st.integers(1, 5))
def test_a_list_that_is_not_newest_first_is_read_to_its_end(
    order: list[int], per_page: int
) -> None:
    """Unless its rows happen to be in order down to the start, which nobody could tell apart."""
    rows = [
        {"id": str(day), "updated_at": f"2026-01-{day + 1:02}T00:00:00.000000Z"} for day in order
    ]
    shelf = Shelf(rows, per_page=per_page)
    start = "2026-01-07T00:00:00.000000Z"
    found = {row["id"] for row in newest(shelf, start=start)}
    last = max(shelf.asked)
    seen = rows[: last * per_page]
    assert found == {row["id"] for row in seen if row["updated_at"] >= start}
    in_order = seen == sorted(seen, key=lambda row: row["updated_at"], reverse=True)
    assert last * per_page >= len(rows) or (in_order and seen[-1]["updated_at"] < start)
