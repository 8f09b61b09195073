"""A demo company whose documents a test chooses, and a file host that does what it says."""

from __future__ import annotations

import gzip
import json
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tap_qonto.demo import Api, Company, Response
from tests.kit.runner import KEY, Run, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_qonto.demo import Request

    Answer = int | str | Callable[[Request, bytes], Response]

Row = dict[str, Any]

RECEIPTS = ("transactions", "transaction_attachments")
INVOICES = ("client_invoices", "client_invoice_attachments")

PDF = b"%PDF-1.7 receipt\n%%EOF\n"

OLD = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first row changed last."""


class _Counting(Api):
    """Counts requests that are under way."""

    latency = 0.0
    """Seconds before each answer."""
    most = 0
    """Requests under way, at most."""
    most_files = 0
    """Downloads under way, at most."""
    _now = _now_files = 0
    _counting = threading.Lock()

    def __call__(self, request: Request) -> Response:
        file = request.path.startswith("/files/")
        self._count(1, file)
        try:
            pause(self.latency)
            return super().__call__(request)
        finally:
            self._count(-1, file)

    def _count(self, change: int, file: int) -> None:
        with self._counting:
            self._now += change
            self._now_files += change * file
            self.most = max(self.most, self._now)
            self.most_files = max(self.most_files, self._now_files)


class Papers:
    """A company of one account that has the rows and documents that a test gives it.

    Attributes:
        company: The company, whose other rows are those of every demo company.
        api: Shows it; it wants the key `KEY`.
        now: When rows without a time of their own change: a minute later each time.
    """

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        """Found the company; links age by `clock`, by the real one if it is None."""
        options: dict[str, Any] = {} if clock is None else {"clock": clock}
        self.company = Company(transactions=0, accounts=1, **options)
        self.api = _Counting(self.company, authorization=KEY, **options)
        self.api.before.append(self._answer)
        self.now = OLD
        self._next: dict[str, list[Answer]] = defaultdict(list)
        self._always: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self.company.clear(
            "client_invoices", "quotes", "credit_notes", "supplier_invoices", "statements"
        )

    # Rows

    def _later(self) -> str:
        self.now += timedelta(minutes=1)
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def document(self, id_: str, content: bytes = PDF, **differs: Any) -> str:
        """Add a document; return its ID."""
        row = {
            "id": id_,
            "created_at": "2026-01-01T00:00:00.000Z",
            "file_name": f"{id_}.pdf",
            "file_size": str(len(content)),
            "file_content_type": "application/pdf",
            "probative_attachment": {"status": "unavailable"},
            **differs,
        }
        self.company.put("attachments", row)
        self.company.replace_document(id_, content)
        return id_

    def transaction(self, *documents: str, embedded: bool = True, **differs: Any) -> str:
        """Add a transaction with these documents; return its ID."""
        number = self.company.total("transactions")
        at = self._later()
        row: Row = {
            "id": f"00000000-0000-4000-8000-{number:012d}",
            "bank_account_id": self.company.accounts[0].id,
            "status": "completed",
            "amount_cents": 100,
            "created_at": at,
            "emitted_at": at,
            "settled_at": at,
            "updated_at": at,
            "attachment_ids": list(documents),
            **differs,
        }
        if not embedded:
            row["attachments"] = []
        self.company.put("transactions", row)
        return str(row["id"])

    def receipts(self, count: int, content: bytes = PDF, **differs: Any) -> list[str]:
        """Add transactions with one document each, `a0` and so on; return their IDs."""
        return [
            self.transaction(self.document(f"a{number}", content, **differs))
            for number in range(count)
        ]

    def invoice(
        self, document: str | None, collection: str = "client_invoices", **more: Any
    ) -> str:
        """Add an invoice, or a row of a similar collection, with a document; return its ID."""
        number = self.company.total(collection)
        at = self._later()
        row = {
            "id": f"10000000-0000-4000-8000-{number:012d}",
            "status": "unpaid",
            "created_at": at,
            "updated_at": at,
            "attachment_id": document,
            **more,
        }
        self.company.put(collection, row)
        return str(row["id"])

    def statement(self, content: bytes = PDF, **file: Any) -> str:
        """Add a statement with its file; return its ID."""
        id_ = "30000000-0000-4000-8000-000000000000"
        described = {
            "file_name": "may.pdf",
            "file_size": len(content),
            "file_content_type": "application/pdf",
            **file,
        }
        account = self.company.accounts[0].id
        self.company.put(
            "statements",
            {"id": id_, "bank_account_id": account, "period": "05-2026", "file": described},
        )
        self.company.replace_document(id_, content)
        return id_

    # The file host

    def next(self, id_: str, *answers: Answer) -> None:
        """Let the file host do this at the next requests for a document, then send it."""
        self._next[id_] += answers

    def always(self, id_: str, answer: Answer | None) -> None:
        """Let the file host do this at every request for a document; None sends it."""
        if answer is None:
            del self._always[id_]
        else:
            self._always[id_] = answer

    def _answer(self, request: Request) -> Response | None:
        if not request.path.startswith("/files/"):
            return None
        id_ = request.path.removeprefix("/files/")
        with self._lock:
            script = self._next[id_]
            answer = script.pop(0) if script else self._always.get(id_)
        if answer is None:
            return None
        if isinstance(answer, int):
            return Response(answer, {}, b"<Error/>")
        if isinstance(answer, str):
            answer = ANSWERS[answer]
        return answer(request, self.company.document(id_))

    # Runs

    def run(self, *streams: str, state: Row | None = None, **config: Any) -> Run:
        """Run the tap with these streams selected; by default the receipts."""
        settings = {
            name: str(value) if isinstance(value, Path) else value for name, value in config.items()
        }
        return run(
            {"lookback_seconds": 0, **settings},
            state=state,
            select=streams or RECEIPTS,
            api=self.api,
        )


def pause(seconds: float) -> None:
    """Wait in a way that a test's own clock does not shorten."""
    if seconds:
        threading.Event().wait(seconds)


def _cut(_request: Request, content: bytes) -> Response:
    return Response(200, {"Content-Length": str(len(content))}, content[:-1])


def _other_size(_request: Request, content: bytes) -> Response:
    return Response(200, {}, content + b"!")


def _stall(_request: Request, content: bytes) -> Response:
    def slowly() -> Iterable[bytes]:
        yield content[: len(content) // 2]
        pause(60)

    return Response(200, {"Content-Length": str(len(content))}, slowly())


def _redirect(_request: Request, _content: bytes) -> Response:
    return Response(302, {"Location": "http://203.0.113.9/elsewhere"}, b"")


def _loop(request: Request, _content: bytes) -> Response:
    query = "&".join(f"{name}={value}" for name, value in request.query)
    return Response(302, {"Location": f"{request.files_url}/{request.path[7:]}?{query}"}, b"")


def _until_the_end(_request: Request, content: bytes) -> Response:
    return Response(200, {}, iter([content]))


def _until_the_cut(_request: Request, content: bytes) -> Response:
    return Response(200, {}, iter([content[: len(content) // 2]]))


def _chunked(content: bytes) -> Response:
    blocks = [content[start : start + 65_536] for start in range(0, len(content), 65_536)]
    parts = [b"%x\r\n%s\r\n" % (len(block), block) for block in blocks]
    return Response(200, {"Transfer-Encoding": "chunked"}, [*parts, b"0\r\n\r\n"])


def _zipped(content: bytes, cut: int, part: int = 0) -> Response:
    packed = gzip.compress(content[:part]) * bool(part) + gzip.compress(content[part:])
    return Response(200, {"Content-Encoding": "gzip"}, iter([packed[: len(packed) - cut]]))


ANSWERS: dict[str, Callable[[Request, bytes], Response]] = {
    "cut": _cut,
    "other size": _other_size,
    "stall": _stall,
    "redirect": _redirect,
    "redirect loop": _loop,
    "without length": _until_the_end,
    "without length, cut": _until_the_cut,
    "chunked": lambda _request, content: _chunked(content),
    "chunked, short": lambda _request, content: _chunked(content[:-10]),
    "gzip": lambda _request, content: _zipped(content, 0),
    "gzip, in two parts": lambda _request, content: _zipped(content, 0, len(content) // 2),
    "gzip, cut": lambda _request, content: _zipped(content, 4),
    "gzip, cut early": lambda _request, content: _zipped(content, len(gzip.compress(content)) // 2),
    "brotli": lambda _request, content: Response(200, {"Content-Encoding": "br"}, content),
}
"""What a file host can do, by name; numbers are statuses."""


def path_of(row: Row) -> Path:
    """Return where a row says that its document is."""
    return Path(url2pathname(urlsplit(row["file_path"]).path))


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def statuses(done: Run, stream: str = "transaction_attachments") -> list[str]:
    """Return the column `file_status` of a stream's rows."""
    return [row["file_status"] for row in done.records.get(stream, [])]


def owed(done: Run, stream: str = "transaction_attachments") -> list[Row]:
    """Return the documents that a stream owes, as the last STATE says."""
    items: list[Row] = done.state.get("bookmarks", {}).get(stream, {}).get("owed", [])
    return items


def size_of(state: Row) -> int:
    """Return the size of a state in bytes."""
    return len(json.dumps(state))
