"""The page on this machine to which the browser comes back after the login."""

from __future__ import annotations

import html
import queue
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from tap_qonto.api.errors import CredentialError


class Answer(NamedTuple):
    """What the browser brought back from the authorize page."""

    state: str
    code: str
    error: str


class Callback:
    """The loopback address that the browser is sent back to.

    Args:
        host: The name in the redirect URI; the server itself is always on 127.0.0.1.
        port: As registered; 0 for any free one.
        state: What the authorize page must hand back.
    """

    def __init__(self, host: str, port: int, state: str) -> None:
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        answers = self._answers

        class Handler(_Handler):
            @override
            def deliver(self, answer: Answer) -> bool:
                if not secrets.compare_digest(answer.state.encode(), state.encode()):
                    return False
                answers.put(answer)
                return True

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except (OSError, OverflowError) as error:
            why = isinstance(error, OSError) and error.strerror
            msg = (
                f"Port {port} cannot be opened ({why or 'no such port'}): free it, or choose "
                "another with --port and register its redirect URI."
            )
            raise CredentialError(msg) from None
        self._server.daemon_threads = True
        self.uri = f"http://{host}:{self._server.server_port}/callback"

    def __enter__(self) -> Self:
        """Begin to listen."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def code(self, timeout: float) -> str:
        """Return the authorization code once the browser brings it.

        Args:
            timeout: Seconds to wait.

        Raises:
            CredentialError: If it does not come, or a refusal does. Answers that belong to
                another login are told so in the browser, and do not count.
        """
        try:
            answer = self._answers.get(timeout=timeout)
        except queue.Empty:
            msg = (
                f"Nobody granted access within {timeout:.0f} seconds. Run this again; the "
                f"application's redirect URIs must contain {self.uri}."
            )
            raise CredentialError(msg) from None
        if answer.error == "access_denied":
            msg = "Access was denied in the browser. Run this again and grant it."
            raise CredentialError(msg)
        if answer.error or not answer.code:
            what = "".join(c for c in answer.error if c.isalnum() or c in "_.-")[:60]
            msg = (
                f"Qonto did not grant access ({what or 'no code'}). For invalid_scope name the "
                "scopes that the application may have, each with --scope."
            )
            raise CredentialError(msg)
        return answer.code


class _Handler(BaseHTTPRequestHandler):
    """Takes the redirect. One connection per thread: browsers open some that they never use."""

    timeout = 30
    server_version = "tap-qonto-login"
    sys_version = ""

    def deliver(self, answer: Answer) -> bool:
        """Hand over what the redirect carried; return whether it belongs to this login."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer the browser; only the redirect itself counts."""
        parts = urlsplit(self.path)
        if parts.path != "/callback":
            self._page(HTTPStatus.NOT_FOUND, "Nothing here.")
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = Answer(query.get("state", ""), query.get("code", ""), query.get("error", ""))
        if self.deliver(answer):
            text = "The terminal says how the login went. You may close this page."
            self._page(HTTPStatus.OK, text)
        else:
            text = (
                "This answer does not belong to the login that is waiting (its state differs), so "
                "it is not used. Close this page and grant access in the one opened last."
            )
            self._page(HTTPStatus.BAD_REQUEST, text)

    def _page(self, status: HTTPStatus, text: str) -> None:
        body = f"<!doctype html><title>tap-qonto</title><p>{html.escape(text)}</p>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: the request line carries the authorization code."""
