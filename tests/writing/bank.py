"""A bank in memory that keeps the promises of Qonto's API, and no others; and runs against it.

It answers where the target's client would, so that a test can stop a run between any two steps.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.api.answers import Reply
from tap_qonto.api.errors import (
    FaultError,
    NotReadableError,
    NotSentError,
    SentenceError,
    StoppedError,
)
from tap_qonto.api.instants import from_datetime
from tap_qonto.api.pages import Page, Post
from tap_qonto.singer.stop import Stop
from tap_qonto.writing.files import Files
from tap_qonto.writing.journal import Entry, Journal
from tap_qonto.writing.plan import Limits
from tap_qonto.writing.results import Results
from tap_qonto.writing.rows import Inbox
from tap_qonto.writing.run import Terms, World, carry_out
from tap_qonto.writing.transfer_rows import READER, STREAM

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tap_qonto.api.pages import Query
    from tap_qonto.writing.lookups import Organization

Row = dict[str, Any]

ORGANIZATION: Final = "0b1f6f3e-27d4-4a5e-9f3e-0c2a3d4e5f60"
ACCOUNT: Final = "018f71db-c635-78b5-b90a-ea05de98c2bf"
SAVINGS: Final = "018f71db-c635-78b5-b90a-ea05de98c2c0"

TRANSFERS: Final = "/sepa/transfers"
CHECKS: Final = "/sepa/verify_payee"

KEY_LIFE: Final = 1_800.0
"""Seconds for which the bank remembers an idempotency key."""


class Killed(BaseException):
    """The process died here."""


def iban(number: int) -> str:
    """Return the IBAN of a payee."""
    return f"FR76300040000{number:014}"


def row(number: int, **cells: Any) -> Row:
    """Return a row that pays the payee of that number."""
    return {
        "external_id": f"INV-{number}",
        "amount": f"{100 + number}.50",
        "beneficiary_iban": iban(number),
        "reference": f"Invoice {number}",
    } | cells


Fault = "Callable[[Bank, Post, Callable[[], Reply]], Reply]"
"""What happens to a request instead of its answer; it may do the work."""


@dataclass
class Bank:
    """One organization's bank.

    Attributes:
        now: The present, in seconds since the epoch, which only tests and pauses move.
        lag: Seconds for which a new transfer is not listed.
        locks: Whether a key in flight is refused; else it is worked on twice.
        balance: Cents of the main account.
        names: How the payee check answers, by payee's name.
        faults: What happens to the next requests for a path, in order.
    """

    now: float = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()
    lag: float = 0.0
    locks: bool = False
    balance: int = 10_000_000
    payees: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    faults: dict[str, deque[Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Row] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    renewals: int = 0
    """How often credentials can be renewed."""
    _answers: dict[str, tuple[float, Row]] = field(default_factory=dict)
    _late: list[tuple[float, str, Row]] = field(default_factory=list)
    _tokens: int = 0

    def __post_init__(self) -> None:
        if not self.payees:
            self.payees = [
                {
                    "id": f"payee-{number}",
                    "name": f"Payee {number}",
                    "iban": iban(number),
                    "status": "validated",
                    "trusted": True,
                }
                for number in range(1, 13)
            ]

    # Questions

    def clock(self) -> float:
        """Return the present; what the bank was still working on is done by now."""
        for due, key, transfer in sorted(self._late, key=lambda late: late[0]):
            if due <= self.now:
                self._late.remove((due, key, transfer))
                self._create(key, transfer, due)
        return self.now

    def get(self, query: Query) -> Row:
        """Answer a question for one object."""
        self.requests.append(("GET", query.path))
        self.clock()
        if query.path == "/organization":
            return {
                "organization": {
                    "id": ORGANIZATION,
                    "name": "Acme SAS",
                    "bank_accounts": [
                        {
                            "id": ACCOUNT,
                            "iban": "FR7616958000010000004325663",
                            "main": True,
                            "status": "active",
                            "balance_cents": self.balance,
                            "authorized_balance_cents": self.balance,
                        },
                        {
                            "id": SAVINGS,
                            "iban": "FR7616958000010000004321234",
                            "main": False,
                            "status": "active",
                            "balance_cents": 5_000,
                        },
                    ],
                }
            }
        wanted = query.path.rpartition("/")[2]
        for found in self.payees if "beneficiaries" in query.path else self.transfers:
            if found["id"] == wanted:
                name = "beneficiary" if "beneficiaries" in query.path else "transfer"
                return {name: found}
        msg = "not found"
        raise NotReadableError(msg, status=404)

    def page(self, query: Query, envelope: str, number: int) -> Page:
        """Answer a question for a list, a hundred rows per page."""
        self.requests.append(("GET", query.path))
        self.clock()
        since = dict(query.params).get("updated_at_from", "")
        rows = self.payees
        if envelope == "transfers":
            rows = sorted(
                (
                    transfer
                    for transfer in self.transfers
                    if transfer["updated_at"] >= since and self._seen(transfer) <= self.now
                ),
                key=lambda transfer: str(transfer["updated_at"]),
            )
            payees = [value for name, value in query.params if name == "beneficiary_ids[]"]
            rows = [each for each in rows if not payees or each["beneficiary_id"] in payees]
        elif ibans := [value for name, value in query.params if name == "iban[]"]:
            rows = [each for each in rows if each["iban"] in ibans]
        start = (number - 1) * 100
        pages = max(1, -(-len(rows) // 100))
        return Page(rows[start : start + 100], number, pages=pages, total=len(rows))

    def _seen(self, transfer: Row) -> float:
        created = datetime.fromisoformat(transfer["created_at"]).timestamp()
        return created + (self.lag if transfer["by"] == "api" else 0.0)

    # Writes

    def renew(self, _reply: Reply) -> bool:
        """Renew the credentials, if the test allows it."""
        self.renewals -= 1
        return self.renewals >= 0

    def send(
        self,
        _method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        leaving: Callable[[], None],
    ) -> Reply:
        """Do what a request asks for, or what the test wants to happen instead."""
        post = Post(path, body, headers.get("X-Qonto-Idempotency-Key", ""))
        leaving()
        self.requests.append(("POST", post.path))
        self.clock()
        waiting = self.faults.get(post.path)
        fault = waiting.popleft() if waiting else None

        def work() -> Reply:
            return self._work(post)

        return fault(self, post, work) if fault else work()

    def _work(self, post: Post) -> Reply:
        if post.path == CHECKS:
            return self._check(json.loads(post.body))
        if post.path == "/attachments":
            if post.key not in self.uploads:
                self.uploads[post.key] = post.body
            known = list(self.uploads).index(post.key)
            return answer(200, {"attachment": {"id": f"file-{known}"}})
        body = json.loads(post.body)
        self.bodies.append(body)
        return self._transfer(post.key, body)

    def _check(self, body: Row) -> Reply:
        result = self.names.get(body["beneficiary_name"], "MATCH")
        self._tokens += 1
        token = f"1|1|{self._tokens}|{body['iban']}"
        return answer(
            200, {"match_result": f"MATCH_RESULT_{result}", "proof_token": {"token": token}}
        )

    def _transfer(self, key: str, body: Row) -> Reply:
        stored = self._answers.get(key)
        if stored and self.now - stored[0] < KEY_LIFE:
            return answer(200, {"transfer": stored[1]})
        if self.locks and any(key == late for _, late, _ in self._late):
            return refusal(409, "conflict")
        transfer = body["transfer"]
        payee = next(
            (each for each in self.payees if each["id"] == transfer["beneficiary_id"]), None
        )
        if not body.get("vop_proof_token", "").endswith(payee["iban"] if payee else "?"):
            return refusal(401, "vop_proof_token_invalid")
        if not isinstance(transfer["amount"], str):
            return refusal(400, "not_a_string")
        cents = int(Decimal(transfer["amount"]) * 100)
        if cents > 3_000_000 and not transfer.get("attachment_ids"):
            return refusal(422, "invalid")
        if not payee or not payee["trusted"]:
            return answer(428, {"code": "sca_required", "sca_session_token": "Zk3" * 21})
        if cents > self.balance:
            return refusal(400, "insufficient_funds")
        return answer(200, {"transfer": self._create(key, transfer, self.now)})

    def _create(self, key: str, transfer: Row, at: float) -> Row:
        cents = int(Decimal(transfer["amount"]) * 100)
        created = {
            "id": f"transfer-{len(self.transfers)}",
            "status": "pending",
            "amount": cents / 100,
            "amount_cents": cents,
            "amount_currency": "EUR",
            "beneficiary_id": transfer["beneficiary_id"],
            "bank_account_id": transfer["bank_account_id"],
            "reference": transfer["reference"],
            "note": transfer.get("note"),
            "scheduled_date": transfer.get("scheduled_date"),
            "attachment_ids": transfer.get("attachment_ids", []),
            "created_at": stamp(at),
            "updated_at": stamp(at),
            "by": "api",
        }
        self.transfers.append(created)
        self._answers[key] = (at, created)
        self.balance -= cents
        return created

    def work_late(self, key: str, body: Row, seconds: float) -> None:
        """Go on working on a transfer, and be done so many seconds from now."""
        self._late.append((self.now + seconds, key, body["transfer"]))

    # For tests

    def by_hand(self, number: int, *, days: float = 1, **changed: Any) -> None:
        """Let a person pay what `row` of that number asks for, so many days ago."""
        at = stamp(self.now - days * 86_400)
        cents = 100 * (100 + number) + 50
        self.transfers.append(
            {
                "id": f"hand-{number}",
                "status": "settled",
                "amount_cents": cents,
                "beneficiary_id": f"payee-{number}",
                "reference": f"Invoice {number}",
                "note": None,
                "created_at": at,
                "updated_at": at,
                "by": "hand",
            }
            | changed
        )

    @property
    def posts(self) -> list[str]:
        """Paths of all requests to write, in order."""
        return [path for method, path in self.requests if method == "POST"]

    def paid(self) -> dict[str, int]:
        """Return how often each reference was paid through the API."""
        counts: dict[str, int] = {}
        for transfer in self.transfers:
            if transfer["by"] == "api":
                counts[transfer["reference"]] = counts.get(transfer["reference"], 0) + 1
        return counts


def stamp(seconds: float) -> str:
    """Return an instant as Qonto writes it."""
    return from_datetime(datetime.fromtimestamp(seconds, UTC))


def answer(status: int, body: Any = b"", **headers: str) -> Reply:
    """Return an answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, data, 0.0, "Bearer token")


