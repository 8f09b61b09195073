"""A company for the tests of documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.kit.papers import Papers

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def papers() -> Papers:
    """A company that has the documents that the test gives it."""
    return Papers()


@pytest.fixture
def recent(papers: Papers, on_machine: Callable[..., None]) -> Callable[[], None]:
    """Let the rows that the test adds from now on be an hour old when the tap runs."""

    def change() -> None:
        papers.now = datetime.now(UTC) - timedelta(hours=1)
        on_machine(clock=(papers.now + timedelta(hours=1)).timestamp)

    return change
