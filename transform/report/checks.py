"""What dbt says about the last build: which tests passed, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Check:
    """A test of the tables.

    Attributes:
        name: As dbt names it.
        status: pass, warn, fail, error or skipped.
        failures: Rows that do not hold; None where dbt does not say.
    """

    name: str
    status: str
    failures: int | None


@dataclass(frozen=True)
class Checks:
    """All tests of the last build.

    Attributes:
        finished_at: Instant in UTC; None if nobody knows of a build.
        checks: The tests, those that do not hold first.
    """

    finished_at: datetime | None = None
    checks: Sequence[Check] = ()

    def count(self, *statuses: str) -> int:
        """Count the tests of some statuses."""
        return sum(check.status in statuses for check in self.checks)

    @property
    def passed(self) -> int:
        """Tests that hold."""
        return self.count("pass")

    @property
    def warned(self) -> int:
        """Tests that do not hold, but may."""
        return self.count("warn")

    @property
    def failed(self) -> int:
        """Tests that do not hold, or of which nobody knows."""
        return len(self.checks) - self.passed - self.warned


_ORDER = {"fail": 0, "error": 0, "warn": 1, "skipped": 2, "pass": 3}


def read_checks(folder: Path | None) -> Checks:
    """Read dbt's `run_results.json`.

    Args:
        folder: Where dbt writes about its runs; None if nobody said.

    Returns:
        The tests; none if the file is not there, is not readable or tells of no tests.
    """
    if folder is None:
        return Checks()
    try:
        told = json.loads((folder / "run_results.json").read_text(encoding="utf-8"))
        checks = [
            Check(_name(result["unique_id"]), str(result["status"]), result.get("failures"))
            for result in told["results"]
            if result["unique_id"].startswith(("test.", "unit_test."))
        ]
        finished = datetime.fromisoformat(told["metadata"]["generated_at"]).astimezone(UTC)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Checks()
    if not checks:
        return Checks()
    return Checks(
        finished, sorted(checks, key=lambda check: (_ORDER.get(check.status, 0), check.name))
    )


def _name(unique_id: str) -> str:
    """Return the name in `test.package.name.hash`, or in `unit_test.package.model.name`."""
    kind, _package, *rest = unique_id.split(".")
    return rest[0] if kind == "test" else ".".join(rest)
