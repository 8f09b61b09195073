"""The stream ``new_clients``: looked for before they are created, since Qonto takes any twice."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from tap_qonto.api.instants import as_filter
from tap_qonto.api.pages import Post
from tap_qonto.api.redaction import printable
from tap_qonto.writing.client_rows import (
    KEYS,
    STREAM,
    ClientRow,
    fingerprint,
    key_in,
    may_be,
    told_of,
)
from tap_qonto.writing.found import Filters, read, unwrapped, walk
from tap_qonto.writing.identity import Identity, spelled
from tap_qonto.writing.journal import DONE
from tap_qonto.writing.plan import WAITS, Item, Status
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

_NOBODY: Final = {
    "vat_number": "FR00000000000",
    "tax_identification_number": "000000000",
    "email": "nobody@tap-qonto.invalid",
}
"""What no client is known by."""


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
        self._filters = Filters(desk.client)

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
        first: dict[tuple[str, str], list[tuple[ClientRow, Item]]] = {}
        for row, key in zip(clients, keys, strict=True):
            item = Item(row, key, who=printable(row.name), when="at once")
            self._items[row.external_id] = item
            entry = known.get(key)
            if entry and entry.state == DONE and not entry.attempts:
                # It was found, not sent: what has changed since is looked for again.
                entry = entry if entry.content == row.content else None
            if not lost_or_changed(item, entry, self._desk.lost):
                self._compare(item, row, first)
            for name in _names(row):
                first.setdefault(name, []).append((row, item))
        return list(self._items.values())

    def _compare(
        self, item: Item, row: ClientRow, first: Mapping[Any, Sequence[tuple[ClientRow, Item]]]
    ) -> None:
        """Look whether a client exists, at Qonto or in an earlier row of the run."""
        if found := self._find(row):
            item.qonto_id = found["id"]
            item.become(Status.ALREADY_SENT, "as a client of Qonto's")
            return
        for other, twin in chain.from_iterable(first.get(name, ()) for name in _names(row)):
            if _is_same(other.body, row.body):
                self._twins[row.external_id] = twin
                return

    def _find(self, row: ClientRow) -> Answer | None:
        """Return Qonto's client that a row asks for: by VAT number, tax number, e-mail.

        Without any of the three, nothing that is told of it may contradict the row.
        """
        for name in KEYS:
            text = row.body.get(name)
            if not text:
                continue
            filtered = f"filter[{name}]"
            for client in walk(self._desk.client, _PATH, (filtered, text)):
                told = key_in(client, name) or (
                    self._filters.honour(_PATH, filtered, _NOBODY[name]) and key_in(row.body, name)
                )
                if told == key_in(row.body, name) and _is_same({**client, name: text}, row.body):
                    return client
        if any(row.body.get(name) for name in KEYS):
            return None
        # Qonto takes a part of a name, of two characters at least.
        return next((each for each in walk(self._desk.client, _PATH) if may_be(each, row)), None)

    def keep(self, items: Iterable[Item]) -> None:
        """Note which clients the rows are that Qonto has: invoices know them by these rows."""
        for item in items:
            row = self._rows[item.row.external_id]
            write = Write(self._desk, self._identity(row.external_id), row.content)
            if write.entry.state != DONE or write.entry.qonto_id != item.qonto_id:
                write.done(item.qonto_id)

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
        if twin.status is Status.UNKNOWN:
            reason = f"is the client of {name}, of which nobody knows yet whether it was created"
            item.become(Status.UNKNOWN, reason, code=WAITS, at=self._desk.now())
            return Outcome(Kind.ACCEPTED)
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


def _names(row: ClientRow) -> list[tuple[str, str]]:
    """Return what a row may have in common with another one for the same client."""
    names = [(name, text) for name in KEYS if (text := key_in(row.body, name))]
    return names or [("", row.content)]


def _contradicts(client: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return whether an answer tells of another client than was sent.

    Qonto may write one thing its own way: only if nothing agrees, it is another client.
    """
    told, sent = told_of(client), told_of(body)
    agreed = [told[name] == sent.get(name) for name in ("name", *KEYS) if name in told]
    return bool(agreed) and not any(agreed)
