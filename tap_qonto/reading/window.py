"""Reading a list by value: every row of a window, whatever changes meanwhile.

Everything here is pure: a function that fetches one page goes in, rows come out; no HTTP, no
clock, no log. Rows are dicts with an ``id`` and a sort key in the uniform form of
`tap_qonto.instants`.

The window ends before the run began, so a row that changes during the run can only leave it. Even
so, no page but the first of a query can be trusted. While one row leaves and another, with an
earlier key, becomes visible late, the count stays and a third row moves from a page still to come
to one that has been read; and servers put rows with equal keys into another order at each request.
So every question is for *page 1 from the last value on*: what leaves or joins behind that value
moves nothing in front of it.

* Nobody knows whether Qonto's bounds are inclusive, or to which unit they are rounded. What is
  read anew starts a second early, and rows already emitted with the same id and key are dropped.
* The window is cut in time into segments, which are read side by side and emitted in order. The
  first answer of a segment brings its count and its first rows, so a cut costs little, and a
  segment that counts too many is cut again. Counts decide what is asked next, never what is
  complete.
* A second with more rows than a page has no value to go on from. It is read page by page, from
  the last to the first, until all have been seen (`_Block`).
"""

from __future__ import annotations

from collections import deque
from math import ceil, sqrt
from typing import TYPE_CHECKING, NamedTuple

from tap_qonto.instants import FLOOR, middle, seconds_between, shift, whole_second
from tap_qonto.pagination import (
    CeilingError,
    ListError,
    Page,
    PastTheEndError,
    Row,
    UnsortedError,
)
from tap_qonto.reading.desk import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from tap_qonto.reading.desk import Desk, Question, Steps

    Fetch = Callable[[int, "Bounds"], Page]
    Asking = Generator[Question, Page, Page]

CEILING = 10_000
"""Rows that Qonto lists for one query; a query that matches more is refused beyond them."""

TRIES = 4
"""How often a page is asked for whose rows are fewer than it says itself."""

SHORTEST = 2.5
"""Pages that a segment should hold at least: its last question seldom gets a whole page."""

_LONG_AGO = "1970-01-01T00:00:00.000000Z"


class Bounds(NamedTuple):
    """What rows are asked for: keys from `start` to `end`, in the uniform form; None is open."""

    start: str | None
    end: str | None


def restart(key: str | None) -> str | None:
    """Return the bound to ask for so that no reading of it leaves out a row with this key."""
    return None if key is None else shift(whole_second(key), -1)


def read_window(  # noqa: PLR0913 - each argument is an independent fact about the list
    fetch: Fetch,
    window: Bounds,
    *,
    key: str,
    desk: Desk,
    endless: bool = False,
    present: str | None = None,
    ceiling: int = CEILING,
    on_count: Callable[[int], None] = lambda _count: None,
    pause: Callable[[int], None] = lambda _tries: None,
) -> WindowReading:
    """Return every row of a window in ascending order of its key.

    A row that changes while the window is read may be missing (it has left the window, and the
    next run finds it) or appear as it was before. Every other row appears exactly once. Reading
    begins at once, as far as the desk has places.

    Args:
        fetch: Returns one page of the rows between two bounds, sorted ascending by the key. May
            raise `PastTheEndError` and `CeilingError`. Is called on the desk's threads.
        window: First and last key. The end must lie in the past, or be open where something else
            keeps new rows out.
        key: Name of the sort key. Rows without a value are emitted where they stand.
        desk: Asks the questions.
        endless: The endpoint cannot filter by the end.
        present: Where most keys end, if the window is open at its end; uniform.
        ceiling: Rows that the server lists for one query.
        on_count: Is told how many rows the window has in all, once that is known.
        pause: Is called before a page is asked for again that was not whole, with the number of
            times it has been asked for, on the desk's threads.

    Raises:
        ListError: While rows are taken: if more rows than the ceiling share one second, if the
            server does not sort, or if it keeps sending fewer rows than it counts.
    """
    listing = _List(fetch, key, endless=endless, ceiling=ceiling, pause=pause)
    return WindowReading(listing, window, desk, window.end or present, on_count)


