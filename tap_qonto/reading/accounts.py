"""What a run asks of a stream that was refused, and of an answer that lists bank accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tap_qonto.api.errors import AnswerError

if TYPE_CHECKING:
    from tap_qonto.api.pages import Row


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
