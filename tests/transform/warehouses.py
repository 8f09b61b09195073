"""Loaded warehouses: where raw tables can be damaged, built on, and asked."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from tests.transform.runs import MARTS

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class DuckDB:
    """A DuckDB file.

    Attributes:
        path: The file, named warehouse.duckdb: dbt knows a database by that name.
        python: Interpreter that has the loader's DuckDB. What a newer one drops and makes anew
            in a file, the loader's may fail to read.
    """

    path: Path
    python: Path

    @property
    def env(self) -> dict[str, str]:
        """Variables by which dbt finds it."""
        return {
            "DBT_TARGET": "duckdb",
            "QONTO_SCHEMA": "qonto",
            "QONTO_DUCKDB_PATH": str(self.path),
        }

    def run(self, statement: str) -> Rows:
        """Run a statement and return its rows."""
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def copy(self, folder: Path) -> DuckDB:
        """Return a copy in another folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(shutil.copy(self.path, folder / "warehouse.duckdb"))
        return DuckDB(path, self.python)

    def write(self, statement: str) -> None:
        """Run a statement that changes the file, as the loader's DuckDB does."""
        script = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute(sys.argv[2])"
        subprocess.run([self.python, "-c", script, self.path, statement], check=True)


@dataclass(frozen=True)
class Postgres:
    """A database of a PostgreSQL server.

    Attributes:
        server: Host, port and user, as psycopg takes them.
        name: The database.
    """

    server: dict[str, str]
    name: str

    @property
    def env(self) -> dict[str, str]:
        """Variables by which dbt and the loader find it."""
        return {
            "DBT_TARGET": "postgres",
            "QONTO_SCHEMA": "qonto",
            "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "qonto",
            "TARGET_POSTGRES_HOST": self.server["host"],
            "TARGET_POSTGRES_PORT": self.server["port"],
            "TARGET_POSTGRES_USER": self.server["user"],
            "TARGET_POSTGRES_PASSWORD": self.server.get("password", "unused"),
            "TARGET_POSTGRES_DATABASE": self.name,
        }

    def run(self, statement: str) -> Rows:
        """Run a statement and return its rows."""
        with psycopg.connect(**self.server, dbname=self.name, autocommit=True) as connection:  # type: ignore[arg-type] # text for every option
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def write(self, statement: str) -> None:
        """Run a statement that changes the database."""
        self.run(statement)

    def copy(self, name: str) -> Postgres:
        """Return a copy under another name, which replaces what had that name."""
        admin = Postgres(self.server, "postgres")
        admin.run(f"drop database if exists {name}")
        admin.run(f"create database {name} template {self.name}")
        return Postgres(self.server, name)


Warehouse = DuckDB | Postgres


def rows_of(warehouse: Warehouse, mart: str, without: frozenset[str] = frozenset()) -> Rows:
    """Return the rows of a mart in the order of its contract's columns, sorted."""
    [contract] = [model for model in MARTS if model["name"] == mart]
    names = [column["name"] for column in contract["columns"] if column["name"] not in without]
    quoted = ", ".join(f'"{name}"' for name in names)
    found = warehouse.run(f"select {quoted} from qonto_finance.{mart}")
    return sorted(found, key=lambda row: [(value is None, str(value)) for value in row])
