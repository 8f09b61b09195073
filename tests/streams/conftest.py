"""Companies that no test changes, and a run without any trouble."""

from __future__ import annotations

import pytest

from tap_qonto.demo import Api, Company
from tests.kit.companies import a_small_company
from tests.kit.runner import KEY, Run, run


@pytest.fixture(scope="session")
def small() -> Company:
    """A company that no test changes."""
    return a_small_company()


@pytest.fixture(scope="session")
def whole(small: Company) -> Run:
    """A run without any trouble."""
    done = run(api=Api(small, authorization=KEY))
    assert done.exit_code == 0
    return done


@pytest.fixture(scope="session")
def world() -> Company:
    """A company with several pages of rows that no test changes."""
    return a_small_company(900, papers=170)
