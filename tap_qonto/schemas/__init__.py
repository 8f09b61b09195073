"""One JSON Schema per stream, resolved, named after it, and edited by hand.

The order of the properties is that of the columns: the key, then as Qonto documents them.

The files promise what Qonto promises: a property is nullable where the API may send null or leave
it out, and only the stream's key is ``required``. Nested objects are open, because Qonto adds
fields without notice; rows are closed, and a field that a row gains goes into the column
``additional_properties``.

A property whose schema is ``false`` is one that Qonto sends and the tap withholds: links that
carry their own permission and expire, and secrets. It is part of no record and of no catalog.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

ORGANIZATION: Final = "organization_id"
"""The column that every table has: whose row it is."""

_ORGANIZATION: Final = {
    "type": ["string", "null"],
    "description": "Organization that the row belongs to, as the credentials tell; Qonto does not "
    "send it with this row.",
}

_RANGE: Final = {"minimum": -(2**63), "maximum": 2**63 - 1}
"""Without it some targets make columns of 128 bits, which other programs do not read."""


@cache
def promised(stream: str) -> dict[str, Any]:
    """Return a stream's schema as its file has it."""
    text = resources.files(__package__).joinpath(f"{stream}.json").read_bytes()
    schema: dict[str, Any] = msgspec.json.decode(text)
    return schema


def emitted(stream: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return a stream's schema as targets get it.

    Withheld properties are gone, and everything but the key is nullable: should Qonto break a
    promise one night, the row still fits the table.
    """
    schema = _open(promised(stream))
    columns = schema["properties"]
    for key in keys:
        columns[key] = promised(stream)["properties"][key]
    if ORGANIZATION not in columns:
        # Before the last one, which takes what has no column.
        last = columns.popitem()
        columns |= {ORGANIZATION: _ORGANIZATION, last[0]: last[1]}
    return schema | {"type": "object"}


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without withheld properties.

    Null is allowed everywhere, and integers have their range at every depth: flattening makes
    columns of what is nested.
    """
    copy = dict(schema)
    kinds = copy.get("type", [])
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    if names:
        copy["type"] = names if "null" in names else [*names, "null"]
    if "integer" in names:
        copy |= _RANGE
    if "properties" in copy:
        copy["properties"] = {
            name: _open(inner) for name, inner in copy["properties"].items() if inner is not False
        }
    if isinstance(copy.get("items"), dict):
        copy["items"] = _open(copy["items"])
    return copy
