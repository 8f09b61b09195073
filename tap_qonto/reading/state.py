"""Bookmarks, and the check of a state that is given to a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import (
    InputError,
)
from tap_qonto.api.instants import FLOOR, uniform
from tap_qonto.reading.debts import CATCHING_UP, check_debts
from tap_qonto.reading.familiar import check_marks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from singer_sdk import Stream

_logger = logging.getLogger("tap-qonto")


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
            _check_documents(streams[name], bookmark, streams, latest)
            if len(parts := bookmark.get("partitions", [])) > 1:
                bookmark["partitions"] = _without_twins(name, parts)
    return bookmarks


def _without_twins(stream: str, partitions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return partitions of which none is named twice: of two, the one that has read less."""
    found: dict[str, dict[str, Any]] = {}
    for part in partitions:
        name = repr(sorted(part["context"].items()))
        earlier = min(found.get(name, part), part, key=_reached)
        found[name] = earlier
    if len(found) < len(partitions):
        _logger.warning(
            "The state of %s names %d partition(s) more than once; the earlier bookmark counts",
            stream,
            len(partitions) - len(found),
        )
    return list(found.values())


def _reached(part: dict[str, Any]) -> str:
    value = part.get("replication_key_value")
    return uniform(value) if value else ""


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
        statuses = part.get(STATUSES, [])
        if not isinstance(statuses, list) or not all(isinstance(one, str) for one in statuses):
            msg = (
                f"The state of {stream.name} is damaged: the statuses that it was read with are no "
                "list of names. Pass the last good state, or none"
            )
            raise InputError(msg)


def _check_documents(
    stream: Stream, bookmark: Mapping[str, Any], streams: Mapping[str, Stream], latest: str
) -> None:
    """Check what a document stream's state says its rows lack."""
    if parent := stream.parent_stream_type:
        check_debts(stream.name, stream.primary_keys, bookmark)
        check_marks(stream.name, bookmark)
        if walk := bookmark.get(CATCHING_UP):
            of_parent = next(each for each in streams.values() if isinstance(each, parent))
            _check_bookmark(of_parent, walk, latest)


OWNER = "organization_id"
"""Key of a state beside the bookmarks: the organization that it is of."""

INTERRUPTED = "reading_until"
"""Key of a bookmark whose run has not come to its end: the last instant which that run reads."""


STATUSES = "statuses"
"""Key of a bookmark of transactions: the statuses of those that were read, if not all there are."""


class Bookmark:
    """How far a partition has been read: its part of the Singer state.

    Args:
        state: The partition's state, which is changed in place.
        key: Name of the replication key.
        limit: The last instant that this run reads, uniform; the bookmark never passes it.
    """

    def __init__(self, state: dict[str, Any], key: str, limit: str) -> None:
        self.key = key
        self.value = uniform(state.get("replication_key_value") or FLOOR)
        """The latest key written, uniform."""
        self._state = state
        self._before = dict(state)
        self._limit = limit
        self._asked: set[str] = set()
        self._all: set[str] = set()

    def hold(self, at: str) -> None:
        """Never move past this instant, so that the next run reads from it."""
        self._limit = min(self._limit, at)

    def move(self, at: str) -> None:
        """Move the bookmark forward, or leave it if the key lies before it."""
        if at > self.value:
            self.value = at
            self._state["replication_key"] = self.key
            self._state["replication_key_value"] = min(at, self._limit)
            self._state[INTERRUPTED] = self._limit

    def restrict(self, asked: Collection[str], all_there_are: Collection[str]) -> None:
        """Note that only some rows are read.

        Until the end, the bookmark stands for those alone that earlier runs have read as well.

        Args:
            asked: The statuses of these rows.
            all_there_are: Those of all rows.
        """
        self._asked, self._all = set(asked), set(all_there_are)
        self._stand_for(self._asked.intersection(self._state.get(STATUSES, self._all)))

    def _stand_for(self, statuses: set[str]) -> None:
        if statuses == self._all:
            self._state.pop(STATUSES, None)
        else:
            self._state[STATUSES] = sorted(statuses)

    def finish(self) -> None:
        """Note that the partition has been read to its end."""
        self._state.pop(INTERRUPTED, None)
        self._stand_for(self._asked)

    def undo(self) -> None:
        """Go back to where the partition was before the run."""
        self._state.clear()
        self._state.update(self._before)
