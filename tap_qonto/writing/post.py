"""One request to write, and the outcomes that it may have. No answer is one of them.

A write never goes through the retries of the reading client: what is not known to have been
refused may have been carried out. It is sent again only if it cannot have arrived, or if Qonto
has said that it did not process it.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from tap_qonto.api.answers import UNREADABLE, Problem, retry_after_of
from tap_qonto.api.errors import CredentialError, FaultError, NotSentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.api.answers import Reply
    from tap_qonto.api.pages import Post

NEVER_ARRIVED_TRIES = 4
"""How often a request that cannot have arrived is sent in all."""

THROTTLED_TRIES = 6
"""How often a request that was throttled is sent in all."""

_LONGEST = 600.0
"""Seconds that a server may ask to wait; Qonto's longest window."""

_decoder = msgspec.json.Decoder(float_hook=Decimal)

_PROOF_CODES = "vop_proof_token_"


class Carrier(Protocol):
    """What carries requests: the transport."""

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        leaving: Callable[[], None],
    ) -> Reply:
        """Send a request once, and return whatever was answered."""

    def renew(self, reply: Reply) -> bool:
        """Renew credentials that were refused; return whether another attempt is worth it."""


class Kind(Enum):
    """What a request to write came to."""

    ACCEPTED = auto()
    """2xx with JSON, or without a body; whether it fits the request is for the caller to say."""
    REFUSED = auto()
    """Qonto refused it: it was not carried out."""
    PROOF_EXPIRED = auto()
    """Qonto wants another payee check; it was not carried out."""
    FORBIDDEN = auto()
    """These credentials may not write this: no row of the stream will succeed."""
    NOT_PROCESSED = auto()
    """It was not carried out, and the next one will not be either: the run ends."""
    UNKNOWN = auto()
    """Nobody knows whether it was carried out."""


class Outcome(NamedTuple):
    """What a request to write came to, and why."""

    kind: Kind
    reason: str = ""
    """For a person: what Qonto answered, and what to do."""
    code: str = ""
    """Qonto's error code, or the HTTP status, or a word of our own."""
    body: Any = None
    """The decoded answer, if it is JSON."""


class Poster:
    """Sends requests to write, each until its outcome is clear or clearly is not.

    Args:
        carrier: Carries the requests.
        pause: Waits for a number of seconds; returns whether the run was asked to stop.
    """

    def __init__(self, carrier: Carrier, *, pause: Callable[[float], bool]) -> None:
        self._carrier = carrier
        self._pause = pause

    def send(self, post: Post, leaving: Callable[[], None] = lambda: None) -> Outcome:
        """Send a request.

        Args:
            post: The request.
            leaving: Is called right before each time that it leaves.
        """
        lost = throttled = renewed = 0
        while True:
            try:
                reply = self._carrier.send(
                    "POST", post.path, headers=_headers(post), body=post.body, leaving=leaving
                )
                outcome = outcome_of(post, reply)
                if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
                    throttled += 1
                    again = throttled < THROTTLED_TRIES
                    again = again and not self._pause(_seconds(reply, throttled))
                else:
                    again = outcome.kind is Kind.NOT_PROCESSED and not renewed
                    again = again and self._carrier.renew(reply)
                    renewed = 1
            except NotSentError as error:
                outcome = Outcome(Kind.NOT_PROCESSED, str(error), "never_arrived")
                lost += 1
                again = lost < NEVER_ARRIVED_TRIES and not self._pause(2.0 ** (lost - 1))
            except FaultError as error:
                return Outcome(Kind.UNKNOWN, str(error), "no_answer")
            except CredentialError as error:
                return Outcome(Kind.NOT_PROCESSED, str(error), "no_credentials")
            if not again:
                return outcome


def _headers(post: Post) -> dict[str, str]:
    headers = {"Content-Type": post.content_type}
    if post.key:
        headers["X-Qonto-Idempotency-Key"] = post.key
    return headers


def outcome_of(post: Post, reply: Reply) -> Outcome:
    """Return what an answer means for the request. Pure."""
    status = reply.status
    body = _decoded(reply.body)
    problem = Problem.of(reply.headers, reply.body)
    reason = f"POST {post.path} answered {status}{problem}"
    code = problem.code or str(status)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if isinstance(body, dict) or not reply.body:
            return Outcome(Kind.ACCEPTED, body=body)
        return Outcome(Kind.UNKNOWN, f"{reason} with text that is no JSON object", code)
    outcome = Outcome(Kind.UNKNOWN, reason, code, body)
    match status:
        case HTTPStatus.UNAUTHORIZED if code.startswith(_PROOF_CODES):
            return outcome._replace(kind=Kind.PROOF_EXPIRED)
        case HTTPStatus.UNAUTHORIZED:
            advice = "Qonto refuses the credentials; run tap-qonto-login, or set a new access_token"
            return outcome._replace(kind=Kind.NOT_PROCESSED, reason=f"{reason}: {advice}")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return outcome._replace(kind=Kind.NOT_PROCESSED)
        case HTTPStatus.FORBIDDEN:
            advice = "the credentials lack a scope, or the plan or role a right"
            return outcome._replace(kind=Kind.FORBIDDEN, reason=f"{reason}: {advice}")
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_EARLY:
            return outcome
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return outcome._replace(kind=Kind.REFUSED, reason=f"{reason}{_advice(status, code)}")
    return outcome


def _advice(status: int, code: str) -> str:
    if status == HTTPStatus.PRECONDITION_REQUIRED:
        if code == "sca_not_enrolled":
            return ": the user of these credentials has no second factor; pair a device in the app"
        return (
            ": Qonto wants a person to confirm it, since the payee is not trusted. Allow automated "
            "transfers to the beneficiary in the Qonto app"
        )
    if code.startswith("payment_policy_"):
        return (
            ": the organization's policy wants four eyes for such an amount. Make a transfer "
            "request in the Qonto app instead"
        )
    return ""


def _decoded(body: bytes) -> Any:
    try:
        return _decoder.decode(body)
    except UNREADABLE:
        return None


def _seconds(reply: Reply, tries: int) -> float:
    """Return the seconds to wait after a 429: what Qonto asks, else what its window lasts."""
    asked = retry_after_of(reply.headers, reply.at)
    return min(60.0, 5.0 * 2.0 ** (tries - 1)) if asked is None else min(asked, _LONGEST)
