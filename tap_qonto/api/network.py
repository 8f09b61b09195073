"""What the network does to requests: time limits, safe addresses, reasons for failures."""

from __future__ import annotations

import http.client
import io
import time
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer


_NO_TLS = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "HANDSHAKE_FAILURE")
"""OpenSSL's words for a connection over which nothing of ours was ever sent."""


def reason_of(error: Exception) -> str:
    """Say why a request failed, without its URL (whose query is nobody's business)."""
    match error:
        case requests.exceptions.SSLError() | urllib3.exceptions.SSLError():
            return "the TLS certificate or connection was refused"
        case requests.exceptions.ConnectTimeout():
            return "no connection within request_timeout"
        case requests.exceptions.Timeout():
            return "not complete within request_timeout"
        case requests.exceptions.ProxyError():
            return "the proxy refused the connection"
        case (
            requests.exceptions.ChunkedEncodingError()
            | requests.exceptions.ContentDecodingError()
            | urllib3.exceptions.ProtocolError()
            | urllib3.exceptions.DecodeError()
        ):
            return "the connection broke in the middle of the answer"
    text = repr(error)
    if "NameResolutionError" in text or "getaddrinfo" in text:
        return "the host name cannot be resolved"
    if "refused" in text:
        return "the connection was refused"
    if "timed out" in text:
        return "not complete within request_timeout"
    return "the connection broke"


def never_sent(error: Exception) -> bool:
    """Return whether a request that failed is certain not to have reached its server."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    if isinstance(error, requests.exceptions.SSLError):
        # TLS may also break in the middle of an answer; these are of its beginning only.
        return any(sign in repr(error) for sign in _NO_TLS)
    if isinstance(error, requests.exceptions.ConnectionError):
        return _cause(error) in {
            "NewConnectionError", "NameResolutionError", "ConnectTimeoutError",
        }  # fmt: skip
    # What requests refuses to send at all: a URL without a host, an unknown scheme.
    return isinstance(error, ValueError)


def _cause(error: Exception) -> str:
    inner = error.args[0] if error.args else None
    return type(getattr(inner, "reason", None) or inner).__name__


def no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking for credentials in ~/.netrc."""
    return request


class DeadlineAdapter(HTTPAdapter):
    """Carries requests over the network; the read timeout bounds a whole answer.

    Args:
        pace: For answers of any size: each second's worth of bytes at this pace, in bytes per
            second, puts the end off by a second, though never beyond the read timeout from now.
        options: As for `HTTPAdapter`.
    """

    def __init__(self, *, pace: float | None = None, **options: Any) -> None:
        self._pace = pace
        super().__init__(**options)

    @override
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        connection = _BoundedTlsConnection if pool.scheme == "https" else _BoundedConnection
        pool.ConnectionCls = partial(connection, pace=self._pace) if self._pace else connection
        return pool


class _FinalAnswer(http.client.HTTPResponse):
    """An answer that is none of the hints which may come before it, such as 103."""

    def __init__(self, sock: _Socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)  # type: ignore[arg-type]
        self._bounded = sock

    def _read_status(self) -> Any:
        deadline = self._bounded.deadline
        while (found := super()._read_status())[1] in _HINTS:  # type: ignore[misc]
            http.client.parse_headers(self.fp)
            # Whoever sends a hint and nothing else is asked again.
            self._bounded.deadline = min(deadline, time.monotonic() + _AFTER_HINT)
        self._bounded.deadline = deadline
        return found


_HINTS = range(102, 200)
"""Statuses of answers that another one follows."""

_AFTER_HINT = 10.0
"""Seconds after a hint within which the answer must begin to come."""


class _BoundedConnection(HTTPConnection):
    response_class = _FinalAnswer

    def __init__(self, *args: Any, pace: float | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pace = pace

    @override
    def connect(self) -> None:
        super().connect()
        self.sock: Any = _Socket(self.sock, self._pace)

    @override
    def _tunnel(self) -> None:
        # A proxy's answer has a deadline too. TLS wants the socket itself afterwards.
        sock = self.sock
        self.sock = _Socket(sock, None)
        self.sock.start(self._seconds)
        super()._tunnel()
        self.sock = sock

    @override
    def getresponse(self) -> Any:
        if isinstance(self.sock, _Socket):
            self.sock.start(self._seconds)
        return super().getresponse()

    @property
    def _seconds(self) -> float:
        return self.timeout if isinstance(self.timeout, int | float) else float("inf")


class _BoundedTlsConnection(_BoundedConnection, HTTPSConnection):
    """The same over TLS."""


class _Socket:
    """A connected socket whose reads must all end at a deadline.

    Args:
        sock: The socket, plain or TLS.
        pace: Bytes that put the deadline off by a second; None if nothing does.
    """

    def __init__(self, sock: socket.socket, pace: float | None) -> None:
        self._sock = sock
        self._pace = pace
        self.timeout = self.deadline = float("inf")
        """The deadline by the monotonic clock, and how far ahead it was set, in seconds."""

    def start(self, seconds: float) -> None:
        """Start the clock of the answer that is about to be read."""
        self.timeout = seconds
        self.deadline = time.monotonic() + seconds

    def received(self, size: int) -> None:
        """Put the deadline off by what so many bytes are worth."""
        if self._pace:
            latest = time.monotonic() + self.timeout
            self.deadline = min(latest, self.deadline + size / self._pace)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, _mode: str, *_: Any, **__: Any) -> io.BufferedReader:
        """Return the file that http.client reads answers from."""
        return io.BufferedReader(_Reader(self, self._sock), _BUFFER)


_BUFFER = 262_144
"""Bytes asked of a socket at once: a page of 100 rows. After each read a thread waits its turn."""


class _Reader(io.RawIOBase):
    def __init__(self, owner: _Socket, sock: socket.socket) -> None:
        super().__init__()
        self._owner = owner
        self._sock = sock
        # As long as this file is open, closing the connection leaves the socket to its reader.
        self._hold = sock.makefile("rb", buffering=0)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: WriteableBuffer) -> int:
        left = self._owner.deadline - time.monotonic()
        if left <= 0:
            msg = "timed out"
            raise TimeoutError(msg)
        self._sock.settimeout(None if left == float("inf") else left)
        size = self._sock.recv_into(buffer)
        self._owner.received(size)
        return size

    @override
    def close(self) -> None:
        self._hold.close()
        super().close()


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
