"""The stream ``new_clients``: looked for before they are created, since Qonto takes any twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tap_qonto.api.instants import as_filter
from tap_qonto.api.pages import Post
from tap_qonto.api.redaction import printable
from tap_qonto.writing.client_rows import KEYS, STREAM, ClientRow, fingerprint, key_in, name_of
from tap_qonto.writing.found import read, unwrapped, walk
from tap_qonto.writing.identity import Identity, spelled
from tap_qonto.writing.journal import DONE
from tap_qonto.writing.plan import Item, Status
from tap_qonto.writing.post import Kind, Outcome
from tap_qonto.writing.steps import lost_or_changed
from tap_qonto.writing.write import Found, Write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from tap_qonto.api.pages import Row as Answer
    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.rows import Row
    from tap_qonto.writing.write import Desk

_PATH: Final = "/clients"


class Clients:
    """Plans, sends and looks up clients.

    Args:
        desk: What the run works with.
        rows: The rows of the run.
    """

    def __init__(self, desk: Desk, rows: Iterable[Row] = ()) -> None:
        self._desk = desk
        self._rows = {row.external_id: row for row in rows if isinstance(row, ClientRow)}
        self._items: dict[str, Item] = {}
        self._twins: dict[str, Item] = {}
        """Items for the same client as another row's, by external ID."""

    def _identity(self, external_id: str) -> Identity:
        return Identity(self._desk.organization.id, STREAM, external_id, "client")

    # For invoices

    def knows(self, reference: str) -> bool:
        """Return whether a client has this external ID in this run or had it in an earlier one."""
        return spelled(reference) in self._rows or self.id_of(reference) is not None

    def id_of(self, reference: str) -> str | None:
        """Return Qonto's ID of a client by the external ID of its row; None if it has none yet.

        Raises:
            JournalError: If the journal cannot be read.
        """
        name = spelled(reference)
        item = self._items.get(name)
        if item and item.qonto_id:
            return item.qonto_id
        key = self._identity(name).key
        entry = self._desk.journal.entries([key]).get(key)
        return entry.qonto_id if entry and entry.state == DONE else None

    def name_of(self, reference: str) -> str:
        """Return what people call a client of this run; empty if it is none."""
        row = self._rows.get(spelled(reference))
        return row.name if row else ""

    def read(self, client_id: str) -> Answer | None:
        """Return a client of Qonto's; None if there is none of this ID."""
        return read(self._desk.client, f"{_PATH}/{client_id}", "client")

    # The plan

    def plan(self, rows: Sequence[Row]) -> list[Item]:
        """Find out what would happen to each row; nothing is written.

        Raises:
            QontoError: If Qonto cannot be asked.
            JournalError: If the journal cannot be read.
        """
        clients = [row for row in rows if isinstance(row, ClientRow)]
        keys = [self._identity(row.external_id).key for row in clients]
        known = self._desk.journal.entries(keys)
        first: list[tuple[ClientRow, Item]] = []
        for row, key in zip(clients, keys, strict=True):
            item = Item(row, key, who=printable(row.name), when="at once")
            self._items[row.external_id] = item
            if not lost_or_changed(item, known.get(key), self._desk.lost):
                self._compare(item, row, first)
            first.append((row, item))
        return list(self._items.values())

    def _compare(self, item: Item, row: ClientRow, first: Iterable[tuple[ClientRow, Item]]) -> None:
        """Look whether a client exists, at Qonto or in an earlier row of the run."""
        if found := self._find(row):
            item.qonto_id = found["id"]
            item.become(Status.ALREADY_SENT, "as a client of Qonto's")
            return
        for other, twin in first:
            if _is_same(other.body, row.body):
                self._twins[row.external_id] = twin
                return

    def _find(self, row: ClientRow) -> Answer | None:
        """Return Qonto's client that a row asks for: by VAT number, tax number, e-mail.

        Without any of the three, all that the row says must be the same.
        """
        for name in KEYS:
            text = row.body.get(name)
            if not text:
                continue
            for client in walk(self._desk.client, _PATH, (f"filter[{name}]", text)):
                if key_in(client, name) == key_in(row.body, name) and _is_same(client, row.body):
                    return client
        if any(row.body.get(name) for name in KEYS):
            return None
        # Qonto takes a part of a name, of two characters at least.
        for client in walk(self._desk.client, _PATH):
            if name_of(client) == row.name and fingerprint(client) == row.content:
                return client
        return None

    # Sending

    def send_all(self, items: Iterator[Item]) -> Iterator[tuple[Sequence[Item], Outcome]]:
        """Create clients, one after the other, and note what became of them."""
        for item in items:
            yield [item], self._send(item)

    def _send(self, item: Item) -> Outcome:
        row = self._rows[item.row.external_id]
        write = Write(self._desk, self._identity(row.external_id), row.content)
        if twin := self._twins.get(row.external_id):
            return self._follow(item, twin, write)
        outcome = write.send(Post(_PATH, msgspec.json.encode(row.body)))
        status = Status.UNKNOWN if outcome.kind is Kind.UNKNOWN else Status.REJECTED
        if outcome.kind is Kind.ACCEPTED:
            client = unwrapped(outcome.body, "client")
            if client and not _contradicts(client, row.body):
                item.qonto_id = client["id"]
                item.become(Status.SENT, at=self._desk.now())
                write.done(item.qonto_id)
                return outcome
            status = Status.UNKNOWN
            reason = f"POST {_PATH} was answered without the client that was sent"
            outcome = Outcome(Kind.UNKNOWN, reason, "mismatch")
        item.become(status, outcome.reason, code=outcome.code, at=self._desk.now())
        return outcome

    def _follow(self, item: Item, twin: Item, write: Write) -> Outcome:
        """Note for a row that an earlier one made the client."""
        name = printable(twin.row.external_id)
        if not twin.qonto_id:
            reason = f"is the client of {name}, which was not created"
            item.become(Status.REJECTED, reason, code="twin_failed", at=self._desk.now())
            return Outcome(Kind.REFUSED, reason, "twin_failed")
        item.qonto_id = twin.qonto_id
        item.become(Status.ALREADY_SENT, f"as the client of {name}", at=self._desk.now())
        write.done(item.qonto_id)
        return Outcome(Kind.ACCEPTED)

    # After an answer was lost

    def look(self, entries: Iterable[Entry], since: str) -> dict[str, Found]:
        """Look for writes whose answers were lost.

        Args:
            entries: The writes.
            since: Uniform instant from whose changes on to look.

        Returns:
            What was found, by key.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        wanted = {entry.content: entry.key for entry in entries}
        found = {}
        changed = ("filter[updated_at_from]", as_filter(since))
        for client in walk(self._desk.client, _PATH, changed):
            if key := wanted.get(fingerprint(client)):
                found[key] = Found(str(client["id"]), "")
        for entry in entries:
            row = self._rows.get(entry.external_id)
            if entry.key not in found and row and row.content == entry.content:
                same = self._find(row)
                if same:
                    found[entry.key] = Found(same["id"], "")
        return found


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two clients are one: the first thing that both have says so."""
    for name in KEYS:
        if key_in(one, name) and key_in(other, name):
            return key_in(one, name) == key_in(other, name)
    keyless = not any(key_in(each, name) for each in (one, other) for name in KEYS)
    return keyless and fingerprint(one) == fingerprint(other)


def _contradicts(client: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return whether an answer tells of another client than was sent."""
    return any(key_in(client, name) not in ("", key_in(body, name)) for name in ("name", *KEYS))
