"""A server that owes nothing to the demo company: written from Qonto's documents alone.

It has rows, and *manners*: how it does all that the documents leave open, and what it does though
nobody would expect it. Whoever reads from it knows afterwards which rows it has.
"""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit
from uuid import NAMESPACE_OID, UUID, uuid5

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]
Params = list[tuple[str, str]]

START: Final = datetime(2026, 3, 1, 8, tzinfo=UTC)


class Listed(NamedTuple):
    """How one list is asked for."""

    path: str
    envelope: str
    sort: str = ""
    """The order if nobody asks for one."""
    sorts: tuple[str, ...] = ()
    """The keys that it can be sorted by."""
    filters: str = ""
    """Pattern of the names of its filters by time."""
    filtered: tuple[str, ...] = ()
    """The keys that these filter by."""
    per_page: int = 100
    """Rows of a page if nobody asks for a number."""


LISTS: Final = {
    "transactions": Listed(
        "/transactions", "transactions", "settled_at:desc",
        ("updated_at", "settled_at", "emitted_at"), "{}_{}", ("updated_at",),
    ),
    "sepa_transfers": Listed(
        "/sepa/transfers", "transfers", "updated_at:desc",
        ("updated_at", "scheduled_date"), "{}_{}", ("updated_at",),
    ),
    "beneficiaries": Listed(
        "/sepa/beneficiaries", "beneficiaries", "updated_at:desc", ("updated_at",), per_page=25
    ),
    "client_invoices": Listed(
        "/client_invoices", "client_invoices", "created_at:desc", ("created_at",),
        "filter[{}_{}]", ("created_at", "updated_at"),
    ),
    "supplier_invoices": Listed(
        "/supplier_invoices", "supplier_invoices", "created_at:desc",
        ("created_at", "updated_at", "due_date"), "filter[{}_{}]", ("created_at", "updated_at"),
        per_page=25,
    ),
    "clients": Listed(
        "/clients", "clients", "name:asc", ("created_at", "updated_at", "name"),
        "filter[{}_{}]", ("created_at", "updated_at"),
    ),
    "quotes": Listed(
        "/quotes", "quotes", "created_at:desc", ("created_at",), "filter[{}_{}]", ("created_at",)
    ),
    "labels": Listed("/labels", "labels"),
    "memberships": Listed("/memberships", "memberships"),
}  # fmt: skip
"""Lists by the name of the stream that reads them."""


def _as_is(rows: list[Row], _name: str) -> list[Row]:
    return rows


