"""What comes by itself once its time has come: executions, settlements, documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import issued, orders

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo.world.company import Company
    from tap_qonto.demo.world.rows import Row

_WORKS: Final[dict[str, Callable[[Company, Row, int], None]]] = {
    "execute": orders.execute,
    "settle": orders.settle,
    "print": issued.print_invoice,
}


def advance(company: Company, now: int) -> None:
    """Let everything happen whose moment is not after `now`, each at its own moment."""
    while any(plan["at"] <= now for plan in company.rows("agenda")):
        with company.writing():
            # Another process may have been faster.
            due = [plan for plan in company.rows("agenda") if plan["at"] <= now]
            for plan in sorted(due, key=lambda plan: (plan["at"], plan["id"])):
                company.remove("agenda", plan["id"])
                _WORKS[plan["what"]](company, plan, plan["at"])
