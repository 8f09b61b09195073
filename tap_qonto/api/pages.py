"""What is asked and told: queries and the pages of rows that come back, requests to write."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from concurrent.futures import Future

PER_PAGE = 100
"""Rows asked for per page; Qonto's maximum, and larger than some of its defaults."""


class Query(NamedTuple):
    """One GET request: what is asked, and for which stream."""

    stream: str
    path: str
    params: tuple[tuple[str, str], ...] = ()


class Post(NamedTuple):
    """One POST request, which may write."""

    path: str
    """Below the base URL."""
    body: bytes
    key: str = ""
    """The idempotency key; empty where Qonto knows none."""
    content_type: str = "application/json"


def paged(query: Query, number: int, per_page: int = PER_PAGE) -> Query:
    """Return the query for one page of a list."""
    page = (("page", str(number)), ("per_page", str(per_page)))
    return query._replace(params=(*query.params, *page))


Row = dict[str, Any]
"""An object of the API, by the names of its fields; numbers with a fraction are `Decimal`."""


class LateRows(Sequence[Row]):
    """Rows of a page that are made when they are first looked at.

    Pages are fetched ahead of their turn. Until then the text that Qonto sent takes a fifth of the
    memory that its rows would, and rows that are used as soon as they have been made are still in
    the processor's cache. The last row can be looked at without making the others: it says where
    to go on reading.

    Args:
        parts: What each row is made of.
        make: Returns the row of a part. Is called once for each.
    """

    def __init__(self, parts: Sequence[Any], make: Callable[[Any], Row]) -> None:
        self._parts = parts
        self._make = make

    def changed(self, change: Callable[[Row], Row]) -> LateRows:
        """Return the same rows, each changed when it is made."""
        make = self._make
        return LateRows(self._parts, lambda part: change(make(part)))

    @cached_property
    def _last(self) -> Row:
        return self._make(self._parts[-1])

    @cached_property
    def _rows(self) -> list[Row]:
        make = self._make
        if "_last" not in vars(self):
            return [make(part) for part in self._parts]
        return [*(make(part) for part in self._parts[:-1]), self._last]

    @override
    def __len__(self) -> int:
        return len(self._parts)

    @override
    def __getitem__(self, index: Any) -> Any:
        if index == -1 and self._parts and "_rows" not in vars(self):
            return self._last
        return self._rows[index]

    @override
    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


class Page(NamedTuple):
    """One answer of a list endpoint."""

    rows: Sequence[Row]
    number: int = 1
    """Number of this page, from 1."""
    pages: int | None = None
    """How many pages there are, if the answer says so."""
    total: int | None = None
    """How many rows match the query, if the answer says so."""
    full: bool = False
    """Whether the page holds as many rows as were asked for."""
    size: int | None = None
    """How many rows a page holds that is not the last one, if the answer says so."""
    early: bool = False
    """Whether it was fetched ahead of its turn, so that it may be much older than its reader."""

    @property
    def is_last(self) -> bool:
        """Whether no page follows; an answer that does not say so ends with a short page.

        Asking on until a page is empty is no way to find out: past the end, Qonto answers 422.
        """
        return not self.full if self.pages is None else self.number >= self.pages

    @property
    def may_go_on(self) -> bool:
        """Whether pages may follow although it is the last one that is counted.

        It holds more rows than are counted, so counts are older than rows, as those of a search
        index are; and it has no room for more.
        """
        seen = (self.number - 1) * (self.size or 0) + len(self.rows)
        return self.is_last and self.is_full and self.total is not None and seen > self.total

    @property
    def is_full(self) -> bool:
        """Whether the page has no room for more rows, as far as it is known how many it holds."""
        return bool(self.size) and len(self.rows) >= (self.size or 0)

    def changed(self, change: Callable[[Row], Row]) -> Page:
        """Return the same page, with each row changed when it is made."""
        if isinstance(self.rows, LateRows):
            return self._replace(rows=self.rows.changed(change))
        return self._replace(rows=LateRows(self.rows, change))

    @property
    def is_short(self) -> bool:
        """Whether the page holds fewer rows than its own counts promise."""
        return len(self.rows) < self.promised

    @property
    def promised(self) -> int:
        """How many different rows the page must hold, as far as its own counts tell."""
        if self.pages is None:
            return 0
        if self.number < self.pages:
            return self.size or max(self._least, len(self.rows))
        if self.total is None or (self.number > 1 and self.size is None):
            return 0
        return self.total - (self.number - 1) * (self.size or 0)

    @property
    def _least(self) -> int:
        """The fewest rows with which so many pages can hold so many rows."""
        return -(-self.total // self.pages) if self.total and self.pages else 1


def _until_one_is_done(under_way: Collection[Future[Page]]) -> object:
    return wait(under_way, return_when=FIRST_COMPLETED)


class Pool(NamedTuple):
    """Where pages are fetched in the background."""

    submit: Callable[..., Future[Page]]
    """Runs a function in the background, as an executor's `submit` does."""
    ahead: int
    """How many pages may be under way or waiting, which bounds the memory."""
    at_once: int = 8
    """How many pages can be under way at the same time."""
    wait: Callable[[Collection[Future[Page]]], object] = _until_one_is_done
    """Returns when at least one of several futures is done."""

    def fetch_in_order(
        self, fetch: Callable[[int], Page], last: int, *, first: int = 2
    ) -> Iterator[Page]:
        """Yield pages `first` to `last` in order, fetching some of them at the same time."""
        numbers = iter(range(first, last + 1))
        under_way: deque[Future[Page]] = deque()
        try:
            while True:
                for number in islice(numbers, 2 * self.at_once - len(under_way)):
                    under_way.append(self.submit(fetch, number))
                if not under_way:
                    return
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
