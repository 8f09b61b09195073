"""Documents that rows point at: asked for, downloaded once, verified, stored beside the data.

An `Archive` serves a whole run. It turns a `Document`, which is what a row says about a document,
into the row of a document stream. What that takes (asking for a link, downloading, hashing) is
done on threads of its own, so that pages go on being fetched meanwhile.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import requests
from typing_extensions import override

from tap_qonto.client import AnswerError, NotReadableError, Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.client import Client
    from tap_qonto.pagination import Row

_T = TypeVar("_T")


class Link(NamedTuple):
    """A link to a file, which works for half an hour for whoever holds it."""

    url: str
    issued: float
    """When Qonto sent it, in seconds of the monotonic clock."""

    @override
    def __repr__(self) -> str:
        return "Link(***)"


class Document:
    """One document as a row of a parent stream tells of it.

    Args:
        stream: Name of the document stream.
        parent: Columns that say what the document belongs to.
        id: ID of the attachment, or of the statement.
        told: What Qonto has said about the document: `file_name`, `file_size` and so on; None if
            it has to be asked.
        link: Where the file is; None if Qonto has to be asked.
    """

    __slots__ = ("id", "link", "parent", "stream", "told")

    def __init__(
        self,
        stream: str,
        parent: Row,
        id: str,  # noqa: A002 - what Qonto calls it
        told: Row | None = None,
        link: Link | None = None,
    ) -> None:
        self.stream = stream
        self.parent = parent
        self.id = id
        self.told = told
        self.link = link

    @override
    def __repr__(self) -> str:
        # The same for all: lists that are read twice are compared by what they look like, and a
        # link is another one each time.
        return "Document"


class Archive:
    """Fetches documents.

    Args:
        client: Asks Qonto.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(client.concurrency, thread_name_prefix="document")

    def begin(self, document: Document) -> Row | Future[Row]:
        """Return the document's row, or begin what it takes to have it."""
        if document.told is not None:
            return self._row(document, document.told, "metadata_only")
        return self.submit(self._fetch, document)

    def submit(self, work: Callable[..., _T], *args: Any) -> Future[_T]:
        """Do something on the threads of the archive."""
        return self._threads.submit(work, *args)

    def close(self) -> None:
        """Drop what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, document: Document) -> Row:
        told = self._ask(document)
        if told is None:
            return self._row(document, {}, "missing")
        return self._row(document, told, "metadata_only")

    def _ask(self, document: Document) -> Row | None:
        """Return what Qonto says about an attachment; None if it has none with this ID."""
        query = Query(document.stream, f"/attachments/{document.id}")
        try:
            answer = self._client.get(query)
        except NotReadableError as error:
            if error.status != requests.codes.not_found:
                raise
            return None
        told = answer.get("attachment") if isinstance(answer, dict) else None
        if not isinstance(told, dict):
            msg = f"GET {query.path} answered JSON without the object 'attachment'"
            raise AnswerError(msg, status=200)
        document.link = link_of(told, "url")
        return told

    def _row(self, document: Document, told: Row, status: str) -> Row:
        return {**told, **document.parent, "file_status": status}


def link_of(told: Row, name: str) -> Link | None:
    """Return the link that an object of the API holds, as of now."""
    url = told.get(name)
    return Link(url, time.monotonic()) if isinstance(url, str) and url else None
