"""A run goes on where the last one ended, reads no more than it must, and passes nothing by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.instants import as_filter, shift, uniform
from tap_qonto.demo import Api, Company
from tap_qonto.reading.block import restart
from tests.kit.answers import alter_rows, unhooked
from tests.kit.cases import some
from tests.kit.runner import catalog_of, run

if TYPE_CHECKING:
    from tap_qonto.demo import Request, Response
    from tests.conftest import Clock
    from tests.kit.runner import Run

Row = dict[str, Any]

STREAMS = {
    "transactions": "/transactions",
    "sepa_transfers": "/sepa/transfers",
    "supplier_invoices": "/supplier_invoices",
    "clients": "/clients",
    "client_invoices": "/client_invoices",
    "beneficiaries": "/sepa/beneficiaries",
    "bulk_transfers": "/sepa/bulk_transfers",
    "recurring_transfers": "/sepa/recurring_transfers",
}
"""Incremental streams and their paths."""

MOST_TELLING = ["transactions", "beneficiaries", "sepa_transfers"]
"""A bookmark per account, a list without a filter, and one in the order of its changes."""

NEWEST_FIRST = ["beneficiaries", "bulk_transfers", "recurring_transfers"]


@pytest.fixture
def world(clock: Clock) -> Company:
    """A company that lives by the test's clock."""
    return Company(transactions=900, clock=clock)


@pytest.fixture
def shown(world: Company, clock: Clock) -> Api:
    """The API of that company."""
    return Api(world, clock=clock)


def read(api: Api, *streams: str, state: Row | None = None, **config: Any) -> Run:
    done = run(config, api=api, select=streams, state=state)
    assert done.exit_code == 0, done.log
    return done


def bookmark_for(done: Run, stream: str, row: Row) -> str:
    """Return the bookmark of the partition that holds a row."""
    if stream == "transactions":
        return done.bookmarks(stream)[row["bank_account_id"]]
    found = done.bookmark(stream)
    assert found
    return found


@pytest.mark.parametrize("stream", some(STREAMS, *MOST_TELLING[:2]))
def test_a_second_run_loads_what_changed_and_the_lookback(
    world: Company, shown: Api, clock: Clock, stream: str
) -> None:
    earlier = read(shown, stream)
    assert len(earlier.records[stream]) == world.total(stream)
    [row, *_] = world.rows(stream)
    clock.advance(3_600)
    changed = world.change(stream, row["id"])
    clock.advance(60)
    later = read(shown, stream, state=earlier.state)
    found = later.records[stream]
    assert row["id"] in {row["id"] for row in found}
    for other in found:
        reached = bookmark_for(earlier, stream, other)
        assert other["updated_at"] >= shift(reached, -601), "more was read than the lookback"
    assert bookmark_for(later, stream, row) == uniform(changed["updated_at"])


@pytest.mark.parametrize("stream", some(STREAMS, *MOST_TELLING[1:]))
def test_nothing_new_moves_no_bookmark(shown: Api, clock: Clock, stream: str) -> None:
    earlier = read(shown, stream)
    clock.advance(86_400)
    later = read(shown, stream, state=earlier.state, lookback_seconds=86_400 * 40)
    assert later.records[stream], "the lookback reaches into the company's history"
    assert later.bookmark(stream) == earlier.bookmark(stream)
    assert later.bookmarks("transactions") == earlier.bookmarks("transactions")


@pytest.mark.parametrize("stream", some(STREAMS, *MOST_TELLING[1:]))
def test_a_bookmark_does_not_move_back_when_the_latest_row_is_gone(
    world: Company, shown: Api, clock: Clock, stream: str
) -> None:
    earlier = read(shown, stream)
    latest = max(world.rows(stream), key=lambda row: uniform(row["updated_at"]))
    world.remove(stream, latest["id"])
    clock.advance(3_600)
    later = read(shown, stream, state=earlier.state, lookback_seconds=86_400 * 400)
    assert later.records[stream], "older rows come again"
    assert bookmark_for(later, stream, latest) == bookmark_for(earlier, stream, latest)


@pytest.mark.parametrize("stream", some(STREAMS, *MOST_TELLING[:2]))
def test_a_bookmark_is_the_latest_row_of_its_partition(
    world: Company, shown: Api, stream: str
) -> None:
    done = read(shown, stream)
    latest: dict[str, str] = {}
    for row in world.rows(stream):
        partition = row["bank_account_id"] if stream == "transactions" else stream
        latest[partition] = max(latest.get(partition, ""), uniform(row["updated_at"]))
    if stream == "transactions":
        assert done.bookmarks(stream) == latest
        assert len(latest) == len(world.accounts)
    else:
        assert done.bookmark(stream) == latest[stream]


