"""What Qonto already has, read before anything is written and after an answer was lost.

Transfers are read by value, from the oldest change on: what changes in the meantime comes again
at the end instead of slipping through. A filter that Qonto ignores brings more rows, never less.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tap_qonto.api.errors import (
    AnswerError,
    NotReadableError,
    PastTheEndError,
    UnsortedError,
)
from tap_qonto.api.instants import as_filter, shift, uniform, whole_second
from tap_qonto.api.pages import Query
from tap_qonto.writing.identity import tags_of
from tap_qonto.writing.plan import Account

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from tap_qonto.api.pages import Page

STREAM = "target-qonto"  # in the log lines of the client
CHUNK = 100
"""IDs or IBANs in one request: its line stays below 6 KB, and 8 KB is what servers take."""
_FAILED = frozenset({"declined", "canceled"})
"""Statuses of transfers that have not moved money."""
FEW_PAGES = 5
"""Pages up to which a whole list is read rather than asked for by payee."""


class Questions(Protocol):
    """What answers GET requests: the client."""

    def get(self, query: Query) -> Any:
        """Return the decoded JSON of one answer."""

    def whole_page(self, query: Query, envelope: str, number: int) -> Page:
        """Return one page of a list that holds as many rows as it counts."""


class Organization(NamedTuple):
    """Whose money it is."""

    id: str
    name: str
    accounts: dict[str, Account]
    """Accounts that can be debited, by ID."""
    main: str | None
    """ID of the main account, if it is known."""


class Transfer(NamedTuple):
    """A transfer that Qonto has."""

    id: str
    payee_id: str
    cents: int | None
    reference: str
    status: str
    created_at: str
    """Uniform; empty if Qonto does not say."""
    tags: tuple[str, ...]
    """Those in its note."""

    @classmethod
    def of(cls, row: dict[str, Any]) -> Transfer:
        """Read a transfer as Qonto sends it."""
        created = row.get("created_at") or row.get("updated_at")
        return cls(
            id=str(row.get("id") or ""),
            payee_id=str(row.get("beneficiary_id") or ""),
            cents=cents_of(row),
            reference=str(row.get("reference") or ""),
            status=str(row.get("status") or ""),
            created_at=uniform(created) if isinstance(created, str) else "",
            tags=tuple(tags_of(row.get("note"))),
        )


def cents_of(row: dict[str, Any]) -> int | None:
    """Return an amount in cents, from whichever of Qonto's two ways to say it."""
    cents = row.get("amount_cents")
    if type(cents) is int:
        return cents
    amount = row.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
        return None
    try:
        exact = Decimal(amount).scaleb(2)
    except ArithmeticError:
        return None
    return int(exact) if exact.is_finite() and exact == exact.to_integral_value() else None


def read_organization(client: Questions) -> Organization:
    """Ask for the organization and its accounts.

    Raises:
        QontoError: If it cannot be read.
    """
    answer = client.get(Query(STREAM, "/organization"))
    found = answer.get("organization")
    if not isinstance(found, dict) or not (found.get("id") or found.get("slug")):
        msg = "GET /organization answered JSON without the object 'organization'"
        raise AnswerError(msg, status=200)
    rows = [row for row in found.get("bank_accounts") or () if _is_ours(row)]
    mains = [row["id"] for row in rows if row.get("main")] or [row["id"] for row in rows]
    return Organization(
        id=str(found.get("id") or found["slug"]),
        name=str(found.get("name") or found.get("legal_name") or found.get("slug") or ""),
        accounts={row["id"]: _account(row) for row in rows},
        main=mains[0] if len(mains) == 1 else None,
    )


