"""How a target collects its whole input, and acts once, when the input has ended.

The SDK's targets fill warehouses: they write while they read, in several threads, and write what
is left when a signal stops them.
"""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any

from singer_sdk import Target
from singer_sdk.sinks import RecordSink
from typing_extensions import override

from tap_qonto.api.errors import OutputError, RowsRefusedError, SentenceError
from tap_qonto.singer.lines import MessageReader
from tap_qonto.singer.messages import written
from tap_qonto.singer.plugin import SingerPlugin, collect_seldom
from tap_qonto.singer.progress import Progress
from tap_qonto.singer.sdk import ConfigInput, SdkTarget, given
from tap_qonto.singer.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks import Sink


class _Collector(RecordSink):
    """Hands rows of one stream on as they came."""

    def __init__(
        self,
        target: SingerTarget,
        stream_name: str,
        schema: dict[str, Any],  # noqa: ARG002 - what the SDK would reshape values by
        key_properties: Sequence[str] | None,  # noqa: ARG002 - a tap's keys may be line numbers
    ) -> None:
        # With the tap's schema, dates would become datetimes and keys would be demanded.
        anything = {"type": "object", "properties": {}, "additionalProperties": True}
        super().__init__(target, stream_name, anything, None)
        self._taker = target

    @override
    def get_validator(self) -> None:
        """Leave checks to us: a failed one of the SDK's writes the row into the log."""

    @override
    def get_sink_record_counter(self) -> Progress:
        # The SDK's writes its figure at INFO after all that a person is to read.
        return Progress(self.stream_name, quiet=True)

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        self._taker.collect(self.stream_name, record)


class SingerTarget(SingerPlugin, SdkTarget):
    """A target that collects its whole input and then acts once."""

    refused = 2
    again = "run again: what was sent is found, and not sent twice"
    message_reader_class = MessageReader

    def __init__(self, *, config: Any = None, **options: Any) -> None:
        self.stop = Stop(self.machine.sleep)
        super().__init__(config=config, **options)
        self.max_parallelism = 1

    # Hooks

    def check_stream(self, name: str) -> None:
        """Return if rows of a stream are taken.

        Raises:
            RowsRefusedError: If not.
        """
        raise NotImplementedError

    def collect(self, stream: str, record: dict[str, Any]) -> None:
        """Keep a row until the input has ended.

        Raises:
            RowsRefusedError: If it cannot be used.
        """
        raise NotImplementedError

    def act(self) -> bool:
        """Do what the whole input asks for; return whether its source may go on.

        Raises:
            SentenceError: If that cannot be done, or not wholly.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of everything, however the run ended."""

    # The SDK

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        # Without the settings of warehouses: batches, load methods, record metadata.
        super(Target, cls).append_builtin_config(config_jsonschema)

    @override
    def get_sink_class(self, stream_name: str) -> type[Sink]:
        self.check_stream(stream_name)
        return _Collector

    @override
    def refuse_files(self) -> None:
        msg = "The tap sends BATCH messages, which target-qonto does not take. Nothing was sent"
        raise RowsRefusedError(msg)

    @override
    def process_endofpipe(self) -> None:
        latest, self.last_state = self.last_state, None
        if self.act():
            self.last_state = latest
        untold = "All rows are settled, but nobody took the STATE that says so; run again"
        try:
            with written():
                super().process_endofpipe()
                sys.stdout.flush()
        except BrokenPipeError:
            raise SentenceError(untold) from None
        except OutputError as error:
            msg = f"{error}. {untold}"
            raise SentenceError(msg) from None

    @override
    def on_signal(self, signum: int) -> None:
        self.stop.ask(signum)

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        file_input: IO[Any] | None = None,
    ) -> None:
        with cls.one_sentence():
            if about:
                with written():
                    cls.print_about(about_format)
                return
            target = cls(config=given(config))
            collect_seldom()
            try:
                target.listen(file_input)
            finally:
                target.close()