@pytest.mark.parametrize(("lookback", "found"), [(200, False), (400, True)])
@pytest.mark.parametrize(
    "stream",
    some(["transactions", "client_invoices", "beneficiaries"], "beneficiaries"),
)
def test_a_row_that_becomes_visible_late_is_found_within_the_lookback(
    world: Company, shown: Api, clock: Clock, stream: str, lookback: int, found: bool
) -> None:
    earlier = read(shown, stream)
    pattern = max(world.rows(stream), key=lambda row: str(row["updated_at"]))
    late = {
        **pattern,
        "id": world.formula.uuid("late", 1),
        "updated_at": as_filter(shift(uniform(pattern["updated_at"]), -300)),
    }
    world.put(stream, late)
    clock.advance(3_600)
    later = read(shown, stream, state=earlier.state, lookback_seconds=lookback)
    assert (late["id"] in {row["id"] for row in later.records[stream]}) == found
    assert bookmark_for(later, stream, late) == bookmark_for(earlier, stream, late)


@pytest.mark.parametrize("stream", some(STREAMS, *MOST_TELLING[1:]))
def test_a_bookmark_never_passes_the_start_of_its_run(
    world: Company, shown: Api, clock: Clock, stream: str
) -> None:
    [row, other, *_] = world.rows(stream)
    future = as_filter(shift(clock.uniform, 86_400))
    world.change(stream, row["id"], updated_at=future)
    earlier = read(shown, stream)
    assert bookmark_for(earlier, stream, row) < clock.uniform
    clock.advance(3_600)
    world.change(stream, other["id"])
    clock.advance(86_400)
    later = read(shown, stream, state=earlier.state, lookback_seconds=0)
    assert {row["id"], other["id"]} <= {found["id"] for found in later.records[stream]}


def test_a_row_changed_in_the_second_of_the_start_is_left_to_the_next_run(
    world: Company, shown: Api, clock: Clock
) -> None:
    [row, *_] = world.rows("sepa_transfers")
    world.change("sepa_transfers", row["id"])
    earlier = read(shown, "sepa_transfers")
    clock.advance(3)
    later = read(shown, "sepa_transfers", state=earlier.state, lookback_seconds=0)
    assert row["id"] not in {found["id"] for found in earlier.records["sepa_transfers"]}
    assert row["id"] in {found["id"] for found in later.records["sepa_transfers"]}


def test_a_new_account_begins_at_the_start_date_and_not_at_the_bookmarks_of_others(
    world: Company, shown: Api, clock: Clock
) -> None:
    earlier = read(shown, "transactions")
    [pattern, *_] = world.rows("bank_accounts")
    account = {**pattern, "id": world.formula.uuid("account", 99), "main": False}
    world.put("bank_accounts", account)
    [row, *_] = world.rows("transactions")
    for number, at in enumerate(["2019-05-01T00:00:00Z", "2025-05-01T00:00:00Z"]):
        world.put(
            "transactions",
            {
                **row,
                "id": world.formula.uuid("old", number),
                "bank_account_id": account["id"],
                "updated_at": at,
            },
        )
    clock.advance(60)
    later = read(shown, "transactions", state=earlier.state, start_date="2020-01-01")
    found = [
        row["updated_at"]
        for row in later.records["transactions"]
        if row["bank_account_id"] == account["id"]
    ]
    assert found == ["2025-05-01T00:00:00.000000Z"]
    starts = {
        query["updated_at_from"]
        for query in later.asked("/transactions")
        if query["bank_account_id"] == account["id"]
    }
    assert min(starts) == "2019-12-31T23:59:59Z", "a second early, since bounds may be exclusive"
    assert later.bookmarks("transactions")[account["id"]] == found[-1]


@pytest.mark.parametrize(
    "written",
    [
        "2026-10-01T10:00:00.500000Z",
        "2026-10-01T10:00:00.500Z",
        "2026-10-01T12:00:00.5+02:00",
        "2026-10-01 10:00:00.500000+00:00",
    ],
)
@pytest.mark.parametrize(
    "stream", some(["sepa_transfers", "beneficiaries", "client_invoices"], "sepa_transfers")
)
def test_bookmarks_are_instants_however_they_are_written(
    world: Company, shown: Api, stream: str, written: str
) -> None:
    entry = {"replication_key": "updated_at", "replication_key_value": written}
    done = read(shown, stream, state={"bookmarks": {stream: entry}}, lookback_seconds=0)
    expected = {
        row["id"]
        for row in world.rows(stream)
        if uniform(row["updated_at"]) >= "2026-10-01T10:00:00.500000Z"
    }
    assert expected
    assert {row["id"] for row in done.records[stream]} == expected


