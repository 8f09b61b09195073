"""Reading lists by page number, which have no filter to ask from a value on.

Everything here is pure: a function that fetches one page goes in, rows come out.

Pages of one list are answers of different moments, and that their counts agree proves nothing:
while one row leaves and another joins, the count stays and a third row moves from a page still to
come to one that has been read; and servers put rows without an order into another one at each
request. So rows are told apart and counted. A reading is *complete* when it has seen as many
different rows as the answers count. One page is one answer and needs no more. With two pages or
more the list is read again until two readings after another have seen the same rows.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tap_qonto.api.errors import CeilingError, ListError, PastTheEndError, QontoError
from tap_qonto.api.pages import Page
from tap_qonto.reading.block import CEILING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_qonto.api.pages import Pool, Row

    Fetch = Callable[[int], Page]

READINGS = 4
"""How often a list is read at most: once, and 3 times again."""


def read_numbered(
    fetch: Fetch,
    *,
    keys: Sequence[str],
    pool: Pool,
    readings: int = READINGS,
    ceiling: int = CEILING,
    on_count: Callable[[int], None] = lambda _count: None,
    on_change: Callable[[], None] = lambda: None,
    pause: Callable[[int], None] = lambda _readings: None,
) -> Iterator[Row]:
    """Yield every row of a list that has neither a filter nor a fixed order.

    Rows that come again in a later reading are emitted again only if they have changed.

    Args:
        fetch: Returns one page. May raise `PastTheEndError`.
        keys: Names of the primary key's fields.
        pool: Fetches the pages, if the first one says how many there are.
        readings: How often the list is read at most.
        ceiling: Rows that the server lists at most.
        on_count: Is told how many rows there are.
        on_change: Is told that a reading was incomplete or has seen other rows than the one
            before, so that the list is read again.
        pause: Is called before that, with the number of readings so far.

    Raises:
        CeilingError: If the list holds more rows than Qonto lists.
        ListError: After the last row, if no reading was complete or no two agreed.
    """
    tally = _Tally()
    expected = 0
    for reading in range(1, readings + 1):
        last = reading == readings
        walk = _Walk(fetch, pool, ceiling, expected=expected)
        tally.begin(reading)
        for page in walk.pages():
            if page.number == 1:
                on_count(page.total or len(page.rows))
            before = tally.different
            for row in page.rows:
                if tally.see([row.get(name) for name in keys], row):
                    yield row
            walk.has_shown(page, tally.different - before)
        if walk.is_whole(tally.different) and (walk.read == 1 or tally.agrees):
            return
        expected = walk.expected
        if (reading > 1 or not walk.is_whole(tally.different)) and not last:
            on_change()
            pause(reading)
    raise _unsettled(walk, tally, readings)


def read_newest_first(
    fetch: Fetch,
    *,
    key: str,
    start: str | None,
    end: str,
    readings: int = READINGS,
    ceiling: int = CEILING,
    on_count: Callable[[int], None] = lambda _count: None,
    on_change: Callable[[], None] = lambda: None,
    pause: Callable[[int], None] = lambda _readings: None,
) -> Iterator[Row]:
    """Yield the rows of a list sorted descending by a key, down to a start.

    A row that changes during the run moves to the front, which is no reason to read again: what
    counts are the rows between start and end. If it comes from a page still to come, it is found
    where it went.

    Args:
        fetch: Returns one page. May raise `PastTheEndError`.
        key: Name of the sort key.
        start: Rows with an earlier key are not needed, uniform; None reads everything.
        end: The last instant that the run reads, uniform. Rows after it are emitted too.
        readings: How often the list is read at most.
        ceiling: Rows that the server lists at most.
        on_count: Is told how many rows the whole list has.
        on_change: Is told that the list is read again, as in `read_numbered`.
        pause: Is called before that, with the number of readings so far.

    Raises:
        CeilingError: If more rows than Qonto lists have to be read.
        ListError: After the last row, as in `read_numbered`; the bookmark must stay then.
    """
    tally = _Tally()
    for reading in range(1, readings + 1):
        last = reading == readings
        # One page after the other: rows only ever move to the front or towards pages to come.
        walk = _Walk(fetch, None, ceiling, growing=True)
        tally.begin(reading)
        border = _Border(start)
        for page in chain(walk.pages(), walk.front(tally)):
            if page.number == 1:
                on_count(page.total or len(page.rows))
            before = tally.different
            for row in page.rows:
                at = row.get(key)
                border.pass_by(at)
                wanted = at is None or start is None or at >= start
                inside = wanted and (at is None or at <= end)
                if tally.see([row["id"]], row, counts=inside) and wanted:
                    yield row
            walk.has_shown(page, tally.different - before)
            if border.is_reached(page):
                walk.stop()
        if walk.is_whole(tally.different) and (walk.read == 1 or tally.agrees):
            return
        if (reading > 1 or not walk.is_whole(tally.different)) and not last:
            on_change()
            pause(reading)
    raise _unsettled(walk, tally, readings)


class _Border:
    """Where the rows begin that are not needed, in a list that should be newest first."""

    def __init__(self, start: str | None) -> None:
        self._start = start
        self._previous = ""
        self._in_order = True
        self._unclear = False

    def pass_by(self, at: str | None) -> None:
        """Look at the key of the next row."""
        if at is not None:
            self._in_order = self._in_order and (not self._previous or at <= self._previous)
            self._previous = at

    def is_reached(self, page: Page) -> bool:
        """Return whether no row that follows is needed.

        Without the promised order, an old row says nothing about the rows that follow it. Neither
        does it if a page may lack rows, which only the count of all would tell.
        """
        if page.total is not None and not page.is_last and page.size is None and not page.full:
            self._unclear = True
        return (
            self._in_order
            and not self._unclear
            and self._start is not None
            and "" < self._previous < self._start
        )


class _Walk:
    """One reading: the pages of a list, and whether they can be all.

    Args:
        fetch: Returns one page.
        pool: Fetches the pages side by side; None for one after the other.
        ceiling: Rows that the server lists at most.
        growing: Whether rows join in front only, where they move no other out of sight.
        expected: How many pages there were a moment ago; 0 if nobody knows.
    """

    def __init__(
        self,
        fetch: Fetch,
        pool: Pool | None,
        ceiling: int,
        *,
        growing: bool = False,
        expected: int = 0,
    ) -> None:
        self._fetch_one = fetch
        self._ceiling = ceiling
        self._pool = pool
        self._growing = growing
        self._stopped = False
        self._ended = False
        self._moved = False
        self.expected = expected
        """How many pages there are, as far as any answer said."""
        self.read = 0
        """How many pages have been read that held rows."""
        self.total: int | None = None
        """How many rows the answers count; None if they do not say."""

    def pages(self) -> Iterator[Page]:
        """Yield the pages, until told to stop."""
        try:
            for page in self._all():
                yield self._noted(page)
        except PastTheEndError:
            if not self.read:
                raise
            self._moved = self._moved or self.expected > 0

    def _fetch(self, number: int) -> Page:
        """Return a page; one that counts rows only has as many beside it as page 1 has said."""
        page = self._fetch_one(number)
        if page.pages is None and page.total is not None and self.expected:
            return page._replace(pages=self.expected)
        return page

    def _all(self) -> Iterator[Page]:
        """Yield page 1 and those that follow."""
        if not self.expected:
            first = self._fetch(1)
            if not first.early or (first.is_last and not first.may_go_on):
                yield first
                yield from self._following(first)
                return
            # What was fetched ahead of its turn is never paired with pages of now. It only tells
            # how many to ask for.
            self.expected = first.pages or 0
        if not self._pool or self.expected <= 1:
            first = self._fetch(1)
            yield first
            yield from self._following(first)
            return
        # Nothing has to wait for page 1: what it counts is compared with what the others count.
        for page in self._pool.fetch_in_order(self._fetch, self.expected, first=1):
            yield page
        yield from self._rest(page)

    def front(self, tally: _Tally) -> Iterator[Page]:
        """Yield page 1 once more, if rows may have moved there from pages that were to come."""
        if self.read > 1 and not self._stopped and tally.different < (self.total or 0):
            yield self._noted(self._fetch(1))

    def stop(self) -> None:
        """Read no further, because nothing that follows is needed."""
        self._stopped = True

    def has_shown(self, page: Page, new: int) -> None:
        """Note how many rows of a page have not been seen before in this reading.

        If there are none, a server that knows no pages would send this one for ever, and so would
        one that answers with its last page to whoever asks for more.
        """
        self._stopped = self._stopped or (not new and page.pages is None)
        self._ended = self._ended or not new

    def is_whole(self, different: int) -> bool:
        """Return whether all rows have been seen that the answers promise."""
        if self._moved:
            return False
        return self._stopped or self.total is None or different >= self.total

    def _noted(self, page: Page) -> Page:
        if not self.read:
            self.total = page.total
        self.read += bool(page.rows) or page.number == 1
        self.expected = page.pages or self.expected
        before, now = self.total or 0, page.total or 0
        self._moved = self._moved or page.is_short or now < before
        if now > before:
            self._moved = self._moved or not self._growing
            self.total = page.total
        return page

    def _following(self, first: Page) -> Iterator[Page]:
        """Yield page 2 and on."""
        page = first
        if self._pool and first.pages is not None and not self._stopped:
            for page in self._pool.fetch_in_order(self._fetch, first.pages):
                yield page
        yield from self._rest(page)

    def _rest(self, page: Page) -> Iterator[Page]:
        """Yield what follows a page, one after the other, and what has been added meanwhile.

        Raises:
            CeilingError: If more follows than is counted.
        """
        while not self._stopped:
            if not page.is_last:
                following = self._fetch(page.number + 1)
            elif page.may_go_on and page.total != self._ceiling and not self._ended:
                following = self._beyond(page.number + 1)
            else:
                break
            if page.is_last and not following.rows:
                return
            page = following
            yield page
        if page.total == self._ceiling and not self._stopped:
            # The count may be exact or capped; only the page after the last one tells.
            try:
                further = self._fetch_one(page.number + 1)
            except PastTheEndError:
                return
            if further.rows:
                raise CeilingError

    def _beyond(self, number: int) -> Page:
        """Return a page that should not be there; an empty one if it is not."""
        try:
            return self._fetch(number)
        except (PastTheEndError, CeilingError):
            return Page((), number)
        except QontoError as error:
            if error.ends_run:
                raise
            return Page((), number)  # a page behind the end may be answered with anything


_BITS = 8
"""How many bits of a row's entry tell in which readings it was seen."""


