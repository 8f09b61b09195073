"""What nobody but Qonto knows of its API: each open question is a switch, not a claim."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tap_qonto.demo.http.parameters import Bounds
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

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
        reversed_known: Whether `reversed` is one of them.
        delay: Milliseconds for which a written row is missing from lists.
        ties: Puts rows with equal keys, and those of lists without an order, into another order at
            each request; None keeps it.
    """

    bounds: Bounds
    ceiling: int
    capped: bool
    page_limit: int | None
    status_reading: StatusReading
    reversed_known: bool
    delay: int
    ties: Random | None = None

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


def _switch(default: Any, question: str) -> Any:
    """Return a field that says which open question it answers."""
    return field(default=default, metadata={"help": question})


@dataclass(frozen=True)
class Writing:
    """How commands are carried out where Qonto's documents leave it open; times in seconds."""

    key_life: float = _switch(1_800.0, "how long an answer is kept under its idempotency key")
    lock_keys: bool = _switch(
        default=True,
        question="whether a request with the key of one under way gets its answer",
    )
    work_time: float = _switch(0.0, "how long each command takes; it is finished in any case")
    list_delay: float = _switch(0.0, "how long a written row is missing from lists")
    settle_time: float = _switch(0.0, "how long an instant transfer stays pending")
    pdf_time: float = _switch(10.0, "how long a finalized invoice is without its PDF")
    proof_once: bool = _switch(
        default=False, question="whether a proof is good for one transfer only"
    )
    proof_as_text: bool = _switch(
        default=False, question="whether the proof is a plain string, as in older answers"
    )
    keep_attachment_id: bool = _switch(
        default=True, question="whether a supplier invoice keeps the id of its uploaded file"
    )
    bare: bool = _switch(default=False, question="whether created objects come without envelope")
    created: int = _switch(200, "status of answers that tell of a created object")
    manual_numbers: bool = _switch(
        default=False, question="whether invoices must be given their number"
    )
    approval_from: float = _switch(
        0.0, "amount in EUR from which transfers need a second pair of eyes; 0 for none"
    )
