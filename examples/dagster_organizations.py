"""Dagster: one partition per organization, loaded every hour.

In the folder of `meltano.yml`; a run then finds `meltano`, and Dagster `organizations.py` and a
folder in which to keep what it knows of runs and limits:

    uv run meltano install
    export PATH="$PWD/.venv/bin:$PATH"
    export DAGSTER_HOME="$HOME/dagster" && mkdir -p "$DAGSTER_HOME"
    cd examples
    uvx --with dagster-webserver dagster dev -f dagster_organizations.py

One organization, without the web page:

    uvx dagster asset materialize -f dagster_organizations.py --select qonto --partition alpha

A backfill over all partitions loads every organization; the page of the asset shows when each was
last loaded. The pool limits how many run at once, here and on other machines that share the
folder `DAGSTER_HOME` or its database:

    uvx dagster instance concurrency set qonto 4
"""

from collections.abc import Iterator  # Dagster reads annotations, so they are not postponed

import dagster as dg
import organizations

partitions = dg.StaticPartitionsDefinition(organizations.names())


@dg.asset(partitions_def=partitions, pool="qonto", retry_policy=dg.RetryPolicy(max_retries=2))
def qonto(context: dg.AssetExecutionContext) -> None:
    """Tables of one Qonto organization."""
    organizations.load(context.partition_key)


@dg.schedule(target=qonto, cron_schedule="@hourly")
def every_hour() -> Iterator[dg.RunRequest]:
    """Ask for a run of each organization."""
    for organization in organizations.names():
        yield dg.RunRequest(partition_key=organization)


defs = dg.Definitions(assets=[qonto], schedules=[every_hour])
