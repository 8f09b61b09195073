"""What streams may ask of the run that reads them: facts, the accounts, and what was refused."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import (
    BadCredentialsError,
    FailedStreamsError,
    FaultError,
    InputError,
    ListError,
    NothingReadError,
    NotReadableError,
    QontoError,
    SilentError,
    UnauthorizedError,
)
from tap_qonto.api.instants import from_datetime, shift, whole_second
from tap_qonto.api.pages import Query, paged
from tap_qonto.reading.accounts import ACCOUNTS, checked_accounts, chosen
from tap_qonto.reading.desk import Desk
from tap_qonto.reading.lists import read_numbered
from tap_qonto.settings import start_instant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_qonto.api.answers import Clocks
    from tap_qonto.api.client import Client
    from tap_qonto.api.pages import Page, Row
    from tap_qonto.connection import Connection
    from tap_qonto.documents.archive import Archive
    from tap_qonto.machine import Machine
    from tap_qonto.reading.accounts import Refusable


_logger = logging.getLogger("tap-qonto")

_ORGANIZATION = "/organization"

_SILENT = 3
"""Streams given up because of faults, from which on each raises the question who is to blame."""

_ANOTHERS_STATE = (
    "The state is of another organization than these credentials. Pass the state of this one, or "
    "none to read everything"
)

_TOLERANCE = 2.0
"""Seconds by which two clocks may differ without a word: the header has whole seconds only."""


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
        self.failed: dict[str, list[str]] = {}
        """Streams that could not be read to their end, with what happened, once or per account."""
        self._config = config
        self._connection = connection
        self._began = machine.clock()
        # Two of them: whoever lists accounts waits for threads that ask whose rows they clean.
        self._organization_lock = threading.Lock()
        self._accounts_lock = threading.Lock()
        self._given_up = 0
        self._owns_state = False
        """Whether the state is known to be of this organization."""

    @property
    def client(self) -> Client:
        """Asks Qonto."""
        return self._connection.client

    @property
    def archive(self) -> Archive:
        """Fetches documents."""
        return self._connection.archive

    @cached_property
    def desk(self) -> Desk:
        """Asks the questions of all readings of this run."""
        return Desk(self.client.pool)

    @property
    def began(self) -> str:
        """When the run began by this machine's clock, uniform."""
        return from_datetime(datetime.fromtimestamp(self._began, UTC))

    @cached_property
    def end(self) -> str:
        """The last instant that this run reads, uniform: the second before the run began.

        A row that changes during the run must get a later key than this. It gets Qonto's time, so
        this machine's clock does not count where it is ahead.
        """
        began = self.began
        if clocks := self._clocks():
            if clocks.ahead >= _TOLERANCE:
                _logger.warning(
                    "This machine's clock is %.0f s ahead of Qonto's. The run reads what has "
                    "changed until it began by Qonto's clock; set the clock right",
                    clocks.ahead,
                )
            began = min(began, from_datetime(datetime.fromtimestamp(clocks.qontos, UTC)))
        return shift(whole_second(began), -1)

    def _clocks(self) -> Clocks | None:
        """Return what the first answer says of the time; ask something if there was none yet."""
        if self.client.clocks is None:
            try:
                _ = self.organization
            except QontoError as error:
                # Whoever needs an answer asks for it again, and fails with a name.
                _logger.debug("The time could not be asked for: %s", error)
        return self.client.clocks

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
        query = Query("organization", _ORGANIZATION, self.external_accounts)
        return self.client.object(query, "organization")

    @cached_property
    def owner(self) -> str | None:
        """The organization's ID for its rows, asked for once; None if it cannot be had.

        Raises:
            QontoError: If nothing can be asked for at all.
        """
        owner = self.organization_id
        if owner is None:
            _logger.warning(
                "Qonto does not say which organization rows are of: organization_id stays empty"
            )
        return owner

    def check_state(self, organization: str) -> None:
        """Refuse the state of another organization.

        Args:
            organization: ID of the organization that the state is of.

        Raises:
            InputError: If that is not the one which the credentials belong to.
        """
        if self.organization_id not in {organization, None}:
            raise InputError(_ANOTHERS_STATE)
        self._owns_state = True

    @property
    def organization_id(self) -> str | None:
        """The organization's ID, or its slug where Qonto leaves the ID out; None if hidden.

        Raises:
            QontoError: If nothing can be asked for at all.
        """
        known: Row = {}
        try:
            known = self.organization
        except QontoError as error:
            if error.ends_run:
                raise
            try:
                # Any account says it. Rows of a `Page` would wait for threads that wait for this.
                answer = self.client.get(paged(ACCOUNTS, 1))
                for account in checked_accounts(ACCOUNTS.path, answer.get("bank_accounts")):
                    known = {"id": account.get("organization_id")}
            except (QontoError, ListError) as hidden:
                if hidden.ends_run:
                    raise
        ids = (known.get(name) for name in ("id", "slug"))
        return next((id_ for id_ in ids if isinstance(id_, str)), None)

    def bank_account_ids(self, stream: Refusable, marked: Collection[str] = ()) -> list[str]:
        """Return the IDs of the accounts to read, as the settings choose them.

        Args:
            stream: Whoever reads them; it is skipped if the accounts may not be listed.
            marked: Accounts that the state knows. Those not listed any more are read all the same.

        Raises:
            QontoError: If the accounts cannot be listed, or a configured one does not exist.
            InputError: If the state is of another organization.
        """
        try:
            with self._accounts_lock:
                listed = self._listed_accounts
            if marked and not self._owns_state and listed.keys().isdisjoint(marked):
                raise InputError(_ANOTHERS_STATE)
            wanted = self._config.get("bank_account_ids")
            return chosen(listed, marked, wanted, external=bool(self.external_accounts))
        except (NotReadableError, UnauthorizedError) as error:
            if not self.may_skip(stream, error):
                raise
            self.skip(stream, error)
            return []

    def is_listed(self, account: str) -> bool:
        """Return whether Qonto lists an account (still).

        Raises:
            QontoError: If the accounts cannot be listed.
        """
        with self._accounts_lock:
            return account in self._listed_accounts

    @cached_property
    def _listed_accounts(self) -> dict[str, Row]:
        return {account["id"]: account for account in self._bank_accounts()}

    def _bank_accounts(self) -> list[Row]:
        """Return the accounts of both lists: nobody has verified that each holds closed ones.

        Raises:
            QontoError: If neither list can be had.
        """
        # Both are asked for at once.
        self.client.ask_early([paged(ACCOUNTS, 1)])
        try:
            accounts = checked_accounts(_ORGANIZATION, self.organization.get("bank_accounts", []))
        except QontoError as error:
            if error.ends_run:
                raise
            _logger.warning(
                "%s; the accounts whose transactions are read are those of %s", error, ACCOUNTS.path
            )
            return self._asked_accounts()
        try:
            accounts = accounts + self._asked_accounts()
        except (QontoError, ListError) as error:
            if error.ends_run or not accounts:
                raise
            _logger.warning(
                "%s; the accounts whose transactions are read are those of %s, so closed ones may "
                "be missing",
                error, _ORGANIZATION,
            )  # fmt: skip
            if not isinstance(error, NotReadableError | UnauthorizedError):
                self._note("transactions", f"closed bank accounts may be missing, because {error}")
        usable = [account for account in accounts if account["id"]]
        if len(usable) < len(accounts):
            self._note(
                "transactions", "Qonto listed bank accounts without an ID: theirs are missing"
            )
        return usable

    def _asked_accounts(self) -> list[Row]:
        def fetch(number: int) -> Page:
            page = self.client.page(ACCOUNTS, "bank_accounts", number)
            return page._replace(rows=checked_accounts(ACCOUNTS.path, list(page.rows)))

        return list(
            read_numbered(
                fetch,
                keys=("id",),
                pool=self.client.pool,
                pause=lambda times: self.machine.sleep(0.25 * 2**times),
            )
        )

    # Streams that the credentials may not read

    def may_skip(self, stream: Refusable, error: QontoError) -> bool:
        """Return whether a run can go on without a stream that was refused.

        A 401 says so only as long as the same credentials are accepted elsewhere.

        Args:
            stream: The stream.
            error: The refusal.

        Raises:
            BadCredentialsError: If no stream can be read with these credentials.
        """
        if not isinstance(error, UnauthorizedError) or stream.name in self.skipped:
            return True
        if any(
            self.client.is_welcome(Query(stream.name, path))
            for path in (_ORGANIZATION, ACCOUNTS.path)
        ):
            return True
        authenticator = self._connection.authenticator
        advice = authenticator.describe() if authenticator else ""
        msg = f"{error}. {advice}".rstrip()
        raise BadCredentialsError(msg, status=error.status, code=error.code) from None

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
            " and cannot be read with an API key"
            if stream.oauth_only
            else "; an API key may be refused"
            if stream.key_may_fail
            else "",
        )

    # Streams that failed

    def fail(self, stream: Refusable, error: Exception, sentence: str) -> None:
        """Note that a stream, or one account of it, could not be read to its end.

        Args:
            stream: The stream.
            error: What happened.
            sentence: The same for a person.

        Raises:
            SilentError: If this is not about one stream: Qonto answers nothing at all.
        """
        self._given_up += isinstance(error, FaultError) and stream.name not in self.failed
        self._note(stream.name, sentence)
        if isinstance(error, FaultError) and self._given_up >= _SILENT:
            queries = [Query(stream.name, path) for path in (_ORGANIZATION, ACCOUNTS.path)]
            if not any(map(self.client.is_answered, queries)):
                msg = f"{sentence}. Nothing else is answered either"
                raise SilentError(msg, status=error.status, code=error.code)

    def _note(self, stream: str, sentence: str) -> None:
        self.failed.setdefault(stream, []).append(sentence)
        _logger.warning("%s: %s; the rest of the run goes on", stream, sentence)

    def summarize(self) -> None:
        """Say at the end of a run which streams were skipped, and which failed.

        Raises:
            FailedStreamsError: If some failed.
            NothingReadError: If all were skipped.
        """
        if self.skipped:
            names = ", ".join(
                f"{name} ({error.status}{error.code and f' {error.code}'})"
                for name, error in self.skipped.items()
            )
            _logger.warning("Skipped, for lack of permission or because not activated: %s", names)
        if self.failed:
            raise FailedStreamsError(
                tuple(
                    f"{name}: {said[0]}" + (f" (and so {len(said)} times)" if said[1:] else "")
                    for name, said in self.failed.items()
                )
            )
        if self.skipped and not self.client.proven:
            msg = (
                "Nothing could be read: every selected stream was refused. Check the settings "
                "api_url and environment, and the scopes of the credentials"
            )
            raise NothingReadError(msg)
