"""What is given to a run, settings apart: files with a configuration, a state, a catalog."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import IO, Any

from tap_qonto.api.errors import InputError

_logger = logging.getLogger("tap-qonto")


def json_object(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object in a text.

    Raises:
        InputError: If there is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        msg = f"{what} is no JSON object"
        raise InputError(msg)
    return value


def json_input(file: IO[str], option: str) -> dict[str, Any]:
    """Return the JSON object in an open file.

    Raises:
        InputError: If there is none.
    """
    what = f"The file given to {option}"
    try:
        return json_object(file.read(), what)
    except UnicodeDecodeError:
        msg = f"{what} is no JSON object"
        raise InputError(msg) from None


def json_file(path: str, option: str) -> dict[str, Any]:
    """Return the JSON object in a file.

    Args:
        path: Where it is.
        option: The option that it was given to.

    Raises:
        InputError: If there is none.
    """
    what = f"The file {path!r} given to {option}"
    try:
        return json_object(Path(path).read_text(encoding="utf-8"), what)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        msg = f"{what} cannot be read: {reason}"
        raise InputError(msg) from None
