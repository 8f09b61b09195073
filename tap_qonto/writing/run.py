"""One run of the target: plan, consent, action, and the truth about every row at its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from tap_qonto.api.errors import RowsRefusedError, UnsettledError
from tap_qonto.api.redaction import printable
from tap_qonto.writing.acting import Acting
from tap_qonto.writing.client_invoice_rows import STREAM as CLIENT_INVOICES
from tap_qonto.writing.client_invoices import ClientInvoices
from tap_qonto.writing.client_rows import STREAM as CLIENTS
from tap_qonto.writing.clients import Clients
from tap_qonto.writing.lookups import read_organization
from tap_qonto.writing.papers import Papers
from tap_qonto.writing.plan import (
    MISFIT,
    MISSING,
    SETTLED,
    WITHIN_LIMITS,
    Limits,
    Plan,
    Status,
    check_consent,
    counted,
    money,
)
from tap_qonto.writing.post import Poster
from tap_qonto.writing.resolving import Resolving
from tap_qonto.writing.streams import READERS
from tap_qonto.writing.supplier_invoices import SupplierInvoices
from tap_qonto.writing.supplier_rows import STREAM as SUPPLIER_INVOICES
from tap_qonto.writing.transfer_rows import STREAM as TRANSFERS
from tap_qonto.writing.transfers import Transfers
from tap_qonto.writing.write import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_qonto.documents.archive import Archive
    from tap_qonto.singer.stop import Stop
    from tap_qonto.writing.files import Files
    from tap_qonto.writing.journal import Entry, Journal
    from tap_qonto.writing.lookups import Organization, Questions
    from tap_qonto.writing.plan import Item
    from tap_qonto.writing.post import Carrier
    from tap_qonto.writing.results import Results
    from tap_qonto.writing.rows import Inbox
    from tap_qonto.writing.write import Writer

ORDER: Final = tuple(READERS)
"""Streams in the order of their work, whatever the order of their arrival."""

_LINES = 2_000
"""Lines of a pay sheet in one entry of the log."""

_logger = logging.getLogger("target-qonto")


@dataclass(frozen=True)
class Terms:
    """The settings of a run.

    Attributes:
        limits: What may be sent without asking.
        environment: In which of Qonto's environments.
        bank_account_id: ID of the account to debit; None for the main one.
        payee_check: Lowest result of the payee check that is paid.
        request_timeout: Seconds that one request may take.
    """

    limits: Limits
    environment: str
    bank_account_id: str | None
    payee_check: str
    request_timeout: float


@dataclass(frozen=True)
class World:
    """What a run acts on.

    Attributes:
        client: Answers questions.
        carrier: Carries requests to write.
        files: Reads the files that rows name.
        journal_of: Opens the journal of an organization.
        results: Writes result rows.
        stop: Whether a signal has asked the run to stop.
        clock: Returns seconds since the epoch.
        pause: Waits for a number of seconds; returns whether the run was asked to stop.
        archive: Returns what fetches and stores documents; None if none are stored.
        concurrency: How many requests may be under way at once.
    """

    client: Questions
    carrier: Carrier
    files: Files
    journal_of: Callable[[Organization], Journal]
    results: Results
    stop: Stop
    clock: Callable[[], float]
    pause: Callable[[float], bool]
    archive: Callable[[], Archive] | None = None
    concurrency: int = 8


def carry_out(inbox: Inbox, terms: Terms, world: World) -> bool:
    """Plan the rows of an input that has ended, and send them if that is approved.

    Returns:
        Whether every row is sent, so that the source may go on. False if the plan was only shown.

    Raises:
        RowsRefusedError: If rows or settings cannot be used; nothing was sent.
        NotApprovedError: If the plan was not approved; nothing was sent.
        UnsettledError: If rows were not sent, or nobody knows whether they were.
        StoppedError: If a signal asked for it.
        SentenceError: If Qonto cannot be asked; nothing was sent.
    """
    limits = terms.limits
    if limits.approve == WITHIN_LIMITS and inbox.rows(TRANSFERS):
        for name in ("max_transfer", "max_total"):
            if getattr(limits, name) is None:
                msg = f"approve is within_limits, which needs {name}. Nothing was sent"
                raise RowsRefusedError(msg)
    organization = read_organization(world.client)
    with world.journal_of(organization) as journal:
        desk = Desk(
            client=world.client,
            poster=Poster(world.carrier, pause=world.pause),
            journal=journal,
            files=world.files,
            organization=organization,
            clock=world.clock,
        )
        return _Run(desk, terms, world, inbox).carry_out()


class _Run:
    """One run on the journal of its organization."""

    def __init__(self, desk: Desk, terms: Terms, world: World, inbox: Inbox) -> None:
        self._desk = desk
        self._inbox = inbox
        self._terms = terms
        self._world = world
        self._approve = terms.limits.approve
        self._transfers = Transfers(
            desk, bank_account_id=terms.bank_account_id, payee_check=terms.payee_check
        )
        clients = Clients(desk, inbox.rows(CLIENTS))
        papers = Papers(desk, world.archive, world.pause)
        self._writers: dict[str, Writer] = {
            CLIENTS: clients,
            CLIENT_INVOICES: ClientInvoices(desk, clients, papers, inbox.rows(CLIENT_INVOICES)),
            SUPPLIER_INVOICES: SupplierInvoices(
                desk, inbox.rows(SUPPLIER_INVOICES), concurrency=world.concurrency
            ),
            TRANSFERS: self._transfers,
        }
        self._resolving = Resolving(
            desk,
            self._writers,
            request_timeout=terms.request_timeout,
            pause=world.pause,
        )

    def carry_out(self) -> bool:
        unresolved = self._desk.journal.unresolved()
        left = self._resolving.resolve(unresolved, wait=self._approve is not None)
        self._world.stop.check()
        plan = self._plan()
        _show(plan, [] if self._approve else [_foot(plan)])
        self._write_results(plan)
        if self._approve is None:
            return False
        self._check(plan)
        known = {item.key for item in plan.items}  # of the step that each row is at now
        with self._world.stop.finishing():
            Acting(self._desk, self._writers, self._resolving, self._world.stop).act(plan.items)
            self._write_results(plan)
        return self._end(plan, [entry for entry in left if entry.key not in known])

    def _plan(self) -> Plan:
        inbox = self._inbox
        items = [
            item
            for stream in ORDER
            if (rows := inbox.rows(stream))
            for item in self._writers[stream].plan(rows)
        ]
        organization = self._desk.organization
        account = self._transfers.account if any(item.account for item in items) else None
        return Plan(
            organization=organization.name,
            organization_id=organization.id,
            environment=self._terms.environment,
            account=organization.accounts.get(account or ""),
            accounts=organization.accounts,
            items=items,
            notes=[
                f"  {stream}: not used: {', '.join(columns)}"
                for stream, columns in inbox.ignored.items()
            ],
        )

    def _write_results(self, plan: Plan) -> None:
        self._world.results.write(plan.items, digest=plan.digest, now=self._desk.now())

    def _check(self, plan: Plan) -> None:
        """Return if the plan may be carried out, else end the run before the first write."""
        if rejected := plan.having(Status.REJECTED):
            msg = (
                f"Nothing was sent, because of {counted(len(rejected), 'row')} that cannot be: "
                f"{_named(rejected)}. Mend or remove what is rejected, and look at the new plan"
            )
            raise UnsettledError(msg, exit_code=1)
        check_consent(plan, self._terms.limits)

    def _end(self, plan: Plan, gone: Sequence[Entry]) -> bool:
        """Say what became of the rows; return whether all are settled.

        Raises:
            UnsettledError: If not.
            StoppedError: If a signal stopped the run.
        """
        sent = plan.having(Status.SENT)
        total = sum(item.cents or 0 for item in sent if item.account)
        spent = f", {money(total)} EUR" if plan.account else ""
        _logger.info("Sent %d of %s%s", len(sent), counted(len(plan.items), "row"), spent)
        settled = all(item.status in SETTLED for item in plan.items) and not gone
        wrong = [item for item in sent if item.code == MISFIT]
        if settled and not wrong:
            return True
        self._world.stop.check()
        if settled:
            msg = f"Everything is sent, but look at {_named(wrong)}. The next run goes on"
            raise UnsettledError(msg, exit_code=1)
        raise _unsettled(plan, gone)


def _show(plan: Plan, foot: Sequence[str]) -> None:
    """Write the pay sheet into the log, very long ones in several parts."""
    lines = chain(plan.lines(), foot)
    while part := list(islice(lines, _LINES)):
        _logger.info("%s", "\n".join(part))


def _unsettled(plan: Plan, gone: Sequence[Entry]) -> UnsettledError:
    """Return the error that says which rows are not settled, and what to do."""
    unknown = [item for item in plan.having(Status.UNKNOWN) if item.code != MISSING]
    missing = [item for item in plan.having(Status.UNKNOWN) if item.code == MISSING]
    if missing and not unknown and not gone:
        msg = (
            f"{counted(len(missing), 'invoice')} sent, and without a stored document yet: "
            f"{_named(missing)}. Run again: it goes on there"
        )
        return UnsettledError(msg, exit_code=4)
    if unknown or gone:
        names = [item.row.external_id for item in unknown] + [entry.external_id for entry in gone]
        msg = (
            f"Nobody knows yet whether {counted(len(names), 'row')} arrived at Qonto: "
            f"{_listed(names)}. Run again: it looks first, and sends nothing twice"
        )
        if gone:
            msg += (
                ". Rows that left the input are only looked for; restore them to have them sent, "
                "or remove the journal if they shall not be"
            )
        return UnsettledError(msg, exit_code=4)
    if rejected := plan.having(Status.REJECTED):
        return UnsettledError(
            f"{counted(len(rejected), 'row')} not sent: {_named(rejected)}", exit_code=1
        )
    if held := plan.having(Status.HELD):
        return UnsettledError(
            f"{counted(len(held), 'row')} held and not sent: {_named(held)}", exit_code=3
        )
    waiting = plan.having(Status.PLANNED)
    return UnsettledError(
        f"{counted(len(waiting), 'row')} not sent, because the run stopped before", exit_code=1
    )


def _foot(plan: Plan) -> str:
    """Return the last line of a plan that nobody has approved yet."""
    if rejected := plan.having(Status.REJECTED):
        return (
            f"Nothing was sent. {counted(len(rejected), 'row')} cannot be sent: mend or remove "
            "what is rejected, and look at the new plan"
        )
    if not plan.items:
        return "Nothing was sent: the input has no rows"
    return f"Nothing was sent. To send exactly this: approve = {plan.digest}"


_NAMED = 5


def _named(items: Sequence[Item]) -> str:
    """Return the first of some rows with their reasons."""
    return _listed(
        [f"{printable(item.row.external_id)} ({item.reason})" for item in items[: _NAMED + 1]],
        len(items),
    )


def _listed(names: Sequence[str], number: int | None = None) -> str:
    more = (number or len(names)) - _NAMED
    return ", ".join(printable(name) for name in names[:_NAMED]) + (
        f" and {more:,} more" if more > 0 else ""
    )
