"""One Meltano run per Qonto organization, as the schedulers in this folder start it.

    QONTO_ORGANIZATIONS=alpha,beta uv run python examples/organizations.py

The organizations are named in the variable `QONTO_ORGANIZATIONS`, separated by commas. A variable
`QONTO_<ORGANIZATION>_<SETTING>` is a setting of one of them: `QONTO_ALPHA_LOGIN` and
`QONTO_ALPHA_SECRET_KEY`, for example, which the scheduler takes from its secret store. Each run has
its own state, tables and documents. The state lies where `MELTANO_STATE_BACKEND_URI` says, so that
it does not matter which machine the next run is on.

As soon as one organization has a setting, Meltano's environment is `prod`, for all of them, and
credentials that name none of them, such as `TAP_QONTO_LOGIN` in `.env`, are nobody's; without any,
it is `demo`, in which each name makes a company up. `MELTANO_ENVIRONMENT` says otherwise.
The project is the one that this file lies in, or that `MELTANO_PROJECT_ROOT` names.

All runs on one IP address share Qonto's rate limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(os.environ.get("MELTANO_PROJECT_ROOT") or Path(__file__).resolve().parent.parent)
"""The folder of `meltano.yml`."""

CREDENTIALS = (
    *("LOGIN", "SECRET_KEY", "CLIENT_ID", "CLIENT_SECRET"),
    *("REFRESH_TOKEN", "ACCESS_TOKEN", "TOKEN_STORE"),
)
"""The settings that say whose account is read."""


def names() -> list[str]:
    """Return the names of the organizations."""
    listed = os.environ.get("QONTO_ORGANIZATIONS") or "alpha,beta,gamma"
    return [name.strip() for name in listed.split(",") if name.strip()]


def environment() -> str:
    """Return the name of Meltano's environment.

    It is one for all: an organization whose key was forgotten must fail, not be made up.
    """
    named = os.environ.get("MELTANO_ENVIRONMENT")
    return named or ("prod" if are_real() else "demo")


def are_real() -> bool:
    """Return whether an organization has settings of its own, which a made-up one needs not."""
    return any(map(own_settings, names()))


def own_settings(organization: str) -> dict[str, str]:
    """Return the tap's variables that are set for one organization.

    Args:
        organization: Its name.
    """
    prefix = f"QONTO_{organization.upper()}_"
    return {
        f"TAP_QONTO_{name.removeprefix(prefix)}": value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }


def settings(organization: str) -> dict[str, str]:
    """Return the variables that make a run the one of this organization.

    Args:
        organization: Its name, in lower case: letters, digits and underscores.
    """
    folder = PROJECT / "output" / organization
    documents = os.environ.get("TAP_QONTO_ATTACHMENTS_PATH")
    if documents:
        documents = f"{documents.rstrip('/')}/{organization}"
    # Without a value they overrule .env, whose account is not that of whoever's key was forgotten.
    nobodys = {f"TAP_QONTO_{name}": "" for name in CREDENTIALS if are_real()}
    return (
        {
            # What the demo company is called; of no effect with an account.
            "TAP_QONTO_DEMO_ORGANIZATION": organization,
            "TAP_QONTO_ATTACHMENTS_PATH": str(folder / "documents")
            if documents is None
            else documents,
            "TARGET_DUCKDB_PATH": f"{folder}.duckdb",
            "TARGET_JSONL_DESTINATION_PATH": str(folder / "jsonl"),
            "TARGET_CSV_OUTPUT_PATH": str(folder / "csv"),
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": f"qonto_{organization}",
        }
        | nobodys
        | own_settings(organization)
    )


def load(organization: str) -> None:
    """Load what is new at an organization.

    Args:
        organization: Its name.

    Raises:
        subprocess.CalledProcessError: If the run failed; the next one goes on from its state.
    """
    target = os.environ.get("QONTO_TARGET", "target-duckdb")
    subprocess.run(
        [
            *("meltano", f"--environment={environment()}", "run"),
            *(f"--state-id-suffix={organization}", "tap-qonto", target),
        ],
        cwd=PROJECT,
        env=os.environ | settings(organization),
        check=True,
    )


def main() -> int:
    """Load one organization after the other, as cron would.

    Returns:
        The exit code: 1 if a run failed, after which the others are loaded all the same.
    """
    failed = []
    for organization in names():
        try:
            load(organization)
        except subprocess.CalledProcessError:
            failed.append(organization)
    if failed:
        sys.stderr.write(f"Not loaded: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
