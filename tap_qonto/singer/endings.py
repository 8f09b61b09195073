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

import tap_qonto
from tap_qonto.api.errors import SentenceError, StoppedError
from tap_qonto.singer.messages import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

_logger = logging.getLogger("tap-qonto")

_OURS = Path(tap_qonto.__file__).parent
"""Where our own code lies, for naming the place of an internal error."""


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
    except (SentenceError, SingerSDKError) as error:
        _logger.error("%s", str(error) or type(error).__name__)  # noqa: TRY400 - it says it all
        _exit(getattr(error, "exit_code", 1))
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
            type(error).__name__, _place(error), tap_qonto.__version__,
        )  # fmt: skip
        _logger.debug("Where it happened", exc_info=True)
        _exit(1)


def _place(error: Exception) -> str:
    """Return the last place in the tap's own code that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def _exit(code: int) -> NoReturn:
    """End the process at once, without waiting for requests that nobody needs any more."""
    logging.shutdown()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)
