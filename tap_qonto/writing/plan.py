"""The plan: what would happen to every row, as a pay sheet with a digest. Pure.

The digest is made from what a person has seen: whose money, from which account, every row, and
which rows were held. What was sent in the meantime is no part of it, so that the same approval
finishes a run that was interrupted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from tap_qonto.api.errors import NotApprovedError, RowsRefusedError
from tap_qonto.api.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_qonto.writing.rows import Row

WITHIN_LIMITS = "within_limits"

NEVER = "\N{EN DASH}"
"""Stands for the day of a row that will not be sent."""

_NAMED = 5
"""How many rows a sentence names at most."""

WAITS: Final = "twin_unknown"
"""Code of a row of which nothing was sent, since it waits for what became of another one."""

MISSING: Final = "document_missing"
"""Code of a row that is sent, but whose document is not stored yet."""

MISFIT: Final = "document_mismatch"
"""Code of a row that is sent, but whose document says something else."""

_DIGEST = re.compile(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}")


class Status(StrEnum):
    """What became of a row, as result rows say it."""

    PLANNED = "planned"
    SENT = "sent"
    ALREADY_SENT = "already_sent"
    REJECTED = "rejected"
    HELD = "held"
    UNKNOWN = "unknown"


SETTLED = frozenset({Status.SENT, Status.ALREADY_SENT})


@dataclass(slots=True, eq=False)
class Item:
    """One row on its way.

    Attributes:
        row: The checked row.
        key: Idempotency key of its first write, by which the journal knows it.
        status: What became of it so far.
        who: The payee or whatever names the row to a person, with four digits of an IBAN at most.
        cents: The amount in cents; None if it has none.
        currency: Of the amount.
        when: The day on which it shall happen, or ``at once``.
        account: ID of the account that is debited.
        reason: Why it is rejected, held or unknown, or when it was sent; for a person.
        code: Qonto's code of a refusal.
        hold: Whether a person may approve it although it is held.
        resend: Whether an earlier request was lost, so that the same one is sent again.
        qonto_id: What Qonto calls the result.
        qonto_status: What Qonto says of it.
        payee_check: Result of the payee check.
        at: When its status was known, uniform.
    """

    row: Row
    key: str
    status: Status = Status.PLANNED
    who: str = ""
    cents: int | None = None
    currency: str = ""
    when: str = NEVER
    account: str = ""
    reason: str = ""
    code: str = ""
    hold: bool = False
    resend: bool = False
    qonto_id: str = ""
    qonto_status: str = ""
    payee_check: str = ""
    at: str = ""

    def become(self, status: Status, reason: str = "", *, code: str = "", at: str = "") -> None:
        """Note what became of the row."""
        self.status = status
        self.reason = reason
        self.code = code
        self.at = at or self.at

    @property
    def may_be_sent(self) -> bool:
        """Whether the row is sent once the plan is approved."""
        return self.status is Status.PLANNED or (self.status is Status.HELD and self.hold)

    @property
    def what(self) -> str:
        """What will happen to the row or has happened to it, in words."""
        match self.status:
            case Status.PLANNED:
                return "send again, the answer was lost" if self.resend else "send"
            case Status.ALREADY_SENT:
                return f"already sent{self.reason and ' '}{self.reason}"
        return f"{self.status.value}: {self.reason}" if self.reason else self.status.value


class Account(NamedTuple):
    """An account of the organization that may be debited."""

    id: str
    digits: str
    """The last four characters of its IBAN."""
    cents: int | None
    """What can be spent, in cents; None if these credentials may not see it."""


class Limits(NamedTuple):
    """What a run may do without asking."""

    approve: str | None
    """A digest, `WITHIN_LIMITS`, or nothing."""
    max_transfer: int | None
    """In cents."""
    max_total: int | None
    """In cents."""


@dataclass(frozen=True)
class Plan:
    """What would happen to every row of a run.

    Attributes:
        organization: The organization's name.
        organization_id: Its ID.
        environment: In which of Qonto's environments.
        account: The account that is debited unless a row names another one; None if no row
            moves money.
        accounts: All that rows debit, by ID.
        items: The rows, in the order of their work.
        notes: Sentences for a person about the input as a whole.
    """

    organization: str
    organization_id: str
    environment: str
    account: Account | None
    accounts: Mapping[str, Account]
    items: Sequence[Item]
    notes: Sequence[str] = field(default=())

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for exactly this."""
        account = self.account.id if self.account else ""
        encode = msgspec.json.Encoder().encode
        content = sha256(encode((self.organization_id, self.environment, account)))
        # A database gives its rows in another order after an update.
        for item in sorted(self.items, key=lambda item: (item.row.stream, item.row.external_id)):
            row = item.row
            content.update(
                encode((row.stream, row.external_id, row.content, item.account, item.hold))
            )
        digits = content.hexdigest()
        return "-".join(digits[start : start + 4] for start in (0, 4, 8))

    @property
    def sending(self) -> list[Item]:
        """The rows that an approved run sends."""
        return [item for item in self.items if item.may_be_sent]

    def having(self, status: Status) -> list[Item]:
        """Return the rows that have a status."""
        return [item for item in self.items if item.status is status]

    def debits(self) -> dict[str, int]:
        """Return the cents that would leave each account."""
        sums: dict[str, int] = {}
        for item in self.sending:
            if item.account:
                sums[item.account] = sums.get(item.account, 0) + (item.cents or 0)
        return sums

    def lines(self) -> Iterator[str]:
        """Yield the lines of the pay sheet."""
        yield self._headline()
        yield from self._accounts()
        yield from _table(self.items)
        yield from self.notes

    def _headline(self) -> str:
        debits = self.debits()
        parts = [f"Plan {self.digest} for {printable(self.organization)}"]
        if len(debits) > 1:
            parts.append(f"{len(debits)} accounts")
        elif account := self._only_account(debits):
            parts.append(f"account …{account.digits}")
        parts.append(f"{len(self.sending):,} of {counted(len(self.items), 'row')}")
        if not self.account:
            return ", ".join(parts)
        total = sum(debits.values())
        if account := self._only_account(debits):
            return f"{', '.join(parts)}, {money(total)} EUR ({_balance(account, total)})"
        return f"{', '.join(parts)}, {money(total)} EUR"

    def _only_account(self, debits: Mapping[str, int]) -> Account | None:
        if len(debits) > 1:
            return None
        return self.accounts[next(iter(debits))] if debits else self.account

    def _accounts(self) -> list[str]:
        """Return a line for each account, if there are several."""
        debits = self.debits()
        if len(debits) <= 1:
            return []
        return [
            f"  account …{account.digits}  {money(cents)} EUR ({_balance(account, cents)})"
            for account, cents in ((self.accounts[name], cents) for name, cents in debits.items())
        ]


