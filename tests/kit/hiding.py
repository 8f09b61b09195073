"""Worlds that hide rows from readers, sharper than those that the demo server plays.

A world is a function that gets an `Api` and changes how it answers, with hooks in `Api.before`.
"""

from __future__ import annotations

import copy
import json
import random
import threading
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.http.messages import Request, Response, answer
from tap_qonto.demo.world.moments import now_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo.http.api import Api
    from tap_qonto.demo.world.rows import Row

    World = Callable[[Api], None]

_NEWEST_FIRST: Final = frozenset(
    {"/v2/sepa/beneficiaries", "/v2/sepa/bulk_transfers", "/v2/sepa/recurring_transfers"}
)
"""Lists that Qonto sorts by `updated_at:desc` if nobody asks for an order."""

_PLAIN: Final = {"labels": "/v2/labels", "memberships": "/v2/memberships"}
"""Collections whose list has no order and no filter, with their paths."""


def shuffled(api: Api) -> None:
    """Rows with equal sort keys come in another order at each request, as from replicas.

    What a list without an order shows is in any order, and a third of all transactions, transfers
    and beneficiaries were changed in the same moment, as an import does.
    """
    company = api.company
    for name in ("transactions", "sepa_transfers", "beneficiaries"):
        rows = [row["id"] for row in company.rows(name)]
        for row in rows[::3]:
            company.change(name, row, updated_at="2026-03-03T03:03:03Z")
    _replay(api, lambda rows, _request: rows)


def swapped(api: Api) -> None:
    """At each request for a list, a row leaves and another joins, so that the count stays.

    A transaction is edited while another becomes visible late; of a list without a filter, which
    can never be read to its end while it changes for ever, one row is deleted and one is added
    while its second page is asked for the first time.
    """
    company = api.company
    lock = threading.Lock()
    oldest = sorted(company.rows("transactions"), key=lambda row: str(row["updated_at"]))
    waiting = [row["id"] for row in oldest[:60]]
    plain = {path: name for name, path in _PLAIN.items()}

    def swap(request: Request) -> None:
        asked = dict(request.query)
        with lock:
            if request.path == "/v2/transactions" and waiting:
                left = company.change("transactions", waiting.pop(0))
                late = {**left, "id": company.formula.uuid("late", len(waiting))}
                company.put("transactions", {**late, "updated_at": oldest[-1]["updated_at"]})
            elif asked.get("page") == "2" and (name := plain.pop(request.path, "")):
                first = next(iter(company.rows(name)))
                company.remove(name, first["id"])
                company.put(name, {**first, "id": company.formula.uuid("joined", 1)})

    api.before.append(swap)


def behind(api: Api) -> None:
    """The first two answers of each list lack rows that they count: an index ahead of its data."""
    _hide(api, 2)


def hiding(api: Api) -> None:
    """Every answer lacks rows that it counts; whoever takes it for whole loses them."""
    _hide(api, 1_000_000)


def uncounted(api: Api) -> None:
    """Lists say how many pages they have, but not how many rows."""
    _alter(api, lambda body: body.get("meta", {}).pop("total_count", None))


def late_clock(api: Api) -> None:
    """Qonto's clock is a minute and a half behind the machine that reads."""
    _date(api, -90)


def postdated(api: Api) -> None:
    """Client invoices carry dates of next year, and others are older than Qonto."""
    company = api.company
    for name in ("client_invoices", "credit_notes", "quotes"):
        rows = [row["id"] for row in company.rows(name)]
        future = now_utc() + timedelta(days=300)
        # Nothing of this is news: it happened before whoever reads began.
        changed = {"updated_at": "2026-03-03T03:03:03Z"} if name == "client_invoices" else {}
        company.change(name, rows[0], created_at=f"{future:%Y-%m-%d}T08:00:00Z", **changed)
        for number, row in enumerate(rows[1:]):
            at = f"{2009 + number % 8}-0{1 + number % 9}-11T08:{number % 60:02}:00Z"
            company.change(name, row, created_at=at, **changed)


def reversals(api: Api) -> None:
    """Qonto knows the status `reversed`, and some transactions have got it."""
    company = api.company
    rows = sorted(company.rows("transactions"), key=lambda row: str(row["updated_at"]))
    gone = {row["id"]: row for row in rows[::7]}
    twin = _twin(api)

    def hook(request: Request) -> Response | None:
        if request.path != "/v2/transactions":
            return None
        asked = [value for name, value in request.query if name == "status[]"]
        others = [status for status in asked if status != "reversed"]
        query = [(name, value) for name, value in request.query if name != "status[]"]
        every = ("pending", "declined", "completed")
        kept = [("status[]", status) for status in every]
        found = _everything(twin, replace(request, query=[*query, *kept]))
        if found is None:
            return None
        shown = [
            {**row, "status": "reversed"} if row["id"] in gone else row
            for row in found[1]
            if ("reversed" in asked if row["id"] in gone else row["status"] in others)
        ]
        return _page(found[0], shown, request)

    api.before.append(hook)


