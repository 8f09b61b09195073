"""OAuth whose tokens rotate: one authenticator for all threads, one store for all processes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from requests.auth import AuthBase
from typing_extensions import override

from tap_qonto.api.errors import CredentialError, DamagedStoreError
from tap_qonto.auth.endpoint import GRACE, TokenEndpoint
from tap_qonto.auth.keys import STAGING_HEADER
from tap_qonto.auth.refresh import NEW_GRANT, Refresh, as_utc, logger
from tap_qonto.auth.store import Stored, TokenStore, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import requests


_MARGIN = 60.0  # Seconds before its expiry that an access token is replaced.


_LOCK_TIMEOUT = 240.0  # Seconds; longer than the slowest refresh.


class OAuth(AuthBase):
    """Access tokens that are refreshed when needed, with refresh tokens that rotate at every use.

    One object serves all threads. Other processes may use the same store: a lock sees to it that
    each refresh token is spent once, and the others take what the first has written.

    The order of a refresh makes it survive a crash at any point. First the store is told that a
    refresh begins; if that cannot be written, nothing is spent. Then the request is sent, then the
    new tokens are written, and only then the access token is used. When the answer is lost, the
    same token is sent again only as long as Qonto's grace period for it lasts; a later run tries
    once, since the request may never have arrived, and says what happened if that is refused.

    Args:
        client_id: Of the OAuth application.
        client_secret: Its secret; None for a public client.
        refresh_token: The first refresh token, the seed. It is used once; from then on the store is
            trusted, until a seed is configured that the store has never seen. None if
            ``tap-qonto-login`` has filled the store.
        token_url: The token endpoint.
        token_store: The file that keeps the tokens between runs.
        headers: Added to every request to the token endpoint.
        timeout: Seconds for one answer of the token endpoint, at most 15.
        clock: Returns seconds since the epoch.
        session: Carries the requests to the token endpoint; by default a session of its own.
        sleep: Waits for a number of seconds.
        lock_timeout: Seconds to wait while another process refreshes.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str | None = None,
        refresh_token: str | None = None,
        token_url: str,
        token_store: Path,
        headers: Mapping[str, str] | None = None,
        timeout: float = 15.0,
        clock: Callable[[], float] = time.time,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
        lock_timeout: float = _LOCK_TIMEOUT,
    ) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._seed = refresh_token
        self._endpoint = TokenEndpoint(token_url, headers=headers, timeout=timeout, session=session)
        self._store = TokenStore(token_store)
        self._clock = clock
        self._sleep = sleep
        self._lock_timeout = lock_timeout
        self._mutex = threading.Lock()
        self._held: Stored | None = None
        self._began: float | None = None
        self._replacement: str | None = None
        self._failure: str | None = None
        staging = (value for name, value in (headers or {}).items() if name == STAGING_HEADER)
        self._secrets = {value for value in (client_secret, refresh_token, *staging) if value}

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add an access token with at least 60 s to live, refreshed before if necessary.

        Raises:
            CredentialError: If there is no token to be had.
        """
        request.headers["Authorization"] = f"Bearer {self._access_token()}"
        return request

    def __repr__(self) -> str:
        """Show where the tokens are, never one of them."""
        return f"OAuth(client_id={self._client_id!r}, token_store={str(self._store.path)!r})"

    def renew(self, rejected: str | None) -> bool:
        """Replace an access token that the API has refused (401).

        Qonto throttles an address with 200 such answers in an hour, so a token that was itself
        given as such a replacement is not replaced again.

        Args:
            rejected: The Authorization header that was refused.

        Returns:
            True if there is another token to try with: a new one, or the one that another thread
            or process has obtained in the meantime.

        Raises:
            CredentialError: If the refresh fails.
        """
        token = (rejected or "").removeprefix("Bearer ")
        with self._mutex:
            if not token or token == self._replacement:
                return False
            held = self._held
            if held is None or held.access_token == token or not self._fresh(held):
                self._held = held = self._obtain(token)
            self._replacement = held.access_token
            return True

    def describe(self) -> str:
        """Say what a person should look at when Qonto refuses these credentials."""
        return (
            "Qonto refuses an access token that it has just given: access of the OAuth application "
            "may have been revoked, or organization_id names an organization that it may not see. "
            f"{NEW_GRANT}, and check organization_id and environment."
        )

    def secrets(self) -> frozenset[str]:
        """Return what must never be written anywhere: the settings and every token seen so far."""
        return frozenset(self._secrets)

    def _access_token(self) -> str | None:
        held = self._held
        if held is None or not self._fresh(held):
            with self._mutex:
                held = self._held
                if held is None or not self._fresh(held):
                    self._held = held = self._obtain()
        return held.access_token

    def _fresh(self, stored: Stored) -> bool:
        lifetime = stored.expires_at - stored.received_at
        ours = self._began is not None and stored.received_at >= self._began
        # A token that lives no longer than the margin would otherwise be replaced at every request.
        margin = lifetime / 2 if ours and lifetime <= _MARGIN else _MARGIN
        return stored.expires_at - self._clock() >= margin

    def _obtain(self, rejected: str | None = None) -> Stored:
        """Take what the store has if it serves, else refresh."""
        if self._began is None:
            self._began = self._clock()
        if self._failure is not None:
            # The threads behind the first one get its sentence, not a refusal each.
            raise CredentialError(self._failure)
        try:
            try:
                held = self._usable(self._store.read(), rejected)
            except DamagedStoreError:
                held = None
            if held is None:
                with self._store.locked(self._lock_timeout):
                    found = self._read()
                    held = self._usable(found, rejected) or self._refresh(found)
        except CredentialError as error:
            self._failure = str(error)
            raise
        self._keep_secret(held.access_token, held.refresh_token)
        return held

    def _read(self) -> Stored | None:
        """Read the store, or fall back to the seed if the store is damaged and there is one."""
        try:
            return self._store.read()
        except DamagedStoreError as error:
            if self._seed is None:
                msg = f"{error} Run tap-qonto-login, which writes a new one."
                raise CredentialError(msg) from error
            aside = self._store.set_aside()
            logger.warning(
                "%s The configured refresh_token is tried instead; the old file is now %s.",
                error,
                aside,
            )
            return None

    def _usable(self, stored: Stored | None, rejected: str | None) -> Stored | None:
        """Return what is stored if its access token serves these settings now, else None."""
        serves = (
            stored is not None
            and stored.client_id == self._client_id
            and stored.access_token not in {None, rejected}
            and not self._superseded_by_seed(stored)
            and self._fresh(stored)
        )
        return stored if serves else None

    def _superseded_by_seed(self, stored: Stored) -> bool:
        return (
            self._seed is not None
            and self._seed != stored.refresh_token
            and fingerprint(self._seed) not in stored.seeds
        )

    def _refresh(self, stored: Stored | None) -> Stored:
        """Spend the refresh token, write what is given for it, return that. Called in the lock.

        Raises:
            CredentialError: If that fails.
        """
        stored = stored or Stored(client_id=self._client_id)
        token = self._choose(stored)
        self._keep_secret(stored.access_token, stored.refresh_token)
        refresh = Refresh(
            endpoint=self._endpoint,
            store=self._store,
            stored=stored,
            token=token,
            clock=self._clock,
            sleep=self._sleep,
        )
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "refresh_token": token,
        }
        if self._client_secret:
            form["client_secret"] = self._client_secret
        answer = refresh.run(form)
        now = self._clock()
        self._keep_secret(answer.access_token, answer.refresh_token)
        seeds = (*stored.seeds, fingerprint(self._seed)) if self._seed else stored.seeds
        renewed = Stored(
            client_id=self._client_id,
            refresh_token=answer.refresh_token or token,
            access_token=answer.access_token,
            received_at=now,
            expires_at=now + answer.lifetime,
            seeds=tuple(dict.fromkeys(seeds)),
        )
        try:
            self._store.write(renewed)
        except CredentialError as error:
            msg = (
                f"{error} This has lost the refresh token that Qonto has just given. Run again "
                f"within {GRACE:.0f} seconds; after that: {NEW_GRANT}."
            )
            raise CredentialError(msg) from error
        logger.info("Refreshed the access token; it serves until %s.", as_utc(renewed.expires_at))
        return renewed

    def _choose(self, stored: Stored) -> str:
        """Return the refresh token to spend.

        Raises:
            CredentialError: If there is none that fits the client.
        """
        if self._seed is not None and self._superseded_by_seed(stored):
            return self._seed
        if stored.client_id != self._client_id:
            msg = (
                f"The token store {self._store.path} belongs to the OAuth client "
                f"{stored.client_id}, and client_id is {self._client_id}. Correct client_id, set "
                "token_store to another file, or run tap-qonto-login for this client."
            )
            raise CredentialError(msg)
        token = stored.refresh_token or self._seed
        if token is None:
            msg = (
                f"There is no refresh token: the token store {self._store.path} is empty and "
                "refresh_token is not set. Run tap-qonto-login, which fills the store, with the "
                "same client_id, organization_id and token_store."
            )
            raise CredentialError(msg)
        return token

    def _keep_secret(self, *tokens: str | None) -> None:
        self._secrets.update(token for token in tokens if token)
