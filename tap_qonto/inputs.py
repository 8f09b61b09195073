"""What is given to a run, settings apart: files with a configuration, a state, a catalog."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tap_qonto import schemas
from tap_qonto.instants import uniform
from tap_qonto.streams import STREAMS
from tap_qonto.streams.base import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk import Stream

    from tap_qonto.streams.base import QontoStream

_logger = logging.getLogger("tap-qonto")


class InputError(Exception):
    """A file given to the run cannot be used; the message says why and what to do."""


def bookmarks_of(state: Any, streams: Mapping[str, Stream], latest: str) -> dict[str, Any]:
    """Return the bookmarks of a state, by stream.

    Args:
        state: What was given to ``--state``.
        streams: The tap's streams, by name.
        latest: The latest instant, uniform, that a bookmark can have without skipping anything.

    Raises:
        InputError: If it is damaged, or another tap's, or would make a run skip rows.
    """
    bookmarks = _raw_bookmarks(state)
    foreign = bookmarks.keys() - streams.keys()
    if foreign and foreign == bookmarks.keys():
        msg = (
            f"The state is of another tap: it knows {', '.join(sorted(foreign))}, and no stream "
            "of tap-qonto. Pass the right state, or none to read everything"
        )
        raise InputError(msg)
    for name, bookmark in bookmarks.items():
        if name in foreign:
            _logger.warning("The state knows a stream %r, which does not exist; ignored", name)
        else:
            _check_bookmark(streams[name], bookmark, latest)
    return bookmarks


def _raw_bookmarks(state: Any) -> dict[str, Any]:
    """Return the bookmarks of a state.

    Raises:
        InputError: If it is no Singer state.
    """
    if not isinstance(state, dict):
        msg = "The state is no JSON object. Pass the value of the last STATE message"
        raise InputError(msg)
    if not state:
        return {}
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        msg = (
            "The state has no 'bookmarks', so it is not one of tap-qonto. Pass the value of the "
            "last STATE message, or no state to read everything"
        )
        raise InputError(msg)
    return bookmarks


def _check_instant(stream: str, value: Any, latest: str) -> None:
    """Refuse a bookmark that is no instant, or lies in the future and would skip rows.

    Raises:
        InputError: If it is one of these.
    """
    try:
        instant = uniform(value)
    except (TypeError, ValueError, IndexError):
        msg = (
            f"The state of {stream} has a bookmark that is no timestamp. Pass the last good "
            "state, or remove the bookmark to read the stream anew"
        )
        raise InputError(msg) from None
    if instant > latest:
        msg = (
            f"The state of {stream} has a bookmark in the future ({instant}), which would skip "
            "what happens until then. Check this machine's clock, or remove the bookmark"
        )
        raise InputError(msg)


def checked_catalog(catalog: dict[str, Any]) -> dict[str, Any]:
    """Return a catalog in which every stream has its parent, which the SDK would miss.

    Raises:
        InputError: If it is not.
    """
    anew = "Write it anew with tap-qonto --discover"
    entries = catalog.get("streams")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"The catalog has no list 'streams'. {anew}"
        raise InputError(msg)
    known = {stream.name: stream for stream in STREAMS}
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
    return catalog | {"streams": entries + missing}


def _deselected(stream: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the entry of a stream that is only read for its children."""
    return {
        "tap_stream_id": stream,
        "stream": stream,
        "key_properties": list(keys),
        "schema": schemas.emitted(stream, keys),
        "metadata": [{"breadcrumb": [], "metadata": {"selected": False}}],
    }


def _fault_of(entry: dict[str, Any], stream: type[QontoStream]) -> str | None:
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
    key = entry.get("replication_key") or root.get("replication-key")
    ours = stream.replication_key
    if key and key != ours:
        way = f"goes by {ours!r}" if isinstance(ours, str) else "is always read whole"
        return f"names the replication key {key!r}, but the stream {way}"
    return None


def json_object(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object in a text.

    Raises:
        InputError: If there is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        msg = f"{what} is no JSON object"
        raise InputError(msg)
    return value


def json_input(file: IO[str], option: str) -> dict[str, Any]:
    """Return the JSON object in an open file.

    Raises:
        InputError: If there is none.
    """
    what = f"The file given to {option}"
    try:
        return json_object(file.read(), what)
    except UnicodeDecodeError:
        msg = f"{what} is no JSON object"
        raise InputError(msg) from None


def json_file(path: str, option: str) -> dict[str, Any]:
    """Return the JSON object in a file.

    Args:
        path: Where it is.
        option: The option that it was given to.

    Raises:
        InputError: If there is none.
    """
    what = f"The file {path!r} given to {option}"
    try:
        return json_object(Path(path).read_text(encoding="utf-8"), what)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        msg = f"{what} cannot be read: {reason}"
        raise InputError(msg) from None


def _check_bookmark(stream: Stream, bookmark: Any, latest: str) -> None:
    partitions = bookmark.get("partitions", []) if isinstance(bookmark, dict) else None
    if not isinstance(partitions, list) or not all(
        isinstance(part, dict) and isinstance(part.get("context"), dict) for part in partitions
    ):
        msg = f"The state of {stream.name} is damaged. Pass the last good state, or none"
        raise InputError(msg)
    if "replication_key_value" in bookmark and stream.name == "transactions":
        msg = (
            "The state has one bookmark for all transactions, where tap-qonto keeps one per "
            "bank account. Remove it from the state to read all transactions anew"
        )
        raise InputError(msg)
    for part in (bookmark, *partitions):
        key = part.get("replication_key", stream.replication_key)
        if "replication_key_value" in part and key != stream.replication_key:
            msg = (
                f"The state of {stream.name} has a bookmark on {key!r}, but the stream goes "
                f"by {stream.replication_key!r}. Remove it to read the stream anew"
            )
            raise InputError(msg)
        for name in ("replication_key_value", INTERRUPTED):
            if name in part:
                _check_instant(stream.name, part[name], latest)
