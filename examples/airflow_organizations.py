"""Airflow: one mapped task per organization, every hour.

The DAG folder gets this file and `organizations.py`, and the workers a clone of the project, whose
`meltano` and plugins they use. In the folder of `meltano.yml`:

    uv run meltano install
    mkdir -p "$AIRFLOW_HOME/dags"
    cp examples/airflow_organizations.py examples/organizations.py "$AIRFLOW_HOME/dags"
    export MELTANO_PROJECT_ROOT="$PWD" PATH="$PWD/.venv/bin:$PATH"

One run of all organizations, in the shell that has these variables, as the scheduler's worker has
them:

    uvx --from apache-airflow airflow db migrate
    uvx --from apache-airflow airflow dags test qonto_organizations
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import organizations
from airflow.sdk import dag, task


@dag(schedule="@hourly", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def qonto_organizations() -> None:
    """Load all Qonto organizations, a few at a time."""

    @task
    def names() -> list[str]:
        return organizations.names()

    # One run per organization at a time: two would write the same state.
    @task(
        max_active_tis_per_dag=4,
        max_active_tis_per_dagrun=4,
        retries=2,
        retry_delay=timedelta(minutes=5),
        map_index_template="{{ task.op_kwargs['organization'] }}",
    )
    def load(organization: str) -> None:
        organizations.load(organization)

    load.expand(organization=names())


qonto_organizations()
