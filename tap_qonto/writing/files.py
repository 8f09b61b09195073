"""Files that rows name: looked at before anything is sent, read when their turn comes."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from tap_qonto.api.errors import SentenceError, UnusableFileError
from tap_qonto.api.network import is_safe_url
from tap_qonto.api.pages import Post
from tap_qonto.documents.names import safe_name
from tap_qonto.documents.places import driver_for
from tap_qonto.writing.found import unwrapped
from tap_qonto.writing.post import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_qonto.api.files import FileHost
    from tap_qonto.writing.post import Poster

MEGABYTE: Final = 1_000_000
LARGEST_ATTACHMENT: Final = 15 * MEGABYTE
"""Bytes that an uploaded file may have."""

_HEAD = 1_024
_KINDS = (
    (b"%PDF-", "application/pdf", ".pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
)
"""How the kinds of files begin that Qonto takes, with their MIME types and usual endings."""

_ENDINGS = {
    ".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
}  # fmt: skip
"""What the endings of names say."""

_TRIES = 3
"""How often a file is uploaded in all: a second copy that nothing refers to does no harm."""


class Content(NamedTuple):
    """A file as it is uploaded."""

    name: str
    kind: str
    """MIME type, by content."""
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes in hexadecimal digits."""
        return sha256(self.data).hexdigest()


class Seen(NamedTuple):
    """A file that was looked at."""

    name: str
    """What it is called where it is sent."""
    digest: str
    """SHA-256 of its bytes in hexadecimal digits."""
    size: int
    """In bytes."""


class Files:
    """Reads files from folders, from the web and from object stores.

    Args:
        host: Returns what fetches ``https://`` links.
    """

    def __init__(self, host: Callable[[], FileHost]) -> None:
        self._host = host

    def check(self, path: str, *, largest: int = LARGEST_ATTACHMENT) -> None:
        """Return if a file can be sent, reading its beginning only.

        Args:
            path: A path or a URL.
            largest: Bytes that it may have.

        Raises:
            UnusableFileError: If it is missing, empty, too large, or neither PDF, PNG nor JPEG.
        """
        size, head = self._look(path)
        _kind_of(head)
        if size is not None and size > largest:
            raise _too_large(largest)

    def see(self, path: str, *, largest: int, name: str = "") -> Seen:
        """Return what a file is, reading it to its end, a block at a time.

        Args:
            path: A path or a URL.
            largest: Bytes that it may have.
            name: What it is called, if not as in its path.

        Raises:
            UnusableFileError: As for `check`, and if its name ends as that of another kind.
        """
        hashed, size, head = sha256(), 0, b""
        with self._opened(path) as (_, blocks):
            for block in blocks:
                head = head or bytes(block[:_HEAD])
                size += len(block)
                if size > largest:
                    raise _too_large(largest)
                hashed.update(block)
        kind, ending = _kind_of(head)
        for each in (_name_in(path), name):
            _check_ending(each, kind)
        return Seen(called(path, name, ending), hashed.hexdigest(), size)

    def read(
        self, path: str, *, largest: int = LARGEST_ATTACHMENT, name: str | None = None
    ) -> Content:
        """Return a file whole.

        Args:
            path: A path or a URL.
            largest: Bytes that it may have.
            name: What it is called, if not as in its path.

        Raises:
            UnusableFileError: As for `check`.
        """
        with self._opened(path) as (_, blocks):
            data = bytearray()
            for block in blocks:
                data += block
                if len(data) > largest:
                    raise _too_large(largest)
        kind, ending = _kind_of(bytes(data[:_HEAD]))
        return Content(called(path, name, ending), kind, bytes(data))

    def _look(self, path: str) -> tuple[int | None, bytes]:
        """Return a file's size in bytes, if that is known without reading it, and its beginning."""
        with self._opened(path) as (size, blocks):
            return size, next(iter(blocks), b"")[:_HEAD]

    @contextmanager
    def _opened(self, path: str) -> Iterator[tuple[int | None, Iterator[bytes]]]:
        """Open a file; gives its size in bytes, if that is known, and its content in blocks."""
        scheme = path.partition("://")[0].rpartition("::")[2] if "://" in path else ""
        if scheme == "http" and not is_safe_url(path):
            msg = "its link is not https://, so it was not followed"
            raise UnusableFileError(msg)
        try:
            if scheme in ("http", "https"):
                with self._host().open(path, "the file") as opened:
                    yield opened.length, opened.blocks
                return
            with _open(path) as (size, file):
                yield size, iter(lambda: file.read(MEGABYTE), b"")
        except SentenceError as error:
            raise UnusableFileError(str(error)) from None
        except FileNotFoundError:
            msg = "its file does not exist"
            raise UnusableFileError(msg) from None
        except Exception as error:  # noqa: BLE001 - each driver raises errors of its own
            if isinstance(error, ImportError) or "rotocol not known" in str(error):
                needed = driver_for(scheme)
                msg = f"its file begins with {scheme}://, which needs {needed} to be installed"
                raise UnusableFileError(msg) from None
            msg = (
                f"its file cannot be read: {getattr(error, 'strerror', '') or type(error).__name__}"
            )
            raise UnusableFileError(msg) from None


