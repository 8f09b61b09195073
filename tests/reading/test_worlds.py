"""Every row arrives in the worlds that the demo server can play, or the stream says that it failed.

Each of them lost rows in silence before readers stopped to trust counts, clocks and page numbers.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tap_qonto.api.instants import as_filter, shift, uniform
from tap_qonto.demo import Api, Company, Response
from tests.kit.cases import some
from tests.kit.hiding import WORLDS
from tests.kit.runner import run
from tests.reading.arrived import found, ids

if TYPE_CHECKING:
    from tap_qonto.demo import Request
    from tests.conftest import Clock
    from tests.kit.runner import Run

BY_VALUE = [
    "transactions", "sepa_transfers", "clients", "supplier_invoices", "client_invoices",
    "credit_notes", "quotes", "requests",
]  # fmt: skip
BY_NUMBER = ["labels", "memberships", "statements", "cards"]
NEWEST_FIRST = ["beneficiaries", "bulk_transfers", "recurring_transfers"]


@pytest.fixture
def company() -> Company:
    """A company of 900 transactions in 3 accounts, which the test may change."""
    return Company(transactions=900, accounts=3)


@pytest.fixture(autouse=True)
def _at_once(slept: list[float]) -> None:
    """Nothing waits: the readers give a server time between two readings."""


def is_whole_or_says_so(done: Run, company: Company, stream: str, existed: set[str]) -> bool:
    """Return whether all rows are there; if not, the stream must have failed without a bookmark."""
    assert len(found(done, stream)) == len(set(found(done, stream))), "a row came twice"
    if existed & ids(company, stream) <= set(found(done, stream)):
        return True
    assert done.exit_code == 1
    assert done.bookmark(stream) is None
    return False


@pytest.mark.parametrize("stream", some(["transactions", "sepa_transfers"], "sepa_transfers"))
def test_rows_with_equal_keys_in_another_order_at_each_request_come_whole(
    company: Company, stream: str
) -> None:
    api = Api(company, page_limit=40)
    WORLDS["shuffled"](api)
    done = run(api=api, select=[stream])
    assert done.exit_code == 0, done.log
    assert sorted(found(done, stream)) == sorted(ids(company, stream))


@pytest.mark.parametrize(
    "stream", some([*BY_NUMBER, *NEWEST_FIRST], "labels", "recurring_transfers")
)
def test_a_list_without_a_filter_in_another_order_at_each_request_is_whole_or_fails(
    company: Company, stream: str
) -> None:
    api = Api(company, page_limit=20)
    WORLDS["shuffled"](api)
    done = run(api=api, select=[stream])
    whole = is_whole_or_says_so(done, company, stream, ids(company, stream))
    assert whole or "different ones" in done.log or "changed during each" in done.log


def test_a_row_that_leaves_while_another_arrives_hides_no_third_one(company: Company) -> None:
    api = Api(company, page_limit=30)
    existed = ids(company, "transactions")
    WORLDS["swapped"](api)
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 0, done.log
    edited = existed - set(found(done, "transactions"))
    late = {str(row["id"]) for row in company.rows("transactions")} - existed
    assert late, "the world has changed"
    now = {row["id"]: uniform(row["updated_at"]) for row in company.rows("transactions")}
    latest = max(row["updated_at"] for row in done.records["transactions"])
    assert all(now[row] > latest for row in edited), "only rows that the next run finds are missing"


@pytest.mark.parametrize("stream", ["labels", "memberships"])
def test_a_row_deleted_and_one_added_between_two_pages_hide_no_third_one(
    company: Company, stream: str
) -> None:
    [pattern, *_] = company.rows(stream)
    for number in range(150):
        company.put(stream, {**pattern, "id": company.formula.uuid("many", number)})
    api = Api(company)
    existed = ids(company, stream)
    WORLDS["swapped"](api)
    done = run(api=api, select=[stream])
    assert done.exit_code == 0, done.log
    assert existed != ids(company, stream), "the world has changed"
    assert ids(company, stream) <= set(found(done, stream))


STREAMS = [
    "transactions", "sepa_transfers", "client_invoices", "labels", "memberships", "beneficiaries",
]  # fmt: skip
QUICK = ["sepa_transfers", "labels", "beneficiaries"]
"""One of each kind: by value, by number, newest first."""


@pytest.mark.parametrize("stream", some(STREAMS, *QUICK))
def test_answers_with_fewer_rows_than_they_count_are_asked_for_again(
    company: Company, stream: str
) -> None:
    api = Api(company)
    WORLDS["behind"](api)
    done = run(api=api, select=[stream])
    assert done.exit_code == 0, done.log
    assert sorted(found(done, stream)) == sorted(ids(company, stream))


@pytest.mark.parametrize("stream", some(STREAMS, *QUICK))
def test_answers_that_always_have_fewer_rows_than_they_count_fail_the_stream(
    company: Company, stream: str
) -> None:
    api = Api(company)
    WORLDS["hiding"](api)
    done = run(api=api, select=[stream])
    assert done.exit_code == 1
    assert "counts" in done.log.splitlines()[-1]
    assert not done.bookmark(stream)
    assert not done.bookmarks("transactions")


def test_a_short_first_page_down_to_the_bookmark_is_noticed(company: Company, clock: Clock) -> None:
    """Newest first, the reader stops at the bookmark, so that it never sees the count reached."""
    company = Company(transactions=900, clock=clock)
    api = Api(company, clock=clock)
    earlier = run(api=api, select=["beneficiaries"])
    clock.advance(3_600)
    changed = [row["id"] for row in list(company.rows("beneficiaries"))[:20]]
    for row in changed:
        company.change("beneficiaries", row)
    clock.advance(60)
    WORLDS["behind"](api)
    later = run(api=api, select=["beneficiaries"], state=earlier.state)
    assert later.exit_code == 0, later.log
    assert set(changed) <= set(found(later, "beneficiaries"))


@pytest.mark.parametrize("stream", some([*BY_VALUE, "labels", "beneficiaries"], *QUICK))
def test_a_list_that_says_only_how_many_pages_it_has_is_read_like_any_other(
    company: Company, stream: str
) -> None:
    api = Api(company, page_limit=20)
    WORLDS["uncounted"](api)
    done = run(api=api, select=[stream])
    assert done.exit_code == 0, done.log
    assert sorted(found(done, stream)) == sorted(ids(company, stream))


@pytest.mark.parametrize(
    "members", some([220, 620], 220)
)  # read before its turn, or only its first page
def test_an_early_first_page_is_never_paired_with_later_ones(
    company: Company, members: int
) -> None:
    for number in range(members):
        [pattern, *_] = company.rows("memberships")
        company.put("memberships", {**pattern, "id": company.formula.uuid("many", number)})
    api = Api(company)
    first = next(str(row["id"]) for row in company.rows("memberships"))
    waiting = [first]

    def hook(request: Request) -> None:
        if request.path == "/v2/labels" and waiting:
            # The first page of members has been fetched early, and now the list moves.
            company.remove("memberships", waiting.pop())
            company.put("memberships", {**pattern, "id": company.formula.uuid("joined", 1)})

    api.before.append(hook)
    done = run(api=api, select=["bank_accounts", "labels", "memberships"])
    assert done.exit_code == 0, done.log
    assert ids(company, "memberships") <= set(found(done, "memberships"))


@pytest.mark.parametrize(
    "stream",
    some(
        ["transactions", "sepa_transfers", "clients", "client_invoices"],
        "sepa_transfers",
    ),
)
def test_a_clock_ahead_of_qontos_passes_no_edit_by(clock: Clock, stream: str) -> None:
    """A row is edited during the run; by this machine's clock that was before the run began."""
    company = Company(transactions=300, clock=clock)
    api = Api(company, clock=clock)
    WORLDS["late-clock"](api)  # of the real time, which the tap takes for the time of the company
    [row, *_] = company.rows(stream)

    def dated(request: Request) -> Response | None:
        response = before(request)
        if response is None:
            return None
        behind = f"{clock.now - timedelta(seconds=90):%a, %d %b %Y %H:%M:%S} GMT"
        response.headers["Date"] = behind
        return response

    before = api.before.pop()
    api.before.append(dated)
    edited = as_filter(shift(clock.uniform, -60))
    company.change(stream, row["id"], updated_at=edited)
    first = run(api=api, select=[stream])
    assert first.exit_code == 0, first.log
    assert "clock is 90 s ahead of Qonto's" in first.log
    assert row["id"] not in found(first, stream), "Qonto's clock has not come to the edit yet"
    clock.advance(300)
    second = run({"lookback_seconds": 0}, api=api, select=[stream], state=first.state)
    assert row["id"] in found(second, stream)


