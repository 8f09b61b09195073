"""Downloading files by pre-signed links, from hosts that must never see the credentials."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import requests

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
    from collections.abc import Iterator, Mapping


class FileHost:
    """Downloads files by pre-signed links, from hosts that must never see the credentials.

    Args:
        timeout: Seconds that a connection may be silent, or slower than `SLOWEST`.
        connections: How many downloads are under way at once.
        slots: Those of the transport: a download takes one until it is over.
        headers: Headers of every request.
        adapter: Carries the requests instead of the network.
    """

    def __init__(
        self,
        *,
        timeout: float,
        connections: int,
        slots: threading.Semaphore,
        headers: Mapping[str, str],
        adapter: requests.adapters.BaseAdapter | None = None,
    ) -> None:
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
    def open(self, url: str, what: str) -> Iterator[tuple[int | None, Iterator[bytes]]]:
        """Ask for a file; gives its length in bytes, if announced, and its content in blocks.

        Args:
            url: The link.
            what: What the file is, for messages, which never hold the link.

        Raises:
            GoneError: If the file does not exist any more.
            ExpiredLinkError: If the link is not accepted (any more).
            FileFaultError: If it may succeed later. The blocks raise it too.
            AnswerError: If there is no sense in another attempt.
        """
        try:
            with self._slots, self._send(url, what) as response:
                status = response.status_code
                if status != requests.codes.ok:
                    said = f"The file host answered {status} for {what}"
                    raise _file_error(said, response)
                length = response.headers.get("Content-Length", "")
                encoded = "Content-Encoding" in response.headers
                yield (
                    int(length) if length.isdecimal() and not encoded else None,
                    response.iter_content(_FILE_BLOCK),
                )
        except requests.RequestException as error:
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


def _file_error(said: str, response: requests.Response) -> QontoError:
    """Return the error that a file host's answer stands for."""
    status = response.status_code
    match status:
        case 404 | 410:
            return GoneError(said, status=status)
        case 400 | 401 | 403:
            # Object stores answer an expired link with any of these.
            return ExpiredLinkError(said, status=status)
        case 408 | 425 | 429:
            return FileFaultError(
                said, status=status, retry_after=retry_after_of(response.headers, time.time())
            )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FileFaultError(
            said, status=status, retry_after=retry_after_of(response.headers, time.time())
        )
    return AnswerError(said, status=status)


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined, misc]
    """Accepts no cookie: every request stands for itself."""

    def set_ok(self, *_: object) -> bool:
        return False
