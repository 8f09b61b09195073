"""The demo company as a bank that a test owns: its clock, its payees, its faults.

It answers where the target's client would, so that a test can stop a run between any two steps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from tap_qonto.api.answers import Reply
from tap_qonto.api.errors import FaultError, NotReadableError, NotSentError
from tap_qonto.api.instants import from_datetime
from tap_qonto.api.pages import Page, Post
from tap_qonto.demo import Api, Company, Request, Writing

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Mapping

    from tap_qonto.api.pages import Query

Row = dict[str, Any]

TRANSFERS: Final = "/sepa/transfers"
CHECKS: Final = "/sepa/verify_payee"

KEY_LIFE: Final = 1_800.0
"""Seconds for which the bank remembers an idempotency key."""

PAYEES: Final = 12
"""Trusted payees, numbered from 1, whom the tests pay."""


def payee_id(number: int) -> str:
    """Return the ID of a payee."""
    return f"00000000-0000-4000-8000-{number:012}"


def iban(number: int) -> str:
    """Return the IBAN of a payee."""
    account = f"3000400000{number:011}00"
    return f"FR{98 - int(f'{account}152700') % 97:02}{account}"


def row(number: int, **cells: Any) -> Row:
    """Return a row that pays the payee of that number."""
    return {
        "external_id": f"INV-{number}",
        "amount": f"{100 + number}.50",
        "beneficiary_iban": iban(number),
        "reference": f"Invoice {number}",
    } | cells


@dataclass
class Bank:
    """One company.

    Attributes:
        now: The present, in seconds since the epoch, which only tests and pauses move.
        lag: Seconds for which a new transfer is not listed.
        locks: Whether a key in flight is waited for; else it is worked on twice.
        keeps: Whether supplier invoices keep the IDs of their uploaded files.
        cents: What can be spent from the main account.
        people: How many payees there are.
        names: What the payee check says instead of the truth, by payee's name.
        faults: What happens to the next requests for a path, in order.
        requests: Method and path of every request.
        bodies: What was asked of transfers.
        renewals: How often credentials can be renewed.
    """

    now: float = datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp()
    lag: float = 0.0
    locks: bool = False
    keeps: bool = True
    cents: int = 10_000_000
    people: int = PAYEES
    names: dict[str, str] = field(default_factory=dict)
    faults: dict[str, deque[Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Row] = field(default_factory=list)
    renewals: int = 0
    _late: list[tuple[float, Post]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def clock() -> datetime:
            return datetime.fromtimestamp(self.now, UTC)

        self.company = Company("bank", transactions=10, accounts=2, clock=clock)
        self.api = Api(
            self.company,
            clock=clock,
            writing=Writing(
                list_delay=self.lag,
                lock_keys=self.locks,
                key_life=KEY_LIFE,
                keep_attachment_id=self.keeps,
            ),
        )
        for number in range(1, self.people + 1):
            self.company.put(
                "beneficiaries",
                {
                    "id": payee_id(number),
                    "name": f"Payee {number}",
                    "iban": iban(number),
                    "bic": "BNPAFRPP",
                    "email": None,
                    "activity_tag": "other",
                    "status": "validated",
                    "trusted": True,
                    "created_at": "2026-01-01T00:00:00.000Z",
                    "updated_at": "2026-01-01T00:00:00.000Z",
                },
            )
        self.main, self.other = (
            account["id"] for account in self.company.rows("bank_accounts")
            if not account["is_external_account"]
        )  # fmt: skip
        self.company.change(
            "bank_accounts", self.main, iban="FR7616958000010000004325663",
            balance_cents=self.cents, authorized_balance_cents=self.cents,
        )  # fmt: skip
        self._before = {transfer["id"] for transfer in self.company.rows("sepa_transfers")}

    # Questions

    def clock(self) -> float:
        """Return the present; what the bank was still working on is done by now."""
        self._catch_up(self.now)
        return self.now

    def _catch_up(self, until: float) -> None:
        """Finish what the bank was still working on, each at its time."""
        present = self.now
        for due, post in sorted(self._late):
            if due <= until:
                self._late.remove((due, post))
                self.now = due
                self._work(post)
        self.now = max(present, self.now) if until > present else present

    def get(self, query: Query) -> Row:
        """Answer a question for one object."""
        status, body = self._ask(query.path, query.params)
        if status != 200:
            msg = f"GET {query.path} answered {status}"
            raise NotReadableError(msg, status=status)
        return body

    def whole_page(self, query: Query, envelope: str, number: int) -> Page:
        """Answer a question for a list, a hundred rows per page."""
        page = (("page", str(number)), ("per_page", "100"))
        status, body = self._ask(query.path, (*query.params, *page))
        assert status == 200, body
        return Page(body[envelope], number, pages=body["meta"]["total_pages"])

    def _ask(self, path: str, params: Iterable[tuple[str, str]]) -> tuple[int, Row]:
        self.requests.append(("GET", path))
        self.clock()
        query = [(name, unquote(value)) for name, value in params]
        response = self.api(Request("GET", f"/v2{path}", query))
        assert isinstance(response.body, bytes)
        return response.status, msgspec.json.decode(response.body)

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
        post = Post(path, body, headers.get("X-Qonto-Idempotency-Key", ""), headers["Content-Type"])
        leaving()
        self.requests.append(("POST", path))
        self.clock()
        waiting = self.faults.get(path)
        fault = waiting.popleft() if waiting else None

        def work() -> Reply:
            if self.locks:
                self._catch_up(
                    max((due for due, late in self._late if late.key == post.key), default=self.now)
                )
            return self._work(post)

        return fault(self, post, work) if fault else work()

    def _work(self, post: Post) -> Reply:
        headers = {"Content-Type": post.content_type}
        if post.key:
            headers["X-Qonto-Idempotency-Key"] = post.key
        if post.path == TRANSFERS:
            self.bodies.append(json.loads(post.body))
        response = self.api(Request("POST", f"/v2{post.path}", (), headers, post.body))
        assert isinstance(response.body, bytes)
        body = response.body
        if post.path == CHECKS and response.status == 200:
            said = json.loads(body)
            name = json.loads(post.body)["beneficiary_name"]
            if name in self.names:
                said["match_result"] = f"MATCH_RESULT_{self.names[name]}"
            body = json.dumps(said).encode()
        return Reply(response.status, response.headers, body, self.now, "Bearer token")

    def work_late(self, post: Post, seconds: float) -> None:
        """Go on working on a request, and be done so many seconds from now."""
        self._late.append((self.now + seconds, post))

    # For tests

    def by_hand(self, number: int, *, days: float = 1, **changed: Any) -> None:
        """Let a person pay what `row` of that number asks for, so many days ago."""
        at = stamp(self.now - days * 86_400)
        cents = 100 * (100 + number) + 50
        transfer = next(self.company.rows("sepa_transfers")) | {
            "id": f"00000000-0000-4000-9000-{len(self._before):012}",
            "status": "settled",
            "amount_cents": cents,
            "beneficiary_id": payee_id(number),
            "reference": f"Invoice {number}",
            "note": None,
            "created_at": at,
            "updated_at": at,
        }
        self._before.add(transfer["id"])
        self.company.put("sepa_transfers", transfer | changed)

    def change_payee(self, number: int, **fields: Any) -> None:
        """Let a payee be another one."""
        self.company.change("beneficiaries", payee_id(number), **fields)

    @property
    def transfers(self) -> list[Row]:
        """What was sent through the API."""
        rows = self.company.rows("sepa_transfers")
        return [transfer for transfer in rows if transfer["id"] not in self._before]

    @property
    def posts(self) -> list[str]:
        """Paths of all requests to write, in order."""
        return [path for method, path in self.requests if method == "POST"]

    def paid(self) -> dict[str, int]:
        """Return how often each reference was paid through the API."""
        counts: dict[str, int] = {}
        for transfer in self.transfers:
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


def instead(status: int, code: str = "", **headers: str) -> Any:
    """Answer with a refusal and do nothing."""
    reply = answer(status, {"errors": [{"code": code}]} if code else b"", **headers)
    return lambda _bank, _post, _work: reply


def gives(reply: Any) -> Any:
    """Return the fault that gives an answer."""
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
        bank.work_late(post, seconds)
        bank.now += timeout
        msg = "not complete within request_timeout"
        raise FaultError(msg)

    return fault
