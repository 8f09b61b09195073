"""Settings that cannot work are refused before the first request, in a sentence on what to set."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from singer_sdk.exceptions import ConfigValidationError

from tap_qonto.demo import Api, Company
from tap_qonto.tap import TapQonto
from tests.kit.manual import ROOT
from tests.kit.runner import KEY, catalog_of, run

if TYPE_CHECKING:
    from pathlib import Path

    from tap_qonto.demo import DemoServer

Row = dict[str, Any]

LOGIN, _, SECRET = KEY.partition(":")
KEYS = {"login": LOGIN, "secret_key": SECRET}
PLANTED = "sk_live_4711"
"""A value that no sentence may repeat."""

REFUSED: dict[str, tuple[Row, str]] = {
    "nothing": ({}, "set login and secret_key"),
    "no secret": ({"login": PLANTED}, "set both"),
    "no login": ({"secret_key": PLANTED}, "set both"),
    "an empty secret": ({"login": LOGIN, "secret_key": ""}, "set both"),
    "key and OAuth": ({**KEYS, "client_id": PLANTED}, "keep one of the two"),
    "sandbox without its token": ({**KEYS, "environment": "sandbox"}, "staging_token"),
    "unknown environment": (
        {**KEYS, "environment": PLANTED}, "Set environment to one of: production, sandbox, demo",
    ),
    "malformed date": ({**KEYS, "start_date": PLANTED}, "Set start_date to an ISO 8601 date"),
    "impossible date": ({**KEYS, "start_date": "2024-02-30"}, "Set start_date to an ISO 8601 date"),
    "a number for a date": ({**KEYS, "start_date": 20240101}, "start_date"),
    "unknown setting": ({**KEYS, "acces_token": PLANTED}, "'acces_token' does not exist"),
    "plain http": ({**KEYS, "api_url": f"http://{PLANTED}.example/v2"}, "Set api_url to an https"),
    "no URL": ({**KEYS, "api_url": PLANTED}, "Set api_url to an https"),
    "plain http for tokens": ({**KEYS, "token_url": "http://q.example"}, "Set token_url to an"),
    "text for a list": ({**KEYS, "bank_account_ids": PLANTED}, "Set bank_account_ids to an array"),
    "no account": ({**KEYS, "bank_account_ids": []}, "at least one ID"),
    "no status": ({**KEYS, "transaction_statuses": []}, "at least one status"),
    "text for a number": ({**KEYS, "concurrency": PLANTED}, "Set concurrency to an integer"),
    "no concurrency": ({**KEYS, "concurrency": 0}, "of at least 1"),
    "too much concurrency": ({**KEYS, "concurrency": 65}, "of at most 64"),
    "a negative lookback": ({**KEYS, "lookback_seconds": -1}, "lookback_seconds"),
    "no time": ({**KEYS, "request_timeout": 0}, "request_timeout"),
    "no rate": ({**KEYS, "rate_limit_share": 0}, "rate_limit_share"),
    "half a request": ({**KEYS, "concurrency": 7.5}, "Set concurrency to an integer"),
    "a lookback of ages": ({**KEYS, "lookback_seconds": 10**15}, "of at most 1000000000"),
    "endless patience": ({**KEYS, "request_timeout": 1e300}, "of at most 86400"),
    "an endless rate": ({**KEYS, "rate_limit_share": "1e300"}, "of at most 1000"),
    "a line break in a header": (
        {**KEYS, "user_agent": f"{PLANTED}\r\nX: y"}, "Set user_agent to one line",
    ),
    "letters that no header has": ({**KEYS, "user_agent": "Büro €"}, "Set user_agent to one line"),
    "a line break in an ID": ({**KEYS, "organization_id": "a\nb"}, "Set organization_id to one"),
    "a start to come": ({**KEYS, "start_date": "2999-01-01"}, "Set start_date to a date that has"),
    "a misspelt status": (
        {**KEYS, "transaction_statuses": ["completed", PLANTED]}, "transaction_statuses to some of",
    ),
    "text for a flag": ({**KEYS, "include_external_accounts": PLANTED}, "to a boolean"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_before_the_first_request(server: DemoServer, case: str) -> None:
    settings, told = REFUSED[case]
    config = {"api_url": server.api_url, **settings}
    done = run(config, catalog=catalog_of(["labels"]))
    assert done.exit_code == 1
    assert not done.messages
    assert not server.requests
    sentences = [line for line in done.log.splitlines() if line.startswith("ERROR")]
    assert len(sentences) == 1, "one sentence, no list and no traceback"
    assert told in sentences[0]
    assert PLANTED not in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    "settings",
    [
        {"start_date": "2024-01-01"},
        {"start_date": "2024-01-01T00:00:00Z"},
        {"start_date": "2024-01-01T02:00:00.5+02:00"},
        {"user_agent": "Books/1.0", "request_timeout": 2.5},
        {"concurrency": 8.0, "lookback_seconds": 600.0, "attachments_max_bytes": 5e7},
        {"concurrency": "8.0", "transaction_statuses": ["reversed", "completed"]},
        {"bank_account_ids": None, "start_date": "", "staging_token": ""},
        {"environment": "sandbox", "staging_token": "anything"},
    ],
    ids=str,
)
def test_is_accepted(company: Company, settings: Row) -> None:
    done = run(settings, api=Api(company, authorization=KEY), select=["labels"])
    assert done.exit_code == 0, done.log
    assert len(done.records["labels"]) == company.total("labels")


def test_several_mistakes_are_told_at_once() -> None:
    done = run({**KEYS, "concurrency": 0, "colour": "blue", "start_date": "soon"})
    sentences = [line for line in done.log.splitlines() if line.startswith("ERROR")]
    assert {name for name in ("concurrency", "colour", "start_date") if name in done.log} == {
        "concurrency",
        "colour",
        "start_date",
    }
    assert len(sentences) == 3


def test_every_request_names_the_tap_or_what_is_configured(api: Api) -> None:
    done = run(api=api, select=["labels"])
    assert {request.headers["User-Agent"].split("/")[0] for request in done.requests} == {
        "tap-qonto"
    }
    named = run({"user_agent": "Books/1.0"}, api=api, select=["labels"])
    assert {request.headers["User-Agent"] for request in named.requests} == {"Books/1.0"}


def test_the_demo_needs_neither_credentials_nor_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("the demo opened a socket")

    monkeypatch.setattr("socket.socket.connect", refuse)
    done = run({"environment": "demo"}, select=["labels", "sepa_transfers"])
    assert done.exit_code == 0, done.log
    assert done.records["sepa_transfers"]


@pytest.mark.parametrize(
    "credentials",
    [
        {"login": PLANTED, "secret_key": PLANTED},
        {"client_id": PLANTED},
        {"access_token": PLANTED},
        {"refresh_token": PLANTED},
    ],
    ids=lambda credentials: next(iter(credentials)),
)
def test_credentials_beside_the_demo_end_the_run_with_one_sentence(credentials: Row) -> None:
    done = run({**credentials, "environment": "demo"}, select=["labels"])
    assert done.exit_code == 1
    assert not done.messages
    [sentence] = [line for line in done.log.splitlines() if line.startswith("ERROR")]
    assert f"there are credentials ({', '.join(credentials)})" in sentence
    assert "--environment=prod" in sentence
    assert PLANTED not in done.log


def test_a_demo_organization_is_another_company() -> None:
    names = {
        run({"environment": "demo", "demo_organization": name}, select=["organization"]).records[
            "organization"
        ][0]["name"]
        for name in ("demo", "bakery", "studio")
    }
    assert len(names) == 3


def test_what_is_written_to_the_demo_company_is_read_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.sqlite"
    config = {"environment": "demo", "demo_path": str(path)}
    before = run(config, select=["labels"]).records["labels"]
    with closing(Company(path=path)) as company:
        company.put("labels", {**before[0], "name": "Written"})
    after = run(config, select=["labels"]).records["labels"]
    assert [row["name"] for row in after] == ["Written", *(row["name"] for row in before[1:])]
    elsewhere = run({**config, "demo_path": str(tmp_path / "other")}, select=["labels"])
    assert elsewhere.records["labels"] == before


def test_a_demo_path_that_is_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine" * 1000)
    done = run({"environment": "demo", "demo_path": str(path)}, select=["labels"])
    assert done.exit_code == 1
    assert f"{path} cannot be used as the demo company's file" in done.log
    assert "Internal error" not in done.log
    assert path.read_text() == "mine" * 1000


@pytest.mark.parametrize(
    ("setting", "text", "number"),
    [("rate_limit_share", "0.5", 0.5), ("request_timeout", "30", 30.0), ("concurrency", "4", 4)],
)
def test_a_number_may_come_as_text_as_environments_have_it(
    setting: str, text: str, number: float
) -> None:
    tap = TapQonto(config={"environment": "demo", setting: text})
    assert tap.config[setting] == number


@pytest.mark.parametrize("text", ["fast", "nan", "-1", "0x10"])
def test_text_that_is_no_fitting_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigValidationError, match="Set rate_limit_share to a number"):
        TapQonto(config={"environment": "demo", "rate_limit_share": text})


def test_the_environments_share_no_place_and_store_documents() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    base = {loader["name"]: loader.get("config") for loader in project["plugins"]["loaders"]}
    places: dict[str, list[str]] = {}
    for environment in project["environments"]:
        plugins = environment["config"]["plugins"]
        own = {loader["name"]: loader["config"] for loader in plugins["loaders"]}
        for loader, name in PLACES.items():
            place = own.get(loader, {}).get(name) or base[loader][name]
            places.setdefault(loader, []).append(place)
        [tap] = plugins["extractors"]
        places.setdefault("documents", []).append(tap["config"]["attachments_path"])
    for name, named in places.items():
        assert len(set(named)) == len(named) == 3, name


PLACES = {
    "target-duckdb": "path",
    "target-postgres": "default_target_schema",
    "target-jsonl": "destination_path",
    "target-csv": "output_path",
}
"""The setting of each loader that says where rows go."""
