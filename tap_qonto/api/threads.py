"""The threads that ask Qonto: so many at a time, not counting those that wait for others."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

_T = TypeVar("_T")


class Threads:
    """Runs work in the background.

    Work that waits for other work gives its place to whatever is next; without that, pages that
    were asked for early would keep others from being asked for until they are there.

    Args:
        at_once: How many pieces of work go on at the same time at most.
        name: What the threads' names begin with.
    """

    def __init__(self, at_once: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(2 * at_once, thread_name_prefix=name)
        self._places = threading.Semaphore(at_once)
        self._own = threading.local()
        self._closed = False

    def submit(self, work: Callable[..., _T], *args: Any) -> Future[_T]:
        """Begin work as soon as there is a place; until it has a thread it can be cancelled.

        Raises:
            RuntimeError: If the threads have been closed.
        """
        return self._executor.submit(self._run, work, *args)

    def _run(self, work: Callable[..., _T], *args: Any) -> _T:
        with self._places:
            if self._closed:
                raise CancelledError
            self._own.has_place = True
            try:
                return work(*args)
            finally:
                self._own.has_place = False

    def result(self, future: Future[_T]) -> _T:
        """Wait for the outcome of other work, without a place meanwhile.

        Args:
            future: What `submit` has returned.

        Raises:
            Exception: Whatever the work has raised.
        """
        if not getattr(self._own, "has_place", False):
            return future.result()
        self._places.release()
        try:
            return future.result()
        finally:
            self._places.acquire()

    def close(self) -> None:
        """Drop what has not begun, and wait for nothing."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
