"""Documents that are refused, cut, circled around or hostile."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.http.messages import Request, Response
from tap_qonto.demo.worlds import hostile
from tap_qonto.demo.worlds.world import World, altered, below, instead, refusal, rows_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo.http.api import Api

_OK: Final = 200
_TWICE: Final = 2


def _some(start: str) -> Callable[[Request], bool]:
    """Return the test whether one in five of the paths that begin so is asked for."""
    return lambda request: request.path.startswith(start) and sum(request.path.encode()) % 5 == 0


def _storage(status: int, code: str) -> Response:
    body = f"<Error><Code>{code}</Code></Error>".encode()
    return Response(status, {"Content-Type": "application/xml"}, body)


def _circle(request: Request) -> Response:
    query = "&".join(f"{name}={value}" for name, value in request.query)
    place = f"{request.files_url}{request.path.removeprefix('/files')}?{query}"
    return Response(302, {"Location": place}, b"")


def _no_link(body: Any, _: Request) -> None:
    body.get("attachment", {}).pop("url", None)


def _no_size(body: Any, _: Request) -> None:
    for row in (body.get("attachment"), *rows_in(body)):
        for one in (row, *(row.get("attachments") or ())) if isinstance(row, dict) else ():
            one.pop("file_size", None)


def _other_size(body: Any, _: Request) -> None:
    if "attachment" in body:
        body["attachment"]["file_size"] = str(int(body["attachment"]["file_size"]) + 1)


def _cut(api: Api) -> None:
    """Send half of each file at first, with nothing that tells how much there is."""
    _damaged(
        api, lambda content: Response(200, {}, [content[: len(content) // 2]], version="HTTP/1.0")
    )


def _packed(api: Api) -> None:
    """Send each file packed, at first without the end of what it is packed in."""
    packed = {"Content-Encoding": "gzip"}
    _damaged(api, lambda content: Response(200, packed, [gzip.compress(content, 1)[:-4]]))


def _damaged(api: Api, answer: Callable[[bytes], Response]) -> None:
    """Send each file damaged twice, and tell its size nowhere."""
    seen: dict[str, int] = {}

    def damage(request: Request, response: Response) -> Response | None:
        if not request.path.startswith("/files/") or response.status != _OK:
            return None
        seen[request.path] = seen.get(request.path, 0) + 1
        body = response.body
        content = body if isinstance(body, bytes) else b"".join(body)
        if seen[request.path] <= _TWICE:
            return answer(content)
        return replace(response, body=content)

    altered(below("/v2/"), _no_size)(api)
    api.after.append(damage)


def _shared(api: Api) -> None:
    """Let all supplier invoices point at one document."""
    rows = list(api.company.rows("supplier_invoices"))
    for row in rows[1:]:
        one = {name: rows[0][name] for name in ("attachment_id", "display_attachment_id")}
        api.company.put("supplier_invoices", {**row, **one})


def _hostile(content: Callable[[], bytes]) -> Callable[[Api], None]:
    """Return what gives one supplier invoice a PDF that holds up its readers."""

    def play(api: Api) -> None:
        row = next(api.company.rows("supplier_invoices"))
        made = content()
        known = api.company.get("attachments", row["attachment_id"]) or {}
        api.company.put("attachments", {**known, "file_size": str(len(made))})
        api.company.replace_document(row["attachment_id"], made)

    return play


WORLDS: Final[dict[str, World]] = {
    "refused-documents": World(
        "one document in five may not be read",
        instead(_some("/v2/attachments/"), lambda _: refusal(403, "forbidden", "you may not")),
    ),
    "faulty-documents": World(
        "the host of the files answers 500 for one in five",
        instead(_some("/files/"), lambda _: _storage(500, "InternalError")),
    ),
    "unsatisfiable-documents": World(
        "the host of the files answers 416 for one in five",
        instead(_some("/files/"), lambda _: _storage(416, "InvalidRange")),
    ),
    "circling-documents": World(
        "links of one document in five lead to themselves", instead(_some("/files/"), _circle)
    ),
    "late-documents": World(
        "each file is not there yet when it is first asked for",
        instead(below("/files/"), lambda _: _storage(404, "NoSuchKey"), times=1),
    ),
    "no-links": World(
        "documents come without a link", altered(below("/v2/attachments/"), _no_link)
    ),
    "other-sizes": World(
        "files are a byte shorter than they should be",
        altered(below("/v2/attachments/"), _other_size),
    ),
    "cut-documents": World("files of unknown size end in the middle, twice each", _cut),
    "packed-documents": World("files come packed, twice each without the end of that", _packed),
    "shared-documents": World("all supplier invoices point at one document", _shared),
    "hostile-document": World(
        "a supplier's PDF names one place 200,000 times",
        _hostile(hostile.many_entries_to_one_place),
    ),
    **{
        f"hostile-{name.replace('_', '-')}": World(
            f"a supplier's PDF is hostile: {name.replace('_', ' ')}", _hostile(content)
        )
        for name, content in hostile.HOSTILE.items()
        if content is not hostile.many_entries_to_one_place
    },
}  # fmt: skip
