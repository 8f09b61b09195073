"""Reading a list by value: every row of a window, whatever changes meanwhile.

Everything here is pure: a function that fetches one page goes in, rows come out; no HTTP, no
clock, no log. Rows are dicts with an ``id`` and a sort key in the uniform form of
`tap_qonto.api.instants`.

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
  segment that counts too many is cut again. Where places would stay empty, what will follow a page
  under way is read beside it. Counts decide what is asked next, never what is complete.
* A second with more rows than a page has no value to go on from. It is read page by page, from
  the last to the first, until all have been seen (`Block`).
"""

from __future__ import annotations

from collections import deque
from math import ceil, sqrt
from typing import TYPE_CHECKING

from tap_qonto.api.errors import CeilingError, ListError, PastTheEndError, UnsortedError
from tap_qonto.api.instants import middle, seconds_between, shift, whole_second
from tap_qonto.reading.block import CEILING, Block, Bounds, Listing, restart
from tap_qonto.reading.desk import Segment
from tap_qonto.reading.order import New

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tap_qonto.api.pages import Page, Row
    from tap_qonto.reading.block import Fetch
    from tap_qonto.reading.desk import Desk, Steps

SHORTEST = 2.5
"""Pages that a segment should hold at least: its last question seldom gets a whole page."""

_FILLED = 7 / 8
"""How much of a page that is under way most likely holds: what lies behind it is asked for now."""

LONG_AGO = "1970-01-01T00:00:00.000000Z"
"""Before any key, as far as anybody knows."""


