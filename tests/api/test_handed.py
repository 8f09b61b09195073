"""States, catalogs and settings that are handed to a run are used, or refused in one sentence."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tap_qonto.demo import Api, Company
from tap_qonto.tap import TapQonto
from tests.api.failing import errors
from tests.kit.cases import thorough
from tests.kit.runner import KEY, catalog_of, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Row = dict[str, Any]


@pytest.fixture
def leaving_by_exception(on_machine: Callable[..., None]) -> None:
    """Let the command end as a test can see it, instead of ending the process at once."""
    on_machine(exit=sys.exit)


def bookmarked(stream: str, **fields: Any) -> Row:
    return {"bookmarks": {stream: fields}}


STATES: dict[str, tuple[Any, str]] = {
    "a list": ([], "The file given to --state is no JSON object"),
    "no bookmarks": ({"value": {"bookmarks": {}}}, "The state has no 'bookmarks'"),
    "another tap's": (bookmarked("contacts", replication_key="id"), "The state is of another tap"),
    "damaged": ({"bookmarks": {"transactions": []}}, "The state of transactions is damaged"),
    "a text for partitions": (bookmarked("transactions", partitions="x"), "is damaged"),
    "in the future": (
        bookmarked("sepa_transfers", replication_key_value="2999-01-01T00:00:00Z"),
        "has a bookmark in the future",
    ),
    "no timestamp": (
        bookmarked("sepa_transfers", replication_key_value="yesterday"),
        "has a bookmark that is no timestamp",
    ),
    "a number": (
        bookmarked("sepa_transfers", replication_key_value=17),
        "has a bookmark that is no timestamp",
    ),
    "another key": (
        bookmarked(
            "sepa_transfers",
            replication_key="created_at",
            replication_key_value="2024-01-01T00:00:00Z",
        ),
        "has a bookmark on 'created_at'",
    ),
}


@pytest.mark.parametrize(
    ("state", "told"),
    thorough(STATES, "a list", "damaged", "a text for partitions", "no timestamp", "another key"),
)
def test_a_state_that_cannot_be_used_is_refused_in_one_sentence(
    small: Company, state: Any, told: str
) -> None:
    outcome = run(api=Api(small, authorization=KEY), state=state, select=["sepa_transfers"])
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert told in sentence
    assert not outcome.messages, "nothing was read, nothing was reset"
    assert not outcome.requests


def replicated(**root: str) -> Row:
    """Return a catalog of labels with something said about the stream as a whole."""
    catalog = catalog_of(["labels"])
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if stream["stream"] == "labels" and not entry["breadcrumb"]:
                entry["metadata"] |= {name.replace("_", "-"): value for name, value in root.items()}
    return catalog


CATALOGS: dict[str, tuple[Any, str]] = {
    "a log that nobody has": (
        replicated(forced_replication_method="LOG_BASED"),
        "The catalog's entry of labels asks for a replication method",
    ),
    "a list": ([], "The file given to --catalog is no JSON object"),
    "no streams": ({"version": 1}, "The catalog has no list 'streams'"),
    "a text for a stream": ({"streams": ["labels"]}, "The catalog has no list 'streams'"),
    "another tap's": ({"streams": [{"tap_stream_id": "contacts"}]}, "is of another tap"),
    "no schema": (
        {"streams": [{"tap_stream_id": "labels", "stream": "labels"}]},
        "The catalog's entry of labels has no schema",
    ),
    "no key column": (
        {"streams": [{"tap_stream_id": "labels", "schema": {"properties": {"name": {}}}}]},
        "The catalog's entry of labels lacks the key column 'id'",
    ),
    "damaged metadata": (
        {
            "streams": [
                {
                    "tap_stream_id": "labels",
                    "schema": {"properties": {"id": {"type": "string"}}},
                    "metadata": [{"breadcrumb": "properties"}],
                }
            ]
        },
        "The catalog's entry of labels has damaged metadata",
    ),
    "another replication key": (
        {
            "streams": [
                {
                    "tap_stream_id": "sepa_transfers",
                    "replication_key": "created_at",
                    "schema": {"properties": {"id": {"type": "string"}}},
                }
            ]
        },
        "names the replication key 'created_at', but the stream goes by 'updated_at'",
    ),
}


@pytest.mark.parametrize(("catalog", "told"), CATALOGS.values(), ids=CATALOGS.keys())
def test_a_catalog_that_cannot_be_used_is_refused_in_one_sentence(
    small: Company, catalog: Any, told: str
) -> None:
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert told in sentence
    assert not outcome.messages


@pytest.mark.slow
def test_a_catalog_of_an_older_version_is_used_as_it_is(small: Company) -> None:
    catalog = catalog_of(["sepa_transfers", "labels"])
    catalog["streams"] = [
        stream for stream in catalog["streams"] if stream["stream"] in ("labels", "sepa_transfers")
    ]
    for stream in catalog["streams"]:
        del stream["schema"]["properties"]["additional_properties"]
        stream["metadata"] = [
            item for item in stream["metadata"] if "additional_properties" not in item["breadcrumb"]
        ]
        stream.pop("replication_key", None)
        for item in stream["metadata"]:
            for name in ("replication-key", "valid-replication-keys"):
                item["metadata"].pop(name, None)
        if stream["stream"] == "labels":
            del stream["schema"]["properties"]["parent_id"]
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 0
    assert outcome.records.keys() == {"labels", "sepa_transfers"}
    assert set(outcome.records["labels"][0]) == {"organization_id", "id", "name"}
    assert "what the catalog does not know, in 'parent_id' " in outcome.log
    assert outcome.bookmark("sepa_transfers"), "a stream without its key is read whole every time"


def test_a_catalog_without_the_parent_of_a_stream_reads_it_all_the_same(small: Company) -> None:
    catalog = catalog_of(["statement_files"])
    catalog["streams"] = [one for one in catalog["streams"] if one["stream"] == "statement_files"]
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 0
    assert outcome.records.keys() == {"statement_files"}
    assert len(outcome.records["statement_files"]) == small.total("statements")


def test_an_unknown_stream_of_a_catalog_is_ignored_with_a_warning(small: Company) -> None:
    catalog = catalog_of(["labels"])
    catalog["streams"].append({"tap_stream_id": "horoscopes", "stream": "horoscopes"})
    outcome = run(api=Api(small, authorization=KEY), catalog=catalog)
    assert outcome.exit_code == 0
    assert "streams that do not exist; ignored: horoscopes" in outcome.log


@pytest.mark.usefixtures("leaving_by_exception")
@pytest.mark.parametrize("text", ["{", "", "\x00", "[" * 100_000, '"x"'])
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_a_file_that_is_no_json_is_told(
    text: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "input.json"
    path.write_text(text)
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    ended = CliRunner().invoke(TapQonto.get_singer_command(), [f"--{option}={path}"])
    logging.captureWarnings(capture=False)
    assert ended.exit_code == 1
    assert caplog.messages[-1].startswith("The file ")
    assert caplog.messages[-1].endswith(f"given to --{option} is no JSON object")


def test_settings_of_the_sdk_that_make_no_sense_are_told(small: Company) -> None:
    settings = {"stream_maps": {"labels": {"name": "name +"}}}
    outcome = run(settings, api=Api(small, authorization=KEY), select=["labels"])
    assert outcome.exit_code == 1
    assert errors(outcome)
    assert "Internal error" not in outcome.log
    assert "Traceback" not in outcome.log