def _is_ours(row: Any) -> bool:
    """Return whether this is an account that can be debited."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("id"), str)
        and not row.get("is_external_account")
        and row.get("status") in (None, "active")
    )


def _account(row: dict[str, Any]) -> Account:
    booked = {"amount_cents": row.get("balance_cents"), "amount": row.get("balance")}
    free = {
        "amount_cents": row.get("authorized_balance_cents"),
        "amount": row.get("authorized_balance"),
    }
    cents = cents_of(free)
    return Account(
        id=row["id"],
        digits=(row.get("iban") or row["id"])[-4:],
        cents=cents_of(booked) if cents is None else cents,
    )


def transfers_since(
    client: Questions, since: str | None, payees: Sequence[str] = ()
) -> Iterator[Transfer]:
    """Yield the transfers that changed since an instant, those of some payees at least.

    Args:
        client: Asks Qonto.
        since: Uniform; None for all.
        payees: IDs of beneficiaries; a short list is read whole all the same.

    Raises:
        QontoError: If they cannot be read.
        UnsortedError: If Qonto does not list them in the order of their changes.
    """
    first = client.whole_page(_transfers(since, ()), "transfers", 1)
    if not payees or (first.pages or 0) <= max(FEW_PAGES, -(-len(payees) // CHUNK)):
        yield from _walk(client, since, (), first)
        return
    for chunk in chunks(payees):
        yield from _walk(client, since, chunk, None)


def _walk(
    client: Questions, since: str | None, payees: Sequence[str], page: Page | None
) -> Iterator[Transfer]:
    """Yield the transfers of one list by value."""
    seen: set[str] = set()
    page = page or client.whole_page(_transfers(since, payees), "transfers", 1)
    while True:
        for row in page.rows:
            if isinstance(row, dict) and row.get("id") not in seen:
                seen.add(str(row.get("id")))
                yield Transfer.of(row)
        if page.is_last and not page.is_full:
            return
        # A second early, since nobody knows whether the bound is inclusive.
        following = shift(whole_second(_last_change(page)), -1)
        if since is None or following > since:
            since = following
            page = client.whole_page(_transfers(since, payees), "transfers", 1)
        elif following_page := page_after(client, _transfers(since, payees), "transfers", page):
            page = following_page
        else:
            return


def page_after(client: Questions, query: Query, envelope: str, page: Page) -> Page | None:
    """Return the page that follows another one; None if there is none.

    A server may send its last page to whoever asks for what is behind it.

    Raises:
        QontoError: If it cannot be read.
        PastTheEndError: If it is gone, although the page before says that it is there.
    """
    if page.is_last and not page.may_go_on:
        return None
    try:
        following = client.whole_page(query, envelope, page.number + 1)
    except PastTheEndError:
        if not page.is_last:
            raise
        return None
    return None if page.is_last and page.rows[:1] == following.rows[:1] else following


def _last_change(page: Page) -> str:
    changes = [uniform(str(row["updated_at"])) for row in page.rows]
    if changes != sorted(changes):
        msg = (
            "GET /sepa/transfers did not list transfers in the order of their changes, so what was "
            "sent before cannot be looked up. Nothing was sent"
        )
        raise UnsortedError(msg)
    return changes[-1]


def _transfers(since: str | None, payees: Iterable[str]) -> Query:
    params = [("sort_by", "updated_at:asc")]
    if since is not None:
        params.append(("updated_at_from", as_filter(since)))
    params += (("beneficiary_ids[]", payee) for payee in payees)
    return Query(STREAM, "/sepa/transfers", tuple(params))


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield values in groups that fit into one request."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def read_transfer(client: Questions, transfer_id: str) -> dict[str, Any] | None:
    """Return one transfer as Qonto sends it; None if there is none to be had.

    Raises:
        QontoError: If Qonto cannot be asked.
    """
    if not transfer_id:
        return None
    try:
        answer = client.get(Query(STREAM, f"/sepa/transfers/{transfer_id}"))
    except NotReadableError:
        return None
    found = answer.get("transfer", answer)
    return found if isinstance(found, dict) else None


def folded(text: str) -> str:
    """Return a text as banks may pass it on: without accents, capitals and double blanks."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(plain.casefold().split())


class History:
    """What payees were sent before.

    Args:
        client: Asks Qonto.
        payees: IDs of the beneficiaries.
        since: Uniform instant from whose changes on transfers are read; None for all.
        recently: Uniform instant from which a transfer without a tag counts as paid by hand.
        ours: IDs of transfers that are known to be ours.

    Raises:
        QontoError: If they cannot be read.
        UnsortedError: If they cannot be read completely.
    """

    def __init__(
        self,
        client: Questions,
        payees: Sequence[str],
        *,
        since: str | None,
        recently: str,
        ours: Container[str],
    ) -> None:
        self.by_tag: dict[str, Transfer] = {}
        self.by_id: dict[str, Transfer] = {}
        self._by_hand: dict[tuple[str, int, str], Transfer] = {}
        for transfer in transfers_since(client, since, payees) if payees else ():
            self.by_id[transfer.id] = transfer
            for tag in transfer.tags:
                self.by_tag.setdefault(tag, transfer)
            by_hand = not transfer.tags and transfer.id not in ours
            if by_hand and transfer.created_at >= recently and transfer.status not in _FAILED:
                alike = (transfer.payee_id, transfer.cents or 0, folded(transfer.reference))
                self._by_hand[alike] = transfer

    def paid_by_hand(self, payee_id: str, cents: int, reference: str) -> Transfer | None:
        """Return a transfer without a tag that looks like the one that a row asks for."""
        return self._by_hand.get((payee_id, cents, folded(reference)))
