"""Keeps what the SDK says of its routine out of the log, so that what matters is read."""

from __future__ import annotations

import logging
from pathlib import Path

import singer_sdk
from typing_extensions import override

_SDK = str(Path(singer_sdk.__file__).parent)


class Routine(logging.Filter):
    """Lets what the SDK itself tells a plugin's logger through where details are wanted.

    At INFO it says the same three dozen lines in every run: which streams are children of which,
    which are not selected, that no environment is read.
    """

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.INFO or not record.pathname.startswith(_SDK):
            return True
        return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)


_ROUTINE = Routine()


def quieten(name: str) -> None:
    """Keep the SDK's routine out of a logger.

    Args:
        name: Name of the logger, which is the plugin's.
    """
    logging.getLogger(name).addFilter(_ROUTINE)  # once, however often it is added
