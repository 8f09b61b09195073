"""Asking Qonto's API: the only file that knows HTTP.

One `Client` serves a whole run. It adds the credentials and headers, keeps within the rate limit,
bounds how many requests are under way, retries what may succeed later, and turns every answer
either into decoded JSON or into an error whose message a person can act on at 3 a.m.: stream,
path, status, the API's own code, never the body.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from time import sleep
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar
from urllib.parse import urlencode, urljoin

import backoff
import msgspec
import requests
import urllib3
from typing_extensions import override

from tap_qonto.deadline import DeadlineAdapter
from tap_qonto.pagination import CeilingError, LateRows, Page, PastTheEndError, Pool
from tap_qonto.tokens import is_safe_url

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from requests.auth import AuthBase

PER_PAGE = 100
"""Rows asked for per page; Qonto's maximum, and larger than some of its defaults."""

TRIES = 6
"""How often one request is sent in all before the run gives up."""

_T = TypeVar("_T")


class QontoError(Exception):
    """A request that has no answer to work with; the message says what to do.

    Args:
        message: One sentence or two, without secrets and personal data.
        status: HTTP status, if there was an answer.
        code: The API's own error code, if there was one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class AnswerError(QontoError):
    """Qonto answered with something else than its documentation promises."""


class UnauthorizedError(QontoError):
    """The credentials were refused (401)."""


class NotReadableError(QontoError):
    """The credentials may not read this (403), or the feature is not activated (404)."""


class FaultError(QontoError):
    """The request may succeed later: throttled, a server error, or no whole answer.

    Args:
        message: What happened.
        status: HTTP status, if there was an answer.
        code: The API's own error code, if there was one.
        retry_after: Seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code)
        self.retry_after = retry_after


class GoneError(QontoError):
    """A file does not exist any more (404, 410)."""


class ExpiredLinkError(QontoError):
    """The file host refused a link, most likely because its half hour is over."""


class FileFaultError(FaultError):
    """The file host did not send a whole file; it may succeed later."""


class Query(NamedTuple):
    """One GET request: what is asked, and for which stream."""

    stream: str
    path: str
    params: tuple[tuple[str, str], ...] = ()


