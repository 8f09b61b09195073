"""Long work shows its progress, on the log and nowhere else."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Api, Company
from tap_qonto.singer.progress import Progress
from tests.kit.cases import some
from tests.kit.companies import a_small_company
from tests.kit.runner import KEY, run, run_process, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kit.runner import Run

ON_THE_WAY = re.compile(
    r"^INFO tap-qonto (\w+): ([\d,]+) of ([\d,]+) rows \((\d+)%\), "
    r"([\d,]+) rows/s, ([\d,]+) s left$",
    re.MULTILINE,
)
DONE = re.compile(r"^INFO tap-qonto (\w+): ([\d,]+) rows? in \d+\.\d s$", re.MULTILINE)


def test_there_is_one_line_per_stream_when_it_is_done(on_machine: Callable[..., None]) -> None:
    on_machine(stopwatch=lambda: 0.0)
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


@pytest.mark.parametrize(
    "stream",
    some(["supplier_invoices", "clients", "products", "beneficiaries"], "clients", "products"),
)
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


def test_the_total_of_transactions_is_told_when_every_account_has_told_its_own(
    on_machine: Callable[..., None],
) -> None:
    on_machine(report_every=0.0)
    company = Company(transactions=900)
    _, lines = on_the_way("transactions", api=Api(company))
    totals = {total for _, total, _ in lines}
    assert totals == {company.total("transactions")}, "a total that grows is none"
    assert all(rows <= total for rows, total, _ in lines)


def test_until_every_list_has_told_its_own_the_rows_alone_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    passed = [0.0]
    progress = Progress("transactions", quiet=False, stopwatch=lambda: passed[0])
    progress.lists = 2
    with caplog.at_level(logging.INFO, "tap-qonto"):
        for account in ("one", "two"):
            progress.expect(account, 10)
            passed[0] += 10.0
            progress.increment()
    assert caplog.messages == [
        "transactions: 1 row, 0 rows/s",
        "transactions: 2 of 20 rows (10%), 0 rows/s, 180 s left",
    ]


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
    assert lines
    for line in lines:
        if said := ON_THE_WAY.search(line):
            assert int(said[3]) >= total, "what is left is said only when it is known"
        else:
            assert " of " not in line


@pytest.mark.parametrize(("seconds", "lines"), [(0.5, 0), (4.0, 1), (13.0, 3), (63.0, 13)])
def test_a_stream_speaks_after_a_second_and_then_every_few_seconds(
    caplog: pytest.LogCaptureFixture, seconds: float, lines: int
) -> None:
    rows = 64_000
    passed = [0.0]
    progress = Progress("transactions", quiet=False, stopwatch=lambda: passed[0])
    progress.expect("everything", rows)
    with caplog.at_level(logging.INFO, "tap-qonto"):
        for _ in range(rows):
            passed[0] += seconds / rows
            progress.increment()
    assert len(caplog.messages) == lines
    for message in caplog.messages:
        left = re.search(r"([\d,]+) of 64,000 rows .*, ([\d,]+) rows/s, ([\d,]+) s left", message)
        assert left
        count, rate, remaining = (int(number.replace(",", "")) for number in left.groups())
        assert rate == pytest.approx(rows / seconds, rel=0.05)
        assert remaining == pytest.approx((rows - count) / rate, abs=1)


def test_a_slow_stream_speaks_too(caplog: pytest.LogCaptureFixture) -> None:
    passed = [0.0]
    progress = Progress("transactions", quiet=False, stopwatch=lambda: passed[0])
    with caplog.at_level(logging.INFO, "tap-qonto"):
        for _ in range(10):
            passed[0] += 0.7  # whose documents take their time
            progress.increment()
    assert caplog.messages == ["transactions: 2 rows, 1 row/s", "transactions: 10 rows, 1 row/s"]


# The last line


def closing(outcome: Run) -> str:
    """Return the line that says what a run brought."""
    [line] = re.findall(r"^INFO tap-qonto (\d+ tables?, .*) s$", outcome.log, re.MULTILINE)
    return str(line).rsplit(",", 1)[0]


def test_a_run_says_at_its_end_what_it_brought(tmp_path: Path) -> None:
    api = Api(a_small_company(), authorization=KEY)
    settings = {"attachments_path": str(tmp_path)}
    streams = ["labels", "statements", "statement_files", "terminals"]
    outcome = run(settings, api=api, select=streams)
    labels, files = len(outcome.records["labels"]), len(outcome.records["statement_files"])
    rows = labels + 2 * files
    # Terminals are refused to an API key.
    assert closing(outcome) == f"3 tables, {rows} rows, {files} documents"
    again = run(settings, api=api, select=streams)
    assert closing(again) == f"3 tables, {rows} rows, {files} documents ({files} unchanged)"
    listed = run(api=api, select=streams)
    assert closing(listed) == f"3 tables, {rows} rows, {files} documents ({files} metadata only)"
    assert closing(run(api=api, select=["organization"])) == "1 table, 1 row"


@pytest.mark.slow
def test_the_log_of_a_run_has_a_line_per_table_and_one_more(
    on_machine: Callable[..., None],
) -> None:
    on_machine(stopwatch=lambda: 0.0)
    outcome = run(api=Api(Company(transactions=300)))
    lines = [line for line in outcome.log.splitlines() if "does not know the status" not in line]
    assert len(lines) == len(outcome.schemas) + 1 == 29


def test_a_made_up_company_is_called_that_at_the_end() -> None:
    outcome = run({"environment": "demo"}, select=["labels"])
    assert "This company is made up" in outcome.log.splitlines()[-1]
    with serving(Api(Company(transactions=60))) as server:
        real = run({"environment": "demo", "api_url": server.api_url}, select=["labels"])
    assert real.records["labels"]
    assert "made up" not in real.log


@pytest.mark.slow
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
