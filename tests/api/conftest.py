"""A company that no test changes, and time that passes by sleeping alone."""

from __future__ import annotations

import pytest

from tap_qonto.demo import Company


@pytest.fixture
def waits(slept: list[float]) -> list[float]:
    """The seconds that the tap would have waited before each retry."""
    return slept


@pytest.fixture(scope="session")
def small() -> Company:
    """A company that no test changes."""
    return Company(transactions=60)