class _List:
    """The list that is read: what can be asked, and what an answer is worth."""

    def __init__(
        self,
        fetch: Fetch,
        key: str,
        *,
        endless: bool,
        ceiling: int,
        pause: Callable[[int], None],
    ) -> None:
        self.key = key
        self.endless = endless
        self.ceiling = ceiling
        self._fetch = fetch
        self._pause = pause

    def page(self, number: int, bounds: Bounds) -> Asking:
        """Ask for a page until it holds what it counts.

        Raises:
            ListError: If it never does.
        """
        if self.endless:
            bounds = bounds._replace(end=None)
        for tries in range(TRIES):
            page: Page = yield lambda tries=tries: self._asked(number, bounds, tries)  # type: ignore[misc]
            if not page.is_short:
                return page
        msg = (
            f"Qonto counts {page.total} rows, but page {number} of {page.pages} holds only "
            f"{len(page.rows)}, however often it is asked for. Nothing was skipped: the bookmark "
            "stays before them, and the next run reads on from there"
        )
        raise ListError(msg)

    def _asked(self, number: int, bounds: Bounds, tries: int) -> Page:
        if tries:
            self._pause(tries)
        return self._fetch(number, bounds)

    def last_key(self, rows: Sequence[Row]) -> str | None:
        """Return the greatest key of a page, without making more rows than needed."""
        if not rows:
            return None
        last: str | None = rows[-1].get(self.key)
        return last or max((row.get(self.key) or "" for row in rows), default=None) or None


class _Stretch(Segment):
    """A part of a window, from `at`, up to which it has been read, to before `end`."""

    def __init__(self, start: str | None, end: str | None) -> None:
        super().__init__()
        self.start = start
        self.at = start
        self.end = end


class WindowReading:
    """The rows of one window, each once, in order; see `read_window`."""

    def __init__(
        self,
        listing: _List,
        window: Bounds,
        desk: Desk,
        present: str | None,
        on_count: Callable[[int], None],
    ) -> None:
        self._list = listing
        self._window = window
        self._desk = desk
        self._present = present
        self._on_count: Callable[[int], None] | None = on_count
        self.segments: deque[_Stretch] = deque()
        self._rows = self._take()
        self._begin(_Stretch(window.start, None), 0)
        desk.enter(self)

    def __iter__(self) -> Iterator[Row]:
        """Return itself."""
        return self

    def __next__(self) -> Row:
        """Return the next row."""
        return next(self._rows)

    def close(self) -> None:
        """Ask nothing more."""
        self._rows.close()
        self._desk.leave(self)

    def _take(self) -> Generator[Row, None, None]:
        new = _New(self._list.key, self._window)
        try:
            while self.segments:
                first = self.segments[0]
                self._desk.serve(first)
                if first.pages:
                    yield from new.of(first.pages.pop(0), first)
                elif first.error:
                    raise first.error
                else:
                    self.segments.popleft()
                    new.forget()
        finally:
            self._desk.leave(self)

    def _begin(self, stretch: _Stretch, position: int) -> None:
        self.segments.insert(position, stretch)
        stretch.begin(self._read(stretch))

    def _read(self, stretch: _Stretch) -> Steps:
        """Ask for page 1 from the last value on until the stretch has come to its end."""
        while True:
            early = restart(stretch.at)
            try:
                page = yield from self._list.page(1, Bounds(early, self._until(stretch.end)))
            except PastTheEndError:
                return
            except CeilingError:
                # Some servers may refuse the first page too. Less can only be asked for in time.
                self._halve(stretch)
                continue
            self._tell(page)
            stretch.pages.append(page.rows)
            last = self._list.last_key(page.rows)
            if page.is_last or self._is_beyond(last, stretch):
                return
            if last is None:
                msg = f"Qonto sent a whole page of rows without {self._list.key}, which sorts them"
                raise ListError(msg)
            if early is None or whole_second(last) > shift(early, 1):
                stretch.at = last
                self._cut(stretch, page)
            elif last < early:
                msg = f"Qonto was asked for rows by {self._list.key}, but sent earlier ones"
                raise UnsortedError(msg)
            else:
                yield from self._read_block(stretch, early, last)
                if self._is_beyond(stretch.at, stretch):
                    return

    def _until(self, end: str | None) -> str | None:
        """Return the bound to ask for so that nothing before the end is left out."""
        last = self._window.end
        return end if last is None else min(end or last, last)

    def _is_beyond(self, key: str | None, stretch: _Stretch) -> bool:
        """Return whether everything before this key is all that a stretch can hold."""
        if key is None:
            return False
        if stretch.end is not None and key >= stretch.end:
            return True
        return self._window.end is not None and key > self._window.end

    def _tell(self, page: Page) -> None:
        """Tell the count of the first answer, unless it may be capped."""
        if self._on_count and page.total is not None and page.total != self._list.ceiling:
            self._on_count(page.total)
        self._on_count = None

    def _cut(self, stretch: _Stretch, page: Page) -> None:
        """Cut what is left of a stretch, if that is much, into parts that are read beside it."""
        if self._list.endless or stretch.at is None:
            return
        end = stretch.end or self._present
        held = len(page.rows)
        left = (page.pages or 1) * held if page.total is None else page.total
        parts = min(
            best_parts(left - held, held, self._desk.places), self._longest(stretch.at, end)
        )
        if end is None or parts <= 1:
            return
        step = seconds_between(stretch.at, end) / parts
        cuts = [
            whole_second(shift(stretch.at, step * number)) for number in range(1, parts)
        ]
        position = self.segments.index(stretch) + 1
        ends = [*cuts[1:], stretch.end]
        stretch.end = cuts[0]
        for offset, (start, until) in enumerate(zip(cuts, ends, strict=True)):
            self._begin(_Stretch(start, until), position + offset)

    @staticmethod
    def _longest(start: str, end: str | None) -> int:
        """Return into how many parts of some seconds a time can be cut."""
        return 0 if end is None else int(seconds_between(start, end) / 4)

    def _halve(self, stretch: _Stretch) -> None:
        """Leave the later half of a stretch to another one.

        Raises:
            ListError: If it is too short for that.
        """
        low, end = stretch.at or _LONG_AGO, stretch.end or self._present
        half = middle(low, end) if end else low
        if self._list.endless:
            msg = (
                f"Qonto lists no more than {self._list.ceiling} rows for one query, more than that "
                f"follow {low[:19]}Z, and they cannot be asked for in parts. Set a start_date"
            )
            raise ListError(msg)
        if half <= shift(whole_second(low), 0.5):
            raise self._too_many(low)
        later = _Stretch(half, stretch.end)
        stretch.end = half
        self._begin(later, self.segments.index(stretch) + 1)

    def _too_many(self, key: str) -> ListError:
        return ListError(
            f"more than {self._list.ceiling} rows share the second {key[:19]}Z. Qonto lists no "
            "more than that for one query and cannot be asked for less than a second. Nothing was "
            "skipped: the bookmark stays before them. Ask Qonto's support, or set a start_date "
            "after them"
        )

    def _read_block(self, stretch: _Stretch, early: str, last: str) -> Steps:
        """Read the seconds in which a page ends where it began.

        With the second after them, so that what follows may start a second early without meeting
        the big one again; without, if that would be more than the server lists.
        """
        for seconds in (3, 2):
            until = shift(early, seconds)
            bounds = Bounds(early, self._until(min(until, stretch.end or until)))
            block = _Block(self._list, bounds, until)
            try:
                yield from block.read()
            except CeilingError:
                continue
            stretch.pages.append(block.rows)
            stretch.at = until
            return
        raise self._too_many(last)


def best_parts(rows: int, page: int, places: int) -> int:
    """Return into how many parts to cut rows, so that few questions follow each other.

    Rows are not spread evenly, so some parts get more than others; and each question repeats a
    row. Rows that are far too many for that are cut again and again.

    Args:
        rows: How many rows there are.
        page: How many a page holds.
        places: How many questions can be under way at the same time.
    """
    if rows > 4 * places * page:
        return places
    best, cost = 1, float("inf")
    for parts in range(1, places + 1):
        share = rows / parts
        if parts > 1 and share < SHORTEST * page:
            break
        questions = ceil((share + sqrt(share)) / max(page - 1, 1))
        # Half a question more in all is a fair price for one less to wait for.
        if (now := (parts + 0.5) * questions) <= cost:
            best, cost = parts, now
    return best


_MANY_READINGS = 30
"""How often a block is read until it has been seen whole; 100 pages in any order take about 12."""


