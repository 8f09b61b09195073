"""What runs in the process that reads PDFs, which `reader` starts and ends.

Each line of its input is a question in JSON, the path of a PDF and the seconds that it may take;
each line of its output is the answer. It ends when its input does, even in the middle of a PDF.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import UnreadableError
from tap_qonto.documents.facturx import read_invoice

if TYPE_CHECKING:
    from typing import BinaryIO

_GRACE = 5
"""Seconds after which a process ends itself that the run should have ended."""


def main() -> None:
    """Answer questions until there are none."""
    _limit_memory(int(sys.argv[1]) * 1_000_000)
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    while True:
        question = questions.get()
        answer = _answered(question)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()
        if "memory" in answer:
            return  # what is left after that can be trusted with nothing


def _listen(source: BinaryIO, questions: queue.SimpleQueue[Any]) -> None:
    """Hand over questions; without a run that asks, nothing is worth going on with."""
    for line in source:
        questions.put(json.loads(line))
    os._exit(0)


def _answered(question: dict[str, Any]) -> dict[str, Any]:
    if question["path"] is None:
        import_module("pypdf")  # so that no PDF pays for it

        return {}
    _set_alarm(question["seconds"] + _GRACE)
    try:
        with open(question["path"], "rb") as pdf:  # noqa: PTH123 - the path may be no valid text
            invoice = read_invoice(pdf)
    except UnreadableError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"memory": True}
    except OSError as error:
        return {"error": f"it cannot be opened ({error.strerror})"}
    finally:
        _set_alarm(0)
    return {} if invoice is None else {"profile": invoice.profile, "xml": invoice.xml}


def _limit_memory(size: int) -> None:
    """Let this process have so many bytes, where the system can be told so."""
    with suppress(ImportError, OSError, ValueError):
        resource: Any = import_module("resource")
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        size = size if most == resource.RLIM_INFINITY else min(size, most)
        resource.setrlimit(resource.RLIMIT_AS, (size, most))


def _set_alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)  # whose signal ends the process


if __name__ == "__main__":
    main()
