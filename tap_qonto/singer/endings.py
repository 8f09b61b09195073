"""How a run ends, when it does not end well: one sentence on the log, never a traceback."""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from click.exceptions import Exit
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError

import tap_qonto
from tap_qonto.api.errors import SentenceError, StoppedError
from tap_qonto.machine import exit_at_once
from tap_qonto.singer.messages import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_logger = logging.getLogger("tap-qonto")

_OURS = Path(tap_qonto.__file__).parent
"""Where our own code lies, for naming the place of an internal error."""


@contextmanager
def one_sentence(program: str, leave: Callable[[int], NoReturn] = exit_at_once) -> Iterator[None]:
    """End the process with one sentence on the log instead of a traceback.

    Args:
        program: Name of the program that is running.
        leave: Ends the process with an exit code.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a closed pipe is still told
    except (Exit, SystemExit):
        raise  # click's way to end a command
    except ConfigValidationError as error:
        for sentence in error.errors:
            _logger.error("%s", sentence)
        leave(1)
    except (SentenceError, SingerSDKError) as error:
        for sentence in getattr(error, "sentences", ()) or (sentence_of(error, program),):
            _logger.error("%s", sentence)
        leave(getattr(error, "exit_code", 1))
    except BrokenPipeError:
        MessageWriter.abandon()
        _logger.error("The target has closed the pipe; its own log says why")
        leave(1)
    except StoppedError as stop:
        _logger.error("Stopped by signal %d; the next run goes on from the last state", stop.signum)
        leave(128 + stop.signum)
    except OSError as error:
        _logger.error("%s", sentence_of(error, program))
        _logger.debug("Where it happened", exc_info=True)
        leave(1)
    except Exception as error:
        _logger.error("%s", sentence_of(error, program))
        _logger.debug("Where it happened", exc_info=True)
        leave(1)


def sentence_of(error: Exception, program: str) -> str:
    """Return what a person needs to know about an error, without secrets and personal data.

    Args:
        error: Any error.
        program: Name of the program that is running.
    """
    if isinstance(error, SentenceError | SingerSDKError):
        return str(error) or type(error).__name__
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return f"This machine refused something ({_place(error)}): {reason}"
    return (
        f"Internal error: {type(error).__name__} in {_place(error)}. This is a bug of {program} "
        f"{tap_qonto.__version__}; please report this line. Nothing is lost, the next run goes on "
        "from the last state"
    )


def _place(error: Exception) -> str:
    """Return the last place in the tap's own code that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"