class _Reply(NamedTuple):
    """What a server said to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    authorization: str
    """The Authorization header of the request."""


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
        self._auth = auth or _no_credentials
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
            session.auth = _no_credentials
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
            msg = f"{_what(query)} answered JSON without the list {envelope!r}"
            raise AnswerError(msg, status=200)
        rows = LateRows(lambda: self._decoded(query, listed))
        meta = self._decoded(query, answer.get("meta", _NULL))
        if meta is None:
            return Page(rows, number, full=0 < per_page <= len(rows))
        if not isinstance(meta, dict):
            msg = f"{_what(query)} answered a 'meta' that is no object"
            raise AnswerError(msg, status=200)
        total = _count(query, meta, "total_count", "total")
        pages = _count(query, meta, "total_pages")
        if pages is None and total is not None and per_page:
            # Pages may be shorter than asked for, but only the last one is shorter than the first.
            held = len(rows) if number == 1 else 0
            pages = -(-total // (_count(query, meta, "per_page") or held or per_page))
        full = pages is None and 0 < per_page <= len(rows)
        return Page(rows, number, pages=pages, total=total, full=full)

    def _decoded(self, query: Query, part: msgspec.Raw) -> Any:
        """Return the value of one part of an answer."""
        try:
            return self._decoder.decode(part)
        except _UNREADABLE:
            msg = f"{_what(query)} answered 200 with text that is not valid JSON"
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
        if reply.status == requests.codes.unauthorized:
            renew = getattr(self._auth, "renew", lambda _refused: False)
            if renew(reply.authorization):
                reply = self._send(query)
        if reply.status != requests.codes.ok:
            raise _error(query, reply)
        try:
            answer = _parts.decode(reply.body)
        except msgspec.ValidationError:
            answer = {}  # JSON, but no object, so it holds nothing that is asked for
        except _UNREADABLE:
            raise _not_json(query, reply) from None
        if not self.proven:
            self.proven = True
            self.on_proven()
        return answer

    def _send(self, query: Query) -> _Reply:
        request = self._request.copy()
        request.url = f"{self._base}{query.path}?{urlencode(query.params)}"
        with self.places:
            if (pause := self._resume_at - time.monotonic()) > 0:
                sleep(pause)
            if self._rate_limit:
                self._rate_limit.wait()
            request.prepare_auth(self._auth)
            try:
                response = self._adapter.send(request, timeout=self._timeout, **self._settings)
                # At once: `content` reads 10 KB at a time, a sixth of what a request costs.
                body = response.raw.read(decode_content=True)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                msg = f"{_what(query)} got no whole answer: {reason_of(error)}"
                raise FaultError(msg) from None
        authorization = request.headers.get("Authorization", "")
        return _Reply(response.status_code, response.headers, body, authorization)


class FileHost:
    """Downloads files by pre-signed links, from hosts that must never see the credentials.

    Args:
        timeout: Seconds that a connection may be silent, or slower than `SLOWEST`.
        connections: How many downloads are under way at once.
        places: Those of the client: a download takes one until it is over.
        headers: Headers of every request.
        adapter: Carries the requests instead of the network.
    """

    def __init__(
        self,
        *,
        timeout: float,
        connections: int,
        places: threading.Semaphore,
        headers: Mapping[str, str],
        adapter: requests.adapters.BaseAdapter | None = None,
    ) -> None:
        self._timeout = timeout
        self._places = places
        self._session = requests.Session()
        # Compressed on the way, a file would be counted and hashed as something else.
        self._session.headers.update({"Accept": "*/*", "Accept-Encoding": "identity", **headers})
        self._session.cookies.set_policy(_NoCookies())
        self._session.auth = _no_credentials
        carrier = adapter or DeadlineAdapter(pace=SLOWEST, pool_maxsize=connections)
        self._session.mount("https://", carrier)
        self._session.mount("http://", carrier)
        # These name the whole link in some of their messages.
        for name in ("urllib3", "botocore", "aiobotocore", "s3fs", "gcsfs", "adlfs", "fsspec"):
            logging.getLogger(name).setLevel(logging.ERROR)

    @contextmanager
    def open(self, url: str, what: str) -> Iterator[tuple[int | None, Iterator[bytes]]]:
        """Ask for a file; gives its length in bytes, if announced, and its content in blocks.

        Args:
            url: The link.
            what: What the file is, for messages, which never hold the link.

        Raises:
            GoneError: If the file does not exist any more.
            ExpiredLinkError: If the link is not accepted (any more).
            FileFaultError: If it may succeed later. The blocks raise it too.
            AnswerError: If there is no sense in another attempt.
        """
        try:
            with self._places, self._send(url, what) as response:
                status = response.status_code
                if status != requests.codes.ok:
                    said = f"The file host answered {status} for {what}"
                    raise _file_error(said, response)
                length = response.headers.get("Content-Length", "")
                encoded = "Content-Encoding" in response.headers
                yield (
                    int(length) if length.isdecimal() and not encoded else None,
                    response.iter_content(_FILE_BLOCK),
                )
        except requests.RequestException as error:
            msg = f"The file host sent {what} not or not whole: {reason_of(error)}"
            raise FileFaultError(msg) from None

    def _send(self, url: str, what: str) -> requests.Response:
        for _ in range(_REDIRECTS + 1):
            if not is_safe_url(url):
                msg = f"Qonto gave a link to {what} that is not https://; it was not followed"
                raise AnswerError(msg)
            try:
                response = self._session.get(
                    url, stream=True, allow_redirects=False, timeout=self._timeout
                )
                if not response.is_redirect:
                    return response
                url = urljoin(url, response.headers["Location"])
            except ValueError:
                msg = f"The link to {what}, or where it leads, is no address"
                raise AnswerError(msg) from None
            response.close()
        msg = f"The file host redirected {what} more than {_REDIRECTS} times"
        raise AnswerError(msg)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


SLOWEST = 10_000
"""Bytes per second below which a download counts as broken."""

_FILE_BLOCK = 1_048_576
_REDIRECTS = 3


def _file_error(said: str, response: requests.Response) -> QontoError:
    """Return the error that a file host's answer stands for."""
    status = response.status_code
    match status:
        case 404 | 410:
            return GoneError(said, status=status)
        case 400 | 401 | 403:
            # Object stores answer an expired link with any of these.
            return ExpiredLinkError(said, status=status)
        case 408 | 425 | 429:
            return FileFaultError(said, status=status, retry_after=_retry_after(response.headers))
    if status >= 500:  # noqa: PLR2004 - all server errors
        return FileFaultError(said, status=status, retry_after=_retry_after(response.headers))
    return AnswerError(said, status=status)


def paged(query: Query, number: int, per_page: int = PER_PAGE) -> Query:
    """Return the query for one page of a list."""
    page = (("page", str(number)), ("per_page", str(per_page)))
    return query._replace(params=(*query.params, *page))


_logger = logging.getLogger("tap-qonto")

_Answer = dict[str, msgspec.Raw]
"""An answer as Qonto sent it, taken apart by the names at its top."""

_NO_ADDRESS = (
    "Set api_url to the address of the API, without a query, for example "
    "https://thirdparty.qonto.com/v2"
)

