"""Every private or undocumented name of the Singer SDK that this project needs, and its reason.

No other file knows one: `tests/singer/test_seams.py` reads the installed SDK, and says where. What
stands on this file, `plugin`, `tap`, `stream` and `target`, sees plain methods: those that it may
call, and hooks for what the SDK calls. Written for 0.54.9. When the pin moves: read this file
beside the SDK's changelog and run ``pytest tests/singer``, which has a test for every seam.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream, Tap, Target
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._catalog import get_selected_schema, pop_deselected_record_properties
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.plugin_base import PluginBase, _ConfigInput
from typing_extensions import override

from tap_qonto.api.errors import InputError
from tap_qonto.singer.flattening import fitting

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    import click
    from singer_sdk.helpers import types
    from singer_sdk.mapper import StreamMap

    from tap_qonto.api.pages import Row
    from tap_qonto.singer.messages import MessageWriter

ConfigInput = _ConfigInput
"""What ``--config`` hands to `invoke`."""

_COLUMN = len(("properties", "name"))  # of a breadcrumb


def given(config: ConfigInput | None) -> dict[str, Any]:
    """Return the settings that ``--config`` has handed over; none if it was not used."""
    return config.config if config else {}


class SdkPlugin(PluginBase):
    """What the tap and the target have in common: settings checked by us, signals handled by us."""

    # Hooks

    @classmethod
    def settings_from(cls, sources: tuple[str, ...]) -> dict[str, Any]:
        """Return the settings in what was given to ``--config``: files, JSON, or ``ENV``.

        Raises:
            SystemExit: If they cannot be read.
        """
        raise NotImplementedError

    def check(self, settings: dict[str, Any]) -> list[str]:
        """Put settings right in place, and return a sentence for each fault of them."""
        raise NotImplementedError

    def on_signal(self, signum: int) -> None:
        """Do what a signal asks for.

        Raises:
            StoppedError: If the run may stop at once.
        """
        raise NotImplementedError

    # The SDK

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> ConfigInput:
        # The SDK ends with a traceback over a file that is missing or no JSON, reads another
        # folder's .env, and ends with a traceback over empty variables.
        return ConfigInput(config=cls.settings_from(value))

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # The SDK's own checks quote values, which may be secrets in the wrong place, and extend
        # the schema of the class in place.
        errors = self.check(self._config)
        if errors and raise_errors:
            schema = self.config_jsonschema
            raise ConfigValidationError("; ".join(errors), errors=errors, schema=schema)
        return errors

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK's tap tears the message that is being written; its target writes what it has
        # collected, and exits with 0.
        self.on_signal(signum)


class SdkTap(SdkPlugin, Tap):
    """A tap that can be run stream by stream."""

    message_writer: MessageWriter

    def begin_state(self) -> None:
        """Make the given state ready to be moved on, and write it if there is one."""
        self._reset_state_progress_markers()
        self._set_compatible_replication_methods()
        if self.state:
            self.write_state()

    def write_state(self) -> None:
        """Write a STATE, whether anything has changed or not."""
        self.state_writer.write_state(self.state)

    @override
    def setup_mapper(self) -> None:
        # The SDK maps all streams, which takes a tenth of the start; and those that are deselected
        # to no columns at all, although test runs select them later.
        SdkPlugin.setup_mapper(self)
        for stream in self.streams.values():
            if stream.selected:
                columns = get_selected_schema(stream.name, stream.effective_schema, stream.mask)
                self._map(stream, columns)
        # A stream that is mapped to nothing would be read for nobody, and its bookmark would move.
        for stream in self.streams.values():
            maps = self.mapper.stream_maps.get(stream.name, ())
            nothing = maps and all(isinstance(one, RemoveRecordTransform) for one in maps)
            if stream.selected and nothing:
                # Rows that no map lets through have no children either.
                for one in (stream, *stream.child_streams):
                    one.selected = False

    def map_late(self, stream: Stream) -> None:
        """Map a stream that the catalog deselects, with all its columns, if that is not done."""
        if stream.name not in self.mapper.stream_maps:
            self._map(stream, stream.effective_schema)

    def _map(self, stream: Stream, schema: dict[str, Any]) -> None:
        try:
            self.mapper.register_raw_stream_schema(stream.name, schema, stream.primary_keys)
        except ValueError as error:
            if not self.config.get("flattening_max_key_length"):
                raise
            msg = (
                f"Flattening gives two columns of {stream.name} the same name: set "
                "flattening_max_key_length to at least 20, or leave it out"
            )
            raise InputError(msg) from error


class SdkStream(Stream):
    """A stream whose rows are clean when the SDK gets them, and whose bookmarks are ours alone."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)

    def __init__(self, tap: SdkTap, schema: dict[str, Any]) -> None:
        super().__init__(tap, schema=schema)
        self._map_late = tap.map_late
        self._writer = tap.message_writer
        self._schema_written = False

    # Hooks

    def before_rows(self) -> None:
        """Do what must be done before the stream is read."""

    def after_rows(self) -> None:
        """Do what can be done only after it."""

    def write_children(self, _context: types.Context | None) -> bool:
        """Write what belongs to a row before the row; return whether that was all there is."""
        return False

    def report(self) -> None:
        """Say at the end of the stream what was odd about its rows."""

    # What our streams ask and tell

    @property
    def children(self) -> list[SdkStream]:
        """The streams that are read row by row of this one."""
        return [child for child in self.child_streams if isinstance(child, SdkStream)]

    def announce(self) -> None:
        """Write the stream's SCHEMA, once."""
        self._write_schema_message()

    def write(self, row: Row) -> None:
        """Write a RECORD."""
        self._write_record_message(row)

    def checkpoint(self) -> None:
        """Write a STATE."""
        self._write_state_message()

    def mark(self) -> None:
        """Let the next checkpoint write the state, although no row was written."""
        self.state_manager.is_flushed = False

    def is_wanted(self, row: Row) -> bool:
        """Return whether no stream map filters a row out."""
        return bool(self.stream_maps[0].get_filter_result(row))

    # The SDK: how a stream is read

    @override
    def _sync_records(
        self, context: types.Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        # `sync` is final, and the SDK has no hooks around it.
        self.before_rows()
        yield from super()._sync_records(context, write_messages=write_messages)
        self.after_rows()

    @override
    def _sync_children(self, child_context: types.Context | None) -> None:
        # The SDK's way costs two lines of log, a STATE and 0.3 ms per parent.
        if not self.write_children(child_context):
            super()._sync_children(child_context)

    @override
    def _process_record(
        self,
        record: types.Record,
        child_context: types.Context | None = None,
        partition_context: types.Context | None = None,
    ) -> None:
        if self._has_descendents:
            super()._process_record(record, child_context, partition_context)

    # The SDK: whose the bookmarks are

    @override
    def _write_starting_replication_value(self, context: types.Context | None) -> None:
        """Leave the state alone until a row has been written."""

    @override
    def _increment_stream_state(
        self, latest_record: types.Record, *, context: types.Context | None = None
    ) -> None:
        """Leave bookmarks to `Bookmark`; a second mover would pass rows that were not read."""

    # The SDK: what is written

    @property
    @override
    def stream_maps(self) -> list[StreamMap]:
        self._map_late(self)
        return super().stream_maps

    @override
    def _write_schema_message(self) -> None:
        # The SDK sends a child's schema once per parent, and targets flush at each.
        if not self._schema_written:
            self._schema_written = True
            super()._write_schema_message()

    @override
    def _write_record_message(self, record: types.Record) -> None:
        # The SDK copies, masks and validates what is clean already.
        if self._unmapped_name is None:
            for message in self._generate_record_messages(record):
                if columns := self._flattened.get(message.stream):
                    message.record = fitting(message.record, columns)
                self._writer.write_message(message)
            self.state_manager.is_flushed = False
            return
        for name in self._deselected:
            record.pop(name, None)
        if self._deselects_inside:
            pop_deselected_record_properties(record, self.schema, self.mask)
        self._writer.write_record(self._unmapped_name, record, self._stream_version)
        self.state_manager.is_flushed = False

    # What the SDK would find out anew for every row

    @cached_property
    def _has_descendents(self) -> bool:
        return self.has_selected_descendents

    @cached_property
    def _unmapped_name(self) -> str | None:
        """The name under which rows are written as they are; None if a stream map changes them."""
        maps = self.stream_maps
        if len(maps) != 1 or type(maps[0]) is not SameRecordTransform or maps[0].flattening_enabled:
            return None
        return maps[0].stream_alias

    @cached_property
    def _flattened(self) -> dict[str, frozenset[str]]:
        """Columns by table, if rows are flattened."""
        return {
            each.stream_alias: frozenset(each.transformed_schema["properties"])
            for each in self.stream_maps
            if each.flattening_enabled
        }

    @cached_property
    def _deselected(self) -> tuple[str, ...]:
        """Columns that the catalog deselects."""
        return tuple(path[1] for path in self._hidden if len(path) == _COLUMN)

    @cached_property
    def _deselects_inside(self) -> bool:
        """Whether the catalog deselects a property inside a column."""
        return any(len(path) > _COLUMN for path in self._hidden)

    @property
    def _hidden(self) -> list[tuple[str, ...]]:
        return [path for path, selected in self.mask.items() if path and not selected]


class SdkTarget(SdkPlugin, Target):
    """A target that gets rows and a last state, and does nothing by itself."""

    _MAX_RECORD_AGE_IN_MINUTES = float("inf")  # or the SDK would drain, and write a STATE

    # Hooks

    def refuse_files(self) -> None:
        """Refuse a message that names files with rows.

        Raises:
            RowsRefusedError: Always.
        """
        raise NotImplementedError

    # The SDK

    @property
    def last_state(self) -> dict[str, Any] | None:
        """The last STATE of the input, which is written when the input has ended."""
        return self._latest_state

    @last_state.setter
    def last_state(self, state: dict[str, Any] | None) -> None:
        self._latest_state = state

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        # The SDK opens whatever file such a message names, even without the capability.
        self.refuse_files()

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Ignore it: there are no older rows that it could take away."""
