"""What the report reads: the tables that people read, and nothing else.

Every question below is one statement, which the page shows under the table that it fills, so that
each number can be asked for again. They sum and sort; what a number means is decided in the tables.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

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

_SCHEMA_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_MONEY_AND_COUNT: Final = "sum(amount) as amount, count(*) as transactions"

QUESTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "kpis": ("kpis", "select * from {mart} order by is_main desc, currency"),
    "accounts": (
        "accounts",
        "select * from {mart} order by currency, is_main desc, balance desc nulls last",
    ),
    "last_day": ("daily_balances", "select max(day) as as_of from {mart}"),
    "balances": (
        "daily_balances",
        "select currency, account_id, account_name, day, balance from {mart}"
        " where day >= date '{first_day}' order by currency, day, account_id",
    ),
    "month_ends": (
        "daily_balances",
        "select currency, day, sum(balance) as balance, sum(pending_out) as pending_out,"
        " sum(available) as available from {mart} where day >= date '{first_day}'"
        " and (extract(day from day + 1) = 1 or day = date '{as_of}')"
        " group by currency, day order by currency, day desc",
    ),
    "forecast": ("forecast", "select * from {mart} order by currency, week, certainty"),
    "expected": (
        "payment_calendar",
        "select * from {mart} where week is not null order by abs(net) desc, flow_id",
    ),
    "flows": (
        "cash_flow",
        "select currency, month, flow_type, sum(money_in) as money_in, sum(money_out) as money_out,"
        " sum(net) as net, sum(transactions) as transactions from {mart}"
        " where flow_type <> 'internal' and month >= date '{first_flow_month}'"
        " group by currency, month, flow_type order by currency, month desc, flow_type desc",
    ),
    "flow_categories": (
        "cash_flow",
        "select currency, month, category, sum(money_in) as money_in, sum(money_out) as money_out,"
        " sum(net) as net from {mart}"
        " where flow_type <> 'internal' and month >= date '{first_flow_month}'"
        " group by currency, month, category order by currency, month desc, category",
    ),
    "receivables": (
        "receivables",
        "select * from {mart} order by days_overdue desc, open_amount desc, invoice_id",
    ),
    "ages": (
        "receivables",
        "select currency, age_bucket, sum(open_amount) as open_amount, count(*) as invoices"
        " from {mart} group by currency, age_bucket",
    ),
    "clients": (
        "receivables",
        "select currency, client_id, client_name, sum(open_amount) as open_amount,"
        " sum(case when days_overdue > 0 then open_amount else 0 end) as overdue,"
        " count(*) as invoices, max(days_overdue) as days_overdue from {mart}"
        " group by currency, client_id, client_name order by currency, open_amount desc, client_id",
    ),
    "payables": (
        "payables",
        "select * from {mart} order by pay_on nulls last, open_amount desc nulls last, invoice_id",
    ),
    "pay_weeks": (
        "payables",
        "select currency, case when pay_on >= date '{as_of}' then"
        " cast(date_trunc('week', pay_on) as date) end as week,"
        " pay_on is not null and pay_on < date '{as_of}' as late, status,"
        " sum(open_amount) as open_amount, count(*) as invoices"
        " from {mart} group by 1, 2, 3, 4 order by 1, 3 desc, 2 nulls last, 4",
    ),
    "vat": (
        "vat",
        "select * from {mart} where month >= date '{first_flow_month}'"
        " order by currency, method, month desc, rate desc nulls last",
    ),
    "spend_category": (
        "spend",
        f"select currency, category, {_MONEY_AND_COUNT} from {{mart}}"
        " where month >= date '{first_spend_month}' group by currency, category"
        " order by currency, amount desc, category",
    ),
    **{
        f"spend_{what}": (
            "spend",
            f"select currency, category, {what}, {_MONEY_AND_COUNT} from {{mart}}"
            f" where month >= date '{{first_spend_month}}' group by currency, category, {what}"
            f" order by currency, amount desc, category, {what}",
        )
        for what in ("supplier", "team", "card")
    },
    "missing": (
        "missing_receipts",
        "select * from {mart} order by amount desc, transaction_id",
    ),
    "missing_months": (
        "missing_receipts",
        f"select currency, holder, month, {_MONEY_AND_COUNT} from {{mart}}"
        " where month >= date '{first_spend_month}' group by currency, holder, month"
        " order by currency, month desc, transactions desc, holder",
    ),
    "documented": (
        "reconciliation",
        "select currency, month, sum(case when is_matchable then 1 else 0 end) as matchable,"
        " sum(case when is_matched then 1 else 0 end) as matched,"
        " sum(case when is_documentable then 1 else 0 end) as documentable,"
        " sum(case when is_documented then 1 else 0 end) as documented from {mart}"
        " where month >= date '{first_spend_month}'"
        " group by currency, month order by currency, month desc",
    ),
    "gaps": ("balance_gaps", "select * from {mart} order by day nulls first, account_id, kind"),
    "errors": (
        "forecast_errors",
        "select * from {mart} order by currency, month_end desc, method",
    ),
    "mean_errors": (
        "forecast_errors",
        "select currency, method, count(*) as month_ends,"
        " cast(avg(abs(error)) as numeric(18, 2)) as mean_absolute_error,"
        " cast(avg(error) as numeric(18, 2)) as mean_error"
        " from {mart} group by currency, method order by currency, mean_absolute_error, method",
    ),
}
"""By name: the table without its prefix, and the statement."""


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
        by_name: An answer for each of `QUESTIONS`.
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


class _Cursor(Protocol):
    """What both databases' cursors have in common (PEP 249)."""

    @property
    def description(self) -> Any: ...
    def execute(self, query: Any, /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


def connect(database: str) -> AbstractContextManager[Any]:
    """Open a database to read.

    Args:
        database: Path of a DuckDB file, or a URL that begins with `postgresql://`. What such a URL
            leaves out is taken from `TARGET_POSTGRES_HOST`, `_PORT`, `_USER`, `_PASSWORD`,
            `_DATABASE` and `_SSL_MODE`, as the loader and dbt take it.

    Raises:
        ReportError: If it is not there, cannot be opened, or its driver is not installed.
    """
    return _postgres(database) if database.startswith(POSTGRES) else _duckdb(database)


def _duckdb(path: str) -> AbstractContextManager[Any]:
    import duckdb  # noqa: PLC0415 - a report on PostgreSQL needs no DuckDB

    # DuckDB would make a file that is not there.
    if not os.path.isfile(path):  # noqa: PTH113 - the database may be no path at all
        message = f"There is no DuckDB file {path}: run `meltano run cash` first, or name another."
        raise ReportError(message)
    try:
        return duckdb.connect(path, read_only=True)
    except duckdb.Error as error:
        message = (
            f"The DuckDB file {path} cannot be opened ({type(error).__name__}). Another program may"
            " be writing to it, or a newer DuckDB have made it: try again when that has ended."
        )
        raise ReportError(message) from None


def _postgres(url: str) -> AbstractContextManager[Any]:
    try:
        import psycopg  # noqa: PLC0415 - a report on DuckDB needs no PostgreSQL
    except ImportError:
        message = "A report on PostgreSQL needs its driver: install psycopg[binary]."
        raise ReportError(message) from None

    variables = {
        "host": "HOST",
        "port": "PORT",
        "user": "USER",
        "password": "PASSWORD",
        "dbname": "DATABASE",
        "sslmode": "SSL_MODE",
    }
    known = {
        name: value
        for name, variable in variables.items()
        if (value := os.environ.get(f"TARGET_POSTGRES_{variable}"))
    }
    try:
        connection = psycopg.connect(
            **{**known, **psycopg.conninfo.conninfo_to_dict(url)},  # type: ignore[arg-type]
        )
    except psycopg.Error as error:
        # The driver's message names the host and the user at most in part: say neither.
        message = (
            f"The PostgreSQL database cannot be opened ({type(error).__name__}): check the URL and"
            " the TARGET_POSTGRES_ variables."
        )
        raise ReportError(message) from None
    connection.read_only = True
    return connection


def ask(connection: Any, schema: str, today: date) -> Answers:
    """Ask everything.

    Args:
        connection: From `connect`.
        schema: Schema of the tables that people read, such as qonto_finance.
        today: Counts as today where the tables are too empty to say.

    Raises:
        ReportError: If the schema has none of the tables, or one of them lacks a column.
    """
    if not _SCHEMA_NAME.fullmatch(schema):
        message = f"{schema!r} is no name of a schema: use letters, digits and underscores."
        raise ReportError(message)
    cursor = connection.cursor()
    there = _tables(cursor, schema)
    if not there:
        message = (
            f"The database has no tables {schema}.qonto__*: run `meltano invoke dbt-duckdb:build`"
            " (or dbt-postgres:build) first, or name their schema with --schema."
        )
        raise ReportError(message)
    as_of = today
    days: Mapping[str, str] = {}
    by_name: dict[str, Answer] = {}
    for name, (mart, template) in QUESTIONS.items():
        table = f"qonto__{mart}"
        if name == "balances":  # the first that asks for a day
            as_of = _as_of(by_name) or today
            days = _days(as_of)
        sql = template.format(mart=f"{schema}.{table}", **days)
        by_name[name] = (
            Answer(table, sql, _rows(cursor, sql))
            if table in there
            else Answer(table, sql, is_there=False)
        )
    return Answers(as_of, by_name)


def _tables(cursor: _Cursor, schema: str) -> set[str]:
    cursor.execute(
        "select table_name from information_schema.tables"  # noqa: S608 - checked by its pattern
        f" where table_schema = '{schema}' and table_name like 'qonto\\_\\_%' escape '\\'"
    )
    return {name for (name,) in cursor.fetchall()}


def _rows(cursor: _Cursor, sql: str) -> list[Row]:
    try:
        cursor.execute(sql)
    except Exception as error:  # each driver has errors of its own
        message = (
            f"The database did not answer `{sql}` ({type(error).__name__}): the tables may be of"
            " another version. Build them again with dbt."
        )
        raise ReportError(message) from None
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


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
