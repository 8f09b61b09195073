"""Where documents are kept: a folder, or whatever place fsspec has a driver for.

A document is written aside first, verified there, and only then moved to its name. So whatever
bears its name is whole, however a run ended. Names come from outside and are made safe here.

Layout: ``<attachments_path>/<stream>/<id>/<safe name>``, where the ID is the attachment's (the
statement's for statements). A folder of its own keeps documents with equal names apart, and a
document that several rows share is stored once.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from tap_qonto.api.errors import StoppedStoringError, StorageError, UnusablePlaceError
from tap_qonto.api.redaction import printable
from tap_qonto.documents.parts import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_qonto.documents.names import Key


BLOCK = 1_048_576
"""Bytes that are in memory at once while a document passes."""


class Found(NamedTuple):
    """A document that is stored."""

    size: int
    """In bytes."""
    at: str
    """When it was stored, uniform."""


class Aside(Protocol):
    """A document that is being written aside."""

    path: Path
    """Where it is meanwhile, on this machine."""

    def write(self, block: bytes) -> None:
        """Append bytes.

        Raises:
            StorageError: If they cannot be written.
        """

    def flush(self) -> None:
        """Let whoever reads the file see all that was written.

        Raises:
            StorageError: If it cannot be written.
        """

    def commit(self) -> str:
        """Move the document to its name; return when, as a uniform timestamp.

        Raises:
            StorageError: If it cannot be stored there.
        """


class Storage(ABC):
    """A place for documents.

    Args:
        root: What its documents' URIs begin with, without a slash at the end.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._parts: set[Path] = set()
        self._turns = Turns()
        self._stopped = threading.Event()
        self._usable = False
        """Whether a document has ever been stored or found there."""

    @abstractmethod
    def check(self) -> None:
        """Find out whether documents can be stored, as far as that costs nothing.

        Raises:
            UnusablePlaceError: If they cannot.
        """

    @abstractmethod
    def uri(self, key: Key) -> str:
        """Return the URI of a stored document."""

    @abstractmethod
    def find(self, key: Key) -> Found | None:
        """Return what is stored under a key.

        Raises:
            StorageError: If the storage cannot tell.
        """

    @abstractmethod
    def open(self, key: Key) -> BinaryIO:
        """Open a stored document for reading from its beginning to its end."""

    @abstractmethod
    def local(self, key: Key) -> AbstractContextManager[Path]:
        """Give the path of a stored document on this machine, for as long as it is needed.

        Raises:
            StorageError: If it cannot be read.
        """

    @abstractmethod
    def _alone(self, key: Key) -> AbstractContextManager[object]:
        """Keep other processes from working at the same document, as far as that can be done."""

    @abstractmethod
    def _part(self, key: Key) -> Path:
        """Return the path at which a document is written aside."""

    @abstractmethod
    def _move(self, part: Path, file: BinaryIO, key: Key) -> str:
        """Give what was written aside its name; return when, as a uniform timestamp."""

    def digest(self, key: Key) -> str:
        """Return the SHA-256 of a stored document in hexadecimal digits.

        Raises:
            StorageError: If it cannot be read.
        """
        hashed = sha256()
        with self.failing_at(key, "read"), self.open(key) as file:
            while block := file.read(BLOCK):
                self.go_on()
                hashed.update(block)
        return hashed.hexdigest()

    @contextmanager
    def alone(self, key: Key) -> Iterator[None]:
        """Be the only one at work at a document, of all threads and processes.

        Raises:
            StorageError: If the storage refuses it.
        """
        with ExitStack() as alone:
            alone.enter_context(self._turns.of(f"{key.stream}/{key.id}"))
            with self.failing_at(key, "store"):
                self.go_on()
                alone.enter_context(self._alone(key))
                self.go_on()
            yield

    @contextmanager
    def aside(self, key: Key) -> Iterator[Aside]:
        """Write a document aside; unless it is committed, nothing of it stays.

        Whoever does is `alone` with it.

        Raises:
            StorageError: If it cannot be stored.
            StoppedStoringError: If the run is at its end.
        """
        with self.failing_at(key, "store"):
            part = self._part(key)
            with self._lock:
                self.go_on()
                self._parts.add(part)
            try:
                file = part.open("w+b")
            except BaseException:
                self._parts.discard(part)
                raise
        try:
            yield _Aside(self, key, part, file)
        finally:
            file.close()
            with suppress(OSError):
                part.unlink(missing_ok=True)
            self._parts.discard(part)

    def commit(self, key: Key, part: Path, file: BinaryIO) -> str:
        """Move what was written aside to its name; return when, as a uniform timestamp.

        Raises:
            StorageError: If it cannot be stored there.
            StoppedStoringError: If the run is at its end.
        """
        with self.failing_at(key, "store"):
            file.flush()
            at = self._move(part, file, key)
        self._usable = True
        return at

    def go_on(self) -> None:
        """Raise StoppedStoringError if the run is at its end."""
        if self._stopped.is_set():
            raise StoppedStoringError

    def stop(self) -> None:
        """Let nothing more be stored, and leave nothing half-written behind."""
        with self._lock:
            self._stopped.set()
            parts = list(self._parts)
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    @contextmanager
    def failing_at(self, key: Key, what: str) -> Iterator[None]:
        """Turn whatever a storage raises into one sentence that names the path."""
        try:
            yield
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - each driver raises errors of its own
            if self._stopped.is_set():
                raise StoppedStoringError from None
            msg = f"Cannot {what} the document {self.uri(key)}: {reason_of(error)}"
            raise (StorageError if self._usable else UnusablePlaceError)(msg) from None


class _Aside:
    """Bytes of a document on their way.

    Args:
        storage: Where the document belongs.
        key: Its place there.
        part: The file that holds the bytes meanwhile.
        file: That file, open.
    """

    def __init__(self, storage: Storage, key: Key, part: Path, file: BinaryIO) -> None:
        self.path = part
        self._file = file
        self._storage = storage
        self._key = key

    def write(self, block: bytes) -> None:
        self._storage.go_on()
        with self._storage.failing_at(self._key, "store"):
            self._file.write(block)

    def flush(self) -> None:
        with self._storage.failing_at(self._key, "store"):
            self._file.flush()

    def commit(self) -> str:
        return self._storage.commit(self._key, self.path, self._file)


def reason_of(error: Exception) -> str:
    """Say in a few words, fit for a log, why a storage refused something."""
    if isinstance(error, OSError) and error.strerror:
        return printable(str(error.strerror))
    return printable(f"{type(error).__name__}: {error}".rstrip(": "))
