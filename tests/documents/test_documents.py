"""Documents: fetched once, verified, stored before their rows, whatever the file host does."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import mmap
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import url2pathname

import pytest
from moto.server import ThreadedMotoServer

from tap_qonto.api.errors import SentenceError, StoppedStoringError
from tap_qonto.documents import document, names, places
from tap_qonto.documents.names import key_of, safe_id, safe_name
from tap_qonto.documents.places import Folder
from tap_qonto.tap import TapQonto
from tests.kit.pdfs import pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

s3fs: Any = import_module("s3fs")  # which has no types

Row = dict[str, Any]
SIGNATURE = "51gn47ur3"
"""Is part of every link, and may be part of nothing that the tap writes."""


class Company:
    """A company whose API and file host listen on two ports of this machine."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.attachments: dict[str, Row] = {}
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, list[int | str]] = defaultdict(list)
        """What the file host does with the next requests for a file, before it sends it."""
        self.refusals: dict[str, int] = {}
        """Status by path of the API."""
        self.on_retrieve: Callable[[str, Row], None] = lambda _path, _row: None
        self.latency = 0.0
        self.seen: list[tuple[str, dict[str, str]]] = []
        """Paths and headers: of the API as they are, of the file host after `/files/`."""
        self.busy = self.busiest = 0
        """Downloads under way, now and at most."""
        self.under_way = self.most = 0
        """Requests to either port that wait for their answer, now and at most."""
        self._links = 0
        self._lock = threading.Lock()
        self._servers = [self._listen(self._answer), self._listen(self._send_file)]
        self.api_url, self.file_url = (
            f"http://127.0.0.1:{server.server_port}{path}"
            for server, path in zip(self._servers, ("/v2", "/files"), strict=True)
        )

    def _listen(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> ThreadingHTTPServer:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    # Making rows

    def attachment(self, id_: str, content: bytes = b"%PDF-1.7 receipt", **differs: Any) -> Row:
        """Add a document; return it as Qonto embeds it."""
        self.files[id_] = content
        self.attachments[id_] = {
            "id": id_,
            "created_at": "2026-01-02T03:04:05.000Z",
            "file_name": f"{id_}.pdf",
            "file_size": str(len(content)),
            "file_content_type": "application/pdf",
            "probative_attachment": {"status": "unavailable"},
            **differs,
        }
        return self.attachments[id_]

    def transaction(self, id_: str, *attachments: Row, embedded: bool = True) -> Row:
        number = len(self.rows["transactions"])
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        row = {
            "id": id_,
            "bank_account_id": "account",
            "updated_at": at.isoformat().replace("+00:00", "Z"),
            "attachment_ids": [attachment["id"] for attachment in attachments],
        }
        if embedded:
            row["attachments"] = list(attachments)
        self.rows["transactions"].append(row)
        return row

    def invoice(self, id_: str, attachment_id: str | None, **differs: Any) -> Row:
        row = {
            "id": id_,
            "status": "unpaid",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "attachment_id": attachment_id,
            **differs,
        }
        self.rows["client_invoices"].append(row)
        return row

    def asked(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(seen == path for seen, _ in self.seen)

    # Answering

    def _take_time(self) -> None:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time_to_answer(self.latency)
        with self._lock:
            self.under_way -= 1

    def _link(self, id_: str) -> str:
        with self._lock:
            self._links += 1
            return f"{self.file_url}/{id_}?X-Amz-Signature={SIGNATURE}-{self._links}"

    def _with_links(self, value: Any, *, sealed: bool = False) -> Any:
        """Return a JSON value with fresh links wherever a document is described."""
        match value:
            case list():
                return [self._with_links(inner) for inner in value]
            case {"probative_attachment": dict() as signed, "id": str() as id_}:
                value = {"url": self._link(id_), **value}
                if sealed and signed["status"] == "available":
                    link = self._link(f"{id_}-signed")
                    value["probative_attachment"] = {**signed, "url": link}
                else:
                    value["probative_attachment"] = {"status": signed["status"]}
                return value
            case {"file": dict() as file, "id": str() as id_}:
                return {**value, "file": {"file_url": self._link(id_), **file}}
            case dict():
                return {name: self._with_links(inner) for name, inner in value.items()}
        return value

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self._take_time()
        url = urlsplit(request.path)
        path = unquote(url.path.removeprefix("/v2"))
        self.seen.append((path, dict(request.headers)))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, body = self.refusals.get(path, 200), self._body(path, query)
        if status == 200 and body is None:
            status = 404
        send(request, status, json.dumps(body or {}).encode())

    def _body(self, path: str, query: dict[str, str]) -> Any:
        _, name, *rest = path.split("/")
        if path == "/organization":
            accounts = [{"id": "account", "iban": "FR76"}]
            return {"organization": {"id": "organization", "bank_accounts": accounts}}
        if path == "/bank_accounts":
            return {"bank_accounts": [{"id": "account"}], "meta": {"total_count": 1}}
        if name == "attachments":
            row = self.attachments.get(rest[0])
            return row and {"attachment": self._with_links(row, sealed=True)}
        if rest:
            row = next((row for row in self.rows[name] if row["id"] == rest[0]), None)
            if row:
                self.on_retrieve(path, row)
            return row and {name.removesuffix("s"): self._with_links(row)}
        first = query.get("updated_at_from") or query.get("filter[updated_at_from]", "")
        rows = [row for row in self.rows[name] if row.get("updated_at", "~") >= first]
        if query.get("status[]", "completed") != "completed":
            rows = []
        page, size = int(query["page"]), int(query["per_page"])
        meta = {"total_count": len(rows), "total_pages": -(-len(rows) // size) or 1}
        return {name: self._with_links(rows[(page - 1) * size : page * size]), "meta": meta}

    def _send_file(self, request: BaseHTTPRequestHandler) -> None:
        id_ = unquote(urlsplit(request.path).path.removeprefix("/files/"))
        with self._lock:
            self.seen.append((f"/files/{id_}", dict(request.headers)))
            script = self.answers[id_]
            answer = script.pop(0) if script else "whole"
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            self._take_time()
            self._send(request, answer, self.files.get(id_))
        finally:
            with self._lock:
                self.busy -= 1

    def _send(
        self, request: BaseHTTPRequestHandler, answer: int | str, content: bytes | None
    ) -> None:
        if content is None or isinstance(answer, int):
            send(request, answer if isinstance(answer, int) else 404, b"<Error/>")
        elif answer == "cut":
            send(request, 200, content[:-1], length=len(content))
            request.close_connection = True
        elif answer == "other size":
            send(request, 200, content + b"!")
        elif answer == "stall":
            send(request, 200, content[: len(content) // 2], length=len(content))
            time_to_answer(60)
        elif answer == "redirect":
            request.send_response(302)
            request.send_header("Location", "http://203.0.113.9/elsewhere")
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif answer in ("without length", "short without length"):
            content = content if answer == "without length" else content[:-1]
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            for start in range(0, len(content), 65_536):
                block = content[start : start + 65_536]
                request.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
            request.wfile.write(b"0\r\n\r\n")
        else:
            send(request, 200, content)


def time_to_answer(seconds: float) -> None:
    """Wait in a way that a test's patch of `time.sleep` does not shorten."""
    if seconds:
        threading.Event().wait(seconds)


def send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, length: int | None = None
) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    request.end_headers()
    request.wfile.write(body)
    request.wfile.flush()


class Run(NamedTuple):
    """What the world saw of a run."""

    records: dict[str, list[Row]]
    messages: list[Row]
    log: str
    error: Exception | None
    output: str

    @property
    def state(self) -> Row:
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        value: Row = states[-1] if states else {}
        return value


def catalog_of(*streams: str) -> Row:
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    entries = tap.catalog_dict["streams"]
    for entry in entries:
        for node in entry["metadata"]:
            if not node["breadcrumb"]:
                node["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return {"streams": entries}


def settings(company: Company, **config: Any) -> Row:
    return {
        "login": "acme",
        "secret_key": "s3cr3t-k3y",
        "api_url": company.api_url,
        "lookback_seconds": 0,
        **{
            name: str(value) if isinstance(value, Path) else value for name, value in config.items()
        },
    }


def run(company: Company, *streams: str, state: Row | None = None, **config: Any) -> Run:
    """Run the tap in this process with these streams selected."""
    standard, output, log = sys.stdout, io.BytesIO(), io.StringIO()
    handler = logging.StreamHandler(log)
    handler.addFilter(lambda record: not record.name.startswith("singer_sdk.singerlib"))
    root = logging.getLogger()
    level = root.level
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    error = None
    try:
        tap = TapQonto(
            config=settings(company, **config),
            catalog=catalog_of(*streams),
            state=state,
            parse_env_config=False,
        )
        sys.stdout = wrapper = io.TextIOWrapper(output, encoding="utf-8")
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            tap.run()
        except SentenceError as caught:
            error = caught
        wrapper.flush()
        text = output.getvalue().decode()
    finally:
        sys.stdout = standard
        root.removeHandler(handler)
        root.setLevel(level)
        for signum, previous in handlers.items():
            signal.signal(signum, previous)
    messages = [json.loads(line) for line in text.splitlines()]
    records = defaultdict(list)
    for message in messages:
        if message["type"] == "RECORD":
            records[message["stream"]].append(message["record"])
    return Run(records, messages, log.getvalue(), error, text)


@pytest.fixture
def company() -> Iterator[Company]:
    company = Company()
    yield company
    company.close()


@pytest.fixture
def pauses(slept: list[float]) -> list[float]:
    """Seconds that the tap slept, which took no time."""
    return slept


def path_of(row: Row) -> Path:
    return Path(url2pathname(urlsplit(row["file_path"]).path))


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


# What the rows say


def test_without_a_path_documents_are_listed_and_nothing_is_downloaded(company: Company) -> None:
    company.transaction("t1", company.attachment("a1"), company.attachment("a2", b"xyz"))
    company.transaction("t2")
    done = run(company, "transactions", "transaction_attachments")
    rows = done.records["transaction_attachments"]
    assert [(row["transaction_id"], row["id"]) for row in rows] == [("t1", "a1"), ("t1", "a2")]
    assert {row["file_status"] for row in rows} == {"metadata_only"}
    assert [row["file_size"] for row in rows] == [16, 3]
    assert rows[0]["created_at"] == "2026-01-02T03:04:05.000000Z"
    assert rows[0]["probative_attachment_status"] == "unavailable"
    assert not any("files" in path or "attachments" in path for path, _ in company.seen)


def test_a_stored_document_is_the_one_that_qonto_has(company: Company, tmp_path: Path) -> None:
    content = os.urandom(70_000)
    company.transaction("t1", company.attachment("a1", content))
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    (row,) = done.records["transaction_attachments"]
    assert path_of(row).read_bytes() == content
    assert path_of(row) == tmp_path / "transaction_attachments" / "a1" / "a1.pdf"
    assert row["file_sha256"] == hashlib.sha256(content).hexdigest()
    assert row["file_status"] == "stored"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["stored_at"])
    assert files_in(tmp_path) == [path_of(row)]


@pytest.mark.parametrize(
    ("parent", "child", "key", "pointers", "expected"),
    [
        ("client_invoices", "client_invoice_attachments", "client_invoice_id",
         {"attachment_id": "a1"}, ["a1"]),
        ("credit_notes", "credit_note_attachments", "credit_note_id",
         {"attachment_id": "a1"}, ["a1"]),
        ("quotes", "quote_attachments", "quote_id", {"attachment_id": "a1"}, ["a1"]),
        ("supplier_invoices", "supplier_invoice_attachments", "supplier_invoice_id",
         {"attachment_id": "a1", "display_attachment_id": "a2"}, ["a1", "a2"]),
        ("supplier_invoices", "supplier_invoice_attachments", "supplier_invoice_id",
         {"attachment_id": "a1", "display_attachment_id": "a1"}, ["a1"]),
        ("supplier_invoices", "supplier_invoice_attachments", "supplier_invoice_id",
         {"attachment_id": None, "display_attachment_id": "a2"}, ["a2"]),
        ("quotes", "quote_attachments", "quote_id", {"attachment_id": None}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stored", [True, False])
def test_documents_known_by_id_are_asked_for(
    company: Company,
    tmp_path: Path,
    parent: str,
    child: str,
    key: str,
    pointers: Row,
    expected: list[str],
    stored: bool,
) -> None:
    company.attachment("a1")
    company.attachment("a2")
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    company.rows[parent].append({"id": "p1", **times, **pointers})
    done = run(company, parent, child, attachments_path=tmp_path if stored else None)
    rows = done.records[child]
    assert [row["id"] for row in rows] == expected
    assert all(row[key] == "p1" for row in rows)
    assert {row["file_name"] for row in rows} == {f"{id_}.pdf" for id_ in expected}
    assert [path_of(row).exists() for row in rows if stored] == [True] * len(expected) * stored
    assert len(done.records[parent]) == 1


def test_statements_bring_their_file(company: Company, tmp_path: Path) -> None:
    company.files["s1"] = b"%PDF-1.4 statement"
    file = {"file_name": "may.pdf", "file_size": 18, "file_content_type": "application/pdf"}
    row = {"id": "s1", "bank_account_id": "account", "period": "05-2026", "file": file}
    company.rows["statements"].append(row)
    done = run(company, "statements", "statement_files", attachments_path=tmp_path)
    (found,) = done.records["statement_files"]
    assert (found["statement_id"], found["period"]) == ("s1", "05-2026")
    assert path_of(found) == tmp_path / "statement_files" / "s1" / "may.pdf"
    assert path_of(found).read_bytes() == company.files["s1"]
    assert "additional_properties" not in found


def test_attachments_that_were_not_embedded_are_asked_for(company: Company) -> None:
    company.transaction("t1", company.attachment("a1"), embedded=False)
    done = run(company, "transactions", "transaction_attachments")
    assert [row["file_name"] for row in done.records["transaction_attachments"]] == ["a1.pdf"]
    assert company.asked("/attachments/a1") == 1


def test_documents_come_without_their_parents_too(company: Company, tmp_path: Path) -> None:
    company.transaction("t1", company.attachment("a1"))
    done = run(company, "transaction_attachments", attachments_path=tmp_path)
    assert [row["id"] for row in done.records["transaction_attachments"]] == ["a1"]
    assert "transactions" not in done.records


# Links and credentials


def test_links_leave_no_trace_and_the_file_host_sees_no_credentials(
    company: Company, tmp_path: Path, on_machine: Callable[..., None]
) -> None:
    company.answers["a1"] = [503, 403]
    company.transaction("t1", company.attachment("a1"))
    company.transaction("t2", company.attachment("a2"))
    company.answers["a2"] = [404]
    on_machine(sleep=lambda _seconds: None)
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert SIGNATURE not in done.output
    assert SIGNATURE not in done.log
    assert "s3cr3t" not in done.log
    headers = [headers for path, headers in company.seen if path.startswith("/files/")]
    assert len(headers) >= 4
    assert not any("Authorization" in seen or "Cookie" in seen for seen in headers)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_expired_link_is_asked_for_again(company: Company, tmp_path: Path, status: int) -> None:
    company.answers["a1"] = [status]
    company.transaction("t1", company.attachment("a1"))
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert [row["file_status"] for row in done.records["transaction_attachments"]] == ["stored"]
    assert company.asked("/attachments/a1") == 1


def test_the_expired_link_of_a_statement_is_asked_for_again(
    company: Company, tmp_path: Path
) -> None:
    company.files["s1"], company.answers["s1"] = b"%PDF", [403]
    row = {"id": "s1", "bank_account_id": "a", "period": "05-2026", "file": {"file_name": "x"}}
    company.rows["statements"].append(row)
    done = run(company, "statements", "statement_files", attachments_path=tmp_path)
    assert [row["file_status"] for row in done.records["statement_files"]] == ["stored"]
    assert company.asked("/statements/s1") == 1


def test_a_link_that_is_old_by_the_clock_is_not_even_tried(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.transaction("t1", company.attachment("a1"))
    issued = document.link_of

    def half_an_hour_ago(told: Row | None, name: str) -> document.Link | None:
        link = issued(told, name)
        asked = company.asked("/attachments/a1")
        return link if asked else link and link._replace(issued=link.issued - 30 * 60)

    monkeypatch.setattr(document, "link_of", half_an_hour_ago)
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert [row["file_status"] for row in done.records["transaction_attachments"]] == ["stored"]
    assert (company.asked("/attachments/a1"), company.asked("/files/a1")) == (1, 1)


def test_a_link_that_stays_refused_fails_with_one_sentence(
    company: Company, tmp_path: Path
) -> None:
    company.answers["a1"] = [403] * 10
    company.transaction("t1", company.attachment("a1"))
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert "although the link was new" in str(done.error)
    assert company.asked("/files/a1") == 3
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://203.0.113.9/x", "ftp://h/x"])
def test_links_that_are_not_https_are_not_followed(
    company: Company, tmp_path: Path, url: str
) -> None:
    company.transaction("t1", company.attachment("a1", url=url))
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert "is not https://" in str(done.error)
    assert files_in(tmp_path) == []


def test_a_redirect_does_not_lead_where_a_link_may_not(company: Company, tmp_path: Path) -> None:
    company.answers["a1"] = ["redirect"]
    company.transaction("t1", company.attachment("a1"))
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert "is not https://" in str(done.error)


# Once


def test_what_is_stored_is_not_downloaded_again(company: Company, tmp_path: Path) -> None:
    company.transaction("t1", company.attachment("a1"))
    streams = ("transactions", "transaction_attachments")
    first = run(company, *streams, attachments_path=tmp_path)
    second = run(company, *streams, attachments_path=tmp_path)
    assert company.asked("/files/a1") == 1
    assert first.records["transaction_attachments"] == second.records["transaction_attachments"]


def test_a_stored_file_of_another_size_is_downloaded_again(
    company: Company, tmp_path: Path
) -> None:
    company.transaction("t1", company.attachment("a1", b"whole"))
    half = tmp_path / "transaction_attachments" / "a1" / "a1.pdf"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"wh")
    run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert half.read_bytes() == b"whole"


def test_nothing_gets_its_name_after_the_run_was_stopped(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    key = key_of("transaction_attachments", "a1", "a1.pdf")
    with storage.aside(key) as aside:
        aside.write(b"all of it")
        storage.stop()
        with pytest.raises(StoppedStoringError):
            aside.commit()
    assert files_in(tmp_path) == []


def test_what_a_killed_run_left_half_written_is_removed_and_never_taken_for_whole(
    company: Company, tmp_path: Path
) -> None:
    company.transaction("t1", company.attachment("a1", b"whole"))
    folder = tmp_path / "transaction_attachments" / "a1"
    folder.mkdir(parents=True)
    (folder / ".a1.pdf.0123456789abcdef.part").write_bytes(b"whol")
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert files_in(tmp_path) == [folder / "a1.pdf"]
    assert path_of(done.records["transaction_attachments"][0]).read_bytes() == b"whole"


# Failures


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("where", ["file host", "API"])
def test_a_document_that_is_gone_is_missing_and_the_run_goes_on(
    company: Company, tmp_path: Path, status: int, where: str
) -> None:
    for number in range(5):
        company.attachment(f"a{number}")
        company.invoice(f"i{number}", f"a{number}")
        if where == "API":
            company.refusals[f"/attachments/a{number}"] = status
        else:
            company.answers[f"a{number}"] = [status]
    company.attachment("b")
    company.invoice("last", "b")
    streams = ("client_invoices", "client_invoice_attachments")
    done = run(company, *streams, attachments_path=tmp_path)
    statuses = [row["file_status"] for row in done.records["client_invoice_attachments"]]
    assert statuses == ["missing"] * 5 + ["stored"]
    assert done.error is None
    assert len(done.records["client_invoices"]) == 6
    assert done.log.count("does not exist any more") == 1
    assert "5 missing" in done.log
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("fault", [500, 503, 429, "cut", "other size", "short without length"])
def test_a_fault_is_retried(
    company: Company, tmp_path: Path, pauses: list[float], fault: int | str
) -> None:
    company.answers["a1"] = [fault, fault]
    company.transaction("t1", company.attachment("a1", b"x" * 3_000))
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert done.error is None
    (row,) = done.records["transaction_attachments"]
    assert path_of(row).read_bytes() == b"x" * 3_000
    assert company.asked("/files/a1") == 3
    assert len([pause for pause in pauses if pause >= 0.5]) == 2
    assert files_in(tmp_path) == [path_of(row)]


@pytest.mark.parametrize("fault", [500, "cut", "other size"])
def test_a_fault_that_stays_fails_with_one_sentence_and_holds_the_bookmark(
    company: Company, tmp_path: Path, pauses: list[float], fault: int | str
) -> None:
    before = company.transaction("t1", company.attachment("a1"))
    company.transaction("t2", company.attachment("a2", b"x" * 3_000))
    company.transaction("t3", company.attachment("a3"))
    company.answers["a2"] = [fault] * 100
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert "Gave up after 6 attempts" in str(done.error)
    assert company.asked("/files/a2") == 6
    assert pauses
    assert [row["id"] for row in done.records["transactions"]] == ["t1"]
    (partition,) = done.state["bookmarks"]["transactions"]["partitions"]
    assert partition["replication_key_value"][:19] <= before["updated_at"][:19]
    assert not list(tmp_path.rglob("*.part"))

    company.answers["a2"] = []
    again = run(
        company,
        "transactions",
        "transaction_attachments",
        attachments_path=tmp_path,
        state=done.state,
    )
    assert {row["id"] for row in again.records["transactions"]} >= {"t2", "t3"}
    assert company.asked("/files/a1") == 1


@pytest.mark.parametrize(
    ("content", "differs", "answer"),
    [
        (b"x" * 101, {}, "whole"),
        (b"x" * 101, {"file_size": None}, "whole"),
        (b"x" * 101, {"file_size": None}, "without length"),
    ],
)
def test_a_document_above_the_limit_is_listed_only(
    company: Company, tmp_path: Path, content: bytes, differs: Row, answer: str
) -> None:
    company.transaction("t1", company.attachment("a1", content, **differs))
    company.transaction("t2", company.attachment("a2", content[:100], **differs))
    company.answers["a1"] = company.answers["a2"] = [answer, answer]
    streams = ("transactions", "transaction_attachments")
    done = run(company, *streams, attachments_path=tmp_path, attachments_max_bytes=100)
    rows = done.records["transaction_attachments"]
    assert [row["file_status"] for row in rows] == ["too_large", "stored"]
    assert files_in(tmp_path) == [path_of(rows[1])]
    assert company.asked("/files/a1") == (0 if "file_size" not in differs else 1)


def test_a_folder_that_cannot_be_written_fails_with_one_sentence_that_names_it(
    company: Company, tmp_path: Path
) -> None:
    company.transaction("t1", company.attachment("a1"))
    blocked = tmp_path / "documents"
    blocked.write_text("a file where a folder should be")
    done = run(company, "transactions", "transaction_attachments", attachments_path=blocked)
    assert isinstance(done.error, SentenceError)
    assert str(blocked) in str(done.error)


def test_a_full_disk_fails_with_one_sentence_and_leaves_nothing(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.transaction("t1", company.attachment("a1"))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    assert isinstance(done.error, SentenceError)
    assert "No space left on device" in str(done.error)
    assert str(tmp_path) in str(done.error)
    assert files_in(tmp_path) == []


def test_an_attachment_that_may_not_be_read_skips_the_documents_and_holds_the_bookmark(
    company: Company, tmp_path: Path
) -> None:
    company.attachment("a1")
    company.refusals["/attachments/a1"] = 403
    company.invoice("i1", "a1")
    company.invoice("i2", None, updated_at="2026-02-01T00:00:00Z")
    streams = ("client_invoices", "client_invoice_attachments")
    done = run(company, *streams, attachments_path=tmp_path)
    assert done.error is None
    assert "attachment.read" in done.log
    assert len(done.records["client_invoices"]) == 2
    bookmark = done.state["bookmarks"]["client_invoices"]["replication_key_value"]
    assert bookmark == "2026-01-01T00:00:00.000000Z"


# Hostile names

HOSTILE = [
    "../../../etc/passwd", "/etc/passwd", "..", ".", "", "a\0b.pdf", "C:\\Windows\\x.pdf",
    "con.pdf", "NUL", "com1.txt", "x" * 500 + ".pdf", "é" * 400 + ".pdf", "a\u202efdp.exe",
    "\x1b[31mred.pdf", "name. ", ".hidden", "a/b/c.pdf", "new\nline.pdf", "%2e%2e",
    "🦊" * 200,
]  # fmt: skip


def test_hostile_names_end_inside_the_folder_and_stay_in_the_row(
    company: Company, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    attachments = [
        company.attachment(f"a{number}", f"content {number}".encode(), file_name=name)
        for number, name in enumerate(HOSTILE)
    ]
    company.transaction("t1", *attachments)
    done = run(company, "transactions", "transaction_attachments", attachments_path=root)
    rows = done.records["transaction_attachments"]
    assert done.error is None
    assert [row["file_name"] for row in rows] == HOSTILE
    assert files_in(tmp_path) == sorted(map(path_of, rows))
    for number, row in enumerate(rows):
        path = path_of(row)
        assert path.read_bytes() == f"content {number}".encode()
        assert path.resolve().relative_to(root.resolve()).parts[:2] == (
            "transaction_attachments",
            row["id"],
        )


@pytest.mark.parametrize("name", [*HOSTILE, "\ud800.pdf"])
def test_a_safe_name_is_one_harmless_component(name: str) -> None:
    safe = safe_name(name)
    assert safe == Path(safe).name
    assert 0 < len(safe.encode()) <= names.LONGEST_NAME
    assert safe.isprintable()
    assert not safe.startswith(".")
    assert not safe.endswith((".", " "))
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", safe)
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("facture mai.pdf", "facture mai.pdf"),
        ("reçu-été.PDF", "reçu-été.PDF"),
        ("re\u0301c.pdf", "réc.pdf"),
        ("x" * 500 + ".pdf", "x" * 176 + ".pdf"),
        (None, "document.pdf"),
    ],
)
def test_names_stay_readable(name: str | None, expected: str) -> None:
    assert safe_name(name, "application/pdf") == expected


def test_equal_names_of_different_documents_do_not_meet(company: Company, tmp_path: Path) -> None:
    one = company.attachment("a1", b"one", file_name="receipt.pdf")
    two = company.attachment("a2", b"two", file_name="RECEIPT.PDF")
    company.transaction("t1", one, two)
    done = run(company, "transactions", "transaction_attachments", attachments_path=tmp_path)
    rows = done.records["transaction_attachments"]
    assert [path_of(row).read_bytes() for row in rows] == [b"one", b"two"]
    folders = {str(path_of(row).parent).casefold() for row in rows}
    assert len(folders) == 2


def test_hostile_ids_stay_different_and_inside() -> None:
    ids = ["../x", "a/b", "a_b", "A", "a", "", "con", ".", "..", "x" * 300, "x" * 301]
    safe = [safe_id(id_) for id_ in ids]
    assert len({name.casefold() for name in safe}) == len(ids)
    assert all(name == Path(name).name and name.strip(".") for name in safe)
    assert "con" not in safe, "a device on Windows"
    assert all(len(name) <= 64 for name in safe)


# Late PDFs


def now() -> str:
    return (datetime.now(UTC) - timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ")


INVOICES = ("client_invoices", "client_invoice_attachments")


def test_a_pdf_that_is_being_made_is_waited_for(
    company: Company, tmp_path: Path, pauses: list[float]
) -> None:
    company.attachment("a1")
    invoice = company.invoice("i1", None, updated_at=now())

    def finish(path: str, row: Row) -> None:
        if company.asked(path) == 4:
            row["attachment_id"] = "a1"

    company.on_retrieve = finish
    done = run(company, *INVOICES, attachments_path=tmp_path)
    assert company.asked("/client_invoices/i1") == 4
    assert pauses.count(2) == 3
    assert [row["attachment_id"] for row in done.records["client_invoices"]] == ["a1"]
    assert [row["file_status"] for row in done.records[INVOICES[1]]] == ["stored"]
    bookmark = done.state["bookmarks"]["client_invoices"]["replication_key_value"]
    assert bookmark[:19] == invoice["updated_at"][:19]


def test_an_invoice_that_stays_without_a_pdf_is_emitted_and_read_again(
    company: Company, tmp_path: Path, pauses: list[float]
) -> None:
    late = company.invoice("i1", None, updated_at=now())
    later = (datetime.now(UTC) - timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    company.attachment("a2")
    company.invoice("i2", "a2", updated_at=later)
    done = run(company, *INVOICES, attachments_path=tmp_path)
    assert company.asked("/client_invoices/i1") == 15
    assert pauses.count(2) == 14
    assert {row["id"] for row in done.records["client_invoices"]} == {"i1", "i2"}
    bookmark = done.state["bookmarks"]["client_invoices"]["replication_key_value"]
    assert bookmark[:19] == late["updated_at"][:19]

    company.attachment("a1")
    late["attachment_id"] = "a1"
    again = run(company, *INVOICES, attachments_path=tmp_path, state=done.state)
    assert "a1" in [row["id"] for row in again.records[INVOICES[1]]]


@pytest.mark.parametrize(
    "invoice",
    [
        {"status": "draft", "updated_at": now()},
        {"status": "unpaid", "updated_at": "2026-01-01T00:00:00Z"},
        {"status": "unpaid", "updated_at": now(), "attachment_id": "a1"},
    ],
)
def test_other_invoices_are_not_waited_for(
    company: Company, tmp_path: Path, pauses: list[float], invoice: Row
) -> None:
    company.attachment("a1")
    company.invoice("i1", None).update(invoice)
    done = run(company, *INVOICES, attachments_path=tmp_path)
    assert company.asked("/client_invoices/i1") == 0
    assert 2 not in pauses
    assert len(done.records["client_invoices"]) == 1


def test_without_their_documents_invoices_are_not_waited_for(company: Company) -> None:
    company.invoice("i1", None, updated_at=now())
    run(company, "client_invoices")
    assert company.asked("/client_invoices/i1") == 0


def test_an_invoice_that_is_deleted_while_it_is_waited_for_is_emitted_as_it_was(
    company: Company, tmp_path: Path
) -> None:
    company.invoice("i1", None, updated_at=now())
    company.refusals["/client_invoices/i1"] = 404
    done = run(company, *INVOICES, attachments_path=tmp_path)
    assert [row["id"] for row in done.records["client_invoices"]] == ["i1"]


def test_many_late_pdfs_are_waited_for_together(
    company: Company, tmp_path: Path, on_machine: Callable[..., None]
) -> None:
    for number in range(30):
        company.invoice(f"i{number}", None, updated_at=now())
    together = threading.Barrier(30)

    def sleep(_seconds: float) -> None:
        if not together.broken and together.n_waiting < together.parties:
            together.wait(20)

    on_machine(sleep=sleep)
    run(company, *INVOICES, attachments_path=tmp_path)
    assert not together.broken, "not all thirty were waited for at once"


# Signed copies


def test_the_signed_copy_is_stored_beside_the_original(company: Company, tmp_path: Path) -> None:
    signed = {"status": "available", "file_name": "a1.pdf", "file_size": "6"}
    company.transaction("t1", company.attachment("a1", b"one", probative_attachment=signed))
    company.transaction("t2", company.attachment("a2", b"two"))
    company.files["a1-signed"] = b"signed"
    done = run(
        company,
        "transactions",
        "transaction_attachments",
        attachments_path=tmp_path,
        probative_attachments=True,
    )
    first, second = done.records["transaction_attachments"]
    original = path_of(first)
    beside = original.with_name("a1.probative.pdf")
    assert (original.read_bytes(), beside.read_bytes()) == (b"one", b"signed")
    assert first["probative_status"] == "stored"
    assert first["probative_path"] == beside.as_uri()
    assert first["probative_sha256"] == hashlib.sha256(b"signed").hexdigest()
    assert first["probative_attachment_status"] == "available"
    assert second["probative_status"] is second["probative_path"] is None
    assert company.asked("/attachments/a1") == 1


def test_the_link_to_a_signed_copy_grows_old_with_that_to_the_original(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = {"status": "available", "file_name": "a1.pdf", "file_size": "6"}
    company.transaction("t1", company.attachment("a1", b"one", probative_attachment=signed))
    company.files["a1-signed"] = b"signed"

    def slow_download() -> float:
        return time.monotonic() + (31 * 60 if company.asked("/files/a1") else 0)

    monkeypatch.setattr(document, "time", SimpleNamespace(monotonic=slow_download))
    streams = ("transactions", "transaction_attachments")
    done = run(company, *streams, attachments_path=tmp_path, probative_attachments=True)
    assert [row["probative_status"] for row in done.records[streams[1]]] == ["stored"]
    assert company.asked("/attachments/a1") == 2


# Factur-X

XML = (
    '<?xml version="1.0" encoding="UTF-8"?><i xmlns="u">'
    "<GuidelineSpecifiedDocumentContextParameter><ID>urn:factur-x.eu:1p0:minimum</ID></GuidelineSpecifiedDocumentContextParameter>é</i>"
)


@pytest.mark.parametrize("again", [False, True])
def test_the_invoice_inside_a_pdf_is_in_its_row(
    company: Company, tmp_path: Path, again: bool
) -> None:
    company.attachment("a1", pdf({"factur-x.xml": XML.encode()}))
    company.attachment("a2", pdf({}))
    company.invoice("i1", "a1")
    company.invoice("i2", "a2")
    if again:
        run(company, *INVOICES, attachments_path=tmp_path)
    done = run(company, *INVOICES, attachments_path=tmp_path)
    first, second = done.records[INVOICES[1]]
    assert (first["facturx_profile"], first["facturx_xml"]) == ("MINIMUM", XML)
    assert (second["facturx_profile"], second["facturx_xml"]) == (None, None)


def test_it_is_left_there_if_it_is_not_wanted(company: Company, tmp_path: Path) -> None:
    company.attachment("a1", pdf({"factur-x.xml": XML.encode()}))
    company.invoice("i1", "a1")
    done = run(company, *INVOICES, attachments_path=tmp_path, extract_facturx=False)
    assert not done.records[INVOICES[1]][0].get("facturx_xml")


def test_broken_pdfs_are_stored_with_one_warning(company: Company, tmp_path: Path) -> None:
    for number in range(4):
        company.attachment(f"a{number}", b"%PDF-1.7\nthis is no PDF at all")
        company.invoice(f"i{number}", f"a{number}")
    done = run(company, *INVOICES, attachments_path=tmp_path)
    assert done.error is None
    assert {row["file_status"] for row in done.records[INVOICES[1]]} == {"stored"}
    assert done.log.count("cannot be searched") == 1
    assert "4 with an unreadable PDF" in done.log


# Many, large, interrupted


@pytest.mark.parametrize("concurrency", [1, 3])
def test_downloads_and_questions_together_are_no_more_than_the_concurrency(
    company: Company, tmp_path: Path, concurrency: int
) -> None:
    for number in range(240):
        attachment = company.attachment(f"a{number}")
        company.transaction(f"t{number}", *([attachment] if number % 8 == 0 else []))
    company.invoice("i1", "a1")
    company.latency = 0.02
    streams = ("transactions", "transaction_attachments", *INVOICES)
    done = run(company, *streams, attachments_path=tmp_path, concurrency=concurrency)
    assert {row["file_status"] for row in done.records["transaction_attachments"]} == {"stored"}
    assert company.most == concurrency


def test_documents_are_fetched_with_the_concurrency_of_the_tap(
    company: Company, tmp_path: Path
) -> None:
    for number in range(40):
        company.transaction(f"t{number}", company.attachment(f"a{number}"))
    company.latency = 0.03
    streams = ("transactions", "transaction_attachments")
    done = run(company, *streams, attachments_path=tmp_path, concurrency=5)
    assert company.busiest == 5
    order = [
        message["record"].get("transaction_id") or message["record"]["id"]
        for message in done.messages
        if message["type"] == "RECORD"
    ]
    assert order == [f"t{number}" for number in range(40) for _ in "dr"]


def test_many_parents_stay_flat(company: Company) -> None:
    for number in range(2_000):
        company.transaction(f"t{number}", company.attachment(f"a{number}"))
    done = run(company, "transactions", "transaction_attachments")
    assert len(done.records["transaction_attachments"]) == 2_000
    schemas = Counter(message["stream"] for message in done.messages if message["type"] == "SCHEMA")
    assert schemas == {"transactions": 1, "transaction_attachments": 1}
    states = [message for message in done.messages if message["type"] == "STATE"]
    assert len(states) <= 2_000 / 500 + 2
    assert len(json.dumps(done.state)) < 500
    assert len(done.log.splitlines()) < 60


def test_a_parent_that_is_filtered_out_brings_no_documents(
    company: Company, tmp_path: Path
) -> None:
    for number in range(3):
        company.transaction(f"t{number}", company.attachment(f"a{number}"))
    done = run(
        company,
        "transactions",
        "transaction_attachments",
        attachments_path=tmp_path,
        stream_maps={"transactions": {"__filter__": "id == 't1'"}},
    )
    assert [row["id"] for row in done.records["transaction_attachments"]] == ["a1"]
    assert len(files_in(tmp_path)) == 1


def test_a_large_document_passes_in_constant_memory(company: Company, tmp_path: Path) -> None:
    size = 64_000_000
    company.transaction("t1", company.attachment("a1", bytes(size)))
    tracemalloc.start()
    try:
        done = run(
            company,
            "transactions",
            "transaction_attachments",
            attachments_path=tmp_path,
            attachments_max_bytes=size,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    (row,) = done.records["transaction_attachments"]
    assert path_of(row).stat().st_size == size
    assert peak < 20_000_000


def test_a_server_that_stalls_in_the_middle_is_given_up(
    company: Company, tmp_path: Path, pauses: list[float]
) -> None:
    company.answers["a1"] = ["stall"]
    company.transaction("t1", company.attachment("a1", b"x" * 3_000))
    streams = ("transactions", "transaction_attachments")
    done = run(company, *streams, attachments_path=tmp_path, request_timeout=0.5)
    assert [row["file_status"] for row in done.records["transaction_attachments"]] == ["stored"]
    assert pauses


_TAP = "from tap_qonto.tap import TapQonto; TapQonto.cli()"


@contextmanager
def process(
    company: Company, folder: Path, tmp_path: Path, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the tap as a process of its own."""
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(json.dumps(settings(company, attachments_path=folder, **options)))
    catalog.write_text(json.dumps(catalog_of("transactions", "transaction_attachments")))
    command: list[str | Path] = [
        sys.executable,
        "-c",
        _TAP,
        "--config",
        config,
        "--catalog",
        catalog,
    ]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_nothing_that_looks_whole(
    company: Company, tmp_path: Path, signum: int
) -> None:
    folder = tmp_path / "documents"
    company.answers["a1"] = ["stall"]
    company.transaction("t1", company.attachment("a1", b"x" * 3_000_000))
    with process(company, folder, tmp_path) as tap:
        deadline = time.monotonic() + 20
        while not list(folder.rglob("*.part")) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert list(folder.rglob("*.part"))
        tap.send_signal(signum)
        output, log = tap.communicate(timeout=120)
    assert b'"RECORD"' not in output, log
    if signum == signal.SIGTERM:
        assert files_in(folder) == [], log
    run(company, "transactions", "transaction_attachments", attachments_path=folder)
    (whole,) = files_in(folder)
    assert whole.stat().st_size == 3_000_000


@pytest.mark.slow
def test_two_gigabytes_pass_in_the_memory_of_a_small_document(
    company: Company, tmp_path: Path
) -> None:
    size = 2_000_000_000
    with (tmp_path / "receipt").open("wb+") as sparse:
        sparse.truncate(size)
        content: Any = mmap.mmap(sparse.fileno(), size)
        company.transaction("t1", company.attachment("a1", content))
        peaks = []
        for largest in (size - 1, size):
            with process(
                company, tmp_path / "documents", tmp_path, attachments_max_bytes=largest
            ) as tap:
                assert tap.stdout
                output = tap.stdout.read()
                peaks.append(os.wait4(tap.pid, 0)[2].ru_maxrss * 1_024)
            assert (b'"stored"' if largest == size else b'"too_large"') in output
        content.close()
    (whole,) = files_in(tmp_path / "documents")
    assert whole.stat().st_size == size
    whole.unlink()
    assert peaks[1] < peaks[0] + 40_000_000


# Object stores


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a folder in a bucket of an object store on this machine."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "k3y-of-the-bucket",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-the-bucket",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        files = s3fs.S3FileSystem()
        files.mkdir("archive")
        yield "s3://archive/qonto"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_bucket_keeps_documents_as_a_folder_does(company: Company, bucket: str) -> None:
    large = os.urandom(20_000_000)
    company.attachment("a1", large, file_name="../large file.pdf")
    company.attachment("a2", pdf({"factur-x.xml": XML.encode()}))
    company.attachment("a3", b"x" * 3_000)
    for number in (1, 2, 3):
        company.invoice(f"i{number}", f"a{number}")
    company.answers["a3"] = ["cut"] * 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TapQonto, "machine", replace(TapQonto.machine, tries=1))
        failed = run(company, *INVOICES, attachments_path=bucket)
    files = s3fs.S3FileSystem()
    assert "Gave up" in str(failed.error)
    assert files.find("archive/qonto") == [
        "archive/qonto/client_invoice_attachments/a1/_large file.pdf",
        "archive/qonto/client_invoice_attachments/a2/a2.pdf",
    ]

    company.answers["a3"] = []
    done = run(company, *INVOICES, attachments_path=bucket)
    rows = done.records[INVOICES[1]]
    assert done.error is None
    assert [row["file_status"] for row in rows] == ["stored"] * 3
    assert [files.cat(row["file_path"]) for row in rows] == [
        company.files[row["id"]] for row in rows
    ]
    assert [row["file_sha256"] for row in rows] == [
        hashlib.sha256(company.files[row["id"]]).hexdigest() for row in rows
    ]
    assert rows[0]["file_path"] == f"{bucket}/client_invoice_attachments/a1/_large file.pdf"
    assert rows[1]["facturx_profile"] == "MINIMUM"
    assert (company.asked("/files/a1"), company.asked("/files/a2")) == (1, 1)
    assert "of-the-bucket" not in failed.log + done.log
    assert not [path for path in Path(tempfile.gettempdir()).glob(".*.part") if path.is_file()]


def test_a_bucket_that_refuses_fails_with_one_sentence_that_names_it(
    company: Company,
    bucket: str,  # noqa: ARG001 - the store must listen
) -> None:
    company.transaction("t1", company.attachment("a1"))
    streams = ("transactions", "transaction_attachments")
    done = run(company, *streams, attachments_path="s3://somebody-else/folder")
    assert isinstance(done.error, SentenceError)
    assert "s3://somebody-else/folder/transaction_attachments/a1/a1.pdf" in str(done.error)


def test_a_place_without_a_driver_fails_with_one_sentence(company: Company) -> None:
    company.transaction("t1", company.attachment("a1"))
    streams = ("transactions", "transaction_attachments")
    done = run(company, *streams, attachments_path="gs://bucket/folder")
    assert "tap-qonto[gcs]" in str(done.error)


def test_an_upload_that_breaks_leaves_no_half_of_a_document(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = places.storage_at(bucket)
    key = names.key_of("quote_attachments", "broken", "large.pdf")
    with place.aside(key) as aside:
        for _ in range(20):
            aside.write(bytes(1_000_000))
        blocks = iter(range(12))

        def break_in_the_middle() -> None:
            if next(blocks, None) is None:
                raise StoppedStoringError

        monkeypatch.setattr(place, "go_on", break_in_the_middle)
        with pytest.raises(StoppedStoringError):
            aside.commit()
    assert place.find(key) is None


def test_drivers_and_the_pdf_library_are_not_imported_without_need() -> None:
    config = json.dumps({"environment": "demo"})
    script = (
        "import sys; from tap_qonto.tap import TapQonto\n"
        f"tap = TapQonto(config={config}, parse_env_config=False); tap.connection.archive\n"
        "print([name for name in ('pypdf', 's3fs', 'defusedxml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_receipts_are_fetched_as_many_at_a_time_as_is_allowed(
    company: Company, tmp_path: Path
) -> None:
    for number in range(100):
        company.transaction(f"t{number}", company.attachment(f"a{number}", os.urandom(100)))
    company.latency = 0.02
    streams = ("transactions", "transaction_attachments")
    done = run(company, *streams, attachments_path=tmp_path, concurrency=8)
    assert len(done.records["transaction_attachments"]) == 100
    assert company.busiest == 8
