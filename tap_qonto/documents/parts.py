"""Files that are being written aside, told apart from those that a killed run has left behind."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

try:
    _locks: Any = import_module("fcntl")
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    _locks = None


def claim(file: BinaryIO) -> None:
    """Mark a file as being written, for as long as this process lives."""
    if _locks:
        with suppress(OSError):  # a file system without locks
            _locks.flock(file, _locks.LOCK_EX | _locks.LOCK_NB)


def remove_abandoned(part: Path) -> None:
    """Remove what a killed run left half-written, unless another process is writing it."""
    with suppress(OSError):
        if _locks is None:
            part.unlink()
            return
        with part.open("rb") as file:
            _locks.flock(file, _locks.LOCK_EX | _locks.LOCK_NB)
            part.unlink()
