"""Lists that are searched for what a row asks for. A filter that Qonto ignores only costs time."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.api.errors import NotReadableError
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
    number = 1
    while True:
        page = client.page(query, envelope, number)
        yield from (row for row in page.rows if isinstance(row, dict))
        if page.is_last:
            return
        number += 1


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
