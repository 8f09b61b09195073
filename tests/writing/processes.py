"""Real processes of the target in a world whose time runs faster, and what kills them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.kit.hurried_target import hurried

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tap_qonto.demo import Request, Response

BY = 60.0
"""Seconds of the hurried world in one of ours."""

PATIENCE = 120.0


class Hurry:
    """A time that the server and every process of the target share."""

    def __init__(self) -> None:
        self.since = time.time()
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(hurried(self.since, BY, self.ahead), UTC)

    @property
    def env(self) -> dict[str, str]:
        return {
            "HURRY_SINCE": str(self.since), "HURRY_BY": str(BY), "HURRY_AHEAD": str(self.ahead),
        }  # fmt: skip


def start(
    text: str, config: Mapping[str, Any], folder: Path, hurry: Hurry, name: str = "run"
) -> subprocess.Popen[bytes]:
    """Start the target on its input, which it reads from a file."""
    folder.mkdir(exist_ok=True)
    source, settings = folder / f"{name}.jsonl", folder / f"{name}.json"
    source.write_text(text)
    settings.write_text(json.dumps(config))
    with source.open("rb") as lines, (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.kit.hurried_target", "--config", settings],
            stdin=lines, stdout=log, stderr=log, env={**os.environ, **hurry.env},
        )  # fmt: skip


def finish(text: str, config: Mapping[str, Any], folder: Path, hurry: Hurry) -> int:
    """Run the target until it ends by itself."""
    return start(text, config, folder, hurry).wait(PATIENCE)


class Executioner:
    """Kills a process when the server sees its nth request.

    Args:
        asked: Pattern of the requests, such as ``POST /v2/clients``.
        number: Which of them, counted from 1.
    """

    def __init__(self, asked: str, number: int) -> None:
        self._asked = re.compile(asked)
        self._left = number
        self.process: subprocess.Popen[bytes] | None = None

    def _is_due(self, request: Request) -> bool:
        if not self._asked.fullmatch(f"{request.method} {request.path}"):
            return False
        self._left -= 1
        return self._left == 0

    def _kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def before(self, request: Request) -> Response | None:
        """Kill before the work, which is then never done."""
        if self._is_due(request):
            self._kill()
            raise ConnectionResetError
        return None

    def during(self, request: Request) -> None:
        """Kill before the work, which is then done all the same."""
        if self._is_due(request):
            self._kill()

    def after(self, request: Request, _response: Response) -> None:
        """Kill after the work, before the answer."""
        if self._is_due(request):
            self._kill()


def _at_once(_hurry: Hurry, _folder: Path) -> str:
    return "journal.sqlite"


def _later(hurry: Hurry, _folder: Path) -> str:
    hurry.ahead += 1_860.0
    return "journal.sqlite"


def _without_journal(_hurry: Hurry, folder: Path) -> str:
    for path in folder.glob("journal.sqlite*"):
        path.unlink()
    return "journal.sqlite"


def _elsewhere(_hurry: Hurry, _folder: Path) -> str:
    return "other.sqlite"


AGAIN = {
    "at once": _at_once,
    "after 31 minutes": _later,
    "with the journal removed": _without_journal,
    "on another machine": _elsewhere,
}
