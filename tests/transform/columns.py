"""Writes `transform/macros/columns.sql`: which columns each stream may have in a warehouse.

Run `python -m tests.transform.columns` after a schema has changed; a test tells when that is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

CHECKOUT: Final = Path(__file__).parents[2]
MACRO: Final = CHECKOUT / "transform/macros/columns.sql"
_SCHEMAS: Final = CHECKOUT / "tap_qonto/schemas"

_KINDS: Final = {
    "string": "text",
    "integer": "bigint",
    "number": "number",
    "boolean": "boolean",
    "object": "json",
    "array": "json",
}
_FORMATS: Final = {"date-time": "timestamp", "date": "date"}


def kind_of(schema: dict[str, Any]) -> str:
    """Return what the macro `type_of` calls the type of a column with this schema."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    [name] = [name for name in types if name != "null"]
    return _FORMATS.get(schema.get("format", ""), _KINDS[name])


def columns() -> dict[str, dict[str, str]]:
    """Return the kind of each column of each stream, by the committed schemas."""
    return {
        path.stem: {
            name: kind_of(schema)
            for name, schema in json.loads(path.read_text("utf-8"))["properties"].items()
            if isinstance(schema, dict)
        }
        for path in sorted(_SCHEMAS.glob("*.json"))
    }


def rendered() -> str:
    """Return the file's text."""
    lines = [
        "{#- The columns of every stream, made from the tap's schemas:",
        "    python -m tests.transform.columns. Do not edit. -#}",
        "",
        "{% macro columns_of(stream) %}",
        "    {%- set streams = {",
    ]
    for stream, kinds in columns().items():
        lines.append(f"        '{stream}': {{")
        lines += [f"            '{name}': '{kind}'," for name, kind in kinds.items()]
        lines.append("        },")
    lines += ["    } -%}", "    {{ return(streams[stream]) }}", "{% endmacro %}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    MACRO.write_text(rendered(), "utf-8")
