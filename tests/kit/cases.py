"""Tells which cases of a table every run of the tests tries, and which the slow one adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
            *_values(case),
            id=name,
            marks=() if name in fast else pytest.mark.slow,
        )
        for name, case in cases.items()
    ]


def some(values: Iterable[Any], *fast: Any) -> list[ParameterSet]:
    """Return the cases of a list for `pytest.mark.parametrize`, with the IDs that pytest gives.

    Args:
        values: The cases; a tuple is several arguments.
        fast: Those that are not marked slow; a tuple may be called by its first value, and means
            all that begin with it.
    """
    cases = [_values(value) for value in values]
    names = [_values(name) for name in fast]
    quick = [[_begins(case, name) for case in cases] for name in names]
    assert all(map(any, quick)), "a case that is not in the list is never tried"
    return [
        pytest.param(*case, marks=() if any(found) else pytest.mark.slow)
        for case, found in zip(cases, zip(*quick, strict=True), strict=True)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    """Return the arguments that a case stands for; a named tuple is one."""
    return case if type(case) is tuple else (case,)


def _begins(case: tuple[Any, ...], name: tuple[Any, ...]) -> bool:
    """Return whether a case begins with these values; 1 is not `True`, nor 20 the same as 20.0."""
    return repr(case[: len(name)]) == repr(name)
