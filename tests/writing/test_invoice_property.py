"""Whatever rows come and whatever goes wrong: each client, invoice and document is made once.

The oracle is the demo company: its rows bear the names of those that they were made for.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_qonto.api.errors import SentenceError
from tap_qonto.demo import Request
from tap_qonto.singer.stop import Stop
from tap_qonto.writing.files import Files
from tap_qonto.writing.plan import Limits
from tap_qonto.writing.results import Results
from tap_qonto.writing.rows import Inbox
from tap_qonto.writing.run import Terms, World, carry_out
from tap_qonto.writing.streams import READERS
from tests.kit.cases import thorough
from tests.writing.bank import (
    KEY_LIFE,
    Bank,
    Row,
    fail_after,
    instead,
    lose_answer,
    lose_request,
    refuse_connection,
    work_on,
)
from tests.writing.office import CLIENT, INVOICE, PDF, Made
from tests.writing.runs import DyingBank, Killed, Killer, StoppingJournal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_qonto.api.answers import Reply
    from tap_qonto.api.pages import Post
    from tap_qonto.writing.journal import Journal
    from tap_qonto.writing.lookups import Organization

SUPPLIER, CLIENTS, INVOICES = "new_supplier_invoices", "new_clients", "new_client_invoices"


def fail_item(position: int) -> Any:
    """Let one of the documents that are sent together fail, wherever it stands."""

    def fault(bank: Bank, post: Post, work: Callable[[], Reply]) -> Reply:
        if not post.path.endswith("/bulk"):
            return instead(422, "invalid")(bank, post, work)  # type: ignore[no-any-return]
        reply = work()
        keys, files = (
            re.findall(rb"\[%s\]\W+(\S+)" % name, post.body)
            for name in (b"idempotency_key", b"attachment_id")
        )
        place = position % len(keys)
        key, file = keys[place].decode(), files[place].decode()
        body = json.loads(reply.body)
        name = (bank.company.get("attachments", file) or {})["file_name"]
        [gone] = [row for row in body["supplier_invoices"] if row["file_name"] == name]
        body["supplier_invoices"].remove(gone)
        bank.company.remove("supplier_invoices", gone["id"])
        bank.company.remove("answers", f"supplier_invoices[] {key}")
        pointer = f"/supplier_invoices/idempotency_key/{key}/file"
        body["errors"].append({"code": "invalid", "source": {"pointer": pointer}})
        return reply._replace(body=json.dumps(body).encode())

    return fault


FAULTS: list[Any] = [
    None, None, None, lose_answer, lose_request, fail_after, refuse_connection, instead(500),
    instead(429), instead(422, "invalid"),
]  # fmt: skip


PATHS = ("clients", "client_invoices", "finalize", "attachments", "bulk")


class Office(Bank):
    """The company, whose requests to write go wrong in order, whatever they ask for."""

    queues: dict[str, deque[Any]]

    def send(self, _method: str, path: str, **options: Any) -> Reply:
        queue = self.queues.get(path.rpartition("/")[2])
        self.faults = {path: deque([queue.popleft()])} if queue else {}
        return super().send(_method, path, **options)


class Host:
    """Gives the documents that the company links to."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    @contextmanager
    def open(self, url: str, _what: str) -> Iterator[Any]:
        parts = urlsplit(url)
        response = self._bank.api(Request("GET", parts.path, parse_qsl(parts.query)))
        assert response.status == 200
        body = response.body
        blocks = [body] if isinstance(body, bytes) else body
        yield SimpleNamespace(length=None, blocks=iter(blocks))


class Round(NamedTuple):
    """One run, and what happens before and during it."""

    clients: tuple[bool, ...]
    invoices: tuple[bool, ...]
    documents: int
    faults: tuple[tuple[str, int], ...]
    """What happens to the requests for a path, in order: a fault, or which document fails."""
    dies_at: int | None
    later: bool
    """Whether the company has forgotten all keys by then."""
    is_journal_lost: bool


