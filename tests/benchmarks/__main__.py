"""Measure the tap beside the loop of Qonto's guide, and the pipe beside others: a table.

    uv run python -m tests.benchmarks                      everything, about 15 minutes
    uv run python -m tests.benchmarks small latency        some rows
    uv run python -m tests.benchmarks --repeat 1           a quick look

Server, tap and plain loop are processes of their own on this machine; tap and loop run in turn,
once unmeasured and then `--repeat` times, write to /dev/null, and are timed from start to end.
Figures are medians. All rows must arrive, or the measurement fails. The machine should have nothing
else to do: server and tap work at the same time, server and loop one after the other, so whatever
else takes a processor is held against the tap.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.loaders import (
    REPOSITORY,
    Loader,
    by_dlt,
    loader,
    piped,
    postgres,
    rows_in_duckdb,
)
from tests.benchmarks.processes import (
    TAP,
    TARGET,
    Run,
    Workplace,
    measured,
    row_bytes,
    served,
    until_first_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNLIMITED = 1_000.0
"""A `rate_limit_share` at which Qonto's rate limit, which a local server lacks, plays no part."""

CPU_BAR = 12_000
"""Rows that the tap must manage per second of processor time."""

MEMORY_BAR = 200
"""Most memory, in MB, whatever the number of rows."""

MEMORY_GROWTH = 1.5
"""Most memory for a million rows, as a multiple of that for 20,000."""

IDLE_BAR = 1.5
"""Seconds for a run that finds nothing new."""

START_BAR = 0.45
"""Seconds until the first request, or until the version is printed."""


class Line(NamedTuple):
    """One line of the table; a cell is empty where there is nothing to compare."""

    work: str
    tap: str
    bar: str
    met: bool
    peak: str
    loop: str = ""
    ratio: str = ""
    rows_per_cpu_second: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the cells in the order of the table's head."""
        efficiency = self.rows_per_cpu_second
        met = "yes" if self.met else "no"
        return (self.work, self.tap, self.loop, self.ratio, efficiency, self.peak, self.bar, met)


class Comparison(NamedTuple):
    """Tap and plain loop at the same work."""

    accounts: int
    rows: int
    """Transactions per account."""
    latency: float
    """Seconds that the server waits before each answer."""
    bar: float
    """Largest ratio of the two wall times."""
    efficient: bool = False
    """Whether the processor time counts too."""

    def measure(self, place: Workplace, repeat: int) -> list[Line]:
        """Run both in turn."""
        transactions = self.accounts * self.rows
        with served(
            accounts=self.accounts,
            transactions=transactions,
            latency=self.latency,
            remembering=place.lean_server,
        ) as url:
            size = row_bytes(url)
            taps, loops = in_turn(
                place.tap(url, rate_limit_share=UNLIMITED), place.plain_loop(url), repeat
            )
        expect(taps, transactions)
        expect(loops, transactions)
        wait = f"{self.latency * 1_000:.0f} ms per request" if self.latency else "no latency"
        work = f"{self.accounts} x {self.rows:,} rows of {size:,} bytes, {wait}"
        extra = f", >= {CPU_BAR:,} rows/CPU s" if self.efficient else ""
        also = not self.efficient or transactions / cpu(taps) >= CPU_BAR
        return [compared(work, taps, loops, self.bar, transactions, extra=extra, also=also)]


def memory(place: Workplace, _repeat: int) -> list[Line]:
    """Run the tap over few rows and over many, once each: memory hardly varies."""
    lines: list[Line] = []
    small = 0.0
    for transactions in (20_000, 1_000_000):
        with served(accounts=4, transactions=transactions) as url:
            run = measured(place.tap(url, rate_limit_share=UNLIMITED))
        expect([run], transactions)
        small = small or run.peak
        line = Line(
            work=f"4 x {transactions // 4:,} rows, memory",
            tap=f"{run.wall:.1f} s",
            ratio=f"{run.peak / small:.2f} (memory)",
            rows_per_cpu_second=f"{transactions / run.cpu:,.0f}",
            peak=f"{run.peak:.0f} MB",
            bar=f"<= {MEMORY_GROWTH}, <= {MEMORY_BAR} MB",
            met=run.peak <= min(MEMORY_GROWTH * small, MEMORY_BAR),
        )
        lines.append(line)
    return lines


