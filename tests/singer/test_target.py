"""A target collects its whole input, and acts once: what the SDK's targets do otherwise."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kit.cases import some
from tests.kit.faults import answer
from tests.kit.payroll import Bank, bank_at
from tests.kit.target import COMMAND, STATE, load, messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo import Request, Response

TRANSFERS = "/v2/sepa/transfers"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with bank_at(tmp_path) as running:
        yield running


def test_values_arrive_as_the_tap_wrote_them(bank: Bank) -> None:
    # By this schema the SDK would make a datetime of the day and refuse the amount and the key.
    schema = {
        "type": "object",
        "properties": {
            "external_id": {"type": "string"},
            "scheduled_date": {"type": "string", "format": "date"},
            "amount": {"type": "integer"},
        },
    }
    text = messages([bank.row(0, scheduled_date="2099-12-01")], schema=schema)
    text = text.replace('"key_properties": []', '"key_properties": ["line_number"]')
    done = load(text, bank.config)
    assert done.exit_code == 0, done.log
    assert "100.50  on 2099-12-01  send" in done.log


def test_numbers_keep_their_digits(bank: Bank) -> None:
    text = messages([bank.row(0)]).replace('"100.50"', "29999.10")
    done = load(text, bank.config)
    assert "29,999.10" in done.log


def test_a_stream_may_be_renamed_and_mapped(bank: Bank) -> None:
    config = bank.config | {
        "stream_maps": {"payroll": {"__alias__": "new_transfers", "reference": "'Pay ' + who"}}
    }
    schema = {"type": "object", "properties": {"who": {"type": "string"}}}
    done = load(messages([bank.row(0, who="Jane")], stream="payroll", schema=schema), config)
    assert (done.exit_code, "send" in done.log) == (0, True), done.log


def test_a_stream_map_that_fails_does_not_quote_the_row(bank: Bank) -> None:
    config = bank.config | {"stream_maps": {"new_transfers": {"amount": "int(reference)"}}}
    done = load(messages([bank.row(0, reference="Very secret")]), config)
    assert done.exit_code == 2
    assert "Line 2 of the input" in done.log
    assert "Very secret" not in done.log


def test_a_new_version_of_a_stream_changes_nothing(bank: Bank) -> None:
    text = messages([bank.row(0)]) + (
        '{"type": "ACTIVATE_VERSION", "stream": "new_transfers", "version": 1}\n'
    )
    done = load(text, bank.config)
    assert done.exit_code == 0, done.log
    assert "WARNING" not in done.log


# STATE


def test_a_state_is_printed_once_and_only_when_all_is_settled(bank: Bank) -> None:
    rows = [bank.row(0), bank.row(1)]
    shown = load(messages(rows), bank.config)
    assert (shown.exit_code, shown.output) == (0, "")
    done = load(messages(rows), bank.config | {"approve": shown.digest})
    assert (done.exit_code, done.states) == (0, [STATE]), done.log
    assert len(bank.transfers) == 2
    again = load(messages(rows), bank.config | {"approve": shown.digest})
    assert (again.exit_code, again.states) == (0, [STATE])
    assert len(bank.transfers) == 2


def test_one_rejected_row_keeps_the_bookmark_of_the_source(bank: Bank) -> None:
    def refuse(request: Request) -> Response | None:
        if request.path == TRANSFERS and request.method == "POST" and b"Invoice 1" in request.body:
            return answer(422, {"errors": [{"code": "invalid"}]})(request)
        return None

    rows = [bank.row(0), bank.row(1), bank.row(2)]
    digest = load(messages(rows), bank.config).digest
    bank.api.before.append(refuse)
    done = load(messages(rows), bank.config | {"approve": digest})
    assert (done.exit_code, done.output) == (1, ""), done.log
    assert [row["status"] for row in bank.results] == ["sent", "rejected", "sent"]
    assert done.errors == ["1 row not sent: INV-1 (POST /sepa/transfers answered 422 invalid)"]
    bank.api.before.clear()
    done = load(messages(rows), bank.config | {"approve": digest})
    assert (done.exit_code, done.states) == (0, [STATE])
    assert len(bank.transfers) == 3


def test_an_input_without_rows_settles_at_once(bank: Bank) -> None:
    config = bank.config | {"approve": "within_limits"}
    done = load(messages([]), config)
    assert (done.exit_code, done.states, bank.posts) == (0, [STATE], [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is full")
@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
def test_a_state_that_a_full_disk_refuses_is_told(bank: Bank, unbuffered: str) -> None:
    config = json.dumps(bank.config | {"approve": "within_limits"})
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, "--config", config],
            input=messages([]).encode(),
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert (
        done.stderr.decode()
        .splitlines()[-1]
        .endswith(
            "(standard output): No space left on device. All rows are settled, but nobody took the "
            "STATE that says so; run again"
        )
    )


def test_a_made_up_company_is_called_that_at_the_end(bank: Bank) -> None:
    shown = load(messages([bank.row(0)]), {"environment": "demo"})
    assert "This company is made up" in shown.log.splitlines()[-1]
    sent = load(messages([]), {"environment": "demo", "approve": "within_limits"})
    assert "This company is made up" in sent.log.splitlines()[-1]
    elsewhere = {name: value for name, value in bank.config.items() if name != "access_token"}
    real = load(messages([bank.row(0)]), elsewhere | {"environment": "demo"})
    assert (real.exit_code, "made up" in real.log) == (0, False), real.log


def test_the_log_of_a_plan_ends_with_the_plan(bank: Bank) -> None:
    done = load(messages([bank.row(0)]), bank.config)
    assert done.log.rstrip().endswith(f"approve = {done.digest}"), done.log


# Signals


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_input_is_read_sends_nothing(bank: Bank, signum: int) -> None:
    class Interrupted(io.BytesIO):
        def __next__(self) -> bytes:
            line = super().__next__()
            if b"STATE" in line:
                os.kill(os.getpid(), signum)
            return line

    digest = load(messages([bank.row(0)]), bank.config).digest
    done = load(Interrupted(messages([bank.row(0)]).encode()), bank.config | {"approve": digest})
    assert (done.exit_code, done.output, bank.posts) == (128 + signum, "", [])


@pytest.mark.parametrize("signum", some([signal.SIGINT, signal.SIGTERM], signal.SIGINT))
def test_a_signal_while_the_plan_is_made_sends_nothing(bank: Bank, signum: int) -> None:
    digest = load(messages([bank.row(0)]), bank.config).digest

    def interrupt(request: Request) -> None:
        if request.path == "/v2/sepa/beneficiaries":
            os.kill(os.getpid(), signum)

    bank.api.before.append(interrupt)
    done = load(messages([bank.row(0)]), bank.config | {"approve": digest})
    assert (done.exit_code, done.output, bank.posts) == (128 + signum, "", [])


@pytest.mark.parametrize("path", ["/v2/sepa/verify_payee", TRANSFERS])
@pytest.mark.parametrize("signum", some([signal.SIGINT, signal.SIGTERM], signal.SIGTERM))
def test_a_signal_while_a_row_is_sent_stops_after_that_row(
    bank: Bank, signum: int, path: str
) -> None:
    rows = [bank.row(0), bank.row(1)]
    digest = load(messages(rows), bank.config).digest

    def interrupt(request: Request) -> None:
        if request.path == path and request.method == "POST":
            os.kill(os.getpid(), signum)

    bank.api.before.append(interrupt)
    done = load(messages(rows), bank.config | {"approve": digest})
    assert (done.exit_code, done.output) == (128 + signum, ""), done.log
    assert [row["reference"] for row in bank.transfers] == ["Invoice 0"]
    assert [row["status"] for row in bank.results] == ["sent", "planned"]
    bank.api.before.clear()
    assert load(messages(rows), bank.config | {"approve": digest}).exit_code == 0
    assert [row["reference"] for row in bank.transfers] == ["Invoice 0", "Invoice 1"]
