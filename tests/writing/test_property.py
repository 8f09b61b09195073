"""Whatever rows come, whatever goes wrong, whenever a run dies: nothing is paid twice or forgotten.

The oracle is the demo company: its transfers bear the tags of the rows that they were sent for.
"""

from __future__ import annotations

from collections import Counter, deque
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_qonto.writing.identity import Identity, tags_of
from tests.writing.bank import (
    KEY_LIFE,
    TRANSFERS,
    Bank,
    Row,
    fail_after,
    instead,
    lose_answer,
    lose_request,
    refuse_connection,
    row,
    work_on,
)
from tests.writing.runs import Killed, Killer, Told, run

ROWS = 3
"""Names of rows; each comes with one of two contents."""

FAULTS: list[Any] = [
    None,
    lose_answer,
    lose_request,
    fail_after,
    refuse_connection,
    instead(500),
    instead(429),
    instead(422, "invalid"),
    instead(401, "vop_proof_token_invalid"),
]


class Round(NamedTuple):
    """One run, and what happens before and during it."""

    contents: tuple[int | None, ...]
    """Content of each row, or None where it is not in the input."""
    faults: tuple[int, ...]
    """What happens to the transfers, in order; one past the last is a bank that works on."""
    dies_at: int | None
    later: bool
    """Whether the bank has forgotten all keys by then."""
    machine: int
    """Which of two machines it runs on."""
    is_journal_lost: bool


class World(NamedTuple):
    """A bank and a history of runs."""

    lag: float
    locks: bool
    is_one_machine: bool
    rounds: tuple[Round, ...]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    # A bank that takes a key in flight for a new one, and lists nothing of it yet, cannot be told
    # from one that knows nothing by a machine that knows nothing itself.
    is_one_machine = draw(st.booleans())
    kinds = len(FAULTS) if is_one_machine else len(FAULTS) - 1
    rounds = st.builds(
        Round,
        contents=st.tuples(*[st.sampled_from((0, 0, 0, 1, None))] * ROWS),
        faults=st.lists(st.integers(0, kinds), max_size=3).map(tuple),
        dies_at=st.none() | st.integers(0, 30),
        later=st.booleans(),
        machine=st.just(0) if is_one_machine else st.integers(0, 1),
        is_journal_lost=st.just(value=False) if is_one_machine else st.booleans(),
    )
    return World(
        lag=draw(st.sampled_from((0.0, 30.0))),
        locks=draw(st.booleans()),
        is_one_machine=is_one_machine,
        rounds=tuple(draw(st.lists(rounds, min_size=1, max_size=4))),
    )


def rows_of(contents: tuple[int | None, ...]) -> list[Row]:
    return [
        row(number + 1, amount=f"{10 + content}.00")
        for number, content in enumerate(contents)
        if content is not None
    ]


def payments(bank: Bank) -> Counter[str]:
    """Return how often each row was paid, by its tag."""
    return Counter(tag for transfer in bank.transfers for tag in tags_of(transfer["note"]))


def tag(bank: Bank, number: int) -> str:
    organization = bank.company.organization_id
    return Identity(organization, "new_transfers", f"INV-{number + 1}", "transfer").tag


def live(bank: Bank, folder: Path, caplog: pytest.LogCaptureFixture, each: Round) -> None:
    """Let one round happen."""
    if each.later:
        bank.now += KEY_LIFE + 60
    if each.is_journal_lost:
        for path in folder.glob(f"{each.machine}*"):
            path.unlink()
    bank.faults[TRANSFERS] = deque(
        work_on(45.0) if kind == len(FAULTS) else FAULTS[kind] for kind in each.faults
    )
    try:
        run(
            bank, rows_of(each.contents), folder, caplog, approve="plan",
            killer=Killer(each.dies_at), journal=f"{each.machine}", request_timeout=20.0,
        )  # fmt: skip
    except Killed:
        pass
    finally:
        bank.faults.clear()


def settle(bank: Bank, folder: Path, caplog: pytest.LogCaptureFixture) -> Told:
    """Run what is wanted until nothing is left open, each row with whichever content that takes."""
    contents = [0] * ROWS
    for _ in range(ROWS + 2):
        bank.now += 120
        told = run(bank, rows_of(tuple(contents)), folder, caplog, approve="plan", journal="0")
        if told.settled:
            break
        for number, status in enumerate(told.statuses.values()):
            # The other content was sent, or is still without an answer.
            if status in ("rejected", "held"):
                contents[number] = 1 - contents[number]
    return told


@pytest.mark.parametrize("examples", [15, 100])
@pytest.mark.slow
def test_no_row_is_paid_twice_and_none_is_forgotten(
    examples: int, caplog: pytest.LogCaptureFixture
) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(world=worlds())
    def check(world: World) -> None:
        bank = Bank(lag=world.lag, locks=world.locks)
        with TemporaryDirectory() as name:
            folder = Path(name)
            for each in world.rounds:
                live(bank, folder, caplog, each)
                assert max(payments(bank).values(), default=0) <= 1
            told = settle(bank, folder, caplog)
            assert told.settled, told.log
            bank.now += 3_600
            bank.clock()
            paid = payments(bank)
            assert paid == {tag(bank, number): 1 for number in range(ROWS)}, told.log

    check()
