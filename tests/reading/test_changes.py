"""Nothing is lost over real HTTP while somebody changes the company at every single request."""

from __future__ import annotations

import threading
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_qonto.api.instants import as_filter, from_datetime, shift, uniform
from tap_qonto.demo import Api, Company, DemoServer
from tests.kit.cases import some
from tests.kit.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Request
    from tests.conftest import Clock

Row = dict[str, Any]
Rows = dict[str, dict[str, Row]]

KEYED = {
    "transactions": "updated_at",
    "sepa_transfers": "updated_at",
    "supplier_invoices": "updated_at",
    "clients": "updated_at",
    "client_invoices": "created_at",
    "credit_notes": "created_at",
    "quotes": "created_at",
    "requests": "created_at",
}
"""Streams with a sort key and a filter on it, and that key."""

CASES = [
    pytest.param(bounds, unit, reading, id=f"{bounds} {unit} {reading}")
    for bounds, unit, reading in [
        ("[]", "millisecond", "all"),
        ("[)", "second", "first"),
        ("(]", "millisecond", "last"),
        ("()", "second", "first"),
    ]
]


class Restless:
    """Changes some rows of some collections whenever a request comes in.

    Attributes:
        touched: IDs of the rows that were updated or deleted, by collection.
    """

    def __init__(self, company: Company, clock: Clock, seed: int) -> None:
        self._company = company
        self._clock = clock
        self._random = Random(seed)
        self._lock = threading.Lock()
        self._ids = {name: [row["id"] for row in company.rows(name)] for name in KEYED}
        self._inserted = 0
        self.touched: dict[str, set[str]] = {name: set() for name in KEYED}

    def __call__(self, _request: Request) -> None:
        with self._lock:
            for name in self._random.sample(list(KEYED), 3):
                self._clock.advance(self._random.choice([0.001, 0.05, 1]))
                self._change(name, self._random.choice(["update", "update", "insert", "delete"]))

    def _change(self, name: str, kind: str) -> None:
        ids = self._ids[name]
        one = self._random.choice(ids)
        if kind == "insert":
            self._inserted += 1
            row = self._company.get(name, one)
            assert row
            now = from_datetime(self._clock.now)
            new = {**row, "id": self._company.formula.uuid("inserted", self._inserted)}
            new |= {key: now for key in ("created_at", "updated_at") if key in row}
            self._company.put(name, new)
            ids.append(new["id"])
            return
        self.touched[name].add(one)
        if kind == "update":
            self._company.change(name, one)
        else:
            self._company.remove(name, one)
            ids.remove(one)


def content(company: Company) -> Rows:
    """Return what the API holds, by stream and ID."""
    return {name: {row["id"]: row for row in company.rows(name)} for name in KEYED}


def version(stream: str, row: Row) -> str:
    """Return what tells two states of a row apart."""
    at: str = row.get("updated_at") or row[KEYED[stream]]
    return uniform(at)


def lost(existed: Rows, restless: Restless, target: Rows) -> dict[str, set[str]]:
    """Return, by stream, the rows that existed, did not change and are not in the target."""
    missing = {
        name: existed[name].keys() - restless.touched[name] - target[name].keys() for name in KEYED
    }
    return {name: rows for name, rows in missing.items() if rows}


@pytest.mark.parametrize(("bounds", "unit", "reading"), CASES)
@pytest.mark.slow
def test_two_runs_leave_a_target_equal_to_the_api(
    clock: Clock, bounds: Any, unit: Any, reading: Any
) -> None:
    company = Company(transactions=400, accounts=2, clock=clock)
    api = Api(
        company, clock=clock, page_limit=40, bounds=bounds, bounds_unit=unit, status_reading=reading
    )
    existed = content(company)
    restless = Restless(company, clock, seed=7)
    target: Rows = {name: {} for name in KEYED}

    api.before.append(restless)
    began = clock.uniform
    first = run(api=api, select=KEYED)
    api.before.remove(restless)
    assert first.exit_code == 0, first.log
    for name, rows in first.records.items():
        versions = [(row["id"], version(name, row)) for row in rows]
        assert len(versions) == len(set(versions)), f"{name}: a row came twice"
        target[name] |= {row["id"]: row for row in rows}
    assert lost(existed, restless, target) == {}
    for bookmark in (*first.bookmarks("transactions").values(), first.bookmark("clients")):
        assert bookmark is not None
        assert bookmark < began

    clock.advance(60)
    second = run({"lookback_seconds": 0}, api=api, select=KEYED, state=first.state)
    assert second.exit_code == 0, second.log
    for name, rows in second.records.items():
        target[name] |= {row["id"]: row for row in rows}
    for name, rows_now in content(company).items():
        kept = {key: version(name, row) for key, row in target[name].items() if key in rows_now}
        assert kept == {key: version(name, row) for key, row in rows_now.items()}, name


def naive_loop(api_url: str, listing: str, end: str, account: str) -> list[Row]:
    """Read by page number until the last page, which is what every other loader does."""
    rows: list[Row] = []
    page = pages = 1
    while page <= pages:
        params = [
            ("bank_account_id", account),
            ("sort_by", "updated_at:asc"),
            ("updated_at_to", end),
            ("page", str(page)),
            *(("status[]", status) for status in ("pending", "declined", "completed")),
        ]
        answer = requests.get(f"{api_url}/{listing}", params=params, timeout=10)
        if answer.status_code != requests.codes.ok:
            break
        body = answer.json()
        rows += body[listing]
        pages = body["meta"]["total_pages"]
        page += 1
    return rows