def idle(place: Workplace, repeat: int) -> list[Line]:
    """Run the tap over all default streams, then measure runs that find nothing new."""
    state = place.folder / "state.json"
    output = place.folder / "output.jsonl"
    with served(accounts=6, transactions=5_400) as url, output.open("wb") as file:
        measured(place.tap(url, streams=()), file.fileno())
    messages = (json.loads(line) for line in output.read_bytes().splitlines())
    last = [message["value"] for message in messages if message["type"] == "STATE"][-1]
    state.write_text(json.dumps(last), encoding="utf-8")
    with served(accounts=6, transactions=5_400, latency=0.1) as url:
        runs = [measured(place.tap(url, streams=(), state=state)) for _ in range(repeat)]
    seconds = median(run.wall for run in runs)
    return [
        Line(
            work="nothing new, 6 accounts, all default streams, 100 ms per request",
            tap=f"{seconds:.1f} s",
            peak=f"{max(run.peak for run in runs):.0f} MB",
            bar=f"<= {IDLE_BAR:.1f} s",
            met=seconds <= IDLE_BAR,
        )
    ]


def start(place: Workplace, repeat: int) -> list[Line]:
    """Start the tap until it asks something, and both commands for nothing but their version."""
    compileall.compile_dir(REPOSITORY / "tap_qonto", quiet=2)  # as pip does
    seconds = [until_first_request(place.tap) for _ in range(repeat + 1)][1:]
    taps, targets = in_turn([TAP, "--version"], [TARGET, "--version"], repeat)
    tap, target = (median(run.wall for run in runs) for runs in (taps, targets))
    peak = f"{max(run.peak for run in taps):.0f} MB"
    first = median(seconds)
    met = first <= START_BAR
    return [
        Line("until the first request", f"{first:.2f} s", f"<= {START_BAR} s", met, ""),
        Line(
            "`--version`; beside it: that of target-qonto, and its ratio to this one",
            f"{tap:.2f} s",
            f"<= {START_BAR} s, <= 1.2",
            tap <= START_BAR and target <= 1.2 * tap,
            peak,
            loop=f"{target:.2f} s",
            ratio=f"{target / tap:.2f}",
        ),
    ]


def receipts(place: Workplace, repeat: int) -> list[Line]:
    """Store about 500 receipts, by the tap and one after the other, as the guide does."""
    transactions = 1_180
    folder = place.folder / "receipts"
    folder.mkdir()
    taps, loops = [], []
    with served(accounts=1, transactions=transactions, latency=0.1, receipt_bytes=100_000) as url:
        for turn in range(repeat):
            target = place.folder / f"stored-{turn}"
            streams = ("transactions", "transaction_attachments")
            taps.append(measured(place.tap(url, streams, attachments_path=str(target))))
            loops.append(measured(place.plain_loop(url, str(folder))))
    count = loops[0].rows("transaction_attachments")
    expect(taps, transactions)
    stored = len([path for path in target.rglob("*") if path.is_file()])
    if stored != count or len(list(folder.iterdir())) != count:
        msg = f"the loop stored {count} receipts, the tap {stored}"
        raise RuntimeError(msg)
    work = f"{count} receipts of 100 KB, 100 ms per request and file"
    return [compared(work, taps, loops, 1 / 8, None)]


LOADED = 20_000
"""Transactions that the pipes load, over four accounts."""


def into_duckdb(place: Workplace, repeat: int) -> list[Line]:
    """Load transactions into new DuckDB files, by the tap and its loader and by dlt."""
    duckdb = loader("target-duckdb")
    pipes: list[Run] = []
    others: list[Run] = []
    with served(accounts=4, transactions=LOADED) as url:
        for turn in range(repeat + 1):
            folder = place.folder / f"duckdb-{turn}"
            folder.mkdir()
            file = folder / "tap.duckdb"
            settings = duckdb.settings | {"path": str(file)}
            tap = place.tap(url, rate_limit_share=UNLIMITED)
            pipes.append(piped(tap, Loader(duckdb.program, settings), folder))
            others.append(measured(by_dlt(url, folder)))
            for rows in (
                rows_in_duckdb(file, "qonto.transactions"),
                rows_in_duckdb(folder / "dlt.duckdb", "qonto.transactions"),
            ):
                expect_loaded(rows)
    work = f"4 x {LOADED // 4:,} rows into DuckDB; beside it: dlt"
    return [compared(work, pipes[1:], others[1:], 0.8, None)]


