"""The tables that people read, made up row by row, and reports on them.

Run as a module it builds every report of `WORLDS` in one process: importing the charts once is most
of the time, and DuckDB stays out of the process of the tests.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import redirect_stderr
from datetime import date, timedelta
from html import unescape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECKOUT: Final = Path(__file__).parents[2]
AS_OF: Final = date(2026, 10, 31)
HOSTILE: Final = (
    "</script><script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "{{ 7 * 7 }} {% raw %} ' \" & <!-- \u202e txt \N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}",
    "A long name " * 30,
)
"""Names that want to be more than text."""

NAMES: Final = ("Firma Uno", "Ada Bee", "Cleo Dee", "Eve Eff")

Row = dict[str, Any]
Books = dict[str, list[Row]]


def contract() -> dict[str, dict[str, str]]:
    """Return the columns of each mart and their types, as `marts.yml` promises them."""
    path = CHECKOUT / "transform/models/marts/marts.yml"
    models = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    return {
        model["name"].removeprefix("qonto__"): {
            column["name"]: column["data_type"] for column in model["columns"]
        }
        for model in models
    }


def _days(count: int, step: int = 1) -> list[date]:
    return [AS_OF - timedelta(days=step * back) for back in range(count)]


def _months(count: int) -> list[date]:
    return [date(2026 + (9 - back) // 12, (9 - back) % 12 + 1, 1) for back in range(count)]


def usual(
    currency: str = "EUR",
    names: tuple[str, ...] = ("Ada", "Bea", "Cleo", "Dora"),
    things: tuple[str, ...] = (),
) -> Books:
    """Return a company whose every amount is another one, so that a mix-up shows.

    Args:
        currency: ISO 4217 code.
        names: Of people and companies.
        things: Names of accounts, teams and categories; by default the same.
    """
    things = things or names
    cents = iter(range(100_001, 10_000_000, 7_919))

    def amount() -> str:
        return f"{next(cents) / 100:.2f}"

    everywhere = {"currency": currency}
    kpi = {
        "is_main": currency == "EUR",
        "organization_name": names[0],
        "locale": "en",
        "as_of": AS_OF,
        "loaded_at": "2026-11-01 06:00:00",
        "runway_months": "12.3",
        "lowest_week": 9,
        "lowest_week_starts_on": AS_OF + timedelta(days=57),
        "dso_days": "45.6",
        "overdue_invoices": 3,
        "payables_not_analyzed": 2,
        "missing_receipts": 17,
        "accounts": 2,
        "accounts_explained": 1,
        "balance_gaps": 1,
        "matched_rate": "0.3201",
        "documented_rate": "0.6052",
        **{f"share_{name}": "0.2500" for name in ("known", "likely", "learned", "assumed")},
        **{
            name: amount()
            for name in (
                *("cash", "available", "burn", "receivables", "overdue", "payables"),
                *("payables_overdue", "to_pay_7_days", "to_pay_30_days", "lowest_balance"),
                *("forecast_closing", "missing_receipts_amount"),
            )
        },
    }
    accounts = [f"{currency}-1", f"{currency}-2"]
    books: Books = {
        "kpis": [kpi],
        "accounts": [
            {
                "account_id": account,
                "account_name": things[place],
                "status": "active",
                "is_main": place == 0,
                "is_external": False,
                "balance": amount(),
                "available": amount(),
                "explained": place == 0,
                "explained_balance": amount(),
                "difference": amount(),
                "movements": 5,
                "statements": 3,
            }
            for place, account in enumerate(accounts)
        ],
        "daily_balances": [
            {
                "account_id": account,
                "account_name": things[place],
                "day": day,
                "balance": amount(),
                "pending_out": amount(),
                "available": amount(),
            }
            for place, account in enumerate(accounts)
            for day in _days(70)
        ],
        "forecast": [
            {
                "week": week,
                "week_starts_on": AS_OF + timedelta(days=7 * week - 6),
                "week_ends_on": AS_OF + timedelta(days=7 * week),
                "certainty": certainty,
                "opening": f"{5000 + week}.00",
                "money_in": amount(),
                "money_out": amount(),
                "net": amount(),
                "closing": f"{5001 + week}.00",
                "lowest": f"{4000 + week}.00",
                "closing_with_doubtful": f"{6000 + week}.00",
                "is_lowest_week": week == 9,
            }
            for week in range(1, 14)
            for certainty in ("known", "likely", "learned", "assumed", "doubtful")
        ],
        "payment_calendar": [
            {
                "flow_id": f"flow {week}",
                "source": "client_invoice",
                "certainty": "likely",
                "counterparty": names[1],
                "description": names[2],
                "expected_on": AS_OF + timedelta(days=week),
                "week": week,
                "net": amount(),
            }
            for week in range(1, 20)
        ],
        "cash_flow": [
            {
                "month": month,
                "account_id": accounts[0],
                "flow_type": flow,
                "category": things[3] if flow == "operating" else "Other",
                "subcategory": "Other",
                "money_in": amount(),
                "money_out": amount(),
                "net": amount(),
                "transactions": 4,
            }
            for month in _months(20)
            for flow in ("operating", "financing", "internal")
        ],
        "receivables": [
            {
                "invoice_id": f"invoice {place}",
                "invoice_number": f"F-{place}",
                "client_id": f"client {place % 4}",
                "client_name": names[place % 4],
                "due_on": AS_OF - timedelta(days=late),
                "open_amount": amount(),
                "days_overdue": late,
                "age_bucket": bucket,
                "expected_on": AS_OF + timedelta(days=14),
            }
            for place, (late, bucket) in enumerate(
                [(0, "not due"), (12, "1-30"), (40, "31-60"), (70, "61-90"), (120, "over 90")]
            )
        ],
        "payables": [
            {
                "invoice_id": f"bill {place}",
                "invoice_number": f"B-{place}",
                "supplier_name": names[place % 4],
                "status": status,
                "approval": "none",
                "due_on": pay_on,
                "pay_on": pay_on,
                "open_amount": amount() if status != "to_review" else None,
                "days_overdue": 0,
                "is_analyzed": status != "to_review",
            }
            for place, (status, pay_on) in enumerate(
                [
                    ("to_pay", AS_OF - timedelta(days=9)),
                    ("scheduled", AS_OF + timedelta(days=4)),
                    ("a_status_of_tomorrow", AS_OF + timedelta(days=12)),
                    ("to_review", None),
                ]
            )
        ],
        "vat": [
            {
                "month": month,
                "rate": rate,
                "method": method,
                "collected": amount(),
                "deductible": amount(),
                "net": amount(),
            }
            for month in _months(3)
            for rate in ("20.00", "5.50", None)
            for method in ("cash", "invoiced")
        ],
        "spend": [
            {
                "transaction_id": f"{month}{place}",
                "month": month,
                "amount": amount(),
                "category": things[place],
                "supplier": names[place],
                "team": things[place] if place else None,
                "card": names[place] if place else None,
            }
            for month in _months(14)
            for place in range(4)
        ],
        "missing_receipts": [
            {
                "transaction_id": f"{month}{place}",
                "settled_on": month,
                "month": month,
                "amount": amount(),
                "days": 30,
                "counterparty": names[3],
                "holder": names[place] if place else None,
                "team": things[place],
            }
            for month in _months(14)
            for place in range(4)
        ],
        "reconciliation": [
            {
                "transaction_id": f"{month}{place}",
                "month": month,
                "is_matchable": place < 3,
                "is_matched": place < 1,
                "is_documentable": place > 0,
                "is_documented": place > 1,
            }
            for month in _months(4)
            for place in range(4)
        ],
        "balance_gaps": [
            {
                "account_id": accounts[1],
                "account_name": things[1],
                "day": AS_OF,
                "kind": "balance",
                "said": amount(),
                "explained": amount(),
                "difference": amount(),
            }
        ],
        "forecast_errors": [
            {
                "month_end": month - timedelta(days=1),
                "method": method,
                "horizon_days": 91,
                "forecast": amount(),
                "actual": f"{place}.00",
                "error": amount(),
            }
            for place, month in enumerate(_months(5))
            for method in ("documents", "documents_and_habits", "base", "run_rate")
        ],
        "invoice_payments": [],
    }
    return {mart: [{**everywhere, **row} for row in rows] for mart, rows in books.items()}


def two_currencies() -> Books:
    """Return the same company with accounts in two currencies."""
    euros, dollars = usual(), usual("USD")
    return {mart: [*rows, *dollars[mart]] for mart, rows in euros.items()}


def many() -> Books:
    """Return a company with a great many documents, suppliers and people."""
    books = usual()
    for mart in ("receivables", "payables", "missing_receipts", "spend"):
        [first, *_] = books[mart]
        key = next(name for name in ("invoice_id", "transaction_id") if name in first)
        names = ("client_id", "client_name", "supplier_name", "supplier", "holder", "counterparty")
        books[mart] = [
            {**row, key: f"{row[key]} {copy}"}
            | {name: f"Name {copy} of somebody" for name in names if name in row}
            for copy in range(900)
            for row in books[mart][:4]
        ]
    return books


WORLDS: Final[Mapping[str, tuple[Callable[[], Books], tuple[str, ...]]]] = {
    "usual": (usual, ("--language", "en", "--threshold", "2500")),
    "hostile": (lambda: usual(names=HOSTILE), ()),
    "french_nameless": (
        lambda: usual(names=NAMES, things=("Main", "Tax", "Pay", "Site")),
        ("--language", "fr", "--without-names"),
    ),
    "two_currencies": (two_currencies, ()),
    "many": (many, ()),
    "empty": (lambda: {mart: [] for mart in contract()}, ()),
    "few_tables": (lambda: {mart: usual()[mart] for mart in ("kpis", "payables")}, ()),
}
"""By name: the tables, and the options of the report."""


def write_books(path: Path, books: Books) -> None:
    """Write tables into a new DuckDB file, each with the columns of its contract."""
    import duckdb

    types = contract()
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema qonto_finance")
        for mart, rows in books.items():
            columns = ", ".join(f"{name} {kind}" for name, kind in types[mart].items())
            connection.execute(f"create table qonto_finance.qonto__{mart} ({columns})")
            lines = path.with_suffix(".jsonl")
            lines.write_text("\n".join(json.dumps(row, default=str) for row in rows), "utf-8")
            if rows:
                connection.execute(
                    f"insert into qonto_finance.qonto__{mart} select * from read_json("
                    f"'{lines}', format='newline_delimited', columns={types[mart]!r})"
                )


def asked_again(path: Path, page: str) -> dict[str, list[list[str]]]:
    """Run every statement that a page shows, and return its rows as text."""
    import duckdb

    shown = re.findall(r"<code>(.*?)</code>", page, re.DOTALL)
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            sql: [
                ["" if value is None else str(value) for value in row]
                for row in connection.execute(unescape(sql)).fetchall()
            ]
            for sql in shown
        }


def main(folder: Path, *names: str) -> None:
    """Build reports into a folder, all if none is named, with what their statements give."""
    sys.path.insert(0, str(CHECKOUT / "transform/report"))
    import report

    for name in names or WORLDS:
        books, options = WORLDS[name]
        warehouse, page = folder / f"{name}.duckdb", folder / f"{name}.html"
        write_books(warehouse, books())
        said = StringIO()
        with redirect_stderr(said):
            code = report.main([str(warehouse), str(page), "--dbt", str(folder), *options])
        assert code == 0, said.getvalue()
        answers = asked_again(warehouse, page.read_text(encoding="utf-8"))
        (folder / f"{name}.json").write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
