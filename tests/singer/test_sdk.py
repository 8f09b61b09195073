"""The seams to the SDK, one by one: each test fails when the SDK goes its own way again."""

from __future__ import annotations

import inspect
import json
import signal
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from singer_sdk import Stream, Tap, Target
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.plugin_base import PluginBase
from typing_extensions import override

from tap_qonto.api.errors import StoppedError
from tap_qonto.reading.state import INTERRUPTED
from tap_qonto.singer.sdk import ConfigInput, SdkPlugin, SdkStream, SdkTap, SdkTarget
from tap_qonto.singer.stream import SingerStream
from tap_qonto.streams.organization import Labels
from tap_qonto.tap import TapQonto
from tests.kit.cases import some
from tests.kit.faults import Faults, answer
from tests.kit.payroll import Bank, bank_at
from tests.kit.runner import captured, catalog_of, parsed, run, tap_with
from tests.kit.target import load, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_qonto.demo import Api, Request

DOCUMENTS = ["credit_notes", "credit_note_attachments"]
TRANSFERS = ["sepa_transfers"]

_Test = TypeVar("_Test")

TESTED: set[str] = set()
"""The SDK's names whose overrides have a test here."""


def seam(*names: str) -> Callable[[_Test], _Test]:
    """Say which of the SDK's names a test is about."""

    def mark(test: _Test) -> _Test:
        TESTED.update(names)
        return test

    return mark