def into_postgres(place: Workplace, repeat: int) -> list[Line]:
    """Load transactions into PostgreSQL, by the settings of meltano.yml and by the loader's own."""
    target = loader("target-postgres")
    pipes: list[Run] = []
    others: list[Run] = []
    with served(accounts=4, transactions=LOADED) as url, postgres() as server:
        tap = place.tap(url, rate_limit_share=UNLIMITED)
        for turn in range(repeat + 1):
            for runs, name, settings in (
                (pipes, f"ours_{turn}", target.settings),
                (others, f"theirs_{turn}", {}),
            ):
                told = settings | server.settings | {"default_target_schema": name}
                runs.append(piped(tap, Loader(target.program, told), place.folder))
                expect_loaded(int(server.ask(f"select count(*) from {name}.transactions")))
    work = f"4 x {LOADED // 4:,} rows into PostgreSQL; beside it: the loader's defaults"
    return [compared(work, pipes[1:], others[1:], 0.5, None)]


def expect_loaded(rows: int) -> None:
    """Make sure that a table has all rows.

    Raises:
        RuntimeError: If not.
    """
    if rows != LOADED:
        msg = f"{rows:,} rows were loaded instead of {LOADED:,}"
        raise RuntimeError(msg)


MEASUREMENTS: dict[str, Callable[[Workplace, int], list[Line]]] = {
    "small": Comparison(4, 10_000, 0.0, 1.0).measure,
    "large": Comparison(4, 50_000, 0.0, 0.75, efficient=True).measure,
    "latency": Comparison(4, 2_500, 0.1, 0.2).measure,
    "account": Comparison(1, 10_000, 0.1, 0.35).measure,
    "memory": memory,
    "idle": idle,
    "start": start,
    "receipts": receipts,
    "duckdb": into_duckdb,
    "postgres": into_postgres,
}


def in_turn(one: Sequence[str], other: Sequence[str], repeat: int) -> tuple[list[Run], list[Run]]:
    """Run two commands in turn; the first time, which warms the server up, does not count."""
    ones, others = [], []
    for turn in range(repeat + 1):
        runs = measured(one), measured(other)
        if turn:
            ones.append(runs[0])
            others.append(runs[1])
    return ones, others


def expect(runs: Sequence[Run], rows: int) -> None:
    """Make sure that runs have written all rows.

    Raises:
        RuntimeError: If not.
    """
    for run in runs:
        # The loop repeats some rows where it has to ask anew.
        if not rows <= run.rows() <= rows * 1.001:
            msg = f"{run.rows():,} rows were written instead of {rows:,}: {run.log[-2_000:]}"
            raise RuntimeError(msg)


def cpu(runs: Sequence[Run]) -> float:
    """Return the median processor time of runs, in seconds."""
    return median(run.cpu for run in runs)


def compared(
    work: str,
    taps: Sequence[Run],
    loops: Sequence[Run],
    bar: float,
    rows: int | None,
    *,
    extra: str = "",
    also: bool = True,
) -> Line:
    """Return the line of a comparison; `also` is whether what `extra` demands is met."""
    tap, loop = (median(run.wall for run in runs) for runs in (taps, loops))
    return Line(
        work=work,
        tap=f"{tap:.2f} s",
        loop=f"{loop:.2f} s",
        ratio=f"{tap / loop:.2f}",
        rows_per_cpu_second=f"{rows / cpu(taps):,.0f}" if rows else "",
        peak=f"{max(run.peak for run in taps):.0f} MB",
        bar=f"<= {bar:.3g}{extra}",
        met=tap <= bar * loop and also,
    )


def main() -> int:
    """Print the table; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure the tap beside the loop of Qonto's guide.",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument(
        "--lean-server",
        action="store_true",
        help="compare against a server that writes each transaction only once, so that hardly "
        "more than the two clients' own work is measured",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - MEASUREMENTS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    write(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, medians of "
        f"{arguments.repeat} runs in turn, load {os.getloadavg()[0]:.1f} at "
        "the beginning. The tap's rate limit is out of play in the rows that "
        f"compare transactions (`rate_limit_share` {UNLIMITED:,.0f}).\n"
    )
    write("| work | tap | plain loop | ratio | rows per CPU second | peak memory | bar | met |")
    write("| --- | --- | --- | --- | --- | --- | --- | --- |")
    met = True
    for name in arguments.rows or MEASUREMENTS:
        with tempfile.TemporaryDirectory() as folder:
            place = Workplace(Path(folder), lean_server=arguments.lean_server)
            for line in MEASUREMENTS[name](place, arguments.repeat):
                write(f"| {' | '.join(line.cells())} |")
                met = met and line.met
    return 0 if met else 1


def write(line: str) -> None:
    """Print a line at once, since the next may take minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
