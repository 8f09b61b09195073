"""Who may be at work where: documents that are being written, and what killed runs have left.

Locks belong to the process that holds them and vanish with it, so that a killed run blocks nobody.
Where a file system knows no locks, work goes on without them: files that are written aside have
names that no two writers share.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    _locks: Any = import_module("fcntl")
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    _locks = None

_PAUSE = 0.05
"""Seconds between two looks at a folder that another process works in."""

_LOOKS = 12_000
"""How often to look, ten minutes in all: whoever holds a lock that long may be suspended."""


class Turns:
    """Lets one thread at a time do the same thing, and all others what they want."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Wait for one's turn at something."""
        with self._lock:
            turn, threads = self._turns.get(what, (threading.Lock(), 0))
            self._turns[what] = (turn, threads + 1)
        try:
            with turn:
                yield
        finally:
            with self._lock:
                turn, threads = self._turns.pop(what)
                if threads > 1:
                    self._turns[what] = (turn, threads - 1)


@contextmanager
def alone_in(folder: Path, stopped: threading.Event) -> Iterator[bool]:
    """Be the only process that works in a folder, which is made and, if it stays empty, removed.

    Gives whether that is certain. The folder itself is locked, not a file in it: so nothing in it
    has a name before the lock is held.

    Args:
        folder: The folder.
        stopped: Ends the waiting for another process.
    """
    if _locks is None:
        folder.mkdir(parents=True, exist_ok=True)
        yield False
        return
    descriptor, certain = _locked(folder, stopped)
    try:
        yield certain
    finally:
        with suppress(OSError):  # not empty, as a rule
            folder.rmdir()
        os.close(descriptor)


def _locked(folder: Path, stopped: threading.Event) -> tuple[int, bool]:
    """Return the folder, open, and whether it is locked."""
    looks = 0
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process has removed it, empty, just now
            continue
        try:
            _locks.flock(descriptor, _locks.LOCK_EX | _locks.LOCK_NB)
            if _is(folder, descriptor):
                return descriptor, True
        except BlockingIOError:
            looks += 1
            if looks > _LOOKS or stopped.wait(_PAUSE):
                return descriptor, False
        except OSError:  # a file system without locks
            return descriptor, False
        os.close(descriptor)


def _is(folder: Path, descriptor: int) -> bool:
    """Return whether what was opened as a folder is still the one with its name."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def remove_abandoned(folder: Path) -> None:
    """Remove what killed runs left half-written in a folder in which nobody else is at work."""
    for part in folder.glob(".*.part"):
        with suppress(OSError):
            part.unlink()


_PREFIX = "tap-qonto-"


class Workshop:
    """A folder of this process alone, for what may be seen by nobody and must not stay."""

    def __init__(self) -> None:
        place = Path(tempfile.gettempdir())
        _sweep(place)
        folder = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
        self._lock = os.open(folder / _LOCK, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        if _locks:
            with suppress(OSError):
                _locks.flock(self._lock, _locks.LOCK_EX | _locks.LOCK_NB)
            # Only now may another run see it, which would take it for abandoned.
            folder = folder.rename(place / folder.name.removeprefix("."))
        self._folder = folder

    def new(self) -> Path:
        """Return the path of a new file, which nobody else can read."""
        path = self._folder / token_hex(8)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return path

    def close(self) -> None:
        """Remove it with all that is in it."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)
        shutil.rmtree(self._folder, ignore_errors=True)


_LOCK = "lock"


def _sweep(place: Path) -> None:
    """Remove the workshops of runs that were killed."""
    for workshop in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_abandoned(workshop):
                shutil.rmtree(workshop, ignore_errors=True)


def _is_abandoned(workshop: Path) -> bool:
    """Return whether a workshop is ours to remove, and of no process that lives.

    Raises:
        OSError: If that cannot be told, or one lives.
    """
    lock = workshop / _LOCK
    if _locks is None:
        lock.unlink()  # fails as long as it is open
        return True
    if workshop.stat().st_uid != os.getuid():
        return False
    with lock.open("rb") as file:
        _locks.flock(file, _locks.LOCK_EX | _locks.LOCK_NB)
    return True
