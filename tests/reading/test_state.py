"""What the tap tells of its progress in STATE messages is true at every moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.instants import uniform
from tap_qonto.demo import Api, Company
from tests.kit.companies import a_small_company
from tests.kit.runner import KEY, catalog_of, run

if TYPE_CHECKING:
    from tests.kit.runner import Run

Row = dict[str, Any]


KEYED = [
    "transactions", "sepa_transfers", "supplier_invoices", "clients", "client_invoices",
    "beneficiaries", "bulk_transfers", "recurring_transfers",
]  # fmt: skip
"""Streams that keep a bookmark."""

WHOLE = ["labels", "organization", "quotes", "requests", "statements", "cards"]
"""Streams that keep none."""


@pytest.fixture(scope="module")
def world() -> Company:
    """A company that no test changes."""
    return a_small_company(2_500, accounts=2)


@pytest.fixture(scope="module")
def done(world: Company) -> Run:
    """A run over everything that keeps a bookmark."""
    return run(api=Api(world), select=[*KEYED, *WHOLE])


@pytest.mark.slow
def test_transactions_have_a_bookmark_per_account_and_no_other(world: Company, done: Run) -> None:
    entry = done.state["bookmarks"]["transactions"]
    assert entry.keys() == {"partitions"}
    assert [part["context"] for part in entry["partitions"]] == [
        {"bank_account_id": account.id} for account in world.accounts
    ]
    for part in entry["partitions"]:
        assert part.keys() == {"context", "replication_key", "replication_key_value"}


@pytest.mark.parametrize("stream", KEYED[1:])
def test_a_finished_stream_has_one_uniform_bookmark(done: Run, stream: str) -> None:
    entry = done.state["bookmarks"][stream]
    assert entry.keys() == {"replication_key", "replication_key_value"}
    assert entry["replication_key"] == "updated_at"
    assert len(entry["replication_key_value"]) == 27
    assert entry["replication_key_value"] == uniform(entry["replication_key_value"])


def test_a_full_table_leaves_no_bookmark(done: Run) -> None:
    for stream in WHOLE:
        assert done.records[stream]
        assert not done.state["bookmarks"].get(stream)


def test_every_state_is_true_when_it_is_written(world: Company, done: Run) -> None:
    """Whatever comes after it, all rows up to its bookmarks stand before it in the output."""
    keys: dict[str, list[tuple[str, str]]] = {}
    for row in world.rows("transactions"):
        keys.setdefault(row["bank_account_id"], []).append((uniform(row["updated_at"]), row["id"]))
    written: set[str] = set()
    checked = 0
    for message in done.messages:
        if message["type"] == "RECORD" and message["stream"] == "transactions":
            written.add(message["record"]["id"])
        if message["type"] != "STATE":
            continue
        bookmark = message["value"]["bookmarks"].get("transactions", {})
        for part in bookmark.get("partitions", ()):
            reached = part.get("replication_key_value")
            if reached:
                checked += 1
                rows = {row for at, row in keys[part["context"]["bank_account_id"]] if at < reached}
                assert rows <= written
    assert checked > 4


def test_no_more_than_a_thousand_rows_stand_between_two_states(done: Run) -> None:
    rows = most = 0
    for message in done.messages:
        rows = 0 if message["type"] == "STATE" else rows + (message["type"] == "RECORD")
        most = max(most, rows)
    assert 0 < most <= 1_000


def test_an_unfinished_partition_says_until_when_it_reads(done: Run) -> None:
    unfinished = [
        part
        for state in done.states
        for part in state["bookmarks"].get("transactions", {}).get("partitions", ())
        if "reading_until" in part
    ]
    assert unfinished
    assert all(part["replication_key_value"] <= part["reading_until"] for part in unfinished)


def test_a_state_survives_a_run_that_does_not_select_its_stream(world: Company, done: Run) -> None:
    later = run(api=Api(world), select=["labels", "clients"], state=done.state)
    for stream in ("transactions", "beneficiaries"):
        assert later.state["bookmarks"][stream] == done.state["bookmarks"][stream]


@pytest.mark.slow
def test_timestamps_leave_in_one_form_at_every_depth(world: Company) -> None:
    found = run(api=Api(world), catalog=catalog_of())
    seen = 0
    for stream, messages in found.schemas.items():
        for row in found.records.get(stream, ()):
            for value in instants(messages[0]["schema"], row):
                seen += 1
                assert len(value) == 27, f"{stream}: {value}"
                assert value[10] == "T"
                assert value[19] == "."
                assert value[-1] == "Z"
    assert seen > 10_000


def instants(schema: Row, value: Any) -> list[str]:
    """Return all values that a schema calls timestamps."""
    if value is None:
        return []
    if schema.get("format") == "date-time":
        return [value]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return [
            found
            for name, inner in value.items()
            for found in instants(properties.get(name, {}), inner)
        ]
    if isinstance(value, list):
        return [found for inner in value for found in instants(schema.get("items", {}), inner)]
    return []


def test_an_account_that_the_state_names_twice_goes_on_from_the_earlier_bookmark(
    company: Company, api: Api
) -> None:
    done = run(api=api, select=["transactions"])
    state, usual = done.state, done.bookmarks("transactions")
    (first, *_) = partitions = state["bookmarks"]["transactions"]["partitions"]
    mine = [
        row
        for row in done.records["transactions"]
        if row["bank_account_id"] == first["context"]["bank_account_id"]
    ]
    partitions.append({**first, "replication_key_value": mine[0]["updated_at"]})
    again = run(api=Api(company, authorization=KEY), state=state, select=["transactions"])
    assert again.exit_code == 0
    assert {row["id"] for row in mine} <= {row["id"] for row in again.records["transactions"]}
    assert again.bookmarks("transactions") == usual
    assert len(again.state["bookmarks"]["transactions"]["partitions"]) == len(partitions) - 1
    assert "names 1 partition(s) more than once" in again.log
