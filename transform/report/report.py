"""Writes the report: one HTML file, made of the tables that people read, for people.

    python report.py DATABASE OUTPUT

DATABASE is a DuckDB file or a URL that begins with postgresql://. Without options, Qonto's own
language of the company is the report's. The file that is there stays until the new one is whole.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Final

from checks import read_checks
from drawing import start_library
from names import without_names
from queries import ReportError, ask, connect
from words import LANGUAGES, Words, language_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_YES: Final = frozenset({"1", "true", "yes", "on"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report.

    Args:
        arguments: Of the command line.

    Returns:
        0 if it is written; 1 if not, after a sentence on standard error.
    """
    options = _parser().parse_args(arguments)
    try:
        page = build(options)
        write(options.output, page)
    except ReportError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"The report is in {options.output}.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return the command line; each option is also an environment variable, for Meltano."""
    said = os.environ.get
    parser = argparse.ArgumentParser(
        prog="report.py",
        description="Write the report: one HTML file, made of the tables that dbt builds.",
    )
    parser.add_argument("database", help="DuckDB file, or postgresql://user@host/database")
    parser.add_argument("output", type=Path, help="HTML file to write")
    parser.add_argument(
        "--schema",
        default=said("QONTO_REPORT_SCHEMA") or _beside(said("QONTO_SCHEMA") or "qonto"),
        help="schema of the tables (QONTO_REPORT_SCHEMA; by default %(default)s, which follows from"
        " QONTO_SCHEMA, the loader's)",
    )
    parser.add_argument(
        "--language",
        choices=LANGUAGES,
        default=said("QONTO_REPORT_LANGUAGE") or None,
        help="language (QONTO_REPORT_LANGUAGE; by default the company's)",
    )
    parser.add_argument(
        "--without-names",
        action="store_true",
        default=said("QONTO_REPORT_WITHOUT_NAMES", "").lower() in _YES,
        help="replace names of people and companies, for mailing (QONTO_REPORT_WITHOUT_NAMES)",
    )
    parser.add_argument(
        "--threshold",
        default=said("QONTO_REPORT_THRESHOLD") or None,
        help="amount below which cash should not fall (QONTO_REPORT_THRESHOLD)",
    )
    parser.add_argument(
        "--dbt",
        type=Path,
        default=said("DBT_TARGET_PATH") or None,
        help="folder with dbt's run_results.json, which tells of the tests (DBT_TARGET_PATH)",
    )
    return parser


def _beside(schema: str) -> str:
    """Return the schema of the tables that dbt makes of a loader's, as dbt_project.yml names it."""
    return f"{schema}_finance" if schema.startswith("qonto") else f"{schema}_qonto_finance"


def build(options: argparse.Namespace) -> str:
    """Return the page.

    Args:
        options: From the command line.

    Raises:
        ReportError: If it cannot be made, with a sentence that says why.
    """
    threshold = _amount(options.threshold)
    now = datetime.now(UTC)
    library = start_library()
    with connect(options.database) as database:
        answers = ask(database, options.schema, now.date())
    locale = next((row["locale"] for row in answers["kpis"].rows), None)
    words = Words.of(options.language or language_of(locale))
    if options.without_names:
        answers = without_names(answers, words)
    # Charts take a second to import, in which the library is made.
    from page import Options, render

    checks = read_checks(options.dbt)
    return render(answers, checks, words, Options(now, threshold), library)


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        message = f"The threshold {text!r} is no amount: write it as 50000 or 50000.00."
        raise ReportError(message)
    return amount


def write(path: Path, page: str) -> None:
    """Write a file beside its place, and put it there when it is whole.

    Args:
        path: The file; its folder is made if it is not there.
        page: What is to be in it.

    Raises:
        ReportError: If it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(page, encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        message = f"The report cannot be written to {path} ({error.strerror}): name another file."
        raise ReportError(message) from None


if __name__ == "__main__":
    sys.exit(main())
