"""Runs the target once, in this process or as the real command, and tells what the world saw."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.machine import Machine
from tap_qonto.singer.sdk import ConfigInput
from tap_qonto.target import TargetQonto
from tests.kit.runner import captured

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Row = dict[str, Any]

COMMAND: Final = Path(sys.executable).with_name("target-qonto")
"""The command as it is installed."""

STATE: Final[Row] = {"bookmarks": {"new_transfers": {"replication_key_value": "7"}}}


@dataclass
class Loaded:
    """What one run of the target left behind.

    Attributes:
        exit_code: As the shell sees it; negative if a signal ended the process.
        output: What it wrote on standard output.
        log: Everything written to the log.
    """

    exit_code: int
    output: str
    log: str

    @property
    def states(self) -> list[Row]:
        """Every STATE that it let through."""
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return self.log.partition("Plan ")[2][:14]

    @property
    def errors(self) -> list[str]:
        """The lines of the log at level ERROR, without their head."""
        return [
            line.removeprefix("ERROR target-qonto ")
            for line in self.log.splitlines()
            if line.startswith("ERROR")
        ]


def messages(
    rows: Iterable[Row], *, stream: str = "new_transfers", state: Any = STATE, schema: Any = None
) -> str:
    """Return what a tap writes that has these rows.

    Args:
        rows: The rows.
        stream: The name of their stream.
        state: The value of the STATE at the end; None for none.
        schema: JSON Schema of the stream; by default one that says nothing.
    """
    lines: list[Row] = [
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema or {"type": "object", "properties": {}},
            "key_properties": [],
        }
    ]
    lines += ({"type": "RECORD", "stream": stream, "record": row} for row in rows)
    if state is not None:
        lines.append({"type": "STATE", "value": state})
    return "".join(f"{json.dumps(line, default=str)}\n" for line in lines)


def load(
    text: str | bytes | io.BytesIO,
    config: Mapping[str, Any] | None = None,
    *,
    machine: Machine | None = None,
) -> Loaded:
    """Run the target in this process, as its command does, errors and exit code included.

    Args:
        text: Its input.
        config: Settings; by default those of the demo company.
        machine: Its clock and patience.
    """

    class Target(TargetQonto):
        pass

    Target.machine = replace(machine or Machine(), exit=sys.exit)
    data = text.encode() if isinstance(text, str) else text
    lines = io.BytesIO(data) if isinstance(data, bytes) else data
    with captured() as seen:
        try:
            Target.invoke(
                config=ConfigInput(config=dict(config or {"environment": "demo"})),
                file_input=lines,
            )
            exit_code = 0
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else 1
    return Loaded(exit_code, seen.output.getvalue().decode(), seen.log.getvalue())


def load_process(
    text: str, config: Mapping[str, Any], folder: Path, *, timeout: float = 60.0, **env: str
) -> Loaded:
    """Run the real command.

    Args:
        text: Its input.
        config: Settings.
        folder: Where its configuration lies, and what it keeps by default.
        timeout: Seconds after which it counts as stuck.
        env: Further environment variables.
    """
    settings = folder / "target.json"
    settings.write_text(json.dumps(dict(config)))
    done = subprocess.run(
        [COMMAND, "--config", settings],
        input=text.encode(),
        capture_output=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), **env},
    )
    return Loaded(done.returncode, done.stdout.decode(), done.stderr.decode())
