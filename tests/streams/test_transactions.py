"""Transactions: accounts, statuses, dates and what is included."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company, Response
from tests.kit.answers import alter, alter_rows
from tests.kit.cases import some
from tests.kit.runner import run
from tests.streams.reading import rows

if TYPE_CHECKING:
    from tap_qonto.demo import Request

# No test here is about waiting before another attempt.
pytestmark = pytest.mark.usefixtures("slept")


@pytest.mark.parametrize("reading", some(["all", "first", "last"], "first"))
def test_all_statuses_come_in_one_sorted_sequence_per_account(world: Company, reading: Any) -> None:
    done = run(api=Api(world, status_reading=reading), select=["transactions"])
    found = rows(done, "transactions")
    assert Counter(row["status"] for row in found) == Counter(
        row["status"] for row in world.rows("transactions")
    )
    by_account: dict[str, list[str]] = {}
    for row in found:
        by_account.setdefault(row["bank_account_id"], []).append(row["updated_at"])
    assert len(by_account) == 6
    for keys in by_account.values():
        assert keys == sorted(keys)


@pytest.mark.parametrize(
    "statuses", some([["completed"], ["pending", "declined"]], ["pending", "declined"]), ids=str
)
def test_only_the_configured_statuses_are_read(world: Company, statuses: list[str]) -> None:
    done = run({"transaction_statuses": statuses}, api=Api(world), select=["transactions"])
    wanted = [row for row in world.rows("transactions") if row["status"] in statuses]
    assert {row["id"] for row in rows(done, "transactions")} == {row["id"] for row in wanted}


def test_statuses_that_were_left_out_come_when_they_are_asked_for(world: Company) -> None:
    def read(state: Any, *statuses: str) -> Any:
        config = {"transaction_statuses": list(statuses)} if statuses else {}
        return run(
            {"lookback_seconds": 0, **config}, state=state, api=Api(world), select=["transactions"]
        )

    def ids(*statuses: str) -> set[str]:
        return {row["id"] for row in world.rows("transactions") if row["status"] in statuses}

    some = read(None, "completed")
    wider = read(some.state, "completed", "declined")
    assert {row["id"] for row in rows(wider, "transactions")} == ids("completed", "declined")
    assert "left out those that are declined (transaction_statuses)" in wider.log
    assert wider.log.count("are read again") == 1
    narrow = read(wider.state, "declined")
    assert len(rows(narrow, "transactions")) <= 6, "the last row of an account"
    everything = read(narrow.state)
    assert {row["id"] for row in rows(everything, "transactions")} == {
        row["id"] for row in world.rows("transactions")
    }
    assert "statuses" not in str(everything.state)
    nothing_new = read(everything.state)
    assert len(rows(nothing_new, "transactions")) <= 6
    assert "are read again" not in nothing_new.log


def test_a_run_that_breaks_while_it_reads_what_was_left_out_begins_anew(company: Company) -> None:
    only = {"transaction_statuses": ["completed"]}
    some = run(only, api=Api(company), select=["transactions"])
    api = Api(company)
    account = company.accounts[0].id

    def refuse(request: Request) -> Response | None:
        asked = {("bank_account_id", account), ("status[]", "pending")}
        return Response(400, {}, b"{}") if asked <= set(request.query) else None

    api.before.append(refuse)
    broken = run(state=some.state, api=api, select=["transactions"])
    assert broken.exit_code == 1
    done = run(state=broken.state, api=Api(company), select=["transactions"])
    found = {row["id"] for row in rows(done, "transactions")}
    wanted = {
        row["id"] for row in company.rows("transactions") if row["bank_account_id"] == account
    }
    assert wanted
    assert wanted <= found


@pytest.mark.parametrize("statuses", ["completed", [1], {}], ids=str)
def test_a_state_with_statuses_that_are_none_is_refused(company: Company, statuses: Any) -> None:
    state = run(api=Api(company), select=["transactions"]).state
    state["bookmarks"]["transactions"]["partitions"][0]["statuses"] = statuses
    done = run(state=state, api=Api(company), select=["transactions"])
    assert done.exit_code == 1
    assert "The state of transactions is damaged" in done.log
    assert not done.requests


def test_related_objects_are_included_without_their_links(world: Company) -> None:
    done = run(api=Api(world), select=["transactions"])
    expected = {row["id"]: row for row in world.rows("transactions")}
    for row in rows(done, "transactions"):
        original = expected[row["id"]]
        assert [label["id"] for label in row["labels"]] == original["label_ids"]
        assert [file["id"] for file in row["attachments"]] == original["attachment_ids"]
        assert all("url" not in file for file in row["attachments"])
    assert any(row["vat_details"] for row in rows(done, "transactions"))


def test_only_the_configured_accounts_are_read(world: Company) -> None:
    chosen = [world.accounts[1].id, world.accounts[3].id]
    done = run({"bank_account_ids": chosen}, api=Api(world), select=["transactions"])
    assert {row["bank_account_id"] for row in rows(done, "transactions")} == set(chosen)
    assert {query["bank_account_id"] for query in done.asked("/transactions")} == set(chosen)


def test_an_unknown_account_is_named_before_any_row_is_read(world: Company) -> None:
    done = run({"bank_account_ids": ["nobody"]}, api=Api(world), select=["transactions"])
    assert done.exit_code == 1
    assert not done.records
    assert "bank_account_ids" in done.log
    assert "nobody" in done.log


@pytest.mark.parametrize(
    "start", some(["2015-01-01", "2016-12-31T23:59:59Z", "0001-01-01"], "0001-01-01")
)
def test_a_start_before_2017_is_clamped(world: Company, start: str) -> None:
    done = run({"start_date": start}, api=Api(world), select=["transactions"])
    assert len(rows(done, "transactions")) == world.total("transactions")
    starts = [query["updated_at_from"] for query in done.asked("/transactions")]
    assert starts[0] == min(starts) == "2017-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "stream",
    some(
        ["transactions", "sepa_transfers", "client_invoices", "clients", "supplier_invoices"],
        *("transactions", "sepa_transfers", "clients"),
    ),
)
def test_a_first_run_begins_at_the_start_date(world: Company, stream: str) -> None:
    done = run({"start_date": "2026-08-01T12:00:00+02:00"}, api=Api(world), select=[stream])
    expected = {
        row["id"] for row in world.rows(stream) if row["updated_at"] >= "2026-08-01T10:00:00"
    }
    assert expected
    assert {row["id"] for row in rows(done, stream)} == expected


def test_external_accounts_come_only_when_asked_for(world: Company) -> None:
    streams = ["bank_accounts", "organization"]
    without = run(api=Api(world), select=streams)
    assert not any(row["is_external_account"] for row in rows(without, "bank_accounts"))
    assert all("include_external_accounts" not in query for query in without.asked("/organization"))
    done = run({"include_external_accounts": True}, api=Api(world), select=streams)
    [external] = [row for row in rows(done, "bank_accounts") if row["is_external_account"]]
    assert external["organization_id"] == world.organization_id
    assert len(rows(done, "bank_accounts")) == len(rows(without, "bank_accounts")) + 1


def test_an_external_account_that_comes_unasked_is_not_read(company: Company) -> None:
    api = Api(company)
    external = {"id": "elsewhere", "iban": "FR76", "is_external_account": True}
    alter(api, "/bank_accounts", lambda body: body["bank_accounts"].append(external))
    alter(
        api,
        "/organization",
        lambda body: body["organization"]["bank_accounts"].insert(0, external),
    )
    done = run(api=api, select=["transactions"])
    assert rows(done, "transactions")
    assert "elsewhere" not in {query["bank_account_id"] for query in done.asked("/transactions")}


@pytest.mark.parametrize("sent", some([None, ""], None))
def test_a_transaction_that_does_not_name_its_account_gets_the_one_asked_for(
    company: Company, sent: str | None
) -> None:
    api = Api(company)
    alter_rows(api, "/transactions", lambda row: row.update(bank_account_id=sent))
    done = run(api=api, select=["transactions"])
    found = {row["id"]: row["bank_account_id"] for row in rows(done, "transactions")}
    assert found == {row["id"]: row["bank_account_id"] for row in company.rows("transactions")}
