"""Answers that are refused, broken, or hard to read; each world has one kind of trouble."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.http.messages import Response
from tap_qonto.demo.worlds.world import World, altered, at, below, instead, refusal, rows_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_qonto.demo.http.api import Api
    from tap_qonto.demo.http.messages import Request
    from tap_qonto.demo.worlds.world import Asked

_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}

_VALUES: Final = (
    rb'"\ud800 alone"', b'"\xff\xfe"', b"NaN", b"1e99999999999999999999", b"[" * 600 + b"]" * 600,
)  # fmt: skip
"""Values that are no JSON, or that no reader of JSON likes."""


def _refused(status: int, code: str, detail: str, *paths: str) -> Callable[[Api], None]:
    return instead(at(*paths), lambda _: refusal(status, code, detail))


def _empty(body: Any, _: Request) -> None:
    body.clear()


def _no_count(body: Any, _: Request) -> None:
    for name in ("total_count", "total_pages", "next_page"):
        body["meta"].pop(name, None)


def _pages_only(body: Any, _: Request) -> None:
    body["meta"].pop("total_count", None)


def _unreadable(api: Api) -> None:
    """Put a value that cannot be read into the names of some labels, one each."""

    def spoil(request: Request, response: Response) -> Response | None:
        if request.path != "/v2/labels" or not isinstance(response.body, bytes):
            return None
        content = response.body
        for value in _VALUES:
            before, mark, after = content.rpartition(b'"name":"')
            content = before + b'"name": ' + value + after.partition(b'"')[2] if mark else content
        return Response(response.status, response.headers, content)

    api.after.append(spoil)


def _odd(times: int = 1) -> Callable[[Api], None]:
    """Return what answers each question oddly at first, one oddity after the other."""
    oddities = (
        Response(204, {}, b""),
        Response(206, _JSON, b'{"lab'),
        Response(200, _JSON, b""),
        Response(200, {**_JSON, "Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00cut"),
        Response(503, {"Content-Type": "text/html"}, b"<html>"),
    )

    def answer(request: Request) -> Response:
        return oddities[sum(request.path.encode()) % len(oddities)]

    return instead(below("/v2/"), answer, times)


def _busy(api: Api) -> None:
    """Refuse each question three times, and ask for no patience at all."""
    waits = ("0", "-5", "Sat, 01 Jan 2000 00:00:00 GMT")
    seen: dict[str, int] = {}

    def answer(request: Request) -> Response | None:
        count = seen[request.path] = seen.get(request.path, 0) + 1
        if not request.path.startswith("/v2/") or count > len(waits):
            return None
        return Response(429, {**_JSON, "Retry-After": waits[count - 1]}, b"{}")

    api.before.append(answer)


def _hints(api: Api) -> None:
    """Announce each answer by a hint, as a server does that wants to save time."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    api.after.append(lambda _, response: replace(response, first=[hint]))


def _of_old(api: Api) -> None:
    """Answer each question first by half an answer of HTTP/1.0, which tells no length."""
    seen: set[str] = set()

    def cut(request: Request, response: Response) -> Response | None:
        name = f"{request.path} {request.query}"
        if name in seen or not request.path.startswith("/v2/"):
            return None
        seen.add(name)
        body = response.body if isinstance(response.body, bytes) else b""
        return replace(response, body=[body[: len(body) // 2]], version="HTTP/1.0")

    api.after.append(cut)


def _huge(_: Request) -> Response:
    """Announce a part of an answer that no memory can hold."""
    return Response(200, {**_JSON, "Transfer-Encoding": "chunked"}, [b"F" * 15 + b"\r\n{}"])


def _proxy(api: Api) -> None:
    """Be a proxy that answers CONNECT with one byte per second."""

    def connect(request: Request) -> Response | None:
        if request.method != "CONNECT":
            return None
        greeting = b"HTTP/1.1 200 Connection established\r\nX-Slow: " + b"." * 100_000
        return Response(200, {}, b"", first=_dripping(greeting))

    api.before.append(connect)


def _dripping(content: bytes) -> Iterator[bytes]:
    for byte in content:
        yield bytes((byte,))
        time.sleep(1)


def _odd_fields(body: Any, _: Request) -> None:
    """Add a field that nobody documents, and send others as what they should not be."""
    for row in rows_in(body):
        row |= {"colour": "red", "name": {"first": row["name"]}}


def _after_a_while(asked: Asked) -> Callable[[Api], None]:
    """Return what refuses the credentials for one resource, though they work elsewhere."""
    detail = "Authentication credentials are not valid"
    return instead(asked, lambda _: refusal(401, "unauthorized", detail))


WORLDS: Final[dict[str, World]] = {
    "refused-stream": World(
        "the beneficiaries answer 400",
        _refused(400, "bad_request", "per_page is invalid", "/sepa/beneficiaries"),
    ),
    "invalid-stream": World(
        "the labels answer 422", _refused(422, "invalid", "per_page is invalid", "/labels")
    ),
    "unauthorized-stream": World(
        "the cards answer 401 as if the credentials were wrong", _after_a_while(at("/cards"))
    ),
    "refused-accounts": World(
        "the bank accounts may not be listed",
        _refused(403, "forbidden", "you may not", "/bank_accounts"),
    ),
    "faulty-stream": World(
        "the products always answer 500",
        _refused(500, "internal_server_error", "something broke", "/products"),
    ),
    "no-envelope": World("the teams come without their envelope", altered(at("/teams"), _empty)),
    "no-count": World("clients are not counted", altered(at("/clients"), _no_count)),
    "pages-only": World(
        "of products only the pages are counted", altered(at("/products"), _pages_only)
    ),
    "unreadable-values": World(
        "some labels have names that cannot be read: a lone surrogate, NaN, 600 levels", _unreadable
    ),
    "odd-answers": World("each question is first answered with 204, 206, nothing, …", _odd()),
    "hints": World("each answer comes after a 103", _hints),
    "http-1-0": World("each question is first answered in HTTP/1.0, and cut", _of_old),
    "huge-chunks": World(
        "each question is first answered with a part larger than any memory",
        instead(below("/v2/"), _huge, 1),
    ),
    "slow-proxy": World(
        "as a proxy (HTTPS_PROXY) the server answers one byte per second", _proxy
    ),
    "odd-fields": World(
        "labels have a field that is new, and a name that is an object",
        altered(at("/labels"), _odd_fields),
    ),
    "busy": World("429 with a Retry-After of 0, -5 and a date that has passed", _busy),
}  # fmt: skip
