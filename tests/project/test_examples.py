"""The examples for many organizations, run by the schedulers that they are for."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tap_qonto.demo import Company
from tests.kit.meltano_project import NOBODY, Project, project, rows_read

if TYPE_CHECKING:
    from collections.abc import Iterator

s3fs: Any = import_module("s3fs")  # which has no types

ORGANIZATIONS = ("alpha", "beta", "gamma")
DAGSTER = "dagster==1.13.28"
AIRFLOW = "apache-airflow==3.3.2"
BUCKET = "qonto-state"


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """An S3 server with a bucket, and the variables that make Meltano keep its state there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3fs.S3FileSystem(endpoint_url=url, key="key", secret="secret").mkdir(BUCKET)
    yield {
        "MELTANO_STATE_BACKEND_URI": f"s3://{BUCKET}/state",
        "MELTANO_STATE_BACKEND_S3_ENDPOINT_URL": url,
        "MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID": "key",
        "MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-3",
    }
    server.stop()


@pytest.fixture(scope="module")
def clone() -> Project:
    made = project()
    made.meltano("install")
    return made


def schedule(clone: Project, package: str, *command: str, env: dict[str, str]) -> str:
    """Run a command of a scheduler, which is installed for it alone, and return its log."""
    finished = subprocess.run(
        ["uv", "run", "--no-project", "--isolated", "--with", package, *command],
        cwd=clone.root,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MELTANO_HUB_URL": NOBODY,
            "QONTO_ORGANIZATIONS": ",".join(ORGANIZATIONS),
            "TAP_QONTO_ATTACHMENTS_PATH": "",
        }
        | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-8_000:]
    return finished.stdout


def transactions(clone: Project, organization: str) -> set[str]:
    path = clone.root / f"output/{organization}.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            id_ for (id_,) in connection.execute("select id from qonto.transactions").fetchall()
        }


@pytest.mark.slow
def test_dagster_loads_each_organization_and_airflow_goes_on_from_the_shared_state(
    clone: Project, bucket: dict[str, str], tmp_path: Path
) -> None:
    for organization in ORGANIZATIONS:
        log = schedule(
            clone,
            DAGSTER,
            *("dagster", "asset", "materialize", "--select", "qonto"),
            *("--python-file", "examples/dagster_organizations.py"),
            *("--working-directory", "examples", "--partition", organization),
            env=bucket | {"DAGSTER_HOME": str(tmp_path)},
        )
        assert "RUN_SUCCESS" in log
        company = Company(organization)
        assert rows_read(log)["transactions"] == company.total("transactions")
    loaded = [transactions(clone, organization) for organization in ORGANIZATIONS]
    assert len(set.union(*loaded)) == sum(map(len, loaded)) == 3 * company.total("transactions")

    airflow = bucket | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(clone.root / "examples"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    }
    schedule(clone, AIRFLOW, "airflow", "db", "migrate", env=airflow)
    log = schedule(clone, AIRFLOW, "airflow", "dags", "test", "qonto_organizations", env=airflow)
    assert "state=success" in log
    assert log.count("tap-qonto    transactions: ") == len(ORGANIZATIONS)
    assert rows_read(log)["transactions"] < 50
    assert [transactions(clone, organization) for organization in ORGANIZATIONS] == loaded


def test_kubernetes_starts_a_pod_for_each_organization() -> None:
    text = (Path(__file__).parents[2] / "examples/kubernetes/cronjob.yaml").read_text("utf-8")
    shared, secret, cron = yaml.safe_load_all(text)
    organizations = shared["data"]["organizations"].split()
    job = cron["spec"]["jobTemplate"]["spec"]
    [container] = job["template"]["spec"]["containers"]
    assert organizations == list(secret["stringData"]) == list(ORGANIZATIONS)
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == len(organizations)
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    assert {volume["name"] for volume in job["template"]["spec"]["volumes"]} == {
        mount["name"] for mount in container["volumeMounts"]
    }


def test_the_command_of_a_pod_picks_its_organization(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "examples/kubernetes/cronjob.yaml").read_text("utf-8")
    *_, cron = yaml.safe_load_all(text)
    [container] = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    *shell, script = container["command"]
    (tmp_path / "credentials").mkdir()
    (tmp_path / "organizations").write_text("alpha\nbeta\ngamma\n")
    (tmp_path / "credentials/beta").write_text("TAP_QONTO_LOGIN=beta-1234\n")
    meltano = tmp_path / "meltano"
    meltano.write_text(
        '#!/bin/sh\necho "$*" "$TAP_QONTO_LOGIN" "$TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA"\n'
    )
    meltano.chmod(0o755)
    script = script.replace("/etc/qonto-credentials", str(tmp_path / "credentials"))
    told = subprocess.run(
        [*shell, script.replace("/etc/qonto", str(tmp_path))],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "JOB_COMPLETION_INDEX": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    assert told == [
        *("run", "--state-id-suffix=beta", "tap-qonto", "target-postgres"),
        *("beta-1234", "qonto_beta"),
    ]
