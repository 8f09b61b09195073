"""What a row says about a document, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from typing_extensions import override

from tap_qonto.api.pages import Query

if TYPE_CHECKING:
    from tap_qonto.api.errors import QontoError
    from tap_qonto.api.pages import Row


LINK_LIFE = 29 * 60
"""Seconds for which a link is used; Qonto's documentation gives it 30 minutes."""


class Link(NamedTuple):
    """A link to a file, which works for half an hour for whoever holds it."""

    url: str
    issued: float
    """When Qonto sent it, in seconds of the run's stopwatch."""

    def is_old(self, now: float) -> bool:
        """Return whether its half hour is over.

        Args:
            now: Seconds of the run's stopwatch.
        """
        return now - self.issued > LINK_LIFE

    @override
    def __repr__(self) -> str:
        return "Link(***)"


class Source(NamedTuple):
    """Where Qonto is asked about a document, and how it answers."""

    path: str
    envelope: str
    link: str
    """Name of the field that holds the link."""
    inside: str = ""
    """Name of the object inside the envelope that describes the document, if it is one."""


ATTACHMENT = Source("/attachments/{}", "attachment", "url")


STATEMENT = Source("/statements/{}", "statement", "file_url", inside="file")


class Document:
    """One document as a row of a parent stream tells of it.

    Args:
        stream: Name of the document stream.
        columns: Columns that say which document it is and what it belongs to.
        id: ID of the attachment, or of the statement.
        source: Where Qonto is asked about it.
        told: What Qonto has said about it as of now: `file_name`, `file_size`, the link and so
            on; None if it has to be asked.
        now: Seconds of the run's stopwatch.
        changed: When the row that points at it changed last, uniform; empty if nobody knows.
        invoice: Whether an electronic invoice may be inside.
        sealed: Whether Qonto may have a signed copy that is wanted too.
        owed: Whether an earlier run could not have it.
        mark: Differs as soon as Qonto may tell something else of it; None if nobody asks.
    """

    __slots__ = (
        "changed", "columns", "id", "invoice", "link", "mark", "owed", "sealed", "source", "stream",
        "told",
    )  # fmt: skip

    def __init__(
        self,
        stream: str,
        columns: Row,
        id: str,  # noqa: A002 - what Qonto calls it
        source: Source = ATTACHMENT,
        *,
        now: float,
        told: Row | None = None,
        changed: str = "",
        invoice: bool = False,
        sealed: bool = False,
        owed: bool = False,
        mark: bytes | None = None,
    ) -> None:
        self.mark = mark
        self.stream = stream
        self.columns = columns
        self.id = id
        self.source = source
        self.told = told
        self.link = link_of(told, source.link, now)
        self.changed = changed
        self.invoice = invoice
        self.sealed = sealed
        self.owed = owed

    @property
    def query(self) -> Query:
        """What Qonto is asked."""
        return Query(self.stream, self.source.path.format(quote(self.id, safe="")))

    @override
    def __repr__(self) -> str:
        # The same for all: lists that are read twice are compared by what they look like, and a
        # link is another one each time.
        return "Document"


class Fetched(NamedTuple):
    """The row of a document stream, with what is not for the warehouse."""

    row: Row
    received: int = 0
    """Bytes that were downloaded."""
    complaint: str = ""
    """Why the electronic invoice inside could not be read."""
    owed: bool = False
    """Whether something is lacking that a later run may be able to have."""
    until: str = ""
    """The instant, uniform, after which it is not asked for any more; empty for ever."""
    known: bool = True
    """Whether Qonto said anything about the document."""
    refusal: QontoError | None = None
    """Why nothing about it may be asked, if that is so; it may then concern all documents."""

    @property
    def is_final(self) -> bool:
        """Whether Qonto will say the same of the document for as long as it exists."""
        pending = self.row.get("probative_attachment_status") == "pending"
        return self.known and not self.owed and not pending


def link_of(told: Row | None, name: str, now: float) -> Link | None:
    """Return the link that an object of the API holds.

    Args:
        told: The object.
        name: Its field that holds the link.
        now: Seconds of the run's stopwatch, at which Qonto sent it.
    """
    url = told.get(name) if told else None
    return Link(url, now) if isinstance(url, str) and url else None
