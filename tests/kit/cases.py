"""Tells which cases of a table every run of the tests tries, and which the slow one adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _pytest.mark import ParameterSet


def thorough(cases: Mapping[str, Any], *fast: str) -> list[ParameterSet]:
    """Return the cases of a table for `pytest.mark.parametrize`, each with its name as ID.

    Args:
        cases: The table: a case by name; a tuple is several arguments.
        fast: Names of the cases that are not marked slow.
    """
    assert set(fast) <= cases.keys(), "a case that is not in the table is never tried"
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            id=name,
            marks=() if name in fast else pytest.mark.slow,
        )
        for name, case in cases.items()
    ]
