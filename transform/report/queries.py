"""What the report reads: the tables that people read, and nothing else.

The statements stand in questions.toml. The page shows each under the numbers that it gave, so that
every number can be asked for again.
"""

from __future__ import annotations

import os
import re
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Row = dict[str, Any]
"""One row: numbers are `int` or `Decimal`, days are `date`."""

HISTORY_DAYS: Final = 365
"""Days of balances that the report shows."""

HISTORY_MONTHS: Final = 18
"""Months of flows and VAT that the report shows, the current one included."""

SPEND_MONTHS: Final = 12
"""Months of spending and documents that the report shows, the current one included."""

POSTGRES: Final = ("postgres://", "postgresql://")
"""How an address of a PostgreSQL database begins; everything else is a DuckDB file."""

_QUESTIONS: Final = Path(__file__).with_name("questions.toml")

_FIRST_WITH_A_DAY: Final = "balances"
"""The statements before it say which day is today."""

_SCHEMA_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_POSTGRES_VARIABLES: Final[Mapping[str, str]] = {
    "host": "HOST",
    "port": "PORT",
    "user": "USER",
    "password": "PASSWORD",
    "dbname": "DATABASE",
    "sslmode": "SSL_MODE",
}
"""By the driver's name: the end of the name of a variable."""


class ReportError(Exception):
    """A sentence for the person who runs the report: what is wrong, and what to do."""


@dataclass(frozen=True)
class Answer:
    """What one statement gave.

    Attributes:
        table: The table that it is about.
        sql: The statement as it was run.
        rows: Its rows, in its order.
        is_there: False if the warehouse does not have the table.
    """

    table: str
    sql: str
    rows: Sequence[Row] = ()
    is_there: bool = True

    def of(self, currency: str) -> list[Row]:
        """Return the rows of one currency."""
        return [row for row in self.rows if row["currency"] == currency]


@dataclass(frozen=True)
class Answers:
    """All that the report knows.

    Attributes:
        as_of: Day that counts as today.
        by_name: An answer for each statement of questions.toml.
    """

    as_of: date
    by_name: Mapping[str, Answer] = field(repr=False)

    def __getitem__(self, name: str) -> Answer:
        """Return the answer of that name."""
        return self.by_name[name]

    @property
    def currencies(self) -> list[str]:
        """Every currency of any answer, that of the main account first."""
        found = [row["currency"] for row in self["kpis"].rows]
        for answer in self.by_name.values():
            found += sorted({row["currency"] for row in answer.rows if row.get("currency")})
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Database:
    """A database that is only read.

    Attributes:
        connection: Of its driver (PEP 249).
        error: What its driver raises.
    """

    connection: Any
    error: type[Exception]

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of a statement.

        Raises:
            ReportError: If the database does not answer.
        """
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except self.error as error:
            message = (
                f"The database did not answer `{sql}` ({type(error).__name__}): the tables may be"
                " of another version. Build them again with dbt."
            )
            raise ReportError(message) from None


@contextmanager
def connect(database: str) -> Iterator[Database]:
    """Open a database to read, and close it at the end.

    Args:
        database: Path of a DuckDB file, or a URL that begins with `postgresql://`. What such a URL
            leaves out is taken from `TARGET_POSTGRES_HOST`, `_PORT`, `_USER`, `_PASSWORD`,
            `_DATABASE` and `_SSL_MODE`, as the loader and dbt take it.

    Raises:
        ReportError: If it is not there, cannot be opened, or its driver is not installed.
    """
    opened = _postgres(database) if database.startswith(POSTGRES) else _duckdb(database)
    try:
        yield opened
    finally:
        opened.connection.close()


def _duckdb(path: str) -> Database:
    import duckdb

    # DuckDB would make a file that is not there.
    if not Path(path).is_file():
        message = f"There is no DuckDB file {path}: run `meltano run cash` first, or name another."
        raise ReportError(message)
    try:
        return Database(duckdb.connect(path, read_only=True), duckdb.Error)
    except duckdb.Error as error:
        message = (
            f"The DuckDB file {path} cannot be opened ({type(error).__name__}). Another program may"
            " be writing to it, or a newer DuckDB have made it: try again when that has ended."
        )
        raise ReportError(message) from None


def _postgres(url: str) -> Database:
    try:
        import psycopg
    except ImportError:
        message = "A report on PostgreSQL needs its driver: install psycopg[binary]."
        raise ReportError(message) from None

    known = {
        name: value
        for name, variable in _POSTGRES_VARIABLES.items()
        if (value := os.environ.get(f"TARGET_POSTGRES_{variable}"))
    }
    try:
        told = {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items()}
        connection = psycopg.connect(psycopg.conninfo.make_conninfo(**{**known, **told}))
    except psycopg.Error as error:
        # The driver's own message can carry the URL, and with it the password.
        message = (
            f"The PostgreSQL database cannot be opened ({type(error).__name__}): check the URL and"
            " the TARGET_POSTGRES_ variables."
        )
        raise ReportError(message) from None
    connection.read_only = True
    return Database(connection, psycopg.Error)


def ask(database: Database, schema: str, today: date) -> Answers:
    """Ask everything.

    Args:
        database: From `connect`.
        schema: Schema of the tables that people read, such as qonto_finance.
        today: Counts as today where the tables are too empty to say.

    Raises:
        ReportError: If the schema has none of the tables, or one of them lacks a column.
    """
    if not _SCHEMA_NAME.fullmatch(schema):
        message = f"{schema!r} is no name of a schema: use letters, digits and underscores."
        raise ReportError(message)
    there = {
        row["table_name"]
        for row in database.rows(
            "select table_name from information_schema.tables"  # noqa: S608 - its pattern is checked
            f" where table_schema = '{schema}'"
        )
    }
    if not any(name.startswith("qonto__") for name in there):
        message = (
            f"The database has no tables {schema}.qonto__*: run `meltano invoke dbt-duckdb:build`"
            " (or dbt-postgres:build) first, or name their schema with --schema."
        )
        raise ReportError(message)
    as_of = today
    days: Mapping[str, str] = {}
    by_name: dict[str, Answer] = {}
    questions = tomllib.loads(_QUESTIONS.read_text(encoding="utf-8"))
    for name, question in questions.items():
        table = f"qonto__{question['mart']}"
        if name == _FIRST_WITH_A_DAY:
            as_of = _as_of(by_name) or today
            days = _days(as_of)
        sql = " ".join(question["sql"].split()).format(mart=f"{schema}.{table}", **days)
        by_name[name] = (
            Answer(table, sql, database.rows(sql))
            if table in there
            else Answer(table, sql, is_there=False)
        )
    return Answers(as_of, by_name)


def _as_of(by_name: Mapping[str, Answer]) -> date | None:
    for name in ("kpis", "last_day"):
        for row in by_name[name].rows:
            if isinstance(row["as_of"], date):
                return row["as_of"]
    return None


def _days(as_of: date) -> dict[str, str]:
    return {
        "as_of": as_of.isoformat(),
        "first_day": (as_of - timedelta(days=HISTORY_DAYS)).isoformat(),
        "first_flow_month": months_before(as_of, HISTORY_MONTHS - 1).isoformat(),
        "first_spend_month": months_before(as_of, SPEND_MONTHS - 1).isoformat(),
    }


def months_before(day: date, months: int) -> date:
    """Return the first day of the month that is so many months before that of the day."""
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)
