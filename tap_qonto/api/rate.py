"""Qonto's rate limit, kept in advance and together by all runs on this machine.

Qonto counts requests per IP address, and runs that follow each other quickly are one to it. When
each request was sent is kept in a small file, in a ring: request number n may be sent as soon as
request n - 900 was sent 10 seconds ago. That takes two look-ups, whatever has happened before.
"""

from __future__ import annotations

import logging
import mmap
import os
import re
import struct
import sys
import threading
import time
import weakref
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if sys.platform == "win32":
    from filelock import FileLock
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

_logger = logging.getLogger("tap-qonto")

LIMITS: Final = ((1_000, 10.0), (10_000, 600.0))
"""Requests that Qonto's documentation allows per IP address, and in how many seconds."""

_MOST: Final = 1_000_000
"""Requests that are remembered at most, for shares that are far beyond Qonto's own limit."""

_KEPT: Final = 3_600.0
"""Seconds after which the file of a server that nobody asks any more is removed."""

_NUMBER = struct.Struct("<Q")
_INSTANT = struct.Struct("<d")


class _Ring:
    """When the last requests were sent, in seconds since the epoch.

    Args:
        memory: Its bytes: how many requests there were in all, then the instants of the last ones.
    """

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self._size = (len(memory) - _NUMBER.size) // _INSTANT.size

    @staticmethod
    def bytes_for(requests: int) -> int:
        """Return the bytes that so many requests take."""
        return _NUMBER.size + requests * _INSTANT.size

    def before(self, requests: int) -> float:
        """Return when the request was sent that many requests ago; 0 if there was none."""
        (count,) = _NUMBER.unpack_from(self._memory)
        if requests > min(count, self._size):
            return 0.0
        (at,) = _INSTANT.unpack_from(self._memory, self._place(count - requests))
        return float(at)

    def add(self, at: float) -> None:
        """Note that a request is sent."""
        (count,) = _NUMBER.unpack_from(self._memory)
        _INSTANT.pack_into(self._memory, self._place(count), at)
        _NUMBER.pack_into(self._memory, 0, (count + 1) % 2**63)

    def _place(self, number: int) -> int:
        return _NUMBER.size + number % self._size * _INSTANT.size


class RateLimit:
    """Keeps requests within Qonto's limits per IP address, in advance.

    Args:
        share: The part of the limits that may be used, for example 0.9.
        path: The file that the runs on this machine share. Without one, or if it cannot be used,
            or if the share is more than Qonto allows anyway, a run keeps the limit for itself.
        limits: Requests, and in how many seconds.
        clock: Returns seconds since the epoch, the same for all processes.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self,
        share: float,
        path: Path | None = None,
        *,
        limits: tuple[tuple[int, float], ...] = LIMITS,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = [(max(1, int(requests * share)), span) for requests, span in limits]
        self._path = path if share <= 1 else None
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._ring: _Ring | None = None
        self._among_runs: AbstractContextManager[Any] = nullcontext()

    def wait(self) -> None:
        """Return as soon as one more request is within the limits."""
        while (pause := self._pause()) > 0:
            self._sleep(pause)

    def _pause(self) -> float:
        """Count one more request, or return the seconds until there is room for it."""
        with self._lock:
            if self._ring is None:
                self._ring = self._shared() or self._own()
            try:
                with self._among_runs:
                    return self._taken(self._ring)
            except OSError as error:  # its folder is gone, for example
                _logger.debug("The rate limit cannot be shared any more: %s", error)
                self._among_runs, self._ring = nullcontext(), self._own()
                return self._taken(self._ring)

    def _taken(self, ring: _Ring) -> float:
        now = self._clock()
        # What lies in the future was written by a clock that was wrong.
        pauses = [
            at + span - now
            for requests, span in self._limits
            if (at := ring.before(requests)) <= now
        ]
        pause = max(0.0, *pauses) if pauses else 0.0
        if not pause:
            ring.add(now)
        return pause

    def _own(self) -> _Ring:
        most = min(_MOST, max(requests for requests, _ in self._limits))
        return _Ring(mmap.mmap(-1, _Ring.bytes_for(most)))

    def _shared(self) -> _Ring | None:
        """Return the ring in the file; None if there can be none."""
        if self._path is None:
            return None
        size = _Ring.bytes_for(max(requests for requests, _ in LIMITS))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _lock_beside(self._path)
            with lock, os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                if os.fstat(file.fileno()).st_size != size:
                    file.truncate(0)
                    file.truncate(size)
                ring = _Ring(mmap.mmap(file.fileno(), size))
        except (OSError, ValueError) as error:
            _logger.debug("The rate limit is not shared with other runs: %s", error)
            return None
        self._among_runs = lock
        return ring


def shared_file(folder: Path, api_url: str | None, now: float) -> Path:
    """Return the file that the runs share which ask the same server.

    Removes those of other servers that nobody has asked for an hour: no window is that long.

    Args:
        folder: Where such files are.
        api_url: The setting, for a server that is not Qonto's own.
        now: Seconds since the epoch.
    """
    if not api_url:
        return folder / "rate-limit"
    with suppress(OSError):
        for old in folder.glob("rate-limit-*"):
            if now - old.stat().st_mtime > _KEPT:
                old.unlink()
    return folder / f"rate-limit-{re.sub(r'[^A-Za-z0-9.-]', '_', urlsplit(api_url).netloc)[:80]}"


def _lock_beside(path: Path) -> AbstractContextManager[Any]:
    """Return what keeps other processes out while it is entered.

    Raises:
        OSError: If there can be no such lock.
    """
    beside = path.with_name(f"{path.name}.lock")
    if sys.platform == "win32":
        return FileLock(beside, mode=0o600)
    return _OpenFileLock(beside)


class _OpenFileLock:
    """A lock on a file that stays open: opening it for each request would take ten times longer.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        weakref.finalize(self, os.close, self._file)

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
