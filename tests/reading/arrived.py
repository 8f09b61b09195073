"""What a company has, and what has arrived of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_qonto.demo import Company
    from tests.kit.runner import Run


def ids(company: Company, stream: str) -> set[str]:
    return {row["id"] for row in company.rows(stream)}


def found(done: Run, stream: str) -> list[str]:
    return [row["id"] for row in done.records.get(stream, ())]
