"""One request, one answer: credentials, headers, the rate limit, and how many are under way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests
import urllib3

from tap_qonto.api.answers import Reply
from tap_qonto.api.errors import FaultError, NotSentError, QontoError
from tap_qonto.api.network import DeadlineAdapter, never_sent, no_credentials, reason_of
from tap_qonto.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests.auth import AuthBase

    from tap_qonto.api.rate import RateLimit

_NONSENSE = (OverflowError, MemoryError)
"""What reading an answer raises that announces a chunk larger than any memory."""

_NO_ADDRESS = (
    "Set api_url to the address of the API, without a query, for example "
    "https://thirdparty.qonto.com/v2"
)


class Transport:
    """Carries the requests of one run, one at a time in each of its slots.

    Args:
        api_url: Base URL, version included, for example ``https://thirdparty.qonto.com/v2``.
        auth: Adds the credentials to a request. Its method ``renew`` is told the Authorization
            header of a refused request and returns whether another attempt is worth it.
        headers: Headers of every request.
        timeout: Seconds that one attempt may take, from connecting to the last byte.
        concurrency: How many requests may be under way at once.
        rate_limit: Is waited for before every request; None for no limit.
        adapter: Carries the requests instead of the network.
        machine: Its clock and its patience.

    Raises:
        QontoError: If the URL is none that requests can be sent to.
    """

    def __init__(
        self,
        api_url: str,
        *,
        auth: AuthBase | None,
        headers: Mapping[str, str],
        timeout: float,
        concurrency: int,
        rate_limit: RateLimit | None = None,
        adapter: requests.adapters.BaseAdapter | None = None,
        machine: Machine | None = None,
    ) -> None:
        self.timeout = timeout
        self.slots = threading.BoundedSemaphore(concurrency)
        """Whoever has one may send a request; as many as may be under way at once."""
        self._auth: Callable[[requests.PreparedRequest], Any] = auth or no_credentials
        self._rate_limit = rate_limit
        self._machine = machine or Machine()
        self._resume_at = 0.0
        # A session would do for every request what is the same for all: merge headers, read proxies
        # and CA bundles from the environment, look for cookies and redirects.
        self._adapter = adapter or DeadlineAdapter(pool_maxsize=concurrency)
        with requests.Session() as session:
            self._settings: dict[str, Any] = {
                **session.merge_environment_settings(
                    api_url, proxies={}, stream=True, verify=None, cert=None
                )
            }
            session.headers.update({"Accept": "application/json", **headers})
            session.auth = no_credentials
            try:
                self._request = session.prepare_request(requests.Request("GET", api_url))
            except requests.RequestException as error:
                raise QontoError(_NO_ADDRESS) from error
        self._base = (self._request.url or "").rstrip("/")
        if not {"?", "#"}.isdisjoint(self._base):
            raise QontoError(_NO_ADDRESS)

    def send(
        self,
        method: str,
        path: str,
        params: tuple[tuple[str, str], ...] = (),
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        leaving: Callable[[], None] | None = None,
    ) -> Reply:
        """Send one request, once, and return the answer, whatever its status is.

        Args:
            method: HTTP method.
            path: Path below the base URL.
            params: Query parameters.
            headers: Further headers, such as the body's type.
            body: Body, encoded.
            leaving: Is called when all waiting is over, right before the first byte leaves.

        Raises:
            NotSentError: If it is certain that the server has not received it.
            FaultError: If no whole answer came; what the server did is then unknown.
        """
        request = self._request.copy()
        request.method = method
        request.url = f"{self._base}{path}?{urlencode(params)}" if params else self._base + path
        if headers:
            request.headers.update(headers)
        if body is not None:
            request.body = body
            request.headers["Content-Length"] = str(len(body))
        with self.slots:
            if (pause := self._resume_at - self._machine.stopwatch()) > 0:
                self._machine.sleep(pause)
            if self._rate_limit:
                self._rate_limit.wait()
            request.prepare_auth(self._auth)
            if leaving:
                leaving()
            try:
                response = self._adapter.send(request, timeout=self.timeout, **self._settings)
                # At once: `content` reads 10 KB at a time, a sixth of what a request costs.
                content = response.raw.read(decode_content=True)
            except (requests.RequestException, urllib3.exceptions.HTTPError, *_NONSENSE) as error:
                msg = f"{method} {path} got no whole answer: {reason_of(error)}"
                raise (NotSentError if never_sent(error) else FaultError)(msg) from None
        return Reply(
            response.status_code,
            response.headers,
            content,
            self._machine.clock(),
            request.headers.get("Authorization", ""),
        )

    def renew(self, reply: Reply) -> bool:
        """Return whether another attempt is worth it after an answer that refused the credentials.

        Args:
            reply: The answer, a 401.

        Raises:
            CredentialError: If the credentials cannot be renewed.
        """
        renew = getattr(self._auth, "renew", lambda _refused: False)
        return bool(renew(reply.authorization))

    def hold_back(self, seconds: float) -> None:
        """Let nothing be sent for a while: what Qonto says of one request holds for all."""
        self._resume_at = max(self._resume_at, self._machine.stopwatch() + seconds)

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()
