"""Answers that are none are told in one sentence, and lead nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company
from tests.api.failing import META, SECRETIVE, as_sent, errors, failing
from tests.kit import faults
from tests.kit.answers import alter
from tests.kit.cases import some, thorough
from tests.kit.faults import answer
from tests.kit.runner import KEY, config_for, run, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.faults import Fault

Row = dict[str, Any]

USELESS = {
    "HTML with status 200": (
        answer(200, b"<html>Camille Martin</html>", Content_Type="text/html; charset=utf-8"),
        "GET /labels answered 200 with text/html that is not valid JSON",
    ),
    "truncated JSON": (
        answer(200, b'{"labels": [{"name": "Camille Martin', Content_Type="application/json"),
        "GET /labels answered 200 with application/json that is not valid JSON",
    ),
    "bytes that are no text": (answer(200, b"\xff\xfe\x00"), "that is not valid JSON"),
    "no envelope": (answer(200, {"meta": META}), "GET /labels answered JSON without the list"),
    "another envelope": (answer(200, {"data": [], "meta": META}), "without the list 'labels'"),
    "an object in the envelope": (answer(200, {"labels": {}}), "without the list 'labels'"),
    "a list": (answer(200, []), "GET /labels answered JSON that is no object"),
    "null": (answer(200, None), "GET /labels answered JSON that is no object"),
    "meta of another type": (answer(200, {"labels": [], "meta": []}), "a 'meta' that is no object"),
    "a page count that is text": (
        answer(200, {"labels": [], "meta": META | {"total_pages": "many"}}),
        "a 'meta' whose 'total_pages' is no count",
    ),
    "a negative count": (
        answer(200, {"labels": [], "meta": META | {"total_count": -1}}),
        "a 'meta' whose 'total_count' is no count",
    ),
    "a row that is none": (answer(200, {"labels": ["Camille"]}), "text where a row was expected"),
    "a row without its key": (answer(200, {"labels": [SECRETIVE]}), "primary key field 'id'"),
}


@pytest.mark.parametrize(
    ("fault", "told"),
    thorough(
        USELESS,
        *("HTML with status 200", "bytes that are no text", "no envelope"),
        *("null", "meta of another type", "a negative count"),
    ),
)
def test_an_answer_that_makes_no_sense_is_told_in_one_sentence(
    small: Company, waits: list[float], fault: Fault, told: str
) -> None:
    outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert told in sentence
    assert not waits, "another attempt would end in the same way"
    assert "Camille" not in outcome.log
    assert "Traceback" not in outcome.log


@pytest.mark.parametrize("lost", [["total_pages", "total_count"], None])
@pytest.mark.parametrize(
    "stream", some(["transactions", "clients", "client_invoices"], "transactions", "clients")
)
def test_a_list_that_does_not_say_how_long_it_is_is_not_taken_for_a_whole_one(
    small: Company, waits: list[float], stream: str, lost: list[str] | None
) -> None:
    def without(body: Row) -> None:
        meta = body.get("meta", {})  # a refusal has none
        for name in [*meta] if lost is None else lost:
            meta.pop(name, None)

    api = Api(small, page_limit=5)
    alter(api, f"/{stream}", without)
    outcome = run(api=api, select=[stream])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert f"GET /{stream} answered without the counts in 'meta'" in sentence
    assert not waits
    assert not outcome.records


@pytest.mark.parametrize(
    "url",
    [
        "https://a b/v2",
        "https://.a/v2",
        "http://127.0.0.1:99999/v2",
        "https://a/v2?b=c",
        "https://a#b",
    ],
)
def test_an_address_that_is_none_is_told(waits: list[float], url: str) -> None:
    outcome = run({"login": "acme-1234", "secret_key": "secret", "api_url": url}, select=["labels"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert sentence.startswith("Set api_url to the address of the API")
    assert not waits


def test_the_sandbox_without_its_token_says_what_is_missing(small: Company) -> None:
    api = Api(small, authorization=KEY, staging_token="st-4711-right")
    with serving(api) as server:
        settings = config_for(server) | {"environment": "sandbox", "staging_token": "st-4711-left"}
        outcome = run(settings, select=["labels"])
    assert outcome.exit_code == 1
    assert "staging_token is missing or wrong" in errors(outcome)[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_so_no_other_host_sees_the_credentials(
    small: Company, status: int
) -> None:
    with serving(Api(small)) as elsewhere:
        fault = answer(status, Location=f"{elsewhere.api_url}/labels")
        outcome = run(api=failing(small, "/labels", always=fault), select=["labels"])
        assert not elsewhere.requests
    assert outcome.exit_code == 1
    assert f"answered {status}: a redirect" in errors(outcome)[0]


def test_a_redirect_to_nowhere_is_told(small: Company) -> None:
    api = failing(small, "/labels", always=answer(301, Location="https://["))
    outcome = run(api=api, select=["labels"])
    assert outcome.exit_code == 1
    assert "GET /labels answered 301: a redirect" in errors(outcome)[0]


def test_cookies_are_not_kept_and_netrc_is_not_read(
    small: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    body = {"labels": [{"id": "1"}], "meta": META}
    fault = answer(200, body, Set_Cookie="session=1; Path=/")
    outcome = run(api=failing(small, "/labels", fault), select=["labels", "teams"])
    assert outcome.exit_code == 0
    assert {request.headers["Authorization"] for request in outcome.requests} == {KEY}
    assert not any("Cookie" in request.headers for request in outcome.requests)


def test_compressed_answers_are_read(small: Company) -> None:
    fault = faults.compressed({"labels": [{"id": "1", "name": "é"}], "meta": META})
    outcome = run(api=failing(small, "/labels", fault), select=["labels"])
    assert as_sent(outcome, "labels") == [{"id": "1", "name": "é"}]
