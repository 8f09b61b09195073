"""What is read before its turn, and what is asked before it is known."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.client import Client
from tap_qonto.api.errors import ListError
from tap_qonto.api.pages import Page, Query
from tap_qonto.api.transport import Transport
from tap_qonto.demo import DEMO_API_URL, Api, Company, DemoAdapter, Response
from tap_qonto.streams.early import FEW, ReadAhead, is_worth_it
from tests.kit.cases import some
from tests.kit.companies import a_small_company
from tests.kit.runner import PATIENCE, Row, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo import Request

SHORT = {"/v2/statements": 5, "/v2/products": 7, "/v2/requests": 2, "/v2/quotes": 2}
"""Lists of the demo company with several pages, and how often each is asked in all."""


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (Page((), pages=2, total=FEW), True),
        (Page((), pages=2, total=FEW + 1), False),
        (Page((), pages=1, total=90), False),
        (Page((), pages=2), False),
        (Page(({},) * 100, full=True), False),
    ],
)
def test_short_lists_of_several_pages_are_worth_it(page: Page, expected: bool) -> None:
    assert is_worth_it(page) is expected


def test_short_lists_are_read_to_their_end_while_transactions_are_waited_for() -> None:
    company = Company(transactions=300)
    api = Api(company)
    account = company.accounts[0].id
    asked: Counter[str] = Counter()
    read, late = threading.Event(), []

    def hook(request: Request) -> None:
        query = dict(request.query)
        if query.get("bank_account_id") == account and query["per_page"] == "100":
            late.append(not read.wait(PATIENCE))
        asked[request.path] += 1
        if all(asked[path] >= times for path, times in SHORT.items()):
            read.set()

    api.before.append(hook)
    done = run(api=api, select=["transactions", *(path[4:] for path in SHORT)])
    assert done.exit_code == 0, done.log
    assert late
    assert not any(late), "their last pages were asked for only after the first transactions"
    assert {path: asked[path] for path in SHORT} == SHORT
    for path in SHORT:
        rows = company.rows(path[4:])
        assert Counter(row["id"] for row in rows) == Counter(
            row["id"] for row in done.records[path[4:]]
        )


def test_documents_come_with_the_rows_of_a_list_that_was_read_early() -> None:
    company = Company(transactions=300)
    done = run(api=Api(company), select=["transactions", "statements", "statement_files"])
    written = {row["statement_id"] for row in done.records["statement_files"]}
    assert written == {row["id"] for row in company.rows("statements")}


def test_the_error_of_a_list_that_was_read_early_is_told_in_its_turn() -> None:
    api = Api(Company(transactions=300))

    def hook(request: Request) -> Response | None:
        broken = request.path == "/v2/products" and ("page", "3") in request.query
        return Response(400, {}, b"{}") if broken else None

    api.before.append(hook)
    done = run(api=api, select=["transactions", "products", "clients"])
    assert done.exit_code == 1
    assert "products: GET /products answered 400" in done.log
    assert len(done.records["products"]) == 200, "what came before it is good"
    assert done.records["clients"], "the others are read all the same"


def numbers(count: int, error: Exception | None = None) -> Iterator[Row]:
    for number in range(count):
        yield {"id": number}
    if error:
        raise error


def test_rows_come_before_the_error_that_ended_the_reading() -> None:
    ahead = ReadAhead()
    ahead.fill(lambda: numbers(2, ListError("moved")))
    rows = ahead.take()
    assert rows
    assert [next(rows), next(rows)] == [{"id": 0}, {"id": 1}]
    with pytest.raises(ListError, match="moved"):
        next(rows)


def test_a_list_is_not_read_early_in_or_after_its_turn() -> None:
    ahead = ReadAhead()
    assert ahead.take() is None
    ahead.fill(lambda: numbers(1 // 0))
    assert ahead.take() is None


def test_rows_that_were_read_early_are_given_out_once() -> None:
    ahead = ReadAhead()
    ahead.fill(lambda: numbers(2))
    assert list(ahead.take() or ()) == [{"id": 0}, {"id": 1}]
    assert ahead.take() is None, "whoever reads the list again reads it anew"


def test_whoever_asks_does_not_wait_for_what_stands_behind() -> None:
    adapter = DemoAdapter(Api(Company(transactions=0)))
    transport = Transport(
        DEMO_API_URL, auth=None, headers={}, timeout=PATIENCE, concurrency=1, adapter=adapter
    )
    client = Client(transport, concurrency=1)
    query, asked_early = Query("labels", "/labels"), threading.Event()

    def ask() -> Row:
        asked_early.wait(PATIENCE)
        return client.get(query)

    answer = client.submit(ask)
    client.ask_early([query])
    asked_early.set()
    assert answer.result(PATIENCE)["labels"]
    client.close()


# Transactions


def openings(requests: list[Request]) -> list[dict[str, str]]:
    """Return what was asked of transactions with several statuses, counts aside."""
    several = [
        request for request in requests
        if sum(name == "status[]" for name, _ in request.query) > 1
    ]  # fmt: skip
    queries = [dict(request.query) for request in several]
    return [query for query in queries if query["per_page"] == "100"]


@pytest.mark.parametrize("reading", some(["first", "last"], "first"))
def test_a_guess_that_was_wrong_costs_a_question_per_account_at_most(reading: Any) -> None:
    company = Company(transactions=300)
    done = run(api=Api(company, status_reading=reading), select=["transactions"])
    assert done.exit_code == 0, done.log
    ids = Counter(row["id"] for row in done.records["transactions"])
    assert set(ids.values()) == {1}
    assert len(ids) == company.total("transactions")
    assert len(openings(done.requests)) <= len(company.accounts)


def test_the_first_transactions_are_asked_for_while_accounts_are_listed_and_counted() -> None:
    company = Company(transactions=300)
    api = Api(company)
    opened, late = threading.Event(), []

    def hook(request: Request) -> None:
        query = dict(request.query)
        if request.path == "/v2/bank_accounts":
            late.append(not opened.wait(PATIENCE))
        if "status[]" in query and query["per_page"] == "100":
            opened.set()

    api.before.append(hook)
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 0, done.log
    assert late == [False]


def test_a_run_that_finds_nothing_new_takes_few_requests() -> None:
    company = a_small_company()
    earlier = run(api=Api(company))
    later = run(api=Api(company), state=earlier.state)
    assert later.exit_code == 0, later.log
    assert len(later.requests) <= 52


@pytest.mark.slow
def test_threads_change_more_often_only_while_a_run_waits_for_answers_from_far_away() -> None:
    api = Api(Company(transactions=300))
    before, seen = sys.getswitchinterval(), []
    api.before.append(lambda _request: seen.append(sys.getswitchinterval()))
    done = run(api=api, select=["labels", "teams", "clients"], latency=0.1)
    assert done.exit_code == 0, done.log
    assert seen[0] == before
    assert seen[-1] < before
    assert sys.getswitchinterval() == before
