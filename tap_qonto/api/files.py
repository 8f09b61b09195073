"""Downloading files by pre-signed links, from hosts that must never see the credentials."""

from __future__ import annotations

import logging
import time
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

import requests
import urllib3

from tap_qonto.api.answers import retry_after_of
from tap_qonto.api.errors import (
    AnswerError,
    ExpiredLinkError,
    FileFaultError,
    GoneError,
    QontoError,
)
from tap_qonto.api.network import (
    DeadlineAdapter,
    is_safe_url,
    no_credentials,
    reason_of,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping


class Incoming(NamedTuple):
    """A file on its way."""

    blocks: Iterator[bytes]
    """Its content, of which no block is longer than a megabyte."""
    length: int | None
    """Bytes of the whole, as announced; None if they are not."""
    framed: bool
    """Whether the way it comes tells a whole file from one that is cut."""


class FileHost:
    """Downloads files by pre-signed links, from hosts that must never see the credentials.

    Args:
        timeout: Seconds that a connection may be silent, or slower than `SLOWEST`.
        connections: How many downloads are under way at once.
        slots: Those of the transport: a download takes one until it is over.
        headers: Headers of every request.
        adapter: Carries the requests instead of the network.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        *,
        timeout: float,
        connections: int,
        slots: threading.Semaphore,
        headers: Mapping[str, str],
        adapter: requests.adapters.BaseAdapter | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._slots = slots
        self._session = requests.Session()
        # Compressed on the way, a file would be counted and hashed as something else.
        self._session.headers.update({"Accept": "*/*", "Accept-Encoding": "identity", **headers})
        self._session.cookies.set_policy(_NoCookies())
        self._session.auth = no_credentials
        carrier = adapter or DeadlineAdapter(pace=SLOWEST, pool_maxsize=connections)
        self._session.mount("https://", carrier)
        self._session.mount("http://", carrier)
        # These name the whole link in some of their messages.
        for name in ("urllib3", "botocore", "aiobotocore", "s3fs", "gcsfs", "adlfs", "fsspec"):
            logging.getLogger(name).setLevel(logging.ERROR)

    @contextmanager
    def open(self, url: str, what: str) -> Iterator[Incoming]:
        """Ask for a file.

        Args:
            url: The link.
            what: What the file is, for messages, which never hold the link.

        Raises:
            GoneError: If the file does not exist (any more, or yet).
            ExpiredLinkError: If the link is not accepted (any more).
            FileFaultError: If it may succeed later. The blocks raise it too.
            AnswerError: If there is no sense in another attempt. The blocks raise it too.
        """
        try:
            with self._slots, self._send(url, what) as response:
                if response.status_code != requests.codes.ok:
                    said = f"The file host answered {response.status_code} for {what}"
                    raise _file_error(said, response, self._clock())
                yield _incoming(response, what)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            msg = f"The file host sent {what} not or not whole: {reason_of(error)}"
            raise FileFaultError(msg) from None

    def _send(self, url: str, what: str) -> requests.Response:
        for _ in range(_REDIRECTS + 1):
            if not is_safe_url(url):
                msg = f"Qonto gave a link to {what} that is not https://; it was not followed"
                raise AnswerError(msg)
            try:
                response = self._session.get(
                    url, stream=True, allow_redirects=False, timeout=self._timeout
                )
                if not response.is_redirect:
                    return response
                url = urljoin(url, response.headers["Location"])
            except ValueError:
                msg = f"The link to {what}, or where it leads, is no address"
                raise AnswerError(msg) from None
            response.close()
        msg = f"The file host redirected {what} more than {_REDIRECTS} times"
        raise AnswerError(msg)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


SLOWEST = 10_000
"""Bytes per second below which a download counts as broken."""


_FILE_BLOCK = 1_048_576


_REDIRECTS = 3


def _incoming(response: requests.Response, what: str) -> Incoming:
    """Return the file that a host sends, unpacked if it was packed on the way."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        if encoding not in _ZLIB:
            msg = f"The file host sent {what} packed in a way that nobody asked for"
            raise AnswerError(msg)
        packed = response.raw.stream(_FILE_BLOCK, decode_content=False)
        return Incoming(_unpacked(packed, what), None, framed=True)
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    chunked = bool(getattr(response.raw, "chunked", False))
    return Incoming(response.iter_content(_FILE_BLOCK), size, framed=chunked or size is not None)


_ZLIB = ("gzip", "x-gzip", "deflate")

_ANY_HEADER = 32 + zlib.MAX_WBITS
"""Lets zlib see by itself which of its two wrappings it has before it, both with a check sum."""


def _unpacked(packed: Iterator[bytes], what: str) -> Iterator[bytes]:
    """Yield what zlib had packed.

    Raises:
        FileFaultError: If it is damaged, or ends before its trailer, which the HTTP libraries
            take for whole.
    """
    zipped = zlib.decompressobj(_ANY_HEADER)
    try:
        for block in packed:
            rest = block
            while rest:
                if zipped.eof:  # several parts, one after the other, are one file
                    zipped = zlib.decompressobj(_ANY_HEADER)
                yield zipped.decompress(rest, _FILE_BLOCK)
                rest = zipped.unconsumed_tail or zipped.unused_data
        while not zipped.eof and (more := zipped.decompress(b"", _FILE_BLOCK)):
            yield more
    except zlib.error:
        msg = f"The file host sent {what} damaged"
        raise FileFaultError(msg) from None
    if not zipped.eof:
        msg = f"The file host sent {what} not whole: its compressed form has no end"
        raise FileFaultError(msg)


def _file_error(said: str, response: requests.Response, now: float) -> QontoError:
    """Return the error that a file host's answer stands for."""
    status = response.status_code
    match status:
        case 404 | 410:
            return GoneError(said, status=status)
        case 400 | 401 | 403:
            # Object stores answer an expired link with any of these.
            return ExpiredLinkError(said, status=status)
    if status in _PASSING or status // 100 in _NOT_FINAL:
        wait = retry_after_of(response.headers, now)
        return FileFaultError(said, status=status, retry_after=wait)
    return AnswerError(said, status=status)


_PASSING = (408, 425, 429)
"""Refusals that say themselves that another attempt may succeed."""

_NOT_FINAL = (2, 5)
"""Kinds of status after which one may: half a file, none at all, a server's own trouble."""


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined, misc]
    """Accepts no cookie: every request stands for itself."""

    def set_ok(self, *_: object) -> bool:
        return False