@pytest.mark.parametrize("ahead", some([0, 1, 2, 90], 1, 2))
def test_a_clock_is_warned_of_from_two_seconds_on(
    company: Company, clock: Clock, ahead: int
) -> None:
    api = Api(company, clock=clock)
    twin = Api(company, clock=clock)
    date = f"{clock.now - timedelta(seconds=ahead):%a, %d %b %Y %H:%M:%S} GMT"

    def hook(request: Request) -> Response:
        response = twin(request)
        response.headers["Date"] = date
        return response

    api.before.append(hook)
    done = run(api=api, select=["sepa_transfers"])
    assert done.exit_code == 0, done.log
    assert ("ahead of Qonto's" in done.log) == (ahead >= 2)


@pytest.mark.parametrize(
    "stream", some(["client_invoices", "credit_notes", "quotes"], "credit_notes")
)
def test_documents_older_than_qonto_and_dated_in_the_future_are_read(
    company: Company, stream: str
) -> None:
    WORLDS["postdated"](Api(company))
    api = Api(company, page_limit=5)
    changes = iter(range(5))
    touched: list[str] = []

    def hook(request: Request) -> None:
        if request.path == f"/v2/{stream}" and next(changes, None) is not None:
            touched.append(list(company.rows(stream))[-1]["id"])
            company.remove(stream, touched[-1])

    api.before.append(hook)
    existed = ids(company, stream)
    done = run(api=api, select=[stream])
    assert done.exit_code == 0, done.log
    assert existed - set(touched) <= set(found(done, stream))
    asked = [query.get("filter[created_at_from]", "") for query in done.asked(f"/{stream}")]
    assert any("2009" <= start < "2017" for start in asked), "the floor is that of updated_at"


@pytest.mark.parametrize(
    ("stream", "name"),
    some(
        [
            ("transactions", "updated_at_from"),
            ("sepa_transfers", "updated_at_from"),
            ("client_invoices", "filter[updated_at_from]"),
            ("clients", "filter[updated_at_from]"),
            ("supplier_invoices", "filter[updated_at_from]"),
        ],
        *("sepa_transfers", "clients"),
    ),
)
def test_a_start_at_the_floor_asks_for_the_floor(company: Company, stream: str, name: str) -> None:
    done = run({"start_date": "2017-01-01"}, api=Api(company), select=[stream])
    assert done.exit_code == 0, done.log
    starts = [query[name] for query in done.asked(f"/{PATHS.get(stream, stream)}")]
    assert min(starts) == "2017-01-01T00:00:00Z"
    assert sorted(found(done, stream)) == sorted(ids(company, stream))


PATHS = {"sepa_transfers": "sepa/transfers"}
