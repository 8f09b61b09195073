"""How often Qonto is asked: the number of tries and the waits between them."""

from __future__ import annotations

import logging
import random
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tap_qonto.api.errors import FaultError

_logger = logging.getLogger("tap-qonto")

_T = TypeVar("_T")

_LONGEST_WAIT = 600.0
"""Seconds that a server can make a run wait for one attempt."""


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
            error = yield half_random(wait)


def half_random(seconds: float) -> float:
    """Return a wait of which half is random, so that processes do not come back together."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret


def retrying(
    attempt: Callable[[], _T],
    kind: type[FaultError],
    who: str,
    *,
    tries: int,
    sleep: Callable[[float], None],
    told: Callable[[FaultError, float], None] = lambda _error, _wait: None,
    stopped: Callable[[], bool] = lambda: False,
    otherwise: str = "nothing is lost, the next run goes on from the last state",
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
        otherwise: What happens when all attempts were in vain, for the message.

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
                attempts = "attempt" if number == 1 else "attempts"
                msg = f"{error}. Gave up after {number} {attempts}; {otherwise}"
                raise type(error)(msg, status=error.status, code=error.code) from None
            wait = pauses.send(error)
            told(error, wait)
            _logger.warning(
                "%s: %s; trying again in %.1f s (attempt %d of %d)",
                who, error, wait, number + 1, tries,
            )  # fmt: skip
            sleep(wait)
    msg = "an attempt is made at least once"
    raise ValueError(msg)
