"""Runs dbt several times in one process, because to import it takes longer than to build.

It runs in an environment that has dbt, not in this project's: each line of its input is a command
in JSON, each line of its output the result.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from typing import Any


def answer(command: dict[str, Any]) -> dict[str, Any]:
    """Run one command and say how each of its nodes ended."""
    os.environ.update(command["env"])
    outcome = importlib.import_module("dbt.cli.main").dbtRunner().invoke(command["arguments"])
    # What keeps a DuckDB file locked for others.
    with contextlib.suppress(ImportError):
        adapter = importlib.import_module("dbt.adapters.duckdb.connections")
        adapter.DuckDBConnectionManager.close_all_connections()
    nodes = getattr(outcome.result, "results", None) or []
    return {
        "success": outcome.success,
        "error": None if outcome.exception is None else str(outcome.exception),
        "nodes": [
            {"name": node.node.name, "status": str(node.status), "message": str(node.message)}
            for node in nodes
        ],
    }


def main() -> None:
    """Answer commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what dbt says is its log
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
