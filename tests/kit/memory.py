"""How much memory a process has taken, by Linux's own count.

What `wait4` and `getrusage` tell of a process includes what its parent had when it was forked,
which in a process of tests may be more than anything that is measured.
"""

from __future__ import annotations

from pathlib import Path


def peak_of(process: int | str = "self") -> int:
    """Return the most memory in bytes that a process has had since it began its program.

    Args:
        process: Its ID, while it has not ended.
    """
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1_024
