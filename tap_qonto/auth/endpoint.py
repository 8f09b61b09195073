"""Rotating tokens: the endpoint that gives them and the file that keeps them between runs.

Each refresh at Qonto gives a new refresh token. The old one works for another `GRACE` seconds, so a
token that is not written down before anything else happens is a token lost, and with it the access
to the bank until a person logs in again.
"""

from __future__ import annotations

import json
import math
import re
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests

from tap_qonto.api.answers import Problem, retry_after_of
from tap_qonto.api.errors import CredentialError, NoAnswerError, RefusedError
from tap_qonto.api.network import DeadlineAdapter, never_sent, no_credentials, reason_of
from tap_qonto.auth.keys import sendable

if TYPE_CHECKING:
    from collections.abc import Mapping


GRACE: Final = 60.0
"""Seconds that a refresh token still works after its first use (Qonto's documentation)."""


REFRESH_TOKEN_DAYS: Final = 90
"""Days that an unused refresh token lives (Qonto's documentation)."""


ACCESS_TOKEN_SECONDS: Final = 3600.0
"""Seconds that an access token lives when the answer does not say so (Qonto's documentation)."""


_LONGEST_ANSWER = 15.0  # Seconds; two unanswered tries must fit into the grace period.


_LONGEST_LIFETIME = REFRESH_TOKEN_DAYS * 86_400.0  # Seconds; more than that is a mistake.


_LONGEST_DETAIL = 200  # Characters.


class Tokens(NamedTuple):
    """An answer of the token endpoint."""

    access_token: str
    refresh_token: str | None
    """None if none was granted (scope ``offline_access`` missing) or the old one stays valid."""
    lifetime: float
    """Seconds that the access token lives."""
    scopes: frozenset[str]
    """The scopes granted; empty if the answer does not say."""

    def __repr__(self) -> str:
        """Show no token."""
        return f"Tokens(lifetime={self.lifetime:.0f})"


class TokenEndpoint:
    """Qonto's token endpoint, asked once per call: what to repeat is the caller's decision.

    Args:
        url: For example ``https://oauth.qonto.com/oauth2/token``.
        headers: Sent with every request, such as the sandbox's ``X-Qonto-Staging-Token``.
        timeout: Seconds for a whole answer; at most 15, so that a repeat fits the grace period.
        session: Carries the requests; a new one for each request by default.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = _LONGEST_ANSWER,
        session: requests.Session | None = None,
    ) -> None:
        self.url = url
        self._headers = dict(headers or {})
        self._timeout = min(timeout, _LONGEST_ANSWER)
        self._session = session

    def ask(self, form: Mapping[str, str]) -> Tokens:
        """Post a grant and return the tokens given for it.

        Args:
            form: The fields of the form, ``grant_type`` among them.

        Raises:
            NoAnswerError: If the endpoint was not reached, its answer did not arrive whole, or its
                status is 429 or 5xx.
            RefusedError: For any other error in OAuth's form.
            CredentialError: If the answer does not come from a token endpoint.
        """
        if self._session is not None:
            return self._tokens(self._post(self._session, form), form)
        with requests.Session() as session:
            # These adapters never repeat a request by themselves: its token may be spent.
            session.mount("https://", DeadlineAdapter())
            session.mount("http://", DeadlineAdapter())
            return self._tokens(self._post(session, form), form)

    def _post(self, session: requests.Session, form: Mapping[str, str]) -> requests.Response:
        try:
            return session.post(
                self.url,
                data=dict(form),
                headers={"Accept": "application/json"} | self._headers,
                timeout=self._timeout,
                allow_redirects=False,
                auth=no_credentials,
            )
        except requests.exceptions.SSLError:
            msg = (
                f"The certificate of the token endpoint {self.url} could not be verified. Check "
                "the setting token_url, the machine's clock and its certificates (a company's own "
                "authority goes into REQUESTS_CA_BUNDLE)."
            )
            raise CredentialError(msg) from None
        except requests.exceptions.RequestException as error:
            raise NoAnswerError(reason_of(error), may_be_spent=not never_sent(error)) from None

    def _tokens(self, response: requests.Response, form: Mapping[str, str]) -> Tokens:
        status = response.status_code
        if status == requests.codes.too_many_requests or status >= requests.codes.server_error:
            msg = f"it answered {status}"
            raise NoAnswerError(
                msg,
                # A request over the limit is turned away unread; an error can happen at any point.
                may_be_spent=status != requests.codes.too_many_requests,
                retry_after=retry_after_of(response.headers, time.time()),
            )
        try:
            answer = json.loads(response.content)
        except (RecursionError, ValueError):
            answer = None
        if not isinstance(answer, dict):
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if status == requests.codes.ok and kind == "application/json":
                msg = "its answer was cut"
                raise NoAnswerError(msg, may_be_spent=True)
            raise CredentialError(self._not_json(status, kind))
        if status != requests.codes.ok:
            raise _refusal(response, form)
        access_token = answer.get("access_token")
        if not (isinstance(access_token, str) and sendable(access_token)):
            msg = (
                f"The token endpoint {self.url} answered without an access_token. Check the "
                "setting token_url."
            )
            raise CredentialError(msg)
        refresh_token = answer.get("refresh_token")
        usable = isinstance(refresh_token, str) and sendable(refresh_token)
        scopes = answer.get("scope")
        lifetime = _seconds(answer.get("expires_in")) or ACCESS_TOKEN_SECONDS
        return Tokens(
            access_token,
            refresh_token if usable else None,
            min(lifetime, _LONGEST_LIFETIME),
            frozenset(scopes.split()) if isinstance(scopes, str) else frozenset(),
        )

    def _not_json(self, status: int, kind: str) -> str:
        what = re.sub(r"[^\w/.+-]", "", kind)[:60] or "something"
        return (
            f"The token endpoint {self.url} answered {status} with {what} where JSON was expected. "
            "Check the setting token_url; the sandbox answers so when staging_token is missing or "
            "wrong."
        )


def _seconds(value: Any) -> float | None:
    """Return a number of seconds, sent as number or text, or None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (OverflowError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _refusal(response: requests.Response, form: Mapping[str, str]) -> RefusedError:
    """Return what the endpoint says against a grant, without what was sent to it."""
    body = response.content
    for secret in form.values():
        body = body.replace(secret.encode(), b"***")
    problem = Problem.of(response.headers, body)
    detail = problem.detail
    if problem.trace:
        trace = f"trace id {problem.trace}"
        detail = f"{detail}, {trace}" if detail else trace
    return RefusedError(response.status_code, problem.code, detail)
