"""The three ways in, as the manual has them, each from nothing to its tables."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tap_qonto.demo import Company
from tests.kit.manual import blocks, fresh_copy, newcomer_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PAGE = "docs/ways-in.md"
DEBIAN = Path("/usr/bin/python3")
"""The system's own Python, which on Debian and Ubuntu refuses what pip would install globally."""


def run(script: str, folder: Path, env: dict[str, str] | None = None) -> str:
    """Run lines of the manual in one shell that stops at the first failure; return its output."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=newcomer_variables() | {"NO_COLOR": "1"} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:]
    return done.stdout


def count(path: Path) -> int:
    """Return how many transactions a DuckDB file holds."""
    with duckdb.connect(str(path), read_only=True) as connection:
        [number] = connection.execute("select count(*) from qonto.transactions").fetchone() or (0,)
        return int(number)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return fresh_copy(tmp_path / "tap-qonto")


def test_the_clone(clone: Path) -> None:
    [lines] = blocks(PAGE, "clone")
    told = run(lines, clone)
    assert "[selected  ] transactions.amount" in re.sub(r"\[selected +\]", "[selected  ]", told)
    assert "demo:tap-qonto-to-target-duckdb" in told
    assert count(clone / "output/warehouse.duckdb") == Company("demo").total("transactions")


@pytest.mark.skipif(
    not list(Path("/usr/lib").glob("python3*/EXTERNALLY-MANAGED")),
    reason="this system's Python lets pip install",
)
def test_a_python_that_refuses_global_installs(clone: Path, tmp_path: Path) -> None:
    [alone, _] = blocks("README.md", "other-pythons")
    # Where Debian has its programs, and nobody else theirs.
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "UV_PYTHON": str(DEBIAN)}
    run(alone, clone, env)
    assert count(clone / "output/warehouse.duckdb") == Company("demo").total("transactions")


def test_uv_is_enough(clone: Path, tmp_path: Path) -> None:
    [_, uv_only] = blocks("README.md", "other-pythons")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "uv").symlink_to(Path(run("command -v uv", clone).strip()))
    run(uv_only, clone, {"PATH": f"{programs}:/usr/bin:/bin"})
    assert count(clone / "output/warehouse.duckdb") == Company("demo").total("transactions")


# Your own Meltano project


TARGET = {
    "name": "target-jsonl",
    "namespace": "target_jsonl",
    "label": "JSON Lines",
    "variant": "andyh1203",
    "pip_url": "target-jsonl==0.1.4",
    "executable": "target-jsonl",
    "settings": [
        {"name": "destination_path", "value": "output"},
        {"name": "do_timestamp_file", "kind": "boolean", "value": False},
    ],
}
INDEX = {
    "target-jsonl": {
        "logo_url": None,
        "default_variant": "andyh1203",
        "variants": {
            "andyh1203": {"ref": "/meltano/api/v1/plugins/loaders/target-jsonl--andyh1203"}
        },
    }
}


@contextmanager
def hub() -> Iterator[str]:
    """Serve the one loader that the lines take from Meltano Hub; yield the Hub's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"http://{self.headers['Host']}"
            answers: dict[str, Any] = {
                "/meltano/api/v1/plugins/loaders/index": json.loads(
                    json.dumps(INDEX).replace('"/meltano', f'"{url}/meltano')
                ),
                "/meltano/api/v1/plugins/loaders/target-jsonl--andyh1203": TARGET,
            }
            answer = answers.get(self.path.split("?")[0])
            body = json.dumps(answer or {"plugins": []}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_your_own_meltano_project(clone: Path) -> None:
    [lines] = blocks(PAGE, "own-project")
    with hub() as address:
        env = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MELTANO_HUB_URL": address,
        }
        run(lines, clone.parent, env)
    output = clone.parent / "my-project/output"
    assert {path.stem for path in output.glob("*.jsonl")} == {"transactions", "client_invoices"}
    rows = (output / "transactions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == Company("demo").total("transactions")


# Without Meltano


def test_without_meltano(clone: Path) -> None:
    [lines] = blocks(PAGE, "no-meltano")
    [select] = blocks(PAGE, "select")
    *first, again, keep = lines.splitlines()
    run("\n".join(first), clone)
    rows = Company("demo").total("transactions")
    written = clone / "transactions.jsonl"
    [dated] = clone.glob("transactions-*.jsonl") if not written.exists() else [written]
    assert len(dated.read_text(encoding="utf-8").splitlines()) == rows
    state = json.loads((clone / "state.json").read_text(encoding="utf-8"))
    assert "transactions" in state["bookmarks"]

    for path in clone.glob("*.jsonl"):
        path.unlink()
    run(f"{select}\n{again}\n{keep}", clone)
    assert {re.sub(r"-\d.*", "", path.stem) for path in clone.glob("*.jsonl")} == {
        *("states", "bank_accounts", "transactions"),
    }
    [dated] = clone.glob("transactions*.jsonl")
    assert 0 < len(dated.read_text(encoding="utf-8").splitlines()) < 50


def test_a_stand_in_for_your_own_tests(clone: Path) -> None:
    serve, ask = blocks(PAGE, "stand-in")
    # The tests' own programs, and with them `tap-qonto`, are not on a reader's path.
    folders = os.environ["PATH"].split(os.pathsep)
    readers = [folder for folder in folders if Path(folder) != Path(sys.executable).parent]
    env = {"PATH": os.pathsep.join(readers)}
    server = subprocess.Popen(
        ["bash", "-c", f"exec {serve.replace('8080', '0')}"],
        cwd=clone,
        env=newcomer_variables() | env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        address = server.stdout.readline().strip()
        told = run(ask.replace("http://127.0.0.1:8080/v2", address), clone, env)
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 0
    assert '"slug":' in told
    assert told.count('"stream":"transactions","record"') == Company("demo").total("transactions")


def test_every_way_is_ten_lines_at_most() -> None:
    for name in ("clone", "own-project", "no-meltano"):
        [lines] = blocks(PAGE, name)
        assert len(lines.splitlines()) <= 10, name
