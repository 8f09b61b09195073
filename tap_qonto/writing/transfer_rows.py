"""Rows of the stream ``new_transfers``, checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from sys import intern  # many rows name the same payee
from typing import TYPE_CHECKING, Final

from tap_qonto.writing.identity import TAG_LENGTH
from tap_qonto.writing.payees import bare_iban
from tap_qonto.writing.rows import Columns, Reader, content_of, place_of

if TYPE_CHECKING:
    from datetime import date

    from tap_qonto.writing.rows import Cells

STREAM: Final = "new_transfers"

_LONGEST_NOTE = 140 - TAG_LENGTH
_LONGEST_REFERENCE = 140
_LONGEST_NAME = 140
_ATTACHMENT_ABOVE = 3_000_000
"""Cents above which Qonto wants an attachment."""

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{8,30}")
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)

_COLUMNS = Columns(
    stream=STREAM,
    known=frozenset(
        {
            "external_id", "amount", "beneficiary_iban", "beneficiary_id", "reference",
            "beneficiary_name", "scheduled_date", "note", "bank_account_id", "attachment",
        }
    ),
    fixed={"currency": "EUR", "amount_currency": "EUR"},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TransferRow:
    """One transfer that shall exist.

    Attributes:
        external_id: The row's name, in one spelling.
        spelling: The row's name as the source writes it.
        content: Hash of its cells.
        number: Number of the row in its stream, from 1.
        cents: The amount.
        iban: The payee's, without blanks; may be empty if `payee_id` is not.
        payee_id: The payee's ID at Qonto; may be empty if `iban` is not.
        reference: What the payee sees.
        name: The payee's name as the source knows it; may be empty.
        day: The day on which it shall happen; None for at once.
        note: What only the organization sees; may be empty.
        account: ID of the account to debit; empty for the usual one.
        attachment: Path or URL of a file; may be empty.
    """

    external_id: str
    spelling: str
    content: str
    number: int
    cents: int
    iban: str
    payee_id: str
    reference: str
    name: str
    day: date | None
    note: str
    account: str
    attachment: str

    @property
    def stream(self) -> str:
        """The stream that it came in."""
        return STREAM

    @property
    def place(self) -> str:
        """Which row this is, for a sentence."""
        return place_of(STREAM, self.number, self.external_id)


def _read(cells: Cells) -> TransferRow:
    """Check a row.

    Raises:
        RowsRefusedError: If it cannot be used.
    """
    iban = bare_iban(cells.text("beneficiary_iban"))
    payee_id = cells.text("beneficiary_id")
    if not iban and not payee_id:
        cells.refuse("has neither beneficiary_iban nor beneficiary_id")
    if iban and not _IBAN.fullmatch(iban):
        cells.refuse("has a beneficiary_iban that is no IBAN")
    account = cells.text("bank_account_id")
    for name, value in (("beneficiary_id", payee_id), ("bank_account_id", account)):
        if value and not _ID.fullmatch(value):
            cells.refuse(f"has a {name} that is no ID of Qonto")
    cents = cells.cents("amount")
    attachment = cells.text("attachment")
    if cents > _ATTACHMENT_ABOVE and not attachment:
        cells.refuse("is above 30,000 EUR and has no attachment, which Qonto then wants")
    reference = cells.required("reference", longest=_LONGEST_REFERENCE)
    name = cells.text("beneficiary_name", longest=_LONGEST_NAME)
    day = cells.day("scheduled_date")
    note = cells.text("note", longest=_LONGEST_NOTE)
    content = content_of(
        {
            "amount": cents,
            "beneficiary_iban": iban,
            "beneficiary_id": payee_id,
            "reference": reference,
            "beneficiary_name": name,
            "scheduled_date": day,
            "note": note,
            "bank_account_id": account,
            "attachment": attachment,
        }
    )
    return TransferRow(
        cells.external_id, cells.spelling, content, cells.number, cents, intern(iban),
        intern(payee_id), reference, intern(name), day, intern(note), intern(account),
        intern(attachment),
    )  # fmt: skip


READER: Final = Reader(_COLUMNS, _read)
