"""The demo company behind a server that remembers how it wrote each transaction.

Writing a row takes the demo company about as long as reading it takes a client. With this server,
hardly more than the clients' own work is left to measure. Answers are the same, byte for byte.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
from typing_extensions import override

from tap_qonto.demo import __main__ as demo
from tap_qonto.demo.api import Api

if TYPE_CHECKING:
    from tap_qonto.demo.api import Request


class RememberingApi(Api):
    """Writes each transaction once.

    A remembered row keeps the links of its first answer, so it must not be used to download.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._written: dict[tuple[int, frozenset[str]], msgspec.Raw] = {}

    @override
    def _included(self, position: int, includes: frozenset[str], request: Request) -> Any:
        key = (position, includes)
        if key not in self._written:
            row = super()._included(position, includes, request)
            self._written[key] = msgspec.Raw(self._encode(row))
        return self._written[key]


if __name__ == "__main__":
    demo.Api = RememberingApi  # type: ignore[attr-defined]
    sys.exit(demo.main())
