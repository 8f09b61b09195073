"""A year in minutes: two tap processes at a time against a server where everything goes wrong.

    uv run python -m tests.soak [--runs 200] [--seed 1] [--minutes 10]

Two pipelines, each with its own state and target, share one OAuth token store and always run at
the same moment. Between two rounds the server's access tokens expire and the grace period of the
refresh tokens ends. While they run, rows change with every third request, each kind of fault that a
retry survives happens to 5 % of the requests, to those for tokens too, where the answer to a spent
token may be lost. Each kind that ends a run happens to 5 % of the runs: an answer that is none,
SIGTERM, SIGKILL, a target that closes the pipe.

In the end the server holds still and each pipeline runs once more. Both targets must then be equal
to what a first run reads, and no run may have ended in a way that calls for a person. The exit code
says whether that is so. Waits are cut to 20 ms in the tap's processes; nothing else is changed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo import Api, Company, DemoServer, OAuth, Response
from tests.kit import faults
from tests.kit.answers import unhooked
from tests.kit.runner import catalog_of

if TYPE_CHECKING:
    from tap_qonto.demo import Request
    from tests.kit.faults import Fault

Row = dict[str, Any]

STREAMS: Final = (
    "bank_accounts",
    "beneficiaries",
    "client_invoices",
    "clients",
    "labels",
    "sepa_transfers",
    "transactions",
)
CHANGING: Final = ("clients", "sepa_transfers", "transactions")
"""Collections whose rows change while they are read."""

SHARE: Final = 0.05
"""Part of the requests, or of the runs, to which each kind of fault happens."""

PASSING: Final[dict[str, Fault]] = {
    "429": faults.answer(429, {"message": "API rate limit exceeded"}, Retry_After="1"),
    "500": faults.answer(500, {"errors": [{"code": "internal", "detail": "x"}]}),
    "502": faults.answer(502, b"<html>Bad Gateway</html>", Content_Type="text/html"),
    "503": faults.answer(503, b"no healthy upstream", Content_Type="text/plain"),
    "504": faults.answer(504),
    "reset": faults.reset,
    "cut by length": faults.cut,
    "cut in chunks": faults.cut_in_chunks,
    "slow loris": faults.dribble,
}
ENDING: Final[dict[str, Fault]] = {
    "200 with HTML": faults.answer(200, b"<html></html>", Content_Type="text/html"),
    "truncated JSON": faults.answer(200, b'{"labels": [{"id"', Content_Type="application/json"),
}
KILLS: Final = ("SIGTERM", "SIGKILL", "closed pipe")

CALLS_FOR_A_PERSON: Final = ("tap-qonto-login", "Internal error", "Traceback", "Exception ignored")
RUN_AGAIN: Final = "run again at once"
"""Said when no try of a refresh had an answer: the next run helps itself, or calls for a person."""


@dataclass
class Pipeline:
    """A state and the tables of a target."""

    name: str
    state: Row = field(default_factory=dict)
    tables: dict[str, dict[str, Row]] = field(default_factory=dict)
    torn: int = 0

    def take(self, line: bytes) -> None:
        """Load one line of the tap's output as a target does: upsert, keep the last state."""
        try:
            message = json.loads(line, parse_float=Decimal)
        except ValueError:
            self.torn += 1
            return
        if message["type"] == "RECORD":
            record = message["record"]
            self.tables.setdefault(message["stream"], {})[record["id"]] = record
        elif message["type"] == "STATE":
            self.state = message["value"]


