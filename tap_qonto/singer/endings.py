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
from tap_qonto.singer.messages import written

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
            with written():
                sys.stdout.flush()  # here, where a closed pipe is still told
    except (Exit, SystemExit):
        raise  # click's way to end a command
    except ConfigValidationError as error:
        for sentence in error.errors:
            _logger.error("%s", sentence)
        leave(1)
    except (SentenceError, SingerSDKError) as error:
        _logger.error("%s", str(error) or type(error).__name__)
        leave(getattr(error, "exit_code", 1))
    except BrokenPipeError:
        _logger.error("The target has closed the pipe; its own log says why")
        leave(1)
    except StoppedError as stop:
        _logger.error("Stopped by signal %d; the next run goes on from the last state", stop.signum)
        leave(128 + stop.signum)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        _logger.error("This machine refused something (%s): %s", _place(error), reason)
        _logger.debug("Where it happened", exc_info=True)
        leave(1)
    except Exception as error:
        _logger.error(
            "Internal error: %s in %s. This is a bug of %s %s; please report this line. "
            "Nothing is lost, the next run goes on from the last state",
            type(error).__name__, _place(error), program, tap_qonto.__version__,
        )  # fmt: skip
        _logger.debug("Where it happened", exc_info=True)
        leave(1)


def _place(error: Exception) -> str:
    """Return the last place in the tap's own code that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"
