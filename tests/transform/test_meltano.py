"""The tables and the report as people get them: through Meltano, from a clone."""

from __future__ import annotations

import resource
import shutil
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from tests.kit.meltano_project import Project, fresh_project, rows_read
from tests.transform.runs import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transform.warehouses import Postgres

ENVIRONMENTS = ("demo", "sandbox", "prod")
SETTLED = "select id from qonto.transactions where status = 'completed' order by settled_at limit 1"
"""One row of any account, to which an offset may be added."""


def configured(environment: str, kind: str, plugin: str) -> dict[str, Any]:
    """Return what a plugin is told in an environment, its own defaults included."""
    project = yaml.safe_load((CHECKOUT / "meltano.yml").read_text("utf-8"))
    plugins = {item["name"]: item for item in project["plugins"][kind]}

    def own(name: str) -> dict[str, Any]:
        item = plugins[name]
        inherited = own(item["inherit_from"]) if item.get("inherit_from") in plugins else {}
        values = {it["name"]: it["value"] for it in item.get("settings", []) if "value" in it}
        return {**inherited, **values, **item.get("config", {})}

    [found] = [item for item in project["environments"] if item["name"] == environment]
    told = found["config"]["plugins"].get(kind, [])
    return own(plugin) | {
        name: value
        for item in told
        if item["name"] == plugin
        for name, value in item["config"].items()
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.slow
def test_loader_tables_and_report_of_an_environment_mean_one_place(environment: str) -> None:
    schemas = {
        configured(environment, "loaders", "target-postgres")["default_target_schema"],
        configured(environment, "utilities", "dbt-postgres")["schema"],
        configured(environment, "utilities", "report-postgres")["loader_schema"],
    }
    assert len(schemas) == 1, schemas
    files = {
        configured(environment, kind, plugin)["path"]
        for kind, plugin in (
            ("loaders", "target-duckdb"),
            ("utilities", "dbt-duckdb"),
            ("utilities", "report"),
        )
    }
    assert len(files) == 1, files
    for dbt, report in (("dbt-duckdb", "report"), ("dbt-postgres", "report-postgres")):
        told = configured(environment, "utilities", dbt)["target_path"]
        assert configured(environment, "utilities", report)["artifacts"] == told


def test_no_environment_writes_over_the_report_of_another_one() -> None:
    reports = [configured(it, "utilities", "report")["output"] for it in ENVIRONMENTS]
    assert len(set(reports)) == 3
    assert reports == [
        configured(it, "utilities", "report-postgres")["output"] for it in ENVIRONMENTS
    ]


@pytest.fixture(scope="module")
def clone() -> Iterator[Project]:
    """A clone whose plugins are installed: what the network takes does not count."""
    with fresh_project() as project:
        project.meltano("install")
        yield project


@pytest.fixture(scope="module")
def first_run(clone: Project) -> str:
    log = clone.meltano("run", "cash")
    assert "Maison Horizon" in (clone.root / "output/report.html").read_text("utf-8")
    return log


@pytest.mark.slow
def test_the_second_run_of_cash_is_incremental_and_under_a_minute(
    clone: Project, first_run: str
) -> None:
    first = rows_read(first_run)
    report = clone.root / "output/report.html"
    report.unlink()
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    second = rows_read(clone.meltano("run", "cash"))
    seconds = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert "Maison Horizon" in report.read_text("utf-8")
    assert first["transactions"] == 5_400
    assert second["transactions"] <= 50
    # A machine that is busy otherwise does not count: then it is what the processors worked.
    assert min(seconds, worked) < 60


@pytest.mark.slow
def test_a_report_is_never_made_of_tables_that_do_not_add_up(
    clone: Project, first_run: str
) -> None:
    """A movement is gone from the warehouse: the next run ends with an error and says where."""
    assert first_run
    report = clone.root / "output/report.html"
    report.write_text("yesterday's", "utf-8")
    warehouse = clone.root / "output/warehouse.duckdb"
    whole = shutil.copy(warehouse, clone.root / "output/whole.duckdb")
    with duckdb.connect(str(warehouse)) as connection:
        [(damaged,)] = connection.execute(SETTLED + " offset 1000").fetchall()
        connection.execute("delete from qonto.transactions where id = ?", [damaged])

    log = clone.meltano("run", "cash", fails=True)

    with duckdb.connect(str(warehouse), read_only=True) as connection:
        gaps = connection.execute(
            "select distinct kind from qonto_finance.qonto__balance_gaps"
        ).fetchall()
    shutil.move(whole, warehouse)
    assert gaps == [("balance",)]
    assert "identity_1_movements_explain_the_balance" in log
    assert report.read_text("utf-8") == "yesterday's"
    assert [path.name for path in report.parent.glob("*report*")] == ["report.html"]


@pytest.mark.slow
def test_each_environment_reports_on_its_own_tables_in_one_postgres_database(
    clone: Project, empty_postgres: Postgres
) -> None:
    """The made-up company, and beside it another one: a copy of its tables under another name."""
    database = empty_postgres
    env = {
        name: value
        for name, value in database.env.items()
        if name.startswith("TARGET_") and "SCHEMA" not in name
    }
    clone.meltano("run", "--full-refresh", "cash-postgres", env=env)
    report = clone.root / "output/report.html"
    assert "Maison Horizon" in report.read_text("utf-8")
    report.write_text("the demo's", "utf-8")

    database.write("create schema qonto_sandbox")
    for (table,) in database.run(
        "select table_name from information_schema.tables where table_schema = 'qonto_demo'"
    ):
        database.write(f"create table qonto_sandbox.{table} as table qonto_demo.{table}")
    database.write("update qonto_sandbox.organization set name = 'Bac & sable'")
    build = ("dbt-postgres:build", "report-postgres:html")
    clone.meltano("--environment=sandbox", "run", *build, env=env)

    page = (clone.root / "output/sandbox/report.html").read_text("utf-8")
    assert "Bac &amp; sable" in page
    assert "Maison Horizon" not in page
    assert report.read_text("utf-8") == "the demo's"
    cash = "select organization_name from {}_finance.qonto__kpis"
    assert [database.run(cash.format(it)) for it in ("qonto_demo", "qonto_sandbox")] == [
        [("Maison Horizon",)],
        [("Bac & sable",)],
    ]
