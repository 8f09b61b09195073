"""The check of a catalog that is given to a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tap_qonto import schemas
from tap_qonto.api.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_qonto.singer.stream import SingerStream

_logger = logging.getLogger("tap-qonto")


def checked_catalog(
    catalog: dict[str, Any], known: Mapping[str, type[SingerStream]]
) -> dict[str, Any]:
    """Return a catalog in which every stream has its key and its parent, which the SDK would miss.

    Args:
        catalog: What was given to ``--catalog``.
        known: All streams of the tap, by name.

    Raises:
        InputError: If it is not.
    """
    anew = "Write it anew with tap-qonto --discover"
    entries = catalog.get("streams")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"The catalog has no list 'streams'. {anew}"
        raise InputError(msg)
    names = [entry.get("tap_stream_id") for entry in entries]
    unknown = [name for name in names if name not in known]
    if unknown and len(unknown) == len(names):
        msg = f"The catalog is of another tap: it knows no stream of tap-qonto. {anew}"
        raise InputError(msg)
    if unknown:
        _logger.warning(
            "The catalog knows streams that do not exist; ignored: %s",
            ", ".join(sorted(map(str, unknown))),
        )
    for name, entry in zip(names, entries, strict=True):
        if name in known and (fault := _fault_of(entry, known[name])):
            msg = f"The catalog's entry of {name} {fault}. {anew}"
            raise InputError(msg)
    missing = [
        _deselected(parent, stream.primary_keys)
        for parent, stream in known.items()
        if parent not in names
        and any(known[name].parent_stream_type is stream for name in names if name in known)
    ]
    keyed = [
        _keyed(entry, known[name].primary_keys) if name in known else entry
        for name, entry in zip(names, entries, strict=True)
    ]
    return catalog | {"streams": keyed + missing}


def _keyed(entry: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Return an entry that names its key; one written by hand may not, and rows would pile up."""
    return entry if entry.get("key_properties") else entry | {"key_properties": list(keys)}


def _deselected(stream: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the entry of a stream that is only read for its children."""
    return {
        "tap_stream_id": stream,
        "stream": stream,
        "key_properties": list(keys),
        "schema": schemas.emitted(stream, keys),
        "metadata": [{"breadcrumb": [], "metadata": {"selected": False}}],
    }


_METHODS = (None, "", "INCREMENTAL", "FULL_TABLE")
"""Ways to replicate; LOG_BASED reads a database's log, which no API shows."""


def _fault_of(entry: dict[str, Any], stream: type[SingerStream]) -> str | None:
    """Say what is wrong with a stream's entry in a catalog; None if it can be used."""
    schema = entry.get("schema")
    columns = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(columns, dict) or not all(isinstance(one, dict) for one in columns.values()):
        return "has no schema"
    if missing := [key for key in stream.primary_keys if key not in columns]:
        return f"lacks the key column {missing[0]!r}"
    metadata = entry.get("metadata", [])
    if not isinstance(metadata, list) or not all(
        isinstance(item, dict)
        and isinstance(item.get("breadcrumb"), list)
        and isinstance(item.get("metadata"), dict)
        for item in metadata
    ):
        return "has damaged metadata"
    root: dict[str, Any] = next((m["metadata"] for m in metadata if not m["breadcrumb"]), {})
    methods = (entry.get("replication_method"), root.get("forced-replication-method"))
    if any(method not in _METHODS for method in methods):
        return "asks for a replication method that Qonto's API does not offer; set FULL_TABLE"
    key = entry.get("replication_key") or root.get("replication-key")
    ours = stream.replication_key
    if key and key != ours:
        way = f"goes by {ours!r}" if isinstance(ours, str) else "is always read whole"
        return f"names the replication key {key!r}, but the stream {way}"
    return None
