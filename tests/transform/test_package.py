"""Another dbt project takes the tables by Git, and two databases that nobody here has compile."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.kit.manual import blocks
from tests.transform.firm import TABLES, TODAY
from tests.transform.loaders import DUCKDB as LOADERS
from tests.transform.runs import MARTS, PROJECT, Dbt, environment
from tests.transform.warehouses import DuckDB, rows_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PROFILES = """
elsewhere:
  target: mine
  outputs:
    mine:
      type: duckdb
      path: "{{ env_var('QONTO_DUCKDB_PATH') }}"
      schema: analytics
"""
PROJECT_FILE = """
name: elsewhere
version: "1.0.0"
profile: elsewhere
vars:
  qonto_schema: bank
  qonto_as_of: "2026-10-31"
"""


def committed(folder: Path) -> Path:
    """Return a repository that has the package where this one has it."""
    shutil.copytree(
        PROJECT,
        folder / "transform",
        ignore=shutil.ignore_patterns("report", "target", "logs", "dbt_packages"),
    )
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (
        ("init", "--quiet"),
        ("add", "--all"),
        (*author, "commit", "--quiet", "--message", "Package"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def test_another_project_takes_the_tables_by_git(loaded: DuckDB, dbt: Dbt, tmp_path: Path) -> None:
    warehouse = loaded.copy(tmp_path / "data")
    warehouse.write("create schema bank")
    for (table,) in warehouse.run(
        "select table_name from duckdb_tables() where schema_name = 'qonto'"
    ):
        warehouse.write(f"create table bank.{table} as from qonto.{table}")
    warehouse.write("drop schema qonto cascade")
    repository = tmp_path / "repository"
    repository.mkdir()
    project = tmp_path / "elsewhere"
    project.mkdir()
    (project / "dbt_project.yml").write_text(PROJECT_FILE, "utf-8")
    (project / "profiles.yml").write_text(PROFILES, "utf-8")
    origin = committed(repository).as_uri()
    subprocess.run(["git", "clone", "--quiet", origin, tmp_path / "tap-qonto"], check=True)
    env = {"QONTO_DUCKDB_PATH": str(warehouse.path), "DBT_TARGET": "mine", "QONTO_AS_OF": ""}
    [manual] = blocks("docs/answers.md", "package")
    subprocess.run(
        ["sh", "-euc", manual],
        cwd=project,
        env={"PATH": f"{dbt.python.parent}:/usr/bin:/bin", "DBT_PROFILES_DIR": str(project), **env},
        check=True,
    )
    outcome = dbt.run("build", env=env, project=project, profiles=project)
    assert outcome.success, outcome.log
    tables = warehouse.run(
        "select table_name from duckdb_tables() where schema_name = 'analytics_qonto_finance'"
    )
    assert {name for (name,) in tables} == {mart["name"] for mart in MARTS}
    [(cash,)] = warehouse.run("select cash from analytics_qonto_finance.qonto__kpis")
    assert cash > 0


def test_the_newest_dbt_builds_the_same(environments: Path, dbt: Dbt, tmp_path: Path) -> None:
    """Its wheel wants a parser that has none; everything but that parser works without it."""
    requirements = ["dbt-core~=1.12.0", "dbt-duckdb~=1.11.0", "duckdb==1.2.2"]
    python = environment(environments, requirements, "dbt-core-experimental-parser")
    newest = Dbt(python, tmp_path)
    warehouse = DuckDB(tmp_path / "warehouse.duckdb", python)
    warehouse.write(LOADERS["as target-duckdb does"].statements(TABLES))
    oldest = warehouse.copy(tmp_path / "oldest")
    for command, where in ((newest, warehouse), (dbt, oldest)):
        outcome = command.run("build", env={**where.env, "QONTO_AS_OF": TODAY})
        assert outcome.success, outcome.log
    newest.close()
    for mart in MARTS:
        assert rows_of(warehouse, mart["name"]) == rows_of(oldest, mart["name"])


UNTESTED = {
    "snowflake": """
qonto:
  target: snowflake
  outputs:
    snowflake:
      type: snowflake
      account: nobody
      user: nobody
      password: nobody
      database: analytics
      warehouse: nobody
      schema: qonto
""",
    "bigquery": """
qonto:
  target: bigquery
  outputs:
    bigquery:
      type: bigquery
      method: oauth-secrets
      token: nobody
      project: nobody
      schema: qonto
""",
}
PARSED = """
import pathlib, sys, sqlglot
failed = []
files = sorted(pathlib.Path(sys.argv[2]).rglob("*.sql"))
for path in files:
    try:
        sqlglot.parse(path.read_text(), dialect=sys.argv[1])
    except sqlglot.errors.ParseError as error:
        failed.append(f"{path.name}: {error}")
print(len(files), *failed, sep="\\n")
"""
FOREIGN = ("generate_series", "strpos(", "#>>", "unnest(cast", "make_timestamp", "jsonb")
"""What only DuckDB and PostgreSQL have (BigQuery has strpos)."""


@pytest.mark.parametrize("adapter", UNTESTED)
def test_untested_databases_compile(adapter: str, environments: Path, tmp_path: Path) -> None:
    """Grammar only: no table is asked for, nothing runs."""
    python = environment(environments, ["dbt-core~=1.11.0", f"dbt-{adapter}", "sqlglot"])
    (tmp_path / "profiles.yml").write_text(UNTESTED[adapter], "utf-8")
    dbt = Dbt(python, tmp_path)
    outcome = dbt.run(
        *("compile", "--no-introspect", "--no-populate-cache"),
        *("--exclude", "resource_type:unit_test"),
        env={"DBT_TARGET": adapter},
        profiles=tmp_path,
    )
    dbt.close()
    assert outcome.success, (outcome.error, outcome.log)
    compiled = tmp_path / "target/compiled"
    report = subprocess.run(
        [python, "-c", PARSED, adapter, compiled], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    models = len(list(PROJECT.glob("models/**/*.sql")))
    assert int(report[0]) >= models
    assert report[1:] == []
    text = "\n".join(path.read_text("utf-8") for path in compiled.rglob("*.sql"))
    own = {"strpos("} if adapter == "bigquery" else set()
    assert [word for word in FOREIGN if word in text and word not in own] == []
