"""The demo company's authorization server, with what a test wants otherwise put in front of it.

Every secret that it gives contains `MARK`, so that a test can look for any of them anywhere.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from typing_extensions import override

from tap_qonto.demo import Api, Company, DemoServer, OAuth, Request, Response
from tests.kit.answers import unhooked
from tests.kit.runner import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def json_reply(status: int, document: Any, **headers: str) -> Response:
    named = {"Content-Type": "application/json"} | headers
    return Response(status, named, json.dumps(document).encode())


HTML = Response(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Sign in</html>")


def busy(status: int, retry_after: str | None = None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return json_reply(status, {"message": "later"}, **headers)


class Tokens(DemoServer):
    """A demo company over real HTTP of which a test asks nothing but tokens.

    Args:
        clock: Judges the age of tokens; seconds since the epoch.
        lifetime: Seconds that access tokens live.
        public: Whether the client has no secret.
        staging: Whether the sandbox's header is wanted.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        lifetime: int = 3600,
        public: bool = False,
        staging: bool = False,
    ) -> None:
        self.faults: deque[Response | str] = deque()
        """What happens to the next requests for tokens: a reply instead of an answer, or one of
        ``lost`` (work done, connection reset), ``cut`` (half of the answer), ``held`` (work done,
        no answer for 30 s)."""
        self.working = threading.Event()
        """Set when a request is being held."""
        self.given_up = True
        """Whether nobody has waited for a held answer to its very end."""
        self.meanwhile: Callable[[], object] = int
        """Called while a request is being worked on."""
        self.decide: Callable[[dict[str, str]], dict[str, str]] | None = None
        """What the authorize page hands back; by default a code."""
        self.narrow: str | None = None
        """The scopes that a person grants, if not all that are asked for."""
        self.newest = ""
        """The access token given last."""
        self.refused = 0
        self._released = threading.Event()
        self._oauth = OAuth(
            client_id=CLIENT_ID,
            client_secret=None if public else CLIENT_SECRET,
            access_seconds=lifetime,
            mark=MARK,
            clock=lambda: datetime.fromtimestamp(clock(), UTC),
        )
        api = Api(
            Company(transactions=0, accounts=1),
            staging_token=STAGING_TOKEN if staging else None,
            oauth=self._oauth,
        )
        self._demo = unhooked(api)
        api.before.append(self._in_front)
        super().__init__(api)

    @property
    def forms(self) -> list[dict[str, str]]:
        """What was sent to the token endpoint, in the order in which it came."""
        return [_form(request) for request in self._asked]

    @property
    def headers(self) -> list[Mapping[str, str]]:
        """The headers of these requests."""
        return [request.headers for request in self._asked]

    @property
    def spent(self) -> list[str]:
        """The refresh tokens among what was sent."""
        return [form["refresh_token"] for form in self.forms if "refresh_token" in form]

    @property
    def _asked(self) -> list[Request]:
        token = urlsplit(self.token_url).path
        return [request for request in tuple(self.requests) if request.path == token]

    def seed(self) -> str:
        """Give a refresh token that has not been used."""
        return self._oauth.issue_refresh()

    def release(self) -> None:
        """Reset the connections that are being held."""
        self._released.set()

    @override
    def close(self) -> None:
        self.release()
        super().close()

    def _in_front(self, request: Request) -> Response:
        if request.path == urlsplit(self.authorize_url).path:
            return self._consent(request)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Response):
            return fault
        self.meanwhile()
        reply = self._noted(request, self._demo(request))
        if fault == "held":
            self.working.set()
            self.given_up &= self._released.wait(PATIENCE)
        if fault in ("held", "lost"):
            raise ConnectionResetError
        body = reply.body
        assert isinstance(body, bytes)
        length = {"Content-Length": str(len(body))}
        half = replace(reply, headers=reply.headers | length, body=body[: len(body) // 2])
        return half if fault == "cut" else reply

    def _consent(self, request: Request) -> Response:
        """Send a person back who grants less than is asked for, or brings back something else."""
        if self.narrow is not None:
            asked = {**dict(request.query), "scope": self.narrow}
            request = replace(request, query=list(asked.items()))
        reply = self._demo(request)
        if self.decide is None:
            return reply
        address = urlsplit(reply.headers["Location"])
        query = urlencode(self.decide(dict(parse_qsl(address.query))))
        return replace(reply, headers={"Location": address._replace(query=query).geturl()})

    def _noted(self, request: Request, reply: Response) -> Response:
        self.refused += reply.status >= 400
        if "json" not in reply.headers["Content-Type"]:
            return reply
        assert isinstance(reply.body, bytes)
        answer, token = json.loads(reply.body), _form(request).get("refresh_token")
        self.newest = answer.get("access_token", self.newest)
        if token and answer.get("error") == "invalid_grant":
            # A server may well quote what it was sent; the tap must not.
            answer["error_description"] = f"The token {token} is spent"
        return replace(reply, body=json.dumps(answer).encode())


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode()))
