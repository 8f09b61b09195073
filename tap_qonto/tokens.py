"""Rotating tokens: the endpoint that gives them and the file that keeps them between runs.

Each refresh at Qonto gives a new refresh token. The old one works for another `GRACE` seconds, so a
token that is not written down before anything else happens is a token lost, and with it the access
to the bank until a person logs in again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests

from tap_qonto.deadline import DeadlineAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GRACE: Final = 60.0
"""Seconds that a refresh token still works after its first use (Qonto's documentation)."""

REFRESH_TOKEN_DAYS: Final = 90
"""Days that an unused refresh token lives (Qonto's documentation)."""

ACCESS_TOKEN_SECONDS: Final = 3600.0
"""Seconds that an access token lives when the answer does not say so (Qonto's documentation)."""

_STORE_VERSION = 1
_LONGEST_ANSWER = 15.0  # Seconds; two unanswered tries must fit into the grace period.
_LONGEST_LIFETIME = REFRESH_TOKEN_DAYS * 86_400.0  # Seconds; more than that is a mistake.
_LATEST = 32_503_680_000.0  # The year 3000; no clock that works writes a later instant.
_LONGEST_DETAIL = 200  # Characters.


class CredentialError(Exception):
    """Credentials that cannot be used; a sentence that says what to do and holds no secret."""


class NoAnswerError(Exception):
    """The token endpoint has neither given tokens nor refused them; it may do so later.

    Args:
        reason: What happened, in a few words that follow the endpoint's URL.
        may_be_spent: Whether the request may have arrived, so that the token sent with it may be
            spent.
        retry_after: Seconds to wait as the answer says, or None.
    """

    def __init__(
        self, reason: str, *, may_be_spent: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.may_be_spent = may_be_spent
        self.retry_after = retry_after


class RefusedError(Exception):
    """The endpoint has refused the grant.

    Args:
        status: The HTTP status, 400 or 401 as a rule.
        code: OAuth's error code, such as ``invalid_grant``; empty if the answer has none.
        detail: The endpoint's own explanation without secrets, shortened; may be empty.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        """Return status, code and detail as a person would quote them."""
        said = f"{self.status} {self.code}".rstrip()
        return f"{said}: {self.detail}" if self.detail else said


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


def fingerprint(token: str) -> str:
    """Return the SHA-256 of a token as 64 hexadecimal digits: recognises it, does not reveal it."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_safe_url(url: str) -> bool:
    """Return whether credentials may be sent to a URL: https, or plain http on this machine.

    Args:
        url: Any text.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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
                auth=_keep_headers,
            )
        except requests.exceptions.SSLError:
            msg = (
                f"The certificate of the token endpoint {self.url} could not be verified. Check "
                "the setting token_url, the machine's clock and its certificates (a company's own "
                "authority goes into REQUESTS_CA_BUNDLE)."
            )
            raise CredentialError(msg) from None
        except requests.exceptions.RequestException as error:
            raise NoAnswerError(_reason(error), may_be_spent=not _never_sent(error)) from None

    def _tokens(self, response: requests.Response, form: Mapping[str, str]) -> Tokens:
        status = response.status_code
        if status == requests.codes.too_many_requests or status >= requests.codes.server_error:
            msg = f"it answered {status}"
            raise NoAnswerError(
                msg,
                # A request over the limit is turned away unread; an error can happen at any point.
                may_be_spent=status != requests.codes.too_many_requests,
                retry_after=_retry_after(response.headers.get("Retry-After")),
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
            raise _refusal(response, answer, form)
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


def sendable(text: str) -> bool:
    """Tell whether a token can stand in a header: printable ASCII without blanks, not empty.

    requests quotes a header that it refuses in its error, so a bad one must not get that far.
    """
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding an Authorization header out of ~/.netrc."""
    return request


def _never_sent(error: requests.exceptions.RequestException) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    if isinstance(error, requests.exceptions.ConnectionError):
        return _cause(error) in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}
    # What requests refuses to send at all: a URL without a host, an unknown scheme.
    return isinstance(error, ValueError)


def _reason(error: requests.exceptions.RequestException) -> str:
    """Say in a few words what went wrong, without the URL and the body that requests quotes."""
    if isinstance(error, requests.exceptions.Timeout):
        return "it did not answer in time"
    return {
        "NameResolutionError": "its name could not be resolved",
        "NewConnectionError": "the connection was refused",
        "ProtocolError": "the connection was cut",
        "ReadTimeoutError": "it did not answer in time",
    }.get(_cause(error), "the connection failed")


def _cause(error: requests.exceptions.RequestException) -> str:
    inner = error.args[0] if error.args else None
    return type(getattr(inner, "reason", None) or inner).__name__


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, given in seconds or as a date."""
    seconds = _seconds(value)
    if seconds is not None or value is None:
        return seconds
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _seconds(value: Any) -> float | None:
    """Return a number of seconds, sent as number or text, or None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (OverflowError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _refusal(
    response: requests.Response, answer: dict[str, Any], form: Mapping[str, str]
) -> RefusedError:
    """Read OAuth's error, or the API's own (``errors``: a list or one object)."""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else errors
    source = answer if "error" in answer or not isinstance(first, dict) else first
    code = str(source.get("error") or source.get("code") or "")
    detail = str(
        source.get("error_description") or source.get("detail") or source.get("message") or ""
    )
    for secret in form.values():
        detail = detail.replace(secret, "***")
    detail = " ".join(detail.split())
    if len(detail) > _LONGEST_DETAIL:
        detail = f"{detail[:_LONGEST_DETAIL]}…"
    trace = str(answer.get("trace_id") or response.headers.get("X-Tyk-Trace-Id") or "")
    if trace := re.sub(r"[^\w-]", "", trace)[:60]:
        detail = f"{detail}, trace id {trace}" if detail else f"trace id {trace}"
    return RefusedError(response.status_code, re.sub(r"[^\w.-]", "", code)[:60], detail)


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A refresh that was begun and whose answer is not known."""

    token: str
    """The fingerprint of the refresh token that was sent."""
    since: float
    """When it may have been used first, in seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the token store holds. Instants are seconds since the epoch."""

    client_id: str
    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    received_at: float = 0.0
    """When the two tokens were given."""
    expires_at: float = 0.0
    """When the access token stops working."""
    seeds: tuple[str, ...] = ()
    """Fingerprints of all refresh tokens that were ever configured and are superseded by now."""
    intent: Intent | None = None


class DamagedStoreError(CredentialError):
    """The token store can be read, but not understood."""


class TokenStore:
    """A file of JSON with the rights 0600 that is only ever replaced as a whole.

    Args:
        path: The file. Its folder is made when something is written (with the rights 0700).
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Stored | None:
        """Return what is stored, or None if nothing is.

        Reading needs no lock: the file is replaced in one step.

        Raises:
            DamagedStoreError: If the file was not written by this class, or only in part.
            CredentialError: If the file cannot be read.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CredentialError(self._sentence("cannot be read", _why(error))) from error
        if not text.strip():
            return None
        try:
            return _decode(json.loads(text))
        except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
            msg = (
                f"The token store {self.path} is damaged, or was written by another program or by "
                "a newer version of tap-qonto."
            )
            raise DamagedStoreError(msg) from None

    def write(self, stored: Stored) -> None:
        """Replace the store: write aside, flush to the disk, rename. The caller holds the lock.

        Raises:
            CredentialError: If the file cannot be written; the old one is untouched.
        """
        text = json.dumps(_encode(stored), indent=2).encode()
        # A link, as Kubernetes and home folder tools make them, stays; its target is replaced.
        target = Path(os.path.realpath(self.path))
        aside = target.with_name(f"{target.name}.new")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Left behind by a killed process, if it exists: the lock says nobody is writing it.
            aside.unlink(missing_ok=True)
            with os.fdopen(
                os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
            _flush_folder(target.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            raise CredentialError(self._sentence("cannot be written", _why(error))) from error

    def set_aside(self) -> Path:
        """Rename a damaged store, whatever it is, instead of losing it. The caller holds the lock.

        Returns:
            Its new name.

        Raises:
            CredentialError: If it cannot be renamed.
        """
        target = Path(os.path.realpath(self.path))
        try:
            return target.replace(target.with_name(f"{target.name}.damaged"))
        except OSError as error:
            raise CredentialError(self._sentence("cannot be replaced", _why(error))) from error

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Hold the store for this thread alone, among all processes of the machine.

        Args:
            timeout: Seconds to wait for another holder.

        Raises:
            CredentialError: If the lock cannot be had.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 - 50 ms that an API key need not pay

        target = Path(os.path.realpath(self.path))
        lock = FileLock(target.with_name(f"{target.name}.lock"), timeout=timeout, mode=0o600)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            msg = (
                f"Another process has been refreshing the tokens in {self.path} for more than "
                f"{timeout:.0f} seconds. Look for a hanging tap-qonto, end it and run again."
            )
            raise CredentialError(msg) from None
        except (OSError, NotImplementedError) as error:
            raise CredentialError(self._sentence("cannot be locked", _why(error))) from error
        try:
            yield
        finally:
            lock.release()

    def _sentence(self, what: str, why: str) -> str:
        return (
            f"The token store {self.path} {what} ({why}). Set token_store to a file in a folder "
            "that this user may read and write and that lasts from run to run, or repair this one."
        )


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to flush a folder; the file itself is flushed already.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _encode(stored: Stored) -> dict[str, Any]:
    intent = stored.intent
    return {
        "version": _STORE_VERSION,
        "client_id": stored.client_id,
        "refresh_token": stored.refresh_token,
        "access_token": stored.access_token,
        "received_at": stored.received_at,
        "expires_at": stored.expires_at,
        "seeds": list(stored.seeds),
        "intent": intent and {"token": intent.token, "since": intent.since},
    }


def _decode(document: dict[str, Any]) -> Stored:
    if document["version"] != _STORE_VERSION:
        raise ValueError
    intent = document["intent"]
    return Stored(
        client_id=_text(document["client_id"]),
        refresh_token=_optional_text(document["refresh_token"]),
        access_token=_optional_text(document["access_token"]),
        received_at=_instant(document["received_at"]),
        expires_at=_instant(document["expires_at"]),
        seeds=tuple(_text(seed) for seed in document["seeds"]),
        intent=intent and Intent(token=_text(intent["token"]), since=_instant(intent["since"])),
    )


def _instant(value: Any) -> float:
    if not 0.0 <= (instant := float(value)) < _LATEST:
        raise ValueError
    return instant


def _text(value: Any) -> str:
    if not (isinstance(value, str) and sendable(value)):
        raise ValueError
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)
