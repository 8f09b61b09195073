"""The whole pipe: the tap and a loader, dlt beside them, and a PostgreSQL server for an hour."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tests.benchmarks.processes import LOGIN, SECRET_KEY, Run, measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENTS = REPOSITORY / ".cache" / "benchmarks"
"""Where the loaders live, each in an environment of its own that is made once."""

DLT = ("dlt[duckdb,parquet]==1.31.0", "duckdb==1.2.2")
DLT_PIPELINE = Path(__file__).with_name("dlt_pipeline.py")


class Loader(NamedTuple):
    """A loader of meltano.yml."""

    program: str
    settings: dict[str, Any]


def loader(name: str) -> Loader:
    """Return a loader as meltano.yml has it, installed, with its settings there."""
    project = yaml.safe_load((REPOSITORY / "meltano.yml").read_text(encoding="utf-8"))
    found = next(one for one in project["plugins"]["loaders"] if one["name"] == name)
    return Loader(program(name, found["executable"], found["pip_url"].split()), found["config"])


def program(name: str, executable: str, packages: Sequence[str]) -> str:
    """Return the path of a program in an environment of its own, made if it is not there.

    Args:
        name: Name of the environment.
        executable: Name of the program.
        packages: What is installed; with other versions the environment is made anew.
    """
    folder, mark = ENVIRONMENTS / name, "\n".join(packages)
    made = folder / "packages.txt"
    if not made.exists() or made.read_text(encoding="utf-8") != mark:
        shutil.rmtree(folder, ignore_errors=True)
        python = str(folder / "bin" / "python")
        subprocess.run(["uv", "venv", "--quiet", str(folder)], check=True)
        install = ("uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python)
        subprocess.run([*install, *packages], check=True)
        made.write_text(mark, encoding="utf-8")
    return str(folder / "bin" / executable)


def piped(tap: Sequence[str], target: Loader, folder: Path) -> Run:
    """Run the tap into a loader; the time is that from the first start to the last end.

    Args:
        tap: The command of the tap.
        target: The loader, with all settings it is to have.
        folder: Where its settings may be written.

    Raises:
        RuntimeError: If either fails.
    """
    config = folder / "loader.json"
    config.write_text(json.dumps(target.settings), encoding="utf-8")
    with (folder / "loader.log").open("w+", encoding="utf-8") as log:
        began = time.perf_counter()
        with subprocess.Popen(
            [target.program, "--config", str(config)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            run = measured(tap, process.stdin.fileno())
            process.stdin.close()
            code = process.wait()
        wall = time.perf_counter() - began
        log.seek(0)
        said = log.read()
    if code:
        msg = f"{target.program} ended with {code}: {said[-2_000:]}"
        raise RuntimeError(msg)
    return run._replace(wall=wall)


def by_dlt(url: str, folder: Path) -> list[str]:
    """Return the command that loads the same rows by dlt into a folder."""
    python = program("dlt", "python", DLT)
    return [python, str(DLT_PIPELINE), url, LOGIN, SECRET_KEY, str(folder)]


def rows_in_duckdb(file: Path, table: str) -> int:
    """Return how many rows a table of a DuckDB file has, asked of dlt's own DuckDB."""
    code = (
        "import sys, duckdb; "
        "print(duckdb.connect(sys.argv[1]).execute(f'select count(*) from {sys.argv[2]}')"
        ".fetchone()[0])"
    )
    command = [program("dlt", "python", DLT), "-c", code, str(file), table]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class Postgres(NamedTuple):
    """A PostgreSQL server on this machine, which nobody else uses."""

    binaries: Path
    port: int

    @property
    def settings(self) -> dict[str, Any]:
        """What a loader is told to reach it."""
        return {
            "host": "127.0.0.1", "port": self.port, "user": "postgres", "password": "",
            "database": "postgres",
        }  # fmt: skip

    def ask(self, statement: str) -> str:
        """Return what a statement answers, as text."""
        command = [
            str(self.binaries / "psql"), "-qtA", "-h", "127.0.0.1", "-p", str(self.port),
            "-U", "postgres", "-c", statement,
        ]  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a new PostgreSQL server while the context lasts.

    Raises:
        RuntimeError: If none is installed.
    """
    found = shutil.which("initdb")
    folders = (
        [Path(found).resolve().parent]
        if found
        else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    )
    if not folders:
        msg = "The row 'postgres' needs a PostgreSQL server (initdb, pg_ctl, psql)"
        raise RuntimeError(msg)
    binaries = folders[-1]
    # PostgreSQL refuses to be root: then it is the user that its package has made.
    user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        if user:
            shutil.chown(folder, "postgres", "postgres")
        data = f"{folder}/data"

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [str(binaries / program), "-D", data, *arguments],
                check=True, cwd=folder, stdout=subprocess.DEVNULL, **user,
            )  # fmt: skip

        run("initdb", "-U", "postgres", "-A", "trust")
        run("pg_ctl", "-w", "-o", f"-p {port} -k {folder}", "-l", f"{folder}/log", "start")
        try:
            yield Postgres(binaries, port)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
