"""Reading lists without losing a row, whatever changes meanwhile.

Everything here is pure: a function that fetches one page goes in, rows come out; no HTTP, no
clock. Rows are dicts with an ``id`` and a sort key in the uniform form of `tap_qonto.instants`.

A list that can be sorted and filtered by one key is read *by value* (`read_window`). Its window
ends before the run began, so a row that changes during the run can only leave the window, and
nothing enters it. Two things follow:

* Pages can be fetched in parallel. A page whose answer counts as many rows as page 1 did is an
  exact slice of the same list; as soon as one counts differently, reading starts again at the
  last value emitted.
* Pages read one after the other from the last to the first lose nothing, whatever leaves: a row
  only ever moves towards the pages still to come. This is how a second with more than a page of
  rows is read when the list does not hold still.

A window with more rows than Qonto lists is halved in time. Nobody knows whether Qonto's bounds
are inclusive, or to which unit they are rounded; so whatever is read anew starts a second early,
and rows already emitted with the same id and key are dropped.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from tap_qonto.api.errors import CeilingError, ListError, PastTheEndError, UnsortedError
from tap_qonto.api.instants import FLOOR, middle, shift, whole_second

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from tap_qonto.api.pages import Page, Pool, Row


CEILING = 10_000
"""Rows that Qonto lists for one query; a query that matches more is refused beyond them."""


class Bounds(NamedTuple):
    """What rows are asked for: keys from `start` to `end`, in the uniform form; None is open."""

    start: str | None
    end: str | None


def read_window(  # noqa: PLR0913 - each argument is an independent fact about the list
    fetch: Callable[[int, Bounds], Page],
    window: Bounds,
    *,
    key: str,
    pool: Pool,
    endless: bool = False,
    ceiling: int = CEILING,
    on_count: Callable[[int], None] = lambda _count: None,
) -> Iterator[Row]:
    """Yield every row of a window in ascending order of its key.

    A row that changes while the window is read may be missing (it has left the window, and the
    next run finds it) or appear as it was before. Every other row appears exactly once.

    Args:
        fetch: Returns one page of the rows between two bounds, sorted ascending by the key. May
            raise `PastTheEndError` and `CeilingError`.
        window: First and last key. The end must lie in the past.
        key: Name of the sort key. Rows without a value are emitted where they stand.
        pool: Fetches the pages.
        endless: The endpoint cannot filter by the end. New rows then enter during the read and
            counts prove nothing, so every page is read as the first one from the last value.
        ceiling: Rows that the server lists for one query.
        on_count: Is told how many rows the window has in all, whenever that becomes known.

    Raises:
        ListError: If more rows than the ceiling share one second, if the server does not sort, or
            if the pages do not hold the rows that their answers count.
    """
    memory = _Memory(key, window)
    ends = [window.end]
    while ends:
        bounds = Bounds(memory.restart(), None if endless else ends[-1])
        emitted = memory.emitted
        complete = False
        try:
            first = fetch(1, bounds)
            if len(ends) == 1 and first.total is not None and first.total != ceiling:
                on_count(memory.emitted + first.total)
            yield from memory.new(first.rows)
            if endless or first.is_last:
                complete = first.is_last or memory.is_beyond(first.rows)
            elif (first.total or 0) < ceiling:
                complete = yield from _pages_that_agree(first, fetch, bounds, memory, pool)
            else:
                raise CeilingError  # noqa: TRY301 - the count may be capped, so it proves nothing
        except PastTheEndError:
            complete = True
        except CeilingError:
            start = memory.reached or FLOOR
            if half := _halfway(start, bounds.end):
                ends.append(half)
            else:
                yield from memory.new(_just_full(fetch, bounds, key, start, ceiling))
                memory.close(ends.pop())
            continue
        if complete:
            memory.close(ends.pop())
        elif memory.emitted == emitted:
            # A second with more rows than a page holds, in a list that does not hold still.
            until = _next_second(memory.reached, bounds.end)
            yield from memory.new(_backwards(fetch, Bounds(bounds.start, until), key))
            memory.close(ends.pop() if endless else until)


def _pages_that_agree(
    first: Page,
    fetch: Callable[[int, Bounds], Page],
    bounds: Bounds,
    memory: _Memory,
    pool: Pool,
) -> Generator[Row, None, bool]:
    """Yield the new rows of page 2 and on; return whether the list held still to the end."""
    held = len(first.rows)
    try:
        for page in pool.fetch_in_order(lambda number: fetch(number, bounds), first.pages or 1):
            if page.total != first.total:
                return False
            held += len(page.rows)
            yield from memory.new(page.rows)
    except PastTheEndError:
        return False
    if first.total is not None and held != first.total:
        msg = f"Qonto's answers count {first.total} rows, but their pages hold {held}; run again"
        raise ListError(msg)
    return True


def _backwards(fetch: Callable[[int, Bounds], Page], bounds: Bounds, key: str) -> list[Row]:
    """Return the rows of a small window, read from its last page to its first."""
    rows: list[Row] = []
    for number in range(fetch(1, bounds).pages or 1, 0, -1):
        try:
            rows += fetch(number, bounds).rows
        except PastTheEndError:
            continue
    rows.sort(key=lambda row: row.get(key) or "")
    return rows


def _halfway(start: str, end: str | None) -> str | None:
    """Return the second in the middle of a window; None if it has no middle."""
    half = middle(start, end) if end else start
    return half if half > shift(whole_second(start), 0.5) else None


def _just_full(
    fetch: Callable[[int, Bounds], Page], bounds: Bounds, key: str, start: str, ceiling: int
) -> list[Row]:
    """Return the rows of a window too short to split, if they are no more than Qonto lists.

    A count at the ceiling may be exact or capped; only the page after the last one tells.
    """
    try:
        first = fetch(1, bounds)
        if first.total == ceiling:
            fetch((first.pages or 1) + 1, bounds)
    except PastTheEndError:
        return _backwards(fetch, bounds, key)
    except CeilingError:
        pass
    msg = (
        f"more than {ceiling} rows share the second {start[:19]}Z. Qonto lists no more than that "
        "for one query and cannot be asked for less than a second. Nothing was skipped: the "
        "bookmark stays before them. Ask Qonto's support, or set a start_date after them"
    )
    raise ListError(msg)


def _next_second(reached: str | None, end: str | None) -> str | None:
    return end if reached is None or end is None else min(end, shift(whole_second(reached), 1))


def restart(key: str | None) -> str | None:
    """Return the bound to ask for so that no reading of it leaves out a row with this key."""
    return None if key is None else shift(whole_second(key), -1)


class _Memory:
    """What has been emitted of a window, as far back as it can come again."""

    def __init__(self, key: str, window: Bounds) -> None:
        self.reached: str | None = None
        """The latest key up to which the window is complete."""
        self.emitted = 0
        self._key = key
        self._window = window
        self._seen: dict[str, str] = {}
        self._lower = window.start or ""
        self._previous = ""

    def restart(self) -> str | None:
        """Return where to ask from, a second early; what follows must be in order from there."""
        self._previous = ""
        early = restart(self.reached or self._window.start)
        self._lower = max(early or "", self._window.start or "")
        return early

    def close(self, end: str | None) -> None:
        """Note that everything up to the end of a window has been read."""
        if end is not None and (self.reached is None or end > self.reached):
            self.reached = end
            self._forget()

    def is_beyond(self, rows: Sequence[Row]) -> bool:
        """Return whether a page ends after the window does."""
        at = rows[-1].get(self._key) if rows else None
        return bool(at and self._window.end and at > self._window.end)

    def new(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that lie in the window and have not been emitted."""
        key, seen, end = self._key, self._seen, self._window.end
        new: list[Row] = []
        counted = 0
        for row in rows:
            at = row.get(key)
            if at is None:
                new.append(row)
                continue
            if at < self._lower or (end is not None and at > end) or seen.get(row["id"]) == at:
                continue
            if at < self._previous:
                msg = f"Qonto was asked for rows sorted by {key}, but sent them in another order"
                raise UnsortedError(msg)
            self._previous = at
            seen[row["id"]] = at
            counted += 1
            new.append(row)
        if self._previous and (self.reached is None or self._previous > self.reached):
            self.reached = self._previous
        self.emitted += counted
        self._forget()
        return new

    def _forget(self) -> None:
        """Forget the rows that no restart can bring back."""
        if self.reached is not None:
            horizon = shift(whole_second(self.reached), -1)
            self._seen = {row: at for row, at in self._seen.items() if at >= horizon}


def merge(sequences: Sequence[Iterator[Row]], *, key: str) -> Iterator[Row]:
    """Yield the rows of several ascending sequences as one, each row and key once."""
    if len(sequences) == 1:
        yield from sequences[0]
        return
    now, here = "", set[str]()
    for row in heapq.merge(*sequences, key=lambda row: row.get(key) or ""):
        at = row.get(key) or ""
        if at != now:
            now, here = at, set()
        if row["id"] not in here:
            here.add(row["id"])
            yield row