class Weather:
    """The server's bad days: a hook that changes rows and lets faults happen.

    Args:
        api: The server, whose company's rows change.
        chance: Decides what happens.
    """

    def __init__(self, api: Api, chance: random.Random) -> None:
        self._api = api
        self._company = company = api.company
        self._chance = chance
        self._lock = threading.Lock()
        self._ids = {name: [row["id"] for row in company.rows(name)] for name in CHANGING}
        self.calm = False
        self.pending: list[str] = []
        """Faults of `ENDING` that happen to the next requests."""
        self.happened: Counter[str] = Counter()
        self.changes = 0
        self.requests = 0
        self._of_tokens: dict[str, Fault] = {
            **{f"token: {kind}": PASSING[kind] for kind in ("429", "503", "reset")},
            "token: lost answer": self._lose,
        }

    def _lose(self, request: Request) -> Response:
        """Spend the refresh token, and let the answer be lost."""
        unhooked(self._api)(request)
        raise ConnectionResetError

    def __call__(self, request: Request) -> Response | None:
        with self._lock:
            self.requests += 1
            if self.calm:
                return None
            if self._chance.random() < 1 / 3:
                self._change()
            fault = self._pick(request)
        return fault(request) if fault else None

    def _change(self) -> None:
        self.changes += 1
        name = self._chance.choice(CHANGING)
        number = self._chance.randrange(1_000_000)
        id_ = self._chance.choice(self._ids[name])
        noted = "description" if name == "clients" else "reference"
        self._company.change(name, id_, **{noted: f"change {number}"})

    def _pick(self, request: Request) -> Fault | None:
        if request.path == "/v2/labels" and self.pending:
            kind = self.pending.pop()
            self.happened[kind] += 1
            return ENDING[kind]
        draw = self._chance.random()
        table = self._of_tokens if request.path == "/oauth2/token" else PASSING
        for position, (kind, fault) in enumerate(table.items()):
            if position * SHARE <= draw < (position + 1) * SHARE:
                self.happened[kind] += 1
                return fault
        return None


