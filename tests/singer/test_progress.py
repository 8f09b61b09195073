"""Long work shows its progress, on the log and nowhere else."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company
from tap_qonto.machine import Machine
from tap_qonto.singer.progress import Progress
from tests.kit.runner import run, run_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.runner import Run

ON_THE_WAY = re.compile(
    r"^INFO tap-qonto (\w+): ([\d,]+) of ([\d,]+) rows \((\d+)%\), "
    r"([\d,]+) rows/s, ([\d,]+) s left$",
    re.MULTILINE,
)
DONE = re.compile(r"^INFO tap-qonto (\w+): ([\d,]+) rows? in \d+\.\d s$", re.MULTILINE)


class Time:
    """A clock that moves by a fixed step whenever somebody looks at it."""

    def __init__(self, step: float) -> None:
        self.now = 1_000.0
        self._step = step

    def monotonic(self) -> float:
        self.now += self._step
        return self.now


def test_there_is_one_line_per_stream_when_it_is_done() -> None:
    company = Company(transactions=900)
    streams = ["transactions", "labels", "organization", "subscription"]
    done = run(api=Api(company), select=streams)
    said = {stream: int(rows.replace(",", "")) for stream, rows in DONE.findall(done.log)}
    assert said == {stream: company.total(stream) for stream in streams}
    assert len(DONE.findall(done.log)) == len(streams)
    assert not ON_THE_WAY.search(done.log), "no line before its time"


def on_the_way(stream: str, **options: Any) -> tuple[Run, list[tuple[int, int, int]]]:
    done = run(select=[stream], **options)
    lines = [match for match in ON_THE_WAY.findall(done.log) if match[0] == stream]
    assert lines
    return done, [
        (int(rows.replace(",", "")), int(total.replace(",", "")), int(share))
        for _, rows, total, share, *_ in lines
    ]


@pytest.mark.parametrize("stream", ["supplier_invoices", "clients", "products", "beneficiaries"])
def test_the_total_is_what_the_answers_promised(
    on_machine: Callable[..., None], stream: str
) -> None:
    on_machine(report_every=0.0)
    company = Company(transactions=900)
    _, lines = on_the_way(stream, api=Api(company))
    for rows, total, share in lines:
        assert total == company.total(stream)
        assert share == round(100 * rows / total)
    assert [rows for rows, *_ in lines] == sorted(rows for rows, *_ in lines)


def test_the_total_of_transactions_grows_account_by_account_to_the_promise(
    on_machine: Callable[..., None],
) -> None:
    on_machine(report_every=0.0)
    company = Company(transactions=900)
    _, lines = on_the_way("transactions", api=Api(company))
    totals = [total for _, total, _ in lines]
    assert totals == sorted(totals)
    assert totals[-1] <= company.total("transactions")
    assert all(rows <= total for rows, total, _ in lines)


@pytest.mark.parametrize("count", ["capped", "true"])
def test_a_list_beyond_the_ceiling_is_never_said_to_be_done_before_it_is(
    on_machine: Callable[..., None], count: Any
) -> None:
    on_machine(report_every=0.0, ceiling=110)
    company = Company(transactions=900)
    total = company.total("sepa_transfers")
    done = run(api=Api(company, ceiling=110, count=count, page_limit=30), select=["sepa_transfers"])
    assert DONE.findall(done.log) == [("sepa_transfers", str(total))]
    lines = [line for line in done.log.splitlines() if " rows/s" in line]
    assert len(lines) == total // 64
    for line in lines:
        if said := ON_THE_WAY.search(line):
            assert int(said[3]) >= total, "what is left is said only when it is known"
        else:
            assert " of " not in line


@pytest.mark.parametrize("seconds", [4.0, 12.0, 61.0])
def test_no_stream_speaks_more_often_than_every_few_seconds(
    caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    rows = 64_000
    time = Time(step=seconds / (rows / 64))
    progress = Progress("transactions", quiet=False, stopwatch=time.monotonic)
    progress.expect("everything", rows)
    with caplog.at_level(logging.INFO, "tap-qonto"):
        for _ in range(rows):
            progress.increment()
    assert len(caplog.messages) == seconds // Machine.report_every
    for message in caplog.messages:
        left = re.search(r"([\d,]+) of 64,000 rows .*, ([\d,]+) rows/s, ([\d,]+) s left", message)
        assert left
        count, rate, remaining = (int(number.replace(",", "")) for number in left.groups())
        assert rate == pytest.approx(rows / seconds, rel=0.05)
        assert remaining == pytest.approx((rows - count) / rate, abs=1)


def test_standard_output_holds_messages_and_the_log_everything_else() -> None:
    done = run_process({"environment": "demo"})
    assert done.exit_code == 0
    assert {message["type"] for message in done.messages} <= {
        "SCHEMA",
        "RECORD",
        "STATE",
        "ACTIVATE_VERSION",
    }
    assert "transactions: 5,400 rows" in done.log
