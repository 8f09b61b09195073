"""The three parties of a measurement, each a process of its own: server, tap, plain loop."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

LOGIN, SECRET_KEY = "benchmark-1", "no-secret"
TAP = str(Path(sys.executable).with_name("tap-qonto"))
TARGET = str(Path(sys.executable).with_name("target-qonto"))
PLAIN_LOOP = str(Path(__file__).with_name("plain_loop.py"))


class Run(NamedTuple):
    """What one process took, from its start to its end."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of processor time, user and system."""
    peak: float
    """Most memory held, in MB."""
    log: str
    """What it wrote to standard error."""

    def rows(self, stream: str = "transactions") -> int:
        """Return how many rows of a stream the process says to have written; 0 if none."""
        found = re.search(rf"\b{stream}: ([\d,]+) rows?( in .*)?$", self.log, re.MULTILINE)
        return int(found[1].replace(",", "")) if found else 0


def measured(command: Sequence[str], output: int = subprocess.DEVNULL) -> Run:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        output: Where its standard output goes: a file descriptor.

    Raises:
        RuntimeError: If it fails; with the end of its log.
    """
    with tempfile.TemporaryFile("w+") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read()
    if process.returncode:
        msg = f"{command[0]} ended with {process.returncode}: {said[-2_000:]}"
        raise RuntimeError(msg)
    unit = 1 if sys.platform == "darwin" else 1_024
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6, said)


def until_first_request(command: Callable[[str], Sequence[str]]) -> float:
    """Return after how many seconds a command sends something; it gets no answer.

    Args:
        command: Returns the command that asks the address it is given.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = command(f"http://127.0.0.1:{server.getsockname()[1]}/v2")
        began = time.perf_counter()
        with subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as it:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                seconds = time.perf_counter() - began
                it.kill()
    return seconds


@contextmanager
def served(
    *,
    accounts: int,
    transactions: int,
    latency: float = 0.0,
    receipt_bytes: int | None = None,
    remembering: bool = False,
) -> Iterator[str]:
    """Serve a demo company from another process while the context lasts; gives the API's URL.

    Args:
        accounts: Number of bank accounts.
        transactions: Number of transactions over all accounts.
        latency: Seconds to wait before each answer.
        receipt_bytes: Size of every receipt; it varies if None.
        remembering: Whether the server writes each transaction only once, which takes memory.
    """
    command = [
        sys.executable, "-m", "tests.benchmarks.server" if remembering else "tap_qonto.demo",
        "--accounts", str(accounts), "--transactions", str(transactions),
        "--latency", str(latency), "--login", LOGIN, "--secret-key", SECRET_KEY,
    ]  # fmt: skip
    if receipt_bytes is not None:
        command += ["--receipt-bytes", str(receipt_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield (server.stdout.readline() if server.stdout else "").strip()
        finally:
            server.terminate()


def row_bytes(url: str) -> int:
    """Return the mean size of a transaction, in bytes, on the first page of the first account."""
    headers = {"Authorization": f"{LOGIN}:{SECRET_KEY}"}
    organization = requests.get(f"{url}/organization", headers=headers, timeout=60).json()
    params = {
        "bank_account_id": organization["organization"]["bank_accounts"][0]["id"],
        "includes[]": ["vat_details", "labels", "attachments"],
        "sort_by": "updated_at:asc",
        "per_page": 100,
    }
    page = requests.get(f"{url}/transactions", params, headers=headers, timeout=60)
    return len(page.content) // len(page.json()["transactions"])


class Workplace:
    """A folder with what the tap is told: its settings, its catalog, the state it left.

    Args:
        folder: An empty folder.
        lean_server: Whether comparisons use a server that writes each transaction only once.
    """

    def __init__(self, folder: Path, *, lean_server: bool) -> None:
        self.folder = folder
        self.lean_server = lean_server
        discovered = subprocess.run([TAP, "--discover"], check=True, capture_output=True)
        self._catalog = json.loads(discovered.stdout)

    def plain_loop(self, url: str, *folder: str) -> list[str]:
        """Return the command of the plain loop."""
        return [sys.executable, PLAIN_LOOP, url, LOGIN, SECRET_KEY, *folder]

    def tap(
        self,
        url: str,
        streams: Collection[str] = ("transactions",),
        state: Path | None = None,
        **settings: Any,
    ) -> list[str]:
        """Return the command that runs the tap.

        Args:
            url: The API's URL.
            streams: Names of the streams to select; empty for what is selected by default.
            state: The file that holds the state to go on from.
            settings: Settings besides the address and the credentials.
        """
        config = {"api_url": url, "login": LOGIN, "secret_key": SECRET_KEY, **settings}
        command = [TAP, "--config", self._file("config.json", config)]
        if streams:
            command += ["--catalog", self._file("catalog.json", self._selecting(streams))]
        if state:
            command += ["--state", str(state)]
        return command

    def _selecting(self, streams: Collection[str]) -> Any:
        for entry in self._catalog["streams"]:
            for item in entry["metadata"]:
                if not item["breadcrumb"]:
                    item["metadata"]["selected"] = entry["tap_stream_id"] in streams
        return self._catalog

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)
