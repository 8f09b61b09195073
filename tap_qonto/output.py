"""Standard output, which a full disk may refuse, and which a shell or a daemon may have closed."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def refusal(error: OSError) -> str:
    """Return the sentence for standard output that could not be written."""
    reason = error.strerror or type(error).__name__
    return f"This machine refused something (standard output): {reason}"


@contextmanager
def abandoned_if_refused() -> Iterator[None]:
    """Abandon standard output if it cannot be written, so that the interpreter ends quietly.

    What it still holds would be written again at exit, fail again, and change the exit code.

    Raises:
        OSError: As it came.
    """
    try:
        yield
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def for_a_person() -> Iterator[None]:
    """Write what a person is to read at once, or end the process with one sentence.

    Raises:
        SystemExit: If standard output takes nothing; the exit code is 1.
    """
    if sys.stdout is None:
        sys.exit("Standard output is closed, which is where answers are written. Give it a file")
    said = StringIO()  # argparse keeps silent about a help that could not be written
    try:
        with redirect_stdout(said):
            yield
    finally:
        _write(said.getvalue())


def _write(text: str) -> None:
    try:
        with abandoned_if_refused():
            sys.stdout.write(text)
            sys.stdout.flush()
    except OSError as error:
        sys.exit(refusal(error))
