"""A server that takes documents, clients and invoices: written from Qonto's documents alone.

It has *manners*: how it does all that they leave open. It can be asked afterwards what it made.
"""

from __future__ import annotations

import json
import random
import re
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.writing.manners import Manners

Row = dict[str, Any]

REQUIRED: Final = {
    "supplier_invoices": {"id", "organization_id", "status", "created_at", "updated_at"},
    "clients": {"id", "created_at"},
    "client_invoices": {
        "id", "organization_id", "status", "currency", "total_amount", "total_amount_cents",
        "vat_amount", "vat_amount_cents", "created_at", "client",
    },
}  # fmt: skip
"""The fields that each row has at least."""

_NAMES: Final = {"supplier_invoices": "supplier_invoice", "clients": "client",
                 "client_invoices": "client_invoice"}  # fmt: skip


class Seen(NamedTuple):
    """One request."""

    method: str
    path: str


class RefusedError(Exception):
    """The request is answered with something else than what it asks for."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


@dataclass
class Clerk:
    """The server's rows, by list, and what it was asked."""

    manners: Manners
    clock: list[float]
    rows: dict[str, dict[str, Row]] = field(default_factory=lambda: defaultdict(dict))
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    before: list[Callable[[str, str], None]] = field(default_factory=list)
    """Are called with method and path before the work; may raise `RefusedError` or an `OSError`."""
    after: list[Callable[[str, str], None]] = field(default_factory=list)
    """The same after the work."""
    requests: list[Seen] = field(default_factory=list)
    url: str = ""
    one_file_per_content: bool = False
    """Whether files of the same content are one."""
    makes_final: bool = False
    """Whether it makes invoices final at once, whatever status is asked for."""
    shows_files: bool = True
    """Whether it tells where files can be had."""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self._random = random.Random(5)
        self._known: dict[str, str] = {}
        self._asked: dict[str, int] = defaultdict(int)
        self._number = 0

    def _id(self) -> str:
        self._number += 1
        return str(UUID(int=self._number << 64 | self._number, version=4))

    def _now(self) -> str:
        return f"{datetime.fromtimestamp(self.clock[0], UTC):%Y-%m-%dT%H:%M:%S}.000Z"

    # Answers

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Return status and body."""
        parts = urlsplit(target)
        path, query = parts.path.removeprefix("/v2"), parse_qsl(parts.query)
        self.requests.append(Seen(method, path))
        for hook in self.before:
            hook(method, path)
        with self.lock:
            answer = self._get(path, query) if method == "GET" else self._post(path, headers, body)
        for hook in self.after:
            hook(method, path)
        return answer

    def _get(self, path: str, query: list[tuple[str, str]]) -> tuple[int, Any]:
        if path == "/organization":
            account = {
                "id": self._known.setdefault("account", self._id()), "main": True,
                "iban": "FR7616958000010000004325663", "status": "active", "balance": "10.00",
                "balance_cents": 1000, "currency": "EUR",
            }  # fmt: skip
            return 200, {"organization": {"id": "o-1", "slug": "acme", "bank_accounts": [account]}}
        name, _, one = path.lstrip("/").partition("/")
        if name == "attachments" and one in self.files:
            return 200, self._wrapped("attachment", self._attachment(one))
        if name not in REQUIRED or (one and one not in self.rows[name]):
            return 404, {"errors": [{"code": "not_found", "detail": "no such thing"}]}
        if one:
            self._asked[one] += 1
            if self._asked[one] <= self.manners.lag:
                return 404, {"errors": {"code": "not_found", "detail": "not yet"}}
            return 200, self._wrapped(_NAMES[name], self._told(name, self.rows[name][one]))
        return self._list(name, query)

    def _list(self, name: str, query: list[tuple[str, str]]) -> tuple[int, Any]:
        asked = dict(query)
        rows = [row for row in self.rows[name].values() if self._matches(row, query)]
        rows.sort(key=lambda row: row["created_at"], reverse=True)
        number, size = int(asked.get("page", 1)), int(asked.get("per_page", 25))
        pages = max(-(-len(rows) // size), 1)
        if number > pages:
            return 422, {"errors": [{"code": "invalid", "detail": "page is out of range"}]}
        shown = [self._told(name, row) for row in rows[(number - 1) * size : number * size]]
        meta = {"current_page": number, "total_pages": pages, "total_count": len(rows),
                "per_page": size}  # fmt: skip
        return 200, {name: shown} | ({"meta": meta} if self.manners.meta else {})

    def _matches(self, row: Row, query: list[tuple[str, str]]) -> bool:
        if not self.manners.filters:
            return True
        for name, value in query:
            if found := re.fullmatch(r"filter\[(created|updated)_at_from\]", name):
                if row.get(f"{found[1]}_at", "") < value:
                    return False
            elif found := re.fullmatch(r"filter\[(\w+)\]", name):
                if str(row.get(found[1]) or "").casefold() != value.casefold():
                    return False
            elif name == "query" and value.casefold() not in row["file_name"].casefold():
                return False
        return True

    def _told(self, name: str, row: Row) -> Row:
        hides = self.manners.hides
        return self.manners.writes(name, {
            key: value for key, value in row.items()
            if key in REQUIRED[name] or not ("*" in hides or key in hides)
        })  # fmt: skip

    def _attachment(self, one: str) -> Row:
        name, content = self.files[one]
        if "*" in self.manners.hides or not self.shows_files:
            return {"id": one}
        return {"id": one, "file_name": name, "file_size": str(len(content)),
                "url": f"{self.url}/files/{one}"}  # fmt: skip

    def _wrapped(self, name: str, row: Row) -> Row:
        return {name: row} if self.manners.wrapped else row

    # Writes

    def _post(self, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        if path == "/attachments":
            return self._upload(headers, body)
        if path == "/supplier_invoices/bulk":
            return self._receive(body)
        if path == "/clients":
            sent = json.loads(body)
            row = {"id": self._id(), "created_at": self._now(), "updated_at": self._now(), **sent}
            return self._made("clients", row)
        if path == "/client_invoices":
            return self._draft(json.loads(body))
        if found := re.fullmatch(r"/client_invoices/([^/]+)/finalize", path):
            return self._finalize(found[1])
        return 404, {"message": "no Route matched"}

    def _made(self, name: str, row: Row) -> tuple[int, Any]:
        self.rows[name][row["id"]] = row
        return self.manners.created, self._wrapped(_NAMES[name], self._told(name, row))

    def _upload(self, headers: Any, body: bytes) -> tuple[int, Any]:
        key = headers.get("X-Qonto-Idempotency-Key")
        if not key:
            return 400, {"errors": [{"code": "bad_request", "detail": "no key"}]}
        kept = self._known.get(f"file {key}") if self.manners.keys else None
        if kept is None:
            [part] = _parts(body)
            twins = [name for name, file in self.files.items() if file[1] == part.content]
            kept = twins[0] if twins and self.one_file_per_content else self._id()
            self._known[f"file {key}"] = kept
            self.files[kept] = (part.file_name, part.content)
        return self.manners.created, self._wrapped("attachment", {"id": kept})

    def _receive(self, body: bytes) -> tuple[int, Any]:
        texts = [part.content.decode() for part in _parts(body)]
        items = list(zip(texts[::2], texts[1::2], strict=True))
        created, errors = [], []
        for key, file in items:
            kept = self._known.get(f"item {key}") if self.manners.keys else None
            if kept is None and file not in self.files:
                pointer = f"/supplier_invoices/idempotency_key/{key}"
                errors.append({"code": "invalid", "detail": "no such file",
                               "source": {"pointer": pointer}})  # fmt: skip
                continue
            if kept is None:
                kept = self._known[f"item {key}"] = self.arrive(self.files[file][0], file)
            created.append(self._told("supplier_invoices", self.rows["supplier_invoices"][kept]))
        created.reverse()
        if self.manners.order == "any":
            self._random.shuffle(created)
        elif self.manners.order == "twice":
            created = [row for row in created for _ in range(2)]
        answer = self.manners.answers({"supplier_invoices": created, "errors": errors})
        return self.manners.created, answer

    def _draft(self, sent: Row) -> tuple[int, Any]:
        if sent["client_id"] not in self.rows["clients"]:
            return 422, {"errors": [{"code": "invalid_client_id", "detail": "no such client"}]}
        number = sent.get("number")
        if number and any(row["number"] == number for row in self.rows["client_invoices"].values()):
            return 409, {"errors": [{"status": "409", "code": "invoice_number_already_exists"}]}
        net = vat = Decimal(0)
        for item in sent["items"]:
            line = Decimal(item["quantity"]) * Decimal(item["unit_price"]["value"])
            net, vat = net + line, vat + line * Decimal(item["vat_rate"])
        total = (net + vat).quantize(Decimal("0.01"))
        status = "unpaid" if self.makes_final else sent.get("status", "unpaid")
        row = {key: value for key, value in sent.items() if key not in ("client_id", "number")} | {
            "id": self._id(), "organization_id": "o-1", "status": status,
            "created_at": self._now(), "updated_at": self._now(), "number": number,
            "client": {"id": sent["client_id"]}, "attachment_id": None,
            "total_amount": {"value": str(total), "currency": "EUR"},
            "total_amount_cents": int(total * 100),
            "vat_amount": {"value": str(vat), "currency": "EUR"}, "vat_amount_cents": 0,
            "payment_methods": [sent["payment_methods"]],
        }  # fmt: skip
        self.rows["client_invoices"][row["id"]] = row
        told = self._told("client_invoices", row)
        return self.manners.created, self._wrapped("client_invoice", self._numbered(told))

    def _numbered(self, told: Row) -> Row:
        hidden = told["status"] == "draft" and not self.manners.numbers_drafts
        return told | {"number": None} if hidden and "number" in told else told

    def _finalize(self, one: str) -> tuple[int, Any]:
        row = self.rows["client_invoices"].get(one)
        if row is None:
            return 404, {"errors": [{"code": "not_found"}]}
        if row["status"] != "draft":
            return 412, {"message": "the invoice is not in draft status", "code": "x"}
        row |= {"status": "unpaid", "number": row["number"] or f"F-{self._id()[:8]}"}
        return 200, self._wrapped("client_invoice", self._told("client_invoices", row))

    # For tests

    def arrive(self, name: str, file: str = "") -> str:
        """Let a document become a supplier invoice; return its ID."""
        one = self._id()
        self.rows["supplier_invoices"][one] = {
            "id": one, "organization_id": "o-1", "status": "to_review",
            "created_at": self._now(), "updated_at": self._now(), "attachment_id": file or None,
            "file_name": name,
        }  # fmt: skip
        return one

    def forget(self) -> None:
        """Forget all keys, as after half an hour."""
        self._known = {"account": self._known["account"]}

    def count(self) -> dict[str, int]:
        """Return how many rows of each kind there are."""
        return {name: len(self.rows[name]) for name in REQUIRED if self.rows[name]}

    def posts(self, path: str = "") -> int:
        """Return how many requests to write went to a path."""
        return sum(seen.method == "POST" and seen.path.endswith(path) for seen in self.requests)


class _Part(NamedTuple):
    file_name: str
    content: bytes


def _parts(body: bytes) -> list[_Part]:
    """Take a body of several parts apart."""
    boundary = body.partition(b"\r\n")[0]
    parts = []
    for text in body.split(boundary)[1:-1]:
        head, _, content = text.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'filename="([^"]*)"', head)
        parts.append(_Part(name[1].decode() if name else "", content.removesuffix(b"\r\n")))
    return parts


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 262_144  # headers and body in one piece
    clerk: Clerk

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/files/"):
            self._send(200, self.clerk.files[self.path.rpartition("/")[2]][1], "application/pdf")
            return
        try:
            status, value = self.clerk.answer(method, self.path, self.headers, body)
        except RefusedError as refused:
            status, value = refused.status, refused.body
        except OSError:
            self.close_connection = True
            return
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        kind = "text/plain" if isinstance(value, bytes) else "application/json"
        self._send(status, content, kind)

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Serving(ThreadingHTTPServer):
    """Serves a clerk on a free port of this machine, as long as it is entered."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, clerk: Clerk) -> None:
        handler = type("Handler", (_Handler,), {"clerk": clerk, "timeout": 30})
        super().__init__(("127.0.0.1", 0), handler)
        self.api_url = f"http://127.0.0.1:{self.server_port}/v2"
        self.requests = clerk.requests
        clerk.url = f"http://127.0.0.1:{self.server_port}"

    @override
    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    @override
    def __exit__(self, *_: object) -> None:
        # Ending takes longer than most runs, and nobody asks any more.
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        self.shutdown()
        self.server_close()
