"""The examples for many organizations, run by the schedulers that they are for."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import requests
import yaml
from moto.server import ThreadedMotoServer

from tap_qonto.demo import Api, Company, DemoServer
from tests.kit.manual import newcomer_variables
from tests.kit.meltano_project import CHECKOUT, NOBODY, Project, project, rows_read
from tests.kit.runner import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

s3fs: Any = import_module("s3fs")  # which has no types

ORGANIZATIONS = ("alpha", "beta", "gamma")
DAGSTER = "dagster@1.13.28"
WEBSERVER = "dagster-webserver==1.13.28"
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
    # The project's own environment, whose `meltano` the examples use.
    subprocess.run(["uv", "sync", "--quiet"], cwd=made.root, env=newcomer_variables(), check=True)
    return made


def commands(example: str) -> list[str]:
    """Return the commands of an example's docstring."""
    text = (CHECKOUT / f"examples/{example}_organizations.py").read_text(encoding="utf-8")
    return re.findall(r"^    (\S.*)$", text.split('"""')[1], re.MULTILINE)


def shell(clone: Project, lines: list[str], env: dict[str, str]) -> str:
    """Run lines in one shell, in the folder of `meltano.yml`; return what they say."""
    finished = subprocess.run(
        ["bash", "-euc", "\n".join(lines)],
        cwd=clone.root,
        env=newcomer_variables()
        | {
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


def pinned(lines: list[str], home: Path) -> list[str]:
    """Return commands that take the versions with which the examples were tried.

    Args:
        lines: The commands, which may write to the reader's home folder.
        home: A folder that takes its place; the home folder itself has what uv downloaded.
    """
    return [
        line.replace("$HOME", str(home))
        .replace("uvx --with dagster-webserver dagster", f"uvx --with {WEBSERVER} {DAGSTER}")
        .replace("uvx dagster ", f"uvx {DAGSTER} ")
        .replace("--from apache-airflow ", f"--from {AIRFLOW} ")
        for line in lines
    ]


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
    *prepare, _serve, materialize, limit = pinned(commands("dagster"), tmp_path)
    assert "--partition alpha" in materialize
    for organization in ORGANIZATIONS:
        log = shell(clone, [*prepare, materialize.replace("alpha", organization)], bucket)
        assert "RUN_SUCCESS" in log
        company = Company(organization)
        assert rows_read(log)["transactions"] == company.total("transactions")
    shell(clone, [*prepare, limit], bucket)
    loaded = [transactions(clone, organization) for organization in ORGANIZATIONS]
    assert len(set.union(*loaded)) == sum(map(len, loaded)) == 3 * company.total("transactions")

    airflow = bucket | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    }
    log = shell(clone, pinned(commands("airflow"), tmp_path), airflow)
    assert "state=success" in log
    read = re.findall(r"tap-qonto +transactions: [\d,]+ rows? in", log)
    assert len(read) == len(ORGANIZATIONS)
    assert rows_read(log)["transactions"] < 50
    assert [transactions(clone, organization) for organization in ORGANIZATIONS] == loaded


@pytest.mark.slow
def test_dagster_shows_the_asset_with_a_partition_per_organization(
    clone: Project, tmp_path: Path
) -> None:
    *prepare, serve, _, _ = pinned(commands("dagster"), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    question = "{assetNodes {assetKey {path} partitionKeys}}"
    script = "\n".join([*prepare, f"exec {serve} --port {port}"])
    server = subprocess.Popen(
        ["bash", "-euc", script],
        cwd=clone.root,
        env=newcomer_variables() | {"QONTO_ORGANIZATIONS": ",".join(ORGANIZATIONS)},
        start_new_session=True,
    )
    try:
        nodes = answer_of(f"http://127.0.0.1:{port}/graphql", question)["assetNodes"]
    finally:
        # How long Dagster takes to end its own processes is not what is tested here.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=60)
    assert nodes == [{"assetKey": {"path": ["qonto"]}, "partitionKeys": list(ORGANIZATIONS)}]


def answer_of(url: str, question: str) -> Any:
    """Ask a GraphQL server that may still be starting."""
    for _ in range(240):
        try:
            answer = requests.post(url, json={"query": question}, timeout=30)
        except requests.ConnectionError:
            time.sleep(0.5)
        else:
            return answer.json()["data"]
    pytest.fail(f"Nobody answers at {url}")


def test_the_organizations_go_to_production_as_soon_as_one_of_them_has_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = spec_from_file_location("organizations", CHECKOUT / "examples/organizations.py")
    assert spec
    assert spec.loader
    organizations = module_from_spec(spec)
    spec.loader.exec_module(organizations)
    monkeypatch.delenv("MELTANO_ENVIRONMENT", raising=False)
    monkeypatch.setenv("QONTO_ORGANIZATIONS", "alpha, beta")
    assert organizations.names() == ["alpha", "beta"]
    assert organizations.environment() == "demo"
    monkeypatch.setenv("QONTO_BETA_LOGIN", "beta-1234")
    assert organizations.environment() == "prod"
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "sandbox")
    assert organizations.environment() == "sandbox"

    alpha, beta = organizations.settings("alpha"), organizations.settings("beta")
    assert beta["TAP_QONTO_LOGIN"] == "beta-1234"
    assert alpha["TAP_QONTO_LOGIN"] == ""
    assert alpha.keys() == beta.keys()
    assert not {name for name in alpha if alpha[name] == beta[name] != ""}


@pytest.mark.slow
def test_an_organization_whose_key_was_forgotten_fails_and_takes_nobody_elses(
    clone: Project,
) -> None:
    login, _, secret_key = KEY.partition(":")
    own = {"QONTO_REAL_LOGIN": login, "QONTO_REAL_SECRET_KEY": secret_key}
    lines = ["! uv run python examples/organizations.py"]
    env_file = clone.root / ".env"
    with DemoServer(Api(Company(transactions=60), authorization=KEY)) as server:
        env_file.write_text(
            f"TAP_QONTO_LOGIN={login}\nTAP_QONTO_SECRET_KEY={secret_key}\n"
            f"TAP_QONTO_API_URL={server.api_url}\n"
        )
        try:
            log = shell(clone, lines, own | {"QONTO_ORGANIZATIONS": "real,forgotten"})
        finally:
            env_file.unlink()
    assert "No credentials are set" in log
    assert "Not loaded: forgotten\n" in log
    assert transactions(clone, "real")
    with duckdb.connect(str(clone.root / "output/forgotten.duckdb")) as connection:
        assert connection.execute("show all tables").fetchall() == []


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
