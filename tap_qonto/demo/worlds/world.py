"""What a world is, and how it gets between a company and those who ask."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from tap_qonto.demo.http.messages import Request, Response, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.demo.http.api import Api

Asked: TypeAlias = "Callable[[Request], bool]"


class World(NamedTuple):
    """One world.

    Attributes:
        about: What happens in it, in one line.
        play: Makes it happen to an application.
        options: What the application must be made with.
    """

    about: str
    play: Callable[[Api], None] = lambda _: None
    options: Mapping[str, Any] = MappingProxyType({})


def at(*paths: str) -> Asked:
    """Return the test whether one of these paths of the API is asked for."""
    wanted = {f"/v2{path}" for path in paths}
    return lambda request: request.path in wanted


def below(*starts: str) -> Asked:
    """Return the test whether a path begins with one of these."""
    return lambda request: request.path.startswith(starts)


def altered(asked: Asked, change: Callable[[Any, Request], None]) -> Callable[[Api], None]:
    """Return what lets `change` work on the bodies of answers before they leave."""

    def alter(request: Request, response: Response) -> Response | None:
        if response.status >= 300 or not isinstance(response.body, bytes) or not asked(request):
            return None
        body = msgspec.json.decode(response.body)
        change(body, request)
        return replace(response, body=encode(body))

    return lambda api: api.after.append(alter)


def instead(
    asked: Asked, response: Callable[[Request], Response], times: int | None = None
) -> Callable[[Api], None]:
    """Return what answers in the API's place: each path so many times, or always."""

    def play(api: Api) -> None:
        seen: dict[str, int] = {}

        def answer(request: Request) -> Response | None:
            if not asked(request):
                return None
            seen[request.path] = seen.get(request.path, 0) + 1
            return response(request) if times is None or seen[request.path] <= times else None

        api.before.append(answer)

    return play


def refusal(status: int, code: str, detail: str) -> Response:
    """Return an error as the API writes it."""
    body = {"errors": [{"code": code, "detail": detail}], "trace_id": "a world's doing"}
    return Response(status, {"Content-Type": "application/json; charset=utf-8"}, encode(body))


def rows_in(body: Any) -> list[Any]:
    """Return the rows of a list's answer."""
    found = (value for value in body.values() if isinstance(value, list))
    return next(found, []) if isinstance(body, dict) else []
