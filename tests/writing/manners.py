"""What a server may do in one way or another, because Qonto's documents leave it open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]


@dataclass(kw_only=True)
class Manners:
    """What a server does where others might do something else."""

    wrapped: bool = True
    """Whether objects come in envelopes."""
    created: int = 200
    """Status of answers that tell of something new."""
    hides: frozenset[str] = frozenset()
    """Optional fields that no answer has; ``*`` for all of them."""
    filters: bool = True
    """Whether it honours filters."""
    keys: bool = True
    """Whether it remembers the keys of what it made."""
    order: str = "reversed"
    """Order of what it made together: ``reversed``, ``any``, or ``twice``, each one two times."""
    meta: bool = True
    """Whether its lists are counted."""
    numbers_drafts: bool = True
    """Whether a draft tells the number that it will have."""
    lag: int = 0
    """How often it does not find what it has just made, when asked for it by its ID."""
    writes: Callable[[str, Row], Row] = lambda _name, row: row
    """Changes a row as it is told (name of the list, row)."""
    answers: Callable[[Row], Row] = dict
    """Changes the answer to the documents that were sent together."""
