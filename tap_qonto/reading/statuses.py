"""In how many questions the statuses of transactions can be asked for.

Some clients report that Qonto honours only one of several `status[]`, others send several. One
comparison of counts tells which it is, before 500 accounts are asked for each status by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Statuses = tuple[str, ...]

DOCUMENTED = frozenset({"pending", "declined", "completed"})
"""Statuses that Qonto's list of transactions documents; it may refuse others."""

FEW = 2
"""Accounts up to which a comparison would cost more than it saves."""

TRIED = 5
"""Accounts that are looked at for transactions to compare, at most."""


class Counting(NamedTuple):
    """How many transactions match, asked of Qonto."""

    knows: Callable[[str, str], bool]
    """Returns whether Qonto accepts a status, asked of an account."""
    counts: Callable[[str, Sequence[Statuses]], Sequence[int | None]]
    """Returns how many transactions of an account match each of several groups of statuses; None
    where a count may be capped."""


def known(statuses: Sequence[str], account: str, counting: Counting) -> Statuses:
    """Return the statuses that Qonto accepts; only those that it does not document are tried."""
    return tuple(
        status
        for status in dict.fromkeys(statuses)
        if status in DOCUMENTED or counting.knows(account, status)
    )


def compared(statuses: Statuses) -> list[Statuses]:
    """Return the groups whose counts are compared: all, all the other way round, each alone."""
    return [statuses, statuses[::-1], *((status,) for status in statuses)]


def grouped(statuses: Statuses, accounts: Sequence[str], counting: Counting) -> list[Statuses]:
    """Return the groups of statuses to ask for, each in one question: all at once, or one by one.

    Args:
        statuses: Statuses that Qonto accepts.
        accounts: The accounts to be read, those first that are likely to have transactions.
        counting: Asks Qonto.
    """
    one_by_one: list[Statuses] = [(status,) for status in statuses]
    if len(statuses) == 1 or len(accounts) <= FEW:
        return one_by_one
    for account in accounts[:TRIED]:
        every, reverse, *single = counting.counts(account, compared(statuses))
        if every is None or reverse is None or None in single:
            continue
        # A server that honours only the first or the last status differs in one of these, and one
        # that honours none counts each row several times.
        if every == reverse == sum(count or 0 for count in single) > 0:
            return [statuses]
        if every or reverse or any(single):
            return one_by_one
    return one_by_one
