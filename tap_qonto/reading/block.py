"""What a list can be asked, and how rows are read that are too close in time to go on from one.

Everything here is pure, as in `tap_qonto.reading.window`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tap_qonto.api.errors import CeilingError, ListError, PastTheEndError
from tap_qonto.api.instants import shift, whole_second
from tap_qonto.api.pages import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from tap_qonto.api.pages import Row
    from tap_qonto.reading.desk import Question, Steps

    Fetch = Callable[[int, "Bounds"], Page]
    Asking = Generator[Sequence[Question], list[Page], Page]

CEILING = 10_000
"""Rows that Qonto lists for one query; a query that matches more is refused beyond them."""

TRIES = 4
"""How often a page is asked for whose rows are fewer than it says itself."""

_MANY_READINGS = 30
"""How often a block is read until it has been seen whole; 100 pages in any order take about 12."""


class Bounds(NamedTuple):
    """What rows are asked for: keys from `start` to `end`, in the uniform form; None is open."""

    start: str | None
    end: str | None


def restart(key: str | None) -> str | None:
    """Return the bound to ask for so that no reading of it leaves out a row with this key."""
    return None if key is None else shift(whole_second(key), -1)


class Listing:
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
            [page] = yield (partial(self._asked, number, bounds, tries),)
            if not page.is_short:
                return page
        msg = (
            f"Qonto counts {page.total} rows, but page {number} of {page.pages} holds only "
            f"{len(page.rows)}, however often it is asked for. Nothing was skipped: the bookmark "
            "stays before them, and the next run reads on from there"
        )
        raise ListError(msg)

    def pages(
        self, numbers: Iterable[int], bounds: Bounds
    ) -> Generator[Sequence[Question], list[Page], list[Page]]:
        """Ask for several pages at once, whole or not."""
        pages = yield [partial(self._asked_if_there, number, bounds) for number in numbers]
        return pages

    def _asked_if_there(self, number: int, bounds: Bounds) -> Page:
        """Return a page; an empty one if it lies beyond the end."""
        try:
            return self._asked(number, bounds, 0)
        except PastTheEndError:
            return Page((), number)

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


class Block:
    """Rows that are too close in time to go on from a value: at most what a server lists at once.

    Pages are read from the last to the first, since a row that leaves moves others only towards
    the pages still to come. A reading is calm if it adds nothing. One that shows a row twice
    proves that rows move in other ways too, and then more calm readings are wanted.
    """

    def __init__(self, listing: Listing, bounds: Bounds, until: str) -> None:
        self._list = listing
        self._bounds = bounds
        self._until = until
        self._found: dict[tuple[str, str], Row] = {}
        self._twice = False
        self._uncounted = 0
        """Number of the last page that is there although it is not counted."""

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
        # All at once, in any order: this only saves waiting. What proves something comes after it,
        # and goes on from the last page.
        last = None
        if pages > 1:
            for last in (yield from self._list.pages(range(2, pages + 1), self._bounds)):
                self._note(last, set())
        calm = 0
        for _ in range(_MANY_READINGS):
            known = len(self._found)
            first = yield from self._reading(pages, last)
            last = None
            pages = self._pages(first, pages)
            calm = 0 if len(self._found) > known else calm + 1
            if calm >= (8 if self._twice else 1) and len(self._found) >= self._promised(first):
                return
        msg = (
            f"the rows around {self._until[:19]}Z do not hold still: {len(self._found)} of "
            f"{self._promised(first)} were seen in {_MANY_READINGS} readings. Nothing was skipped; "
            "run again"
        )
        raise ListError(msg)

    def _last_page(self) -> Generator[Sequence[Question], list[Page], int]:
        """Return the number of the last page that may hold rows of the block."""
        page = yield from self._list.page(1, self._bounds)
        self._note(page, set())
        if self._list.endless:
            while not page.is_last and (self._list.last_key(page.rows) or "") < self._until:
                try:
                    page = yield from self._list.page(page.number + 1, self._bounds)
                except PastTheEndError:
                    break  # rows have left meanwhile, and with them this page
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

    def _reading(self, pages: int, last: Page | None = None) -> Asking:
        """Read the pages from the last to the first; return the first.

        Args:
            pages: How many there are.
            last: The last one, if it has just been read.
        """
        seen = set[tuple[str, str]]()
        number = pages
        page = Page(())
        if last and not last.is_short and self._last_of(last, pages) == pages:
            self._note(last, seen)
            number -= 1
        while number:
            try:
                page = yield from self._list.page(number, self._bounds)
            except PastTheEndError:
                number -= 1
                continue
            if not self._is_there(page):
                number -= 1
                continue
            if number == pages < (named := self._last_of(page, pages)):
                pages = number = named
                continue
            self._note(page, seen)
            number -= 1
        return page

    def _is_there(self, page: Page) -> bool:
        """Return whether a page is one more, and not the last one again in place of none."""
        if self._list.endless or page.number <= max(page.pages or 1, self._uncounted):
            return True
        before = len(self._found)
        self._note(page, set())
        if len(self._found) == before:
            return False
        self._uncounted = page.number
        return True

    def _note(self, page: Page, seen: set[tuple[str, str]]) -> None:
        """Note the rows of a page, and whether a reading has seen one of them before."""
        for row in page.rows:
            identity = (row["id"], row.get(self._list.key) or "")
            if self._list.endless and identity[1] >= self._until:
                return
            self._twice = self._twice or identity in seen
            seen.add(identity)
            self._found.setdefault(identity, row)

    def _last_of(self, page: Page, before: int) -> int:
        """Return the number of the last page, as far as the last one known so far tells."""
        named = self._pages(page, before)
        has_room = (page.number + 1) * (page.size or 0) <= self._list.ceiling
        may_go_on = page.number >= named and page.may_go_on and has_room
        return page.number + 1 if may_go_on else named

    def _pages(self, page: Page, before: int) -> int:
        return before if self._list.endless else page.pages or 1

    def _promised(self, first: Page) -> int:
        """Return how many different rows there must be at least."""
        return 0 if self._list.endless else first.total or 0
