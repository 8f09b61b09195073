"""Which documents have been told before, of rows that every run reads anew.

Lists without a filter come whole with every run, and their rows name documents by nothing but an
ID, so that Qonto has to be asked about each. Where documents are only listed, it would answer the
same again: an ID always names the same file. So the state remembers, by a mark of 6 bytes, what was
told as of which row. Where documents are stored, every run makes sure that the files are there.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from tap_qonto.api.errors import InputError
from tap_qonto.api.instants import uniform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_qonto.api.pages import Row

TOLD = "told"
"""Key of the marks, in a document stream's part of the state."""

MOST = 5_000
"""Documents that are remembered; what goes beyond is asked for by every run."""

_SIZE = 6
"""Bytes of a mark: of 10,000 million changes one would look like another document's mark."""


def mark_of(*facts: Any) -> bytes:
    """Return a mark that differs where the facts differ.

    Args:
        facts: JSON values.
    """
    return blake2b(msgspec.json.encode(facts), digest_size=_SIZE).digest()


def changed_at(row: Row) -> str:
    """Return when a row changed last, uniform; empty if it does not say."""
    found = ""
    for name in ("updated_at", "created_at"):
        try:
            found = max(found, uniform(row.get(name) or ""))
        except (TypeError, ValueError):
            continue
    return found


class Familiar:
    """The documents of one stream that have been told.

    Args:
        state: The stream's part of the Singer state, which is changed in place.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self._before = _marks(state.get(TOLD, ""))
        self._now: set[bytes] = set()

    def knows(self, mark: bytes) -> bool:
        """Return whether a document has been told by an earlier run; it stays so then."""
        if mark not in self._before:
            return False
        self._now.add(mark)
        return True

    def learn(self, mark: bytes) -> None:
        """Note that a document has been told."""
        self._now.add(mark)

    def keep(self, *, complete: bool) -> None:
        """Put into the state what has been told.

        Args:
            complete: Whether all rows have been read, so that what was not met is gone.
        """
        marks = sorted(self._now if complete else self._now | self._before)[:MOST]
        self._state.pop(TOLD, None)
        if marks:
            self._state[TOLD] = b64encode(b"".join(marks)).decode()


def check_marks(stream: str, state: Mapping[str, Any]) -> None:
    """Refuse a document stream's state whose marks cannot be this tap's.

    Raises:
        InputError: If they are damaged.
    """
    try:
        _marks(state.get(TOLD, ""))
    except (TypeError, ValueError):
        msg = (
            f"The state of {stream} is damaged: which documents it has told cannot be read. "
            "Pass the last good state, or remove the stream from it to read its documents anew"
        )
        raise InputError(msg) from None


def _marks(text: str) -> set[bytes]:
    """Return the marks in a text.

    Raises:
        ValueError: If there are none in it.
        TypeError: If it is no text.
    """
    if not isinstance(text, str):
        raise TypeError
    joined = b64decode(text, validate=True)
    if len(joined) % _SIZE:
        raise ValueError
    return {joined[at : at + _SIZE] for at in range(0, len(joined), _SIZE)}