def forbid(patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Let a run fail as soon as the SDK's own method is called."""

    def called(*_: object, **__: object) -> Any:
        msg = f"the SDK's own {name} was called"
        raise AssertionError(msg)

    patch.setattr(owner, name, called)


# What never happens the SDK's way

REPLACED = {
    "a second mover of bookmarks would pass rows that were not read": (
        Stream, "_increment_stream_state", TRANSFERS,
    ),
    "a starting value in the state would look like a bookmark": (
        Stream, "_write_starting_replication_value", TRANSFERS,
    ),
    "a signpost would write a bookmark in another form": (
        Stream, "get_replication_key_signpost", TRANSFERS,
    ),
    "documents come before their row, in one STATE": (Stream, "_sync_children", DOCUMENTS),
    "rows without children cost no look at children": (Stream, "_process_record", TRANSFERS),
    "clean rows are neither copied nor conformed": (Stream, "_write_record_message", TRANSFERS),
    "BATCH would write deselected columns": (Stream, "get_batch_config", TRANSFERS),
    "progress is told by us": (Stream, "get_record_counter", TRANSFERS),
    "how long it took is told by us": (Stream, "get_sync_timer", TRANSFERS),
    "the SDK's check quotes values and extends the class": (
        PluginBase, "_validate_config", ["labels"],
    ),
    "the SDK reads files with a traceback": (Tap, "invoke", ["labels"]),
}  # fmt: skip


@seam(*(name for _, name, _ in REPLACED.values()))
@pytest.mark.parametrize(("owner", "name", "select"), REPLACED.values(), ids=REPLACED.keys())
def test_the_sdk_does_not_go_its_own_way(
    api: Api, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, select: list[str]
) -> None:
    forbid(monkeypatch, owner, name)
    done = run(api=api, select=select)
    assert done.exit_code == 0, done.log
    assert done.records[select[0]]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with bank_at(tmp_path) as running:
        yield running


IN_TARGET = [
    "append_builtin_config", "get_sink_class", "_process_batch_message",
    "_process_activate_version_message", "_handle_termination", "invoke",
]  # fmt: skip


@seam(*IN_TARGET)
@pytest.mark.parametrize("name", IN_TARGET)
def test_the_sdk_does_not_go_its_own_way_in_the_target(
    name: str, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, Target, name)
    text = messages([bank.row(0)]) + (
        '{"type": "ACTIVATE_VERSION", "stream": "new_transfers", "version": 1}\n'
    )
    assert load(text, bank.config).exit_code == 0
    done = load(text + '{"type": "BATCH", "stream": "new_transfers"}\n', bank.config)
    assert (done.exit_code, "BATCH messages, which target-qonto does not take" in done.log) == (
        2,
        True,
    )


@seam("_MAX_RECORD_AGE_IN_MINUTES")
def test_nothing_is_drained_before_the_input_has_ended(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "_max_record_age_in_minutes", 10_000.0)
    # A STATE that is followed by a row; to drain would be to let it through.
    done = load(messages([bank.row(0)]) + messages([bank.row(1)]), bank.config)
    assert (done.exit_code, done.output) == (0, "")


@seam("cb_config")
def test_the_command_line_is_read_by_us(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forbid(monkeypatch, PluginBase, "cb_config")
    command = TapQonto.get_singer_command()
    command.main(["--config", '{"environment": "demo"}', "--discover"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["streams"]


@seam("TYPE_CONFORMANCE_LEVEL")
def test_no_row_is_conformed_that_is_clean_already() -> None:
    assert SdkStream.TYPE_CONFORMANCE_LEVEL is TypeConformanceLevel.NONE


# What the SDK hands over

OURS = (SdkPlugin, SdkTap, SdkStream, SdkTarget, SingerStream)

OVERRIDES = [
    (ours, base, name)
    for ours in OURS
    for name in vars(ours)
    if not name.startswith(("__", "_abc_"))
    for base in ours.__mro__
    if base.__module__.startswith("singer_sdk.") and name in vars(base)
]


def test_each_override_has_its_test() -> None:
    plain = {"primary_keys", "STATE_MSG_FREQUENCY"}  # which the SDK lets every stream set
    assert {name for _, _, name in OVERRIDES} - plain <= TESTED


@pytest.mark.parametrize(
    ("ours", "base", "name"),
    [each for each in OVERRIDES if inspect.isroutine(getattr(each[0], each[2]))],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_an_override_takes_what_the_sdk_hands_over(ours: type, base: type, name: str) -> None:
    taken, given = (inspect.signature(getattr(one, name)).parameters for one in (ours, base))
    assert [p.lstrip("_") for p in taken] == [p.lstrip("_") for p in given]


# How a stream is read, and what its bookmark is


class Told(Labels):
    """A stream that notes when the SDK calls its hooks."""

    seen: list[str]

    @override
    def before_rows(self) -> None:
        self.seen = ["before"]

    @override
    def clean(self, row: Any, context: Any) -> Any:
        self.seen.append("row")
        return super().clean(row, context)

    @override
    def after_rows(self) -> None:
        self.seen.append("after")


@seam("_sync_records")
def test_a_stream_is_told_before_its_first_row_and_after_its_last() -> None:
    stream = tap_with(Told)(config={"environment": "demo"}, parse_env_config=False).streams[
        "labels"
    ]
    with captured():
        stream.sync()
    assert isinstance(stream, Told)
    assert (stream.seen[0], stream.seen[1], stream.seen[-1]) == ("before", "row", "after")


@seam("apply_catalog")
def test_a_catalog_without_the_replication_key_does_not_make_a_stream_forget(api: Api) -> None:
    catalog = catalog_of(TRANSFERS)
    for stream in catalog["streams"]:
        stream.pop("replication_key", None)
        for entry in stream["metadata"]:
            entry["metadata"].pop("replication-key", None)
    done = run(api=api, catalog=catalog)
    assert done.bookmark("sepa_transfers")


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize("path", ["/sepa/beneficiaries", "/client_invoices"])
def test_a_list_in_any_order_that_broke_off_has_moved_no_bookmark(api: Api, path: str) -> None:
    def well(_request: Request) -> None:
        """Let the page come."""

    stream = path.rpartition("/")[2]
    api.before.append(Faults(path, [well, well], always=answer(500)))
    done = run(api=api, select=[stream])
    assert done.exit_code == 1
    assert done.records[stream]
    assert done.bookmark(stream) is None


def test_no_state_of_a_long_run_holds_a_key_of_the_sdk(api: Api) -> None:
    states = run(api=api, select=["transactions", "sepa_transfers"]).states
    parts = [
        part
        for state in states
        for bookmark in state.get("bookmarks", {}).values()
        for part in (bookmark, *bookmark.get("partitions", ()))
    ]
    assert any(INTERRUPTED in part for part in parts), "the run was too short to show one"
    ours = {"replication_key", "replication_key_value", INTERRUPTED, "context", "partitions"}
    assert set().union(*parts) <= ours


@pytest.mark.parametrize(
    "stream", some(["sepa_transfers", "client_invoices", "transactions"], "sepa_transfers")
)
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


@seam("_write_schema_message")
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


def test_settings_get_their_defaults_and_the_class_stays_as_it_is() -> None:
    known = set(TapQonto.config_jsonschema["properties"])
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    assert tap.config["concurrency"] == 8
    assert set(TapQonto.config_jsonschema["properties"]) == known


@seam("_handle_termination")
def test_a_signal_waits_until_the_message_under_way_is_written() -> None:
    with captured():
        tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
        tap.message_writer.busy = True
        signal.raise_signal(signal.SIGTERM)
        tap.message_writer.busy = False
        with pytest.raises(StoppedError):
            tap.message_writer.flush()
        with pytest.raises(StoppedError):
            signal.raise_signal(signal.SIGTERM)


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


class Broken(Labels):
    @override
    def before_rows(self) -> None:
        raise ZeroDivisionError


@seam("log")
def test_the_sdk_announces_no_error_before_our_sentence() -> None:
    tap = tap_with(Broken)(config={"environment": "demo"}, parse_env_config=False)
    with captured() as seen, pytest.raises(ZeroDivisionError):
        tap.streams["labels"].sync()
    assert not seen.log.getvalue()


# Stream maps

NOTHING = {"stream_maps": {"labels": "__NULL__"}}


@seam("setup_mapper")
def test_a_stream_that_is_mapped_to_nothing_is_not_read(api: Api) -> None:
    done = run(NOTHING, api=api, select=["labels", "organization"])
    assert done.exit_code == 0, done.log
    assert not done.asked("/labels")


@seam("setup_mapper", "stream_maps")
def test_a_deselected_stream_keeps_its_columns_for_a_test_run() -> None:
    catalog = catalog_of(["labels"])
    tap = TapQonto(config={"environment": "demo"}, catalog=catalog, parse_env_config=False)
    with captured() as seen:
        tap.run_sync_dry_run(1, [tap.streams["organization"]])
    [schema] = [each for each in parsed(seen.output.getvalue()) if each["type"] == "SCHEMA"]
    assert schema["schema"]["properties"].keys() >= {"id"}
