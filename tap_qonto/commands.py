"""What the shell starts: the two doors, without loading what none of their runs needs.

The Singer SDK imports `joblib`, with which it drains the sinks of other targets on threads, and
`upath`, with which it writes BATCH files, and with them `fsspec`; and `backoff`, which it seldom
uses and we never, imports `asyncio` to repeat coroutines. `jsonschema`, with which it checks
settings, imports what it needs for formats that no setting has; `requests` what guesses the
encoding of a text, which is never asked for. That is more than a third of the time until the first
request. Here they are loaded when somebody calls them.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LATER = (
    "joblib", "upath", "backoff._async",
    "rfc3987", "isoduration", "webcolors",
    "charset_normalizer", "packaging.specifiers", "packaging.version",
    "singer_sdk.helpers.jsonpath", "dotenv", "dotenv.main",
    *(() if sys.version_info >= (3, 12) else ("importlib_metadata",)),
)  # fmt: skip
"""Modules of which others call functions and classes, and do nothing else with them.

But `jsonschema` names the error that `isoduration` raises, which is a `ValueError`, and `requests`
checks the version of `charset_normalizer`.
"""


def tap() -> None:
    """Run `tap-qonto`."""
    with lightly():
        from tap_qonto.tap import TapQonto
    ended(TapQonto.command)


def target() -> None:
    """Run `target-qonto`."""
    with lightly():
        from tap_qonto.target import TargetQonto
    ended(TargetQonto.command)


def ended(command: Callable[[], None]) -> None:
    """Run a command, and end the process without taking apart what it has built.

    That would take up to 50 ms, and nobody is left to use what it gives back.

    Args:
        command: Ends with `SystemExit`, after all that it has to leave behind.
    """
    try:
        command()
    except SystemExit as end:
        logging.shutdown()
        if isinstance(end.code, int | None):
            os._exit(end.code or 0)
        raise


@contextmanager
def lightly() -> Iterator[None]:
    """Let what is imported meanwhile load the modules of `LATER` only when it calls them.

    Nothing that is imported is garbage, so that nobody looks for any.
    """
    missing = [name for name in LATER if name not in sys.modules]
    for name in missing:
        sys.modules[name] = _Later(name)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        for name in missing:
            if isinstance(sys.modules.get(name), _Later):
                del sys.modules[name]


class _Later(ModuleType):
    """Stands for a module until something of it is called."""

    @override
    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return version(self.__name__)
        if name.startswith("__"):
            raise AttributeError(name)
        if name.endswith("Exception"):
            return ValueError
        return partial(_called, self.__name__, name)


def _called(module: str, name: str, *args: Any, **options: Any) -> Any:
    return getattr(import_module(module), name)(*args, **options)
