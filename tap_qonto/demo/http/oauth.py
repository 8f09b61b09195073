"""An authorization server with rotating refresh tokens, as Qonto's behaves."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import DAY, SECOND, now_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

CODE_LIFE: Final = 600 * SECOND
ACCESS_SECONDS: Final = 3_600
REFRESH_LIFE: Final = 90 * DAY
GRACE: Final = 60 * SECOND
"""How long a refresh token still answers after its first use."""

OFFLINE: Final = "offline_access"
"""The scope without which there is no refresh token."""

SCOPES: Final = (
    "offline_access organization.read membership.read attachment.read card.read team.read "
    "subscription.read cash_flow_category.read client.read client_invoices.read product.read "
    "supplier_invoice.read einvoicing.read payment_link.read terminal.read webhook "
    "sepa_direct_debit.read"
)
"""All scopes that reading needs."""

WRITING_SCOPES: Final = (
    "payment.write attachment.write supplier_invoice.write client.write client_invoice.write"
)
"""The scopes that writing needs besides."""


class GrantError(Exception):
    """A token request was refused.

    Attributes:
        code: The error code of RFC 6749, such as `invalid_grant`.
        status: The HTTP status of the answer.
    """

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        """Name the error and say what was wrong."""
        super().__init__(description)
        self.code = code
        self.status = status


@dataclass
class _Code:
    redirect_uri: str
    challenge: str | None
    issued: int
    scope: str


@dataclass(frozen=True)
class _Access:
    issued: int
    scope: str


@dataclass
class _Refresh:
    issued: int
    scope: str
    used: int | None = None
    answer: dict[str, object] = field(default_factory=dict)


class OAuth:
    """Codes and tokens of one registered application.

    Attributes:
        refreshes: How often the refresh grant has been asked for, refused ones included.
    """

    def __init__(
        self,
        *,
        client_id: str = "demo-client",
        client_secret: str | None = None,
        redirect_uri: str | None = None,
        refresh_token: str | None = None,
        scope: str = f"{SCOPES} {WRITING_SCOPES}",
        access_seconds: int = ACCESS_SECONDS,
        mark: str = "",
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """Register the application.

        Args:
            client_id: Its public name.
            client_secret: Its secret; None for a public application, which must use PKCE and
                send none.
            redirect_uri: The one address to send codes to; None takes any loopback address.
            refresh_token: A first refresh token, issued now.
            scope: What that token, and tokens that ask for nothing, may do.
            access_seconds: How long access tokens live.
            mark: What codes and tokens begin with, so that a log can be searched for any of them.
            clock: Source of the present, aware of its zone.
        """
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._scope = scope
        self._access_seconds = access_seconds
        self._mark = mark
        self._clock = clock
        self._lock = Lock()
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, _Refresh] = {}
        self.refreshes = 0
        if refresh_token is not None:
            self.issue_refresh(refresh_token)

    def _now(self) -> int:
        return moments.of(self._clock())

    def _secret(self) -> str:
        return f"{self._mark}{secrets.token_urlsafe(32)}"

    def scopes_of(self, access_token: str) -> frozenset[str] | None:
        """Return what an access token may do; None when it is not ours or does not live."""
        access = self._access.get(access_token)
        if access is None or self._now() >= access.issued + self._access_seconds * SECOND:
            return None
        return frozenset(access.scope.split())

    def issue(self, access_token: str | None = None, scope: str | None = None) -> str:
        """Return a new access token (or register the given one) as if a user had signed in."""
        token = access_token or self._secret()
        self._access[token] = _Access(self._now(), scope or self._scope)
        return token

    def issue_refresh(self, refresh_token: str | None = None, scope: str | None = None) -> str:
        """Return a new refresh token (or register the given one) as if a user had signed in."""
        token = refresh_token or self._secret()
        self._refresh[token] = _Refresh(self._now(), scope or self._scope)
        return token

    def authorize(self, query: Mapping[str, str]) -> str:
        """Sign the user in and return the address to send the browser to.

        Raises:
            GrantError: The request names another application or an address that is not its own.
        """
        redirect = query.get("redirect_uri", "")
        allowed = (
            redirect == self._redirect_uri
            if self._redirect_uri is not None
            else redirect.startswith(("http://127.0.0.1:", "http://localhost:", "http://[::1]:"))
        )
        if query.get("client_id") != self._client_id or not allowed:
            code, description = "invalid_request", "unknown client or redirect_uri"
            raise GrantError(code, description)
        back = {"state": query["state"]} if "state" in query else {}
        challenge = query.get("code_challenge")
        if query.get("response_type") != "code":
            back["error"] = "unsupported_response_type"
        elif challenge is not None and query.get("code_challenge_method") != "S256":
            back["error"] = "invalid_request"
        else:
            code = self._secret()
            scope = query.get("scope") or self._scope
            self._codes[code] = _Code(redirect, challenge, self._now(), scope)
            back |= {"code": code, "scope": scope}
        return f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(back)}"

    def grant(self, form: Mapping[str, str]) -> dict[str, object]:
        """Answer a token request.

        Raises:
            GrantError: The application, the code or the refresh token is not accepted.
        """
        application = (form.get("client_id"), form.get("client_secret"))
        if application != (self._client_id, self._client_secret):
            code, description = "invalid_client", "client authentication failed"
            raise GrantError(code, description, 401)
        with self._lock:
            match form.get("grant_type"):
                case "authorization_code":
                    return self._from_code(form)
                case "refresh_token":
                    return self._from_refresh(form.get("refresh_token", ""))
        code, description = "unsupported_grant_type", "the grant type is not supported"
        raise GrantError(code, description)

    def _from_code(self, form: Mapping[str, str]) -> dict[str, object]:
        refused = GrantError("invalid_grant", "the authorization code is not valid")
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or self._now() >= code.issued + CODE_LIFE:
            raise refused
        if form.get("redirect_uri") != code.redirect_uri:
            raise refused
        if code.challenge is None and self._client_secret is None:
            raise refused
        if code.challenge is not None:
            digest = sha256(form.get("code_verifier", "").encode()).digest()
            if urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
                raise refused
        return self._tokens(code.scope)

    def _from_refresh(self, token: str) -> dict[str, object]:
        self.refreshes += 1
        now = self._now()
        refresh = self._refresh.get(token)
        if refresh is None or now >= refresh.issued + REFRESH_LIFE:
            code, description = "invalid_grant", "the refresh token is malformed, expired or spent"
            raise GrantError(code, description)
        if refresh.used is not None:
            if now >= refresh.used + GRACE:
                code, description = "invalid_grant", "the refresh token has already been used"
                raise GrantError(code, description)
            return refresh.answer
        refresh.used, refresh.answer = now, self._tokens(refresh.scope)
        return refresh.answer

    def _tokens(self, scope: str) -> dict[str, object]:
        answer: dict[str, object] = {
            "access_token": self.issue(scope=scope),
            "token_type": "bearer",
            "expires_in": self._access_seconds,
            "scope": scope,
        }
        if OFFLINE in scope.split():
            answer["refresh_token"] = self.issue_refresh(scope=scope)
        return answer
