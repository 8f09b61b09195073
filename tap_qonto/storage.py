"""Where documents are kept: a folder, or whatever place fsspec has a driver for.

A document is written aside first, verified there, and only then moved to its name. So whatever
bears its name is whole, however a run ended. Names come from outside and are made safe here.

Layout: ``<attachments_path>/<stream>/<id>/<safe name>``, where the ID is the attachment's (the
statement's for statements). A folder of its own keeps documents with equal names apart, and a
document that several rows share is stored once.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import unicodedata
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from typing_extensions import override

from tap_qonto.client import printable
from tap_qonto.instants import from_datetime

try:
    _locks: Any = import_module("fcntl")
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    _locks = None

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1_048_576
"""Bytes that are in memory at once while a document passes."""

_PART = 8 * BLOCK
"""Size in bytes of the parts in which a large document goes to and comes from an object store."""

LONGEST_NAME = 180
"""Bytes of a safe name: below the 255 of common file systems, with room to write aside."""


class StorageError(Exception):
    """A document cannot be stored or read back; the message says where and why."""


class StoppedStoringError(Exception):
    """The run ended while a document was being stored."""


class Key(NamedTuple):
    """Where a document lies below the root; every part is safe as the name of a file."""

    stream: str
    id: str
    name: str


class Found(NamedTuple):
    """A document that is stored."""

    size: int
    """In bytes."""
    at: str
    """When it was stored, uniform."""


class Aside(Protocol):
    """A document that is being written aside."""

    file: BinaryIO
    """Is read and written; `commit` does not need it at its end."""

    def write(self, block: bytes) -> None:
        """Append bytes.

        Raises:
            StorageError: If they cannot be written.
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
        self._stopped = False

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
    def _place(self, key: Key) -> Path:
        """Return the folder in which a document is written aside."""

    @abstractmethod
    def _move(self, part: Path, file: BinaryIO, key: Key) -> str:
        """Give what was written aside its name; return when, as a uniform timestamp."""

    def digest(self, key: Key, copy: BinaryIO | None = None) -> str:
        """Return the SHA-256 of a stored document in hexadecimal digits.

        Args:
            key: Its place.
            copy: Receives the document.

        Raises:
            StorageError: If it cannot be read.
        """
        hashed = sha256()
        with self.failing_at(key, "read"), self.open(key) as file:
            while block := file.read(BLOCK):
                self.go_on()
                hashed.update(block)
                if copy:
                    copy.write(block)
        return hashed.hexdigest()

    @contextmanager
    def aside(self, key: Key) -> Iterator[Aside]:
        """Write a document aside; unless it is committed, nothing of it stays.

        Raises:
            StorageError: If it cannot be stored.
            StoppedStoringError: If the run is at its end.
        """
        with self.failing_at(key, "store"):
            folder = self._place(key)
            part = folder / f".{key.name}.{token_hex(8)}.part"
            with self._lock:
                self.go_on()
                self._parts.add(part)
            try:
                file = part.open("x+b")
            except BaseException:
                self._parts.discard(part)
                raise
        try:
            _claim(file)
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
            return self._move(part, file, key)

    def go_on(self) -> None:
        """Raise StoppedStoringError if the run is at its end."""
        if self._stopped:
            raise StoppedStoringError

    def stop(self) -> None:
        """Let nothing more be stored, and leave nothing half-written behind."""
        with self._lock:
            self._stopped = True
            parts = list(self._parts)
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    @contextmanager
    def failing_at(self, key: Key, what: str) -> Iterator[None]:
        """Turn whatever a storage raises into one sentence that names the path."""
        try:
            yield
        except (StorageError, StoppedStoringError):
            raise
        except Exception as error:  # noqa: BLE001 - each driver raises errors of its own
            if self._stopped:
                raise StoppedStoringError from None
            msg = f"Cannot {what} the document {self.uri(key)}: {_reason(error)}"
            raise StorageError(msg) from None


class _Aside:
    """Bytes of a document on their way.

    Args:
        storage: Where the document belongs.
        key: Its place there.
        part: The file that holds the bytes meanwhile.
        file: That file, open.
    """

    def __init__(self, storage: Storage, key: Key, part: Path, file: BinaryIO) -> None:
        self.file = file
        self._storage = storage
        self._key = key
        self._part = part

    def write(self, block: bytes) -> None:
        self._storage.go_on()
        with self._storage.failing_at(self._key, "store"):
            self.file.write(block)

    def commit(self) -> str:
        return self._storage.commit(self._key, self._part, self.file)


