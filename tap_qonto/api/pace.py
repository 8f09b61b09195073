"""How fast and how often Qonto is asked."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Generator

    from tap_qonto.api.errors import FaultError


TRIES = 6
"""How often one request is sent in all before the run gives up."""


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
        from pyrate_limiter import Limiter, Rate  # noqa: PLC0415 - 0.1 s that discovery can do without

        logging.getLogger("pyrate_limiter").setLevel(logging.WARNING)
        return Limiter(
            [
                Rate(max(1, int(1_000 * self._share)), 10_000),
                Rate(max(1, int(10_000 * self._share)), 600_000),
            ],
            buffer_ms=10,
        )


def waits() -> Generator[float, FaultError, None]:
    """Yield the seconds to wait before the next attempt: what the server asks, else a backoff.

    The wait doubles, and half of it is random, so that several processes do not come back
    together. A 429 without `Retry-After` means that one of two windows is full, the shorter of
    which lasts 10 seconds.
    """
    error = yield 0.0
    wait = 0.0
    while True:
        shortest = 5.0 if error.status == requests.codes.too_many else 1.0
        wait = min(60.0, max(wait * 2, shortest))
        if error.retry_after is not None:
            error = yield error.retry_after
        else:
            error = yield wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret
