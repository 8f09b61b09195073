"""Rows by pages, some of which go and others come between two requests."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import PastTheEndError
from tap_qonto.api.pages import Page, Pool
from tap_qonto.reading.lists import read_newest_first, read_numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]

END = "2026-06-01T00:00:00.000000Z"


def at_once(work: Callable[..., Page], *args: Any) -> Future[Page]:
    future: Future[Page] = Future()
    try:
        future.set_result(work(*args))
    except Exception as error:
        future.set_exception(error)
    return future


POOL = Pool(at_once, 8)


class Shelf:
    """Rows in an order, of which somebody takes some away and adds others between two requests."""

    def __init__(self, rows: list[Row], *, per_page: int = 10) -> None:
        self.rows = rows
        self.per_page = per_page
        self.asked: list[int] = []
        self.before: Callable[[int], None] = lambda _number: None

    def __call__(self, number: int) -> Page:
        self.before(number)
        self.asked.append(number)
        pages = -(-len(self.rows) // self.per_page)
        if number > max(pages, 1):
            raise PastTheEndError
        rows = self.rows[(number - 1) * self.per_page : number * self.per_page]
        return Page(rows, number, pages=pages, total=len(self.rows), size=self.per_page)


def numbered(count: int) -> list[Row]:
    return [{"id": f"row-{number}"} for number in range(count)]


def dated(count: int) -> list[Row]:
    """Return rows newest first, an hour apart."""
    return [
        {
            "id": f"row-{n}",
            "updated_at": f"2026-05-{30 - n // 24:02}T{23 - n % 24:02}:00:00.000000Z",
        }
        for n in range(count)
    ]


def read(shelf: Callable[[int], Page], **options: Any) -> Iterator[Row]:
    return read_numbered(shelf, keys=("id",), pool=POOL, **options)


def newest(shelf: Callable[[int], Page], start: str | None = None, **options: Any) -> Iterator[Row]:
    return read_newest_first(shelf, key="updated_at", start=start, end=END, **options)