class Folder(Storage):
    """A folder of this machine.

    Args:
        root: Its path.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root.expanduser().absolute()
        super().__init__(self._folder.as_uri())

    @override
    def uri(self, key: Key) -> str:
        return self._path(key).as_uri()

    @override
    def find(self, key: Key) -> Found | None:
        with self.failing_at(key, "read"):
            try:
                status = self._path(key).stat()
            except FileNotFoundError:
                return None
            return Found(status.st_size, _instant(status.st_mtime))

    @override
    def open(self, key: Key) -> BinaryIO:
        return self._path(key).open("rb")

    def _path(self, key: Key) -> Path:
        return self._folder.joinpath(*key)

    @override
    def _place(self, key: Key) -> Path:
        folder = self._path(key).parent
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob(".*.part"):
            _remove_abandoned(part)
        return folder

    @override
    def _move(self, part: Path, file: BinaryIO, key: Key) -> str:
        os.fsync(file.fileno())
        at = _instant(os.fstat(file.fileno()).st_mtime)
        if os.name == "nt":
            file.close()
        # Between stop's look at what is half-written and this, nothing may get its name.
        with self._lock:
            self.go_on()
            part.replace(self._path(key))
        return at


class Bucket(Storage):
    """A place that fsspec has a driver for, such as an object store.

    A document is written aside on this machine, so that nothing unverified ever reaches the store.

    Args:
        url: For example ``s3://bucket/folder``.

    Raises:
        StorageError: If there is no driver for it.
    """

    def __init__(self, url: str) -> None:
        fsspec: Any = import_module("fsspec.core")  # only those who store remotely pay for it

        protocol = url.partition("://")[0].rpartition("::")[2]
        try:
            self._files, self._path = fsspec.url_to_fs(url)
        except ImportError:
            extra = _EXTRAS.get(protocol)
            hint = f"tap-qonto[{extra}]" if extra else "the driver that fsspec names for it"
            msg = f"attachments_path begins with {protocol}://, which needs {hint} to be installed"
            raise StorageError(msg) from None
        except Exception as error:  # noqa: BLE001 - each driver raises errors of its own
            msg = f"attachments_path cannot be used: {_reason(error)}"
            raise StorageError(msg) from None
        self._path = self._path.rstrip("/")
        # There, the driver would rather create the bucket, with nobody's settings.
        self._has_no_folders = protocol in _EXTRAS
        super().__init__(self._files.unstrip_protocol(self._path))

    @override
    def uri(self, key: Key) -> str:
        return "/".join((self._root, *key))

    @override
    def find(self, key: Key) -> Found | None:
        with self.failing_at(key, "read"):
            try:
                info = self._files.info(self._object(key))
            except FileNotFoundError:
                return None
            if info.get("type") != "file" or info.get("size") is None:
                return None
            return Found(int(info["size"]), self._modified(key, info))

    def _modified(self, key: Key, info: dict[str, Any]) -> str:
        """Return when an object was last written, in the words of whichever driver."""
        for name in ("LastModified", "last_modified", "updated", "mtime", "created"):
            value = info.get(name)
            if isinstance(value, datetime):
                return from_datetime(value)
            if isinstance(value, int | float):
                return _instant(value)
        return from_datetime(self._files.modified(self._object(key)))

    @override
    def open(self, key: Key) -> BinaryIO:
        file: BinaryIO = self._files.open(self._object(key), "rb", block_size=_PART)
        return file

    def _object(self, key: Key) -> str:
        return "/".join((self._path, *key))

    @override
    def _place(self, key: Key) -> Path:
        return Path(tempfile.gettempdir())

    @override
    def _move(self, part: Path, file: BinaryIO, key: Key) -> str:
        path = self._object(key)
        if not self._has_no_folders:
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        upload = self._files.open(path, "wb", block_size=_PART)
        try:
            file.seek(0)
            while block := file.read(BLOCK):
                self.go_on()
                upload.write(block)
        except BaseException:
            # Closing it would give the half of it the name of the whole.
            with suppress(Exception):
                upload.discard()
            upload.closed = True
            raise
        upload.close()
        return from_datetime(datetime.now(UTC))


_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"} | dict.fromkeys(
    ("abfs", "abfss", "az", "adl"), "azure"
)
"""Extra of this package that brings a protocol's driver."""