@pytest.mark.parametrize("stream", some(NEWEST_FIRST, "recurring_transfers"))
def test_a_list_without_a_filter_is_read_down_to_the_bookmark_only(
    world: Company, clock: Clock, stream: str
) -> None:
    api = Api(world, clock=clock, page_limit=2)
    earlier = read(api, stream)
    first = len(earlier.asked(STREAMS[stream]))
    assert first == 2 * -(-world.total(stream) // 2), "two readings"
    [row, *_] = world.rows(stream)
    clock.advance(3_600)
    world.change(stream, row["id"])
    clock.advance(60)
    later = read(api, stream, state=earlier.state)
    assert row["id"] in {found["id"] for found in later.records[stream]}
    assert len(later.asked(STREAMS[stream])) <= 2 * 3


@pytest.mark.parametrize(
    "stream", some(["transactions", "client_invoices", "beneficiaries"], "beneficiaries")
)
def test_a_catalog_can_force_the_whole_table(
    world: Company, shown: Api, clock: Clock, stream: str
) -> None:
    earlier = read(shown, stream)
    catalog = catalog_of([stream])
    [entry] = [entry for entry in catalog["streams"] if entry["stream"] == stream]
    entry["replication_method"] = "FULL_TABLE"
    for part in entry["metadata"]:
        if not part["breadcrumb"]:
            part["metadata"]["forced-replication-method"] = "FULL_TABLE"
    clock.advance(60)
    later = run(api=shown, catalog=catalog, state=earlier.state)
    assert later.exit_code == 0, later.log
    assert len({row["id"] for row in later.records[stream]}) == world.total(stream)


# Client invoices: filtered by the last change, sorted by creation


def test_client_invoices_walk_on_creation_inside_a_fixed_window(
    world: Company, clock: Clock
) -> None:
    done = read(Api(world, clock=clock, page_limit=40), "client_invoices")
    asked = done.asked("/client_invoices")
    assert {query["sort_by"] for query in asked} == {"created_at:asc"}
    ends = {query["filter[updated_at_to]"] for query in asked}
    assert ends == {as_filter(shift(clock.uniform, -1))}
    created = [row["created_at"] for row in done.records["client_invoices"]]
    assert created == sorted(created)


def test_client_invoices_have_no_bookmark_before_all_are_read(world: Company, clock: Clock) -> None:
    api = Api(world, clock=clock, page_limit=40)
    stop_after(api, "/client_invoices", 4)
    broken = run(api=api, select=["client_invoices"])
    assert broken.exit_code == 1
    assert broken.records["client_invoices"]
    assert broken.bookmark("client_invoices") is None


def test_client_invoices_without_updated_at_are_remembered_by_the_window(
    world: Company, clock: Clock
) -> None:
    api = Api(world, clock=clock)
    for row in list(world.rows("client_invoices")):
        world.remove("client_invoices", row["id"])
    world.put("client_invoices", {**row, "updated_at": "2026-11-01T00:00:00Z"})
    alter_rows(api, "/client_invoices", lambda row: row.pop("updated_at"))
    done = read(api, "client_invoices")
    assert len(done.records["client_invoices"]) == 1
    assert done.bookmark("client_invoices") == shift(clock.uniform[:19] + ".000000Z", -1)


# Interrupted runs


def stop_after(api: Api, path: str, count: int) -> None:
    """Answer so many requests for a path, then refuse, which no run survives half-way."""
    original = unhooked(api)
    seen: list[Request] = []

    def hook(request: Request) -> Response | None:
        if request.path != f"/v2{path}":
            return None
        seen.append(request)
        if len(seen) <= count:
            return None
        return original(type(request)("GET", "/v2/nowhere"))

    api.before.append(hook)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_at_its_bookmark_without_lookback(clock: Clock) -> None:
    world = Company(transactions=1_500, accounts=1, clock=clock)
    api = Api(world, clock=clock, page_limit=50)
    stop_after(api, "/transactions", 22)
    broken = run({"concurrency": 1}, api=api, select=["transactions"])
    assert broken.exit_code == 1
    [reached] = broken.bookmarks("transactions").values()
    clock.advance(60)
    rest = read(Api(world, clock=clock), "transactions", state=broken.state)
    assert {query["updated_at_from"] for query in rest.asked("/transactions")} >= {
        as_filter(restart(reached) or "")
    }
    everything = Counter(
        row["id"] for done in (broken, rest) for row in done.records["transactions"]
    )
    assert len(everything) == world.total("transactions")
    twice = sum(count > 1 for count in everything.values())
    same_moment = sum(
        uniform(row["updated_at"]) >= (restart(reached) or "")
        for row in broken.records["transactions"]
    )
    assert twice <= same_moment
    clock.advance(60)
    after = read(Api(world, clock=clock), "transactions", state=rest.state)
    [end] = rest.bookmarks("transactions").values()
    starts = {
        query["updated_at_from"]
        for query in after.asked("/transactions")
        if query["per_page"] != "1"  # counts
    }
    assert min(starts) == as_filter(restart(shift(end, -600)) or "")
