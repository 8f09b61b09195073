"""Settings from environment variables, for ``--config ENV``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import EnvFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def read_env_file() -> None:
    """Add the variables of the nearest ``.env``, from the current folder upwards, to our own.

    Those that are set already stay as they are.

    Raises:
        EnvFileError: If the file cannot be read.
    """
    from dotenv import find_dotenv, load_dotenv

    # The SDK looks from its own place upwards, which is where it happens to be installed.
    path = find_dotenv(usecwd=True)
    try:
        load_dotenv(path)
    except (OSError, ValueError) as error:
        raise EnvFileError(path, error) from error


def settings_of(
    prefix: str, known: Mapping[str, Any], variables: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Return the settings that variables give; one without a value is not set.

    What cannot be understood stays text, and is refused like any other value of a wrong type.

    Args:
        prefix: How the names begin, for example ``TAP_QONTO_``.
        known: Name and JSON Schema of every setting.
        variables: The environment.
    """
    found = ((name, variables.get(prefix + name.upper())) for name in known)
    return {name: _understood(text, known[name].get("type", ())) for name, text in found if text}


def _understood(text: str, kinds: str | list[str]) -> Any:
    if "boolean" in kinds:
        return _BOOLEANS.get(text.lower(), text)
    if "array" in kinds or "object" in kinds:
        try:
            return json.loads(text)
        except ValueError:
            # As the SDK has read lists of names; no name holds a comma.
            listed = "array" in kinds and not text.lstrip().startswith("[")
            return [part.strip() for part in text.split(",")] if listed else text
    return text