def storage_at(path: str) -> Storage:
    """Return the place that the setting `attachments_path` names.

    Args:
        path: A folder, or an fsspec URL.

    Raises:
        StorageError: If there is no driver for it.
    """
    if "://" not in path and "::" not in path:
        return Folder(Path(path))
    parts = urlsplit(path)
    if parts.scheme in ("file", "local"):
        return Folder(Path(url2pathname(f"{parts.netloc}{parts.path}")))
    return Bucket(path)


# Names

_RESERVED = frozenset(
    f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"
).union(("con", "prn", "aux", "nul", "conin$", "conout$"))
"""Names of devices, which Windows finds in every folder."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_FORBIDDEN = frozenset('<>:"/\\|?*#%')
"""What Windows forbids in names, and what would need escaping in a URI."""


def key_of(stream: str, id_: str, name: str | None, content_type: str | None = None) -> Key:
    """Return the place of a document: always the same, and different for different IDs.

    Args:
        stream: Name of the stream.
        id_: ID of the document, from outside.
        name: Its name, from outside.
        content_type: Its MIME type, for a document without a name.
    """
    return Key(stream, safe_id(id_), safe_name(name, content_type))


def safe_id(id_: str) -> str:
    """Return an ID as the name of a folder; Qonto's UUIDs stay as they are."""
    if _PLAIN.fullmatch(id_) and id_ not in _RESERVED:
        return id_
    # Different IDs must stay different, even where a file system ignores case.
    known = _cut(_clean(id_).strip(". "), 40)
    return f"{known}-{sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def safe_name(name: str | None, content_type: str | None = None) -> str:
    """Return a name that is one harmless component of a path on every system.

    Letters of all scripts stay. What does not is replaced; a long name is cut before its
    extension.
    """
    safe = _clean(name or "").strip(". ")
    if not safe.strip("_"):
        safe = f"document{_ENDINGS.get(content_type or '', '')}"
    if safe.partition(".")[0].rstrip().lower() in _RESERVED:
        safe = f"_{safe}"
    stem, dot, extension = safe.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = safe, "", ""
    room = LONGEST_NAME - len(f"{dot}{extension}".encode())
    return f"{_cut(stem, room)}{dot}{extension}"


_LONGEST_EXTENSION = 20
_ENDINGS = {
    "application/pdf": ".pdf",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "application/xml": ".xml",
    "text/xml": ".xml",
}


def beside(key: Key, mark: str) -> Key:
    """Return the place of a second file of a document, beside it: `receipt.mark.pdf`."""
    stem, dot, extension = key.name.rpartition(".")
    if not stem:
        stem, dot, extension = key.name, "", ""
    return key._replace(name=f"{_cut(stem, LONGEST_NAME)}.{mark}{dot}{extension}")


def _clean(text: str) -> str:
    """Replace the characters that mean something to a file system, a terminal or a URI."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        "_" if character in _FORBIDDEN or unicodedata.category(character)[0] == "C" else character
        for character in (" " if char.isspace() else char for char in composed)
    )


def _cut(text: str, size: int) -> str:
    """Return as many whole characters of a text as fit into so many bytes."""
    return text.encode()[:size].decode(errors="ignore").rstrip(". ") or "_"


# Files


def _claim(file: BinaryIO) -> None:
    """Mark a file as being written, for as long as this process lives."""
    if _locks:
        with suppress(OSError):  # a file system without locks
            _locks.flock(file, _locks.LOCK_EX | _locks.LOCK_NB)


def _remove_abandoned(part: Path) -> None:
    """Remove what a killed run left half-written, unless another process is writing it."""
    with suppress(OSError):
        if _locks is None:
            part.unlink()
            return
        with part.open("rb") as file:
            _locks.flock(file, _locks.LOCK_EX | _locks.LOCK_NB)
            part.unlink()


def _instant(timestamp: float) -> str:
    return from_datetime(datetime.fromtimestamp(timestamp, UTC))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return printable(str(error.strerror))
    return printable(f"{type(error).__name__}: {error}".rstrip(": "))
