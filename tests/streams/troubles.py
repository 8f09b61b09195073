"""What goes wrong for one stream, and how a run shows that the others have nothing of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tap_qonto.streams import STREAMS
from tests.kit.answers import alter_rows, refuse
from tests.kit.faults import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Api
    from tests.kit.runner import Run

Row = dict[str, Any]

PATHS = {
    stream.name: stream.path
    for stream in STREAMS
    if stream.selected_by_default and not stream.parent_stream_type
}


def final_errors(outcome: Run) -> list[str]:
    """Return the errors at the end of the log."""
    return re.findall(r"^ERROR \S+ (.*)$", outcome.log, re.MULTILINE)


def others(outcome: Run, *but: str) -> dict[str, int]:
    """Return how many rows each stream but some has."""
    return {name: len(rows) for name, rows in outcome.records.items() if name not in but}


def status(number: int, text: str = "No.") -> Callable[[Api, str], None]:
    """Return what lets a path answer with a status."""
    return lambda api, path: refuse(api, path, number, "some_code", text)


def rows(edit: Callable[[Row], object]) -> Callable[[Api, str], None]:
    """Return what changes every row of a path."""
    return lambda api, path: alter_rows(api, path, edit)


def labels(*rows: bytes) -> Any:
    """Return a fault that answers with these rows."""
    meta = b'{"current_page":1,"total_pages":1,"total_count":%d,"per_page":100}' % len(rows)
    return answer(
        200, b'{"labels":[%s],"meta":%s}' % (b",".join(rows), meta), Content_Type="application/json"
    )
