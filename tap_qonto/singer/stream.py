"""How a stream behaves towards the SDK: what it says, what it counts, and what it leaves alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from tap_qonto.singer.progress import Progress, Silent
from tap_qonto.singer.sdk import SdkStream
from tap_qonto.singer.states import part_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.helpers import types
    from singer_sdk.singerlib import Catalog

    from tap_qonto.singer.tap import SingerTap


class SingerStream(SdkStream):
    """A stream that says how far it has come, and is told what kind of run it is part of."""

    STATE_MSG_FREQUENCY = 500  # half of what a killed run may read twice

    def __init__(self, tap: SingerTap, schema: dict[str, Any]) -> None:
        super().__init__(tap, schema)
        self._machine = tap.machine
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

    def stored_state(self, context: types.Context | None) -> dict[str, Any]:
        """Return the state of a partition, without making one as the SDK would.

        Queries are prepared in the background, where nothing may change the state.
        """
        return part_of(self.tap_state.get("bookmarks", {}).get(self.name, {}), context)

    # What the SDK asks

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
