"""What would happen to rows of ``new_client_invoices``, by the journal and by what Qonto has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tap_qonto.api.redaction import printable
from tap_qonto.writing.client_invoice_rows import STREAM, InvoiceRow
from tap_qonto.writing.identity import Identity
from tap_qonto.writing.issued import number_of
from tap_qonto.writing.journal import DONE, SENDING
from tap_qonto.writing.plan import Item, Status
from tap_qonto.writing.steps import lost_or_changed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_qonto.api.pages import Row as Answer
    from tap_qonto.writing.clients import Clients
    from tap_qonto.writing.issued import Issued
    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.rows import Row
    from tap_qonto.writing.write import Desk

DRAFT: Final = "draft"
FINAL: Final = "finalize"
PAPER: Final = "document"
"""The steps of a row, each a point from which another run goes on."""

TAKEN: Final = "invoice_number_already_exists"
"""Qonto's code for a number that an invoice has."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Planning:
    """Plans client invoices.

    Args:
        desk: What the run works with.
        clients: Knows the clients of the run.
        issued: Looks for invoices.
        with_papers: Whether documents are stored.
    """

    def __init__(self, desk: Desk, clients: Clients, issued: Issued, *, with_papers: bool) -> None:
        self._desk = desk
        self._clients = clients
        self._issued = issued
        self._with_papers = with_papers
        self._names: dict[str, str | None] = {}

    def identity(self, external_id: str, step: str) -> Identity:
        """Return the name of one step of a row."""
        return Identity(self._desk.organization.id, STREAM, external_id, step)

    def entry(self, external_id: str, step: str) -> Entry | None:
        """Return what the journal knows of one step of a row."""
        key = self.identity(external_id, step).key
        return self._desk.journal.entries([key]).get(key)

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
            item = Item(row, self.identity(row.external_id, DRAFT).key)
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

    def client_id(self, row: InvoiceRow) -> str | None:
        """Return the ID of a row's client; None if it was not created."""
        known = self._clients.id_of(row.client)
        return known or (row.client if _UUID.fullmatch(row.client) else None)

    def _compare(self, item: Item, row: InvoiceRow) -> bool:
        """Note what the journal knows of a row; return whether that decides what happens to it."""
        draft = self.entry(row.external_id, DRAFT)
        if not draft or draft.state != DONE or draft.content != row.content:
            return lost_or_changed(item, draft, self._desk.lost)
        item.qonto_id = draft.qonto_id
        final = self.entry(row.external_id, FINAL)
        if final and final.state == SENDING:
            item.key = final.key
            return lost_or_changed(item, final, self._desk.lost)
        paper = self.entry(row.external_id, PAPER)
        finished = not row.finalize or (
            final and final.state == DONE and (paper or not self._with_papers)
        )
        if finished:
            lost_or_changed(item, paper or final or draft, self._desk.lost)
            item.qonto_id = draft.qonto_id
        return bool(finished)

    def _compare_with_qonto(self, new: Sequence[tuple[Item, InvoiceRow]]) -> None:
        """Look whether Qonto has invoices that the journal does not know of."""
        invoices = self._issued.around([row for _, row in new])
        for item, row in new:
            client_id = self.client_id(row)
            if not client_id:
                continue
            numbered = [each for each in invoices if row.number and number_of(each) == row.number]
            sure, perhaps = self._issued.like(numbered or invoices, row, client_id)
            found = next(iter((*sure, *perhaps)), None)
            if found:
                invoices = [each for each in invoices if each["id"] != found["id"]]
                self._note_found(item, row, found, is_sure=bool(sure))
            elif numbered:
                item.become(Status.REJECTED, other(row), code=TAKEN)

    def _note_found(self, item: Item, row: InvoiceRow, invoice: Answer, *, is_sure: bool) -> None:
        """Note in a plan that Qonto has what a row asks for, or something like it."""
        name = printable(number_of(invoice) or invoice["id"])
        # A number is one invoice's only. A draft may not tell the one that it will have.
        is_its = is_sure or (bool(row.number) and number_of(invoice) == row.number)
        if is_its and invoice.get("status") == "draft":
            item.qonto_id = invoice["id"]
            item.when = f"{item.when}, from the draft {name}"
        elif is_its and row.number and number_of(invoice):
            item.qonto_id, item.qonto_status = invoice["id"], str(invoice.get("status") or "")
            item.become(Status.ALREADY_SENT, f"as {name}")
        elif not row.number:
            like = "the same invoice" if is_sure else "what may be the same invoice"
            item.hold = True
            item.become(Status.HELD, f"{like} exists as {name}; was it made by hand?")


def other(row: InvoiceRow) -> str:
    """Return the sentence for a number that another invoice has."""
    return f"another invoice has the number {printable(row.number)}"
