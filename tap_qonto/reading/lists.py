"""Reading lists by page number: those without a filter, and those that show the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import PastTheEndError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from tap_qonto.api.pages import Page, Pool, Row


READINGS = 4
"""How often a list without a filter is read when it keeps changing: once, and 3 times again."""


class _ListChangedError(Exception):
    """The list changed while it was read by page number."""


def read_numbered(
    fetch: Callable[[int], Page],
    *,
    keys: Sequence[str],
    pool: Pool,
    on_count: Callable[[int], None] = lambda _count: None,
    on_change: Callable[[bool], None] = lambda _again: None,
) -> Iterator[Row]:
    """Yield every row of a list that has neither a filter nor a fixed order.

    A list whose count changes while it is read is read again; rows that were emitted and have
    not changed since are not emitted twice.

    Args:
        fetch: Returns one page. May raise `PastTheEndError`.
        keys: Names of the primary key's fields.
        pool: Fetches the pages, if the first one says how many there are.
        on_count: Is told how many rows there are.
        on_change: Is told that the list changed, and whether it is read again.

    Raises:
        CeilingError: If the list holds more rows than Qonto lists.
    """
    emitted: dict[tuple[Any, ...], int] = {}
    for reading in range(1, READINGS + 1):
        try:
            for page in _numbered_pages(fetch, pool, on_count):
                fresh = False
                for row in page.rows:
                    identity = tuple(row.get(name) for name in keys)
                    content = hash(repr(row))
                    if emitted.get(identity) != content:
                        fresh = True
                        emitted[identity] = content
                        yield row
                if page.pages is None and not fresh:
                    return  # a server without page numbers would send this page for ever
        except _ListChangedError:
            on_change(reading < READINGS)
        else:
            return


def _numbered_pages(
    fetch: Callable[[int], Page], pool: Pool, on_count: Callable[[int], None]
) -> Iterator[Page]:
    """Yield all pages of a list; raise `_ListChangedError` if they cannot be of the same list."""
    page = fetch(1)
    first, held = page, len(page.rows)
    on_count(page.total or held)
    yield page
    try:
        if page.pages is None:
            while not page.is_last:
                page = fetch(page.number + 1)
                yield page
            return
        for page in pool.fetch_in_order(fetch, first.pages or 1):
            if page.total != first.total:
                raise _ListChangedError
            held += len(page.rows)
            yield page
    except PastTheEndError:
        if first.pages is None:
            return
        raise _ListChangedError from None
    if first.total is not None and held != first.total:
        raise _ListChangedError


def read_newest_first(
    fetch: Callable[[int], Page],
    *,
    key: str,
    start: str | None,
    on_count: Callable[[int], None] = lambda _count: None,
    on_change: Callable[[bool], None] = lambda _again: None,
) -> Generator[Row, None, bool]:
    """Yield the rows of a list sorted descending by a key, down to a start.

    A changed or new row moves to the front and only pushes others to later pages, so nothing is
    lost; a deleted one pulls them forward, so a list that shrinks is read again.

    Args:
        fetch: Returns one page. May raise `PastTheEndError`.
        key: Name of the sort key.
        start: Rows with an earlier key are not needed, uniform; None reads everything.
        on_count: Is told how many rows the whole list has.
        on_change: Is told that the list shrank, and whether it is read again.

    Returns:
        Whether the list was read completely; if not, the bookmark must stay.

    Raises:
        CeilingError: If more rows than Qonto lists have to be read.
    """
    emitted: dict[str, str | None] = {}
    for reading in range(1, READINGS + 1):
        try:
            yield from _down_to(start, fetch, key, emitted, on_count)
        except _ListChangedError:
            on_change(reading < READINGS)
        else:
            return True
    return False


def _down_to(
    start: str | None,
    fetch: Callable[[int], Page],
    key: str,
    emitted: dict[str, str | None],
    on_count: Callable[[int], None],
) -> Iterator[Row]:
    """Yield the rows not yet emitted, newest first; raise `_ListChangedError` on a shrunk list."""
    previous, in_order = "", True
    for page in _pages_while_growing(fetch, on_count):
        fresh = False
        for row in page.rows:
            at = row.get(key)
            if row["id"] in emitted and emitted[row["id"]] == at:
                continue
            fresh = True
            emitted[row["id"]] = at
            if at is not None:
                in_order = in_order and (not previous or at <= previous)
                previous = at
            if at is None or start is None or at >= start:
                yield row
        if page.pages is None and not fresh:
            return  # as in `read_numbered`
        # Without the promised order, an old row says nothing about the rows that follow it.
        if in_order and start is not None and previous and previous < start:
            return


def _pages_while_growing(
    fetch: Callable[[int], Page], on_count: Callable[[int], None]
) -> Iterator[Page]:
    page = fetch(1)
    on_count(page.total or 0)
    yield page
    while not page.is_last:
        before = page.total or 0
        try:
            page = fetch(page.number + 1)
        except PastTheEndError:
            if page.pages is None:
                return
            raise _ListChangedError from None
        if page.total is not None and page.total < before:
            raise _ListChangedError
        yield page
