"""The tap: its settings, its streams, and how a run begins and ends."""

from __future__ import annotations

import errno
import logging
import sys
import threading
from collections import Counter, deque
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from typing_extensions import override

from tap_qonto.api.instants import from_datetime, shift
from tap_qonto.auth.credentials import check_credentials
from tap_qonto.connection import MADE_UP, Connection
from tap_qonto.reading.catalog import checked_catalog
from tap_qonto.reading.run import Run
from tap_qonto.reading.state import OWNER, bookmarks_of
from tap_qonto.settings import SETTINGS, numbers, problems, type_errors
from tap_qonto.singer.closing import closing_line
from tap_qonto.singer.endings import sentence_of
from tap_qonto.singer.tap import SingerTap
from tap_qonto.streams import READ_FIRST, STREAMS
from tap_qonto.streams.base import QontoStream
from tap_qonto.streams.documents import DocumentStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

_logger = logging.getLogger("tap-qonto")

_FULL = (errno.ENOSPC, errno.EDQUOT)
"""A full disk, which is no stream's own trouble."""


_FAR = 0.03
"""Seconds for an answer from which on waiting for answers takes longer than making rows of them."""

_OFTEN = 0.0005
"""Seconds for which the thread that makes rows may keep those waiting that ask the next questions.

Python's own 5 ms, several times per answer, are a tenth of what an answer takes. Where answers come
at once, changing threads more often would only cost time.
"""


class TapQonto(SingerTap):
    """Singer tap for Qonto: accounts, transactions, transfers, invoices and their documents."""

    name = "tap-qonto"
    package_name = "tap-qonto"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS.to_dict()
    # Without BATCH: the SDK writes deselected columns into its files. Without ACTIVATE_VERSION:
    # a stream that was skipped once would seem to have lost all its rows.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    _owner = ""
    """The organization that the given state is of, if it says so."""

    _started = 0.0
    """When the run began, by the stopwatch."""

    def __init__(self, *, config: Any = None, **options: Any) -> None:
        if isinstance(options.get("catalog"), dict):
            options["catalog"] = checked_catalog(
                options["catalog"], {stream.name: stream for stream in STREAMS}
            )
        super().__init__(config=config, **options)

    @override
    def discover_streams(self) -> Sequence[QontoStream]:
        return [stream(self, self.reading) for stream in STREAMS]

    @cached_property
    def connection(self) -> Connection:
        """What this run needs to talk to Qonto."""
        return Connection(self.config, self.machine, self.name)

    @cached_property
    def reading(self) -> Run:
        """The run, as its streams see it."""
        return Run(self.config, self.connection, self.machine)

    # Settings and state

    @override
    def prepared(self, config: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        return numbers(config, known)

    @override
    def faults(self, config: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
        now = from_datetime(datetime.fromtimestamp(self.machine.clock(), UTC))
        errors = [*problems(config, known, now=now), *type_errors(config, known)]
        if config.get("environment") != "demo" and not errors:
            errors += filter(None, [check_credentials(config)])
        return errors

    @override
    def secrets(self) -> frozenset[str]:
        current = vars(self).get("connection")  # not built for the sake of a log line
        return super().secrets() | (current.secrets() if current else frozenset())

    @override
    def load_state(self, state: Any) -> None:
        latest = shift(self.reading.began, self.config.get("lookback_seconds", 0) + 60)
        super().load_state({"bookmarks": bookmarks_of(state, self.streams, latest)})
        if isinstance(owner := state.get(OWNER), str):
            self._owner = owner
            known: Any = self.state
            known[OWNER] = owner

    # How a run begins and ends

    @override
    def in_order(self) -> list[Stream]:
        names = dict.fromkeys(stream.name for stream in (*READ_FIRST, *STREAMS))
        return [self.streams[name] for name in names]

    @override
    def on_failure(self, stream: Stream, error: Exception) -> None:
        if (
            not isinstance(stream, QontoStream)
            or getattr(error, "ends_run", isinstance(error, OSError))
            or getattr(error.__context__, "errno", None) in _FULL
        ):
            raise error
        _logger.debug("%s: where it happened", stream.name, exc_info=error)
        self.reading.fail(stream, error, sentence_of(error, self.name))
        stream.checkpoint()

    @override
    def begin(self) -> None:
        if any(isinstance(each, DocumentStream) and each.selected for each in self.in_order()):
            self.reading.archive.check()
        if self._owner:
            self.reading.check_state(self._owner)

    @override
    def run(self) -> None:
        self._started = self.machine.stopwatch()
        self.connection.client.when_proven(self._ask_early)
        interval = sys.getswitchinterval()
        try:
            super().run()
        finally:
            sys.setswitchinterval(interval)

    def _ask_early(self) -> None:
        """Fetch the first page of every stream while the streams before it are being read.

        Streams that have to ask something first do so beside the others, which leave them half of
        the places: the way to the first page of transactions is the longest of all.
        """
        if self.connection.client.first_took > _FAR:
            sys.setswitchinterval(_OFTEN)
        streams = [
            stream
            for stream in self.in_order()
            if isinstance(stream, QontoStream) and stream.selected
        ]
        asking = deque(stream for stream in streams if stream.asks_to_begin)
        others = deque(stream for stream in streams if not stream.asks_to_begin)
        places = self.connection.client.concurrency
        half = max(1, places // 2)

        def first_the_longest_way() -> None:
            self._begin(asking)
            start([partial(self._begin, others)] * (places - half))

        start([first_the_longest_way, *[partial(self._begin, others)] * half])

    def _begin(self, streams: deque[QontoStream]) -> None:
        """Fetch the first pages of streams, and of short ones the others too."""
        client = self.connection.client
        while True:
            try:
                stream = streams.popleft()
            except IndexError:
                return
            waiting = partial(_is_waiting, stream)
            if not waiting():
                continue
            try:
                queries = stream.first_queries()
                for answer in client.ask_early(queries, waiting=waiting):
                    answer.exception()
                if len(queries) == 1 and not stream.asks_to_begin:
                    stream.read_early(*queries)
            except Exception as error:  # noqa: BLE001 - the stream asks again in its turn
                _logger.debug("%s: not asked early: %s", stream.name, error)

    @override
    def leave(self) -> None:
        self.connection.stop_documents()

    @override
    def conclude(self) -> None:
        left_out = {*self.reading.skipped, *self.reading.failed}
        read = [stream for stream in self.streams.values() if stream.selected]
        documents: Counter[str] = Counter()
        for stream in read:
            if isinstance(stream, DocumentStream):
                documents.update(stream.outcomes)
        tables = sum(stream.name not in left_out for stream in read)
        seconds = self.machine.stopwatch() - self._started
        rows = self.message_writer.rows
        _logger.info("%s", closing_line(tables, rows, documents, seconds))
        if self.connection.demo:
            _logger.info(MADE_UP)
        self.reading.summarize()

    @override
    def close(self) -> None:
        self.connection.close()


def start(works: Iterable[Callable[[], None]]) -> None:
    """Do several things on threads of their own: the client's are what these wait for."""
    for work in works:
        threading.Thread(target=work, name="qonto-early", daemon=True).start()


def _is_waiting(stream: QontoStream) -> bool:
    return not stream.started
