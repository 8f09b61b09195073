"""Runs of the target against the bank, to their end or until they are killed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import SentenceError, StoppedError
from tap_qonto.singer.stop import Stop
from tap_qonto.writing.files import Files
from tap_qonto.writing.journal import Entry, Journal
from tap_qonto.writing.plan import Limits
from tap_qonto.writing.results import Results
from tap_qonto.writing.rows import Inbox
from tap_qonto.writing.run import Terms, World, carry_out
from tap_qonto.writing.transfer_rows import READER, STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tap_qonto.api.answers import Reply
    from tap_qonto.writing.lookups import Organization
    from tests.writing.bank import Bank

Row = dict[str, Any]


class Killed(BaseException):
    """The process died here."""


@dataclass
class Told:
    """What one run left behind."""

    exit_code: int
    sentence: str
    settled: bool
    log: str
    results: list[Row]

    @property
    def statuses(self) -> dict[str, str]:
        """The status of every row, by external ID."""
        return {row["external_id"]: row["status"] for row in self.results}

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return self.log.partition("Plan ")[2][:14]


class StoppingJournal(Journal):
    """A journal whose every commit is a place to die at, before and after it."""

    at: Callable[[str], None] = staticmethod(lambda _place: None)

    def _put(self, entry: Entry) -> Entry:
        self.at(f"before {entry.state} is on the disk")
        super()._put(entry)
        self.at(f"after {entry.state} is on the disk")
        return entry


class Killer:
    """Kills a run at the place of a number, counted from 0; None counts the places only."""

    def __init__(self, number: int | None = None) -> None:
        self._number = number
        self.places: list[str] = []

    def __call__(self, place: str) -> None:
        self.places.append(place)
        if self._number is not None and len(self.places) > self._number:
            raise Killed(place)


class DyingBank:
    """A bank whose every request to write is a place to die at, before and after the work."""

    def __init__(self, bank: Bank, at: Callable[[str], None]) -> None:
        self._bank = bank
        self._at = at
        self.renew = bank.renew

    def send(self, method: str, path: str, *, leaving: Callable[[], None], **options: Any) -> Reply:
        self._at(f"before POST {path}")

        def left() -> None:
            leaving()
            self._at(f"while POST {path} leaves")

        reply = self._bank.send(method, path, leaving=left, **options)
        self._at(f"after POST {path}")
        return reply


def run(
    bank: Bank,
    rows: Iterable[Row],
    folder: Path,
    caplog: Any,
    *,
    approve: str | None = None,
    killer: Killer | None = None,
    stop_at: Callable[[str], int | None] = lambda _place: None,
    max_transfer: int | None = None,
    max_total: int | None = None,
    payee_check: str = "match",
    bank_account_id: str | None = None,
    request_timeout: float = 60.0,
    journal: str = "journal.sqlite",
) -> Told:
    """Run the target once over rows.

    Args:
        bank: What it talks to.
        rows: The input.
        folder: Where journal and results lie.
        caplog: Pytest's own.
        approve: The setting; ``"plan"`` makes a plan first and approves it.
        killer: Where the process dies, if it does; `Killed` then comes out.
        stop_at: Returns the number of a signal that comes at a place.
    """
    if approve == "plan":
        shown = run(
            bank, rows, folder, caplog,
            payee_check=payee_check, bank_account_id=bank_account_id, journal=journal,
        )  # fmt: skip
        approve = shown.digest
    caplog.clear()
    caplog.set_level("INFO")
    stop = Stop()
    at = killer or Killer()

    def here(place: str) -> None:
        if signum := stop_at(place):
            stop.ask(signum)
        at(place)

    def pause(seconds: float) -> bool:
        bank.now += seconds
        return stop.signum is not None

    def journal_of(organization: Organization) -> Journal:
        opened = StoppingJournal(
            folder / journal, organization_id=organization.id, environment="sandbox"
        )
        opened.at = here
        return opened

    inbox = Inbox({STREAM: READER}, 500)
    results = folder / "results"
    before = set(results.glob("*/*.jsonl"))
    world = World(
        client=bank,
        carrier=DyingBank(bank, here),
        files=Files(lambda: (_ for _ in ()).throw(AssertionError)),
        journal_of=journal_of,
        results=Results(str(results), f"run-{len(before):04}"),
        stop=stop,
        clock=bank.clock,
        pause=pause,
    )
    terms = Terms(
        limits=Limits(approve, max_transfer, max_total),
        environment="sandbox",
        bank_account_id=bank_account_id,
        payee_check=payee_check,
        request_timeout=request_timeout,
    )
    exit_code, sentence, settled = 0, "", False
    try:
        for each in rows:
            inbox.add(STREAM, each)
        settled = carry_out(inbox, terms, world)
    except SentenceError as error:
        exit_code, sentence = error.exit_code, str(error)
    except StoppedError as error:
        exit_code = 128 + error.signum
    new = set(results.glob("*/*.jsonl")) - before
    lines = [json.loads(line) for path in new for line in path.read_text().splitlines()]
    return Told(exit_code, sentence, settled, caplog.text + sentence, lines)


def die(
    bank: Bank, rows: Iterable[Row], folder: Path, caplog: Any, killer: Killer, **options: Any
) -> None:
    """Run the target until it dies."""
    with suppress(Killed):
        run(bank, rows, folder, caplog, killer=killer, **options)


def journal(folder: Path) -> list[tuple[Any, ...]]:
    """Return external ID, state, attempts and code of everything in a journal."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as database:
        return database.execute(
            "SELECT external_id, state, attempts, code FROM writes ORDER BY external_id"
        ).fetchall()
