"""Warehouses that the tap has loaded once, and processes of dbt, which the tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from tests.kit.meltano_project import project
from tests.transform.runs import Dbt, environment, requirements_of
from tests.transform.warehouses import DuckDB, Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def environments(request: pytest.FixtureRequest) -> Path:
    """The folder that keeps environments from one run of the tests to the next."""
    cache: pytest.Cache = request.config.cache
    return cache.mkdir("transform")


@pytest.fixture(scope="session")
def dbt(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    """Meltano's dbt-duckdb: DuckDB is the loader's."""
    python = environment(environments, requirements_of("dbt-duckdb"))
    dbt = Dbt(python, tmp_path_factory.mktemp("dbt-duckdb"))
    yield dbt
    dbt.close()


@pytest.fixture(scope="session")
def dbt_postgres(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    """Meltano's dbt-postgres."""
    python = environment(environments, requirements_of("dbt-postgres"))
    dbt = Dbt(python, tmp_path_factory.mktemp("dbt-postgres"))
    yield dbt
    dbt.close()


@pytest.fixture(scope="session")
def load_duckdb(dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], DuckDB]:
    """Loads a demo company of a name into a DuckDB file of its own."""

    def load(organization: str) -> DuckDB:
        path = tmp_path_factory.mktemp("loaded") / "warehouse.duckdb"
        project().meltano(
            "run",
            f"--state-id-suffix=transform-{path.parent.name}",
            *("tap-qonto", "target-duckdb"),
            env={
                "TARGET_DUCKDB_PATH": str(path),
                "TAP_QONTO_DEMO_ORGANIZATION": organization,
                "TAP_QONTO_ATTACHMENTS_PATH": str(path.parent / "documents"),
            },
        )
        return DuckDB(path, dbt.python)

    return load


@pytest.fixture(scope="session")
def loaded(load_duckdb: Callable[[str], DuckDB]) -> DuckDB:
    """The demo company in DuckDB, as loaded; tests work on copies."""
    return load_duckdb("demo")


@pytest.fixture(scope="session")
def built(loaded: DuckDB, dbt: Dbt, tmp_path_factory: pytest.TempPathFactory) -> DuckDB:
    """The same with all tables built; tests that change something work on copies."""
    warehouse = loaded.copy(tmp_path_factory.mktemp("built"))
    outcome = dbt.run("build", env=warehouse.env)
    assert outcome.success, outcome.log
    return warehouse


@pytest.fixture(scope="session")
def postgres_admin() -> Postgres:
    """The database of a PostgreSQL server in which others are made."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        if os.environ.get("CI"):
            pytest.fail("TEST_POSTGRES_URL is not set")
        pytest.skip("`.ci/run slow` starts the PostgreSQL server that this needs")
    parts = make_url(url)
    server = {
        "host": str(parts.host),
        "port": str(parts.port),
        "user": str(parts.username),
        "password": str(parts.password or "unused"),
    }
    return Postgres(server, str(parts.database))


@pytest.fixture(scope="session")
def empty_postgres(postgres_admin: Postgres) -> Iterator[Postgres]:
    """A PostgreSQL database with nothing in it, until the first test loads something."""
    name = "qonto_transform_empty"
    postgres_admin.run(f"drop database if exists {name}")
    postgres_admin.run(f"create database {name}")
    yield Postgres(postgres_admin.server, name)
    postgres_admin.run(f"drop database {name}")


@pytest.fixture(scope="session")
def loaded_postgres(postgres_admin: Postgres) -> Iterator[Postgres]:
    """The demo company in a PostgreSQL database of its own, as loaded."""
    admin, server = postgres_admin, postgres_admin.server
    admin.run("drop database if exists qonto_transform_loaded")
    admin.run("create database qonto_transform_loaded")
    warehouse = Postgres(server, "qonto_transform_loaded")
    project().meltano(
        "run",
        "--state-id-suffix=transform-postgres",
        "--full-refresh",
        *("tap-qonto", "target-postgres"),
        env=warehouse.env,
    )
    yield warehouse
    admin.run("drop database qonto_transform_loaded")


@pytest.fixture(scope="session")
def built_postgres(loaded_postgres: Postgres, dbt_postgres: Dbt) -> Iterator[Postgres]:
    """The same with all tables built."""
    warehouse = loaded_postgres.copy("qonto_transform_built")
    outcome = dbt_postgres.run("build", env=warehouse.env)
    assert outcome.success, outcome.log
    yield warehouse
    Postgres(warehouse.server, "postgres").run("drop database qonto_transform_built")