@pytest.mark.slow
def test_the_same_oracle_finds_the_rows_that_a_loop_over_page_numbers_loses(clock: Clock) -> None:
    gone = 0
    for seed in range(3):
        company = Company(transactions=400, accounts=2, clock=clock)
        api = Api(company, clock=clock, page_limit=20)
        existed = content(company)
        restless = Restless(company, clock, seed)
        api.before.append(restless)
        target = content(company)
        with DemoServer(api) as server:
            end = as_filter(shift(clock.uniform, -1))
            target["transactions"] = {
                row["id"]: row
                for account in company.accounts
                for row in naive_loop(server.api_url, "transactions", end, account.id)
            }
        gone += len(lost(existed, restless, target).get("transactions", ()))
    assert gone > 0, "the counter-example no longer shows what reading by value is for"


@pytest.mark.parametrize("reading", some(["first", "last"], "last"))
def test_the_same_oracle_finds_the_statuses_that_one_request_for_all_misses(
    clock: Clock, reading: Any
) -> None:
    company = Company(transactions=400, accounts=2, clock=clock)
    with DemoServer(Api(company, clock=clock, status_reading=reading)) as server:
        rows = [
            row
            for account in company.accounts
            for row in naive_loop(
                server.api_url, "transactions", as_filter(clock.uniform), account.id
            )
        ]
    assert len(rows) < company.total("transactions")


# The ceiling


@pytest.fixture
def low_ceiling(on_machine: Callable[..., None]) -> int:
    on_machine(ceiling=110)
    return 110


@pytest.mark.parametrize("count", some(["capped", "true"], "capped"))
@pytest.mark.parametrize(
    "stream",
    some(
        ["transactions", "sepa_transfers", "quotes", "client_invoices"], "sepa_transfers", "quotes"
    ),
)
def test_more_rows_than_the_ceiling_come_whole(low_ceiling: int, stream: str, count: Any) -> None:
    company = Company(transactions=900)
    assert company.total(stream) > low_ceiling
    api = Api(company, ceiling=low_ceiling, count=count, page_limit=30)
    done = run(api=api, select=[stream])
    assert done.exit_code == 0, done.log
    ids = [row["id"] for row in done.records[stream]]
    assert len(ids) == len(set(ids)) == company.total(stream)


@pytest.mark.slow
def test_ten_thousand_rows_are_no_limit() -> None:
    company = Company(transactions=10_300, accounts=1)
    done = run(
        {"transaction_statuses": ["completed"]},
        api=Api(company),
        select=["transactions"],
    )
    expected = sum(row["status"] == "completed" for row in company.rows("transactions"))
    assert expected > 10_000
    assert len({row["id"] for row in done.records["transactions"]}) == expected
    assert len(done.records["transactions"]) == expected


@pytest.mark.slow
def test_more_rows_than_the_ceiling_in_one_second_fail_the_run_and_keep_what_was_read(
    on_machine: Callable[..., None],
) -> None:
    on_machine(ceiling=40)
    company = Company(transactions=900, accounts=1)
    moment = "2026-02-02T08:15:00"
    together = sum(row["updated_at"].startswith(moment) for row in company.rows("transactions"))
    assert together > 40, "the company has an import of many rows with one timestamp"
    done = run(api=Api(company, ceiling=40, page_limit=20), select=["transactions"])
    assert done.exit_code == 1
    assert f"share the second {moment}Z" in done.log.splitlines()[-1]
    [bookmark] = done.bookmarks("transactions").values()
    assert bookmark <= uniform(f"{moment}Z")
    before = {r["id"] for r in company.rows("transactions") if uniform(r["updated_at"]) < bookmark}
    assert before <= {row["id"] for row in done.records["transactions"]}


@pytest.mark.parametrize("page_limit", some([7, 20, 100], 20))
def test_hundreds_of_rows_with_one_timestamp_come_once_each(page_limit: int) -> None:
    company = Company(transactions=60, accounts=1)
    for row in list(company.rows("transactions")):
        company.change("transactions", row["id"], updated_at="2026-03-03T03:03:03Z")
    done = run(api=Api(company, page_limit=page_limit), select=["transactions"])
    ids = [row["id"] for row in done.records["transactions"]]
    assert len(ids) == len(set(ids)) == 60
    again = run(api=Api(company, page_limit=page_limit), select=["transactions"], state=done.state)
    assert len(again.records["transactions"]) == 60, "each again, within the lookback, and once"


def test_a_page_beyond_the_last_one_is_no_error_when_rows_vanish(clock: Clock) -> None:
    company = Company(transactions=200, accounts=1, clock=clock)
    api = Api(company, clock=clock, page_limit=10)
    ids = [row["id"] for row in company.rows("transactions")]

    def vanish(request: Request) -> None:
        if dict(request.query).get("page") == "2":
            while len(ids) > 15:
                company.remove("transactions", ids.pop())

    api.before.append(vanish)
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 0, done.log
    assert set(ids) <= {row["id"] for row in done.records["transactions"]}
