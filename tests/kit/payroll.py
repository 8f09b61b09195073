"""A small demo company that can be paid from, over real HTTP, and settings that lead there."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tap_qonto.demo import Api, Company, DemoServer, Writing
from tests.kit.runner import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_qonto.demo import Request

Row = dict[str, Any]

TOKEN = "access-token-of-the-test"


class Bank:
    """A demo company's server, as tests of the target see it.

    Args:
        server: The server.
        folder: Where the target keeps its journal and its results.
    """

    def __init__(self, server: DemoServer, folder: Path) -> None:
        self.server = server
        self.api: Api = server.api
        self.company: Company = server.api.company
        self._folder = folder
        self._before = {row["id"] for row in self.company.rows("sepa_transfers")}
        self.payees = [row for row in self.company.rows("beneficiaries") if row["trusted"]]

    @property
    def config(self) -> Row:
        """Settings that lead to this company."""
        return {
            "access_token": TOKEN,
            "api_url": self.server.api_url,
            "journal_path": str(self._folder / "journal.sqlite"),
            "results_path": str(self._folder / "results"),
        }

    def row(self, number: int, **cells: Any) -> Row:
        """Return a row that pays the trusted payee of that number."""
        return {
            "external_id": f"INV-{number}",
            "amount": f"{100 + number}.50",
            "beneficiary_iban": self.payees[number]["iban"],
            "reference": f"Invoice {number}",
        } | cells

    @property
    def transfers(self) -> list[Row]:
        """What was sent through the API."""
        rows = self.company.rows("sepa_transfers")
        return [row for row in rows if row["id"] not in self._before]

    @property
    def posts(self) -> list[Request]:
        """All requests to write, in order."""
        return [request for request in self.server.requests if request.method == "POST"]

    @property
    def results(self) -> list[Row]:
        """The result rows of the last run."""
        files = sorted(
            (self._folder / "results").glob("*/*.jsonl"), key=lambda path: path.stat().st_mtime_ns
        )
        return [json.loads(line) for line in files[-1].read_text(encoding="utf-8").splitlines()]


@contextmanager
def bank_at(folder: Path, writing: Writing | None = None, **options: Any) -> Iterator[Bank]:
    """Serve a demo company while the context lasts.

    Args:
        folder: Where the target keeps its journal and its results.
        writing: How commands are carried out.
        options: For its `Api`.
    """
    company = Company(transactions=60, accounts=2)
    with serving(Api(company, writing=writing, **options)) as server:
        yield Bank(server, folder)
