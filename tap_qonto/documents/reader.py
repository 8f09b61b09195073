"""The electronic invoice inside a PDF, read by a process that may be ended.

Whoever may send a company an invoice may send a PDF that takes hours and gigabytes to read. So
PDFs are read in processes of their own, with a limit of time and one of memory, which know none of
the run's secrets. A process goes on with the next PDF until one exceeds the limits.

Such a process is a new interpreter, not a fork: the run has threads. It gets paths and gives JSON,
and ends by itself as soon as the run does, however that happens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import UnreadableError
from tap_qonto.api.redaction import printable
from tap_qonto.documents.facturx import LARGEST_XML, Invoice

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_ANSWER = 7 * LARGEST_XML
"""Bytes of JSON that hold the largest XML, even if each of its bytes has to be escaped."""

_SYSTEM = ("SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL")
"""What an interpreter may need of the environment, which else holds secrets."""


class InvoiceReader:
    """Reads the electronic invoices inside PDFs.

    Args:
        seconds: How long the reading of one PDF may take.
        megabytes: How much memory it may take.
        processes: How many PDFs may be read at once.
    """

    def __init__(self, *, seconds: float, megabytes: int, processes: int | None = None) -> None:
        self._seconds = seconds
        self._megabytes = megabytes
        self._free = threading.Semaphore(processes or min(os.cpu_count() or 1, 4))
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closed = False

    def read(self, pdf: Path) -> Invoice | None:
        """Return the electronic invoice that a PDF embeds; None if there is none.

        Args:
            pdf: Where the document is.

        Raises:
            UnreadableError: If the PDF is broken, encrypted, or takes more than it may, or its
                XML is broken or forbidden.
        """
        with self._free:
            process = self._take()
            try:
                answer = process.ask(pdf, self._seconds)
            except _EndedError as end:
                self._drop(process)
                msg = self._reason(end)
                raise UnreadableError(msg) from None
            except BaseException:
                self._drop(process)
                raise
            self._give_back(process)
        if reason := answer.get("error"):
            raise UnreadableError(printable(str(reason)))
        xml, profile = answer.get("xml"), answer.get("profile")
        if not isinstance(xml, str):
            return None
        return Invoice(profile if isinstance(profile, str) else None, xml)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        with self._lock:
            self._closed = True
            processes = list(self._all)
            self._all.clear()
            self._idle.clear()
        for process in processes:
            process.end()

    def _reason(self, end: _EndedError) -> str:
        if end.timed_out:
            return f"it takes more than {self._seconds:g} seconds (pdf_timeout_seconds)"
        if end.out_of_memory:
            return f"it takes more than {self._megabytes} MB of memory (pdf_max_memory_mb)"
        return "it ends the process that reads it"

    def _take(self) -> _Process:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed:
                msg = "the run is at its end"
                raise UnreadableError(msg)
            try:
                process = _Process(self._megabytes)
            except OSError as error:
                msg = f"no process could be started to read it ({error.strerror})"
                raise UnreadableError(msg) from None
            self._all.add(process)
            return process

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            if process in self._all:
                self._idle.append(process)

    def _drop(self, process: _Process) -> None:
        with self._lock:
            self._all.discard(process)
        process.end()


class _EndedError(Exception):
    """The process has ended, or was ended, without an answer."""

    def __init__(self, *, timed_out: bool = False, out_of_memory: bool = False) -> None:
        super().__init__()
        self.timed_out = timed_out
        self.out_of_memory = out_of_memory


class _Process:
    """An interpreter that reads PDFs, one after the other.

    Args:
        megabytes: How much memory it may take.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(self, megabytes: int) -> None:
        environment = {name: os.environ[name] for name in _SYSTEM if name in os.environ}
        # The modules are where this process has them, whatever put them there.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        # Memory that threads of glibc set aside would count, although nobody uses it.
        environment["MALLOC_ARENA_MAX"] = "1"
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "tap_qonto.documents.pdf_process", str(megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # a Ctrl-C is for the run, which ends this
        )
        self._ready = False

    def ask(self, pdf: Path, seconds: float) -> dict[str, Any]:
        """Return what the process says of a PDF.

        Raises:
            _EndedError: If it ends, or takes more than so many seconds.
        """
        if not self._ready:  # the interpreter's own start is not the PDF's fault
            self._exchange({"path": None}, _START)
            self._ready = True
        return self._exchange({"path": os.fspath(pdf), "seconds": seconds}, seconds)

    def _exchange(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout  # noqa: S101, PT018 - both are pipes
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline(_LONGEST_ANSWER)
            answer = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            answer = None
        finally:
            timer.cancel()
        if not isinstance(answer, dict) or answer.get("memory"):
            raise _EndedError(timed_out=late.is_set(), out_of_memory=answer is not None)
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                try:
                    pipe.close()
                except OSError:  # what was still to be written has no reader
                    continue


_START = 60.0
"""Seconds that an interpreter may take to start on a busy machine."""
