"""The stream ``new_client_invoices``: from the draft to the stored PDF, each step once.

Qonto knows no key here. Before a draft is asked for, that is in the journal; a draft whose answer
was lost is looked for by its number, or by all that is on it. A draft does no harm and becomes
final only when it is what the row says.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from tap_qonto.api.errors import JournalError, SentenceError
from tap_qonto.api.pages import Post, Query
from tap_qonto.api.redaction import printable
from tap_qonto.writing.client_invoice_rows import STREAM, InvoiceRow
from tap_qonto.writing.found import STREAM as LOGGED
from tap_qonto.writing.found import read, unwrapped
from tap_qonto.writing.invoice_plan import DRAFT, FINAL, PAPER, TAKEN, Planning, other
from tap_qonto.writing.issued import PATH, Issued, likeness, mismatch, total_of
from tap_qonto.writing.journal import DONE
from tap_qonto.writing.papers import BETWEEN, TRIES, Paper
from tap_qonto.writing.plan import MISFIT, MISSING, Item, Status
from tap_qonto.writing.post import Kind, Outcome
from tap_qonto.writing.write import Found, Write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_qonto.api.pages import Row as Answer
    from tap_qonto.writing.clients import Clients
    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.papers import Papers
    from tap_qonto.writing.rows import Row
    from tap_qonto.writing.write import Desk

_CONFLICTS = (TAKEN, "client_invoice_conflict", "409")

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
        self._papers = papers
        self._rows = {row.external_id: row for row in rows if isinstance(row, InvoiceRow)}
        self._issued = Issued(desk)
        self._planning = Planning(desk, clients, self._issued, with_papers=papers.wanted)
        self._there: set[str] = set()
        """External IDs of rows whose invoices Qonto had before this run."""
        self._iban = ""

    def _write(self, row: InvoiceRow, step: str) -> Write:
        return Write(self._desk, self._planning.identity(row.external_id, step), row.content)

    def plan(self, rows: Sequence[Row]) -> list[Item]:
        """Find out what would happen to each row; nothing is written.

        Raises:
            QontoError: If Qonto cannot be asked.
            JournalError: If the journal cannot be read.
        """
        return self._planning.plan(rows)

    # Sending

    def keep(self, items: Iterable[Item]) -> None:
        """Note which invoices the rows are that Qonto has, and store their documents."""
        for item in items:
            row = self._rows[item.row.external_id]
            known = self._planning.entry(row.external_id, DRAFT)
            if known and known.state == DONE:
                continue
            reason = item.reason
            self._there.add(row.external_id)
            self._issue(item, row)
            if item.status is Status.UNKNOWN:
                self._store(item, row)
            if item.status is Status.ALREADY_SENT:
                item.reason = reason

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
        client_id = self._planning.client_id(row)
        if client_id is None:
            return self._reject(item, "its client was not created", "client_unknown")
        known = self._planning.entry(row.external_id, DRAFT)
        if known and known.state == DONE:
            item.qonto_id = known.qonto_id
        if not item.qonto_id:
            outcome = self._draft(item, row, client_id)
            if outcome.kind is not Kind.ACCEPTED or item.status is not Status.PLANNED:
                return outcome
        write = self._write(row, DRAFT)
        if write.entry.state != DONE or not write.entry.qonto_id:
            write.done(item.qonto_id)
        invoice = self._read(item, is_new=not known or known.state != DONE)
        if invoice is None:
            reason = f"its draft {item.qonto_id} is gone; a new one needs a new external_id"
            return self._reject(item, reason, "draft_gone")
        return self._proceed(item, row, invoice, mismatch(invoice, row, client_id))

    def _proceed(self, item: Item, row: InvoiceRow, invoice: Answer, wrong: str) -> Outcome:
        """Go on with an invoice that exists, unless there is something wrong with it."""
        is_draft = invoice.get("status") == "draft"
        if wrong and is_draft:
            reason = f"the draft {item.qonto_id} {wrong}, so it was not made final"
        elif wrong:
            reason = f"the invoice {item.qonto_id} {wrong}, and is final already"
        elif row.finalize:
            return self._finalize(item, row, is_draft=is_draft)
        elif is_draft or row.external_id in self._there:
            return self._settle(item, row)
        else:
            reason = f"the invoice {item.qonto_id} is final, though only a draft was asked for"
        return self._reject(item, reason, "mismatch")

    def _settle(self, item: Item, row: InvoiceRow, reason: str = "") -> Outcome:
        """Note that nothing is left to do for a row."""
        was_there = row.external_id in self._there
        status = Status.ALREADY_SENT if was_there else Status.SENT
        return self._leave(item, status, Outcome(Kind.ACCEPTED, reason))

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
        if row.number and outcome.code in _CONFLICTS:
            return self._compare_number(item, row, client_id, write, outcome)
        status = Status.UNKNOWN if outcome.kind is Kind.UNKNOWN else Status.REJECTED
        return self._leave(item, status, outcome)

    def _compare_number(
        self, item: Item, row: InvoiceRow, client_id: str, write: Write, outcome: Outcome
    ) -> Outcome:
        """Look at the invoice that has a row's number already; the row may have made it itself."""
        invoice = self._issued.numbered(row.number)
        if invoice is None:
            around = self._issued.around([row])
            sure, perhaps = self._issued.like(around, row, client_id)
            alike = sure or perhaps
            invoice = alike[0] if len(alike) == 1 else None
            if invoice is None:
                reason = f"{outcome.reason}. No invoice shows the number {printable(row.number)}"
                return self._leave(item, Status.REJECTED, outcome._replace(reason=reason))
        elif likeness(invoice, row, client_id) is False:
            return self._leave(item, Status.REJECTED, outcome._replace(reason=other(row)))
        item.qonto_id = invoice["id"]
        write.done(item.qonto_id)
        if write.entry.attempts == 1:
            self._there.add(row.external_id)
        return Outcome(Kind.ACCEPTED)

    def _finalize(self, item: Item, row: InvoiceRow, *, is_draft: bool) -> Outcome:
        """Make a draft final; the item then waits for its document."""
        write = self._write(row, FINAL)
        if is_draft:
            outcome = write.send(Post(f"{PATH}/{item.qonto_id}/finalize", b""))
            if outcome.kind is Kind.UNKNOWN:
                item.key = write.entry.key
                return self._leave(item, Status.UNKNOWN, outcome)
            if outcome.kind in (Kind.FORBIDDEN, Kind.NOT_PROCESSED):
                return self._leave(item, Status.REJECTED, outcome)
            # Whatever Qonto says, what it has is what counts: a repeat is refused in several ways.
            invoice = self._read(item)
            if invoice is None or invoice.get("status") == "draft":
                if outcome.kind is not Kind.ACCEPTED:
                    return self._leave(item, Status.REJECTED, outcome)
                item.key = write.entry.key
                reason = f"POST {PATH}/…/finalize was accepted, and it is still a draft"
                return self._leave(item, Status.UNKNOWN, Outcome(Kind.UNKNOWN, reason, "mismatch"))
        if write.entry.state != DONE or not write.entry.qonto_id:
            write.done(item.qonto_id)
        if self._papers.wanted:
            item.become(Status.UNKNOWN, "it is final; its PDF is still to be stored", code=MISSING)
            item.key = self._planning.identity(row.external_id, PAPER).key
            return Outcome(Kind.ACCEPTED)
        return self._settle(item, row)

    def _store(self, item: Item, row: InvoiceRow) -> Outcome:
        """Store the document of a final invoice."""
        try:
            paper = self._papers.store(item.qonto_id, row)
        except JournalError:
            raise
        except SentenceError as error:
            paper = Paper(reason=f"its PDF was not stored: {error}")
        reason = f"it is final, and {paper.reason}"
        if not paper.attachment:
            return self._leave(item, Status.UNKNOWN, Outcome(Kind.ACCEPTED, reason, MISSING))
        self._write(row, PAPER).done(paper.attachment)
        outcome = self._settle(item, row, reason)
        if not paper.fits:
            item.code = MISFIT
        return outcome

    def _read(self, item: Item, *, is_new: bool = False) -> Answer | None:
        """Return an item's invoice as it is now; None if it is gone.

        Args:
            item: The row.
            is_new: Whether it was made just now, and may take a moment to be seen.
        """
        invoice = read(self._desk.client, f"{PATH}/{item.qonto_id}", "client_invoice")
        for _ in range(TRIES if is_new else 0):
            if invoice or self._papers.pause(BETWEEN):
                break
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
        draft = self._planning.entry(entry.external_id, DRAFT)
        invoice = draft and read(self._desk.client, f"{PATH}/{draft.qonto_id}", "client_invoice")
        if not invoice or invoice.get("status") == "draft":
            return None
        return Found(invoice["id"], str(invoice.get("status") or ""), complete=False)

    def _drafts(self, entries: Sequence[Entry], since: str) -> dict[str, Found]:
        """Return what was found of drafts, by key."""
        found: dict[str, Found] = {}
        taken: set[str] = set()
        for entry in entries:
            row = self._rows.get(entry.external_id)
            client_id = row and self._planning.client_id(row)
            if not row or not client_id or row.content != entry.content:
                continue
            sure, perhaps = self._issued.made_by(entry, row, client_id, since)
            sure = [invoice for invoice in sure if invoice["id"] not in taken]
            if sure:
                taken.add(sure[0]["id"])
                status = str(sure[0].get("status") or "")
                found[entry.key] = Found(sure[0]["id"], status, complete=False)
            more = [*sure[1:], *perhaps]
            if names := [printable(each["id"]) for each in more if each.get("status") == "draft"]:
                _logger.warning(
                    "%s %s: there is a second draft like it, %s; remove it in the Qonto app unless "
                    "it is wanted", STREAM, printable(entry.external_id), ", ".join(names),
                )  # fmt: skip
        return found
