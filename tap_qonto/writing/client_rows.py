"""Rows of the stream ``new_clients``, checked. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.writing.rows import Columns, Reader, content_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_qonto.writing.rows import Cells

STREAM: Final = "new_clients"

KEYS: Final = ("vat_number", "tax_identification_number", "email")
"""What a client is looked for by, in this order."""

_NUMBERS: Final = KEYS[:2]

_TEXTS: Final = {
    "name": 250, "first_name": 60, "last_name": 60, "email": 250, "vat_number": 20,
    "tax_identification_number": 30,
}  # fmt: skip
"""Characters that texts may have."""

_ADDRESS: Final = {"street_address": 250, "city": 50, "zip_code": 20, "country_code": 2}
_PEOPLE = ("individual", "freelancer")
_TWO_LETTERS = re.compile(r"[A-Z]{2}")
_COLUMNS = Columns(
    stream=STREAM,
    known=frozenset(
        {"external_id", "kind", "currency", "locale", *_TEXTS}
        | {f"billing_{name}" for name in _ADDRESS}
    ),
    fixed={},
)


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client that shall exist.

    Attributes:
        external_id: The row's name, in one spelling.
        spelling: The row's name as the source writes it.
        content: Hash of its cells.
        body: The client as Qonto takes it.
    """

    external_id: str
    spelling: str
    content: str
    body: Mapping[str, Any]

    @property
    def stream(self) -> str:
        """The stream that it came in."""
        return STREAM

    @property
    def name(self) -> str:
        """What people call the client."""
        return name_of(self.body)


def name_of(client: Mapping[str, Any]) -> str:
    """Return what people call a client, which may be one of Qonto's."""
    person = f"{client.get('first_name') or ''} {client.get('last_name') or ''}".strip()
    return str(client.get("name") or person)


def key_in(client: Mapping[str, Any], name: str) -> str:
    """Return one of the texts that a client is known by, in one spelling; empty if absent.

    Signs do not count in numbers, since Qonto may write ``FR 40 123.456.824`` without them.
    """
    text = client.get(name)
    if not isinstance(text, str):
        return ""
    text = "".join(text.split()).casefold()
    return "".join(filter(str.isalnum, text)) if name in _NUMBERS else text


def told_of(client: Mapping[str, Any]) -> dict[str, str]:
    """Return what is told of a client, ours or Qonto's, in one spelling; what is absent is not.

    Case and blanks do not count. A person's name is one, whichever columns it comes in, and an
    address may still come in the older columns beside the others.
    """
    address: Any = client.get("billing_address")
    parts = address if isinstance(address, dict) else {}
    street = client.get("address")
    older = {**client, "street_address": street if isinstance(street, str) else None}
    texts: dict[str, Any] = {name: client.get(name) for name in ("currency", "locale")}
    texts |= {"name": name_of(client), "kind": client.get("kind") or client.get("type")}
    texts |= {f"billing_{name}": parts.get(name) or older.get(name) for name in _ADDRESS}
    told = {name: key_in(texts, name) for name in texts}
    told |= {name: key_in(client, name) for name in KEYS}
    return {name: text for name, text in told.items() if text}


def fingerprint(client: Mapping[str, Any]) -> str:
    """Return a hash of what makes a client, ours or Qonto's."""
    return content_of(told_of(client))


def may_be(client: Mapping[str, Any], row: ClientRow) -> bool:
    """Return whether one of Qonto's clients has a row's name and contradicts it in nothing."""
    told, wanted = told_of(client), told_of(row.body)
    return told.get("name") == wanted["name"] and all(
        text == wanted.get(name) for name, text in told.items()
    )


def _kind(cells: Cells, texts: Mapping[str, str]) -> str:
    """Return a client's kind, which says how it is named."""
    kind = cells.required("kind").lower()
    if kind not in ("company", *_PEOPLE):
        cells.refuse("has another kind than company, individual or freelancer")
    for name in ("name", "first_name", "last_name"):
        wanted = (name == "name") == (kind == "company")
        if wanted and not texts[name]:
            cells.refuse(f"is of kind {kind} and has no {name}")
        if texts[name] and not wanted:
            cells.refuse(f"is of kind {kind}, which has no {name}")
    return kind


def _read(cells: Cells) -> ClientRow:
    """Check a row.

    Raises:
        RowsRefusedError: If it cannot be used.
    """
    texts = {name: cells.text(name, longest=most) for name, most in _TEXTS.items()}
    kind = _kind(cells, texts)
    if texts["email"] and "@" not in texts["email"]:
        cells.refuse("has an email that is no e-mail address")
    currency = cells.required("currency").upper()
    if not re.fullmatch(r"[A-Z]{3}", currency):
        cells.refuse("has a currency that is no code such as EUR")
    locale = cells.required("locale").lower()
    if not _TWO_LETTERS.fullmatch(locale.upper()):
        cells.refuse("has a locale that is no language code such as fr")
    address = {
        name: cells.required(f"billing_{name}", longest=most) for name, most in _ADDRESS.items()
    }
    address["country_code"] = address["country_code"].upper()
    if not _TWO_LETTERS.fullmatch(address["country_code"]):
        cells.refuse("has a billing_country_code that is no code such as FR")
    body = {
        "kind": kind,
        **{name: text for name, text in texts.items() if text},
        "currency": currency,
        "locale": locale,
        "billing_address": address,
    }
    return ClientRow(cells.external_id, cells.spelling, fingerprint(body), body)


READER: Final = Reader(_COLUMNS, _read)
