"""An authorization server on loopback whose refresh tokens rotate as Qonto's do.

Every secret that it gives contains `MARK`, so that a test can look for any of them anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message

MARK = "S3CRET"
CLIENT_ID = "client-1"
CLIENT_SECRET = f"{MARK}-client"
STAGING_TOKEN = f"{MARK}-staging"


class Clock:
    """A clock that moves when somebody sleeps or moves it."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Reply(NamedTuple):
    """What the server says."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def json_reply(status: int, document: Any, **headers: str) -> Reply:
    return Reply(
        status, json.dumps(document).encode(), {"Content-Type": "application/json"} | headers
    )


HTML = Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html; charset=utf-8"})
PLAIN_404 = Reply(404, b"404 page not found", {"Content-Type": "text/plain"})


def busy(status: int, retry_after: str | None = None) -> Reply:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return json_reply(status, {"message": "later"}, **headers)


class TokenServer:
    """Serves POST /oauth2/token and GET /oauth2/auth until closed.

    Args:
        clock: Judges the grace period and the age of refresh tokens.
        lifetime: Seconds that access tokens live.
        public: Whether the client has no secret.
        staging: Whether the sandbox's header is wanted.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        lifetime: float = 3600.0,
        public: bool = False,
        staging: bool = False,
    ) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.public = public
        self.staging = staging
        self.forms: list[dict[str, str]] = []
        self.headers: list[Message] = []
        self.refused = 0
        self.faults: deque[Reply | str] = deque()
        """What happens to the next requests: a reply instead of an answer, or one of ``lost`` (work
        done, connection closed), ``cut`` (half of the answer), ``held`` (work done, no answer)."""
        self.working = threading.Event()
        """Set when a request is being held."""
        self.meanwhile: Callable[[], object] = int
        """Called while a request is being worked on."""
        self.decide: Callable[[dict[str, str]], dict[str, str]] | None = None
        """What the authorize page hands back; by default a code."""
        self.narrow: str | None = None
        """The scopes granted for a code, if not all."""
        self._numbers = itertools.count(1)
        self._refresh_tokens: dict[str, tuple[float, float | None]] = {}
        self._access_tokens: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_port}"
        self.url = f"{self.base}/oauth2/token"
        self.authorize_url = f"{self.base}/oauth2/auth"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def spent(self) -> list[str]:
        """The refresh tokens in the order in which they came."""
        return [form["refresh_token"] for form in self.forms if "refresh_token" in form]

    @property
    def newest(self) -> str:
        """The access token given last."""
        return self._access_tokens[-1]

    def seed(self) -> str:
        """Give a refresh token that has not been used."""
        token = f"{MARK}-refresh-{next(self._numbers)}"
        self._refresh_tokens[token] = (self.clock(), None)
        return token

    def handle(self, form: dict[str, str], headers: Message) -> Reply:
        with self._lock:
            self.forms.append(form)
            self.headers.append(headers)
            self.meanwhile()
            reply = self._answer(form, headers)
            self.refused += reply.status >= 400
            return reply

    def _answer(self, form: dict[str, str], headers: Message) -> Reply:
        if self.staging and headers.get("X-Qonto-Staging-Token") != STAGING_TOKEN:
            return HTML
        secret = None if self.public else CLIENT_SECRET
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != secret:
            return json_reply(401, {"error": "invalid_client", "error_description": "No such one"})
        if form.get("grant_type") == "authorization_code":
            return self._exchange(form)
        token = form.get("refresh_token", "")
        given, used = self._refresh_tokens.get(token, (0.0, 0.0))
        now = self.clock()
        if now - given > 90 * 86_400 or (used is not None and now - used > 60):
            # A server may well quote what it was sent; the tap must not.
            return json_reply(
                400, {"error": "invalid_grant", "error_description": f"The token {token} is spent"}
            )
        self._refresh_tokens[token] = (given, now if used is None else used)
        return self._tokens("offline_access organization.read")

    def _exchange(self, form: dict[str, str]) -> Reply:
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return json_reply(400, {"error": "invalid_grant"})
        return self._tokens(self.narrow or asked["scope"])

    def _tokens(self, scope: str) -> Reply:
        access_token = f"{MARK}-access-{next(self._numbers)}"
        self._access_tokens.append(access_token)
        answer: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "bearer",
            "expires_in": self.lifetime,
            "scope": scope,
        }
        if "offline_access" in scope:
            answer["refresh_token"] = self.seed()
        return json_reply(200, answer)

    def authorize(self, query: dict[str, str]) -> str:
        """Return where a person who grants access is sent."""
        code = f"{MARK}-code-{next(self._numbers)}"
        self._codes[code] = query
        answer = {"code": code, "state": query["state"]}
        if self.decide is not None:
            answer = self.decide(answer)
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def release(self) -> None:
        """Close the connections that are being held."""
        self._done.set()

    def hold(self) -> None:
        self.working.set()
        self._done.wait()


class _Handler(BaseHTTPRequestHandler):
    owner: TokenServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.send_response(302)
        self.send_header("Location", self.owner.authorize(query))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        fault = self.owner.faults.popleft() if self.owner.faults else None
        if isinstance(fault, Reply):
            self.owner.forms.append(form)
            self._send(fault)
            return
        reply = self.owner.handle(form, self.headers)
        self.close_connection = True
        if fault == "held":
            self.owner.hold()
        elif fault == "cut":
            self._send(reply, half=True)
        elif fault != "lost":
            self._send(reply)

    def _send(self, reply: Reply, *, half: bool = False) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if half else reply.body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""
