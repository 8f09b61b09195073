"""The stream ``new_client_invoices``: from the draft to the stored PDF, each step once.

Qonto knows no key here. Before a draft is asked for, that is in the journal; a draft whose answer
was lost is looked for by its number, or by all that is on it. A draft does no harm and becomes
final only when it is what the row says.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import msgspec

from tap_qonto.api.instants import as_filter
from tap_qonto.api.pages import Post, Query
from tap_qonto.api.redaction import printable
from tap_qonto.writing.client_invoice_rows import STREAM, InvoiceRow
from tap_qonto.writing.found import STREAM as LOGGED
from tap_qonto.writing.found import read, unwrapped
from tap_qonto.writing.identity import Identity
from tap_qonto.writing.issued import (
    PATH,
    invoices_around,
    invoices_numbered,
    invoices_since,
    is_same,
    mismatch,
    total_of,
)
from tap_qonto.writing.journal import DONE, SENDING
from tap_qonto.writing.plan import Item, Status
from tap_qonto.writing.post import Kind, Outcome
from tap_qonto.writing.steps import lost_or_changed
from tap_qonto.writing.write import Found, Write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_qonto.api.pages import Row as Answer
    from tap_qonto.writing.clients import Clients
    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.papers import Papers
    from tap_qonto.writing.rows import Row
    from tap_qonto.writing.write import Desk

DRAFT: Final = "draft"
FINAL: Final = "finalize"
PAPER: Final = "document"
"""The steps of a row, each a point from which another run goes on."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TAKEN = "invoice_number_already_exists"
_NOT_A_DRAFT = "invoice_not_in_draft_status"

_logger = logging.getLogger("target-qonto")


