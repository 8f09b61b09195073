"""Real processes, killed over real HTTP, and run again in every way: each row is paid once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Writing
from tests.kit.hurried_target import hurried
from tests.kit.payroll import bank_at
from tests.kit.target import COMMAND, load_process, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_qonto.demo import Request, Response
    from tests.kit.payroll import Bank
    from tests.kit.target import Row

pytestmark = pytest.mark.slow

BY = 60.0
"""Seconds of the hurried world in one of ours."""

CHECKS, TRANSFERS = "/v2/sepa/verify_payee", "/v2/sepa/transfers"
PATIENCE = 120.0
ROWS = 3


class Hurry:
    """A time that the server and every process of the target share."""

    def __init__(self) -> None:
        self.since = time.time()
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(hurried(self.since, BY, self.ahead), UTC)

    @property
    def env(self) -> dict[str, str]:
        return {
            "HURRY_SINCE": str(self.since), "HURRY_BY": str(BY), "HURRY_AHEAD": str(self.ahead),
        }  # fmt: skip


@contextmanager
def hurried_bank(folder: Path, **rules: Any) -> Iterator[tuple[Bank, Hurry]]:
    hurry = Hurry()
    with bank_at(folder, Writing(**rules), clock=hurry) as bank:
        yield bank, hurry


def start(
    rows: list[Row], config: Row, folder: Path, hurry: Hurry, name: str = "run"
) -> subprocess.Popen[bytes]:
    """Start the target on rows, which it reads from a file."""
    folder.mkdir(exist_ok=True)
    source, settings = folder / f"{name}.jsonl", folder / f"{name}.json"
    source.write_text(messages(rows))
    settings.write_text(json.dumps(config))
    with source.open("rb") as lines, (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.kit.hurried_target", "--config", settings],
            stdin=lines, stdout=log, stderr=log, env={**os.environ, **hurry.env},
        )  # fmt: skip


def finish(rows: list[Row], config: Row, folder: Path, hurry: Hurry) -> int:
    """Run the target on rows until it ends by itself."""
    return start(rows, config, folder, hurry).wait(PATIENCE)


def digest(rows: list[Row], config: Row, folder: Path, hurry: Hurry) -> str:
    """Return the digest of the plan for rows."""
    assert finish(rows, config, folder, hurry) == 0
    log = (folder / "run.log").read_text()
    return log.rpartition("Plan ")[2][:14]


class Executioner:
    """Kills a process when the server sees its nth request for a path."""

    def __init__(self, path: str, number: int) -> None:
        self._path = path
        self._left = number
        self.process: subprocess.Popen[bytes] | None = None

    def _is_due(self, request: Request) -> bool:
        if request.method != "POST" or request.path != self._path:
            return False
        self._left -= 1
        return self._left == 0

    def _kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def before(self, request: Request) -> Response | None:
        """Kill before the work, which is then never done."""
        if self._is_due(request):
            self._kill()
            raise ConnectionResetError
        return None

    def during(self, request: Request) -> None:
        """Kill before the work, which is then done all the same."""
        if self._is_due(request):
            self._kill()

    def after(self, request: Request, _response: Response) -> None:
        """Kill after the work, before the answer."""
        if self._is_due(request):
            self._kill()


PLACES: dict[str, tuple[str, str]] = {
    "before a payee check": (CHECKS, "before"),
    "after a payee check": (CHECKS, "after"),
    "before a transfer, which is lost": (TRANSFERS, "before"),
    "before a transfer, which is made": (TRANSFERS, "during"),
    "after a transfer": (TRANSFERS, "after"),
}


def _at_once(_bank: Bank, _hurry: Hurry, _folder: Path) -> str:
    return "journal.sqlite"


def _later(_bank: Bank, hurry: Hurry, _folder: Path) -> str:
    hurry.ahead += 1_860.0
    return "journal.sqlite"


def _without_journal(_bank: Bank, _hurry: Hurry, folder: Path) -> str:
    for path in folder.glob("journal.sqlite*"):
        path.unlink()
    return "journal.sqlite"


def _elsewhere(_bank: Bank, _hurry: Hurry, _folder: Path) -> str:
    return "other.sqlite"


AGAIN = {
    "at once": _at_once,
    "after 31 minutes": _later,
    "with the journal removed": _without_journal,
    "on another machine": _elsewhere,
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
@pytest.mark.parametrize(("path", "when"), PLACES.values(), ids=PLACES)
def test_a_process_that_is_killed_pays_each_row_once_in_the_end(
    path: str, when: str, again: Callable[[Bank, Hurry, Path], str], tmp_path: Path
) -> None:
    with hurried_bank(tmp_path, list_delay=30.0) as (bank, hurry):
        rows = [bank.row(number) for number in range(ROWS)]
        config = bank.config | {"approve": digest(rows, bank.config, tmp_path, hurry)}
        executioner = Executioner(path, 2)
        hooks: list[Any] = bank.api.after if when == "after" else bank.api.before
        hooks.append(getattr(executioner, when))
        executioner.process = start(rows, config, tmp_path, hurry)
        assert executioner.process.wait(PATIENCE) == -signal.SIGKILL
        hooks.clear()
        config["journal_path"] = str(tmp_path / again(bank, hurry, tmp_path))
        assert finish(rows, config, tmp_path, hurry) == 0, (tmp_path / "run.log").read_text()
        expected = sorted(row["reference"] for row in rows)
        assert sorted(row["reference"] for row in bank.transfers) == expected
        # And the next time, nothing.
        assert finish(rows, config, tmp_path, hurry) == 0
        assert len(bank.transfers) == ROWS


def test_two_processes_at_once_pay_each_row_once(tmp_path: Path) -> None:
    with hurried_bank(tmp_path, work_time=0.2) as (bank, hurry):
        rows = [bank.row(number) for number in range(ROWS)]
        config = bank.config | {"approve": digest(rows, bank.config, tmp_path, hurry)}
        both = [start(rows, config, tmp_path, hurry, name) for name in ("one", "other")]
        codes = sorted(process.wait(PATIENCE) for process in both)
        assert codes in ([0, 2], [0, 0])  # the second may only start once the first has ended
        assert len(bank.transfers) == ROWS


def test_two_machines_at_once_pay_each_row_once(tmp_path: Path) -> None:
    with hurried_bank(tmp_path, work_time=0.2, list_delay=30.0) as (bank, hurry):
        rows = [bank.row(number) for number in range(ROWS)]
        config = bank.config | {"approve": digest(rows, bank.config, tmp_path, hurry)}
        both = [
            start(rows, config | {"journal_path": str(tmp_path / name)}, tmp_path, hurry, name)
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