def read_window(
    fetch: Fetch,
    window: Bounds,
    *,
    key: str,
    desk: Desk,
    endless: bool = False,
    present: str | None = None,
    oldest: str = LONG_AGO,
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
        oldest: The earliest key that there can be, if the window is open at its start; uniform.
        ceiling: Rows that the server lists for one query.
        on_count: Is told how many rows the window has in all, once that is known.
        pause: Is called before a page is asked for again that was not whole, with the number of
            times it has been asked for, on the desk's threads.

    Raises:
        ListError: While rows are taken: if more rows than the ceiling share one second, if the
            server does not sort, or if it keeps sending fewer rows than it counts.
    """
    listing = Listing(fetch, key, endless=endless, ceiling=ceiling, pause=pause)
    span = Bounds(window.start or oldest, window.end or present)
    return WindowReading(listing, window, span, desk, on_count)


class _Stretch(Segment):
    """A part of a window, from `at`, up to which it has been read, to before `end`."""

    def __init__(self, start: str | None, end: str | None) -> None:
        super().__init__()
        self.start = start
        self.at = start
        self.end = end
        self.left = 0.0
        """How many rows follow `at`, as far as counts and time tell; 0 if nothing does."""


class WindowReading:
    """The rows of one window, each once, in order; see `read_window`."""

    def __init__(
        self,
        listing: Listing,
        window: Bounds,
        span: Bounds,
        desk: Desk,
        on_count: Callable[[int], None],
    ) -> None:
        self._list = listing
        self._window = window
        self._desk = desk
        self._span = span
        self._held = 0
        """How many rows a page holds that is not the last one."""
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
        new = New(self._list.key, self._window)
        try:
            while self.segments:
                first = self.segments[0]
                self._desk.serve(first)
                if first.pages:
                    early, rows, promised = first.pages.pop(0)
                    start = max(early or "", first.start or "")
                    yield from new.of(rows, Bounds(start, first.end), promised)
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
        said_last: Page | None = None
        while True:
            early, end = restart(stretch.at), stretch.end
            try:
                page = yield from self._list.page(1, Bounds(early, self._until(end)))
            except PastTheEndError:
                return
            except CeilingError:
                # Some servers may refuse the first page too. Less can only be asked for in time.
                self._halve(stretch)
                continue
            self._tell(page)
            stretch.pages.append((early, page.rows, page.promised))
            last = self._list.last_key(page.rows)
            if self._is_end(page, said_last) or self._is_beyond(last, stretch):
                return
            said_last = page if page.is_last else None
            if last is None:
                msg = f"Qonto sent a whole page of rows without {self._list.key}, which sorts them"
                raise ListError(msg)
            if early is None or whole_second(last) > shift(early, 1):
                stretch.at = last
                self._cut(stretch, page, end)
            elif last < early:
                msg = f"Qonto was asked for rows by {self._list.key}, but sent earlier ones"
                raise UnsortedError(msg)
            else:
                stretch.left = 0
                yield from self._read_block(stretch, early, last)
                if self._is_beyond(stretch.at, stretch):
                    return

    def _is_end(self, page: Page, said_last: Page | None) -> bool:
        """Return whether no rows follow a page, whatever it counts.

        Args:
            page: The page.
            said_last: The one before, if it was full and counted none after it. A server that
                ignores the filter sends it again.
        """
        if not page.is_last or not page.is_full or self._list.last_key(page.rows) is None:
            return page.is_last
        return said_last is not None and page.rows[0]["id"] == said_last.rows[0]["id"]

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

    def _cut(self, stretch: _Stretch, page: Page, asked: str | None) -> None:
        """Cut what is left of a stretch, if that is much, into parts that are read beside it.

        Args:
            stretch: The stretch, read up to the end of the page.
            page: Its last page.
            asked: Where the stretch ended when that was asked for.
        """
        if self._list.endless or stretch.at is None:
            return
        end = stretch.end or self._span.end
        stretch.left = self._following(stretch, page, asked) if end else 0
        if end is None or not stretch.left:
            return
        self._held = len(page.rows)
        parts = min(
            best_parts(stretch.left, self._held, self._desk.places, self._desk.spare),
            self._longest(stretch.at, end),
        )
        if parts <= 1:
            return
        stretch.left /= parts
        step = seconds_between(stretch.at, end) / parts
        cuts = [whole_second(shift(stretch.at, step * number)) for number in range(1, parts)]
        position = self.segments.index(stretch) + 1
        ends = [*cuts[1:], stretch.end]
        stretch.end = cuts[0]
        for offset, (start, until) in enumerate(zip(cuts, ends, strict=True)):
            part = _Stretch(start, until)
            part.left = stretch.left
            self._begin(part, position + offset)

    def _following(self, stretch: _Stretch, page: Page, asked: str | None) -> float:
        """Return how many rows follow a page in its stretch, as far as counts and time tell."""
        held = len(page.rows)
        counted = (page.pages or 1) * held if page.total is None else page.total
        at, end, before = stretch.at, stretch.end or self._span.end, asked or self._span.end
        if counted <= held or at is None or end is None or before is None or at >= min(end, before):
            return 0
        return (counted - held) * seconds_between(at, end) / seconds_between(at, before)

    def split(self) -> _Stretch | None:
        """Begin to read what will follow the page under way of the stretch with the most left."""
        asked = [one for one in self.segments if not one.over and not one.questions]
        stretch = max(asked, key=lambda one: one.left, default=None)
        if stretch is None or stretch.at is None or stretch.left <= self._held:
            return None
        end = stretch.end or self._span.end
        if end is None or self._longest(stretch.at, end) <= 1:
            return None
        coming = (max(1, int(stretch.left / 2 / self._held)) - 1 + _FILLED) * self._held
        whole = seconds_between(stretch.at, end)
        cut = whole_second(shift(stretch.at, max(whole * coming / stretch.left, 2)))
        later = _Stretch(cut, stretch.end)
        later.left, stretch.left, stretch.end = stretch.left - coming, coming, cut
        self._begin(later, self.segments.index(stretch) + 1)
        return later

    @staticmethod
    def _longest(start: str, end: str) -> int:
        """Return into how many parts of some seconds a time can be cut."""
        return int(seconds_between(start, end) / 4)

    def _halve(self, stretch: _Stretch) -> None:
        """Leave the later half of a stretch to another one.

        Raises:
            ListError: If it is too short for that.
        """
        low, end = stretch.at or self._span.start or LONG_AGO, stretch.end or self._span.end
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
            block = Block(self._list, bounds, until)
            try:
                yield from block.read()
            except CeilingError:
                continue
            stretch.pages.append((early, block.rows, 0))
            stretch.at = until
            return
        raise self._too_many(last)


def best_parts(rows: float, page: int, places: int, spare: int = 0) -> int:
    """Return into how many parts to cut rows, so that few questions follow each other.

    Rows are not spread evenly, so some parts get more than others; and each question repeats a
    row. Rows that are far too many for that are cut again and again.

    Args:
        rows: How many rows there are.
        page: How many a page holds.
        places: How many questions can be under way at the same time.
        spare: How many of these nobody needs: there even a part of a page saves waiting.
    """
    if rows > 4 * places * page:
        return places
    best, cost = 1, float("inf")
    for parts in range(1, places + 1):
        share = rows / parts
        if parts > 1 and share < SHORTEST * page and parts > spare:
            break
        questions = ceil((share + sqrt(share)) / max(page - 1, 1))
        # Half a question more in all is a fair price for one less to wait for.
        if (now := (parts + 0.5) * questions) <= cost:
            best, cost = parts, now
    return best
