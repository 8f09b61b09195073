"""What a run asks of a stream that was refused, and of an answer that lists bank accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tap_qonto.api.errors import AnswerError, QontoError
from tap_qonto.api.pages import Query

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_qonto.api.pages import Row


ACCOUNTS = Query("transactions", "/bank_accounts")
"""The list of the accounts whose transactions are read."""


class Refusable(Protocol):
    """What of a stream counts when it was refused."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def scope(self) -> str:
        """The OAuth scope that it needs."""

    @property
    def oauth_only(self) -> bool:
        """Whether its endpoint refuses API keys."""

    @property
    def key_may_fail(self) -> bool:
        """Whether its endpoint may refuse API keys."""


def checked_accounts(path: str, accounts: Any) -> list[Row]:
    """Return the bank accounts of an answer.

    Raises:
        AnswerError: If these are none: their transactions must not be left out silently.
    """
    if isinstance(accounts, list) and all(
        isinstance(account, dict) and isinstance(account.get("id", 0), str | None)
        for account in accounts
    ):
        return list(accounts)
    msg = f"GET {path} answered 'bank_accounts' that are not all objects with an ID"
    raise AnswerError(msg, status=200)


def chosen(
    listed: Mapping[str, Row],
    marked: Collection[str],
    wanted: Collection[str] | None,
    *,
    external: bool,
) -> list[str]:
    """Return the accounts whose transactions are read.

    Args:
        listed: The accounts that Qonto lists, by ID.
        marked: Accounts that the state knows. Those not listed any more are read all the same.
        wanted: Those that the settings name; none means all.
        external: Whether the accounts of other banks are read.

    Raises:
        QontoError: If the settings name one that does not exist.
    """
    known = [
        name
        for name, account in listed.items()
        if external or not account.get("is_external_account")
    ]
    known += sorted(set(marked) - listed.keys())
    if unknown := set(wanted or ()) - set(known):
        msg = (
            f"bank_account_ids names {len(unknown)} account(s) that these credentials do not "
            f"list: {', '.join(sorted(unknown))}. The stream bank_accounts lists all IDs"
        )
        raise QontoError(msg)
    return [account for account in known if not wanted or account in wanted]


def embedded(organization: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return the accounts to read as far as the organization's own answer names them.

    Args:
        organization: The answer.
        config: The settings, which choose some.
    """
    accounts = organization.get("bank_accounts")
    named = [account for account in accounts or () if isinstance(account, dict)]
    wanted, external = config.get("bank_account_ids"), config["include_external_accounts"]
    return [
        account["id"]
        for account in named
        if isinstance(account.get("id"), str)
        and (external or not account.get("is_external_account"))
        and (not wanted or account["id"] in wanted)
    ]