@contextmanager
def _open(path: str) -> Iterator[tuple[int | None, BinaryIO]]:
    """Open a file in a folder or an object store."""
    if "://" not in path and "::" not in path:
        local = Path(path).expanduser()
        with local.open("rb") as file:
            yield local.stat().st_size, file
        return
    fsspec: Any = import_module("fsspec.core")  # plain paths can do without

    with fsspec.open(path, "rb") as remote:
        size: Any = getattr(remote, "size", None)
        yield size if isinstance(size, int) else None, remote


def _kind_of(head: bytes) -> tuple[str, str]:
    """Return MIME type and usual ending of a file by its beginning."""
    if not head:
        msg = "its file is empty"
        raise UnusableFileError(msg)
    for begins, kind, ending in _KINDS:
        # Readers take a PDF whose header stands a little later, as the standard allows.
        if head.startswith(begins) or (kind == "application/pdf" and begins in head):
            return kind, ending
    msg = "its file is neither PDF, PNG nor JPEG"
    raise UnusableFileError(msg)


def _name_in(path: str) -> str:
    """Return the name at the end of a path or a URL; it may be empty."""
    if path.startswith(("http://", "https://")):
        path = unquote(urlsplit(path).path)
    # A key in an object store is no URL: what looks like a query or a fragment belongs to it.
    return PurePosixPath(path.partition("::")[0]).name


def called(path: str, name: str | None, ending: str = "") -> str:
    """Return what a file is called where it is sent."""
    return safe_name(name or _name_in(path) or f"file{ending}")


def _check_ending(name: str, kind: str) -> None:
    """Return unless a name says another kind than the content.

    Raises:
        UnusableFileError: If it does.
    """
    ending = PurePosixPath(name).suffix.lower()
    meant = _ENDINGS.get(ending)
    if meant not in (None, kind):
        msg = f"its file is called {ending}, and its content is {kind}"
        raise UnusableFileError(msg)


def _too_large(largest: int) -> UnusableFileError:
    return UnusableFileError(f"its file is larger than {largest // MEGABYTE} MB")


class Uploads:
    """Uploads files for later use.

    Args:
        poster: Sends the requests.
        name: Makes the key of a file from a hash of its content.
    """

    def __init__(self, poster: Poster, name: Callable[[str], str]) -> None:
        self._poster = poster
        self._name = name

    def upload(self, content: Content) -> Outcome:
        """Upload a file.

        Returns:
            What that came to; the code of an accepted one is the attachment's ID.
        """
        digest = sha256(content.data).hexdigest()
        boundary = f"tap-qonto-{digest}"  # which no file holds that has this hash
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{_quoted(content.name)}"\r\n'
            f"Content-Type: {content.kind}\r\n\r\n"
        )
        post = Post(
            "/attachments",
            head.encode() + content.data + f"\r\n--{boundary}--\r\n".encode(),
            key=self._name(digest),
            content_type=f"multipart/form-data; boundary={boundary}",
        )
        outcome = Outcome(Kind.UNKNOWN)
        for _ in range(_TRIES):
            outcome = self._poster.send(post)
            if outcome.kind is not Kind.UNKNOWN:
                break
        if outcome.kind is not Kind.ACCEPTED:
            return outcome
        if (attachment := unwrapped(outcome.body, "attachment")) and attachment["id"]:
            return outcome._replace(code=attachment["id"])
        return Outcome(Kind.REFUSED, "POST /attachments answered without an ID", "no_attachment")


def _quoted(name: str) -> str:
    """Return a file name as it stands in a header between quotes."""
    return name.replace("\\", "_").replace('"', "_")
