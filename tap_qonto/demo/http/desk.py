"""What every path of the API works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_qonto.demo.world import moments

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_qonto.demo.http.filehost import FileHost
    from tap_qonto.demo.http.lists import Lists
    from tap_qonto.demo.http.rules import Writing
    from tap_qonto.demo.http.transactions import Transactions
    from tap_qonto.demo.world.company import Company


@dataclass
class Desk:
    """The world and the rules, for the functions that answer one path each.

    Attributes:
        company: The world.
        clock: Source of the present, aware of its zone.
        lists: Answers pages of collections.
        transactions: Answers pages of transactions.
        files: Signs links to files.
        writing: How commands are carried out.
    """

    company: Company
    clock: Callable[[], datetime]
    lists: Lists
    transactions: Transactions
    files: FileHost
    writing: Writing

    @property
    def now(self) -> int:
        """The present, as a moment."""
        return moments.of(self.clock())
