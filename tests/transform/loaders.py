"""How loaders leave the same rows behind: as JSON, text or structs, with zones or without."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.transform.firm import Row

NESTED: Final = frozenset(
    (
        *("client", "items", "total_amount", "vat_amount", "amount_paid", "payable_amount"),
        *("total_tax_amount", "taxes", "cashflow_category", "cashflow_subcategory"),
        *("transfer", "income", "vat_details", "attachment_ids", "label_ids"),
        *("matched_transactions", "matched_transactions_ids", "transfer_ids"),
    )
)
"""Columns that hold objects or arrays (`vat_amount` is a number in transactions)."""

IDS: Final = frozenset(["attachment_ids", "label_ids", "matched_transactions_ids", "transfer_ids"])
"""Arrays of text; the other arrays are of objects."""

TRUTHS: Final = frozenset(["main", "is_external_account", "attachment_required", "attachment_lost"])


def kind_of(table: str, column: str) -> str:
    """Return what a column holds: json, truth, cents, number, instant, day or text."""
    if column in NESTED and (table, column) != ("transactions", "vat_amount"):
        return "json"
    if column in TRUTHS or column == "is_credit_note":
        return "truth"
    if column.endswith("_cents"):
        return "cents"
    if column in {"amount", "balance", "authorized_balance", "settled_balance", "vat_rate"}:
        return "number"
    if column == "vat_amount":
        return "number"
    if column.endswith("_at"):
        return "instant"
    return "day" if column.endswith("_date") else "text"


@dataclass(frozen=True)
class Loader:
    """What types a loader gives.

    Attributes:
        types: By kind of column; `list` is that of arrays of objects, `ids` of arrays of text.
        empty_object: What stands for an object that is null.
        metadata: Whether it says when a row was loaded.
    """

    types: Mapping[str, str]
    empty_object: str = "null"
    metadata: bool = False

    def statements(self, tables: Mapping[str, Sequence[Row]]) -> str:
        """Return SQL that makes and fills these tables in the schema qonto."""
        return "create schema qonto;" + "".join(
            self._table(name, rows) for name, rows in tables.items()
        )

    def _table(self, name: str, rows: Sequence[Row]) -> str:
        columns = {column: kind_of(name, column) for row in rows for column in row}
        types = {column: self.type_of(column, kind, rows) for column, kind in columns.items()}
        if self.metadata:
            columns["_sdc_extracted_at"] = "instant"
            types["_sdc_extracted_at"] = self.types["instant"]
            rows = [{**row, "_sdc_extracted_at": "2026-04-15T08:00:00.000Z"} for row in rows]
        made = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
        filled = ", ".join(
            "("
            + ", ".join(self.literal(row.get(column), types[column]) for column in columns)
            + ")"
            for row in rows
        )
        return f"create table qonto.{name} ({made}); insert into qonto.{name} values {filled};"

    def type_of(self, column: str, kind: str, rows: Sequence[Row]) -> str:
        """Return the type that a column gets."""
        if kind != "json":
            return self.types[kind]
        if column in IDS:
            return self.types.get("ids", self.types["json"])
        arrays = any(isinstance(row.get(column), list) for row in rows)
        return self.types.get("list", self.types["json"]) if arrays else self.types["json"]

    def literal(self, value: Any, kind: str) -> str:
        """Return a value as SQL."""
        if value is None:
            return self.empty_object if kind == self.types["json"] else "null"
        if kind.endswith("[]"):
            items = (
                _quoted(it if isinstance(it, str) else json.dumps(it, ensure_ascii=False))
                for it in value
            )
            return f"cast(array[{', '.join(items)}] as {kind})"
        if isinstance(value, bool):
            value = str(value).lower()
        if isinstance(value, dict | list):
            value = json.dumps(value, ensure_ascii=False)
        if kind == "timestamp":
            value = str(value).removesuffix("Z")
        return _quoted(str(value))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def structs(tables: Mapping[str, Sequence[Row]], folder: Path) -> str:
    """Return SQL for DuckDB that reads JSON files, with whatever types it finds in them."""
    statements = ["create schema qonto"]
    for name, rows in tables.items():
        path = folder / f"{name}.json"
        path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        statements.append(f"create table qonto.{name} as select * from read_json('{path}')")
    return ";".join(statements)


DUCKDB: Final[dict[str, Loader]] = {
    "as target-duckdb does": Loader(
        {
            "json": "json",
            "truth": "boolean",
            "cents": "hugeint",
            "number": "double",
            "instant": "timestamp",
            "day": "text",
            "text": "text",
        },
        metadata=True,
    ),
    "with JSON in text and zones": Loader(
        {
            "json": "text",
            "truth": "boolean",
            "cents": "integer",
            "number": "decimal(18,2)",
            "instant": "timestamptz",
            "day": "date",
            "text": "text",
        }
    ),
    "as text throughout": Loader(
        dict.fromkeys(("json", "truth", "cents", "number", "instant", "day", "text"), "text")
    ),
}

POSTGRES: Final[dict[str, Loader]] = {
    "as target-postgres does": Loader(
        {
            "json": "jsonb",
            "list": "jsonb[]",
            "ids": "text[]",
            "truth": "boolean",
            "cents": "bigint",
            "number": "numeric",
            "instant": "timestamp",
            "day": "date",
            "text": "text",
        },
        empty_object="'null'",
        metadata=True,
    ),
    "with JSON in text and zones": Loader(
        {
            "json": "text",
            "truth": "boolean",
            "cents": "integer",
            "number": "numeric(18,2)",
            "instant": "timestamptz",
            "day": "timestamp",
            "text": "varchar",
        }
    ),
    "as text throughout": Loader(
        dict.fromkeys(("json", "truth", "cents", "number", "instant", "day", "text"), "text")
    ),
}
