"""The seams to the SDK, one by one: each test fails when the SDK goes its own way again."""

from __future__ import annotations

import inspect
import signal
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from tap_qonto.api.errors import StoppedError
from tap_qonto.singer.sdk import SdkStream, SdkTap
from tap_qonto.singer.sdk_plugin import ConfigInput, SdkPlugin
from tap_qonto.tap import TapQonto
from tests.kit.faults import Faults, answer
from tests.kit.runner import captured, catalog_of, parsed, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Api

DOCUMENTS = ["client_invoices", "client_invoice_attachments"]

REPLACED = {
    "a second mover of bookmarks would pass rows that were not read": (
        Stream, "_increment_stream_state", ["sepa_transfers"],
    ),
    "a starting value in the state would look like a bookmark": (
        Stream, "_write_starting_replication_value", ["sepa_transfers"],
    ),
    "a signpost would write a bookmark in another form": (
        Stream, "get_replication_key_signpost", ["sepa_transfers"],
    ),
    "documents come before their row, in one STATE": (Stream, "_sync_children", DOCUMENTS),
    "rows without children cost no look at children": (
        Stream, "_process_record", ["sepa_transfers"],
    ),
    "clean rows are neither copied nor conformed": (
        Stream, "_write_record_message", ["sepa_transfers"],
    ),
    "BATCH would write deselected columns": (Stream, "get_batch_config", ["sepa_transfers"]),
    "the SDK's check quotes values and extends the class": (
        PluginBase, "_validate_config", ["labels"],
    ),
    "the SDK reads files with a traceback": (Tap, "invoke", ["labels"]),
}  # fmt: skip


@pytest.mark.parametrize(("owner", "name", "select"), REPLACED.values(), ids=REPLACED.keys())
def test_the_sdk_does_not_go_its_own_way(
    api: Api, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, select: list[str]
) -> None:
    def called(*_: object, **__: object) -> Any:
        msg = f"the SDK's own {name} was called"
        raise AssertionError(msg)

    monkeypatch.setattr(owner, name, called)
    done = run(api=api, select=select)
    assert done.exit_code == 0, done.log
    assert done.records[select[0]]


OVERRIDES = [
    (ours, base, name)
    for ours, base in ((SdkPlugin, PluginBase), (SdkTap, Tap), (SdkStream, Stream))
    for name, value in vars(ours).items()
    if callable(getattr(ours, name)) and hasattr(base, name) and not name.startswith("__")
    and not isinstance(value, type)
]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "base", "name"),
    OVERRIDES,
    ids=[f"{ours.__name__}.{name}" for ours, _, name in OVERRIDES],
)
def test_an_override_takes_what_the_sdk_hands_over(ours: type, base: type, name: str) -> None:
    taken, given = (inspect.signature(getattr(one, name)).parameters for one in (ours, base))
    assert [p.lstrip("_") for p in taken] == [p.lstrip("_") for p in given]


def test_the_seams_are_many_enough_to_be_found() -> None:
    assert len(OVERRIDES) >= 15


@pytest.mark.parametrize("stream", ["sepa_transfers", "client_invoices", "transactions"])
def test_a_stream_that_has_nothing_new_leaves_its_state_as_it_was(api: Api, stream: str) -> None:
    before = run(api=api, select=[stream]).state
    after = run(api=api, select=[stream], state=before, config={"lookback_seconds": 0}).state
    assert after["bookmarks"][stream] == before["bookmarks"][stream]
    assert "starting_replication_value" not in str(after)


def test_a_bookmark_stays_behind_rows_that_changed_after_the_run_began(
    api: Api, clock: Callable[[], Any]
) -> None:
    done = run(api=api, select=["beneficiaries"])
    newest = max(row["updated_at"] for row in done.records["beneficiaries"])
    assert (done.bookmark("beneficiaries") or "") <= newest
    assert (done.bookmark("beneficiaries") or "") < clock().isoformat()


def test_each_schema_is_written_once_however_many_parents_there_are(api: Api) -> None:
    done = run(api=api, select=DOCUMENTS)
    assert len(done.records[DOCUMENTS[1]]) > 1
    assert {name: len(schemas) for name, schemas in done.schemas.items()} == dict.fromkeys(
        DOCUMENTS, 1
    )


