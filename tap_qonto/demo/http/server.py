"""The demo company on a loopback port, for tests over real HTTP and for other clients."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from http.client import responses
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import parse_qsl, unquote

from requests.structures import CaseInsensitiveDict
from typing_extensions import override

from tap_qonto.demo.http.messages import Request, Response

if TYPE_CHECKING:
    from types import TracebackType

    from tap_qonto.demo.http.api import Api

_REMEMBERED = 20_000
_LONGEST_LINE = 65_536


class _Handler(socketserver.StreamRequestHandler):
    """Reads requests of one connection until the client leaves.

    The standard library's handler parses headers as mail, which would take longer than the
    answers themselves.
    """

    disable_nagle_algorithm = True
    rbufsize = 65_536

    @override
    def setup(self) -> None:
        super().setup()
        cast("_Server", self.server).open.add(self.connection)

    @override
    def finish(self) -> None:
        cast("_Server", self.server).open.discard(self.connection)
        with suppress(OSError):
            super().finish()

    @override
    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            while self._one():
                pass

    def _one(self) -> bool:
        """Answer one request; False ends the connection."""
        line = self.rfile.readline(_LONGEST_LINE)
        if line in (b"\r\n", b"\n"):
            return True
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            return False
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        while (line := self.rfile.readline(_LONGEST_LINE)) not in (b"\r\n", b"\n"):
            if not line:
                return False
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip()] = value.strip()
        body = self.rfile.read(int(headers.get("Content-Length", "0")))
        path, _, query = target.partition("?")
        server = cast("_Server", self.server)
        request = Request(
            method=method,
            path=unquote(path),
            query=parse_qsl(query, keep_blank_values=True),
            headers=headers,
            body=body,
            files_url=server.files_url,
        )
        server.seen.append(request)
        if server.latency:
            time.sleep(server.latency)
        keep = version == "HTTP/1.1" and headers.get("Connection", "").lower() != "close"
        try:
            response = server.api(request)
        except ConnectionError:
            # A hook asks for it: the client shall see a reset instead of an answer.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        except TimeoutError:
            # A hook asks for it: the client shall wait in vain.
            self.rfile.read(1)
            return False
        return self._send(response, head_only=method == "HEAD") and keep

    def _send(self, response: Response, *, head_only: bool) -> bool:
        """Send an answer; False when the connection ends with it."""
        body = response.body
        headers = dict(response.headers)
        for part in response.first:
            self.connection.sendall(part)
        if isinstance(body, bytes):
            headers.setdefault("Content-Length", str(len(body)))
        else:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        reason = responses.get(response.status, "")
        head = f"{response.version} {response.status} {reason}\r\n{lines}\r\n".encode("latin-1")
        if head_only:
            self.connection.sendall(head)
            return True
        if isinstance(body, bytes):
            # One write: two small ones would wait for each other's acknowledgement.
            self.connection.sendall(head + body)
            # A length that promises more than is sent: the client must see the cut.
            return int(headers["Content-Length"]) == len(body)
        self.connection.sendall(head)
        for part in body:
            self.connection.sendall(part)
        return False


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    api: Api
    files_url: str
    latency: float
    seen: deque[Request]

    open: set[socket.socket]


class DemoServer:
    """Serves an `Api` on 127.0.0.1 while the context lasts.

    Attributes:
        api: The application.
        api_url: Base URL of the API, `/v2` included.
        file_url: Base URL of the file host, which is the same port under another path.
        token_url: URL of the token endpoint.
        authorize_url: URL of the sign-in page.
        requests: The last requests, oldest first (20,000 at most).
    """

    def __init__(self, api: Api, port: int = 0, latency: float = 0.0) -> None:
        """Listen.

        Args:
            api: The application to serve.
            port: Port to listen on; 0 takes a free one.
            latency: Seconds to wait before each answer.
        """
        self.api = api
        self._server = _Server(("127.0.0.1", port), _Handler)
        base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.api_url = f"{base}/v2"
        self.file_url = f"{base}/files"
        self.token_url = f"{base}/oauth2/token"
        self.authorize_url = f"{base}/oauth2/auth"
        self.requests: deque[Request] = deque(maxlen=_REMEMBERED)
        self._server.api = api
        self._server.files_url = self.file_url
        self._server.latency = latency
        self._server.seen = self.requests
        self._server.open = set()
        self._thread = threading.Thread(
            # It looks so often whether it shall end, and whoever ends it waits until it does.
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.01},
            daemon=True,
        )
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the server, which listens already."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self.close()

    def close(self) -> None:
        """Stop listening and end the connections that are open."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in tuple(self._server.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
