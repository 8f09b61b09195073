"""A run that dies anywhere, and is run again in every way, pays each row once. In process.

The same over real processes and real HTTP is in `test_real_kills`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.cases import thorough
from tests.writing.bank import (
    KEY_LIFE,
    TRANSFERS,
    Bank,
    fail_after,
    lose_answer,
    lose_request,
    row,
    work_on,
)
from tests.writing.runs import Killer, die, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = [row(1), row(2)]
ONCE = {"Invoice 1": 1, "Invoice 2": 1}


def _at_once(_bank: Bank, _folder: Path) -> str:
    return "journal.sqlite"


def _after_the_keys(bank: Bank, _folder: Path) -> str:
    bank.now += KEY_LIFE + 60
    return "journal.sqlite"


def _without_journal(_bank: Bank, folder: Path) -> str:
    for path in folder.glob("journal.sqlite*"):
        path.unlink()
    return "journal.sqlite"


def _without_journal_later(bank: Bank, folder: Path) -> str:
    bank.now += KEY_LIFE + 60
    return _without_journal(bank, folder)


def _elsewhere(_bank: Bank, _folder: Path) -> str:
    return "other.sqlite"


def _elsewhere_later(bank: Bank, _folder: Path) -> str:
    bank.now += KEY_LIFE + 60
    return "other.sqlite"


AGAIN = {
    "at once": _at_once,
    "after the keys are forgotten": _after_the_keys,
    "with the journal removed": _without_journal,
    "with the journal removed, later": _without_journal_later,
    "on another machine": _elsewhere,
    "on another machine, later": _elsewhere_later,
}

BANKS: dict[str, Callable[[], Bank]] = {
    "that is well": Bank,
    "that lists new transfers late": lambda: Bank(lag=30.0),
    "that cuts an answer off": lambda: Bank(lag=30.0, faults={TRANSFERS: deque([lose_answer])}),
    "that answers 500 after the work": lambda: Bank(faults={TRANSFERS: deque([None, fail_after])}),
    "that loses a request": lambda: Bank(faults={TRANSFERS: deque([lose_request])}),
}

SLOW_BANKS: dict[str, Callable[[], Bank]] = {
    "that locks keys in flight": lambda: Bank(
        locks=True, lag=30.0, faults={TRANSFERS: deque([work_on(45.0)])}
    ),
    "that does not": lambda: Bank(lag=30.0, faults={TRANSFERS: deque([work_on(45.0)])}),
}


def _places(make: Callable[[], Bank], folder: Path, caplog: Any, **options: Any) -> list[str]:
    """Return every place at which a run over `ROWS` can die."""
    counting = Killer()
    told = run(make(), ROWS, folder, caplog, approve="plan", killer=counting, **options)
    assert told.exit_code == 0, told.log
    return counting.places


def _pay_after_all(bank: Bank, folder: Path, caplog: Any, journal: str, **options: Any) -> None:
    """Run until all is settled, which takes a second run at most."""
    for _ in range(2):
        told = run(bank, ROWS, folder, caplog, approve="plan", journal=journal, **options)
        if told.settled:
            break
    assert told.settled, told.log
    bank.now += 3_600
    bank.clock()
    assert bank.paid() == ONCE
    # The first machine, with what it knows, changes nothing either.
    told = run(bank, ROWS, folder, caplog, approve="plan", **options)
    assert told.settled, told.log
    assert bank.paid() == ONCE


@pytest.mark.parametrize("again", thorough(AGAIN, "with the journal removed, later"))
@pytest.mark.parametrize("make", thorough(BANKS, "that cuts an answer off"))
def test_a_run_that_dies_anywhere_pays_each_row_once_in_the_end(
    make: Callable[[], Bank],
    again: Callable[[Bank, Path], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    places = _places(make, tmp_path / "counting", caplog)
    assert len(places) >= 16
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        bank = make()
        die(bank, ROWS, folder, caplog, Killer(number), approve="plan")
        assert max(bank.paid().values(), default=0) <= 1, place
        _pay_after_all(bank, folder, caplog, again(bank, folder))


@pytest.mark.parametrize("make", thorough(SLOW_BANKS, "that does not"))
@pytest.mark.parametrize("again", thorough(AGAIN, "after the keys are forgotten")[:2])
@pytest.mark.slow
def test_a_bank_that_still_works_on_a_request_is_waited_for(
    make: Callable[[], Bank],
    again: Callable[[Bank, Path], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    places = _places(make, tmp_path / "counting", caplog, request_timeout=20.0)
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        bank = make()
        die(bank, ROWS, folder, caplog, Killer(number), approve="plan", request_timeout=20.0)
        assert max(bank.paid().values(), default=0) <= 1, place
        journal = again(bank, folder)
        _pay_after_all(bank, folder, caplog, journal, request_timeout=20.0)
