"""``python -m tests.kit.hurried_target``: the target's command in a world whose time runs faster.

A real run waits a minute before it believes that a lost request was not carried out; so does this
one, but its minutes are shorter. `HURRY_SINCE`, `HURRY_BY` and `HURRY_AHEAD` say since when, by
how much, and how far ahead it is besides, so that a server can share its time.
"""

from __future__ import annotations

import os
import time

from tap_qonto.machine import Machine
from tap_qonto.target import TargetQonto


def hurried(since: float, by: float, ahead: float) -> float:
    """Return the present in a world that runs `by` times as fast since an instant."""
    return since + (time.time() - since) * by + ahead


if __name__ == "__main__":
    since, by, ahead = (float(os.environ[f"HURRY_{name}"]) for name in ("SINCE", "BY", "AHEAD"))

    class Hurried(TargetQonto):
        machine = Machine(
            clock=lambda: hurried(since, by, ahead),
            sleep=lambda seconds: time.sleep(seconds / by),
        )

    Hurried.cli()