class _Block:
    """Rows that are too close in time to go on from a value: at most what a server lists at once.

    Pages are read from the last to the first, since a row that leaves moves others only towards
    the pages still to come. A reading is calm if it adds nothing. One that shows a row twice
    proves that rows move in other ways too, and then more calm readings are wanted.
    """

    def __init__(self, listing: _List, bounds: Bounds, until: str) -> None:
        self._list = listing
        self._bounds = bounds
        self._until = until
        self._found: dict[tuple[str, str], Row] = {}
        self._twice = False

    @property
    def rows(self) -> list[Row]:
        """The rows found, in order."""
        return [
            row for (_, at), row in sorted(self._found.items(), key=lambda entry: entry[0][1])
            if at < self._until
        ]  # fmt: skip

    def read(self) -> Steps:
        """Read until as many different rows have been seen as there are.

        Raises:
            CeilingError: If there are more than the server lists.
            ListError: If that never happens.
        """
        pages = yield from self._last_page()
        calm = 0
        for _ in range(_MANY_READINGS):
            known = len(self._found)
            first = yield from self._reading(pages)
            pages = self._pages(first, pages)
            calm = 0 if len(self._found) > known else calm + 1
            if calm >= (4 if self._twice else 1) and len(self._found) >= self._promised(first):
                return
        msg = (
            f"the rows around {self._until[:19]}Z do not hold still: {len(self._found)} of "
            f"{self._promised(first)} were seen in {_MANY_READINGS} readings. Nothing was skipped; "
            "run again"
        )
        raise ListError(msg)

    def _last_page(self) -> Generator[Question, Page, int]:
        """Return the number of the last page that may hold rows of the block."""
        page = yield from self._list.page(1, self._bounds)
        if self._list.endless:
            while not page.is_last and (self._list.last_key(page.rows) or "") < self._until:
                page = yield from self._list.page(page.number + 1, self._bounds)
            return page.number
        pages = page.pages or 1
        if (page.total or 0) > self._list.ceiling:
            raise CeilingError
        if page.total == self._list.ceiling:
            # The count may be exact or capped; only the page after the last one tells.
            try:
                yield from self._list.page(pages + 1, self._bounds)
            except PastTheEndError:
                pass
            else:
                raise CeilingError
        return pages

    def _reading(self, pages: int) -> Asking:
        """Read the pages from the last to the first; return the first."""
        seen = set[tuple[str, str]]()
        number = pages
        page = Page(())
        while number:
            try:
                page = yield from self._list.page(number, self._bounds)
            except PastTheEndError:
                number -= 1
                continue
            if number == pages < self._pages(page, pages):
                pages = number = self._pages(page, pages)
                continue
            for row in page.rows:
                identity = (row["id"], row.get(self._list.key) or "")
                if self._list.endless and identity[1] >= self._until:
                    break
                self._twice = self._twice or identity in seen
                seen.add(identity)
                self._found.setdefault(identity, row)
            number -= 1
        return page

    def _pages(self, page: Page, before: int) -> int:
        return before if self._list.endless else page.pages or 1

    def _promised(self, first: Page) -> int:
        """Return how many different rows there must be at least."""
        return 0 if self._list.endless else first.total or 0


class _New:
    """Which rows have not been emitted, as far back as they can come again."""

    def __init__(self, key: str, window: Bounds) -> None:
        self._key = key
        self._window = window
        self._seen: dict[str, str] = {}
        self._keyless = set[str]()

    def forget(self) -> None:
        """Forget what a stretch has emitted: its rows belong to no other."""
        self._seen.clear()

    def of(self, rows: Sequence[Row], stretch: _Stretch) -> list[Row]:
        """Return the rows that belong to a stretch and have not been emitted.

        Raises:
            UnsortedError: If they are not in order.
        """
        key, seen, end, until = self._key, self._seen, self._window.end, stretch.end
        lower = stretch.start or ""
        previous = ""
        new: list[Row] = []
        for row in rows:
            at = row.get(key)
            if at is None:
                if row["id"] not in self._keyless:
                    self._keyless.add(row["id"])
                    new.append(row)
                continue
            if at < previous:
                msg = f"Qonto was asked for rows sorted by {key}, but sent them in another order"
                raise UnsortedError(msg)
            previous = at
            if (
                at < lower
                or (end is not None and at > end)
                or (until is not None and at >= until)
                or seen.get(row["id"]) == at
            ):
                continue
            seen[row["id"]] = at
            new.append(row)
        if previous:
            horizon = restart(previous) or ""
            self._seen = {row: at for row, at in seen.items() if at >= horizon}
        return new
