"""One refresh of the access token: which repeats are safe, and the sentence when it fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import requests

from tap_qonto.api.errors import CredentialError, NoAnswerError, RefusedError
from tap_qonto.api.pace import half_random
from tap_qonto.auth.endpoint import GRACE, REFRESH_TOKEN_DAYS, TokenEndpoint
from tap_qonto.auth.store import Intent, Stored, TokenStore, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.auth.endpoint import Tokens


_TRIES = 5


_LONGEST_WAIT = 60.0  # Seconds between two tries, whatever Retry-After says.


_ARRIVAL = 10.0  # Seconds before the end of the grace period by which the last repeat is sent.


_LONGEST_REFRESH = 180.0  # Seconds after which no further try begins.


_DAY = 86_400.0


NEW_GRANT = "Run tap-qonto-login, or set a new refresh_token"


logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Refresh:
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
        """Take up a refresh that an earlier run began with the same token."""
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
                as_utc(self.unanswered),
            )
        for attempt in range(1, _TRIES + 1):
            sent_at = self.clock()
            self._note(sent_at if self.unanswered is None else self.unanswered)
            wait = half_random(min(2.0 ** (attempt - 1), _LONGEST_WAIT))
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
                f"{sentence} The refresh token may be spent since {as_utc(self.unanswered)}, and "
                f"Qonto takes it back for {GRACE:.0f} seconds only: run again at once. If it is "
                f"refused then: {NEW_GRANT}."
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
                f"It is spent: the answer to the refresh begun at {as_utc(self.unanswered)} never "
                f"arrived, and the token works for only {GRACE:.0f} seconds after its first use. "
                f"{NEW_GRANT}."
            )
        if self.token != stored.refresh_token:
            own = (
                f" Or remove the setting refresh_token: the token store {self.store.path} holds "
                "the token of an earlier login."
            )
            return (
                f"Either it has expired ({REFRESH_TOKEN_DAYS} days without use), or it was spent "
                f"elsewhere (by another program or machine; it dies {GRACE:.0f} seconds after), or "
                f"it was given to another client than client_id. {NEW_GRANT}, and give each "
                f"machine its own.{own if stored.refresh_token else ''}"
            )
        days = (self.clock() - stored.received_at) / _DAY
        if days >= REFRESH_TOKEN_DAYS:
            return (
                f"It has expired: it was stored {days:.0f} days ago and lives "
                f"{REFRESH_TOKEN_DAYS} days without use. {NEW_GRANT}, and run the tap more often."
            )
        return (
            f"It was stored {days:.0f} days ago, so it has not expired ({REFRESH_TOKEN_DAYS} "
            "days): it was spent elsewhere (another program or machine uses a copy of the token "
            "store), the application's access was revoked, or it was given to another client "
            f"than client_id. {NEW_GRANT}, and give each machine its own."
        )


def as_utc(instant: float) -> str:
    """Return seconds since the epoch as a person reads them."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
