"""Understanding answers: status, headers and bytes in, a value or an error out. Knows no socket."""

from __future__ import annotations

import re
from decimal import InvalidOperation
from http import HTTPStatus
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from typing_extensions import override

from tap_qonto.api.errors import (
    AnswerError,
    CeilingError,
    FaultError,
    NotReadableError,
    PastTheEndError,
    QontoError,
    UnauthorizedError,
)
from tap_qonto.api.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_qonto.api.pages import Query


class Reply(NamedTuple):
    """What a server said to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: float
    """When it came, in seconds since the epoch by this machine's clock."""
    authorization: str = ""
    """The Authorization header of the request."""


class Clocks(NamedTuple):
    """The same moment by two clocks, each in seconds since the epoch."""

    qontos: float
    """As the Date header says, in whole seconds."""
    ours: float

    @property
    def ahead(self) -> float:
        """Seconds that ours is ahead of Qonto's; a second more or less means nothing."""
        return self.ours - self.qontos


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation)
"""What decoding an answer raises: the last two for deep nesting and numbers beyond all types."""


def retry_after_of(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a Retry-After header asks for, if it does.

    Args:
        headers: Those of the answer.
        now: Seconds since the epoch, from which a date counts.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime  # hardly ever needed

        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except ValueError:
            return None
    return max(seconds, 0.0) if isfinite(seconds) else None


def date_of(headers: Mapping[str, str]) -> float | None:
    """Return the time of a Date header, in seconds since the epoch; None if there is none."""
    from email.utils import parsedate_to_datetime  # needed once a run

    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def request_line(query: Query) -> str:
    """Return what a query is called in messages: its path, without its parameters."""
    return f"GET {query.path}"


def count_of(query: Query, meta: Mapping[str, Any], *names: str) -> int | None:
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
            msg = f"{request_line(query)} answered a 'meta' whose {name!r} is no count"
            raise AnswerError(msg, status=200)
        return value
    return None


def error_of(query: Query, reply: Reply) -> Exception:
    """Return the error that an answer stands for."""
    status = reply.status
    problem = Problem.of(reply.headers, reply.body)
    said = f"{request_line(query)} answered {status}{problem}"
    code = problem.code
    retry_after = retry_after_of(reply.headers, reply.at)
    follows = ("page", "1") not in query.params and "page" in dict(query.params)
    match status:
        case 401:
            return UnauthorizedError(said, status=status, code=code)
        case 404 if follows:
            return PastTheEndError(said)
        case 403 | 404:
            return NotReadableError(said, status=status, code=code)
        case 408 | 425 | 429 | 500 | 502 | 503 | 504:
            return FaultError(said, status=status, code=code, retry_after=retry_after)
        case 422 if problem.is_ceiling:
            return CeilingError(said)
        case 422 if follows:
            return PastTheEndError(said)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return AnswerError(
            f"{said}: a redirect, which the API never sends. Check the settings environment and "
            "api_url, and staging_token if this is the sandbox",
            status=status,
        )
    if status > HTTPStatus.INTERNAL_SERVER_ERROR or status < HTTPStatus.MULTIPLE_CHOICES:
        # A success other than 200 holds no answer to the question, but was not meant badly.
        return FaultError(said, status=status, code=code, retry_after=retry_after)
    return QontoError(said, status=status, code=code)


def not_json(query: Query, reply: Reply) -> QontoError:
    """Return the error for a 200 whose body is no JSON."""
    headers = reply.headers
    kind = headers.get("Content-Type", "no content type").split(";")[0][:50]
    if not reply.body:
        return FaultError(f"{request_line(query)} answered 200 without a body", status=reply.status)
    is_measured = "Content-Length" in headers or "Transfer-Encoding" in headers
    if "html" not in kind and ("Content-Encoding" in headers or not is_measured):
        # Nothing has said how long the text would be.
        return FaultError(
            f"{request_line(query)} answered 200 with text that breaks off", status=reply.status
        )
    hint = ""
    if "html" in kind:
        hint = (
            ". The sandbox does this when the setting staging_token is missing or wrong; a proxy "
            "may do it too"
        )
    return AnswerError(
        f"{request_line(query)} answered 200 with {kind} that is not valid JSON{hint}",
        status=reply.status,
    )


class Problem(NamedTuple):
    """What an error body says, in whichever of Qonto's shapes."""

    code: str = ""
    detail: str = ""
    trace: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> Problem:
        """Read an error in any of its shapes.

        `errors` as a list or an object, flat, the gateway's, OAuth's, or no JSON at all.
        """
        trace = headers.get("X-Tyk-Trace-Id", "")
        try:
            answer = msgspec.json.decode(body)
        except UNREADABLE:
            answer = None
        if not isinstance(answer, dict):
            return cls(trace=printable(trace))
        errors = answer if "error" in answer else answer.get("errors", answer)
        error = errors[0] if isinstance(errors, list) and errors else errors
        if not isinstance(error, dict):
            error = answer
        details = (
            error.get("error_description"), error.get("detail"), error.get("message"),
            answer.get("message"),
        )  # fmt: skip
        return cls(
            printable(_word(error.get("error")) or error.get("code")),
            printable(next(filter(None, details), None)),
            printable(answer.get("trace_id") or trace),
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


def _word(value: Any) -> str:
    """Return OAuth's code, which some servers write as a number."""
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
