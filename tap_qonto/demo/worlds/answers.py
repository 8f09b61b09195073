"""Answers that are refused, broken, or hard to read; each world has one kind of trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.http.messages import Response
from tap_qonto.demo.worlds.world import World, altered, at, below, instead, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _after_a_while(asked: Asked) -> Callable[[Api], None]:
    """Return what refuses the credentials for one resource, though they work elsewhere."""
    detail = "Authentication credentials are not valid"
    return instead(asked, lambda _: refusal(401, "unauthorized", detail))


WORLDS: Final[dict[str, World]] = {
    "refused-stream": World(
        "the beneficiaries answer 400",
        _refused(400, "bad_request", "per_page is invalid", "/sepa/beneficiaries"),
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
    "busy": World("429 with a Retry-After of 0, -5 and a date that has passed", _busy),
}  # fmt: skip
