"""One stream's trouble stays its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company
from tap_qonto.streams import STREAMS
from tests.kit import faults
from tests.kit.answers import alter, refuse
from tests.kit.cases import thorough
from tests.kit.faults import Faults, answer
from tests.kit.runner import KEY, Run, run
from tests.streams.troubles import PATHS, final_errors, others, rows, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Request, Response

Row = dict[str, Any]

SOME = ["organization", "transactions", "sepa_transfers", "labels", "beneficiaries", "teams"]
"""Streams before and after the one that fails."""


def always(fault: Any) -> Callable[[Api, str], None]:
    """Return what lets a fault happen to every request for a path."""
    return lambda api, path: api.before.append(Faults(path, always=fault))


def change(body: Callable[[Row], object]) -> Callable[[Api, str], None]:
    """Return what changes every answer to a path."""
    return lambda api, path: alter(api, path, body)


TROUBLES: dict[str, tuple[Callable[[Api, str], None], str]] = {
    "400": (status(400), "answered 400 some_code (No.)"),
    "422": (status(422), "answered 422 some_code (No.)"),
    "409": (status(409), "answered 409"),
    "a redirect": (status(302), "a redirect"),
    "503 for ever": (always(answer(503)), "Gave up after 6 attempts"),
    "a reset for ever": (always(faults.reset), "the connection broke"),
    "no envelope": (always(answer(200, {"data": [], "meta": {}})), "without the list"),
    "no JSON": (always(answer(200, b"<html>", Content_Type="text/html")), "is not valid JSON"),
    "no counts": (change(lambda body: body.pop("meta") and None), "without the counts"),
    "a row without its key": (rows(lambda row: row.pop("id") and None), "key field 'id'"),
    "more than is listed": (
        always(answer(422, {"errors": [{"code": "search_limit_reached"}]})),
        "Qonto lists no more",
    ),
}


@pytest.mark.parametrize(
    ("trouble", "told"),
    thorough(
        TROUBLES,
        *("400", "a reset for ever", "a row without its key"),
    ),
)
@pytest.mark.usefixtures("slept")
def test_any_trouble_of_one_stream_leaves_the_others_whole_and_its_bookmark_where_it_was(
    small: Company, whole: Run, trouble: Callable[[Api, str], None], told: str
) -> None:
    api = Api(small, authorization=KEY)
    trouble(api, "/sepa/transfers")
    before = {
        "replication_key": "updated_at",
        "replication_key_value": "2024-05-06T07:08:09.000000Z",
    }
    done = run(api=api, state={"bookmarks": {"sepa_transfers": before}}, select=SOME)
    assert done.exit_code == 1
    expected = others(whole, "sepa_transfers")
    assert others(done) == {name: expected[name] for name in SOME if name != "sepa_transfers"}
    assert done.state["bookmarks"]["sepa_transfers"] == before
    assert done.bookmarks("transactions") == whole.bookmarks("transactions")
    (sentence,) = final_errors(done)
    assert sentence.startswith("sepa_transfers: ")
    assert told in sentence
    assert "Traceback" not in done.log
    healed = run(api=Api(small, authorization=KEY), state=done.state, select=["sepa_transfers"])
    assert healed.exit_code == 0
    assert healed.records["sepa_transfers"]


@pytest.mark.parametrize(
    ("stream", "path"),
    thorough(
        {item[0]: item for item in PATHS.items()},
        "transactions",
    ),
)
def test_whichever_stream_fails_the_others_are_read(
    small: Company, whole: Run, stream: str, path: str
) -> None:
    api = Api(small, authorization=KEY)
    refuse(api, path, 400)
    done = run(api=api)
    assert done.exit_code == 1
    mine = {stream} | {
        s.name for s in STREAMS if getattr(s.parent_stream_type, "name", "") == stream
    }
    assert others(done, *mine) == others(whole, *mine)
    assert stream not in done.records
    assert [line.split(":")[0] for line in final_errors(done) if "transactions" not in line] == (
        [] if stream == "transactions" else [stream]
    )


def test_two_streams_that_fail_are_named_in_a_line_each(small: Company) -> None:
    api = Api(small, authorization=KEY)
    refuse(api, "/labels", 400)
    refuse(api, "/sepa/beneficiaries", 422)
    done = run(api=api)
    assert [line.split(":")[0] for line in final_errors(done)] == ["labels", "beneficiaries"]


def test_streams_are_read_in_the_order_in_which_people_miss_them(whole: Run) -> None:
    first = list(dict.fromkeys(m["stream"] for m in whole.messages if m["type"] == "SCHEMA"))
    assert first[:3] == ["organization", "bank_accounts", "transactions"]
    assert {"client_invoices", "supplier_invoices"} < set(first[3:8])


def test_a_child_that_fails_is_given_up_once_and_its_parent_is_read(small: Company) -> None:
    api = Api(small)
    asked = []

    def broken(request: Request) -> Response | None:
        if not request.path.endswith("/payments"):
            return None
        asked.append(request)
        return answer(400, {})(request)

    api.before.append(broken)
    done = run(api=api, select=["payment_links", "payment_link_payments"])
    assert done.exit_code == 1
    assert len(done.records["payment_links"]) == small.total("payment_links") > 1
    assert len(asked) == 1
    (sentence,) = final_errors(done)
    assert sentence.startswith("payment_link_payments: GET /payment_links/")


def of_account(account: str, fault: Any) -> Callable[[Request], Response | None]:
    """Return a hook that lets a fault happen to the transactions of one account."""

    def hook(request: Request) -> Response | None:
        here = dict(request.query).get("bank_account_id") == account
        return fault(request) if here else None

    return hook


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize("fault", [answer(400, {}), answer(500)], ids=["400", "500"])
def test_one_accounts_trouble_starves_no_other_account(
    small: Company, whole: Run, fault: Any
) -> None:
    first = next(row["id"] for row in small.rows("bank_accounts"))
    api = Api(small, authorization=KEY)
    api.before.append(of_account(first, fault))
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 1
    expected = [row for row in whole.records["transactions"] if row["bank_account_id"] != first]
    assert done.records["transactions"] == expected
    assert done.bookmarks("transactions").keys() == whole.bookmarks("transactions").keys() - {first}
    (sentence,) = final_errors(done)
    assert sentence.startswith(f"transactions: bank account {first}: GET /transactions answered")


@pytest.mark.usefixtures("slept")
def test_accounts_are_left_alone_when_two_in_a_row_are_not_answered(small: Company) -> None:
    assert small.total("bank_accounts") > 3
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/transactions", always=answer(500)))
    done = run({"concurrency": 1}, api=api, select=["transactions", "labels"])
    assert done.exit_code == 1
    assert len(done.log.split("Gave up after 6 attempts")) - 1 == 3, "two warnings, one at the end"
    assert done.records["labels"]
