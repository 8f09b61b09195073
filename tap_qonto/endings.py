"""How a run ends, when it does not end well: one sentence on the log, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from click.exceptions import Exit
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError

from tap_qonto import __version__
from tap_qonto.auth import CredentialError
from tap_qonto.client import QontoError
from tap_qonto.inputs import InputError
from tap_qonto.messages import MessageWriter
from tap_qonto.pagination import CeilingError, ListError
from tap_qonto.records import RowError
from tap_qonto.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_logger = logging.getLogger("tap-qonto")


class StoppedError(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: Number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class NothingReadError(Exception):
    """Every selected stream was refused."""


_SENTENCES = (
    CeilingError,
    ConfigValidationError,
    CredentialError,
    ListError,
    NothingReadError,
    QontoError,
    RowError,
    InputError,
    StorageError,
)
"""Errors whose message says all that a person needs."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the process with one sentence on the log instead of a traceback."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a closed pipe is still told
    except (Exit, SystemExit):
        raise  # click's way to end a command
    except ConfigValidationError as error:
        for sentence in error.errors:
            _logger.error("%s", sentence)  # noqa: TRY400 - the sentence says it all
        _exit(1)
    except (*_SENTENCES, SingerSDKError) as error:
        _logger.error("%s", str(error) or type(error).__name__)  # noqa: TRY400 - it says it all
        _exit(1)
    except BrokenPipeError:
        MessageWriter.abandon()
        _logger.error("The target has closed the pipe; its own log says why")  # noqa: TRY400
        _exit(1)
    except StoppedError as stop:
        _logger.error("Stopped by signal %d; the next run goes on from the last state", stop.signum)  # noqa: TRY400
        _exit(128 + stop.signum)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        _logger.error("This machine refused something (%s): %s", _place(error), reason)  # noqa: TRY400
        _logger.debug("Where it happened", exc_info=True)
        _exit(1)
    except Exception as error:
        _logger.error(  # noqa: TRY400 - a traceback may quote the data
            "Internal error: %s in %s. This is a bug of tap-qonto %s; please report this line. "
            "Nothing is lost, the next run goes on from the last state",
            type(error).__name__, _place(error), __version__,
        )  # fmt: skip
        _logger.debug("Where it happened", exc_info=True)
        _exit(1)


def _place(error: Exception) -> str:
    """Return the last place in the tap's own code that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(__file__).parent in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def _exit(code: int) -> NoReturn:
    """End the process at once, without waiting for requests that nobody needs any more."""
    logging.shutdown()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)
