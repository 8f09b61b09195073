"""Streams that are refused, and credentials that are."""

from __future__ import annotations

import pytest

from tap_qonto.demo import Api, Company
from tests.kit.answers import refuse
from tests.kit.cases import some
from tests.kit.runner import KEY, run
from tests.streams.reading import rows

# No test here is about waiting before another attempt.
pytestmark = pytest.mark.usefixtures("slept")

OPEN = ["labels", "sepa_transfers", "teams"]


@pytest.mark.parametrize(
    ("status", "code"),
    some([(403, "forbidden"), (403, "insufficient_scope"), (404, "not_found")], (403, "forbidden")),
)
@pytest.mark.parametrize(
    ("stream", "path", "scope"),
    some(
        [
            ("supplier_invoices", "/supplier_invoices", "supplier_invoice.read"),
            ("cards", "/cards", "card.read"),
            ("subscription", "/subscription", "subscription.read"),
            ("client_invoices", "/client_invoices", "client_invoices.read"),
        ],
        *("supplier_invoices", "subscription"),
    ),
)
def test_a_refused_stream_is_skipped_and_the_others_go_on(
    api: Api, stream: str, path: str, scope: str, status: int, code: str
) -> None:
    before = {"replication_key": "updated_at", "replication_key_value": "2026-01-01T00:00:00Z"}
    incremental = stream in {"supplier_invoices", "client_invoices"}
    state = {"bookmarks": {stream: before}} if incremental else None
    refuse(api, path, status, code)
    done = run(api=api, select=[stream, *OPEN], state=state)
    assert done.exit_code == 0
    assert all(done.records[name] for name in OPEN)
    warnings = [line for line in done.log.splitlines() if line.startswith("WARNING")]
    [notice] = [line for line in warnings if f"{stream}: skipped" in line]
    assert code in notice
    assert scope in notice
    assert f"{stream} ({status} {code})" in warnings[-1]
    if incremental:
        assert done.bookmark(stream) == before["replication_key_value"]


def test_refused_transactions_keep_the_bookmark_of_every_account(
    api: Api, company: Company
) -> None:
    earlier = run(api=api, select=["transactions"])
    refuse(api, "/transactions", 403)
    done = run(api=api, select=["transactions", *OPEN], state=earlier.state)
    assert done.exit_code == 0
    assert done.bookmarks("transactions") == earlier.bookmarks("transactions")
    assert len(done.bookmarks("transactions")) == len(company.accounts)
    assert done.log.count("transactions: skipped") == 1


def test_a_stream_for_oauth_only_is_skipped_with_an_api_key(api: Api) -> None:
    done = run(api=api, select=["terminals", "labels"])
    assert done.exit_code == 0
    assert done.records["labels"]
    assert "terminal.read" in done.log
    assert "terminals (401 unauthorized)" in done.log.splitlines()[-1]


def test_a_wrong_key_ends_the_run_with_where_to_find_it(api: Api) -> None:
    done = run({"secret_key": "mistyped-4711"}, api=api)
    assert done.exit_code == 1
    assert not done.records
    sentence = done.log.splitlines()[-1]
    assert sentence.startswith("ERROR")
    assert "secret_key" in sentence
    assert "Integrations and Partnerships > API key" in sentence
    assert "mistyped-4711" not in sentence
    assert "Traceback" not in done.log


def test_the_key_is_sent_as_it_is(api: Api) -> None:
    done = run(api=api, select=["labels"])
    assert {request.headers["Authorization"] for request in done.requests} == {KEY}


def test_a_run_in_which_everything_is_refused_fails(api: Api) -> None:
    for path in ("/labels", "/teams"):
        refuse(api, path, 403)
    done = run(api=api, select=["labels", "teams"])
    assert done.exit_code == 1
    assert "Nothing could be read" in done.log


def test_the_sandbox_wants_its_token_and_a_page_to_sign_in_is_no_data(
    company: Company,
) -> None:
    api = Api(company, staging_token="let-me-in")
    sandbox = {"environment": "sandbox"}
    good = run({**sandbox, "staging_token": "let-me-in"}, api=api, select=["labels"])
    assert rows(good, "labels")
    bad = run({**sandbox, "staging_token": "mistyped-4711"}, api=api, select=["labels"])
    assert bad.exit_code == 1
    assert not bad.records
    assert "Sign in" not in bad.log
    assert "staging_token" in bad.log
