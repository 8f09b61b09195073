"""Lists read by page number: what counts as complete, and what is read again."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.errors import (
    BadCredentialsError,
    CeilingError,
    FaultError,
    ListError,
    PastTheEndError,
    QontoError,
)
from tap_qonto.api.pages import Page, Pool
from tap_qonto.reading.lists import read_numbered
from tests.reading.shelf import END, Shelf, at_once, dated, newest, numbered, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

Row = dict[str, Any]


@pytest.mark.parametrize("count", [0, 1, 9, 10])
def test_one_page_is_one_answer(count: int) -> None:
    shelf = Shelf(numbered(count))
    assert len(list(read(shelf))) == count
    assert shelf.asked == [1]


@pytest.mark.parametrize("count", [11, 20, 35])
def test_two_pages_or_more_are_read_until_two_readings_agree(count: int) -> None:
    shelf = Shelf(numbered(count))
    assert [row["id"] for row in read(shelf)] == [row["id"] for row in numbered(count)]
    assert shelf.asked == [*range(1, -(-count // 10) + 1)] * 2


@pytest.mark.parametrize("reader", [read, newest])
@pytest.mark.parametrize("counted", [0, 5, 15, 29, 31])
def test_rows_that_are_not_counted_yet_are_read(
    reader: Callable[..., Iterator[Row]], counted: int
) -> None:
    """As if the counts came from a search index behind its database."""
    shelf = Shelf(dated(35))

    def behind(number: int) -> Page:
        return shelf(number)._replace(pages=-(-counted // 10) or 1, total=counted)

    assert len(list(reader(behind))) == 35


@pytest.mark.parametrize(
    "error", [QontoError("no", status=400), FaultError("no", status=500), CeilingError("no")]
)
def test_a_page_behind_the_end_may_be_answered_with_anything(error: Exception) -> None:
    shelf = Shelf(numbered(20))

    def refusing(number: int) -> Page:
        if number == 3:
            raise error
        return shelf(number)._replace(total=15)

    assert len(list(read(refusing))) == 20


@pytest.mark.parametrize("reader", [read, newest])
@pytest.mark.parametrize("count", [10, 20])
def test_a_server_that_sends_its_last_page_for_any_behind_it_is_not_asked_for_ever(
    reader: Callable[..., Iterator[Row]], count: int
) -> None:
    shelf = Shelf(dated(count))

    def kind(number: int) -> Page:
        return shelf(min(number, count // 10))._replace(number=number, total=count - 5)

    assert len(list(reader(kind))) == count
    assert len(shelf.asked) == 2 * (count // 10 + 1)


def test_credentials_that_are_refused_behind_the_end_are_refused() -> None:
    shelf = Shelf(numbered(20))
    error = BadCredentialsError("no", status=401)

    def refusing(number: int) -> Page:
        if number == 3:
            raise error
        return shelf(number)._replace(total=15)

    with pytest.raises(BadCredentialsError):
        list(read(refusing))


def test_rows_that_come_again_unchanged_are_emitted_once_and_changed_ones_again() -> None:
    shelf = Shelf(numbered(25))

    def edit(_number: int) -> None:
        if len(shelf.asked) == 3:
            shelf.rows[4] = {"id": "row-4", "name": "edited"}

    shelf.before = edit
    rows = list(read(shelf))
    assert len(rows) == 26
    assert rows[-1] == {"id": "row-4", "name": "edited"}


@pytest.mark.parametrize("reader", [read, newest])
def test_a_row_deleted_and_one_added_between_two_pages_hide_no_third_one(
    reader: Callable[[Shelf], Iterator[Row]],
) -> None:
    shelf = Shelf(dated(30))

    def swap(number: int) -> None:
        if number == 2 and shelf.asked == [1]:
            del shelf.rows[3]
            last = {"id": "added", "updated_at": "2026-05-01T00:00:00.000000Z"}
            shelf.rows.append(last)

    shelf.before = swap
    changes: list[bool] = []
    rows = list(reader(shelf, on_change=lambda: changes.append(True)))  # type: ignore[call-arg]
    assert {row["id"] for row in shelf.rows} <= {row["id"] for row in rows}
    assert changes, "it is told that the list is read again"


@pytest.mark.parametrize("reader", [read, newest])
@pytest.mark.parametrize("seed", range(20))
def test_rows_in_another_order_at_each_request_are_all_there_or_refused(
    reader: Callable[[Shelf], Iterator[Row]], seed: int
) -> None:
    random = Random(seed)
    shelf = Shelf([{**row, "updated_at": END} for row in numbered(random.choice([12, 25, 60]))])
    shelf.before = lambda _number: random.shuffle(shelf.rows)
    found = set()
    try:
        for row in reader(shelf):
            found.add(row["id"])
    except ListError:
        assert shelf.asked.count(1) >= 4
    else:
        assert found == {row["id"] for row in shelf.rows}


@pytest.mark.parametrize("reader", [read, newest])
@pytest.mark.parametrize("count", [8, 35])
def test_answers_that_hold_fewer_rows_than_they_count_are_read_again_and_then_refused(
    reader: Callable[[Callable[[int], Page]], Iterator[Row]], count: int
) -> None:
    shelf = Shelf(dated(count))
    pauses: list[int] = []

    def short(number: int) -> Page:
        page = shelf(number)
        return page._replace(rows=page.rows[1:])

    found: list[Row] = []
    with pytest.raises(ListError, match=f"counts {count} rows, but sent only"):
        found.extend(reader(short, pause=pauses.append))  # type: ignore[call-arg]
    assert pauses == [1, 2, 3]


@pytest.mark.parametrize("reader", [read, newest])
def test_a_row_that_always_stands_in_place_of_another_is_not_counted_twice(
    reader: Callable[[Callable[[int], Page]], Iterator[Row]],
) -> None:
    """No page is short, no count differs, all readings agree, and yet one row never comes."""
    shelf = Shelf(dated(35))
    twice = [*shelf.rows[:10], shelf.rows[9], *shelf.rows[11:]]

    def stuck(number: int) -> Page:
        page = shelf(number)
        return page._replace(rows=twice[(number - 1) * 10 : number * 10])

    with pytest.raises(ListError, match="counts 35 rows, but sent only 34 different ones"):
        list(reader(stuck))


def test_a_count_that_rises_while_a_list_grows_in_front_is_to_be_reached() -> None:
    shelf = Shelf(dated(35))
    twice = [*shelf.rows[:10], shelf.rows[9], *shelf.rows[11:]]

    def rising(number: int) -> Page:
        page = shelf(number)
        rows = twice[(number - 1) * 10 : number * 10]
        return page._replace(rows=rows, total=34 + (number > 1))

    with pytest.raises(ListError, match="counts 35 rows, but sent only 34 different ones"):
        list(newest(rising))


@pytest.mark.parametrize("reader", [read, newest])
def test_a_count_that_falls_between_two_pages_is_a_change_though_it_rises_again(
    reader: Callable[[Callable[[int], Page]], Iterator[Row]],
) -> None:
    shelf = Shelf(dated(35))

    def dipping(number: int) -> Page:
        page = shelf(number)
        return page._replace(total=34) if number == 2 else page

    with pytest.raises(ListError, match="changed during each"):
        list(reader(dipping))


@pytest.mark.parametrize("reader", [read, newest])
@pytest.mark.parametrize("more", [0, 1, 25])
def test_a_count_that_may_be_capped_is_not_taken_for_the_whole(
    reader: Callable[..., Iterator[Row]], more: int
) -> None:
    shelf = Shelf(dated(40 + more))

    def capped(number: int) -> Page:
        if number > 4 and more:
            raise CeilingError
        return shelf(number)._replace(pages=4, total=40)

    def generous(number: int) -> Page:
        return shelf(number)._replace(pages=4, total=40)

    if not more:
        assert len(list(reader(capped, ceiling=40))) == 40
        return
    for way in (capped, generous):
        with pytest.raises(CeilingError):
            list(reader(way, ceiling=40))


@pytest.mark.parametrize("reader", [read, newest])
def test_pages_that_are_promised_and_never_there_are_missed_although_rows_are_not_counted(
    reader: Callable[[Callable[[int], Page]], Iterator[Row]],
) -> None:
    shelf = Shelf(dated(35))

    def lacking(number: int) -> Page:
        if number > 2:
            raise PastTheEndError
        return shelf(number)._replace(total=None)

    with pytest.raises(ListError, match="changed during each"):
        list(reader(lacking))


@pytest.mark.parametrize("reader", [read, newest])
def test_two_readings_agree_only_if_the_second_one_lacks_nothing_either(
    reader: Callable[..., Iterator[Row]],
) -> None:
    shelf = Shelf(dated(35))

    def vanishing(number: int) -> Page:
        if shelf.asked == [1, 2, 3, 4]:
            del shelf.rows[34]
        return shelf(number)._replace(total=None)

    assert len(list(reader(vanishing))) == 35
    assert shelf.asked.count(1) == 3


def test_an_early_first_page_is_not_paired_with_later_ones() -> None:
    shelf = Shelf(numbered(25))
    early = shelf(1)._replace(early=True)
    del shelf.rows[0]
    shelf.rows.append({"id": "added"})
    first = iter([early])
    rows = list(read(lambda number: next(first, None) or shelf(number)))
    assert {row["id"] for row in rows} == {row["id"] for row in shelf.rows}
    assert shelf.asked == [1, 1, 2, 3, 1, 2, 3]


def test_an_early_page_that_may_go_on_is_not_paired_with_what_may_follow() -> None:
    shelf = Shelf(numbered(10))
    first = iter([shelf(1)._replace(early=True, total=5)])
    del shelf.rows[0]
    shelf.rows.append({"id": "added"})
    rows = list(read(lambda number: next(first, None) or shelf(number)))
    assert {row["id"] for row in rows} == {row["id"] for row in shelf.rows}
    assert shelf.asked == [1, 1]


@pytest.mark.parametrize(("early", "readings"), [(False, 1), (True, 2)])
def test_once_the_number_of_pages_is_known_page_1_is_asked_for_beside_the_others(
    early: bool, readings: int
) -> None:
    shelf = Shelf(numbered(25))
    opening = iter([shelf(1)._replace(early=True)] if early else [])
    submitted: list[int] = []

    def submit(work: Callable[..., Page], number: int) -> Future[Page]:
        submitted.append(number)
        return at_once(work, number)

    def fetch(number: int) -> Page:
        return next(opening, None) or shelf(number)

    assert len(list(read_numbered(fetch, keys=("id",), pool=Pool(submit, 8)))) == 25
    assert submitted.count(1) == readings


def test_an_early_first_page_that_is_the_only_one_is_used() -> None:
    shelf = Shelf(numbered(5))
    early = iter([shelf(1)._replace(early=True)])
    assert len(list(read(lambda number: next(early, None) or shelf(number)))) == 5
    assert shelf.asked == [1]


@pytest.mark.parametrize("count", [10, 11, 35])
def test_a_list_that_counts_pages_only_is_read_like_any_other(count: int) -> None:
    shelf = Shelf(numbered(count))
    rows = list(read(lambda number: shelf(number)._replace(total=None)))
    assert len(rows) == count


PROGRAM = """
import json
from tests.kit.memory import peak_of
from tests.reading.shelf import POOL
from tap_qonto.api.pages import Page
from tap_qonto.reading.lists import read_numbered

def fetch(number):
    numbers = range((number - 1) * 100, number * 100)
    rows = [{"id": f"{row:032}", "text": "x" * 400, "number": row} for row in numbers]
    return Page(rows, number, pages=3_000, total=300_000, size=100)

before = peak_of()
count = sum(1 for _ in read_numbered(fetch, keys=("id",), pool=POOL))
print(json.dumps([count, (peak_of() - before) / 1e6]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.slow
def test_a_list_of_300_000_rows_takes_little_memory() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    ).stdout
    count, megabytes = json.loads(told)
    assert count == 300_000
    assert megabytes < 100, "a run takes less than 100 MB without it, and may take 200"
