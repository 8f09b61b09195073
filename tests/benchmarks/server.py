"""The demo company behind a server that remembers how it wrote each transaction.

Writing a row takes the demo company about as long as reading it takes a client. With this server,
hardly more than the clients' own work is left to measure. Answers are the same, byte for byte.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from tap_qonto.demo import Api
from tap_qonto.demo.__main__ import main

if TYPE_CHECKING:
    from tap_qonto.demo import Request


class RememberingApi(Api):
    """Writes each transaction once.

    A remembered row keeps the links of its first answer, so it must not be used to download.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._written: dict[tuple[int, frozenset[str]], msgspec.Raw] = {}
        self._write = self.desk.transactions.row
        self.desk.transactions.row = self._row  # type: ignore[method-assign]

    def _row(self, position: int, includes: frozenset[str], request: Request) -> msgspec.Raw:
        key = (position, includes)
        if key not in self._written:
            row = self._write(position, includes, request)
            self._written[key] = msgspec.Raw(msgspec.json.encode(row))
        return self._written[key]


if __name__ == "__main__":
    sys.exit(main(RememberingApi))
