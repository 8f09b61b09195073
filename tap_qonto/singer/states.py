"""Where a Singer state keeps what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from singer_sdk.helpers import types


def part_of(state: dict[str, Any], context: types.Context | None) -> dict[str, Any]:
    """Return the state of a partition; an empty one that is kept nowhere if there is none.

    Args:
        state: That of the stream.
        context: The partition; None for the stream as a whole.
    """
    if not context:
        return state
    partitions = (part for part in state.get("partitions", ()) if part["context"] == context)
    return next(partitions, {})
