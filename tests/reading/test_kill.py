"""A run that is killed loses nothing and repeats little; one that is stopped says so."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company, DemoServer
from tests.kit.cases import some
from tests.kit.runner import (
    KEY,
    PATIENCE,
    catalog_of,
    config_for,
    log_of,
    parsed,
    run_process,
    start_process,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]


@pytest.fixture(scope="module")
def world() -> Company:
    """Two accounts of 3,000 transactions in all."""
    company = Company(transactions=3_000, accounts=2)
    company.total("transactions")
    return company


@pytest.fixture
def slow_server(world: Company) -> Iterator[DemoServer]:
    """A server that takes 20 ms per page of 100."""
    with DemoServer(Api(world, authorization=KEY, page_limit=100), latency=0.02) as server:
        yield server


def interrupt(server: DemoServer, states: int, number: signal.Signals) -> tuple[int, bytes, str]:
    """Send a signal after so many STATEs with a bookmark; return exit code, output and log."""
    catalog = catalog_of(["transactions"])
    with start_process(config_for(server), catalog=catalog) as process:
        assert process.stdout
        output = b""
        for line in process.stdout:
            output += line
            if line.startswith(b'{"type":"STATE"') and b"replication_key_value" in line:
                states -= 1
                if not states:
                    break
        process.send_signal(number)
        output += process.stdout.read()
        return process.wait(PATIENCE), output, log_of(process)


def last_state(messages: list[Row]) -> Row:
    state: Row = [message["value"] for message in messages if message["type"] == "STATE"][-1]
    return state


def rows(messages: list[Row]) -> list[Row]:
    return [message["record"] for message in messages if message["type"] == "RECORD"]


@pytest.mark.parametrize("states", some([2, 1, 4], 2))
def test_a_killed_run_is_completed_by_the_next_one(
    world: Company, slow_server: DemoServer, states: int
) -> None:
    code, output, _ = interrupt(slow_server, states, signal.SIGKILL)
    assert code == -signal.SIGKILL
    killed = parsed(output)
    assert 0 < len(rows(killed)) < world.total("transactions"), "killed too late to be a test"
    rest = run_process(
        config_for(slow_server), state=last_state(killed), catalog=catalog_of(["transactions"])
    )
    assert rest.exit_code == 0, rest.log
    both = [*rows(killed), *rest.records["transactions"]]
    assert {row["id"] for row in both} == {row["id"] for row in world.rows("transactions")}
    account = {row["id"]: row["bank_account_id"] for row in both}
    count = Counter(row["id"] for row in both)
    twice = Counter(account[row] for row, times in count.items() if times > 1)
    assert all(rows <= 1_000 for rows in twice.values())


@pytest.mark.slow
def test_a_terminated_run_ends_with_143_and_a_state_to_go_on_from(
    world: Company, slow_server: DemoServer
) -> None:
    code, output, log = interrupt(slow_server, 1, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert output.endswith(b"\n")
    messages = parsed(output)
    assert messages[-1]["type"] == "STATE"
    assert "Stopped by signal 15" in log
    assert "Traceback" not in log
    bookmarks = {
        part["context"]["bank_account_id"]: part["replication_key_value"]
        for part in messages[-1]["value"]["bookmarks"]["transactions"]["partitions"]
        if "replication_key_value" in part
    }
    assert bookmarks
    written = {row["id"] for row in rows(messages)}
    for account, reached in bookmarks.items():
        before = {
            row["id"]
            for row in world.rows("transactions", bank_account_id=account)
            if row["updated_at"][:19] < reached[:19]
        }
        assert before <= written, "the state tells of rows that were never written"
    json.dumps(messages[-1]["value"])