class ClientInvoices:
    """Plans, sends and looks up client invoices.

    Args:
        desk: What the run works with.
        clients: Knows the clients of the run.
        papers: Stores documents.
        rows: The rows of the run.
    """

    def __init__(
        self, desk: Desk, clients: Clients, papers: Papers, rows: Iterable[Row] = ()
    ) -> None:
        self._desk = desk
        self._clients = clients
        self._papers = papers
        self._rows = {row.external_id: row for row in rows if isinstance(row, InvoiceRow)}
        self._names: dict[str, str | None] = {}
        self._iban = ""

    def _identity(self, external_id: str, step: str) -> Identity:
        return Identity(self._desk.organization.id, STREAM, external_id, step)

    def _entry(self, external_id: str, step: str) -> Entry | None:
        key = self._identity(external_id, step).key
        return self._desk.journal.entries([key]).get(key)

    def _write(self, row: InvoiceRow, step: str) -> Write:
        return Write(self._desk, self._identity(row.external_id, step), row.content)

    # The plan

    def plan(self, rows: Sequence[Row]) -> list[Item]:
        """Find out what would happen to each row; nothing is written.

        Raises:
            QontoError: If Qonto cannot be asked.
            JournalError: If the journal cannot be read.
        """
        items = []
        new: list[tuple[Item, InvoiceRow]] = []
        for row in rows:
            if not isinstance(row, InvoiceRow):
                continue
            item = Item(row, self._identity(row.external_id, DRAFT).key)
            item.cents, item.currency = row.totals[0], "EUR"
            item.when = f"on {row.issued}" if row.finalize else "as a draft"
            items.append(item)
            name = self._client_name(row)
            item.who = printable(name or row.client)
            if self._compare(item, row):
                continue
            if name is None:
                item.become(
                    Status.REJECTED,
                    "its client is neither the external_id of a row of new_clients nor the ID of "
                    "a client at Qonto",
                    code="client_unknown",
                )
            elif item.status is Status.PLANNED and not item.qonto_id:
                new.append((item, row))
        self._compare_with_qonto(new)
        return items

    def _client_name(self, row: InvoiceRow) -> str | None:
        """Return what people call a row's client, perhaps nothing; None if there is no client."""
        if row.client not in self._names:
            name = None
            if self._clients.knows(row.client):
                name = self._clients.name_of(row.client)
            elif _UUID.fullmatch(row.client) and (client := self._clients.read(row.client)):
                name = str(client.get("name") or client.get("last_name") or "")
            self._names[row.client] = name
        return self._names[row.client]

    def _client_id(self, row: InvoiceRow) -> str | None:
        """Return the ID of a row's client; None if it was not created."""
        known = self._clients.id_of(row.client)
        return known or (row.client if _UUID.fullmatch(row.client) else None)

    def _compare(self, item: Item, row: InvoiceRow) -> bool:
        """Note what the journal knows of a row; return whether that decides what happens to it."""
        draft = self._entry(row.external_id, DRAFT)
        if not draft or draft.state != DONE or draft.content != row.content:
            return lost_or_changed(item, draft, self._desk.lost)
        item.qonto_id = draft.qonto_id
        final = self._entry(row.external_id, FINAL)
        if final and final.state == SENDING:
            item.key = final.key
            return lost_or_changed(item, final, self._desk.lost)
        paper = self._entry(row.external_id, PAPER)
        finished = not row.finalize or (
            final and final.state == DONE and (paper or not self._papers.wanted)
        )
        if finished:
            lost_or_changed(item, paper or final or draft, self._desk.lost)
            item.qonto_id = draft.qonto_id
        return bool(finished)

    def _compare_with_qonto(self, new: Sequence[tuple[Item, InvoiceRow]]) -> None:
        """Look whether Qonto has invoices that the journal does not know of."""
        if not new:
            return
        taken = self._desk.journal.written(STREAM)
        invoices = [
            invoice
            for invoice in invoices_around(self._desk.client, [row for _, row in new])
            if invoice.get("id") not in taken
        ]
        for item, row in new:
            client_id = self._client_id(row)
            for invoice in invoices if client_id else ():
                number = invoice.get("number") or invoice.get("invoice_number")
                numbered = bool(row.number) and number == row.number
                if client_id and (numbered or (
                    not row.number and is_same(invoice, row, client_id)
                )):  # fmt: skip
                    self._note_found(item, row, invoice, client_id)
                    invoices.remove(invoice)
                    break

    def _note_found(self, item: Item, row: InvoiceRow, invoice: Answer, client_id: str) -> None:
        """Note in a plan that Qonto has what a row asks for, or something of its number."""
        name = printable(invoice.get("number") or invoice["id"])
        if row.number and not is_same(invoice, row, client_id):
            item.become(Status.REJECTED, f"another invoice has the number {name}", code=_TAKEN)
        elif invoice.get("status") == "draft":
            item.qonto_id = invoice["id"]
            item.when = f"{item.when}, from the draft {name}"
        elif row.number:
            item.qonto_id, item.qonto_status = invoice["id"], str(invoice.get("status") or "")
            item.become(Status.ALREADY_SENT, f"as {name}")
        else:
            item.hold = True
            item.become(Status.HELD, f"the same invoice exists as {name}; was it made by hand?")

    # Sending

    def send_all(self, items: Iterator[Item]) -> Iterator[tuple[Sequence[Item], Outcome]]:
        """Make the invoices, one after the other, then store their documents.

        Qonto makes a document within some ten seconds, in which the next invoices are made.
        """
        final = []
        for item in items:
            outcome = self._issue(item, self._rows[item.row.external_id])
            waits = outcome.kind is Kind.ACCEPTED and item.status is Status.UNKNOWN
            final += [item] * waits
            yield [] if waits else [item], outcome
        for item in final:
            yield [item], self._store(item, self._rows[item.row.external_id])

    def _issue(self, item: Item, row: InvoiceRow) -> Outcome:
        """Have a draft, and have it made final."""
        client_id = self._client_id(row)
        if client_id is None:
            return self._reject(item, "its client was not created", "client_unknown")
        known = self._entry(row.external_id, DRAFT)
        if known and known.state == DONE:
            item.qonto_id = known.qonto_id
        if not item.qonto_id:
            outcome = self._draft(item, row, client_id)
            if outcome.kind is not Kind.ACCEPTED or item.status is not Status.PLANNED:
                return outcome
        write = self._write(row, DRAFT)
        if write.entry.state != DONE or not write.entry.qonto_id:
            write.done(item.qonto_id)
        invoice = self._read(item)
        if invoice is None:
            reason = f"its draft {item.qonto_id} is gone; a new one needs a new external_id"
            return self._reject(item, reason, "draft_gone")
        if wrong := mismatch(invoice, row, client_id):
            reason = f"the draft {item.qonto_id} {wrong}, so it was not made final"
            return self._reject(item, reason, "mismatch")
        if not row.finalize:
            item.become(Status.SENT, at=self._desk.now())
            return Outcome(Kind.ACCEPTED)
        return self._finalize(item, row, is_draft=invoice.get("status") == "draft")

    def _draft(self, item: Item, row: InvoiceRow, client_id: str) -> Outcome:
        """Have a draft made; its ID is then the item's, which stays planned."""
        body = row.body(client_id, row.iban or self._main_iban())
        write = self._write(row, DRAFT)
        outcome = write.send(Post(PATH, msgspec.json.encode(body)))
        if outcome.kind is Kind.ACCEPTED:
            invoice = unwrapped(outcome.body, "client_invoice")
            if invoice:
                item.qonto_id = invoice["id"]
                write.done(item.qonto_id)
                return outcome
            outcome = Outcome(Kind.UNKNOWN, f"POST {PATH} was answered without an ID", "mismatch")
        if outcome.code == _TAKEN:
            return self._compare_number(item, row, client_id, write, outcome)
        status = Status.UNKNOWN if outcome.kind is Kind.UNKNOWN else Status.REJECTED
        return self._leave(item, status, outcome)

    def _compare_number(
        self, item: Item, row: InvoiceRow, client_id: str, write: Write, outcome: Outcome
    ) -> Outcome:
        """Look at the invoice that has a row's number already."""
        for invoice in invoices_numbered(self._desk.client, row.number):
            if not is_same(invoice, row, client_id):
                break
            item.qonto_id, item.qonto_status = invoice["id"], str(invoice.get("status") or "")
            write.done(item.qonto_id)
            if item.qonto_status != "draft":
                self._write(row, FINAL).done(item.qonto_id)
                item.become(Status.ALREADY_SENT, f"as {row.number}", at=self._desk.now())
            return Outcome(Kind.ACCEPTED)
        reason = f"another invoice has the number {printable(row.number)}"
        return self._leave(item, Status.REJECTED, outcome._replace(reason=reason))

    def _finalize(self, item: Item, row: InvoiceRow, *, is_draft: bool) -> Outcome:
        """Make a draft final; the item then waits for its document."""
        write = self._write(row, FINAL)
        if is_draft:
            outcome = write.send(Post(f"{PATH}/{item.qonto_id}/finalize", b""))
            if outcome.kind is Kind.UNKNOWN:
                item.key = write.entry.key
                return self._leave(item, Status.UNKNOWN, outcome)
            if outcome.kind is not Kind.ACCEPTED and outcome.code != _NOT_A_DRAFT:
                return self._leave(item, Status.REJECTED, outcome)
            invoice = self._read(item)
            if invoice is None or invoice.get("status") == "draft":
                item.key = write.entry.key
                reason = f"POST {PATH}/…/finalize was accepted, and it is still a draft"
                return self._leave(item, Status.UNKNOWN, Outcome(Kind.UNKNOWN, reason, "mismatch"))
        if write.entry.state != DONE or not write.entry.qonto_id:
            write.done(item.qonto_id)
        if self._papers.wanted:
            item.become(Status.UNKNOWN, "it is final; its PDF is still to be stored")
            item.key = self._identity(row.external_id, PAPER).key
        else:
            item.become(Status.SENT, at=self._desk.now())
        return Outcome(Kind.ACCEPTED)

    def _store(self, item: Item, row: InvoiceRow) -> Outcome:
        """Store the document of a final invoice."""
        paper = self._papers.store(item.qonto_id, row)
        reason = f"it is final, and {paper.reason}"
        if not paper.attachment or not paper.fits:
            code = "document_missing" if paper.fits else "document_mismatch"
            return self._leave(item, Status.UNKNOWN, Outcome(Kind.ACCEPTED, reason, code))
        self._write(row, PAPER).done(paper.attachment)
        return self._leave(item, Status.SENT, Outcome(Kind.ACCEPTED, reason))

    def _read(self, item: Item) -> Answer | None:
        """Return an item's invoice as it is now; None if it is gone."""
        invoice = read(self._desk.client, f"{PATH}/{item.qonto_id}", "client_invoice")
        if invoice:
            item.qonto_status = printable(invoice.get("status"))
            cents, currency = total_of(invoice)
            item.cents, item.currency = cents or item.cents, currency or item.currency
        return invoice

    def _main_iban(self) -> str:
        """Return the IBAN of the main account."""
        if not self._iban:
            answer = self._desk.client.get(Query(LOGGED, "/organization"))
            accounts = answer["organization"].get("bank_accounts") or ()
            main = self._desk.organization.main
            self._iban = next((str(row["iban"]) for row in accounts if row["id"] == main), "")
        return self._iban

    def _reject(self, item: Item, reason: str, code: str) -> Outcome:
        return self._leave(item, Status.REJECTED, Outcome(Kind.REFUSED, reason, code))

    def _leave(self, item: Item, status: Status, outcome: Outcome) -> Outcome:
        """Note what became of a row."""
        code = "" if status is Status.SENT else outcome.code
        item.become(status, outcome.reason, code=code, at=self._desk.now())
        return outcome

    # After an answer was lost

    def look(self, entries: Iterable[Entry], since: str) -> dict[str, Found]:
        """Look for writes whose answers were lost.

        Args:
            entries: The writes.
            since: Uniform instant from whose changes on to look.

        Returns:
            What was found, by key; there may be more to do for the row.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        found: dict[str, Found] = {}
        drafts = []
        for entry in entries:
            if entry.step == DRAFT:
                drafts.append(entry)
            elif invoice := self._final(entry):
                found[entry.key] = invoice
        return found | self._drafts(drafts, since)

    def _final(self, entry: Entry) -> Found | None:
        """Return the invoice that an entry asked to make final, if it is."""
        draft = self._entry(entry.external_id, DRAFT)
        invoice = draft and read(self._desk.client, f"{PATH}/{draft.qonto_id}", "client_invoice")
        if not invoice or invoice.get("status") == "draft":
            return None
        return Found(invoice["id"], str(invoice.get("status") or ""), complete=False)

    def _drafts(self, entries: Sequence[Entry], since: str) -> dict[str, Found]:
        """Return what was found of drafts, by key."""
        found: dict[str, Found] = {}
        taken = self._desk.journal.written(STREAM) if entries else set()
        invoices = list(invoices_since(self._desk.client, as_filter(since))) if entries else []
        for entry in entries:
            row = self._rows.get(entry.external_id)
            client_id = row and self._client_id(row)
            if not row or not client_id or row.content != entry.content:
                continue
            same = [
                invoice
                for invoice in invoices
                if invoice["id"] not in taken
                and (not row.number or row.number == invoice.get("number"))
                and is_same(invoice, row, client_id)
            ]
            if not same:
                continue
            taken.add(same[0]["id"])
            found[entry.key] = Found(
                same[0]["id"], str(same[0].get("status") or ""), complete=False
            )
            if more := [
                printable(each["id"]) for each in same[1:] if each.get("status") == "draft"
            ]:
                _logger.warning(
                    "%s %s: there is a second draft like it, %s; remove it in the Qonto app unless "
                    "it is wanted", STREAM, printable(entry.external_id), ", ".join(more),
                )  # fmt: skip
        return found