@dataclass
class Soak:
    """One soak: the server, two pipelines, and what has been counted.

    Attributes:
        folder: Where configuration, tokens and logs are kept.
        seed: Of everything that happens by chance.
    """

    folder: Path
    seed: int

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.later = timedelta()
        self.oauth = OAuth(
            client_secret="soak",
            refresh_token="seed",
            clock=lambda: datetime.now(UTC) + self.later,
        )
        company = Company("soak", transactions=150)
        self.api = Api(company, oauth=self.oauth, page_limit=25)
        self.weather = Weather(self.api, random.Random(self.seed))
        self.api.before.append(self.weather)
        self.pipelines = (Pipeline("first"), Pipeline("second"))
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []

    def run(self, runs: int, seconds: float) -> None:
        """Let pairs of processes run until there were enough runs, or the time is over."""
        until = time.monotonic() + seconds
        with DemoServer(self.api) as server:
            self._write_inputs(server)
            while self.counts["runs"] < runs and time.monotonic() < until:
                self._round(self.pipelines)
            self.weather.calm = True
            time.sleep(2)  # what changed in the last second belongs to the next run
            self._round(self.pipelines)
            self.reference = Pipeline("reference")
            self._round((self.reference,))

    def _write_inputs(self, server: DemoServer) -> None:
        config = {
            "api_url": server.api_url,
            "token_url": server.token_url,
            "token_store": str(self.folder / "tokens.json"),
            "client_id": "demo-client",
            "client_secret": "soak",
            "refresh_token": "seed",
            "request_timeout": 0.5,
            "rate_limit_share": 1_000,
        }
        (self.folder / "config.json").write_text(json.dumps(config))
        (self.folder / "catalog.json").write_text(json.dumps(catalog_of(STREAMS)))

    def _round(self, pipelines: tuple[Pipeline, ...]) -> None:
        """Run the tap once per pipeline, all at the same moment."""
        self.later += timedelta(hours=2)
        threads = []
        for pipeline in pipelines:
            kill = None
            if not self.weather.calm:
                self.weather.pending = [k for k in ENDING if self.chance.random() < SHARE]
                kill = next((k for k in KILLS if self.chance.random() < SHARE), None)
            after = self.chance.randrange(1, 200)
            threads.append(threading.Thread(target=self._sync, args=(pipeline, kill, after)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _sync(self, pipeline: Pipeline, kill: str | None, after: int) -> None:
        """Run the tap once; end it by force after so many records, if it is to be killed."""
        arguments = [sys.executable, "-m", "tests.soak", "--tap"]
        for option in ("config", "catalog"):
            arguments += [f"--{option}", str(self.folder / f"{option}.json")]
        if pipeline.state:
            path = self.folder / f"{pipeline.name}.state.json"
            path.write_text(json.dumps(pipeline.state))
            arguments += ["--state", str(path)]
        log = self.folder / f"{pipeline.name}.log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=stderr)
            assert process.stdout
            records, killed = 0, None
            with process.stdout as output:
                for line in output:
                    if killed == "SIGKILL" and not line.endswith(b"\n"):
                        break  # such a kill leaves no time to finish a line
                    pipeline.take(line)
                    records += b'"RECORD"' in line
                    if kill and not killed and records >= after:
                        killed = kill
                        if kill == "SIGTERM":
                            process.terminate()
                        elif kill == "SIGKILL":
                            process.kill()
                        else:
                            break
            code = process.wait(60)
        self._judge(pipeline, code, killed, log.read_text(errors="replace"))

    def _judge(self, pipeline: Pipeline, code: int, killed: str | None, log: str) -> None:
        self.counts["runs"] += 1
        self.counts["retries"] += log.count("trying again in")
        if killed:
            self.counts[f"killed: {killed}"] += 1
        elif code:
            self.counts["gave up"] += 1
        expected = {"SIGTERM": 143, "SIGKILL": -9, "closed pipe": 1}
        allowed = {0, expected[killed]} if killed else {0, 1}
        calls = CALLS_FOR_A_PERSON[RUN_AGAIN in log :]
        told = next((words for words in calls if words in log), None)
        if told or code not in allowed or (self.weather.calm and code):
            last = log.strip().splitlines()[-1:]
            self.complaints.append(f"{pipeline.name}: exit {code}, {told or ''} {last}")

    def lost(self) -> int:
        """Return how many rows of the server a target lacks or has otherwise."""
        return sum(
            pipeline.tables.get(stream, {}).get(key) != row
            for pipeline in self.pipelines
            for stream, table in self.reference.tables.items()
            for key, row in table.items()
        )

    def figures(self) -> Row:
        """Return what has been counted."""
        return {
            **self.counts,
            "requests": self.weather.requests,
            "changes": self.weather.changes,
            "refreshes": self.oauth.refreshes,
            "faults": dict(sorted(self.weather.happened.items())),
            "rows": sum(map(len, self.reference.tables.values())),
            "torn lines": sum(pipeline.torn for pipeline in self.pipelines),
            "lost rows": self.lost(),
            "runs that call for a person": len(self.complaints),
        }


def soak(runs: int, seed: int, minutes: float) -> bool:
    """Soak, print the figures, and return whether all went well."""
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        test = Soak(Path(folder), seed)
        test.run(runs, minutes * 60)
    figures = test.figures() | {"wall seconds": round(time.monotonic() - began)}
    for name, value in figures.items():
        sys.stdout.write(f"{name}: {value}\n")
    for complaint in test.complaints:
        sys.stdout.write(f"{complaint}\n")
    bad = ("lost rows", "torn lines", "runs that call for a person")
    return bool(figures["rows"]) and not any(figures[name] for name in bad)


def tap() -> None:
    """Be the tap's command, with every wait cut to 20 ms."""
    wait = time.sleep
    time.sleep = lambda seconds: wait(min(float(seconds), 0.02))
    from tap_qonto.tap import TapQonto

    TapQonto.cli(prog_name="tap-qonto")


def main() -> int:
    """Read the options, soak, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="runs of the tap (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is left to chance")
    parser.add_argument("--minutes", type=float, default=30, help="time after which to stop")
    options = parser.parse_args()
    return 0 if soak(options.runs, options.seed, options.minutes) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tap"]:
        del sys.argv[1]
        tap()
    sys.exit(main())
