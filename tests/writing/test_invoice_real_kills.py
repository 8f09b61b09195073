"""Real processes that issue invoices, killed over real HTTP, and run again in every way.

Never a second invoice; at worst a second draft, which the log names. Nothing is lost.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company, DemoServer, Writing
from tests.kit.target import messages
from tests.writing.office import CLIENT, INVOICE, PDF, Made, Office
from tests.writing.processes import AGAIN, PATIENCE, Executioner, Hurry, finish, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

Row = dict[str, Any]

PLACES = {
    "an upload": "POST /v2/attachments",
    "the documents": "POST /v2/supplier_invoices/bulk",
    "a client": "POST /v2/clients",
    "a draft": "POST /v2/client_invoices",
    "the step to final": "POST /v2/client_invoices/[^/]+/finalize",
    "the question for the document": "GET /v2/attachments/.*",
    "the document": "GET /files/.*",
}
CASES = [
    *((place, "during", again) for place in PLACES for again in ("at once", "on another machine")),
    *((place, "after", again) for place in PLACES for again in AGAIN),
    *((place, "before", "at once") for place in PLACES if "document" not in place),
]


def rows_of(office: Office) -> dict[str, list[Row]]:
    return {
        "new_supplier_invoices": [
            {"external_id": f"D-{n}", "file": office.file(f"{n}.pdf", PDF + b"%d" % n)}
            for n in range(3)
        ],
        "new_clients": [CLIENT],
        "new_client_invoices": [
            INVOICE | {"number": "A-7"},
            INVOICE | {"external_id": "S-2", "due_date": "2026-12-15"},
        ],
    }


def text_of(rows: dict[str, list[Row]], without: set[str]) -> str:
    return "".join(
        messages([row for row in records if row["external_id"] not in without], stream=stream)
        for stream, records in rows.items()
    )


@contextmanager
def hurried_office(folder: Path, **writing: Any) -> Iterator[tuple[Office, Made, Hurry]]:
    hurry = Hurry()
    company = Company("office", transactions=10, accounts=2, clock=hurry)
    api = Api(company, clock=hurry, writing=Writing(**writing))
    with DemoServer(api) as server:
        yield Office(server, folder), Made(company), hurry


@pytest.mark.parametrize(("place", "when", "again"), CASES)
def test_a_process_that_is_killed_makes_each_thing_once_in_the_end(
    place: str, when: str, again: str, tmp_path: Path
) -> None:
    with hurried_office(tmp_path, list_delay=30.0) as (office, made, hurry):
        rows = rows_of(office)
        config = {
            "access_token": "access-token-of-the-test",
            "api_url": office.server.api_url,
            "journal_path": str(tmp_path / "journal.sqlite"),
            "results_path": str(tmp_path / "results"),
            "attachments_path": str(tmp_path / "documents"),
            "approve": "within_limits",
        }
        executioner = Executioner(PLACES[place], 1)
        hooks: list[Any] = office.api.after if when == "after" else office.api.before
        hooks.append(getattr(executioner, when))
        executioner.process = start(text_of(rows, set()), config, tmp_path, hurry)
        assert executioner.process.wait(PATIENCE) == -signal.SIGKILL
        hooks.clear()
        way: Callable[[Hurry, Path], str] = AGAIN[again]
        config["journal_path"] = str(tmp_path / way(hurry, tmp_path))
        hurry.ahead += 120  # what was under way is listed by then, for another machine too
        held: set[str] = set()
        for _ in range(3):
            code = finish(text_of(rows, held), config, tmp_path, hurry)
            log = (tmp_path / "run.log").read_text()
            if code != 3:
                break
            # Without its journal an invoice without a number is for a person to judge.
            held |= {name for name, status in office.statuses.items() if status == "held"}
        assert code == 0, log
        assert held <= {"S-2"}
        invoices = made("client_invoices")
        final = [row for row in invoices if row["status"] == "unpaid"]
        assert sorted(row["due_date"] for row in final) == ["2026-12-15", "2026-12-30"]
        drafts = [row["id"] for row in invoices if row["status"] == "draft"]
        assert len(drafts) <= 1
        assert all(draft in log for draft in drafts)
        assert len(made("clients")) == 1
        names = sorted(row["file_name"] for row in made("supplier_invoices"))
        assert names == ["0.pdf", "1.pdf", "2.pdf"]
        documents = list((tmp_path / "documents").glob("client_invoice_attachments/*/*.pdf"))
        assert len(documents) >= 2 - len(held)
        # And the next time, nothing.
        before = office.posts("")
        assert finish(text_of(rows, held), config, tmp_path, hurry) == 0
        assert office.posts("") == before
