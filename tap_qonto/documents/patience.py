"""How often a document is tried, before it is left to the next run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_qonto.documents.document import Document

_PATIENT = 8
_LESS_PATIENT = 24
"""Documents given up in a run after which the next ones are tried twice, and once."""


class Patience:
    """Becomes less, the more of a run's documents cannot be had.

    What is given up is tried again by the next run, so that patience is no virtue when it makes all
    others wait.

    Args:
        most: How often to try while all is well.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._given_up = 0

    def tries(self, document: Document) -> int:
        """Return how often to try a document, which an earlier run may have given up already."""
        if self._given_up >= _LESS_PATIENT:
            return 1
        impatient = document.owed or self._given_up >= _PATIENT
        return min(2, self._most) if impatient else self._most

    def give_up(self) -> None:
        """Count a document that could not be had."""
        self._given_up += 1