def check_consent(plan: Plan, limits: Limits) -> None:
    """Return if everything that the plan sends may be sent.

    Raises:
        NotApprovedError: If the plan is not the approved one, has rows that are held and not
            approved, is over a limit, or spends more than there is. Nothing may be sent then.
    """
    if limits.approve not in (WITHIN_LIMITS, plan.digest):
        msg = (
            f"Nothing was sent: {limits.approve} was approved, and this is {plan.digest}, so "
            "something differs from what was shown. To send exactly this: approve = "
            f"{plan.digest}"
        )
        raise NotApprovedError(msg)
    over = [*_over_limits(plan, limits), *_over_balances(plan)]
    if over:
        msg = f"Nothing was sent: {'; '.join(over)}"
        raise NotApprovedError(msg)
    held = plan.having(Status.HELD)
    if limits.approve == WITHIN_LIMITS and held:
        names = [printable(item.row.external_id) for item in held[:_NAMED]]
        names += ["…"] * (len(held) > _NAMED)
        msg = (
            f"Nothing was sent: {counted(len(held), 'row')} held ({', '.join(names)}), which"
            f" within_limits never sends. To send exactly this: approve = {plan.digest}"
        )
        raise NotApprovedError(msg)


def approval(text: str | None) -> str | None:
    """Return the setting `approve` in one spelling.

    Raises:
        RowsRefusedError: If it is neither a digest nor ``within_limits``.
    """
    given = (text or "").strip().lower()
    if not given or given == WITHIN_LIMITS or _DIGEST.fullmatch(given):
        return given or None
    msg = (
        "Set approve to the digest of a plan, such as 4f3a-91c2-77d0, or to within_limits; "
        "without it a run shows the plan"
    )
    raise RowsRefusedError(msg)


def money(cents: int) -> str:
    """Return an amount for people to read: ``1,200.00``."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' * (cents < 0)}{whole:,}.{rest:02}"


def plain(cents: int) -> str:
    """Return an amount for machines to read: ``1200.00``."""
    return money(cents).replace(",", "")


def _over_limits(plan: Plan, limits: Limits) -> Iterable[str]:
    if limits.max_transfer is not None:
        for item in plan.sending:
            if (item.cents or 0) > limits.max_transfer and item.account:
                yield (
                    f"{printable(item.row.external_id)} is over max_transfer, "
                    f"{money(limits.max_transfer)} EUR"
                )
                break
    total = sum(plan.debits().values())
    if limits.max_total is not None and total > limits.max_total:
        yield f"{money(total)} EUR is over max_total, {money(limits.max_total)} EUR"


def _over_balances(plan: Plan) -> Iterable[str]:
    for name, cents in plan.debits().items():
        account = plan.accounts[name]
        if account.cents is not None and cents > account.cents:
            yield (
                f"{money(cents)} EUR is more than account …{account.digits} holds, "
                f"{money(account.cents)} EUR"
            )


def _balance(account: Account, cents: int) -> str:
    if account.cents is None:
        return "balance not visible"
    return f"balance {money(account.cents)}, after {money(account.cents - cents)}"


def _table(items: Sequence[Item]) -> Iterator[str]:
    """Yield a line for each row, in columns."""
    widths = [0] * len(_COLUMNS)
    for item in items:
        # Twice, rather than keep all cells: there may be very many rows.
        widths = [max(width, len(cell(item))) for width, cell in zip(widths, _COLUMNS, strict=True)]
    for item in items:
        stream, name, who, amount, when = (
            f"{cell(item):{align}{width}}"
            for cell, align, width in zip(_COLUMNS, "<<<><", widths, strict=True)
        )
        yield f"  {stream}  {name}  {who}  {amount}  {when}  {item.what}"


_COLUMNS: Final[tuple[Callable[[Item], str], ...]] = (
    lambda item: item.row.stream,
    lambda item: printable(item.row.external_id),
    lambda item: item.who,
    lambda item: "" if item.cents is None else money(item.cents),
    lambda item: NEVER if item.status in SETTLED else item.when,
)
"""The cells of a row on the pay sheet, but for the last one, which is as wide as it likes."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
