"""Asking Qonto's API: the only file that knows HTTP.

One `Client` serves a whole run. It adds the credentials and headers, keeps within the rate limit,
bounds how many requests are under way, retries what may succeed later, and turns every answer
either into decoded JSON or into an error whose message a person can act on at 3 a.m.: stream,
path, status, the API's own code, never the body.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from time import sleep
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlencode

import backoff
import msgspec
import requests
import urllib3

from tap_qonto.api.answers import UNREADABLE, Reply, count_of, error_of, not_json, request_line
from tap_qonto.api.errors import (
    AnswerError,
    FaultError,
    NeverArrivedError,
    NoReplyError,
    QontoError,
)
from tap_qonto.api.network import DeadlineAdapter, never_arrived, no_credentials, reason_of
from tap_qonto.api.pace import TRIES, RateLimit, waits
from tap_qonto.api.pages import PER_PAGE, LateRows, Page, Pool, Post, Query, paged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from requests.auth import AuthBase


_T = TypeVar("_T")


class Client:
    """Answers queries of all streams of one run.

    Args:
        api_url: Base URL, version included, for example ``https://thirdparty.qonto.com/v2``.
        auth: Adds the credentials to a request. Its method ``renew`` is told the Authorization
            header of a refused request and returns whether another attempt is worth it.
        headers: Headers of every request.
        timeout: Seconds that one attempt may take, from connecting to the last byte.
        concurrency: How many requests may be under way at once.
        rate_limit: Is waited for before every request; None for no limit.
        adapter: Carries the requests instead of the network.

    Raises:
        QontoError: If the URL is none that requests can be sent to.
    """

    def __init__(  # noqa: PLR0913 - each argument is one fact of the environment
        self,
        api_url: str,
        *,
        auth: AuthBase | None,
        headers: Mapping[str, str],
        timeout: float,
        concurrency: int,
        rate_limit: RateLimit | None = None,
        adapter: requests.adapters.BaseAdapter | None = None,
    ) -> None:
        self._auth = auth or no_credentials
        self._timeout = timeout
        self._rate_limit = rate_limit
        self.places = threading.BoundedSemaphore(concurrency)
        """Whoever has one may send a request; as many as may be under way at once."""
        self._executor = ThreadPoolExecutor(concurrency, thread_name_prefix="qonto")
        self._early: dict[Query, Future[_Answer]] = {}
        self._early_lock = threading.Lock()
        self._decoder = msgspec.json.Decoder(float_hook=Decimal)
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
        self._resume_at = 0.0
        self.concurrency = concurrency
        self.proven = False
        """Whether the credentials have been accepted in this run."""
        self.on_proven: Callable[[], None] = lambda: None
        """Is called when that happens."""

    @property
    def pool(self) -> Pool:
        """Fetches pages in the background.

        Twice as many are under way or waiting as are fetched at once, so that one late page does
        not keep those after it from being asked for.
        """
        return Pool(self._executor.submit, 2 * self.concurrency)

    def submit(self, work: Callable[..., _T], *args: Any) -> Future[_T]:
        """Run something in the background, on the threads that fetch pages."""
        return self._executor.submit(work, *args)

    def close(self) -> None:
        """Drop what is still waiting to be fetched and close the connections."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._adapter.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client."""
        self.close()

    def ask_early(
        self, queries: Sequence[Query], *, waiting: Callable[[], bool] = lambda: True
    ) -> None:
        """Fetch in the background what will be asked for soon; `get` then finds it.

        Args:
            queries: What will be asked for.
            waiting: Whether that still lies ahead: nothing is asked for twice.
        """
        for query in queries:
            with self._early_lock:
                if query not in self._early and waiting():
                    self._early[query] = self._executor.submit(self._get, query)

    def get(self, query: Query) -> Any:
        """Return the decoded JSON of one answer; numbers with a fraction are `Decimal`.

        Raises:
            QontoError: If there is no such answer; its subclasses say why.
            CeilingError: If the query matches more rows than Qonto lists.
            PastTheEndError: If the page lies beyond the last one.
        """
        return {name: self._decoded(query, part) for name, part in self._answer(query).items()}

    def page(self, query: Query, envelope: str, number: int, *, per_page: int = PER_PAGE) -> Page:
        """Return one page of a list, whose rows are decoded when they are first looked at.

        Args:
            query: The list, without the parameters of the page.
            envelope: The key that holds the rows.
            number: Number of the page, from 1.
            per_page: Rows asked for; 0 if the list knows no pages.

        Raises:
            AnswerError: If the answer holds no such list.
            QontoError: As `get` does.
            CeilingError: As `get` does.
            PastTheEndError: As `get` does.
        """
        answer = self._answer(paged(query, number, per_page) if per_page else query)
        listed = answer.get(envelope, _NULL)
        if bytes(memoryview(listed)[:1]) != b"[":
            msg = f"{request_line(query)} answered JSON without the list {envelope!r}"
            raise AnswerError(msg, status=200)
        rows = LateRows(lambda: self._decoded(query, listed))
        meta = self._decoded(query, answer.get("meta", _NULL))
        if meta is None:
            return Page(rows, number, full=0 < per_page <= len(rows))
        if not isinstance(meta, dict):
            msg = f"{request_line(query)} answered a 'meta' that is no object"
            raise AnswerError(msg, status=200)
        total = count_of(query, meta, "total_count", "total")
        pages = count_of(query, meta, "total_pages")
        if pages is None and total is not None and per_page:
            # Pages may be shorter than asked for, but only the last one is shorter than the first.
            held = len(rows) if number == 1 else 0
            pages = -(-total // (count_of(query, meta, "per_page") or held or per_page))
        full = pages is None and 0 < per_page <= len(rows)
        return Page(rows, number, pages=pages, total=total, full=full)

    def _decoded(self, query: Query, part: msgspec.Raw) -> Any:
        """Return the value of one part of an answer."""
        try:
            return self._decoder.decode(part)
        except UNREADABLE:
            msg = f"{request_line(query)} answered 200 with text that is not valid JSON"
            raise AnswerError(msg, status=200) from None

    def _answer(self, query: Query) -> _Answer:
        """Return an answer that was asked for early, or ask now."""
        with self._early_lock:
            early = self._early.pop(query, None)
        return self._get(query) if early is None else early.result()

    def _get(self, query: Query) -> _Answer:
        def wait(details: Any) -> None:
            error: FaultError = details["exception"]
            if error.status == requests.codes.too_many:
                # What Qonto says of one request holds for all that come from this machine.
                self._resume_at = max(self._resume_at, time.monotonic() + details["wait"])
            _logger.warning(
                "%s: %s; trying again in %.1f s (attempt %d of %d)",
                query.stream, error, details["wait"], details["tries"] + 1, TRIES,
            )  # fmt: skip

        attempt = backoff.on_exception(
            waits, FaultError, max_tries=TRIES, jitter=None, on_backoff=wait, logger=None
        )(self._attempt)
        try:
            return attempt(query)
        except FaultError as error:
            msg = (
                f"{error}. Gave up after {TRIES} attempts; nothing is lost, the next run goes on "
                "from the last state"
            )
            raise FaultError(msg, status=error.status, code=error.code) from None

    def _attempt(self, query: Query) -> _Answer:
        """Send one request, and once more if the credentials could be renewed."""
        reply = self._send(query)
        if reply.status == requests.codes.unauthorized and self.renew(reply):
            reply = self._send(query)
        if reply.status != requests.codes.ok:
            raise error_of(query, reply)
        try:
            answer = _parts.decode(reply.body)
        except msgspec.ValidationError:
            answer = {}  # JSON, but no object, so it holds nothing that is asked for
        except UNREADABLE:
            raise not_json(query, reply) from None
        if not self.proven:
            self.proven = True
            self.on_proven()
        return answer

    def renew(self, reply: Reply) -> bool:
        """Renew credentials that an answer refused; return whether another try is worth it.

        Raises:
            CredentialError: If they cannot be renewed.
        """
        renew = getattr(self._auth, "renew", lambda _refused: False)
        return bool(renew(reply.authorization))

    def post(self, post: Post, *, leaving: Callable[[], None] = lambda: None) -> Reply:
        """Send a request to write, exactly once, and return whatever was answered.

        Args:
            post: The request.
            leaving: Is called when all waiting is over, right before the first byte leaves.

        Raises:
            NeverArrivedError: If no byte of it can have reached Qonto.
            NoReplyError: If there is no whole answer, though the request may have arrived.
            CredentialError: If there are no credentials to send it with; nothing was sent.
        """
        request = self._request.copy()
        request.method = "POST"
        request.url = f"{self._base}{post.path}"
        request.headers["Content-Type"] = post.content_type
        if post.key:
            request.headers["X-Qonto-Idempotency-Key"] = post.key
        request.prepare_body(post.body, None)
        try:
            return self._exchange(request, leaving)
        except _BROKEN as error:
            msg = f"POST {post.path} got no whole answer: {reason_of(error)}"
            raise (NeverArrivedError if never_arrived(error) else NoReplyError)(msg) from None

    def _send(self, query: Query) -> Reply:
        request = self._request.copy()
        request.url = f"{self._base}{query.path}?{urlencode(query.params)}"
        try:
            return self._exchange(request)
        except _BROKEN as error:
            msg = f"{request_line(query)} got no whole answer: {reason_of(error)}"
            raise FaultError(msg) from None

    def _exchange(
        self, request: requests.PreparedRequest, leaving: Callable[[], None] | None = None
    ) -> Reply:
        """Send a request in its turn and read the answer whole."""
        with self.places:
            if (pause := self._resume_at - time.monotonic()) > 0:
                sleep(pause)
            if self._rate_limit:
                self._rate_limit.wait()
            request.prepare_auth(self._auth)
            if leaving:
                leaving()
            response = self._adapter.send(request, timeout=self._timeout, **self._settings)
            # At once: `content` reads 10 KB at a time, a sixth of what a request costs.
            body = response.raw.read(decode_content=True)
        authorization = request.headers.get("Authorization", "")
        return Reply(response.status_code, response.headers, body, authorization)


_logger = logging.getLogger("tap-qonto")


_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError)
"""What a request raises that got no whole answer."""


_Answer = dict[str, msgspec.Raw]
"""An answer as Qonto sent it, taken apart by the names at its top."""


_NO_ADDRESS = (
    "Set api_url to the address of the API, without a query, for example "
    "https://thirdparty.qonto.com/v2"
)


_parts = msgspec.json.Decoder(_Answer)


_NULL = msgspec.Raw(b"null")
