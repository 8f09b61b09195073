"""A demo company over real HTTP whose clock a test moves, and runs of the target against it."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import SentenceError
from tap_qonto.connection import Connection
from tap_qonto.demo import Api, Company, DemoServer, Writing
from tap_qonto.machine import Machine
from tap_qonto.singer.stop import Stop
from tap_qonto.writing.files import Files
from tap_qonto.writing.plan import Limits
from tap_qonto.writing.results import Results
from tap_qonto.writing.rows import Inbox
from tap_qonto.writing.run import Terms, World, carry_out
from tap_qonto.writing.streams import READERS
from tests.kit.runner import serving
from tests.kit.target import Loaded, load
from tests.writing.runs import DyingBank, Killed, Killer, StoppingJournal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tap_qonto.writing.journal import Journal
    from tap_qonto.writing.lookups import Organization

Row = dict[str, Any]
Input = "Mapping[str, Sequence[Row]]"

PDF = b"%PDF-1.7\n"
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0"

CLIENT: Row = {
    "external_id": "C-1",
    "kind": "company",
    "name": "Ateliers du Lac",
    "currency": "EUR",
    "locale": "fr",
    "billing_street_address": "1 rue du Lac",
    "billing_city": "Annecy",
    "billing_zip_code": "74000",
    "billing_country_code": "fr",
    "email": "compta@lac.example",
    "vat_number": "FR40123456824",
}
INVOICE: Row = {
    "external_id": "S-1",
    "client": "C-1",
    "issue_date": "2026-11-30",
    "due_date": "2026-12-30",
    "items": json.dumps(
        [{"title": "Abonnement", "quantity": "2", "unit_price": "500.00", "vat_rate": "0.2"}]
    ),
}


@dataclass
class Office:
    """The company, as tests see it.

    Attributes:
        server: What serves it.
        folder: Where journal, results, documents and files to send lie.
        now: The present, in seconds since the epoch.
    """

    server: DemoServer
    folder: Path
    clock: list[float] = field(default_factory=list)

    @property
    def api(self) -> Api:
        """The application, with its hooks."""
        return self.server.api

    @property
    def company(self) -> Company:
        """The company."""
        return self.server.api.company

    def file(self, name: str, content: bytes = PDF) -> str:
        """Write a file to send; return its path."""
        path = self.folder / "inbox" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def documents(self, number: int) -> list[Row]:
        """Return rows of that many documents, each another file."""
        return [
            {"external_id": f"D-{n:02}", "file": self.file(f"d{n:02}.pdf", PDF + b"%d" % n)}
            for n in range(number)
        ]

    def run(self, rows: Mapping[str, Sequence[Row]], **settings: Any) -> Loaded:
        """Run the target once."""

        def sleep(seconds: float) -> None:
            self.clock[0] += seconds

        config = {
            "access_token": "access-token-of-the-test",
            "api_url": self.server.api_url,
            "journal_path": str(self.folder / "journal.sqlite"),
            "results_path": str(self.folder / "results"),
            "attachments_path": str(self.folder / "documents"),
            **settings,
        }
        lines: list[Row] = []
        for stream, records in rows.items():
            schema: Row = {"type": "object", "properties": {}}
            lines.append({"type": "SCHEMA", "stream": stream, "schema": schema,
                          "key_properties": []})  # fmt: skip
            lines += ({"type": "RECORD", "stream": stream, "record": row} for row in records)
        lines.append({"type": "STATE", "value": {"at": "end"}})
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        machine = Machine(clock=lambda: self.clock[0], sleep=sleep)
        return load(text, {name: value for name, value in config.items() if value}, machine=machine)

    def send(self, rows: Mapping[str, Sequence[Row]], **settings: Any) -> Loaded:
        """Run the target over rows that may be sent without asking."""
        return self.run(rows, approve="within_limits", **settings)

    @property
    def results(self) -> dict[str, Row]:
        """The result rows of the last run, by external ID."""
        files = sorted((self.folder / "results").glob("*/*.jsonl"),
                       key=lambda path: path.stat().st_mtime_ns)  # fmt: skip
        last = {path for path in files if path.name == files[-1].name}
        rows = [json.loads(line) for path in last for line in path.read_text().splitlines()]
        return {row["external_id"]: row for row in rows}

    @property
    def statuses(self) -> dict[str, str]:
        """The statuses of the last run, by external ID."""
        return {name: row["status"] for name, row in self.results.items()}

    def posts(self, path: str) -> int:
        """Return how many requests to write went to a path."""
        return sum(
            request.method == "POST" and request.path.endswith(path)
            for request in self.server.requests
        )

    def die(self, rows: Mapping[str, Sequence[Row]], killer: Killer) -> None:
        """Run the target over rows, as `send` does, until the process dies."""

        def sleep(seconds: float) -> None:
            self.clock[0] += seconds

        config = {
            "environment": "production",
            "access_token": "access-token-of-the-test",
            "api_url": self.server.api_url,
            "attachments_path": str(self.folder / "documents"),
            "concurrency": 1,
            "request_timeout": 60,
            "rate_limit_share": 1,
            "attachments_max_bytes": 50_000_000,
        }
        stop = Stop(sleep)
        machine = Machine(clock=lambda: self.clock[0], sleep=sleep)
        connection = Connection(config, machine, "target-qonto")

        def journal_of(organization: Organization) -> Journal:
            journal = StoppingJournal(
                self.folder / "journal.sqlite",
                organization_id=organization.id,
                environment="production",
            )
            journal.at = killer
            return journal

        inbox = Inbox(READERS, 500)
        for stream, records in rows.items():
            for row in records:
                inbox.add(stream, row)
        world = World(
            client=connection.client,
            carrier=DyingBank(connection.transport, killer),  # type: ignore[arg-type]
            files=Files(lambda: connection.files),
            journal_of=journal_of,
            results=Results(None, "run"),
            stop=stop,
            clock=machine.clock,
            pause=stop.pause,
            archive=lambda: connection.archive,
            concurrency=1,
        )
        terms = Terms(Limits("within_limits", None, None), "production", None, "match", 60.0)
        try:
            with suppress(Killed, SentenceError):
                carry_out(inbox, terms, world)
        finally:
            connection.stop_documents()
            connection.close()


@cache
def _generated(name: str) -> frozenset[tuple[str, str]]:
    """Return collection and ID of each paper and client that a company has from the beginning."""
    company = Company(name, transactions=10, accounts=2)
    return frozenset(
        (collection, row["id"])
        for collection in ("supplier_invoices", "clients", "client_invoices")
        for row in company.rows(collection)
    )


class Made:
    """What was made at a company since it was founded."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._before = _generated(company.name)

    def __call__(self, name: str) -> list[Row]:
        """Return the new rows of a collection."""
        return [row for row in self._company.rows(name) if (name, row["id"]) not in self._before]


@contextmanager
def office_at(folder: Path, **writing: Any) -> Iterator[tuple[Office, Made]]:
    """Serve a company while the context lasts.

    Args:
        folder: Where everything else lies.
        writing: Answers to open questions.
    """
    clock = [datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()]

    def now() -> datetime:
        return datetime.fromtimestamp(clock[0], UTC)

    company = Company("office", transactions=10, accounts=2, clock=now)
    api = Api(company, clock=now, writing=Writing(**writing))
    with serving(api) as server:
        yield Office(server, folder, clock), Made(company)
