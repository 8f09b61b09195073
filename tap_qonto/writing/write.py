"""One write: noted, sent, and its outcome noted, in this order. What all streams share of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tap_qonto.api.instants import from_datetime
from tap_qonto.writing.journal import Entry
from tap_qonto.writing.post import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_qonto.api.pages import Post
    from tap_qonto.writing.files import Files
    from tap_qonto.writing.identity import Identity
    from tap_qonto.writing.journal import Journal
    from tap_qonto.writing.lookups import Organization, Questions
    from tap_qonto.writing.plan import Item
    from tap_qonto.writing.post import Poster
    from tap_qonto.writing.rows import Row


@dataclass(frozen=True)
class Desk:
    """What a run works with, whatever it writes.

    Attributes:
        client: Answers questions.
        poster: Sends requests to write.
        journal: What was sent before, and what is being sent.
        files: Reads the files that rows name.
        organization: Whose money it is.
        clock: Returns seconds since the epoch.
        lost: Keys of writes that were looked for in vain once Qonto could no longer be working
            on them: the same request may be sent again.
        unclear: Keys of writes of which Qonto tells too little to know whether they were made.
    """

    client: Questions
    poster: Poster
    journal: Journal
    files: Files
    organization: Organization
    clock: Callable[[], float]
    lost: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)

    def now(self) -> str:
        """Return the present, uniform."""
        return instant(self.clock())


class Found(NamedTuple):
    """What was found of a write whose answer was lost."""

    qonto_id: str
    qonto_status: str
    complete: bool = True
    """Whether nothing is left to do for the row."""


class Writer(Protocol):
    """What writes the rows of one stream."""

    def plan(self, rows: Sequence[Row]) -> list[Item]:
        """Find out what would happen to each row; nothing is written."""

    def keep(self, items: Iterable[Item]) -> None:
        """Note what the plan found at Qonto, now that it is approved; nothing is sent."""

    def send_all(self, items: Iterator[Item]) -> Iterator[tuple[Sequence[Item], Outcome]]:
        """Send rows, and note what became of them.

        Yields:
            After each request, or each row, what it came to, and the rows that are settled by it.
        """

    def look(self, entries: Iterable[Entry], since: str) -> Mapping[str, Found]:
        """Look for writes whose answers were lost; return what was found, by key."""


class Write:
    """One write of one row.

    Args:
        desk: What the run works with.
        identity: The write's name.
        content: Hash of the row's cells.
    """

    def __init__(self, desk: Desk, identity: Identity, content: str) -> None:
        self._desk = desk
        known = desk.journal.entries([identity.key])
        self._entry = known.get(identity.key) or Entry(
            key=identity.key,
            stream=identity.stream,
            external_id=identity.external_id,
            step=identity.step,
            content=content,
        )
        if self._entry.content != content:
            self._entry = self._entry._replace(content=content)
        self._left = False

    def send(self, post: Post) -> Outcome:
        """Send the request, noting right before that it leaves.

        What Qonto refused is noted; what it accepted waits for `done`, and what is unknown stays
        as it is.

        Raises:
            JournalError: If the journal cannot be written. Then nothing leaves.
        """
        outcome = self._desk.poster.send(post, self.leave)
        if outcome.kind not in (Kind.ACCEPTED, Kind.UNKNOWN) and self._left:
            self.rejected(outcome.code)
        return outcome

    @property
    def entry(self) -> Entry:
        """What the journal knows of it."""
        return self._entry

    def leave(self) -> None:
        """Note that its request is about to leave.

        Raises:
            JournalError: If the journal cannot be written. Then nothing may leave.
        """
        self._entry = self._desk.journal.sending(self._entry, self._desk.clock())
        self._left = True

    def rejected(self, code: str) -> None:
        """Note that Qonto has refused it.

        Raises:
            JournalError: If the journal cannot be written.
        """
        self._entry = self._desk.journal.rejected(self._entry, self._desk.clock(), code=code)

    def done(self, qonto_id: str) -> None:
        """Note that Qonto has carried it out.

        Raises:
            JournalError: If the journal cannot be written.
        """
        self._entry = self._desk.journal.done(self._entry, self._desk.clock(), qonto_id=qonto_id)


def instant(seconds: float | None) -> str:
    """Return seconds since the epoch as a uniform timestamp; empty for None."""
    return "" if seconds is None else from_datetime(datetime.fromtimestamp(seconds, UTC))
