"""Where documents are stored: a folder, or a bucket behind an fsspec URL."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from typing_extensions import override

from tap_qonto.api.errors import UnusablePlaceError
from tap_qonto.api.instants import from_datetime
from tap_qonto.documents.parts import Workshop, alone_in, remove_abandoned
from tap_qonto.documents.storage import BLOCK, Found, Storage, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tap_qonto.documents.names import Key

_PART = 8 * BLOCK
"""Size in bytes of the parts in which a large document goes to and comes from an object store."""


class Folder(Storage):
    """A folder of this machine.

    Args:
        root: Its path.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root.expanduser().absolute()
        super().__init__(self._folder.as_uri())

    @override
    def check(self) -> None:
        probe = self._folder / f".{token_hex(8)}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except (OSError, ValueError) as error:
            msg = (
                f"attachments_path names the folder {self._folder}, which cannot be used: "
                f"{reason_of(error)}. Name another one, or let this user write there"
            )
            raise UnusablePlaceError(msg) from error
        self._usable = True

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
    def local(self, key: Key) -> AbstractContextManager[Path]:
        return nullcontext(self._path(key))

    @override
    @contextmanager
    def _alone(self, key: Key) -> Iterator[None]:
        folder = self._path(key).parent
        with alone_in(folder, self._stopped) as certain:
            if certain:
                remove_abandoned(folder)
            yield

    @override
    def _part(self, key: Key) -> Path:
        folder = self._path(key).parent
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f".{key.name}.{token_hex(8)}.part"

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
        UnusablePlaceError: If there is no driver for it.
    """

    def __init__(self, url: str) -> None:
        fsspec: Any = import_module("fsspec.core")  # only those who store remotely pay for it

        protocol = url.partition("://")[0].rpartition("::")[2]
        try:
            self._files, self._path = fsspec.url_to_fs(url)
        except ImportError:
            needed = driver_for(protocol)
            msg = (
                f"attachments_path begins with {protocol}://, which needs {needed} to be installed"
            )
            raise UnusablePlaceError(msg) from None
        except Exception as error:  # noqa: BLE001 - each driver raises errors of its own
            raise _unusable(protocol, error) from None
        self._path = self._path.rstrip("/")
        # There, the driver would rather create the bucket, with nobody's settings.
        self._has_no_folders = protocol in _EXTRAS
        super().__init__(self._files.unstrip_protocol(self._path))
        self._protocol = protocol
        self._workshop = Workshop()

    @override
    def check(self) -> None:
        # What an object store lets these credentials do, only a document tells.
        if not self._has_no_folders:
            try:
                self._files.makedirs(self._path, exist_ok=True)
            except Exception as error:
                raise _unusable(self._protocol, error) from error

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
    @contextmanager
    def local(self, key: Key) -> Iterator[Path]:
        # What is read to and fro would over a network take for ever.
        copy = self._workshop.new()
        try:
            with self.failing_at(key, "read"), self.open(key) as file, copy.open("wb") as local:
                while block := file.read(BLOCK):
                    self.go_on()
                    local.write(block)
            yield copy
        finally:
            with suppress(OSError):
                copy.unlink(missing_ok=True)

    @override
    def _alone(self, key: Key) -> AbstractContextManager[None]:
        return nullcontext()  # each document gets its name whole, whoever writes it

    @override
    def _part(self, key: Key) -> Path:
        return self._workshop.new()

    @override
    def stop(self) -> None:
        super().stop()
        self._workshop.close()

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


def _unusable(protocol: str, error: Exception) -> UnusablePlaceError:
    return UnusablePlaceError(
        f"attachments_path begins with {protocol}:// and cannot be used: {reason_of(error)}. Name "
        "a folder, or a place in an object store (s3://, gs://, abfs://)"
    )


_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"} | dict.fromkeys(
    ("abfs", "abfss", "az", "adl"), "azure"
)
"""Extra of this package that brings a protocol's driver."""


def driver_for(protocol: str) -> str:
    """Return what has to be installed for a protocol, in words."""
    extra = _EXTRAS.get(protocol)
    return f"tap-qonto[{extra}]" if extra else "the driver that fsspec names for it"


def storage_at(path: str) -> Storage:
    """Return the place that the setting `attachments_path` names.

    Args:
        path: A folder, or an fsspec URL.

    Raises:
        UnusablePlaceError: If there is no driver for it.
    """
    if "://" not in path and "::" not in path:
        return Folder(Path(path))
    parts = urlsplit(path)
    if parts.scheme in ("file", "local"):
        return Folder(Path(url2pathname(f"{parts.netloc}{parts.path}")))
    return Bucket(path)


def _instant(timestamp: float) -> str:
    return from_datetime(datetime.fromtimestamp(timestamp, UTC))
