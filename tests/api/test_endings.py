"""The end of a run: signals, closed pipes, full disks and bugs tear no message."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
import termios
import time
from array import array
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import pytest
from typing_extensions import override

from tap_qonto.demo import Api, Company, DemoServer
from tap_qonto.streams.organization import Teams
from tests.api.failing import SECRETIVE, errors
from tests.kit.cases import some
from tests.kit.runner import (
    COMMAND,
    KEY,
    PATIENCE,
    Run,
    catalog_of,
    config_for,
    log_of,
    parsed,
    run,
    start_process,
    tap_with,
)

if TYPE_CHECKING:
    from collections.abc import Callable

INCREMENTAL = ["sepa_transfers", "transactions"]


def slow(pages: int) -> Callable[[Any], None]:
    """Return a hook that answers so many pages of transactions at once and the rest slowly."""
    count = 0

    def wait(request: Any) -> None:
        nonlocal count
        if request.path == "/v2/transactions":
            count += 1
            if count > pages:
                time.sleep(0.5)

    return wait


def is_safe(outcome: Run, world: Company) -> bool:
    """Return whether no bookmark lies behind the last row written of its account."""
    latest: dict[str, str] = {}
    for row in outcome.records.get("transactions", []):
        account = row["bank_account_id"]
        latest[account] = max(latest.get(account, ""), row["updated_at"])
    accounts = {row["id"] for row in world.rows("bank_accounts")}
    return all(
        account in accounts and value <= latest.get(account, "")
        for account, value in outcome.bookmarks("transactions").items()
    )


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.slow
def test_a_signal_ends_the_run_with_the_last_safe_state(
    company: Company, signum: int, code: int
) -> None:
    api = Api(company, authorization=KEY, page_limit=20)
    api.before.append(slow(12))
    with (
        DemoServer(api) as server,
        start_process(config_for(server), catalog=catalog_of(["transactions"])) as process,
    ):
        assert process.stdout
        head = b""
        while head.count(b'"STATE"') == 0 and head.count(b'"RECORD"') < 20:
            head += process.stdout.readline()
        process.send_signal(signum)
        output = head + process.stdout.read()
        outcome = Run(process.wait(PATIENCE), parsed(output), log_of(process))
    assert outcome.exit_code == code
    assert output.endswith(b"\n"), "a torn message"
    assert outcome.messages[-1]["type"] == "STATE"
    assert is_safe(outcome, company)
    assert outcome.log.splitlines()[-1].endswith(
        f"Stopped by signal {signum:d}; the next run goes on from the last state"
    )
    assert "Traceback" not in outcome.log


def wait_until_full(pipe: IO[bytes]) -> None:
    """Return when a pipe that nobody reads has taken nothing more for a while.

    How much that is depends on how its pages were filled. A busy machine may let it look full too
    early; what follows must hold then, too.
    """
    capacity = fcntl.fcntl(pipe.fileno(), fcntl.F_GETPIPE_SZ)
    held, before, calm = array("i", [0]), 0, 0
    for _ in range(int(PATIENCE / 0.01)):
        fcntl.ioctl(pipe.fileno(), termios.FIONREAD, held)
        calm = calm + 1 if held[0] == before else 0
        before = held[0]
        if calm >= 20 and before > capacity // 2:
            return
        time.sleep(0.01)
    pytest.fail(f"the pipe holds {before} of {capacity} bytes and more is coming")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much a pipe holds")
@pytest.mark.slow
def test_a_signal_does_not_tear_a_message_when_the_pipe_is_full() -> None:
    settings = {"environment": "demo"}
    with start_process(settings, catalog=catalog_of(["transactions"])) as process:
        assert process.stdout
        # The tap is stuck in the middle of a block as soon as the pipe holds no more.
        wait_until_full(process.stdout)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        output = process.stdout.read()
        assert process.wait(PATIENCE) == 143
    assert output.endswith(b"\n")
    assert parsed(output)[-1]["type"] == "STATE"


@pytest.mark.parametrize(
    "options",
    [
        (),
        pytest.param(("--discover",), marks=pytest.mark.slow),
        pytest.param(("--about", "--format=json"), marks=pytest.mark.slow),
    ],
)
def test_a_closed_pipe_ends_the_tap_at_once_and_quietly(options: tuple[str, ...]) -> None:
    with start_process({"environment": "demo"}, options=options) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        code = process.wait(PATIENCE)
        log = log_of(process)
    assert "Traceback" not in log
    assert "Exception ignored" not in log
    if not options:
        assert code == 1
        assert "The target has closed the pipe" in log.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is full")
@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--help",),
        pytest.param(("--version",), marks=pytest.mark.slow),
        pytest.param(("--discover",), marks=pytest.mark.slow),
        pytest.param(("--about", "--format=json"), marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_told(options: tuple[str, ...], unbuffered: str) -> None:
    arguments = [str(COMMAND), "--config", '{"environment": "demo"}', *options]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            arguments,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    log = ended.stderr.decode()
    assert ended.returncode == 1
    assert log.splitlines()[-1].endswith(
        "This machine refused something (standard output): No space left on device"
    )
    assert "Traceback" not in log
    assert "Exception ignored" not in log


TALKING = {
    "the help of the login": ("tap_qonto.auth.login", "--help"),
    "the address of the login": ("tap_qonto.auth.login", "--no-browser", "--port=0"),
    "the help of the demo company": ("tap_qonto.demo", "--help"),
    "its worlds": ("tap_qonto.demo", "--list-worlds"),
    "its address": ("tap_qonto.demo",),
}
"""Module and arguments of commands that speak to a person on standard output."""


@pytest.mark.parametrize("command", some(TALKING, "the help of the login", "its address"))
@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("/dev/full", "This machine refused something (standard output): No space left on device"),
        pytest.param("&-", "Standard output is closed", marks=pytest.mark.slow),
    ],
)
def test_a_command_whose_words_cannot_be_written_says_so(
    command: str, output: str, said: str
) -> None:
    line = shlex.join([sys.executable, "-m", *TALKING[command]])
    ended = subprocess.run(
        ["sh", "-c", f"{line} >{output}"],
        env=os.environ | {"TAP_QONTO_CLIENT_ID": "acme", "PYTHONUNBUFFERED": ""},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    [sentence] = ended.stderr.decode().splitlines()
    assert sentence.startswith(said)


CLOSED = [
    ("tap-qonto", ">&-", 1, "Standard output is closed, which is where messages are written."),
    ("target-qonto", ">&-", 2, "Standard output is closed, which is where messages are written."),
    ("target-qonto", "<&-", 2, "Standard input is closed, which is where messages come from."),
]
"""Command, what the shell closes, the exit code, and what is said."""


@pytest.mark.parametrize(("command", "closed", "code", "said"), CLOSED)
def test_a_stream_that_the_shell_has_closed_is_told(
    command: str, closed: str, code: int, said: str
) -> None:
    config = '{"environment": "production", "login": "acme-1", "secret_key": "no-secret"}'
    line = f"{COMMAND.with_name(command)} --config '{config}' {closed}"
    ended = subprocess.run(["sh", "-c", line], capture_output=True, timeout=PATIENCE, check=False)
    log = ended.stderr.decode()
    assert ended.returncode == code
    assert said in log
    assert len(log.splitlines()) == 1


@pytest.mark.slow
def test_without_a_log_rows_are_written_all_the_same() -> None:
    line = f'{COMMAND} --config \'{{"environment": "demo"}}\' --test 2>&-'
    ended = subprocess.run(["sh", "-c", line], capture_output=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 0
    assert any(each["type"] == "RECORD" for each in parsed(ended.stdout))


def test_a_bug_costs_its_stream_and_a_sentence_that_tells_where(small: Company) -> None:
    class Broken(Teams):
        @override
        def rows(self, context: object) -> NoReturn:
            raise KeyError(SECRETIVE["name"])

    api = Api(small, authorization=KEY)
    outcome = run(api=api, select=["sepa_transfers", "teams", "cards"], tap=tap_with(Broken))
    assert outcome.exit_code == 1
    (sentence,) = errors(outcome)
    assert outcome.records["cards"], "a stream that is read after it"
    told = r"teams: Internal error: KeyError in \w+\.py, line \d+\. This is a bug"
    assert re.match(told, sentence)
    assert "Camille" not in outcome.log
    assert "Traceback" not in outcome.log
    assert outcome.bookmark("sepa_transfers")
