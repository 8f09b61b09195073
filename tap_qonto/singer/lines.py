"""Singer messages on standard input: what is wrong with a line is said by its number alone."""

from __future__ import annotations

import sys
from collections import Counter
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from tap_qonto.api.errors import RowsRefusedError, SentenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages from lines of JSON; numbers with a fraction keep their digits.

    The SDK's readers write a line that they cannot use into the log, and a line is bank data.
    """

    def __init__(self) -> None:
        super().__init__()
        self._decoder = msgspec.json.Decoder(float_hook=Decimal)
        self._number = 0

    @property
    @override
    def default_input(self) -> IO[bytes]:
        if sys.stdin is None:
            msg = "Standard input is closed, which is where messages come from. Nothing was sent"
            raise RowsRefusedError(msg)
        return sys.stdin.buffer

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        try:
            message = self._decoder.decode(line)
        except _UNREADABLE:
            message = None
        if isinstance(message, dict):
            return message
        msg = f"Line {self._number} of the input is no Singer message. Nothing was sent"
        raise RowsRefusedError(msg)

    @override
    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: Mapping[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        self._number = 0
        for line in file_input or self.default_input:
            self._number += 1
            if not line.strip():
                continue
            message = self.deserialize_json(line)
            kind = str(message.get("type"))
            callback = callbacks.get(kind)
            if callback is None:
                msg = f"Line {self._number} of the input is no Singer message. Nothing was sent"
                raise RowsRefusedError(msg)
            try:
                callback(message)
            except SentenceError:
                raise
            except Exception as error:  # noqa: BLE001 - its message may quote the line
                msg = (
                    f"Line {self._number} of the input, a {kind}, cannot be used "
                    f"({type(error).__name__}). Nothing was sent"
                )
                raise RowsRefusedError(msg) from None
            counts[kind] += 1
        return counts
