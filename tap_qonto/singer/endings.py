"""How a run ends, when it does not end well: one sentence on the log, never a traceback."""

from __future__ import annotations

import logging
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from click.exceptions import Exit
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError

import tap_qonto
from tap_qonto.api.errors import InputError, SentenceError, StoppedError
from tap_qonto.machine import exit_at_once
from tap_qonto.singer.messages import flush_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OURS = Path(tap_qonto.__file__).parent
"""Where our own code lies, for naming the place of an internal error."""

_AGAIN = "the next run goes on from the last state"


@contextmanager
def one_sentence(
    program: str,
    leave: Callable[[int], NoReturn] = exit_at_once,
    *,
    refused: int = 1,
    again: str = _AGAIN,
) -> Iterator[None]:
    """End the process with one sentence on the log instead of a traceback.

    Args:
        program: Name of the program that is running.
        leave: Ends the process with an exit code.
        refused: Exit code if its settings or its input cannot be used.
        again: What the next run does.
    """
    _logger = logging.getLogger(program)
    try:
        try:
            yield
        finally:
            flush_output()  # here, where a closed pipe is still told
    except (Exit, SystemExit):
        raise  # click's way to end a command
    except ConfigValidationError as error:
        for sentence in error.errors:
            _logger.error("%s", sentence)
        leave(refused)
    except InputError as error:
        _logger.error("%s", error)
        leave(refused)
    except (SentenceError, SingerSDKError) as error:
        for sentence in getattr(error, "sentences", ()) or (str(error) or type(error).__name__,):
            _logger.error("%s", sentence)
        leave(getattr(error, "exit_code", 1))
    except BrokenPipeError:
        _logger.error("The target has closed the pipe; its own log says why")
        leave(1)
    except StoppedError as stop:
        _logger.error("Stopped by signal %d; %s", stop.signum, again)
        leave(128 + stop.signum)
    except Exception as error:
        _logger.error("%s", sentence_of(error, program, again))
        _logger.debug("Where it happened", exc_info=True)
        leave(1)


def sentence_of(error: Exception, program: str, again: str = _AGAIN) -> str:
    """Return what a person needs to know about an error, without secrets and personal data.

    Args:
        error: Any error.
        program: Name of the program that is running.
        again: What the next run does.
    """
    if isinstance(error, SentenceError | SingerSDKError):
        return str(error) or type(error).__name__
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return f"This machine refused something ({_place(error)}): {reason}"
    return (
        f"Internal error: {type(error).__name__} in {_place(error)}. This is a bug of {program} "
        f"{tap_qonto.__version__}; please report this line. Nothing is lost, {again}"
    )


def _place(error: Exception) -> str:
    """Return the last place in the tap's own code that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"
