"""Singer messages on standard output: encoded once, written in blocks, never torn apart."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message
from typing_extensions import override

from tap_qonto.api.errors import OutputError
from tap_qonto.output import abandoned_if_refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.api.pages import Row


_BLOCK = 65_536
"""Bytes after which records are written; any other message is written at once."""


def _default(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class MessageWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages as lines of JSON; decimals keep their digits.

    A signal that arrives while a block is being written must not tear it: whoever wants to stop
    the run sets `stop_with` while `busy` is true, and it is raised as soon as the block is out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.busy = False
        """Whether a block is being written."""
        self.rows = 0
        """Rows written."""
        self.stop_with: BaseException | None = None
        """Raised after the block that is being written."""
        self._encoder = msgspec.json.Encoder(enc_hook=_default, decimal_format="number")
        self._lines: list[bytes] = []
        self._size = 0
        self._extracted = ""

    @override
    def serialize_message(self, message: Message) -> bytes:
        return self._encoder.encode(message.to_dict())

    @override
    def write_message(self, message: Message) -> None:
        self._append(self.serialize_message(message))
        if isinstance(message, RecordMessage):
            self.rows += 1
        else:
            self.flush()

    def write_record(self, stream: str, record: Row, version: int | None) -> None:
        """Write a RECORD message.

        Args:
            stream: Name of the stream.
            record: A clean row.
            version: Version of a fully replaced table, if the target is told one.
        """
        if not self._extracted:
            self._extracted = datetime.now(UTC).isoformat(timespec="milliseconds")
        message: dict[str, Any] = {
            "type": "RECORD",
            "stream": stream,
            "record": record,
            "time_extracted": self._extracted,
        }
        if version is not None:
            message["version"] = version
        self.rows += 1
        self._append(self._encoder.encode(message))

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting.

        Raises:
            BrokenPipeError: If the target has closed its end.
            OutputError: If standard output cannot be written.
        """
        self.busy = True
        try:
            self._lines.append(b"")
            block = b"\n".join(self._lines)
            self._lines, self._size, self._extracted = [], 0, ""
            with written():
                rest = memoryview(block)
                while rest:  # an unbuffered stream may take a part
                    rest = rest[sys.stdout.buffer.write(rest) :]
                sys.stdout.buffer.flush()
        finally:
            self.busy = False
        if self.stop_with:
            raise self.stop_with


def flush_output() -> None:
    """Write what standard output holds, if there is one.

    Raises:
        BrokenPipeError: As `written` does.
        OutputError: As `written` does.
    """
    if sys.stdout:
        with written():
            sys.stdout.flush()


@contextmanager
def written() -> Iterator[None]:
    """Say of standard output that cannot be written what ends the run, and abandon it.

    Raises:
        BrokenPipeError: If the target has closed its end.
        OutputError: If there is another reason.
    """
    try:
        with abandoned_if_refused():
            yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error) from error
