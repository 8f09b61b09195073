"""Small worlds that change between requests, and a server that lists them in every known way."""

from __future__ import annotations

import itertools
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import CeilingError, PastTheEndError
from tap_qonto.api.instants import from_datetime, shift, to_datetime, whole_second
from tap_qonto.api.pages import Page, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from random import Random

    from tap_qonto.reading.block import Bounds

Row = dict[str, Any]

RUN_START = "2026-06-01T12:00:00.000000Z"
WINDOW_END = shift(RUN_START, -1)


@dataclass
class World:
    """Rows that somebody changes whenever a request comes in.

    The clock of the world only moves forward, and every change gets the current time as its key;
    but a row may also become visible late, with the key that it got before the run began.

    Attributes:
        kinds: What may happen: ``update``, ``insert``, ``delete``, ``late`` (a row with an old key
            becomes visible), ``swap`` (one row is updated while another becomes visible late).
        touched: Names of the rows that were changed or deleted since the world began.
        late: How many rows may become visible late: a list that grows faster than it can be read
            has no end.
    """

    rows: dict[str, Row]
    random: Random
    changes_per_request: int = 0
    now: str = RUN_START
    created: Iterator[int] = field(default_factory=itertools.count)
    touched: set[str] = field(default_factory=set)
    kinds: Sequence[str] = ("update", "update", "insert", "delete")
    late: int = 60

    def tick(self) -> None:
        """Let time pass, and rows be changed."""
        for _ in range(self.random.randint(0, self.changes_per_request)):
            self.now = shift(self.now, self.random.choice([0.001, 0.5, 2, 90]))
            kind = self.random.choice(self.kinds)
            if kind in {"late", "swap"}:
                self.late -= 1
                if self.late < 0:
                    continue
            match kind:
                case "update":
                    self._update()
                case "insert":
                    self._add(self.now)
                case "delete":
                    self._delete()
                case "late":
                    self._add(self._old_key())
                case "swap":
                    late = self._old_key()
                    self._update()
                    self._add(late)

    def _any(self) -> str | None:
        return self.random.choice(list(self.rows)) if self.rows else None

    def _old_key(self) -> str:
        """Return the key of some row, moved a little, but not into the run."""
        name = self._any()
        at = self.rows[name]["updated_at"] if name else WINDOW_END
        moved: str = shift(at, self.random.choice([0, 0, -0.5, -3600, 3600, -86_400]))
        return moved if moved < WINDOW_END else shift(WINDOW_END, -5)

    def _add(self, at: str) -> None:
        name = f"new-{next(self.created)}"
        status = self.random.choice(["pending", "completed"])
        self.rows[name] = {"id": name, "updated_at": at, "status": status}

    def _delete(self) -> None:
        if name := self._any():
            self.touched.add(name)
            del self.rows[name]

    def _update(self) -> None:
        if name := self._any():
            self.touched.add(name)
            self.rows[name] = {**self.rows[name], "updated_at": self.now, "status": "completed"}


@dataclass
class Listing:
    """A list endpoint: sorted ascending by `updated_at`, with everything nobody is sure about.

    Attributes:
        bounds: Whether the filters keep rows that equal them.
        unit: What keys are cut to before they are compared with a filter.
        per_page: Rows of a page.
        ceiling: Rows beyond which a query is refused.
        capped: Whether counts stop at the ceiling.
        refuses_at_once: Whether such a query is refused from its first page on.
        shuffles: Whether rows with equal keys come in another order at each request.
        statuses: The statuses that match; None for all.
        requests: How many pages were asked for.
    """

    world: World
    bounds: str = "[]"
    unit: str = "millisecond"
    per_page: int = 3
    ceiling: int = 10_000
    capped: bool = False
    refuses_at_once: bool = False
    shuffles: bool = False
    statuses: tuple[str, ...] | None = None
    requests: int = 0

    def __call__(self, number: int, bounds: Bounds) -> Page:
        self.world.tick()
        self.requests += 1
        rows = [dict(row) for row in self.world.rows.values() if self._matches(row, bounds)]
        if self.shuffles:
            self.world.random.shuffle(rows)
        rows.sort(key=lambda row: row["updated_at"])
        beyond = number * self.per_page > self.ceiling or self.refuses_at_once
        if len(rows) > self.ceiling and beyond:
            raise CeilingError
        pages = -(-len(rows) // self.per_page)
        if number > max(pages, 1):
            raise PastTheEndError
        first = (number - 1) * self.per_page
        count = min(len(rows), self.ceiling) if self.capped else len(rows)
        held = rows[first : first + self.per_page]
        return Page(held, number, pages=pages, total=count, size=self.per_page)

    def _matches(self, row: Row, bounds: Bounds) -> bool:
        if self.statuses and row["status"] not in self.statuses:
            return False
        at = self._truncated(row["updated_at"])
        if bounds.start:
            start = bounds.start
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
                except Exception as error:
                    future.set_exception(error)

    def wait(self, under_way: Collection[Future[Any]]) -> None:
        """Run what waits until one of these is done."""
        while not any(future.done() for future in under_way):
            self.run_one()

    def pool(self, ahead: int, at_once: int = 4) -> Pool:
        """Return a pool that fetches so many pages ahead."""
        return Pool(self.submit, ahead, at_once, self.wait)


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