class Past(NamedTuple):
    """A company and a history of runs."""

    lag: float
    keeps: bool
    """Whether it keeps the IDs of uploaded files."""
    rounds: tuple[Round, ...]


CLIENT_ROWS: list[Row] = [
    CLIENT,
    CLIENT | {"external_id": "C-2", "email": "other@lac.example"},  # the same one
    {**CLIENT, "external_id": "C-3", "name": "Durand", "vat_number": "", "email": "d@d.example"},
]
INVOICE_ROWS: list[Row] = [
    INVOICE | {"due_date": "2026-12-01"},
    INVOICE | {"external_id": "S-2", "due_date": "2026-12-02", "number": "A-7", "client": "C-2"},
    INVOICE | {"external_id": "S-3", "due_date": "2026-12-03", "client": "C-3"},
    INVOICE | {"external_id": "S-4", "due_date": "2026-12-04", "finalize": "no"},
]


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    # A journal that is lost while the company still works, or does not list yet what it has made,
    # leaves nothing by which anybody could tell.
    is_lost = draw(st.booleans())
    kinds = len(FAULTS) + 20
    rounds = st.builds(
        Round,
        clients=st.tuples(*[st.booleans()] * len(CLIENT_ROWS)),
        invoices=st.tuples(*[st.booleans()] * len(INVOICE_ROWS)),
        documents=st.sampled_from((0, 0, 1, 3, 20, 21)),
        faults=st.lists(
            st.tuples(
                st.sampled_from(PATHS),
                st.integers(0, len(FAULTS) - 1) | st.integers(-1 + is_lost, kinds),
            ),
            max_size=8,
        ).map(tuple),
        dies_at=st.none() | st.integers(0, 60),
        later=st.booleans(),
        is_journal_lost=st.booleans() if is_lost else st.just(value=False),
    )
    return Past(
        lag=0.0 if is_lost else draw(st.sampled_from((0.0, 30.0))),
        keeps=draw(st.booleans()),
        rounds=tuple(draw(st.lists(rounds, min_size=1, max_size=3))),
    )


def rows_of(each: Round, folder: Path, but: set[str]) -> dict[str, list[Row]]:
    documents = []
    for number in range(each.documents):
        file = folder / f"d{number:02}.pdf"
        file.write_bytes(PDF + b"%d" % number)
        documents.append({"external_id": f"D-{number}", "file": str(file)})
    wanted = {
        CLIENTS: [row for row, is_there in zip(CLIENT_ROWS, each.clients, strict=True) if is_there],
        INVOICES: [
            row for row, is_there in zip(INVOICE_ROWS, each.invoices, strict=True) if is_there
        ],
        SUPPLIER: documents,
    }
    return {
        stream: [row for row in rows if row["external_id"] not in but]
        for stream, rows in wanted.items()
    }


class Told(NamedTuple):
    """What a run left behind."""

    exit_code: int
    statuses: dict[str, str]
    sentence: str = ""


def run(bank: Office, rows: dict[str, list[Row]], folder: Path, killer: Killer) -> Told:
    """Run the target once, until it dies or ends."""
    stop = Stop()

    def pause(seconds: float) -> bool:
        bank.now += seconds
        return False

    def journal_of(organization: Organization) -> Journal:
        opened = StoppingJournal(
            folder / "journal", organization_id=organization.id, environment="sandbox"
        )
        opened.at = killer
        return opened

    inbox = Inbox(READERS, 500)
    for stream, records in rows.items():
        for row in records:
            inbox.add(stream, row)
    results = folder / "results"
    for path in results.glob("*/*.jsonl"):
        path.unlink()
    world = World(
        client=bank,
        carrier=DyingBank(bank, killer),
        files=Files(lambda: Host(bank)),  # type: ignore[arg-type, return-value]
        journal_of=journal_of,
        results=Results(str(results), "run"),
        stop=stop,
        clock=bank.clock,
        pause=pause,
        concurrency=1,
    )
    terms = Terms(Limits("within_limits", None, None), "sandbox", None, "match", 20.0)
    code, sentence = 0, ""
    try:
        carry_out(inbox, terms, world)
    except SentenceError as error:
        code, sentence = error.exit_code, str(error)
    lines = [line for path in results.glob("*/*.jsonl") for line in path.read_text().splitlines()]
    told = (json.loads(line) for line in lines)
    return Told(code, {row["external_id"]: row["status"] for row in told}, sentence)


