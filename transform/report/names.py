"""Takes the names of people and companies out of what was read, before anything else sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from queries import Answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries import Row
    from words import Words

_KINDS: Final[Mapping[str, str]] = {
    "client_name": "client",
    "supplier_name": "supplier",
    "supplier": "supplier",
    "holder": "person",
    "card": "card",
    "counterparty": "party",
}
"""By column: what stands in place of a name, with a number."""

_GONE: Final = frozenset({"description", "invoice_number", "iban"})
"""Columns of free text, in which a name can stand anywhere, and numbers that tell who it is."""


def without_names(answers: Answers, words: Words) -> Answers:
    """Return the same numbers under made-up names: Client 1, Client 2, ...

    The same name has the same stand-in everywhere, so that sums stay together.

    Args:
        answers: What was read.
        words: The language of the stand-ins.
    """
    known: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS.values()}

    def stand_in(kind: str, name: str) -> str:
        of_kind = known[kind]
        return of_kind.setdefault(name, f"{words.plain(f'stand_in.{kind}')} {len(of_kind) + 1}")

    def hidden(row: Row) -> Row:
        return {
            key: None
            if value is None or key in _GONE
            else stand_in(_KINDS[key], value)
            if key in _KINDS
            else value
            for key, value in row.items()
        }

    return Answers(
        answers.as_of,
        {
            name: replace(answer, rows=[hidden(row) for row in answer.rows])
            for name, answer in answers.by_name.items()
        },
    )