def test_a_state_follows_the_rows_written_past_the_sdk(api: Api) -> None:
    done = run(api=api, select=["sepa_transfers"])
    kinds = [message["type"] for message in done.messages]
    assert kinds[-1] == "STATE"
    assert "RECORD" not in kinds[kinds.index("STATE") :]


MAPS: dict[str, tuple[dict[str, Any], Callable[[dict[str, list[Any]]], bool]]] = {
    "an alias": (
        {"stream_maps": {"labels": {"__alias__": "tags"}}},
        lambda records: set(records) == {"tags"},
    ),
    "a filter": (
        {"stream_maps": {"labels": {"__filter__": "parent_id is None"}}},
        lambda records: all(row["parent_id"] is None for row in records["labels"]),
    ),
    "a new column": (
        {"stream_maps": {"labels": {"shout": "name.upper()"}}},
        lambda records: all(row["shout"] == row["name"].upper() for row in records["labels"]),
    ),
}


@pytest.mark.parametrize(("settings", "holds"), MAPS.values(), ids=MAPS.keys())
def test_the_short_way_is_not_taken_where_a_map_changes_rows(
    api: Api, settings: dict[str, Any], holds: Callable[[dict[str, list[Any]]], bool]
) -> None:
    done = run(settings, api=api, select=["labels"])
    assert done.exit_code == 0, done.log
    assert done.records
    assert holds(done.records)


def test_rows_are_flattened_where_that_is_asked_for(api: Api) -> None:
    settings = {"flattening_enabled": True, "flattening_max_depth": 1}
    [row] = run(settings, api=api, select=["organization"]).records["organization"]
    assert not any(isinstance(value, dict) for value in row.values())


@pytest.mark.parametrize("column", ["name", "parent_id"])
def test_a_deselected_column_never_leaves(api: Api, column: str) -> None:
    done = run(api=api, catalog=catalog_of(["labels"], without={"labels": [column]}))
    assert all(column not in row for row in done.records["labels"])


def test_a_deselected_property_inside_a_column_never_leaves(api: Api) -> None:
    catalog = catalog_of(["client_invoices"])
    inside = ["properties", "client", "properties", "name"]
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == inside:
                entry["metadata"]["selected"] = False
    rows = run(api=api, catalog=catalog).records["client_invoices"]
    assert any(row["client"] for row in rows)
    assert not any("name" in (row["client"] or {}) for row in rows)


def test_settings_get_their_defaults_and_the_class_stays_as_it_is() -> None:
    known = set(TapQonto.config_jsonschema["properties"])
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    assert tap.config["concurrency"] == 8
    assert set(TapQonto.config_jsonschema["properties"]) == known


def test_a_signal_waits_until_the_message_under_way_is_written() -> None:
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    tap.message_writer.busy = True
    tap._handle_termination(15, None)  # noqa: SLF001 - what the SDK calls
    tap.message_writer.busy = False
    with pytest.raises(StoppedError):
        tap.message_writer.flush()
    with pytest.raises(StoppedError):
        tap._handle_termination(15, None)  # noqa: SLF001 - what the SDK calls


class Impatient(TapQonto):
    """A tap that is asked to stop before its first stream, and again while it does so."""

    has_left = False

    @override
    def begin(self) -> None:
        signal.raise_signal(signal.SIGTERM)

    @override
    def leave(self) -> None:
        signal.raise_signal(signal.SIGTERM)
        super().leave()
        type(self).has_left = True


def test_a_second_signal_keeps_no_run_from_ending_as_it_should() -> None:
    with captured() as seen, pytest.raises(SystemExit) as ended:
        Impatient.invoke(config=ConfigInput(config={"environment": "demo"}))
    assert ended.value.code == 128 + signal.SIGTERM
    assert Impatient.has_left
    assert [message["type"] for message in parsed(seen.output.getvalue())] == ["STATE"]


def test_a_catalog_without_keys_gets_those_of_the_stream(api: Api) -> None:
    catalog = catalog_of(["labels"])
    for stream in catalog["streams"]:
        stream["key_properties"] = []
        for entry in stream["metadata"]:
            entry["metadata"].pop("table-key-properties", None)
    done = run(api=api, catalog=catalog)
    assert done.schemas["labels"][0]["key_properties"] == ["id"]


def test_the_sdk_announces_no_error_before_our_sentence(api: Api) -> None:
    api.before.append(Faults("/labels", always=answer(400)))
    done = run(api=api, select=["labels"])
    assert done.exit_code == 1
    assert "An unhandled error occurred" not in done.log