def live(bank: Office, folder: Path, each: Round) -> None:
    """Let one round happen."""
    bank.now += KEY_LIFE + 60 if each.later else 61
    if each.is_journal_lost:
        for path in folder.glob("journal*"):
            path.unlink()
    for asked, kind in each.faults:
        fault = work_on(45.0) if kind < 0 else fail_item(kind - len(FAULTS))
        bank.queues.setdefault(asked, deque()).append(
            FAULTS[kind] if 0 <= kind < len(FAULTS) else fault
        )
    with suppress(Killed):
        run(bank, rows_of(each, folder, set()), folder, Killer(each.dies_at))
    bank.queues.clear()
    bank.clock()


WHOLE = Round((True,) * 3, (True,) * 4, 21, (), None, later=False, is_journal_lost=False)


def settle(bank: Office, folder: Path) -> set[str]:
    """Run all that is wanted until nothing is left open; return what a person has to judge."""
    held: set[str] = set()
    for _ in range(6):
        bank.now += 120
        told = run(bank, rows_of(WHOLE, folder, held), folder, Killer())
        if told.exit_code == 0:
            return held
        held |= {name for name, status in told.statuses.items() if status == "held"}
    raise AssertionError(told)


def check(past: Past, caplog: pytest.LogCaptureFixture) -> None:
    """Let a history happen, settle what is left, and compare what there is with the rows."""
    caplog.clear()
    caplog.set_level("WARNING")
    bank = Office(lag=past.lag, keeps=past.keeps)
    bank.queues = {}
    made = Made(bank.company)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for each in past.rounds:
            live(bank, folder, each)
        held = settle(bank, folder)
        bank.now += 3_600
        bank.clock()
    invoices = made("client_invoices")
    final = Counter(row["due_date"] for row in invoices if row["status"] == "unpaid")
    assert final == {f"2026-12-0{number}": 1 for number in (1, 2, 3)}, caplog.text
    drafts = [row for row in invoices if row["status"] == "draft"]
    assert "2026-12-04" in {row["due_date"] for row in drafts}
    assert all(row["id"] in caplog.text for row in drafts if row["due_date"] != "2026-12-04")
    assert held <= {"S-1", "S-3"}
    assert sorted(row["name"] for row in made("clients")) == [CLIENT["name"], "Durand"]
    files = sorted(row["file_name"] for row in made("supplier_invoices"))
    assert files == [f"d{number:02}.pdf" for number in range(21)], caplog.text


def after(*faults: tuple[str, int], **other: Any) -> Round:
    return WHOLE._replace(faults=faults, **other)


LATE, LOST, GONE, FAILED = -1, 3, 4, len(FAULTS)
PASTS = {
    "a document that fails": Past(30.0, True, (after(("bulk", FAILED + 19)),)),
    "documents lost, without their ids": Past(
        0.0, False, (after(("bulk", LOST), ("bulk", GONE)),)
    ),
    "everything lost once": Past(30.0, True, (
        after(*((path, LOST) for path in PATHS)), after(*((path, GONE) for path in PATHS)),
    )),
    "everything done late": Past(0.0, True, (
        after(*((path, LATE) for path in PATHS)),
    )),
    "dead, and without its journal": Past(0.0, True, (
        after(dies_at=20), after(is_journal_lost=True, later=True),
    )),
}  # fmt: skip


@pytest.mark.parametrize("past", thorough(PASTS, "everything lost once"))
def test_after_some_accidents_each_row_is_made_once(
    past: Past, caplog: pytest.LogCaptureFixture
) -> None:
    check(past, caplog)


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(past=pasts())
def test_each_row_is_made_once_and_none_is_forgotten(
    past: Past, caplog: pytest.LogCaptureFixture
) -> None:
    check(past, caplog)
