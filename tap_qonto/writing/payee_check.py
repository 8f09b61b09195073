"""The payee check: does the name belong to the IBAN? Made right before each transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_qonto.api.pages import Post
from tap_qonto.api.redaction import printable
from tap_qonto.writing.post import Kind, Outcome

if TYPE_CHECKING:
    from tap_qonto.writing.post import Poster

LEVELS: Final = {
    "match": frozenset({"match"}),
    "close_match": frozenset({"match", "close_match"}),
    "any": frozenset({"match", "close_match", "no_match", "not_possible", "unspecified"}),
}
"""Results that are paid, by the setting `payee_check`."""

_TRIES = 2
"""How often a check without any result is made: a check is no write, but each counts."""

_PREFIX = "match_result_"

_TROUBLE = (
    "BAD_REQUEST_ERROR",
    "INTERNAL_SERVER_ERROR",
    "BAD_GATEWAY_ERROR",
    "GATEWAY_TIMEOUT_ERROR",
    "NOT_IMPLEMENTED_ERROR",
)
"""How the codes begin that tell of trouble between the banks, not of a mistake in the request."""


class Checked(NamedTuple):
    """What a payee check came to."""

    outcome: Outcome
    result: str = ""
    """``match``, ``close_match``, ``no_match``, ``not_possible`` or ``unspecified``."""
    token: str = ""
    """Proof that goes with the transfer."""
    is_enough: bool = False
    reason: str = ""
    """Why it is not enough, for a person."""


class PayeeCheck:
    """Checks payees.

    Args:
        poster: Sends the requests.
        lowest: The setting `payee_check`.
    """

    def __init__(self, poster: Poster, *, lowest: str) -> None:
        self._poster = poster
        self._paid = LEVELS[lowest]
        self._lowest = lowest

    def verify(self, iban: str, name: str) -> Checked:
        """Ask whose IBAN it is.

        Args:
            iban: Without blanks.
            name: The payee's name as the payer knows it.

        Returns:
            A check whose outcome is accepted if there is a token to send, whatever the result, and
            unknown if no check could be made.
        """
        body = msgspec.json.encode({"iban": iban, "beneficiary_name": name})
        checked = Checked(Outcome(Kind.UNKNOWN))
        for _ in range(_TRIES):
            checked = self._understood(self._poster.send(Post("/sepa/verify_payee", body)))
            if checked.outcome.kind is not Kind.UNKNOWN:
                break
        return checked

    def _understood(self, outcome: Outcome) -> Checked:
        body = outcome.body if isinstance(outcome.body, dict) else {}
        if outcome.kind is Kind.ACCEPTED:
            result = str(body.get("match_result") or "").lower().removeprefix(_PREFIX)
            token = _token(body.get("proof_token"))
            matched = printable(body.get("matched_name"))
        else:
            # The other bank's trouble: a proof that comes with it says that no check is possible.
            result, token, matched = "not_possible", _token_of_error(body), ""
            if not token and (outcome.kind is Kind.UNKNOWN or outcome.code.startswith(_TROUBLE)):
                reason = f"the payee check could not be made: {outcome.reason}"
                return Checked(outcome._replace(kind=Kind.UNKNOWN), reason=reason)
            if not token:
                return Checked(outcome)
        if not token or result not in LEVELS["any"]:
            said = "without a proof token" if not token else "with an unknown result"
            reason = f"POST /sepa/verify_payee answered {said}"
            return Checked(Outcome(Kind.REFUSED, reason, "payee_check_not_understood"))
        is_enough = result in self._paid
        reason = ""
        if not is_enough:
            but = f" (the bank knows {matched})" if matched else ""
            reason = (
                f"the payee check says {result.upper()}{but}, and payee_check is {self._lowest}"
            )
        return Checked(Outcome(Kind.ACCEPTED, code=result), result, token, is_enough, reason)


def _token(value: Any) -> str:
    """Return a proof token, which comes as text or as an object that holds it."""
    if isinstance(value, dict):
        value = value.get("token")
    return value if isinstance(value, str) else ""


def _token_of_error(body: dict[str, Any]) -> str:
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else [errors]:
        meta = error.get("meta") if isinstance(error, dict) else None
        if isinstance(meta, dict) and (token := _token(meta.get("proof_token"))):
            return token
    return ""
