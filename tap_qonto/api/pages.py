"""What is asked of a list, and what comes back: queries, pages, rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

PER_PAGE = 100
"""Rows asked for per page; Qonto's maximum, and larger than some of its defaults."""


class Query(NamedTuple):
    """One GET request: what is asked, and for which stream."""

    stream: str
    path: str
    params: tuple[tuple[str, str], ...] = ()


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
    the processor's cache.

    Args:
        make: Returns the rows.
    """

    def __init__(self, make: Callable[[], list[Row]]) -> None:
        self._make = make

    @cached_property
    def _rows(self) -> list[Row]:
        return self._make()

    @override
    def __len__(self) -> int:
        return len(self._rows)

    @override
    def __getitem__(self, index: Any) -> Any:
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

    @property
    def is_last(self) -> bool:
        """Whether no page follows; an answer that does not say so ends with a short page.

        Asking on until a page is empty is no way to find out: past the end, Qonto answers 422.
        """
        return not self.full if self.pages is None else self.number >= self.pages


class Pool(NamedTuple):
    """Where pages are fetched in the background."""

    submit: Callable[..., Future[Page]]
    """Runs a function in the background, as an executor's `submit` does."""
    ahead: int
    """How many pages of one list may be under way or waiting, which bounds the memory."""

    def fetch_in_order(self, fetch: Callable[[int], Page], last: int) -> Iterator[Page]:
        """Yield pages 2 to `last` in order, fetching some of them at the same time."""
        numbers = iter(range(2, last + 1))
        under_way: deque[Future[Page]] = deque()
        try:
            while True:
                for number in islice(numbers, self.ahead - len(under_way)):
                    under_way.append(self.submit(fetch, number))
                if not under_way:
                    return
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