def milliseconds(at: datetime) -> str:
    """Return a time as Qonto usually writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


@dataclass(kw_only=True)
class Manners:
    """What a server does where others might do something else."""

    time: Callable[[datetime], str] = milliseconds
    """How it writes a time."""
    order: str = "kept"
    """Order of rows with equal keys: ``kept``, or ``any``, another one at each request."""
    bounds: str = "[]"
    """Whether filters keep rows that equal them."""
    statuses: str = "all"
    """Which of several statuses it honours: ``all``, ``first``, ``last``."""
    most: int = 100
    """Rows of a page at most, whatever is asked for."""
    says: str = "per_page"
    """Whether its meta tells the ``true`` size of a page, the one asked for, or ``nothing``."""
    meta: Callable[[Row], Row | None] = dict
    """Changes the meta of an answer."""
    beyond: str = "422"
    """What a page beyond the last one is: ``422``, ``404``, ``last`` or ``empty``."""
    shown: Callable[[list[Row], str], list[Row]] = _as_is
    """Changes the rows of a page (rows, name of the list)."""
    unsorted: frozenset[str] = frozenset()
    """Lists in which it ignores the order asked for."""
    unfiltered: frozenset[str] = frozenset()
    """Lists in which it ignores the filters by time."""
    lagging: bool = False
    """Whether counts are those of the request before."""
    date: Callable[[], str | None] = lambda: format_datetime(datetime.now(UTC), usegmt=True)
    """The Date header."""
    coding: str = ""
    """``gzip``, ``chunked`` or both."""
    storms: int = 0
    """How often each question is refused with 429 before it is answered."""
    happens: Callable[[Stranger, str, int], None] = lambda _server, _name, _count: None
    """What happens before the answer to the nth question for a list."""


@dataclass
class Stranger:
    """The server: its rows by list, and who has asked for what."""

    manners: Manners
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: defaultdict(dict))
    asked: list[tuple[str, Params]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Rows that were changed or removed since somebody began to read."""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.random = random.Random(11)
        self._counts: dict[str, int] = {}
        self._refused: dict[str, int] = defaultdict(int)
        self._questions: dict[str, int] = defaultdict(int)
        self.accounts = [str(UUID(int=number, version=4)) for number in (1, 2)]

    def fill(self, name: str, count: int, *, crowd: int = 30) -> None:
        """Add rows, of which `crowd` follow each other with one and the same time."""
        for number in range(count):
            moment = number if number > crowd else 1
            at = START + timedelta(hours=7 * moment, microseconds=(moment * 12_345) % 1_000_000)
            id_ = str(uuid5(NAMESPACE_OID, f"{name} {number}"))
            self.rows[name][id_] = {
                "id": id_,
                "created_at": at,
                "updated_at": at + timedelta(days=number % 3),
                "emitted_at": at,
                "settled_at": at,
                "name": f"n{number % 7}",
                "status": ("completed", "pending", "declined")[number % 3],
                "bank_account_id": self.accounts[number % 2],
            }

    def change(self, name: str, id_: str, at: datetime | None = None) -> None:
        """Let a row change, now as a rule."""
        self.touched.add(id_)
        self.rows[name][id_] = {**self.rows[name][id_], "updated_at": at or datetime.now(UTC)}

    def remove(self, name: str, id_: str) -> None:
        """Remove a row."""
        self.touched.add(id_)
        del self.rows[name][id_]

    # Answers

    def answer(self, path: str, params: Params) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers."""
        with self.lock:
            self.asked.append((path, params))
            storm = f"{path} {params}"
            self._refused[storm] += 1
            if self._refused[storm] <= self.manners.storms:
                later = datetime.now(UTC) + timedelta(seconds=2)
                return 429, {}, {"Retry-After": format_datetime(later, usegmt=True)}
            if path == "/organization":
                accounts = [{"id": id_, "slug": f"a-{id_[-1]}"} for id_ in self.accounts]
                owner = {"id": "o-1", "slug": "acme", "bank_accounts": accounts}
                return 200, {"organization": owner}, {}
            if path == "/bank_accounts":
                rows = [{"id": id_, "organization_id": "o-1"} for id_ in self.accounts]
                return 200, {"bank_accounts": rows}, {}
            for name, listed in LISTS.items():
                if listed.path == path:
                    self._questions[name] += 1
                    self.manners.happens(self, name, self._questions[name])
                    return self._page(name, listed, params)
            return 404, {"message": "no such route"}, {}

    def _page(self, name: str, listed: Listed, params: Params) -> tuple[int, Any, dict[str, str]]:
        asked = dict(params)
        rows = self._matching(name, listed, params)
        if rows is None:
            return 422, _error("invalid", "updated_at_from is too early"), {}
        self._sort(rows, name, asked.get("sort_by", listed.sort))
        wished = int(asked.get("per_page", listed.per_page))
        size = min(wished, self.manners.most)
        number, pages = int(asked.get("page", "1")), -(-len(rows) // size)
        if number * size > 10_000 < len(rows):
            return 422, _error("search_limit_reached", "more than 10000"), {}
        if number > max(pages, 1):
            match self.manners.beyond:
                case "last":
                    number = pages
                case "empty":
                    pass
                case status:
                    return int(status), _error("invalid", "page is out of range"), {}
        key = f"{name} {[param for param in params if param[0] not in ('page', 'per_page')]}"
        count = self._counts.get(key, len(rows)) if self.manners.lagging else len(rows)
        self._counts[key] = len(rows)
        meta = {
            "current_page": number,
            "next_page": number + 1 if number < pages else None,
            "prev_page": number - 1 if number > 1 else None,
            "total_pages": -(-count // size),
            "total_count": count,
            "per_page": size if self.manners.says == "true" else wished,
        }
        if self.manners.says == "nothing":
            del meta["per_page"]
        shown = self.manners.shown(rows[(number - 1) * size : number * size], name)
        body: Row = {listed.envelope: [self._written(row) for row in shown]}
        if (told := self.manners.meta(meta)) is not None:
            body["meta"] = told
        return 200, body, {}

    def _matching(self, name: str, listed: Listed, params: Params) -> list[Row] | None:
        """Return the rows that match; None if a filter is refused."""
        asked = dict(params)
        rows = list(self.rows[name].values())
        if name == "transactions":
            statuses = [value for key, value in params if key == "status[]"] or ["completed"]
            honoured = {"all": statuses, "first": statuses[:1], "last": statuses[-1:]}
            rows = [
                row
                for row in rows
                if row["bank_account_id"] == asked.get("bank_account_id")
                and row["status"] in honoured[self.manners.statuses]
            ]
        for key in () if name in self.manners.unfiltered else listed.filtered:
            if since := asked.get(listed.filters.format(key, "from")):
                if key == "updated_at" and since < "2017":
                    return None
                bound = datetime.fromisoformat(since)
                open_ = self.manners.bounds[0] == "("
                rows = [row for row in rows if row[key] > bound or (row[key] == bound) > open_]
            if until := asked.get(listed.filters.format(key, "to")):
                bound = datetime.fromisoformat(until)
                open_ = self.manners.bounds[1] == ")"
                rows = [row for row in rows if row[key] < bound or (row[key] == bound) > open_]
        return rows

    def _sort(self, rows: list[Row], name: str, order: str) -> None:
        if self.manners.order == "any":
            self.random.shuffle(rows)
        key, _, way = order.partition(":")
        if key and name not in self.manners.unsorted:
            rows.sort(key=lambda row: row[key], reverse=way == "desc")

    def _written(self, row: Row) -> Row:
        write = self.manners.time
        return {
            name: write(value) if isinstance(value, datetime) else value
            for name, value in row.items()
        }


def _error(code: str, detail: str) -> Row:
    return {"errors": [{"code": code, "detail": detail}], "trace_id": "t"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 262_144  # headers and body in one piece, or each answer waits for the last one's ACK
    stranger: Stranger

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v2")
        status, value, headers = self.stranger.answer(path, parse_qsl(parts.query))
        body = json.dumps(value).encode()
        manners = self.stranger.manners
        self.send_response_only(status)
        if (date := manners.date()) is not None:
            self.send_header("Date", date)
        if "gzip" in manners.coding:
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        if "chunked" in manners.coding:
            self.send_header("Transfer-Encoding", "chunked")
            cut = len(body) // 3
            parts_of = [part for part in (body[:cut], body[cut:]) if part]
            body = b"".join(b"%X;x=y\r\n%s\r\n" % (len(part), part) for part in parts_of)
            body += b"0\r\nX-Trailer: 1\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json; charset=utf-8")
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Serving(ThreadingHTTPServer):
    """Serves a stranger on a free port of this machine, as long as it is entered."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, stranger: Stranger) -> None:
        handler = type("Handler", (_Handler,), {"stranger": stranger, "timeout": 30})
        super().__init__(("127.0.0.1", 0), handler)

    @override
    def __enter__(self) -> Self:
        serve = self.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()
        return self

    @override
    def __exit__(self, *_: object) -> None:
        # Ending takes longer than most runs, and nobody asks any more.
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        self.shutdown()
        self.server_close()

    @property
    def settings(self) -> Row:
        """Settings that read from it."""
        url = f"http://127.0.0.1:{self.server_port}/v2"
        return {"api_url": url, "login": "acme", "secret_key": "k", "rate_limit_share": 1_000}


def in_zone(at: datetime) -> str:
    """Write a time with an offset, another one each second."""
    zone = timezone(timedelta(hours=at.second % 5 - 2))
    return at.astimezone(zone).isoformat(timespec="milliseconds")


def mixed(at: datetime) -> str:
    """Write a time with as many digits as it takes, as some encoders do."""
    digits = f"{at.microsecond:06}".rstrip("0")
    return f"{at:%Y-%m-%dT%H:%M:%S}{'.' * bool(digits)}{digits}Z"
