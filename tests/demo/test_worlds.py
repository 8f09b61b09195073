"""Each world does what it says, so that whoever holds in it has held something."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import requests

from tap_qonto.demo import WORLDS, Api, Company, Request, Response
from tap_qonto.demo.world.moments import parse
from tests.kit.cases import some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Row = dict[str, Any]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHANGED = ("sort_by", "updated_at:asc")
"""The one order in which transactions are asked for."""


class Visitor:
    """Asks an application that plays a world."""

    def __init__(self, name: str, company: Company | None = None) -> None:
        self.company = company or Company(transactions=400)
        world = WORLDS[name]
        self.api = Api(self.company, clock=lambda: NOW, **world.options)
        world.play(self.api)
        self.account = ("bank_account_id", self.company.accounts[0].id)

    def send(self, path: str, *query: tuple[str, str], root: str = "/v2") -> Response:
        return self.api(Request("GET", f"{root}{path}", query))

    def ask(self, path: str, *query: tuple[str, str]) -> Any:
        answer = self.send(path, *query)
        assert answer.status == 200
        assert isinstance(answer.body, bytes)
        return msgspec.json.decode(answer.body)

    def status(self, path: str, *query: tuple[str, str]) -> int:
        return self.send(path, *query).status

    def read(self, path: str, envelope: str, *query: tuple[str, str]) -> list[Row]:
        """Read page after page, as a careless client does."""
        rows: list[Row] = []
        page = pages = 1
        while page <= pages:
            body = self.ask(path, *query, ("page", str(page)), ("per_page", "100"))
            pages = body["meta"]["total_pages"]
            rows += body[envelope]
            page += 1
        return rows

    def files(self) -> Sequence[str]:
        """Return ids of documents, enough to meet whatever happens to some."""
        rows = self.company.rows("supplier_invoices")
        return [row["attachment_id"] for row in rows][:60]

    def fetch(self, uuid: str) -> Response:
        """Follow the link of a document once."""
        url = self.ask(f"/attachments/{uuid}")["attachment"]["url"]
        path, _, query = url.removeprefix("https://files.demo.qonto.invalid").partition("?")
        pairs = [tuple(pair.split("=", 1)) for pair in query.split("&")]
        return self.send(path, *pairs, root="")


def ids(rows: Sequence[Row]) -> list[str]:
    return [row["id"] for row in rows]


def loses_rows_by_page_number(visitor: Visitor) -> bool:
    before = set(ids(list(visitor.company.rows("memberships"))))
    read = set(ids(visitor.read("/memberships", "memberships")))
    after = set(ids(list(visitor.company.rows("memberships"))))
    return bool((before & after) - read)


def loses_transactions(visitor: Visitor) -> bool:
    rows = list(visitor.company.rows("transactions", **dict([visitor.account])))
    before = {row["id"]: row["updated_at"] for row in rows if row["status"] == "completed"}
    read = set(ids(visitor.read("/transactions", "transactions", visitor.account, CHANGED)))
    kept = {
        row["id"]
        for row in visitor.company.rows("transactions")
        if before.get(row["id"]) == row["updated_at"]
    }
    return bool(kept - read)


def repeats_beneficiaries(visitor: Visitor) -> bool:
    query = ("sort_by", "updated_at:desc")
    rows = ids(visitor.read("/sepa/beneficiaries", "beneficiaries", query))
    return len(set(rows)) < len(rows) == visitor.company.total("beneficiaries")


def holds_back(visitor: Visitor) -> list[int]:
    bodies = [visitor.ask("/labels") for _ in range(3)]
    return [body["meta"]["total_count"] - len(body["labels"]) for body in bodies]


def is_behind(visitor: Visitor) -> bool:
    header = visitor.send("/clients").headers["Date"]
    newest = visitor.ask("/clients", ("sort_by", "updated_at:desc"))["clients"][0]
    late = int((NOW - parsedate_to_datetime(header)).total_seconds())
    return late == 90 and newest["updated_at"] == "2026-11-24T11:58:30Z"


def reversed_status(visitor: Visitor) -> tuple[int, int]:
    answer = visitor.send("/transactions", visitor.account, CHANGED, ("status[]", "reversed"))
    assert isinstance(answer.body, bytes)
    rows = msgspec.json.decode(answer.body).get("transactions", ())
    return answer.status, len(rows)


def trouble(visitor: Visitor) -> set[int]:
    return {visitor.fetch(uuid).status for uuid in visitor.files()}


def parts(response: Response) -> int:
    body = response.body
    return len(body if isinstance(body, bytes) else b"".join(body))


def unreadable(visitor: Visitor) -> bool:
    body = visitor.send("/labels").body
    assert isinstance(body, bytes)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)
    return b"NaN" in body and b"[" * 600 in body and b"1e9999" in body and rb"\ud800" in body


def hidden(visitor: Visitor) -> bool:
    listed = ids(visitor.ask("/bank_accounts")["bank_accounts"])
    account = visitor.company.accounts[1].id
    query = (("bank_account_id", account), CHANGED, ("per_page", "1"))
    return account not in listed and bool(visitor.ask("/transactions", *query)["transactions"])


def oldest(visitor: Visitor, collection: str) -> str:
    query = ("sort_by", "created_at:asc")
    return str(visitor.ask(f"/{collection}", query)[collection][0]["created_at"][:4])


def honours_one_status(visitor: Visitor) -> bool:
    def count(*statuses: str) -> int:
        query = [visitor.account, CHANGED, *(("status[]", status) for status in statuses)]
        return int(visitor.ask("/transactions", *query)["meta"]["total_count"])

    return count("completed", "declined") == count("completed") and count("declined") > 0


BY_HAND = b"%PDF-1.7\n1 0 obj\n"


HAPPENS: dict[str, Callable[[Visitor], bool]] = {
    "equal-keys": repeats_beneficiaries,
    "swap-in-window": loses_transactions,
    "swap-in-list": loses_rows_by_page_number,
    "early-page": loses_rows_by_page_number,
    "crowded": lambda visitor: visitor.status("/clients", ("page", "5"), ("per_page", "5")) == 422,
    "one-status": honours_one_status,
    "invalid-stream": lambda visitor: visitor.status("/labels") == 422,
    "hints": lambda visitor: b"103 Early" in b"".join(visitor.send("/labels").first),
    "http-1-0": lambda visitor: (
        [visitor.send("/labels").version for _ in range(2)] == ["HTTP/1.0", "HTTP/1.1"]
    ),
    "huge-chunks": lambda visitor: (
        [parts(visitor.send("/labels")) < 30 for _ in range(2)] == [True, False]
    ),
    "slow-proxy": lambda visitor: (
        next(iter(visitor.api(Request("CONNECT", "thirdparty.qonto.com:443")).first), b"") == b"H"
    ),
    "odd-fields": lambda visitor: {"colour"} <= visitor.ask("/labels")["labels"][0].keys(),
    "count-ahead": lambda visitor: holds_back(visitor) == [1, 1, 0],
    "count-ahead-for-ever": lambda visitor: holds_back(visitor) == [1, 1, 1],
    "clock-behind": is_behind,
    "old-documents": lambda visitor: {
        oldest(visitor, name) for name in ("quotes", "credit_notes", "client_invoices")
    } == {"2009"},
    "future-invoice": lambda visitor: (
        max(parse(row["created_at"]) for row in visitor.company.rows("client_invoices"))
        > parse("2026-12-01")
    ),
    "floor-everywhere": lambda visitor: (
        visitor.status("/client_invoices", ("filter[created_at_from]", "2016-12-31")) == 422
        and visitor.status("/client_invoices", ("filter[created_at_from]", "2017-01-01")) == 200
    ),
    "forgotten-account": hidden,
    "reversed": lambda visitor: reversed_status(visitor) == (200, 5),
    "reversed-unknown": lambda visitor: reversed_status(visitor) == (422, 0),
    "offset-dates": lambda visitor: "T23:30" in visitor.ask("/client_invoices")[
        "client_invoices"
    ][0]["issue_date"],
    "no-organization-id": lambda visitor: (
        "id" not in visitor.ask("/organization")["organization"]
    ),
    "no-plan-code": lambda visitor: "code" not in visitor.ask("/subscription")["plan"],
    "keyless-row": lambda visitor: "id" not in visitor.ask("/labels")["labels"][0],
    "refused-stream": lambda visitor: visitor.status("/sepa/beneficiaries") == 400,
    "unauthorized-stream": lambda visitor: visitor.status("/cards") == 401,
    "refused-accounts": lambda visitor: visitor.status("/bank_accounts") == 403,
    "faulty-stream": lambda visitor: visitor.status("/products") == 500,
    "no-envelope": lambda visitor: visitor.ask("/teams") == {},
    "no-count": lambda visitor: "total_count" not in visitor.ask("/clients")["meta"],
    "pages-only": lambda visitor: (
        visitor.ask("/products")["meta"].keys() & {"total_count", "total_pages"} == {"total_pages"}
    ),
    "unreadable-values": unreadable,
    "odd-answers": lambda visitor: (
        len({visitor.status(path) for path in ("/labels", "/teams", "/cards", "/clients")}) > 1
        and visitor.status("/labels") == 200
    ),
    "busy": lambda visitor: [visitor.status("/labels") for _ in range(4)] == [429, 429, 429, 200],
    "refused-documents": lambda visitor: {
        visitor.status(f"/attachments/{uuid}") for uuid in visitor.files()
    } == {200, 403},
    "faulty-documents": lambda visitor: trouble(visitor) == {200, 500},
    "unsatisfiable-documents": lambda visitor: trouble(visitor) == {200, 416},
    "circling-documents": lambda visitor: trouble(visitor) == {200, 302},
    "late-documents": lambda visitor: (
        [visitor.fetch(visitor.files()[0]).status for _ in range(2)] == [404, 200]
    ),
    "no-links": lambda visitor: (
        "url" not in visitor.ask(f"/attachments/{visitor.files()[0]}")["attachment"]
    ),
    "other-sizes": lambda visitor: (
        int(visitor.ask(f"/attachments/{visitor.files()[0]}")["attachment"]["file_size"])
        == parts(visitor.fetch(visitor.files()[0])) + 1
    ),
    "cut-documents": lambda visitor: (
        len({parts(visitor.fetch(visitor.files()[0])) for _ in range(3)}) == 2
        and "file_size" not in visitor.ask(f"/attachments/{visitor.files()[0]}")["attachment"]
    ),
    "packed-documents": lambda visitor: (
        [visitor.fetch(visitor.files()[0]).headers.get("Content-Encoding") for _ in range(3)]
        == ["gzip", "gzip", None]
    ),
    "shared-documents": lambda visitor: len(set(visitor.files())) == 1,
    "hostile-document": lambda visitor: (
        len(visitor.company.document(visitor.files()[0])) > 4_000_000
    ),
    **{
        name: lambda visitor: visitor.company.document(visitor.files()[0]).startswith(BY_HAND)
        for name in WORLDS
        if name.startswith("hostile-") and name != "hostile-document"
    },
}  # fmt: skip


def test_every_world_has_its_test() -> None:
    assert HAPPENS.keys() == WORLDS.keys()


LONG = {name for name in WORLDS if name.startswith("hostile-")} - {
    "hostile-document",
    "hostile-object-in-itself",
}
"""What takes long to be made, for one and the same check."""


@pytest.mark.parametrize("name", some(WORLDS, *(WORLDS.keys() - LONG)))
def test_a_world_does_what_it_says(name: str) -> None:
    assert HAPPENS[name](Visitor(name)), WORLDS[name].about


UNUSUAL = [name for name in WORLDS if name != "reversed-unknown"]
"""Worlds in which something is answered that is not answered elsewhere."""


@pytest.fixture(scope="module")
def usual() -> Company:
    """A company to which nothing happens."""
    return Company(transactions=900)


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_usual_company_does_none_of_it(usual: Company, name: str) -> None:
    visitor = Visitor("busy", usual)
    visitor.api.before.clear()
    try:
        happened = HAPPENS[name](visitor)
    except (AssertionError, pytest.fail.Exception):
        happened = False
    assert not happened


@pytest.mark.slow
def test_the_command_plays_a_world() -> None:
    command = [sys.executable, "-m", "tap_qonto.demo"]
    listed = subprocess.run(
        [*command, "--list-worlds"], check=True, capture_output=True, text=True
    ).stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(WORLDS)
    options = ["--transactions", "60", "--world", "refused-stream"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(f"{url}/sepa/beneficiaries", timeout=10).status_code == 400
        assert requests.get(f"{url}/labels", timeout=10).status_code == 200
        process.terminate()
