"""Small worlds that change between requests, and a server that lists them in every known way."""

from __future__ import annotations

import itertools
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import CeilingError, PastTheEndError
from tap_qonto.api.instants import FLOOR, from_datetime, shift, to_datetime, whole_second
from tap_qonto.api.pages import Page, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from random import Random

    from tap_qonto.reading.window import Bounds

Row = dict[str, Any]

RUN_START = "2026-06-01T12:00:00.000000Z"
WINDOW_END = shift(RUN_START, -1)


@dataclass
class World:
    """Rows that somebody changes whenever a request comes in.

    The clock of the world only moves forward, and every change gets the current time as its key.
    """

    rows: dict[str, Row]
    random: Random
    changes_per_request: int = 0
    now: str = RUN_START
    created: Iterator[int] = field(default_factory=itertools.count)
    touched: set[str] = field(default_factory=set)

    def tick(self) -> None:
        """Let time pass, and rows be updated, inserted and deleted."""
        for _ in range(self.random.randint(0, self.changes_per_request)):
            self.now = shift(self.now, self.random.choice([0.001, 0.5, 2, 90]))
            kind = self.random.choice(["update", "update", "insert", "delete"])
            ids = list(self.rows)
            if kind == "insert" or not ids:
                name = f"new-{next(self.created)}"
                status = self.random.choice(["pending", "completed"])
                self.rows[name] = {"id": name, "updated_at": self.now, "status": status}
                continue
            name = self.random.choice(ids)
            self.touched.add(name)
            if kind == "delete":
                del self.rows[name]
            else:
                self.rows[name] = {**self.rows[name], "updated_at": self.now, "status": "completed"}


@dataclass
class Listing:
    """A list endpoint: sorted ascending by `updated_at`, with everything nobody is sure about."""

    world: World
    bounds: str = "[]"
    unit: str = "millisecond"
    per_page: int = 3
    ceiling: int = 10_000
    capped: bool = False
    statuses: tuple[str, ...] | None = None
    requests: int = 0

    def __call__(self, number: int, bounds: Bounds) -> Page:
        self.world.tick()
        self.requests += 1
        rows = sorted(
            (dict(row) for row in self.world.rows.values() if self._matches(row, bounds)),
            key=lambda row: row["updated_at"],
        )
        if number * self.per_page > self.ceiling and len(rows) > self.ceiling:
            raise CeilingError
        pages = -(-len(rows) // self.per_page)
        if number > max(pages, 1):
            raise PastTheEndError
        first = (number - 1) * self.per_page
        count = min(len(rows), self.ceiling) if self.capped else len(rows)
        return Page(rows[first : first + self.per_page], number, pages=pages, total=count)

    def _matches(self, row: Row, bounds: Bounds) -> bool:
        if self.statuses and row["status"] not in self.statuses:
            return False
        at = self._truncated(row["updated_at"])
        if bounds.start:
            start = max(bounds.start, FLOOR)
            if at < start or (at == start and self.bounds[0] == "("):
                return False
        if bounds.end:
            return at < bounds.end or (at == bounds.end and self.bounds[1] == "]")
        return True

    def _truncated(self, at: str) -> str:
        return whole_second(at) if self.unit == "second" else at


def naive_pages(listing: Listing, window: Bounds) -> Iterator[Row]:
    """Read by page number until the last page: what every other loader does."""
    number = 1
    while True:
        try:
            page = listing(number, window)
        except PastTheEndError:
            return
        yield from page.rows
        if page.is_last:
            return
        number += 1


class Eagerly:
    """Runs submitted work in a random order, but never before it is submitted."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        """Submit work; some of what waits runs at once, in any order."""
        future: _Lazy = _Lazy(self)
        self._waiting.append((future, lambda: work(*args)))
        if self._random.random() < 0.5:
            self.run_one()
        return future

    def run_one(self) -> None:
        """Run one piece of waiting work."""
        if self._waiting:
            future, work = self._waiting.pop(self._random.randrange(len(self._waiting)))
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except Exception as error:  # noqa: BLE001 - a future keeps any error
                    future.set_exception(error)

    def pool(self, ahead: int) -> Pool:
        """Return a pool that fetches so many pages ahead."""
        return Pool(self.submit, ahead)


class _Lazy(Future[Any]):
    def __init__(self, executor: Eagerly) -> None:
        super().__init__()
        self._executor = executor

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self._executor.run_one()
        return super().result(timeout)


def world_of(times: Iterable[float], random: Random, *, changes: int = 0) -> World:
    """Return a world with a row at each time, in seconds before the run began."""
    rows = {}
    for position, seconds in enumerate(times):
        at = from_datetime(to_datetime(shift(RUN_START, -seconds)))
        status = random.choice(["pending", "declined", "completed"])
        rows[f"row-{position}"] = {"id": f"row-{position}", "updated_at": at, "status": status}
    return World(rows, random, changes)
