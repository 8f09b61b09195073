"""What a run has read of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.kit.runner import Run

Row = dict[str, Any]


def rows(done: Run, stream: str) -> list[Row]:
    assert done.exit_code == 0, done.log
    return done.records.get(stream, [])


def first(done: Run, stream: str) -> Row:
    return rows(done, stream)[0]
