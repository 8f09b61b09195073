"""Lists that are searched for what a row asks for. A filter that Qonto ignores only costs time."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.api.errors import NotReadableError, PastTheEndError
from tap_qonto.api.pages import Query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.api.pages import Row
    from tap_qonto.writing.lookups import Questions

STREAM: Final = "target-qonto"  # in the log lines of the client


def walk(client: Questions, path: str, *params: tuple[str, str]) -> Iterator[Row]:
    """Yield the rows of a list, page by page; whoever looks for one checks each.

    Args:
        client: Asks Qonto.
        path: The list's path, whose last part is also its name in the answer.
        params: Filters and order.

    Raises:
        QontoError: If it cannot be read.
        ListError: If it cannot be read to its end.
    """
    query, envelope = Query(STREAM, path, params), path.rpartition("/")[2]
    seen: set[Any] = set()
    number = 1
    while True:
        try:
            page = client.whole_page(query, envelope, number)
        except PastTheEndError:
            return
        rows = [row for row in page.rows if isinstance(row, dict) and row.get("id") not in seen]
        yield from rows
        seen.update(row.get("id") for row in rows)
        # A server that does not count its pages may have shorter ones than were asked for, and what
        # one counts may be behind its rows: there only looking tells.
        is_unclear = page.pages is None or page.may_go_on
        if not rows if is_unclear else page.is_last:
            return
        number += 1


class Filters:
    """Knows which filters Qonto honours, where its rows do not tell what they were filtered by.

    Args:
        client: Asks Qonto.
    """

    def __init__(self, client: Questions) -> None:
        self._client = client
        self._honoured: dict[tuple[str, ...], bool] = {}

    def honour(self, path: str, name: str, nothing: str, *params: tuple[str, str]) -> bool:
        """Return whether a list is empty when asked for what nothing has.

        Args:
            path: The list's path.
            name: The filter.
            nothing: What nothing has.
            params: Further parameters.

        Raises:
            QontoError: If it cannot be read.
        """
        if (path, name) not in self._honoured:
            rows = walk(self._client, path, (name, nothing), *params)
            self._honoured[path, name] = next(rows, None) is None
        return self._honoured[path, name]


def read(client: Questions, path: str, envelope: str) -> Row | None:
    """Return one object, whether it comes in an envelope or not; None if there is none.

    Raises:
        QontoError: If Qonto cannot be asked, or may not be.
    """
    try:
        return unwrapped(client.get(Query(STREAM, path)), envelope)
    except NotReadableError as error:
        if error.status == HTTPStatus.FORBIDDEN:  # which does not say that there is none
            raise
        return None


def unwrapped(answer: Any, envelope: str) -> Row | None:
    """Return an object, whether it comes in an envelope or not; None if it is none with an ID."""
    found = answer.get(envelope, answer) if isinstance(answer, dict) else None
    return found if isinstance(found, dict) and isinstance(found.get("id"), str) else None
