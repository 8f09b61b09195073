"""Answers that Qonto has been seen giving, and that the demo company does not give by itself."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tap_qonto.demo import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Api, Request

Row = dict[str, Any]


def unhooked(api: Api) -> Api:
    """Return an API that shows the same company by the same rules, without hooks."""
    twin = copy.copy(api)
    twin.before = []
    return twin


def alter(api: Api, path: str, change: Callable[[Row], object]) -> None:
    """Change every answer to a path below /v2.

    Args:
        api: The API that answers.
        path: For example ``/labels``.
        change: Changes the decoded body in place; what it returns, unless None, replaces it.
    """
    original = unhooked(api)

    def hook(request: Request) -> Response | None:
        if request.path != f"/v2{path}":
            return None
        response = original(request)
        assert isinstance(response.body, bytes)
        body = json.loads(response.body)
        changed = change(body)
        return replace(response, body=json.dumps(body if changed is None else changed).encode())

    api.before.append(hook)


def alter_rows(api: Api, path: str, change: Callable[[Row], object]) -> None:
    """Change every row of every answer to a path, in place."""

    def each(body: Row) -> None:
        for value in body.values():
            for row in value if isinstance(value, list) else ():
                change(row)

    alter(api, path, each)


def refuse(api: Api, path: str, status: int, code: str = "forbidden", detail: str = "No.") -> None:
    """Answer a path with an error, as Qonto words it."""
    error = {"errors": [{"code": code, "detail": detail}], "trace_id": "trace-1"}
    body = json.dumps(error).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    api.before.append(
        lambda request: Response(status, headers, body) if request.path == f"/v2{path}" else None
    )
