"""The stream ``new_supplier_invoices``: documents uploaded side by side, then taken by the dozen.

Qonto answers 200 even when items fail. What its answer says neither to exist nor to have failed is
unknown, and looked for by the ID of the uploaded file.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from tap_qonto.api.errors import UnusableFileError
from tap_qonto.api.redaction import printable
from tap_qonto.writing.bulk import Answer, request
from tap_qonto.writing.files import MEGABYTE, Uploads, called
from tap_qonto.writing.identity import Identity
from tap_qonto.writing.journal import DONE, SENDING
from tap_qonto.writing.plan import Item, Status
from tap_qonto.writing.post import Kind, Outcome
from tap_qonto.writing.received import Received
from tap_qonto.writing.rows import content_of
from tap_qonto.writing.steps import lost_or_changed
from tap_qonto.writing.supplier_rows import STREAM, SupplierRow
from tap_qonto.writing.write import Found, Write, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_qonto.writing.files import Seen
    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.rows import Row
    from tap_qonto.writing.write import Desk

LARGEST: Final = 10 * MEGABYTE
"""Bytes that a supplier's document may have."""

ITEMS: Final = 20
"""Documents in one request."""

TOGETHER: Final = 15 * MEGABYTE
"""Bytes of the documents in one request."""

_NO_SUCH = ("404", "405", "not_found")
"""Codes that are about the request, not about what is in it."""

_KEY_LIFE = 1_500.0
"""Seconds for which Qonto surely knows an item's key again; it says half an hour."""

_AHEAD = 2
"""Requests whose documents are uploaded before the first of them is sent."""


class _Work(NamedTuple):
    """A row whose document is uploaded, or being uploaded."""

    item: Item
    write: Write
    upload: Future[Outcome]