def refusal(status: int, code: str) -> Reply:
    """Return a refusal in Qonto's usual shape."""
    return answer(status, {"errors": [{"code": code, "detail": "No."}], "trace_id": "t1"})


# Faults


def instead(status: int, code: str = "", **headers: str) -> Any:
    """Answer with a refusal and do nothing."""
    reply = answer(status, {"errors": [{"code": code}]} if code else b"", **headers)
    return lambda _bank, _post, _work: reply


def lose_answer(_bank: Bank, _post: Post, work: Callable[[], Reply]) -> Reply:
    """Do the work and cut the answer off."""
    work()
    msg = "the connection broke"
    raise FaultError(msg)


def fail_after(_bank: Bank, _post: Post, work: Callable[[], Reply]) -> Reply:
    """Do the work and answer 500."""
    work()
    return answer(500)


def lose_request(_bank: Bank, _post: Post, _work: Callable[[], Reply]) -> Reply:
    """Do nothing and close the connection."""
    msg = "the connection broke"
    raise FaultError(msg)


def refuse_connection(_bank: Bank, _post: Post, _work: Callable[[], Reply]) -> Reply:
    """Refuse the connection."""
    msg = "the connection was refused"
    raise NotSentError(msg)


def work_on(seconds: float, timeout: float = 20.0) -> Any:
    """Let the request time out, and be done with it so many seconds after it arrived."""

    def fault(bank: Bank, post: Post, _work: Callable[[], Reply]) -> Reply:
        bank.work_late(post.key, json.loads(post.body), seconds)
        bank.now += timeout
        msg = "not complete within request_timeout"
        raise FaultError(msg)

    return fault


# Runs


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
