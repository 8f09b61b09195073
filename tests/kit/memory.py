"""How much memory a process has taken, by Linux's own count.

What `wait4` and `getrusage` tell of a process includes what its parent had when it was forked,
which in a process of tests may be more than anything that is measured.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

LAUNCHER: Final = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as told:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=told)
sys.exit(code)
"""


def peak_of(process: int | str = "self") -> int:
    """Return the most memory in bytes that a process has had since it began its program.

    Args:
        process: Its ID, while it has not ended.
    """
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1_024


def measuring(told: Path) -> list[str]:
    """Return a command that runs another one and tells its `peak_of_ended`.

    The other one is forked by a process that holds hardly anything, and is measured to its very
    end: one that has ended on its own cannot be asked any more.

    Args:
        told: The file to tell it in.
    """
    return [sys.executable, "-I", "-S", "-c", LAUNCHER, str(told)]


def peak_of_ended(told: Path) -> int:
    """Return the most memory in bytes that a process run by `measuring` has had."""
    return int(told.read_text(encoding="ascii")) * 1_024
