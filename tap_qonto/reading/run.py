"""What streams may ask of the run that reads them: facts, the accounts, and what was refused."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import (
    AnswerError,
    NothingReadError,
    NotReadableError,
    QontoError,
    UnauthorizedError,
)
from tap_qonto.api.instants import from_datetime, shift, whole_second
from tap_qonto.api.pages import Query
from tap_qonto.reading.lists import read_numbered
from tap_qonto.settings import start_instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from tap_qonto.api.client import Client
    from tap_qonto.api.pages import Page, Row
    from tap_qonto.connection import Connection
    from tap_qonto.documents.archive import Archive
    from tap_qonto.machine import Machine

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


_logger = logging.getLogger("tap-qonto")


class Run:
    """One run of the tap.

    Args:
        config: The settings, checked, with their defaults.
        connection: Talks to Qonto.
        machine: Its clock says when the run began.
    """

    def __init__(self, config: Mapping[str, Any], connection: Connection, machine: Machine) -> None:
        self.machine = machine
        self.skipped: dict[str, QontoError] = {}
        """Streams that the credentials may not read, with the refusal."""
        self._config = config
        self._connection = connection
        self._began = machine.clock()
        # Two of them: whoever lists accounts waits for threads that ask whose rows they clean.
        self._organization_lock = threading.Lock()
        self._accounts_lock = threading.Lock()

    @property
    def client(self) -> Client:
        """Asks Qonto."""
        return self._connection.client

    @property
    def archive(self) -> Archive:
        """Fetches documents."""
        return self._connection.archive

    @cached_property
    def end(self) -> str:
        """The last instant that this run reads, uniform: the second before the run began."""
        began = from_datetime(datetime.fromtimestamp(self._began, UTC))
        return shift(whole_second(began), -1)

    @cached_property
    def start_date(self) -> str | None:
        """The first instant of a first run, uniform."""
        return start_instant(self._config)

    @property
    def lookback(self) -> int:
        """Seconds before its bookmark at which an incremental run starts."""
        return int(self._config["lookback_seconds"])

    @property
    def external_accounts(self) -> tuple[tuple[str, str], ...]:
        """The parameter that asks for the accounts of other banks; empty if it is not set."""
        wanted = self._config["include_external_accounts"]
        return (("include_external_accounts", "true"),) if wanted else ()

    # The organization and its accounts

    @property
    def organization(self) -> Row:
        """The organization as Qonto sent it, asked for once.

        Raises:
            QontoError: If it cannot be read.
        """
        with self._organization_lock:
            return self._organization

    @cached_property
    def _organization(self) -> Row:
        query = Query("organization", "/organization", self.external_accounts)
        return self.client.object(query, "organization")

    @property
    def organization_id(self) -> str | None:
        """The organization's ID, or its slug where Qonto leaves the ID out; None if hidden.

        Raises:
            QontoError: If it cannot be asked for.
        """
        try:
            organization = self.organization
        except NotReadableError:
            return None
        return next(
            (value for name in ("id", "slug") if isinstance(value := organization.get(name), str)),
            None,
        )

    def bank_account_ids(self, stream: Refusable) -> list[str]:
        """Return the IDs of the accounts to read, as the settings choose them.

        Args:
            stream: Whoever reads them; it is skipped if the accounts may not be listed.

        Raises:
            QontoError: If the accounts cannot be listed, or a configured one does not exist.
        """
        try:
            with self._accounts_lock:
                return self._bank_account_ids
        except NotReadableError as error:
            if not self.may_skip(stream, error):
                raise
            self.skip(stream, error)
            return []

    @cached_property
    def _bank_account_ids(self) -> list[str]:
        query = Query("transactions", "/bank_accounts")

        def fetch(number: int) -> Page:
            page = self.client.page(query, "bank_accounts", number)
            return page._replace(rows=_checked_accounts(query.path, list(page.rows)))

        # Nobody has verified that closed accounts are in both lists.
        embedded = self.organization.get("bank_accounts") or []
        accounts = _checked_accounts("/organization", embedded)
        accounts += read_numbered(fetch, keys=("id",), pool=self.client.pool)
        known = {
            account["id"]: None
            for account in accounts
            if self.external_accounts or not account.get("is_external_account")
        }
        chosen = self._config.get("bank_account_ids")
        if unknown := set(chosen or ()) - known.keys():
            msg = (
                f"bank_account_ids names {len(unknown)} account(s) that these credentials do not "
                f"list: {', '.join(sorted(unknown))}. The stream bank_accounts lists all IDs"
            )
            raise QontoError(msg)
        return [account for account in known if not chosen or account in chosen]

    # Streams that the credentials may not read

    def may_skip(self, stream: Refusable, error: QontoError) -> bool:
        """Return whether a run can go on without a stream that was refused.

        Raises:
            UnauthorizedError: If no stream can be read with these credentials.
        """
        if not isinstance(error, UnauthorizedError):
            return True
        needs_oauth = stream.oauth_only or "oauth" in str(error).lower()
        if self.client.proven and needs_oauth:
            return True
        authenticator = self._connection.authenticator
        advice = authenticator.describe() if authenticator else ""
        msg = f"{error}. {advice}".rstrip()
        raise UnauthorizedError(msg, status=error.status, code=error.code) from None

    def skip(self, stream: Refusable, error: QontoError) -> None:
        """Note that a stream was refused; warn once."""
        if stream.name in self.skipped:
            return
        self.skipped[stream.name] = error
        _logger.warning(
            "%s: skipped, because %s. It needs the OAuth scope %s%s",
            stream.name,
            error,
            stream.scope,
            " and cannot be read with an API key" if stream.oauth_only else "",
        )

    def summarize(self) -> None:
        """Say at the end of a run which streams were skipped.

        Raises:
            NothingReadError: If these were all.
        """
        if not self.skipped:
            return
        names = ", ".join(
            f"{name} ({error.status}{error.code and f' {error.code}'})"
            for name, error in self.skipped.items()
        )
        _logger.warning("Skipped, for lack of permission or because not activated: %s", names)
        if not self.client.proven:
            msg = (
                "Nothing could be read: every selected stream was refused. Check the settings "
                "api_url and environment, and the scopes of the credentials"
            )
            raise NothingReadError(msg)


def _checked_accounts(path: str, accounts: Any) -> list[Row]:
    """Return the bank accounts of an answer.

    Raises:
        AnswerError: If these are none: their transactions must not be left out silently.
    """
    if isinstance(accounts, list) and all(
        isinstance(account, dict) and isinstance(account.get("id"), str) and account["id"]
        for account in accounts
    ):
        return list(accounts)
    msg = f"GET {path} answered 'bank_accounts' that are not all objects with an ID"
    raise AnswerError(msg, status=200)
