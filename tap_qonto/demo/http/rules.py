"""What nobody but Qonto knows of its API: each open question is a switch, not a claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tap_qonto.demo.http.parameters import Bounds
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

StatusReading = Literal["all", "first", "last"]


@dataclass(frozen=True)
class ReadingRules:
    """How lists answer.

    Attributes:
        bounds: Whether `_from` and `_to` keep rows that equal them, and what they compare.
        ceiling: Rows beyond which a list refuses to page.
        capped: Whether `total_count` of such a list stops at the ceiling.
        page_limit: Rows of a page at most; a larger `per_page` is lowered silently.
        status_reading: Which of several `status[]` of transactions counts.
    """

    bounds: Bounds
    ceiling: int
    capped: bool
    page_limit: int | None
    status_reading: StatusReading

    def statuses(self, asked: Sequence[str]) -> Sequence[str]:
        """Return those of the statuses asked for that count."""
        if self.status_reading == "first":
            return asked[:1]
        return asked[-1:] if self.status_reading == "last" else asked


def bounds_of(
    bounds: Literal["[]", "[)", "(]", "()"], unit: Literal["millisecond", "second"]
) -> Bounds:
    """Return how moments compare with `_from` and `_to`."""
    return Bounds(
        lower_inclusive=bounds.startswith("["),
        upper_inclusive=bounds.endswith("]"),
        unit=SECOND if unit == "second" else 1,
    )
