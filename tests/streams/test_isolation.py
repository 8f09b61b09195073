"""One stream's trouble stays its own; only what no stream can do without ends a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company
from tap_qonto.streams import STREAMS
from tests.kit import faults
from tests.kit.answers import alter, alter_rows, refuse
from tests.kit.cases import thorough
from tests.kit.faults import Faults, answer
from tests.kit.runner import KEY, Run, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Request, Response

Row = dict[str, Any]

SOME = ["organization", "transactions", "sepa_transfers", "labels", "beneficiaries", "teams"]
"""Streams before and after the one that fails."""

PATHS = {
    stream.name: stream.path
    for stream in STREAMS
    if stream.selected_by_default and not stream.parent_stream_type
}


@pytest.fixture(scope="module")
def small() -> Company:
    """A company that no test changes."""
    return Company(transactions=60)


@pytest.fixture(scope="module")
def whole(small: Company) -> Run:
    """A run without any trouble."""
    done = run(api=Api(small, authorization=KEY))
    assert done.exit_code == 0
    return done


def final_errors(outcome: Run) -> list[str]:
    """Return the errors at the end of the log."""
    return re.findall(r"^ERROR \S+ (.*)$", outcome.log, re.MULTILINE)


def others(outcome: Run, *but: str) -> dict[str, int]:
    """Return how many rows each stream but some has."""
    return {name: len(rows) for name, rows in outcome.records.items() if name not in but}


# -- one stream -----------------------------------------------------------------------------------


def status(number: int, text: str = "No.") -> Callable[[Api, str], None]:
    """Return what lets a path answer with a status."""
    return lambda api, path: refuse(api, path, number, "some_code", text)


def always(fault: Any) -> Callable[[Api, str], None]:
    """Return what lets a fault happen to every request for a path."""
    return lambda api, path: api.before.append(Faults(path, always=fault))


def change(body: Callable[[Row], object]) -> Callable[[Api, str], None]:
    """Return what changes every answer to a path."""
    return lambda api, path: alter(api, path, body)


def rows(edit: Callable[[Row], object]) -> Callable[[Api, str], None]:
    """Return what changes every row of a path."""
    return lambda api, path: alter_rows(api, path, edit)


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


@pytest.mark.parametrize(("trouble", "told"), TROUBLES.values(), ids=TROUBLES.keys())
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
        *("transactions", "labels"),
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


# -- rows without their key ------------------------------------------------------------------------


def test_an_organization_without_an_id_is_known_by_its_slug(small: Company) -> None:
    api = Api(small, authorization=KEY)
    alter(api, "/organization", lambda body: body["organization"].pop("id") and None)
    done = run(api=api, select=["organization", "einvoicing_settings"])
    assert done.exit_code == 0
    (organization,) = done.records["organization"]
    assert organization["id"] == organization["slug"]
    (settings,) = done.records["einvoicing_settings"]
    assert settings["organization_id"] == organization["slug"]


def test_a_plan_without_a_code_gets_a_fixed_key(small: Company) -> None:
    api = Api(small, authorization=KEY)
    alter(api, "/subscription", lambda body: body["plan"].pop("code") and None)
    done = run(api=api, select=["subscription"])
    assert done.exit_code == 0
    (plan,) = done.records["subscription"]
    assert plan["code"] == "plan"


def test_any_other_row_without_its_key_fails_its_stream_by_name_and_path(small: Company) -> None:
    api = Api(small, authorization=KEY)
    alter_rows(api, "/sepa/beneficiaries", lambda row: row.pop("id") and None)
    done = run(api=api, select=["beneficiaries", "teams"])
    assert done.exit_code == 1
    assert done.records["teams"]
    assert final_errors(done) == [
        "beneficiaries: GET /sepa/beneficiaries answered a row without the primary key field 'id'"
    ]


# -- values that cannot be read --------------------------------------------------------------------

ROW = b'{"id":"%d","name":%s,"parent_id":null}'

UNREADABLE = {
    "a lone surrogate": (b'"Caf\\ud800"', "Caf\ufffd"),
    "invalid UTF-8": (b'"Caf\xe9"', "Caf\ufffd"),
    "NaN": (b"NaN", "NaN"),
    "infinity": (b"-Infinity", "-Infinity"),
    "600 levels of nesting": (b"[" * 600 + b"]" * 600, None),
    "600 levels of objects": (b'{"a":' * 600 + b"1" + b"}" * 600, None),
    "100,000 levels of nesting": (b"[" * 100_000 + b"]" * 100_000, None),
    "an exponent beyond all types": (b"1e99999999999999999999", "1e99999999999999999999"),
    "a number of 5,000 digits": (b"7" * 5_000, "7" * 5_000),
    "a line break in a text": (b'"a\nb"', "a\nb"),
}


def labels(*rows: bytes) -> Any:
    """Return a fault that answers with these rows."""
    meta = b'{"current_page":1,"total_pages":1,"total_count":%d,"per_page":100}' % len(rows)
    return answer(
        200, b'{"labels":[%s],"meta":%s}' % (b",".join(rows), meta), Content_Type="application/json"
    )


@pytest.mark.parametrize(("value", "kept"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_value_that_cannot_be_read_is_set_aside_and_the_rest_arrives(
    small: Company, value: bytes, kept: str | None
) -> None:
    fault = labels(ROW % (1, b'"a"'), ROW % (2, value), ROW % (3, b'"c"'))
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/labels", always=fault))
    done = run(api=api, select=["labels", "teams"])
    assert done.exit_code == 0
    first, odd, last = done.records["labels"]
    assert (first["name"], last["name"]) == ("a", "c")
    assert odd["id"] == "2"
    texts = (odd["name"], odd.get("additional_properties", {}).get("name"))
    if kept is not None:
        assert kept in texts
    else:
        assert odd["name"] is None or "nesting" in odd["name"]
    assert done.records["teams"]
    assert not final_errors(done)
    if kept != "a\nb":  # nothing is lost
        (line,) = [line for line in done.log.splitlines() if line.startswith("WARNING")]
        assert "labels: Qonto sent" in line
        assert "'name' 1 time" in line


@pytest.mark.parametrize("value", [b'"\xff"', b'{"x":NaN}', b'{"x":' * 600 + b"1" + b"}" * 600])
def test_an_unknown_field_that_cannot_be_read_costs_nothing_else(
    small: Company, value: bytes
) -> None:
    fault = labels(b'{"id":"1","name":"a","parent_id":null,"new":%s}' % value, ROW % (2, b'"b"'))
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/labels", always=fault))
    done = run(api=api, select=["labels"])
    assert done.exit_code == 0
    assert [row["name"] for row in done.records["labels"]] == ["a", "b"]
    assert "'new' 1 time" in done.log


@pytest.mark.parametrize("key", [b"null", b'"\\ud800"', b"NaN"])
def test_a_row_whose_key_is_null_or_unreadable_is_set_aside_and_counted(
    small: Company, key: bytes
) -> None:
    odd = b'{"id":%s,"name":%s,"parent_id":null}'
    fault = labels(ROW % (1, b'"a"'), odd % (key, b'"b"'), odd % (key, b'"c"'), ROW % (4, b'"d"'))
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/labels", always=fault))
    done = run(api=api, select=["labels"])
    assert done.exit_code == 0
    assert [row["id"] for row in done.records["labels"]] == ["1", "4"]
    assert "rows whose key is null or cannot be read, in 'id' 2 times (set aside)" in done.log


def test_an_organization_nested_deeply_is_read_all_the_same(small: Company) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    api = Api(small, authorization=KEY)
    alter(api, "/organization", lambda body: body["organization"].update(deep=deep))
    done = run(api=api, select=["organization", "transactions"])
    assert done.exit_code == 0
    assert done.records["organization"]
    assert done.records["transactions"]


@pytest.mark.parametrize("path", ["/organization", "/bank_accounts"])
def test_an_account_without_an_id_costs_no_other_account(
    small: Company, whole: Run, path: str
) -> None:
    def nameless(body: Row) -> None:
        accounts = body.get("bank_accounts") or body["organization"]["bank_accounts"]
        accounts.append({**accounts[0], "id": None})

    api = Api(small, authorization=KEY)
    alter(api, path, nameless)
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 1
    assert done.records["transactions"] == whole.records["transactions"]
    assert "listed bank accounts without an ID" in final_errors(done)[0]


def test_one_line_at_the_end_of_a_stream_names_every_odd_path(small: Company) -> None:
    def odd(row: Row) -> None:
        row |= {"colour": "red", "iban": 17, "trusted": "perhaps"}
        if row["email"]:
            row["style"] = {}

    api = Api(small, authorization=KEY)
    alter_rows(api, "/sepa/beneficiaries", odd)
    done = run(api=api, select=["beneficiaries"])
    (line,) = [line for line in done.log.splitlines() if line.startswith("WARNING")]
    rows = len(done.records["beneficiaries"])
    for path in ("colour", "iban", "trusted"):
        assert f"'{path}' {rows} times" in line
    assert "'style' " in line


# -- one account ----------------------------------------------------------------------------------


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


# -- what may not be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", thorough({text: text for text in ("Unauthorized", "Invalid token", "")}, "")
)
@pytest.mark.parametrize(
    "stream",
    [
        "bank_accounts",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("organization", "labels", "beneficiaries")
        ),
    ],
)
def test_a_401_on_one_stream_is_skipped_whatever_its_text(
    small: Company, whole: Run, stream: str, text: str
) -> None:
    api = Api(small, authorization=KEY)
    refuse(api, PATHS[stream], 401, "unauthorized", text)
    done = run(api=api)
    assert done.exit_code == 0
    assert others(done, stream) == others(whole, stream)
    assert f"{stream}: skipped" in done.log
    assert re.search(rf"Skipped, for lack of permission.*{stream} \(401", done.log)


def test_a_401_on_everything_ends_the_run_at_once(small: Company) -> None:
    done = run({"secret_key": "wrong"}, api=Api(small, authorization=KEY))
    assert done.exit_code == 1
    assert len(done.requests) <= 3
    assert not done.records
    (sentence,) = final_errors(done)
    assert "401" in sentence


def test_credentials_that_are_withdrawn_during_a_run_end_it(small: Company) -> None:
    api = Api(small, authorization=KEY)
    withdrawn: list[bool] = []

    def withdraw(request: Request) -> Response | None:
        if request.path == "/v2/teams":
            withdrawn.append(True)
        return answer(401, {})(request) if withdrawn else None

    api.before.append(withdraw)
    done = run({"concurrency": 1}, api=api, select=["labels", "teams", "webhook_subscriptions"])
    assert done.exit_code == 1
    assert done.records["labels"]
    (sentence,) = final_errors(done)
    assert "401" in sentence
    assert "skipped" not in done.log


REFUSED_ACCOUNTS = {"403": status(403), "404": status(404), "401": status(401)}


@pytest.mark.parametrize("trouble", REFUSED_ACCOUNTS.values(), ids=REFUSED_ACCOUNTS.keys())
def test_without_bank_accounts_those_of_the_organization_are_read_with_a_warning(
    small: Company, whole: Run, trouble: Callable[[Api, str], None]
) -> None:
    api = Api(small, authorization=KEY)
    trouble(api, "/bank_accounts")
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 0
    assert done.records["transactions"] == whole.records["transactions"]
    assert "closed ones may be missing" in done.log


@pytest.mark.usefixtures("slept")
def test_bank_accounts_that_fail_are_told_at_the_end_and_transactions_come_all_the_same(
    small: Company, whole: Run
) -> None:
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/bank_accounts", always=answer(500)))
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 1
    assert done.records["transactions"] == whole.records["transactions"]
    (sentence,) = final_errors(done)
    assert "closed bank accounts may be missing" in sentence


# -- what ends a run ------------------------------------------------------------------------------


def test_a_host_that_cannot_be_reached_ends_the_run_at_once(slept: list[float]) -> None:
    settings = {
        "api_url": f"http://127.0.0.1:{faults.free_port()}/v2",
        "login": "a",
        "secret_key": "b",
    }
    done = run(settings)
    assert done.exit_code == 1
    (sentence,) = final_errors(done)
    assert "the connection was refused" in sentence
    assert len(slept) == 5, "for the first stream, and no further one"


def test_a_host_that_answers_nothing_but_faults_ends_the_run_after_three_streams(
    small: Company, slept: list[float]
) -> None:
    api = Api(small, authorization=KEY)
    api.before.append(Faults(None, always=answer(503)))
    done = run(api=api)
    assert done.exit_code == 1
    assert "Nothing else is answered either" in final_errors(done)[-1]
    assert len(slept) < 40
