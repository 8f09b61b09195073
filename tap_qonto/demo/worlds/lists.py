"""Lists that change, or change their order, while they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import iso
from tap_qonto.demo.worlds.world import World, altered, at, rows_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo.http.api import Api
    from tap_qonto.demo.http.messages import Request, Response
    from tap_qonto.demo.world.rows import Row

_OFTEN: Final = 40
_TWICE: Final = 2
"""How often something happens at most: a list that never rests cannot be read to its end."""

_NUMBERED: Final = {
    "/v2/memberships": "memberships", "/v2/labels": "labels", "/v2/teams": "teams",
    "/v2/products": "products", "/v2/cards": "cards", "/v2/statements": "statements",
    "/v2/sepa/direct_debit_collections": "direct_debit_collections",
}  # fmt: skip
"""Lists that are read by page number, and their collections."""

_WINDOWED: Final = {
    "/v2/transactions": "transactions", "/v2/sepa/transfers": "sepa_transfers",
    "/v2/clients": "clients", "/v2/supplier_invoices": "supplier_invoices",
}  # fmt: skip
"""Lists that are sorted and filtered by `updated_at`, and their collections."""


def _equal_keys(api: Api) -> None:
    for row in list(api.company.rows("beneficiaries")):
        api.company.change("beneficiaries", row["id"], updated_at="2026-02-02T08:15:00Z")


def _between(
    paths: dict[str, str], happen: Callable[[Api, str, Request, int], None], most: int
) -> Callable[[Api], None]:
    """Return what lets something happen between requests for each list, so many times at most."""

    def play(api: Api) -> None:
        done: dict[str, int] = {}

        def hook(request: Request) -> None:
            collection = paths.get(request.path)
            if collection is not None and request.method == "GET":
                count = done[collection] = done.get(collection, 0) + 1
                if 1 < count <= most + 1:
                    with api.company.lock:
                        happen(api, collection, request, count)

        api.before.append(hook)

    return play


def _swap_in_list(api: Api, collection: str, _: Request, count: int) -> None:
    """Delete the first row and add another: the count stays."""
    first = next(api.company.rows(collection))
    api.company.remove(collection, first["id"])
    new = api.company.formula.uuid(f"swapped {collection}", count)
    api.company.put(collection, {**first, "id": new})


def _swap_in_window(api: Api, collection: str, request: Request, count: int) -> None:
    """Let the earliest row change, and a row with an old key become visible: the count stays."""
    account = dict(request.query).get("bank_account_id")
    parent = {} if account is None else {"bank_account_id": account}
    rows = sorted(api.company.rows(collection, **parent), key=_changed)
    if len(rows) < 4:
        return
    late = rows[len(rows) // 2]
    new = api.company.formula.uuid(f"late {collection} {account}", count)
    now = iso(moments.of(api.desk.clock()))
    api.company.change(collection, rows[0]["id"], updated_at=now)
    api.company.put(collection, {**_bare(late), "id": new})


def _changed(row: Row) -> int:
    return moments.parse(row["updated_at"])


def _bare(row: Row) -> Row:
    """Return a row without what is rendered anew at every reading."""
    return {name: value for name, value in row.items() if name != "attachments"}


def _early_page(api: Api) -> None:
    """Let an hour pass after the first page 1 of each numbered list: one leaves, one joins."""
    early: set[str] = set()

    def swap(request: Request, _: Response) -> None:
        collection = _NUMBERED.get(request.path)
        if collection is not None and dict(request.query).get("page", "1") == "1":
            with api.company.lock:
                if collection not in early:
                    early.add(collection)
                    _swap_in_list(api, collection, request, 1)

    api.after.append(swap)


def _behind(tries: int | None) -> Callable[[Api], None]:
    """Return what keeps the last row of each list back, while its count already tells of it."""

    def play(api: Api) -> None:
        seen: dict[str, int] = {}

        def drop(body: Any, request: Request) -> None:
            name = f"{request.path} {sorted(request.query)}"
            seen[name] = seen.get(name, 0) + 1
            if rows_in(body) and (tries is None or seen[name] <= tries):
                rows_in(body).pop()

        paths = [path.removeprefix("/v2") for path in (*_NUMBERED, *_WINDOWED)]
        altered(at(*paths, "/sepa/beneficiaries"), drop)(api)

    return play


WORLDS: Final[dict[str, World]] = {
    "equal-keys": World(
        "rows with equal sort keys come in another order at each request",
        _equal_keys, {"ties": "shuffled"},
    ),
    "swap-in-window": World(
        "between two pages one row leaves the window and one becomes visible late in it",
        _between(_WINDOWED, _swap_in_window, _OFTEN),
    ),
    "swap-in-list": World(
        "between two pages of a numbered list one row is deleted and one is added",
        _between(_NUMBERED, _swap_in_list, _TWICE), {"page_limit": 10},
    ),
    "early-page": World(
        "page 1 of a numbered list is an hour older than page 2: one row has left, one has joined",
        _early_page, {"page_limit": 10},
    ),
    "crowded": World(
        "lists give out no more than 20 rows for one query",
        options={"ceiling": 20, "page_limit": 5},
    ),
    "one-status": World(
        "of several statuses only the first one counts", options={"status_reading": "first"}
    ),
    "count-ahead": World(
        "the first two answers hold a row less than their count says", _behind(2),
    ),
    "count-ahead-for-ever": World(
        "every answer holds a row less than its count says", _behind(None),
    ),
}  # fmt: skip