class _Tally:
    """Which rows have been seen, in which reading: a small hash per row, whatever its size."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._reading = 0
        self._counted = self._counted_before = 0
        self._again = self._added = 0
        self.different = 0
        """How many different rows the current reading has seen."""

    def begin(self, reading: int) -> None:
        """Begin the next reading; they are numbered from 1."""
        self._reading = reading
        self._counted_before = self._counted
        self._counted = self._again = self._added = self.different = 0

    def see(self, identity: Sequence[object], row: Row, *, counts: bool = True) -> bool:
        """Note a row; return whether it is new, or has changed since it was seen last.

        Args:
            identity: Values of its key.
            row: The row.
            counts: Whether two readings must have it in common in order to agree.
        """
        name = hash(tuple(identity))
        before = self._seen.get(name, 0)
        content = hash(repr(row))
        seen, counted = before & 15, before >> 4 & 15
        if seen != self._reading:
            self.different += 1
            self._again += counted == self._reading - 1 > 0
        if counts and counted != self._reading:
            self._counted += 1
            self._added += counted != self._reading - 1
            counted = self._reading
        self._seen[name] = content << _BITS | counted << 4 | self._reading
        return not before or before >> _BITS != content

    @property
    def agrees(self) -> bool:
        """Whether the current reading and the one before have seen the same rows."""
        return self._reading > 1 and self._again == self._counted_before and not self._added


def _unsettled(walk: _Walk, tally: _Tally, readings: int) -> ListError:
    if walk.total is not None and tally.different < walk.total:
        return ListError(
            f"Qonto counts {walk.total} rows, but sent only {tally.different} different ones in "
            f"the last of {readings} readings. What was read was written; run again, and ask "
            "Qonto's support if it stays so"
        )
    return ListError(
        f"the list changed during each of {readings} readings, so rows may be missing. What was "
        "read was written; run again when it holds still"
    )
