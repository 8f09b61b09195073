"""Statuses and accounts that Qonto knows, refuses or has given up, and whose state it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company, Response
from tests.kit.answers import refuse
from tests.kit.cases import some
from tests.kit.hiding import WORLDS
from tests.kit.runner import run
from tests.reading.arrived import found, ids

if TYPE_CHECKING:
    from tap_qonto.demo import Request
    from tests.conftest import Clock

Row = dict[str, Any]

# Nothing waits: the readers give a server time between two readings.
pytestmark = pytest.mark.usefixtures("slept")


@pytest.fixture
def company() -> Company:
    """A company of 300 transactions in 3 accounts, which the test may change."""
    return Company(transactions=300, accounts=3)


def test_transactions_that_become_reversed_are_read_where_qonto_knows_the_status(
    company: Company,
) -> None:
    earlier = run(api=Api(company), select=["transactions"])
    api = Api(company)
    WORLDS["reversals"](api)
    later = run({"lookback_seconds": 10**9}, api=api, select=["transactions"], state=earlier.state)
    assert later.exit_code == 0, later.log
    assert sorted(found(later, "transactions")) == sorted(ids(company, "transactions"))
    statuses = {row["status"] for row in later.records["transactions"]}
    assert statuses == {"pending", "declined", "completed", "reversed"}


@pytest.mark.parametrize("status", some([400, 422], 422))
@pytest.mark.parametrize("accounts", some([1, 2, 3, 8], 2))
def test_a_status_that_qonto_refuses_is_asked_for_once_in_a_run(accounts: int, status: int) -> None:
    company = Company(transactions=600, accounts=accounts)
    api = Api(company)
    twin = Api(company)

    def hook(request: Request) -> Response | None:
        if ("status[]", "reversed") not in request.query:
            return None
        refusal = Api(company)
        refuse(refusal, request.path, status, "invalid", "status is not one of these")
        return refusal(request)

    api.before.append(hook)
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 0, done.log
    assert twin.company.total("transactions") == len(set(found(done, "transactions")))
    asked = [r for r in done.requests if ("status[]", "reversed") in r.query]
    assert len(asked) == 1


@pytest.mark.parametrize("reading", ["all", "first", "last"])
@pytest.mark.slow
def test_500_accounts_with_nothing_new_take_few_requests_where_qonto_honours_several_statuses(
    reading: Any, clock: Clock
) -> None:
    company = Company(transactions=3_000, accounts=500, clock=clock)
    api = Api(company, clock=clock, status_reading=reading)
    earlier = run(api=api, select=["transactions"])
    assert len(set(found(earlier, "transactions"))) == company.total("transactions")
    clock.advance(86_400)
    later = run(api=api, select=["transactions"], state=earlier.state)
    assert later.exit_code == 0, later.log
    if reading == "all":
        assert len(later.requests) <= 600
    else:
        assert len(later.requests) >= 3 * 500, "one status at a time, as before"
    assert later.bookmarks("transactions") == earlier.bookmarks("transactions")


def gone(company: Company, *, readable: bool) -> tuple[Api, str, Row]:
    """Return an API that lists one account less, that account, and a state that knows it."""
    earlier = run(api=Api(company), select=["transactions"])
    api = Api(company)
    account = company.accounts[-1].id
    twin = Api(company)

    def hook(request: Request) -> Response | None:
        response = twin(request)
        if request.path in {"/v2/bank_accounts", "/v2/organization"}:
            assert isinstance(response.body, bytes)
            body = json.loads(response.body)
            listed = body.get("organization", body)
            listed["bank_accounts"] = [
                row for row in listed["bank_accounts"] if row["id"] != account
            ]
            return Response(200, response.headers, json.dumps(body).encode())
        if not readable and ("bank_account_id", account) in request.query:
            error = {"errors": [{"code": "not_found", "detail": "no such account"}]}
            return Response(404, response.headers, json.dumps(error).encode())
        return None

    api.before.append(hook)
    return api, account, earlier.state


def test_an_account_that_only_the_state_knows_is_asked_for_all_the_same(company: Company) -> None:
    api, account, state = gone(company, readable=True)
    expected = {
        row["id"] for row in company.rows("transactions") if row["bank_account_id"] == account
    }
    done = run({"lookback_seconds": 10**9}, api=api, select=["transactions"], state=state)
    assert done.exit_code == 0, done.log
    assert expected
    assert expected <= set(found(done, "transactions"))


@pytest.mark.slow
def test_an_account_that_cannot_be_had_any_more_is_named_in_one_warning(company: Company) -> None:
    api, account, state = gone(company, readable=False)
    done = run({"lookback_seconds": 10**9}, api=api, select=["transactions"], state=state)
    assert done.exit_code == 0, done.log
    warnings = [line for line in done.log.splitlines() if account in line and "WARNING" in line]
    assert len(warnings) == 1
    assert "not listed any more" in warnings[0]
    others = {
        row["id"] for row in company.rows("transactions") if row["bank_account_id"] != account
    }
    assert set(found(done, "transactions")) == others
    assert done.bookmarks("transactions").keys() == {one.id for one in company.accounts}


@pytest.mark.parametrize("select", some([["transactions"], ["sepa_transfers"]], ["transactions"]))
@pytest.mark.parametrize("signed", [True, False])
def test_the_state_of_another_organization_is_refused(select: list[str], *, signed: bool) -> None:
    other = Company("another-company", transactions=100)
    state = run(api=Api(other), select=["transactions", "sepa_transfers"]).state
    assert state["organization_id"] == other.organization_id
    if not signed:
        del state["organization_id"]
    done = run(api=Api(Company(transactions=100)), select=select, state=state)
    if not signed and select == ["sepa_transfers"]:
        return  # nothing in such a state says whose it is
    assert done.exit_code == 1
    assert "The state is of another organization" in done.log.splitlines()[-1]
    assert not done.records
    assert done.state == state, "it is left as it was"


def test_the_own_state_is_accepted(company: Company) -> None:
    earlier = run(api=Api(company), select=["transactions"])
    again = run(api=Api(company), select=["transactions"], state=earlier.state)
    assert again.exit_code == 0, again.log
    assert again.state == earlier.state
