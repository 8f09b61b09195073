"""Makes the two files that bring the descriptions of tables and columns into a warehouse.

    uv run python examples/descriptions.py

It writes `dbt/sources.yml` and `postgres/comments.sql`, beside this file, from the tap's schemas. A
test fails when they are not what it would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import yaml

from tap_qonto.streams import STREAMS
from tap_qonto.tap import TapQonto

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parent


class Table(NamedTuple):
    """What a warehouse may know of a table.

    Attributes:
        name: Its name, which is the stream's.
        description: What one row is.
        columns: Description of each column by its name, in the order of the schema.
    """

    name: str
    description: str
    columns: dict[str, str]


def tables() -> Iterator[Table]:
    """Yield every table of the tap, in the order of Qonto's documentation."""
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    for stream in STREAMS:
        schema = tap.streams[stream.name].schema
        yield Table(
            stream.name,
            schema["description"],
            {name: column["description"] for name, column in schema["properties"].items()},
        )


def sources() -> str:
    """Return the tables as sources of a dbt project."""
    content = {
        "version": 2,
        "sources": [
            {
                "name": "qonto",
                "description": "A company's Qonto account, as tap-qonto loads it.",
                "schema": "{{ var('qonto_schema', 'qonto') }}",
                "tables": [
                    {
                        "name": table.name,
                        "description": table.description,
                        "columns": [
                            {"name": name, "description": description}
                            for name, description in table.columns.items()
                        ],
                    }
                    for table in tables()
                ],
            }
        ],
    }
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=100)
    return f"# Made by examples/descriptions.py from the tap's schemas; not edited by hand.\n{text}"


_BEFORE = """\
-- Made by examples/descriptions.py from the tap's schemas; not edited by hand. Writes the
-- descriptions of the tables and columns that are there into PostgreSQL:
--
--   psql postgresql://... --file examples/postgres/comments.sql
--
-- It looks at the schema `qonto`, or at the one that the setting qonto.schema names:
--
--   export PGOPTIONS="-c qonto.schema=qonto_demo"
--   psql postgresql://... --file examples/postgres/comments.sql
do $$
declare
    wanted text := coalesce(nullif(current_setting('qonto.schema', true), ''), 'qonto');
    found record;
begin
    for found in
        select pg_class.relname as name, attname as part, words
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace and nspname = wanted
        join (values
"""

_AFTER = """
        ) as described(of_table, of_column, words) on of_table = relname
        left join pg_attribute on attrelid = pg_class.oid and attname = of_column
        where of_column is null or attname is not null
    loop
        if found.part is null then
            execute format('comment on table %I.%I is %L', wanted, found.name, found.words);
        else
            execute format(
                'comment on column %I.%I.%I is %L', wanted, found.name, found.part, found.words
            );
        end if;
    end loop;
end
$$;
"""


def comments() -> str:
    """Return a script that writes the descriptions into PostgreSQL."""
    rows = [
        row
        for table in tables()
        for row in (
            (table.name, None, table.description),
            *((table.name, column, words) for column, words in table.columns.items()),
        )
    ]
    values = (f"            ({', '.join(map(_literal, row))})" for row in rows)
    return _BEFORE + ",\n".join(values) + _AFTER


def _literal(text: str | None) -> str:
    """Return a text as SQL writes it."""
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def main() -> None:
    """Write both files."""
    (FOLDER / "dbt/sources.yml").write_text(sources(), encoding="utf-8")
    (FOLDER / "postgres/comments.sql").write_text(comments(), encoding="utf-8")


if __name__ == "__main__":
    main()