WORLDS: Final[dict[str, World]] = {
    "shuffled": shuffled,
    "swapped": swapped,
    "behind": behind,
    "hiding": hiding,
    "uncounted": uncounted,
    "late-clock": late_clock,
    "postdated": postdated,
    "reversals": reversals,
}
"""The worlds by the name that the command line knows."""


def _twin(api: Api) -> Api:
    """Return an API that shows the same company by the same rules, without hooks."""
    twin = copy.copy(api)
    twin.before = []
    return twin


def _everything(twin: Api, request: Request) -> tuple[str, list[Row], int] | None:
    """Return a list's envelope, all its rows and its page size; None if it knows no pages."""
    rows: list[Row] = []
    number = 0
    while True:
        number += 1
        query = [(name, value) for name, value in request.query if name != "page"]
        response = twin(replace(request, query=[*query, ("page", str(number))]))
        body = json.loads(response.body) if isinstance(response.body, bytes) else None
        if response.status != 200 or not isinstance(body, dict) or "meta" not in body:
            return None
        envelope = next(name for name in body if name != "meta")
        rows += body[envelope]
        if number >= body["meta"]["total_pages"]:
            return envelope, rows, body["meta"].get("per_page") or 100


def _page(envelope: str, rows: list[Row], request: Request, size: int = 0) -> Response:
    """Answer a page of rows."""
    asked = dict(request.query)
    number, size = int(asked.get("page", "1")), size or int(asked.get("per_page", "100"))
    pages = -(-len(rows) // size)
    if number > max(pages, 1):
        return answer(422, {"errors": [{"code": "invalid", "detail": "beyond the last page"}]})
    meta = {
        "current_page": number,
        "next_page": number + 1 if number < pages else None,
        "prev_page": number - 1 if number > 1 else None,
        "total_pages": pages,
        "total_count": len(rows),
        "per_page": size,
    }
    return answer(200, {envelope: rows[(number - 1) * size : number * size], "meta": meta})


def _replay(api: Api, change: Callable[[list[Row], Request], list[Row]]) -> None:
    """Answer lists from all their rows, those with equal sort keys in any order."""
    twin = _twin(api)
    mixed = random.Random(7)

    def hook(request: Request) -> Response | None:
        found = _everything(twin, request) if request.path.startswith("/v2/") else None
        if found is None:
            return None
        envelope, rows, size = found
        rows = change(rows, request)
        default = "updated_at:desc" if request.path in _NEWEST_FIRST else ""
        key, _, way = dict(request.query).get("sort_by", default).partition(":")
        mixed.shuffle(rows)
        if key:
            rows.sort(key=lambda row: str(row.get(key) or ""), reverse=way == "desc")
        return _page(envelope, rows, request, size)

    api.before.append(hook)


def _alter(api: Api, change: Callable[[Row], object], **headers: str) -> None:
    """Change every answer of JSON in place."""
    twin = _twin(api)

    def hook(request: Request) -> Response | None:
        if not request.path.startswith("/v2/"):
            return None
        response = twin(request)
        if response.status == 200 and isinstance(response.body, bytes):
            body: Any = json.loads(response.body)
            change(body)
            return answer(200, body, headers)
        return response

    api.before.append(hook)


def _hide(api: Api, times: int) -> None:
    """Leave every fifth row out of the first answers of each list."""
    lock = threading.Lock()
    left: dict[str, int] = {}

    def hide(body: Row) -> None:
        for name, rows in body.items():
            if isinstance(rows, list) and "meta" in body:
                with lock:
                    left[name] = left.get(name, times) - 1
                    if left[name] >= 0:
                        del rows[4::5]

    _alter(api, hide)


def _date(api: Api, seconds: float) -> None:
    """Let the Date header of every answer tell another time."""
    twin = _twin(api)

    def hook(request: Request) -> Response | None:
        if not request.path.startswith("/v2/"):
            return None
        response = twin(request)
        date = format_datetime(now_utc() + timedelta(seconds=seconds), usegmt=True)
        return replace(response, headers={**response.headers, "Date": date})

    api.before.append(hook)
