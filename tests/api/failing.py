"""A run against requests that fail, and what its log says of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tap_qonto.demo import Api, Company
from tests.kit.faults import Faults
from tests.kit.runner import KEY, Run

if TYPE_CHECKING:
    from tests.kit.faults import Fault

Row = dict[str, Any]

SECRETIVE = {"name": "Camille Martin", "balance": 1234567}
"""Stands for bank data in an error body: no word of it may reach the log."""


def failing(world: Company, path: str, *script: Fault, always: Fault | None = None) -> Api:
    """Return the API of a company in which requests for a path fail."""
    api = Api(world, authorization=KEY)
    api.before.append(Faults(path, script, always=always))
    return api


def errors(outcome: Run) -> list[str]:
    """Return the errors on the log."""
    return re.findall(r"^ERROR \S+ (.*)$", outcome.log, re.MULTILINE)


def as_sent(outcome: Run, stream: str) -> list[Row]:
    """Return the rows of a stream without the column that the tap itself fills in."""
    rows = [dict(row) for row in outcome.records[stream]]
    for row in rows:
        assert row.pop("organization_id")
    return rows


def retries(outcome: Run) -> list[str]:
    """Return the lines of the log that announce a retry."""
    return [line for line in outcome.log.splitlines() if "trying again in" in line]


META = {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 1, "per_page": 100}
