"""A copy of this project, in which tests run Meltano without leaving anything in the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.kit.manual import ROOT, fresh_copy
from tests.kit.outside import WAY_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT: Final = ROOT

NOBODY: Final = "http://127.0.0.1:9"
"""Where nobody listens: stands for Meltano Hub, which must not be needed."""

_PATIENCE: Final = 600.0
"""Seconds for one command; the first one installs the plugins."""

_copies: Final[list[TemporaryDirectory[str]]] = []
"""Kept until the process ends, and removed then."""


@dataclass(frozen=True)
class Project:
    """A Meltano project, as a clone of the repository has it.

    Attributes:
        root: Its folder.
    """

    root: Path

    def meltano(
        self, *arguments: str, env: Mapping[str, str] | None = None, fails: bool = False
    ) -> str:
        """Run a Meltano command and return its log.

        Args:
            arguments: The command.
            env: Variables that it finds; it finds none that are about plugins otherwise.
            fails: Whether it must end with an error, instead of without one.
        """
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELTANO_", "TAP_", "TARGET_", "VIRTUAL_ENV"))
        }
        finished = subprocess.run(
            [Path(sys.executable).with_name("meltano"), *arguments],
            cwd=self.root,
            env={**own, **WAY_OUT, "MELTANO_HUB_URL": NOBODY, "NO_COLOR": "1", **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert (finished.returncode != 0) is fails, finished.stdout[-8_000:]
        return finished.stdout


@cache
def project() -> Project:
    """Return the copy, made once: what Git has, or would have if it were committed."""
    copy = TemporaryDirectory(prefix="tap-qonto-")
    _copies.append(copy)
    return Project(fresh_copy(Path(copy.name)))


@contextmanager
def fresh_project() -> Iterator[Project]:
    """Give a copy that no other test has."""
    with TemporaryDirectory(prefix="tap-qonto-") as folder:
        yield Project(fresh_copy(Path(folder)))


def rows_read(log: str) -> dict[str, int]:
    """Return how many rows of each stream a log says were read."""
    found = re.findall(r"tap-qonto +(\w+): ([\d,]+) rows? in", log)
    return {stream: int(count.replace(",", "")) for stream, count in found}
