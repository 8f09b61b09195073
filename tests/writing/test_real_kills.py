"""Real processes, killed over real HTTP, and run again in every way: each row is paid once."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Writing
from tests.kit.payroll import bank_at
from tests.kit.target import COMMAND, load_process, messages
from tests.writing.processes import AGAIN, PATIENCE, Executioner, Hurry, finish, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_qonto.demo import Request
    from tests.kit.payroll import Bank
    from tests.kit.target import Row

pytestmark = pytest.mark.slow

CHECKS, TRANSFERS = "/v2/sepa/verify_payee", "/v2/sepa/transfers"
ROWS = 3


@contextmanager
def hurried_bank(folder: Path, **rules: Any) -> Iterator[tuple[Bank, Hurry]]:
    hurry = Hurry()
    with bank_at(folder, Writing(**rules), clock=hurry) as bank:
        yield bank, hurry


def digest(rows: list[Row], config: Row, folder: Path, hurry: Hurry) -> str:
    """Return the digest of the plan for rows."""
    assert finish(messages(rows), config, folder, hurry) == 0
    log = (folder / "run.log").read_text()
    return log.rpartition("Plan ")[2][:14]


PLACES: dict[str, tuple[str, str]] = {
    "before a payee check": (CHECKS, "before"),
    "after a payee check": (CHECKS, "after"),
    "before a transfer, which is lost": (TRANSFERS, "before"),
    "before a transfer, which is made": (TRANSFERS, "during"),
    "after a transfer": (TRANSFERS, "after"),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
@pytest.mark.parametrize(("path", "when"), PLACES.values(), ids=PLACES)
def test_a_process_that_is_killed_pays_each_row_once_in_the_end(
    path: str, when: str, again: Callable[[Hurry, Path], str], tmp_path: Path
) -> None:
    with hurried_bank(tmp_path, list_delay=30.0) as (bank, hurry):
        rows = [bank.row(number) for number in range(ROWS)]
        config = bank.config | {"approve": digest(rows, bank.config, tmp_path, hurry)}
        executioner = Executioner(rf"POST {path}", 2)
        hooks: list[Any] = bank.api.after if when == "after" else bank.api.before
        hooks.append(getattr(executioner, when))
        executioner.process = start(messages(rows), config, tmp_path, hurry)
        assert executioner.process.wait(PATIENCE) == -signal.SIGKILL
        hooks.clear()
        config["journal_path"] = str(tmp_path / again(hurry, tmp_path))
        assert finish(messages(rows), config, tmp_path, hurry) == 0, (
            tmp_path / "run.log"
        ).read_text()
        expected = sorted(row["reference"] for row in rows)
        assert sorted(row["reference"] for row in bank.transfers) == expected
        # And the next time, nothing.
        assert finish(messages(rows), config, tmp_path, hurry) == 0
        assert len(bank.transfers) == ROWS


def test_two_processes_at_once_pay_each_row_once(tmp_path: Path) -> None:
    with hurried_bank(tmp_path, work_time=0.2) as (bank, hurry):
        rows = [bank.row(number) for number in range(ROWS)]
        config = bank.config | {"approve": digest(rows, bank.config, tmp_path, hurry)}
        both = [start(messages(rows), config, tmp_path, hurry, name) for name in ("one", "other")]
        codes = sorted(process.wait(PATIENCE) for process in both)
        assert codes in ([0, 2], [0, 0])  # the second may only start once the first has ended
        assert len(bank.transfers) == ROWS


def test_two_machines_at_once_pay_each_row_once(tmp_path: Path) -> None:
    with hurried_bank(tmp_path, work_time=0.2, list_delay=30.0) as (bank, hurry):
        rows = [bank.row(number) for number in range(ROWS)]
        config = bank.config | {"approve": digest(rows, bank.config, tmp_path, hurry)}
        both = [
            start(
                messages(rows),
                config | {"journal_path": str(tmp_path / name)},
                tmp_path,
                hurry,
                name,
            )
            for name in ("one", "other")
        ]
        assert [process.wait(PATIENCE) for process in both] == [0, 0]
        assert len(bank.transfers) == ROWS


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_real_command_lets_the_row_under_way_end(
    signum: int, tmp_path: Path
) -> None:
    with bank_at(tmp_path) as bank:
        rows = [bank.row(number) for number in range(ROWS)]
        shown = load_process(messages(rows), bank.config, tmp_path)
        config = tmp_path / "approved.json"
        config.write_text(json.dumps(bank.config | {"approve": shown.digest}))
        source = tmp_path / "rows.jsonl"
        source.write_text(messages(rows))
        asked = threading.Event()

        def interrupt(request: Request) -> None:
            if request.path == TRANSFERS and request.method == "POST" and not asked.is_set():
                asked.set()
                process.send_signal(signum)
                time.sleep(0.5)

        bank.api.before.append(interrupt)
        with source.open("rb") as lines:
            process = subprocess.Popen(
                [COMMAND, "--config", config], stdin=lines, stdout=subprocess.PIPE
            )
            output, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output) == (128 + signum, b"")
        assert len(bank.transfers) == 1
        bank.api.before.clear()
        done = load_process(messages(rows), json.loads(config.read_text()), tmp_path)
        assert (done.exit_code, len(bank.transfers)) == (0, ROWS)
