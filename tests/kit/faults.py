"""Everything that goes wrong between a tap and its API, on command and over real sockets.

A *fault* is what happens to one request instead of its answer. `Faults` is a hook for `Api.before`
that lets faults happen to the next requests for a path; what an answered request cannot show (a
host that sends headers for ever) has a server of its own.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tap_qonto.demo import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_qonto.demo import Request

    Fault = Callable[[Request], Response | None]

JSON = {"Content-Type": "application/json"}


class Faults:
    """Lets faults happen to the next requests for a path, one each; then all is well again.

    Args:
        path: Path below /v2; None for every path of the API.
        faults: What happens, in order.
        always: What happens to every request after that.
    """

    def __init__(
        self, path: str | None, faults: Iterable[Fault] = (), *, always: Fault | None = None
    ) -> None:
        self._path = path
        self._faults = deque(faults)
        self._always = always
        self._lock = threading.Lock()
        self.count = 0
        """How many faults have happened."""

    def __call__(self, request: Request) -> Response | None:
        here = request.path.startswith("/v2/")
        if not here or self._path not in (None, request.path.removeprefix("/v2")):
            return None
        with self._lock:
            fault = self._faults.popleft() if self._faults else self._always
            self.count += fault is not None
        return fault(request) if fault else None


def answer(status: int, body: Any = b"", **headers: str) -> Fault:
    """Answer with a status; a body that is no bytes becomes JSON. `_` in names stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return lambda _request: Response(status, named, body)
    return lambda _request: Response(status, JSON | named, json.dumps(body).encode())


def reset(_request: Request) -> Response:
    """Close the connection with a reset."""
    raise ConnectionResetError


def cut(_request: Request) -> Response:
    """Promise 1,000 bytes by Content-Length and close after a few."""
    return Response(200, JSON | {"Content-Length": "1000"}, b'{"labels": [')


def cut_in_chunks(_request: Request) -> Response:
    """Close in the middle of a chunked body."""
    return Response(200, JSON | {"Transfer-Encoding": "chunked"}, [b'40\r\n{"labels": ['])


def dribble(_request: Request) -> Response:
    """Send a body of which a byte comes every 20 ms, for 20 s."""

    def drops() -> Iterator[bytes]:
        for _ in range(1_000):
            time.sleep(0.02)
            yield b" "

    return Response(200, JSON | {"Content-Length": "1000"}, drops())


def compressed(body: Any) -> Fault:
    """Answer with JSON that gzip has compressed."""
    return answer(200, gzip.compress(json.dumps(body).encode()), Content_Encoding="gzip")


def listening(port: int = 0) -> socket.socket:
    """Return a socket that listens on loopback."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(16)
    return server


def free_port() -> int:
    """Return a port on which nobody listens."""
    with listening() as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def raw_answers(*answers: bytes) -> Iterator[str]:
    """Serve a host that answers with these bytes, one per connection, then closes; gives its URL.

    The last answer is repeated.
    """
    waiting = deque(answers)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with suppress(OSError), connection:
                    connection.recv(65_536)
                    connection.sendall(waiting.popleft() if len(waiting) > 1 else waiting[0])

    with listening() as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/v2"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@contextmanager
def endless_headers() -> Iterator[str]:
    """Serve a host that sends a byte of its headers every 20 ms, for ever; gives its base URL."""
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not done.wait(0.02):
                connection.sendall(b"z")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with listening() as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/v2"
        finally:
            done.set()
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
