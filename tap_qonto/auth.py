"""Credentials: Qonto's API key, a one-off access token, and OAuth whose tokens rotate.

Each is an authenticator of requests, built once per run by `authenticator` and shared by all
streams. Building one reads no file and sends nothing, so discovery works without credentials.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.auth import AuthBase
from typing_extensions import override

from tap_qonto.tokens import (
    GRACE,
    REFRESH_TOKEN_DAYS,
    CredentialError,
    DamagedStoreError,
    Intent,
    NoAnswerError,
    RefusedError,
    Stored,
    TokenEndpoint,
    TokenStore,
    fingerprint,
    is_safe_url,
    sendable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.tokens import Tokens

__all__ = [
    "STAGING_HEADER",
    "TOKEN_URLS",
    "AccessToken",
    "ApiKey",
    "CredentialError",
    "OAuth",
    "authenticator",
    "check_credentials",
    "store_path",
]

TOKEN_URLS: Final = {
    "production": "https://oauth.qonto.com/oauth2/token",
    "sandbox": "https://oauth-sandbox.staging.qonto.co/oauth2/token",
}
"""Token endpoint by environment."""

STAGING_HEADER: Final = "X-Qonto-Staging-Token"
"""Sent to the sandbox only, its token endpoint included."""

_MARGIN = 60.0  # Seconds before its expiry that an access token is replaced.
_TRIES = 5
_LONGEST_WAIT = 60.0  # Seconds between two tries, whatever Retry-After says.
_ARRIVAL = 10.0  # Seconds before the end of the grace period by which the last repeat is sent.
_LONGEST_REFRESH = 180.0  # Seconds after which no further try begins.
_LOCK_TIMEOUT = 240.0  # Seconds; longer than the slowest refresh.
_DAY = 86_400.0

_API_KEY_PLACE = "in the Qonto app, under Integrations and Partnerships > API key"
_NEW_GRANT = "Run tap-qonto-login, or set a new refresh_token"

logger = logging.getLogger(__name__)


class ApiKey(AuthBase):
    """An organization's API key.

    Args:
        login: The organization's slug, such as ``acme-sas-1234``.
        secret_key: The key's secret.
    """

    def __init__(self, login: str, secret_key: str) -> None:
        self._login = login
        self._secret_key = secret_key

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add login and secret as they are: Qonto wants no scheme and no base64."""
        request.headers["Authorization"] = f"{self._login}:{self._secret_key}"
        return request

    def __repr__(self) -> str:
        """Show the login, never the secret."""
        return f"ApiKey(login={self._login!r})"

    def renew(self, rejected: str | None) -> bool:  # noqa: ARG002 - the authenticators' common method
        """Return False: a refused API key stays refused."""
        return False

    def describe(self) -> str:
        """Say what a person should look at when Qonto refuses these credentials."""
        return f"Check the settings login and secret_key: both are {_API_KEY_PLACE}."

    def secrets(self) -> frozenset[str]:
        """Return what must never be written anywhere."""
        return frozenset({self._secret_key})


