"""dbt in an environment of its own, as Meltano installs it, and the warehouses it builds in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import yaml
from filelock import FileLock

from tests.kit.outside import WAY_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHECKOUT: Final = Path(__file__).parents[2]
PROJECT: Final = CHECKOUT / "transform"
WORKER: Final = Path(__file__).with_name("worker.py")

MARTS: Final[list[dict[str, Any]]] = yaml.safe_load(
    (PROJECT / "models/marts/marts.yml").read_text("utf-8")
)["models"]
"""The interface: each mart with its columns."""


def requirements_of(utility: str) -> list[str]:
    """Return what `meltano.yml` installs for a utility."""
    meltano = yaml.safe_load((CHECKOUT / "meltano.yml").read_text("utf-8"))
    [found] = [item for item in meltano["plugins"]["utilities"] if item["name"] == utility]
    return str(found["pip_url"]).split()


def environment(cache: Path, requirements: Sequence[str], without: str | None = None) -> Path:
    """Return the Python of an environment with these, made once and kept in `cache`.

    Args:
        cache: Folder of environments.
        requirements: What is installed.
        without: A package that is left out although another one wants it.
    """
    words = [sys.version, *requirements, without or ""]
    name = blake2b(" ".join(words).encode(), digest_size=8).hexdigest()
    folder = cache / name
    python = folder / "bin/python"
    with FileLock(cache / f"{name}.lock"):
        if not (folder / "complete").exists():
            uv = shutil.which("uv") or f"{sys.prefix}/bin/uv"
            subprocess.run(
                [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True
            )
            excluded = cache / f"{name}.excluded"
            excluded.write_text(without or "", "utf-8")
            subprocess.run(
                [uv, "pip", "install", "--quiet", "--python", python, *requirements],
                env={**os.environ, **WAY_OUT, **({"UV_EXCLUDE": str(excluded)} if without else {})},
                check=True,
            )
            (folder / "complete").touch()
    return python


@dataclass(frozen=True)
class Outcome:
    """How one command of dbt ended.

    Attributes:
        success: Whether its exit code would be 0.
        nodes: Status of each node (pass, success, warn, fail, error, skipped) by its name.
        error: What kept it from running at all.
        log: The messages of the nodes that did not end well.
    """

    success: bool
    nodes: dict[str, str]
    error: str | None
    log: str

    def ended(self, *statuses: str) -> set[str]:
        """Return the names of the nodes that ended so."""
        return {name for name, status in self.nodes.items() if status in statuses}


class Dbt:
    """One process of dbt, which runs commands one after the other."""

    def __init__(self, python: Path, folder: Path) -> None:
        """Start it with the interpreter of an environment; `folder` takes its artifacts."""
        self._folder = folder
        self.python = python
        self._log = (folder / "output.log").open("wb")
        self._process = subprocess.Popen(
            [python, WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1"},
        )

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        project: Path = PROJECT,
        profiles: Path = PROJECT,
    ) -> Outcome:
        """Run one command, such as `run("build", env=warehouse.env)`, and say how it ended."""
        command = {
            "arguments": [
                *arguments,
                *("--project-dir", str(project), "--profiles-dir", str(profiles)),
                *("--target-path", str(self._folder / "target")),
                *("--log-path", str(self._folder / "logs")),
            ],
            "env": {"QONTO_AS_OF": "latest", **(env or {})},
        }
        stdin, stdout = self._pipes()
        stdin.write(json.dumps(command).encode() + b"\n")
        stdin.flush()
        line = stdout.readline()
        assert line, (self._folder / "output.log").read_text("utf-8")[-4_000:]
        answer = json.loads(line)
        return Outcome(
            success=answer["success"],
            nodes={node["name"]: node["status"] for node in answer["nodes"]},
            error=answer["error"],
            log="\n".join(
                f"{node['name']}: {node['message']}"
                for node in answer["nodes"]
                if node["status"] not in {"success", "pass", "skipped", "no-op"}
            ),
        )

    @property
    def target(self) -> Path:
        """The folder of what dbt wrote about its last run."""
        return self._folder / "target"

    def manifest(self) -> dict[str, Any]:
        """Return what the last command knew about the project."""
        text = (self._folder / "target/manifest.json").read_text("utf-8")
        manifest: dict[str, Any] = json.loads(text)
        return manifest

    def close(self) -> None:
        """End the process."""
        stdin, stdout = self._pipes()
        with suppress(BrokenPipeError):
            stdin.close()
        self._process.wait(timeout=30)
        stdout.close()
        self._log.close()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout
