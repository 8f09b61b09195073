"""Requests and answers as plain objects; `transport` and `server` carry them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_qonto.demo.world.rows import Row

FILES_URL: Final = "https://files.demo.qonto.invalid/files"

_JSON: Final = "application/json; charset=utf-8"

encode = msgspec.json.Encoder().encode
"""Writes a body of JSON."""


@dataclass(frozen=True)
class Request:
    """One request, taken apart.

    Attributes:
        method: In upper case.
        path: Decoded, from the root: `/v2/...`, `/files/...` or `/oauth2/...`.
        query: Names and values, decoded, in order.
        headers: By any case of their names.
        body: What was sent.
        files_url: Where links to files must point to; the transport knows.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    files_url: str = FILES_URL

    def header(self, name: str) -> str | None:
        """Return the value of a header, whose name is given in lower case."""
        for key, value in self.headers.items():
            if key.lower() == name:
                return value
        return None


@dataclass(frozen=True)
class Response:
    """One answer; a body in parts is sent as it comes, and `Content-Length` tells its size.

    Attributes:
        status: The HTTP status.
        headers: By name.
        body: What is sent, at once or in parts.
        first: Bytes that a server sends before the answer; inside the process there are none.
        version: Of HTTP. An answer in HTTP/1.0 ends with its connection.
    """

    status: int
    headers: dict[str, str]
    body: bytes | Iterable[bytes]
    first: Iterable[bytes] = ()
    version: str = "HTTP/1.1"


_FLAT: Final = (412, 428)
"""Statuses whose errors stand alone in the body, not in a list of errors."""


class RefusalError(Exception):
    """The request is answered with an error.

    Attributes:
        status: The HTTP status.
        item: The error as Qonto lists it: code, detail and, where known, its source.
        flat: Whether the error stands alone in the body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        parameter: str | None = None,
        more: Row | None = None,
    ) -> None:
        """Name the error.

        Args:
            status: The HTTP status.
            code: What programs read.
            detail: What people read.
            parameter: The parameter of the query that caused it.
            more: Other fields of the error.
        """
        super().__init__(detail)
        self.status = status
        self.flat = status in _FLAT
        self.item: Row = {"code": code, ("message" if self.flat else "detail"): detail}
        if parameter is not None:
            self.item["source"] = {"parameter": parameter}
        self.item |= more or {}


def pointed(pointer: str) -> Row:
    """Return the source of an error as a pointer into the body."""
    return {"source": {"pointer": pointer}}


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    """Return an answer of JSON."""
    return Response(status, {"Content-Type": _JSON, **(headers or {})}, encode(body))


NO_ROUTE: Final = Response(
    404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found"
)
"""What the gateway says to a path that it does not know."""