class SupplierInvoices:
    """Plans, sends and looks up supplier invoices.

    Args:
        desk: What the run works with.
        rows: The rows of the run.
        concurrency: How many documents may be read or uploaded at once.
    """

    def __init__(self, desk: Desk, rows: Iterable[Row] = (), *, concurrency: int) -> None:
        self._desk = desk
        self._rows = {row.external_id: row for row in rows if isinstance(row, SupplierRow)}
        self._concurrency = concurrency
        self._seen: dict[str, Seen] = {}
        self._received = Received(desk)

    def _identity(self, external_id: str, step: str = "invoice") -> Identity:
        return Identity(self._desk.organization.id, STREAM, external_id, step)

    # The plan

    def plan(self, rows: Sequence[Row]) -> list[Item]:
        """Find out what would happen to each row; nothing is written.

        Documents are read to their ends, since consent is to their content.

        Raises:
            QontoError: If Qonto cannot be asked.
            JournalError: If the journal cannot be read.
        """
        documents = [row for row in rows if isinstance(row, SupplierRow)]
        keys = [self._identity(row.external_id).key for row in documents]
        known = self._desk.journal.entries(keys)
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="document") as threads:
            seen = list(threads.map(self._look_at, documents))
        items = [
            self._plan_row(row, key, known.get(key), found)
            for row, key, found in zip(documents, keys, seen, strict=True)
        ]
        # Without a journal, and for what a person has put there: the very same file is enough.
        new = [item for item in items if item.status is Status.PLANNED and item.key not in known]
        for item, invoice, is_sure in self._received.same(
            [(item, self._seen[item.row.external_id]) for item in new]
        ):
            if is_sure:
                item.qonto_id, item.qonto_status = invoice["id"], str(invoice.get("status") or "")
                item.become(Status.ALREADY_SENT, "as a file of this name and content")
            else:
                item.hold = True
                reason = "Qonto has a document of this name and does not show it; is it the same?"
                item.become(Status.HELD, reason)
        return items

    def _look_at(self, row: SupplierRow) -> Seen | str:
        """Return what a row's document is, or why it cannot be sent."""
        try:
            return self._desk.files.see(row.file, largest=LARGEST, name=row.file_name)
        except UnusableFileError as error:
            return str(error)

    def _plan_row(self, row: SupplierRow, key: str, entry: Entry | None, seen: Seen | str) -> Item:
        if isinstance(seen, str):
            # What was sent may have been moved away since.
            moved = entry is not None and entry.state in (DONE, SENDING)
            content = entry.content if entry and moved else row.content
        else:
            self._seen[row.external_id] = seen
            content = content_of({"file_name": seen.name, "sha256": seen.digest})
        name = row.file_name or (
            row.file.rpartition("/")[2] if isinstance(seen, str) else seen.name
        )
        item = Item(replace(row, content=content), key, who=printable(name), when="at once")
        if lost_or_changed(item, entry, self._desk.lost):
            if item.status is Status.UNKNOWN and key in self._desk.unclear:
                item.reason = (
                    "the answer was lost, and Qonto tells too little to find out. If it is not in "
                    "the Qonto app, give the row a new external_id"
                )
            return item
        if isinstance(seen, str):
            item.become(Status.REJECTED, seen, code="file_unusable")
        return item

    # Sending

    def keep(self, items: Iterable[Item]) -> None:
        """Note which documents Qonto has already."""
        with self._desk.journal.together():
            for item in items:
                write = Write(self._desk, self._identity(item.row.external_id), item.row.content)
                if write.entry.state != DONE and item.qonto_id:
                    write.done(item.qonto_id)

    def send_all(self, items: Iterator[Item]) -> Iterator[tuple[Sequence[Item], Outcome]]:
        """Upload the documents and send the rows, and note what became of them.

        Yields:
            After each request, what it came to, and the rows that are settled by it.

        Raises:
            JournalError: If the journal cannot be written; what is under way stays unknown.
        """
        threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="document")
        try:
            waiting: deque[list[_Work]] = deque()
            batches = self._batches(items)
            while True:
                while len(waiting) < _AHEAD and (batch := next(batches, None)):
                    waiting.append([self._begin(item, threads) for item in batch])
                if not waiting:
                    return
                yield from self._create(waiting.popleft())
        finally:
            threads.shutdown(cancel_futures=True)

    def _batches(self, items: Iterator[Item]) -> Iterator[list[Item]]:
        """Yield rows in groups that fit into one request."""
        batch: list[Item] = []
        size = 0
        for item in items:
            seen = self._seen.get(item.row.external_id)
            more = seen.size if seen else 0
            most = 1 if self._received.is_silent else ITEMS
            # What is sent again goes alone, so that the answer can be about nothing else.
            alone = item.resend or (batch and batch[-1].resend)
            if batch and (alone or len(batch) >= most or size + more > TOGETHER):
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += more
        if batch:
            yield batch

    def _begin(self, item: Item, threads: ThreadPoolExecutor) -> _Work:
        """Begin to upload a row's document, unless the row is sent again as it was."""
        row = item.row
        write = Write(self._desk, self._identity(row.external_id), row.content)
        uploaded = self._attachment(row.external_id) if item.resend else None
        if uploaded is None:
            return _Work(item, write, threads.submit(self._upload, row))
        known: Future[Outcome] = Future()
        known.set_result(Outcome(Kind.ACCEPTED, code=uploaded.qonto_id))
        return _Work(item, write, known)

    def _attachment(self, external_id: str) -> Entry | None:
        """Return what the journal knows of a row's uploaded document."""
        key = self._identity(external_id, "attachment").key
        return self._desk.journal.entries([key]).get(key)

    def _upload(self, row: Row) -> Outcome:
        """Upload a row's document; the code of an accepted one is the attachment's ID."""
        if not isinstance(row, SupplierRow):
            msg = "a row was sent that was not planned"
            raise TypeError(msg)
        try:
            content = self._desk.files.read(row.file, largest=LARGEST, name=row.file_name or None)
        except UnusableFileError as error:
            return Outcome(Kind.REFUSED, str(error), "file_unusable")
        if content.digest != self._seen[row.external_id].digest:
            return Outcome(Kind.REFUSED, "its file has changed since the plan", "file_changed")
        # Part of the key, so that equal files of two rows are two attachments.
        uploads = Uploads(
            self._desk.poster,
            lambda digest: self._identity(f"{row.external_id}\0{digest}", "attachment").key,
        )
        return uploads.upload(content)

    def _create(self, batch: list[_Work]) -> Iterator[tuple[Sequence[Item], Outcome]]:
        """Have supplier invoices made of uploaded documents."""
        requests: list[dict[str, _Work]] = []
        for work in batch:
            outcome = work.upload.result()
            if outcome.kind is not Kind.ACCEPTED:
                self._leave(work.item, Status.REJECTED, outcome)
                yield [work.item], outcome
                continue
            # Should Qonto know a file again, its twins go into requests of their own.
            free = (each for each in requests if outcome.code not in each)
            ready = next(free, None)
            if ready is None:
                requests.append(ready := {})
            ready[outcome.code] = work
        for ready in requests:
            yield from self._ask(ready)

    def _ask(self, ready: dict[str, _Work]) -> Iterator[tuple[Sequence[Item], Outcome]]:
        """Send one request, or one for each item if Qonto refuses the items together."""
        with self._desk.journal.together():
            for attachment, work in ready.items():
                self._note_upload(work, attachment)
        post = request({attachment: work.item.key for attachment, work in ready.items()})
        outcome = self._desk.poster.send(post, lambda: self._leaving(ready.values()))
        outcomes = self._read(outcome, ready)
        is_together = len(ready) > 1 and outcome.kind is Kind.REFUSED
        with self._desk.journal.together():
            for attachment, work in ready.items():
                self._note(work, outcomes[attachment])
        if not is_together or outcome.code in _NO_SUCH:
            yield [work.item for work in ready.values()], outcome
            return
        for work in ready.values():
            work.item.become(Status.PLANNED)
        for attachment, work in ready.items():
            yield from self._ask({attachment: work})

    def _note_upload(self, work: _Work, attachment: str) -> None:
        upload = Write(
            self._desk,
            self._identity(work.item.row.external_id, "attachment"),
            work.item.row.content,
        )
        upload.done(attachment)

    def _leaving(self, works: Iterable[_Work]) -> None:
        with self._desk.journal.together():
            for work in works:
                work.write.leave()

    def _read(self, outcome: Outcome, ready: Mapping[str, _Work]) -> dict[str, Outcome]:
        """Return what became of each item, by its attachment's ID."""
        if outcome.kind is not Kind.ACCEPTED:
            return dict.fromkeys(ready, outcome)
        answer = Answer.of(outcome.body)
        keys = {attachment: work.item.key for attachment, work in ready.items()}
        errors = answer.errors_of(keys)
        told = {row.get("attachment_id") for row in answer.created}
        names = {
            attachment: self._name(work.item) for attachment, work in ready.items()
            if attachment in told or not errors[attachment]
        }  # fmt: skip
        invoices = self._received.matched(answer.created, names)
        return {
            attachment: answer.outcome(invoices.get(attachment), errors[attachment])
            for attachment in ready
        }

    def _name(self, item: Item) -> str:
        seen = self._seen.get(item.row.external_id)
        return seen.name if seen else ""

    def _note(self, work: _Work, outcome: Outcome) -> None:
        """Note what became of an item."""
        item = work.item
        match outcome.kind:
            case Kind.ACCEPTED:
                item.qonto_id, item.qonto_status = outcome.body["id"], outcome.code
                work.write.done(item.qonto_id)
                self._leave(item, Status.SENT, outcome)
            case Kind.UNKNOWN:
                self._leave(item, Status.UNKNOWN, outcome)
            case _:
                if work.write.entry.state == SENDING and work.write.entry.attempts:
                    work.write.rejected(outcome.code)
                self._leave(item, Status.REJECTED, outcome)

    def _leave(self, item: Item, status: Status, outcome: Outcome) -> None:
        code = "" if status is Status.SENT else outcome.code
        item.become(status, outcome.reason, code=code, at=self._desk.now())

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
        found = {}
        for entry in entries:
            upload = self._attachment(entry.external_id)
            row = self._rows.get(entry.external_id)
            invoice = upload and self._received.find(
                upload.qonto_id, called(row.file, row.file_name) if row else "",
                since=since, sent=instant(entry.first_attempt_at),
            )  # fmt: skip
            if invoice:
                found[entry.key] = Found(invoice["id"], str(invoice.get("status") or ""))
            elif upload and upload.qonto_id in self._received.untold and (
                self._desk.clock() > entry.first_attempt_at + _KEY_LIFE
            ):  # fmt: skip
                self._desk.unclear.add(entry.key)
        return found
