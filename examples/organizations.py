"""One Meltano run per Qonto organization, as the schedulers in this folder start it.

The organizations are named in the variable `QONTO_ORGANIZATIONS`, separated by commas. A variable
`QONTO_<ORGANIZATION>_<SETTING>` is a setting of one of them: `QONTO_ALPHA_LOGIN` and
`QONTO_ALPHA_SECRET_KEY`, for example, which the scheduler takes from its secret store. Each run has
its own state and its own tables. The state lies where `MELTANO_STATE_BACKEND_URI` says, so that it
does not matter which machine the next run is on.

All runs on one IP address share Qonto's rate limit.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROJECT = Path(__file__).parent.parent
"""The folder of `meltano.yml`."""


def names() -> list[str]:
    """Return the names of the organizations."""
    return os.environ.get("QONTO_ORGANIZATIONS", "alpha,beta,gamma").split(",")


def settings(organization: str) -> dict[str, str]:
    """Return the variables that make a run the one of this organization.

    Args:
        organization: Its name, in lower case: letters, digits and underscores.
    """
    prefix = f"QONTO_{organization.upper()}_"
    return {
        # What the demo company is called; of no effect with an account.
        "TAP_QONTO_DEMO_ORGANIZATION": organization,
        "TARGET_DUCKDB_PATH": str(PROJECT / f"output/{organization}.duckdb"),
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": f"qonto_{organization}",
    } | {
        f"TAP_QONTO_{name.removeprefix(prefix)}": value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }


def load(organization: str) -> None:
    """Load what is new at an organization.

    Args:
        organization: Its name.

    Raises:
        subprocess.CalledProcessError: If the run failed; the next one goes on from its state.
    """
    target = os.environ.get("QONTO_TARGET", "target-duckdb")
    subprocess.run(
        ["meltano", "run", f"--state-id-suffix={organization}", "tap-qonto", target],
        cwd=PROJECT,
        env=os.environ | settings(organization),
        check=True,
    )