_parts = msgspec.json.Decoder(_Answer)
_NULL = msgspec.Raw(b"null")

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding an answer raises; the last if it is nested more deeply than Python can follow."""


def _what(query: Query) -> str:
    return f"GET {query.path}"


def _count(query: Query, meta: Mapping[str, Any], *names: str) -> int | None:
    """Return a count of a `meta` object under the first of its known names.

    Raises:
        AnswerError: If it is there, but is no count.
    """
    for name in names:
        value = meta.get(name)
        if value is None:
            continue
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if type(value) is not int or value < 0:
            msg = f"{_what(query)} answered a 'meta' whose {name!r} is no count"
            raise AnswerError(msg, status=200)
        return value
    return None


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


def _error(query: Query, reply: _Reply) -> Exception:
    """Return the error that an answer stands for."""
    status = reply.status
    problem = _Problem.of(reply)
    said = f"{_what(query)} answered {status}{problem}"
    code = problem.code
    retry_after = _retry_after(reply.headers)
    match status:
        case 401:
            return UnauthorizedError(said, status=status, code=code)
        case 403 | 404:
            return NotReadableError(said, status=status, code=code)
        case 408 | 425 | 429 | 500 | 502 | 503 | 504:
            return FaultError(said, status=status, code=code, retry_after=retry_after)
        case 422 if problem.is_ceiling:
            return CeilingError(said)
        case 422 if ("page", "1") not in query.params and "page" in dict(query.params):
            return PastTheEndError(said)
    if 300 <= status < 400:  # noqa: PLR2004 - all redirects
        return AnswerError(
            f"{said}: a redirect, which the API never sends. Check the settings environment and "
            "api_url, and staging_token if this is the sandbox",
            status=status,
        )
    if status > 500:  # noqa: PLR2004 - all server errors
        return FaultError(said, status=status, code=code, retry_after=retry_after)
    return QontoError(said, status=status, code=code)


def _not_json(query: Query, reply: _Reply) -> AnswerError:
    kind = reply.headers.get("Content-Type", "no content type").split(";")[0][:50]
    hint = ""
    if "html" in kind:
        hint = (
            ". The sandbox does this when the setting staging_token is missing or wrong; a proxy "
            "may do it too"
        )
    return AnswerError(
        f"{_what(query)} answered 200 with {kind} that is not valid JSON{hint}",
        status=reply.status,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header, at most 10 minutes; a date counts from now."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - hardly ever needed

        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), 600.0) if seconds == seconds else None  # noqa: PLR0124 - NaN


def reason_of(error: Exception) -> str:
    """Say why a request failed, without its URL (whose query is nobody's business)."""
    match error:
        case requests.exceptions.SSLError() | urllib3.exceptions.SSLError():
            return "the TLS certificate or connection was refused"
        case requests.exceptions.ConnectTimeout():
            return "no connection within request_timeout"
        case requests.exceptions.Timeout():
            return "not complete within request_timeout"
        case requests.exceptions.ProxyError():
            return "the proxy refused the connection"
        case (
            requests.exceptions.ChunkedEncodingError()
            | requests.exceptions.ContentDecodingError()
            | urllib3.exceptions.ProtocolError()
            | urllib3.exceptions.DecodeError()
        ):
            return "the connection broke in the middle of the answer"
    text = repr(error)
    if "NameResolutionError" in text or "getaddrinfo" in text:
        return "the host name cannot be resolved"
    if "refused" in text:
        return "the connection was refused"
    if "timed out" in text:
        return "not complete within request_timeout"
    return "the connection broke"


class _Problem(NamedTuple):
    """What an error body says, in whichever of Qonto's shapes."""

    code: str = ""
    detail: str = ""
    trace: str = ""

    @classmethod
    def of(cls, reply: _Reply) -> _Problem:
        """Read a body: `errors` as a list or an object, flat, the gateway's, or no JSON at all."""
        trace = reply.headers.get("X-Tyk-Trace-Id", "")
        try:
            body = msgspec.json.decode(reply.body)
        except _UNREADABLE:
            body = None
        if not isinstance(body, dict):
            return cls(trace=printable(trace))
        errors = body.get("errors", body)
        error = errors[0] if isinstance(errors, list) and errors else errors
        if not isinstance(error, dict):
            error = body
        detail = error.get("detail") or error.get("message") or body.get("message")
        return cls(
            printable(error.get("code")),
            printable(detail),
            printable(body.get("trace_id") or trace),
        )

    @property
    def is_ceiling(self) -> bool:
        """Whether this is the refusal of a query that matches more rows than Qonto lists."""
        return bool(_CEILING.search(f"{self.code} {self.detail}"))

    @override
    def __str__(self) -> str:
        text = "".join(
            f" {part}" for part in (self.code, self.detail and f"({self.detail})") if part
        )
        return f"{text} [trace {self.trace}]" if self.trace else text


_CEILING = re.compile(r"search[_ ]limit|10[ _.,]?000", re.IGNORECASE)

_PERSONAL = re.compile(r"[^\s@]+@[^\s@]+|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b|https?://\S+")
"""E-mail addresses, IBANs and links, which have no place in a log."""


def printable(value: Any) -> str:
    """Return a text of the server fit for a log: one line, short, nothing personal."""
    if not isinstance(value, str):
        return ""
    line = "".join(character if character.isprintable() else " " for character in value)
    return _PERSONAL.sub("***", line)[:200].strip()


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from looking for credentials in ~/.netrc."""
    return request


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined, misc]
    """Accepts no cookie: every request stands for itself."""

    def set_ok(self, *_: object) -> bool:
        return False
