"""Documents that are refused, cut, circled around or hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.http.messages import Request, Response
from tap_qonto.demo.worlds.world import World, altered, below, instead, refusal, rows_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo.http.api import Api

_XREF: Final = 200_000


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
    seen: dict[str, int] = {}

    def cut(request: Request, response: Response) -> Response | None:
        if not request.path.startswith("/files/") or not isinstance(response.body, bytes):
            return None
        seen[request.path] = seen.get(request.path, 0) + 1
        if response.status != 200 or seen[request.path] > 2:
            return None
        return Response(200, response.headers, [response.body[: len(response.body) // 2]])

    altered(below("/v2/"), _no_size)(api)
    api.after.append(cut)


def _hostile(api: Api) -> None:
    """Give one supplier invoice a PDF whose table of places names one place 200,000 times."""
    row = next(api.company.rows("supplier_invoices"))
    head = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
    table = b"0000000009 00000 n \n" * _XREF
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (_XREF, len(head))
    content = head + b"xref\n0 %d\n" % _XREF + table + tail
    known = api.company.get("attachments", row["attachment_id"]) or {}
    api.company.put("attachments", {**known, "file_size": str(len(content))})
    api.company.replace_document(row["attachment_id"], content)


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
    "hostile-document": World("a supplier's PDF names one place 200,000 times", _hostile),
}  # fmt: skip
