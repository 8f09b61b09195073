"""The stream ``new_transfers``: SEPA transfers to trusted beneficiaries, planned and sent."""

from __future__ import annotations

from datetime import UTC, datetime
from sys import intern  # many rows name the same payee
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tap_qonto.api.errors import QontoError, RowsRefusedError, UnusableFileError
from tap_qonto.api.instants import shift
from tap_qonto.api.pages import Post
from tap_qonto.api.redaction import printable
from tap_qonto.writing.files import Uploads
from tap_qonto.writing.identity import Identity, tagged
from tap_qonto.writing.journal import DONE, SENDING
from tap_qonto.writing.lookups import History, Transfer, folded, read_transfer, transfers_since
from tap_qonto.writing.payee_check import PayeeCheck
from tap_qonto.writing.payees import Payees
from tap_qonto.writing.plan import Item, Status, money, plain
from tap_qonto.writing.post import Kind, Outcome
from tap_qonto.writing.transfer_rows import STREAM, TransferRow
from tap_qonto.writing.write import Found, Write, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.payees import Payee
    from tap_qonto.writing.rows import Row
    from tap_qonto.writing.write import Desk

STEP: Final = "transfer"

_DAY = 86_400
_DAYS_BY_HAND = 30
"""Days within which the same transfer without a tag holds a row."""


