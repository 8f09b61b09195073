"""The check of a payee's name, and the proof that it was made."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.http import bodies
from tap_qonto.demo.http.messages import RefusalError, Request, pointed
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from tap_qonto.demo.http.desk import Desk
    from tap_qonto.demo.world.rows import Row

_ALIKE: Final = 0.8
"""How much of two names must be the same for a close match."""

_EURO: Final = frozenset((
    "AT", "BE", "BG", "CY", "DE", "EE", "ES", "FI", "FR", "GR", "HR", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PT", "SI", "SK",
))  # fmt: skip
"""Countries whose banks answer; those of others need not before 2027."""

_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
# The check digits are not looked at: those of the documentation's own samples are wrong.

_PROOF_LIFE: Final = 23 * 3_600
"""Seconds for which a proof is good."""

_USED: Final = "proof"


def verify(desk: Desk, request: Request) -> Row:
    """Compare a name with that of the account's holder, and hand out a proof of it.

    Raises:
        RefusalError: IBAN or name are missing or none (400, 422).
    """
    body = bodies.json_of(request)
    iban = bodies.text(body, "iban", 34).replace(" ", "").upper()
    name = bodies.text(body, "beneficiary_name", 140)
    if _IBAN.fullmatch(iban) is None:
        code = "BAD_REQUEST_ERROR_UNSPECIFIED"
        more = {"status": "400", "title": code, **pointed("/iban")}
        raise RefusalError(400, code, "iban is no IBAN", more=more)
    holder = next((row["name"] for row in desk.company.rows("beneficiaries", iban=iban)), None)
    result = _compared(iban, name, holder)
    token = _token(desk, iban, desk.now // SECOND)
    answer: Row = {"match_result": f"MATCH_RESULT_{result}"}
    if result == "CLOSE_MATCH":
        answer["matched_name"] = holder
    return answer | {"proof_token": token if desk.writing.proof_as_text else {"token": token}}


def _compared(iban: str, name: str, holder: str | None) -> str:
    if iban[:2] not in _EURO:
        return "NOT_POSSIBLE"
    if holder is None:
        return "NO_MATCH"
    given, known = _words(name), _words(holder)
    if given == known:
        return "MATCH"
    alike = SequenceMatcher(None, " ".join(given), " ".join(known)).ratio() >= _ALIKE
    return "CLOSE_MATCH" if alike or sorted(given) == sorted(known) else "NO_MATCH"


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return "".join(sign if sign.isalnum() else " " for sign in letters).split()


def _token(desk: Desk, iban: str, second: int) -> str:
    key = desk.company.formula.seed("proof of a payee check").to_bytes(8, "big")
    signature = blake2b(f"{iban} {second}".encode(), digest_size=24, key=key).hexdigest()
    return f"1|1|{second}|{signature}"


def check_proof(desk: Desk, token: object, iban: str) -> str:
    """Return the proof of a check of this payee.

    Raises:
        RefusalError: There is none, or it is another's, too old or used (401).
    """
    if token is None or token == "":
        raise RefusalError(401, "vop_proof_token_missing", "vop_proof_token is required")
    refused = RefusalError(401, "vop_proof_token_invalid", "invalid signature")
    if not isinstance(token, str):
        raise refused
    try:
        second = int(token.split("|")[2])
    except (IndexError, ValueError):
        raise refused from None
    age = desk.now // SECOND - second
    if token != _token(desk, iban, second) or not 0 <= age < _PROOF_LIFE:
        raise refused
    if desk.writing.proof_once and desk.company.get("digests", f"{_USED} {token}") is not None:
        raise refused
    return token


def use_proof(desk: Desk, token: str) -> None:
    """Remember that a transfer was made with a proof."""
    if desk.writing.proof_once:
        desk.company.put("digests", {"id": f"{_USED} {token}"})
