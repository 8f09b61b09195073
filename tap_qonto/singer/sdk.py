"""Where this project differs from the Singer SDK, each override with its reason.

This file is about the tap, ``sdk_target`` about the target, ``sdk_plugin`` about both; no other
knows a private name of the SDK. Written for 0.54.9. When the pin moves: read the three beside the
SDK's changelog and run ``pytest tests/singer``, which has a test for every seam.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk.helpers._catalog import pop_deselected_record_properties
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_qonto.api.errors import OutputError, StoppedError
from tap_qonto.singer.flattening import fitting
from tap_qonto.singer.inputs import json_input
from tap_qonto.singer.messages import MessageWriter, written
from tap_qonto.singer.progress import Progress, Silent
from tap_qonto.singer.sdk_plugin import ConfigInput, SdkPlugin, collect_seldom
from tap_qonto.singer.states import part_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from types import FrameType

    import click
    from singer_sdk.helpers import types
    from singer_sdk.singerlib import Catalog

    from tap_qonto.api.pages import Row

_COLUMN = len(("properties", "name"))  # of a breadcrumb


class SdkTap(SdkPlugin, Tap):
    """A tap that ends every run with its last safe state and, if need be, one sentence."""

    message_writer_class = MessageWriter
    message_writer: MessageWriter

    _ending = False  # whether the run is over but for what must still be written

    # Hooks

    def begin(self) -> None:
        """Check what can be checked only by asking, before the first stream is read.

        Raises:
            SentenceError: If the run makes no sense.
        """

    def leave(self) -> None:
        """Stop what goes on in the background, before anything may have to wait for the target."""

    def conclude(self) -> None:
        """Say what a run that came to its end has to say.

        Raises:
            SentenceError: If it was no success.
        """

    def close(self) -> None:
        """Let go of everything, however the run ended."""

    def in_order(self) -> Iterable[Stream]:
        """Return the streams in the order in which they are read."""
        return self.streams.values()

    def on_failure(self, stream: Stream, error: Exception) -> None:  # noqa: ARG002 - for overrides
        """Note that a stream has failed, so that the others are read all the same.

        Raises:
            Exception: The error itself, if the run cannot go on without what is missing.
        """
        raise error

    # The SDK

    def _read_all(self) -> None:
        # In place of `sync_all`, which goes by the alphabet and ends with the first failure.
        self._reset_state_progress_markers()
        self._set_compatible_replication_methods()
        if self.state:
            self.state_writer.write_state(self.state)
        for stream in self.in_order():
            if stream.parent_stream_type:
                continue  # is read row by row of its parent
            if not stream.selected and not stream.has_selected_descendents:
                continue
            try:
                stream.sync()
            except Exception as error:  # noqa: BLE001 - the hook raises what it does not know
                self.on_failure(stream, error)
            finally:
                for one in (stream, *stream.child_streams):
                    if isinstance(one, SdkStream):
                        one.report()
            stream.finalize_state_progress_markers()
        for stream in self.streams.values():
            stream.log_sync_costs()

    @override
    def setup_mapper(self) -> None:
        super().setup_mapper()
        # A stream that is mapped to nothing would be read for nobody, and its bookmark would move.
        for stream in self.streams.values():
            maps = self.mapper.stream_maps.get(stream.name, ())
            nothing = maps and all(isinstance(one, RemoveRecordTransform) for one in maps)
            if stream.selected and nothing:
                # Rows that no map lets through have no children either.
                for one in (stream, *stream.child_streams):
                    one.selected = False
        # The SDK maps a deselected stream to no columns at all, and then test runs select it.
        for stream in self.streams.values():
            if not stream.selected:
                self.mapper.register_raw_stream_schema(
                    stream.name, stream.effective_schema, stream.primary_keys
                )

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK's way tears the message that is being written.
        if self._ending:
            return
        stop = StoppedError(signum)
        # The writer raises it too: what is raised here in the middle of a finalizer is lost.
        self.message_writer.stop_with = stop
        if not self.message_writer.busy:  # a torn message would spoil all before it
            raise stop

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        with cls.one_sentence(), written():
            super().cb_discover(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        with cls.one_sentence():
            super().cb_test(ctx, param, value)

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        config = config or ConfigInput()
        with cls.one_sentence():
            if about:
                with written():
                    cls.print_about(about_format)
                return
            tap = cls(
                config=config.config,
                state=None if state is None else json_input(state, "--state"),
                catalog=None if catalog is None else json_input(catalog, "--catalog"),
                parse_env_config=config.parse_env,
            )
            collect_seldom()
            tap.run()

    def run(self) -> None:
        """Sync all selected streams, and leave the last safe state behind however it ends."""
        try:
            try:
                self.begin()
                self._read_all()
            finally:
                self._ending = True  # a second signal must not keep this from being done
                self.leave()
            self._ending = False
            self.message_writer.flush()  # what is said after it may be an error
            self.conclude()
        except (BrokenPipeError, OutputError):
            raise
        except BaseException:
            self._ending = True
            self.message_writer.stop_with = None
            self.state_writer.write_state(self.state)
            raise
        finally:
            self._ending = True
            self.close()


class SdkStream(Stream):
    """A stream whose rows are clean when the SDK gets them, and whose bookmarks are ours alone."""

    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    STATE_MSG_FREQUENCY = 500  # half of what a killed run may read twice

    def __init__(self, tap: SdkTap, schema: dict[str, Any]) -> None:
        super().__init__(tap, schema=schema)
        self._writer = tap.message_writer
        self._machine = tap.machine
        self._schema_written = False
        self.progress = Progress(self.name, quiet=True)
        """Counts the rows of the sync that is under way."""

    # What our streams ask and tell

    @property
    def is_incremental(self) -> bool:
        """Whether the stream goes on from its bookmark."""
        return bool(self.replication_key) and self.replication_method == REPLICATION_INCREMENTAL

    @property
    def is_test(self) -> bool:
        """Whether only the first rows are wanted, as ``--test`` does."""
        return self.ABORT_AT_RECORD_COUNT is not None

    def announce(self) -> None:
        """Write the stream's SCHEMA, once."""
        self._write_schema_message()

    def write(self, row: Row) -> None:
        """Write a RECORD."""
        self._write_record_message(row)

    def checkpoint(self) -> None:
        """Write a STATE."""
        self._write_state_message()

    def is_wanted(self, row: Row) -> bool:
        """Return whether no stream map filters a row out."""
        return bool(self.stream_maps[0].get_filter_result(row))

    def stored_state(self, context: types.Context | None) -> dict[str, Any]:
        """Return the state of a partition, without making one as the SDK would.

        Queries are prepared in the background, where nothing may change the state.
        """
        return part_of(self.tap_state.get("bookmarks", {}).get(self.name, {}), context)

    def mark(self) -> None:
        """Let the next checkpoint write the state, although no row was written."""
        self.state_manager.is_flushed = False

    def before_rows(self) -> None:
        """Do what must be done before the stream is read."""

    def after_rows(self) -> None:
        """Do what can be done only after it."""

    def report(self) -> None:
        """Say at the end of the stream what was odd about its rows."""

    def write_children(self, _context: types.Context | None) -> bool:
        """Write what belongs to a row before the row; return whether that was all there is."""
        return False

    # Where the SDK is overridden

    @override
    def _sync_records(
        self, context: types.Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        # `sync` is final, and the SDK has no hooks around it.
        self.before_rows()
        yield from super()._sync_records(context, write_messages=write_messages)
        self.after_rows()

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        # One without the replication key would read everything at every run without saying so.
        key: object = type(self).replication_key
        self.replication_key = key if isinstance(key, str) else None

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # The SDK announces each stream and each error; our own sentences come at the end of both.
        level = level if level == logging.WARNING else logging.DEBUG
        super().log(message, *args, level=level, **kwargs)

    @override
    def get_record_counter(
        self, *, endpoint: str | None = None, log_interval: float = 0
    ) -> Progress:
        self.progress = Progress(
            self.name,
            quiet=self.parent_stream_type is not None,
            every=self._machine.report_every,
            stopwatch=self._machine.stopwatch,
        )
        return self.progress

    @override
    def get_sync_timer(self) -> Silent:
        return Silent()

    @override
    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Refuse BATCH: the SDK writes deselected columns into its files."""

    @override
    def get_replication_key_signpost(self, context: types.Context | None = None) -> None:
        """Leave out the SDK's cap on bookmarks: `Bookmark` has its own, in the uniform form."""

    @override
    def _write_starting_replication_value(self, context: types.Context | None) -> None:
        """Leave the state alone until a row has been written."""

    @override
    def _increment_stream_state(
        self, latest_record: types.Record, *, context: types.Context | None = None
    ) -> None:
        """Leave bookmarks to `Bookmark`; a second mover would pass rows that were not read."""

    @override
    def _write_schema_message(self) -> None:
        # The SDK sends a child's schema once per parent, and targets flush at each.
        if not self._schema_written:
            self._schema_written = True
            super()._write_schema_message()

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
