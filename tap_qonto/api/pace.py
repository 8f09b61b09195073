"""How fast and how often Qonto is asked: the rate limit, the waits, the number of tries."""

from __future__ import annotations

import logging
import random
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tap_qonto.api.errors import FaultError

_logger = logging.getLogger("tap-qonto")

_T = TypeVar("_T")

_LONGEST_WAIT = 600.0
"""Seconds that a server can make a run wait for one attempt."""


class RateLimit:
    """Keeps the requests of this process within Qonto's limits per IP address, in advance.

    Qonto's documentation allows 1,000 requests in 10 seconds and 10,000 in 10 minutes.

    Args:
        share: The part of both limits that this process may use, for example 0.9.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._limiter: Any = None
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return as soon as one more request is within the limits."""
        with self._lock:
            if self._limiter is None:
                self._limiter = self._create()
        self._limiter.try_acquire("qonto")

    def _create(self) -> Any:
        from pyrate_limiter import Limiter, Rate  # 0.1 s that discovery can do without

        logging.getLogger("pyrate_limiter").setLevel(logging.WARNING)
        return Limiter(
            [
                Rate(max(1, int(1_000 * self._share)), 10_000),
                Rate(max(1, int(10_000 * self._share)), 600_000),
            ],
            buffer_ms=10,
        )


def waits() -> Generator[float, FaultError, None]:
    """Yield the seconds to wait before the next attempt: a backoff, or more if the server asks.

    The wait doubles, and half of it is random, so that several processes do not come back
    together. A 429 without `Retry-After` means that one of two windows is full, the shorter of
    which lasts 10 seconds. A server that asks for no wait at all gets the backoff: six attempts
    within a second are none.
    """
    error = yield 0.0
    wait = 0.0
    while True:
        shortest = 5.0 if error.status == HTTPStatus.TOO_MANY_REQUESTS else 1.0
        wait = min(60.0, max(wait * 2, shortest))
        if error.retry_after:
            # Qonto knows how long; only less than a second is no answer.
            error = yield min(max(error.retry_after, 1.0), _LONGEST_WAIT)
        else:
            error = yield wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret


def retrying(  # noqa: PLR0913 - each argument is one fact of the attempt
    attempt: Callable[[], _T],
    kind: type[FaultError],
    who: str,
    *,
    tries: int,
    sleep: Callable[[float], None],
    told: Callable[[FaultError, float], None] = lambda _error, _wait: None,
    stopped: Callable[[], bool] = lambda: False,
) -> _T:
    """Return what an attempt gives, and make further ones where they may help.

    Args:
        attempt: Is called until it returns.
        kind: The error after which another attempt makes sense.
        who: The stream that is waiting, for the log.
        tries: How many attempts are made in all.
        sleep: Waits for a number of seconds.
        told: Is told each error and the seconds until the next attempt.
        stopped: Whether the run is at its end, so that nothing is worth another attempt.

    Raises:
        FaultError: Of the given kind, that of the last attempt, saying how many were made.
    """
    pauses = waits()
    next(pauses)
    for number in range(1, tries + 1):
        try:
            return attempt()
        except kind as error:
            if number == tries or stopped():
                msg = (
                    f"{error}. Gave up after {number} attempts; nothing is lost, the next run goes "
                    "on from the last state"
                )
                raise kind(msg, status=error.status, code=error.code) from None
            wait = pauses.send(error)
            told(error, wait)
            _logger.warning(
                "%s: %s; trying again in %.1f s (attempt %d of %d)",
                who, error, wait, number + 1, tries,
            )  # fmt: skip
            sleep(wait)
    msg = "an attempt is made at least once"
    raise ValueError(msg)
