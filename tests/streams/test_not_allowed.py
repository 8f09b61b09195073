"""What may not be read is skipped; what answers to nothing ends the run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tap_qonto.demo import Api, Company
from tests.kit import faults
from tests.kit.answers import refuse
from tests.kit.cases import thorough
from tests.kit.faults import Faults, answer
from tests.kit.runner import KEY, Run, run
from tests.streams.troubles import PATHS, final_errors, others, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Request, Response


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