class Transfers:
    """Plans, sends and looks up transfers.

    Args:
        desk: What the run works with.
        bank_account_id: ID of the account to debit; None for the main one.
        payee_check: Lowest result of the payee check that is paid.
    """

    def __init__(self, desk: Desk, *, bank_account_id: str | None, payee_check: str) -> None:
        self._desk = desk
        self.account = bank_account_id or desk.organization.main
        """ID of the account that is debited unless a row names another one."""
        self._check = PayeeCheck(desk.poster, lowest=payee_check)
        self._uploads = Uploads(
            desk.poster,
            lambda digest: Identity(desk.organization.id, STREAM, digest, "attachment").key,
        )
        self._payees = Payees(desk.client, (), ())
        self._history = History(desk.client, (), since=None, recently="", ours=())

    def _identity(self, external_id: str) -> Identity:
        return Identity(self._desk.organization.id, STREAM, external_id, STEP)

    # The plan

    def plan(self, rows: Sequence[Row]) -> list[Item]:
        """Find out what would happen to each row; nothing is written.

        Raises:
            RowsRefusedError: If a row names an account that cannot be debited, or a day that is
                over.
            QontoError: If Qonto cannot be asked.
            JournalError: If the journal cannot be read.
        """
        transfers = [row for row in rows if isinstance(row, TransferRow)]
        items = [Item(row, self._identity(row.external_id).key) for row in transfers]
        known = self._desk.journal.entries(item.key for item in items)
        self._payees = Payees(
            self._desk.client,
            (row.iban for row in transfers if row.iban),
            (row.payee_id for row in transfers if not row.iban),
        )
        self._history = self._read_history(transfers, known)
        for item, row in zip(items, transfers, strict=True):
            self._plan_row(item, row, known.get(item.key))
        return items

    def _read_history(self, rows: Sequence[TransferRow], known: Mapping[str, Entry]) -> History:
        settled = sum(entry.state == DONE for entry in known.values()) == len(rows)
        recently = shift(self._desk.now(), -_DAYS_BY_HAND * _DAY)
        return History(
            self._desk.client,
            list({payee.id: None for row in rows if (payee := self._payee(row))}),
            # What the journal knows to be done needs no tag to be looked for.
            since=recently if settled else None,
            recently=recently,
            ours={entry.qonto_id for entry in known.values()},
        )

    def _payee(self, row: TransferRow) -> Payee | None:
        """Return the row's beneficiary; None if there is none, or not one."""
        if not row.iban:
            return self._payees.by_id.get(row.payee_id)
        payee = self._payees.by_iban.get(row.iban)
        return payee if payee and row.payee_id in ("", payee.id) else None

    def _plan_row(self, item: Item, row: TransferRow, entry: Entry | None) -> None:
        payee = self._payee(row)
        digits = (row.iban or (payee.iban if payee else "") or row.payee_id)[-4:]
        name = printable(row.name or (payee.name if payee else ""))
        item.who = intern(f"{name} …{digits}".lstrip())
        item.cents, item.currency = row.cents, "EUR"
        item.when = intern(f"on {row.day}") if row.day else "at once"
        item.account = self._account(row)
        # Whatever else is known of the row: it is part of the digest, and must be the same when
        # a run that was interrupted is finished.
        hand = payee and self._history.paid_by_hand(payee.id, row.cents, row.reference)
        item.hold = bool(hand)
        tag = self._identity(row.external_id).tag
        if entry and entry.state == DONE:
            self._compare_done(item, row, entry)
        elif entry and entry.state == SENDING:
            self._compare_sending(item, row, entry)
        elif found := self._history.by_tag.get(tag):
            self._compare_found(item, row, payee, found)
        if item.status is not Status.PLANNED:
            return
        self._refuse_past(row)
        if problem := self._problem(row, payee):
            item.become(Status.REJECTED, problem[1], code=problem[0])
        elif hand:
            item.become(
                Status.HELD,
                f'{money(row.cents)} "{printable(row.reference)}" was paid by hand on '
                f"{hand.created_at[:10]}",
            )

    def _account(self, row: TransferRow) -> str:
        """Return the ID of the account that the row debits."""
        chosen = row.account or self.account
        if chosen in self._desk.organization.accounts:
            return chosen
        if chosen is None:
            msg = (
                "The organization has several accounts and no main one. Nothing was sent. Set "
                "bank_account_id to the ID of the account to debit"
            )
        else:
            where = f"{row.place} names" if row.account else "The setting bank_account_id names"
            msg = (
                f"{where} an account that these credentials cannot debit. Nothing was sent. The "
                "stream bank_accounts of tap-qonto lists all IDs"
            )
        raise RowsRefusedError(msg)

    def _compare_done(self, item: Item, row: TransferRow, entry: Entry) -> None:
        """Say what a row is that the journal knows to be sent."""
        found = self._history.by_id.get(entry.qonto_id)
        item.qonto_id, item.qonto_status = entry.qonto_id, found.status if found else ""
        day = instant(entry.settled_at)[:10]
        if entry.content == row.content:
            item.become(Status.ALREADY_SENT, f"on {day}", at=instant(entry.settled_at))
            return
        answer = None if found else read_transfer(self._desk.client, entry.qonto_id)
        self._reject_changed(item, found or (Transfer.of(answer) if answer else None), day)

    def _compare_sending(self, item: Item, row: TransferRow, entry: Entry) -> None:
        """Say what a row is for which an answer was lost."""
        since = instant(entry.last_attempt_at)
        if entry.content != row.content:
            item.hold = False
            item.become(
                Status.HELD,
                f"the answer to a request of {since[:10]} for this external_id was lost, and the "
                "row has changed since. Restore the row to have that resolved first",
            )
        elif entry.key in self._desk.lost:
            item.resend = True
        else:
            item.become(
                Status.UNKNOWN,
                f"sent at {since[11:16]} UTC on {since[:10]}, the answer was lost; an approved run "
                "resolves it",
                at=since,
            )

    def _compare_found(
        self, item: Item, row: TransferRow, payee: Payee | None, found: Transfer
    ) -> None:
        """Say what a row is whose tag Qonto has, though the journal does not know it."""
        item.qonto_id, item.qonto_status = found.id, found.status
        day = found.created_at[:10]
        same_payee = payee is None or found.payee_id in ("", payee.id)
        if same_payee and _is_same(found, row):
            item.become(Status.ALREADY_SENT, f"on {day}", at=found.created_at)
        else:
            self._reject_changed(item, found, day)

    def _reject_changed(self, item: Item, found: Transfer | None, day: str) -> None:
        amount = "" if found is None or found.cents is None else f"as {money(found.cents)} EUR "
        item.become(
            Status.REJECTED,
            f"was sent {amount}on {day}; a new payment needs a new external_id",
            code="content_changed",
        )

    def _problem(self, row: TransferRow, payee: Payee | None) -> tuple[str, str] | None:
        """Return code and sentence of what keeps a row from being sent; None if nothing does."""
        if payee is None:
            if row.iban and row.payee_id:
                why = "beneficiary_iban and beneficiary_id are not those of one beneficiary"
            else:
                why = f"the organization has no such beneficiary; {_TRUST}"
            return "beneficiary_unknown", why
        if not payee.validated:
            return "beneficiary_not_validated", "Qonto has not validated the beneficiary yet"
        if not payee.trusted:
            return "beneficiary_not_trusted", f"the beneficiary is not trusted; {_TRUST}"
        if row.attachment:
            try:
                self._desk.files.check(row.attachment)
            except UnusableFileError as error:
                return "attachment_unusable", str(error)
        return None

    def _refuse_past(self, row: TransferRow) -> None:
        """Refuse a day that is over everywhere; a row that was sent before may have one."""
        if row.day and row.day < datetime.fromtimestamp(self._desk.clock(), UTC).date():
            msg = f"{row.place} has a scheduled_date that is over. Nothing was sent"
            raise RowsRefusedError(msg)

    # Sending

    def keep(self, items: Iterable[Item]) -> None:
        """Note nothing: a transfer's tag is enough to find it again."""

    def send_all(self, items: Iterator[Item]) -> Iterator[tuple[Sequence[Item], Outcome]]:
        """Send rows, one after the other, and note what became of them."""
        for item in items:
            yield [item], self.send(item)

    def send(self, item: Item) -> Outcome:
        """Send one row, and note what became of it.

        Returns:
            What that came to; its kind says whether the run, or the stream, goes on.

        Raises:
            JournalError: If the journal cannot be written; what is under way stays unknown.
        """
        row = item.row
        payee = self._payee(row) if isinstance(row, TransferRow) else None
        if not isinstance(row, TransferRow) or payee is None:
            msg = "a row was sent that was not planned"
            raise AssertionError(msg)
        attachments: list[str] = []
        if row.attachment:
            outcome = self._upload(row.attachment)
            if outcome.kind is not Kind.ACCEPTED:
                return self._leave(item, Status.REJECTED, outcome)
            attachments = [outcome.code]
        write = Write(self._desk, self._identity(row.external_id), row.content)
        outcome = Outcome(Kind.PROOF_EXPIRED)
        for _ in range(_CHECKS):
            checked = self._check.verify(payee.iban or row.iban, row.name or payee.name)
            item.payee_check = checked.result
            if not checked.is_enough:
                status = Status.HELD if checked.reason else Status.REJECTED
                reason = checked.reason or checked.outcome.reason
                return self._leave(item, status, checked.outcome._replace(reason=reason))
            post = self._post(item, row, payee, checked.token, attachments)
            outcome = write.send(post)
            if outcome.kind is not Kind.PROOF_EXPIRED:
                break
        if outcome.kind is Kind.ACCEPTED:
            body = outcome.body if isinstance(outcome.body, dict) else {}
            transfer: Any = body.get("transfer")
            if wrong := self._mismatch(transfer, row, payee):
                reason = f"POST /sepa/transfers was answered {wrong}"
                outcome = Outcome(Kind.UNKNOWN, reason, "mismatch")
            else:
                item.qonto_id = transfer["id"]
                item.qonto_status = printable(transfer.get("status"))
                self._leave(item, Status.SENT, outcome)
                write.done(item.qonto_id)
                return outcome
        unknown = outcome.kind is Kind.UNKNOWN
        return self._leave(item, Status.UNKNOWN if unknown else Status.REJECTED, outcome)

    def _leave(self, item: Item, status: Status, outcome: Outcome) -> Outcome:
        """Note what became of a row."""
        code = "" if status is Status.SENT else outcome.code
        item.become(status, outcome.reason, code=code, at=self._desk.now())
        return outcome

    def _upload(self, path: str) -> Outcome:
        try:
            content = self._desk.files.read(path)
        except UnusableFileError as error:
            return Outcome(Kind.REFUSED, str(error), "attachment_unusable")
        return self._uploads.upload(content)

    def _post(
        self, item: Item, row: TransferRow, payee: Payee, token: str, attachments: list[str]
    ) -> Post:
        transfer: dict[str, Any] = {
            "bank_account_id": item.account,
            "beneficiary_id": payee.id,
            "reference": row.reference,
            "amount": plain(row.cents),
            "note": tagged(row.note, self._identity(row.external_id).tag),
        }
        if row.day:
            transfer["scheduled_date"] = row.day.isoformat()
        if attachments:
            transfer["attachment_ids"] = attachments
        body = msgspec.json.encode({"vop_proof_token": token, "transfer": transfer})
        return Post("/sepa/transfers", body, key=item.key)

    def _mismatch(self, transfer: Any, row: TransferRow, payee: Payee) -> str:
        """Return what in an answer does not fit the request; empty if all does.

        Qonto gives the answer to an earlier request with the same key, whatever this one says.
        What an answer leaves out is asked for by its ID.
        """
        if not isinstance(transfer, dict) or not isinstance(transfer.get("id"), str):
            return "without a transfer"
        if not {"beneficiary_id", "note", "reference"}.issubset(transfer):
            try:
                transfer = (read_transfer(self._desk.client, transfer["id"]) or {}) | transfer
            except QontoError:
                return "with too little to know the transfer by"
        answered = Transfer.of(transfer)
        if answered.payee_id != payee.id:
            return "with another payee"
        if not _is_same(answered, row):
            return "with another amount or reference"
        return "" if self._identity(row.external_id).tag in answered.tags else "without our tag"

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
        tags = {self._identity(entry.external_id).tag: entry.key for entry in entries}
        return {
            tags[tag]: Found(transfer.id, transfer.status)
            for transfer in transfers_since(self._desk.client, since)
            for tag in transfer.tags
            if tag in tags
        }


_CHECKS = 2
"""Payee checks for one transfer: the second one if the proof of the first has expired."""

_TRUST = "add it in the Qonto app and allow automated transfers to it"


def _is_same(transfer: Transfer, row: TransferRow) -> bool:
    return transfer.cents == row.cents and folded(transfer.reference) == folded(row.reference)