class AccessToken(AuthBase):
    """An access token that nothing can renew: enough for a run of up to an hour.

    Args:
        access_token: As the token endpoint gave it.
    """

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._access_token}"
        return request

    def __repr__(self) -> str:
        """Show nothing of the token."""
        return "AccessToken()"

    def renew(self, rejected: str | None) -> bool:  # noqa: ARG002 - the authenticators' common method
        """Return False: there is nothing to renew the token with."""
        return False

    def describe(self) -> str:
        """Say what a person should look at when Qonto refuses these credentials."""
        return (
            "The setting access_token serves one run: it expires an hour after it was given. Set a "
            "new one, or set client_id and run tap-qonto-login so that the tap renews it by itself."
        )

    def secrets(self) -> frozenset[str]:
        """Return what must never be written anywhere."""
        return frozenset({self._access_token})


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

    def __init__(  # noqa: PLR0913 - settings, given by name
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
            f"{_NEW_GRANT}, and check organization_id and environment."
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
        refresh = _Refresh(
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
                f"within {GRACE:.0f} seconds; after that: {_NEW_GRANT}."
            )
            raise CredentialError(msg) from error
        logger.info("Refreshed the access token; it serves until %s.", _utc(renewed.expires_at))
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


@dataclass(kw_only=True)
class _Refresh:
    """One refresh: the repeats that are safe, and the sentence when it fails."""

    endpoint: TokenEndpoint
    store: TokenStore
    """Told before the first try that the refresh begins. The caller holds its lock."""
    stored: Stored
    """What the store holds."""
    token: str = field(repr=False)
    """The refresh token to spend."""
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    began: float = field(init=False)
    """When the first try was made."""
    unanswered: float | None = field(init=False, default=None)
    """Since when the token may be spent without our having its successor; None if it is not."""

    def __post_init__(self) -> None:
        self.began = self.clock()
        intent = self.stored.intent
        if intent is not None and intent.token == fingerprint(self.token):
            self.unanswered = intent.since

    def run(self, form: Mapping[str, str]) -> Tokens:
        """Send the form until it is answered, refused, or not safe to send any more.

        Raises:
            CredentialError: If there are no new tokens.
        """
        if self.unanswered is not None:
            logger.warning(
                "The refresh begun at %s got no answer; the same refresh token is tried again.",
                _utc(self.unanswered),
            )
        for attempt in range(1, _TRIES + 1):
            sent_at = self.clock()
            self._note(sent_at if self.unanswered is None else self.unanswered)
            wait = min(2.0 ** (attempt - 1), _LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret
            try:
                return self.endpoint.ask(form)
            except RefusedError as error:
                self._note(self.unanswered)
                raise CredentialError(self._refused(error)) from None
            except NoAnswerError as error:
                failure = error
            except CredentialError:
                self._note(self.unanswered)
                raise
            if failure.may_be_spent and self.unanswered is None:
                self.unanswered = sent_at
            wait = max(wait, failure.retry_after or 0.0)
            if attempt == _TRIES or not self._may_repeat(failure, wait):
                break
            logger.warning(
                "Refreshing the access token failed: %s. Try %d of %d follows in %.1f s.",
                failure,
                attempt + 1,
                _TRIES,
                wait,
            )
            self.sleep(wait)
            if not self._may_repeat(failure, 0.0):
                # The machine may have slept longer than it was asked to.
                break
        self._note(self.unanswered)
        raise CredentialError(self._gave_up(failure, wait))

    def _note(self, since: float | None) -> None:
        """Write into the store that the token is being spent since then, or (None) that it is not.

        Raises:
            CredentialError: If that cannot be written.
        """
        intent = None if since is None else Intent(token=fingerprint(self.token), since=since)
        if intent != self.stored.intent:
            self.stored = replace(self.stored, intent=intent)
            self.store.write(self.stored)

    def _may_repeat(self, failure: NoAnswerError, wait: float) -> bool:
        """Tell whether sending the token again after a wait in seconds makes sense."""
        if wait > _LONGEST_WAIT or self.clock() + wait > self.began + _LONGEST_REFRESH:
            return False
        if not failure.may_be_spent or self.unanswered is None:
            return True
        return self.clock() + wait <= self.unanswered + GRACE - _ARRIVAL

    def _gave_up(self, failure: NoAnswerError, wait: float) -> str:
        sentence = (
            f"The access token could not be refreshed at {self.endpoint.url}: {failure} "
            f"(up to {_TRIES} tries)."
        )
        if self.unanswered is not None:
            return (
                f"{sentence} The refresh token may be spent since {_utc(self.unanswered)}, and "
                f"Qonto takes it back for {GRACE:.0f} seconds only: run again at once. If it is "
                f"refused then: {_NEW_GRANT}."
            )
        if wait > _LONGEST_WAIT:
            return f"{sentence} It asks to wait {wait:.0f} s: run again after that."
        return f"{sentence} Nothing is spent: check the network and token_url, and run again later."

    def _refused(self, error: RefusedError) -> str:
        grant = error.code == "invalid_grant"
        if error.code in {"invalid_client", "unauthorized_client"} or (
            error.status == requests.codes.unauthorized and not grant
        ):
            return (
                f"Qonto refused the OAuth client ({error}): client_id or client_secret is wrong, "
                "or is one of another environment. Check both (and environment) against the OAuth "
                "application in Qonto's developer portal."
            )
        return f"Qonto refused the refresh token ({error}). {self._cause()}"

    def _cause(self) -> str:
        """Name the causes that the evidence leaves, and the remedy."""
        stored = self.stored
        if self.unanswered is not None:
            return (
                f"It is spent: the answer to the refresh begun at {_utc(self.unanswered)} never "
                f"arrived, and the token works for only {GRACE:.0f} seconds after its first use. "
                f"{_NEW_GRANT}."
            )
        if self.token != stored.refresh_token:
            own = (
                f" Or remove the setting refresh_token: the token store {self.store.path} holds "
                "the token of an earlier login."
            )
            return (
                f"Either it has expired ({REFRESH_TOKEN_DAYS} days without use), or it was spent "
                f"elsewhere (by another program or machine; it dies {GRACE:.0f} seconds after), or "
                f"it was given to another client than client_id. {_NEW_GRANT}, and give each "
                f"machine its own.{own if stored.refresh_token else ''}"
            )
        days = (self.clock() - stored.received_at) / _DAY
        if days >= REFRESH_TOKEN_DAYS:
            return (
                f"It has expired: it was stored {days:.0f} days ago and lives "
                f"{REFRESH_TOKEN_DAYS} days without use. {_NEW_GRANT}, and run the tap more often."
            )
        return (
            f"It was stored {days:.0f} days ago, so it has not expired ({REFRESH_TOKEN_DAYS} "
            "days): it was spent elsewhere (another program or machine uses a copy of the token "
            "store), the application's access was revoked, or it was given to another client "
            f"than client_id. {_NEW_GRANT}, and give each machine its own."
        )


def _utc(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def authenticator(config: Mapping[str, Any]) -> ApiKey | AccessToken | OAuth | None:
    """Build the authenticator that the settings describe; call it once per run.

    Args:
        config: The tap's settings.

    Returns:
        None for the demo company, which asks for no credentials.

    Raises:
        CredentialError: If the settings contradict each other or are incomplete.
    """
    problem = check_credentials(config)
    if problem:
        raise CredentialError(problem)
    environment = config.get("environment") or "production"
    if environment == "demo":
        return None
    if config.get("login"):
        return ApiKey(config["login"], config["secret_key"])
    if not config.get("client_id"):
        return AccessToken(config["access_token"])
    headers: dict[str, str] = {}
    if config.get("user_agent"):
        headers["User-Agent"] = config["user_agent"]
    if environment == "sandbox":
        headers[STAGING_HEADER] = config["staging_token"]
    return OAuth(
        client_id=config["client_id"],
        client_secret=config.get("client_secret") or None,
        refresh_token=config.get("refresh_token") or None,
        token_url=config.get("token_url") or TOKEN_URLS[environment],
        token_store=store_path(config),
        headers=headers,
        timeout=float(config.get("request_timeout") or 15.0),
    )


_API_KEY_SETTINGS = ("login", "secret_key")
_OAUTH_SETTINGS = ("client_id", "client_secret", "refresh_token", "access_token")


def check_credentials(config: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the combination of the settings that have to do with credentials.

    An empty text counts as not set, as Meltano hands down a variable without a value.

    Args:
        config: The tap's settings.

    Returns:
        One sentence that names the settings and never a secret, or None if nothing is wrong.
    """
    environment = config.get("environment") or "production"
    if environment == "demo":
        return None
    key = [name for name in _API_KEY_SETTINGS if config.get(name)]
    oauth = [name for name in _OAUTH_SETTINGS if config.get(name)]
    problem = None
    if not key and not oauth:
        problem = (
            f"No credentials are set: set login and secret_key ({_API_KEY_PLACE}), or client_id "
            "and what else OAuth needs, or environment to demo for a made-up company."
        )
    elif key and oauth:
        problem = (
            f"Both an API key ({', '.join(key)}) and OAuth ({', '.join(oauth)}) are set: "
            "keep one of the two and unset the other."
        )
    elif len(key) == 1:
        [missing] = set(_API_KEY_SETTINGS) - set(key)
        problem = f"{key[0]} is set without {missing}: set both ({_API_KEY_PLACE})."
    elif oauth and "client_id" not in oauth and oauth != ["access_token"]:
        rest = " and ".join(name for name in oauth if name != "access_token")
        problem = f"{rest} is set without client_id: set the client_id of the OAuth application."
    elif environment == "sandbox" and not config.get("staging_token"):
        problem = (
            "environment is sandbox without staging_token: set the staging token of Qonto's "
            "developer portal, which the sandbox wants on every call."
        )
    return problem or _unusable(config)


def _unusable(config: Mapping[str, Any]) -> str | None:
    """Find a credential that is spoilt by itself."""
    for name in (*_API_KEY_SETTINGS, *_OAUTH_SETTINGS, "staging_token"):
        value = config.get(name)
        if value and not (isinstance(value, str) and sendable(value)):
            return (
                f"{name} holds a blank, a line break or another character that no credential has: "
                "copy it again."
            )
    token_url = config.get("token_url")
    if token_url and not is_safe_url(str(token_url)):
        return (
            "token_url would send secrets in the clear: set an https:// address (http:// is "
            "accepted for this machine only)."
        )
    return None


def store_path(config: Mapping[str, Any]) -> Path:
    """Return the file that keeps the rotating tokens.

    Args:
        config: The tap's settings: token_store (a file, or an existing folder), client_id and
            organization_id.

    Returns:
        By default ``CLIENT@ORGANIZATION.json`` in the user's state folder, on Linux
        ``~/.local/state/tap-qonto``.

    Raises:
        CredentialError: If the user has no home folder.
    """
    name = f"{_safe(config.get('client_id'))}@{_safe(config.get('organization_id'))}.json"
    chosen = config.get("token_store")
    try:
        if chosen:
            path = Path(chosen).expanduser()
            return path / name if str(chosen).endswith(("/", "\\")) or path.is_dir() else path
        from platformdirs import user_state_path  # noqa: PLC0415 - 13 ms that an API key need not pay

        return user_state_path("tap-qonto", appauthor=False) / name
    except RuntimeError as error:
        msg = "The home folder is unknown: set token_store to a file that lasts from run to run."
        raise CredentialError(msg) from error


def _safe(text: str | None) -> str:
    """Return a part of a file name; two different texts never give the same."""
    if not text:
        return "default"
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", text)[:80]
    return safe if safe == text else f"{safe}-{fingerprint(text)[:12]}"
