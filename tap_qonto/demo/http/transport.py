"""The demo company inside the process: a transport adapter for a `requests` session."""

from __future__ import annotations

import io
from http.client import responses
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from typing_extensions import override
from urllib3 import HTTPResponse

from tap_qonto.demo.http.messages import FILES_URL, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_qonto.demo.http.api import Api

DEMO_API_URL: Final = "https://demo.qonto.invalid/v2"
DEMO_TOKEN_URL: Final = "https://demo.qonto.invalid/oauth2/token"  # noqa: S105 - an address
DEMO_FILES_URL: Final = f"{FILES_URL}/"

_API_HOST: Final = urlsplit(DEMO_API_URL).hostname
_FILES_HOST: Final = urlsplit(DEMO_FILES_URL).hostname


class _Parts(io.RawIOBase):
    """A readable file over parts of bytes, so that a large body is never held whole."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        super().__init__()
        self._parts: Iterator[bytes] = iter(parts)
        self._rest = b""

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = part
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class DemoAdapter(BaseAdapter):
    """Answers the requests of a session from an `Api`, without a socket.

    Mount it at `https://` and no request of the session can leave the process.
    """

    def __init__(self, api: Api) -> None:
        """Answer from `api`."""
        super().__init__()
        self._api = api

    @override
    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Return the answer to a prepared request.

        Raises:
            requests.ConnectionError: The request is for a host that is not the demo's.
        """
        url = urlsplit(request.url or "")
        path = unquote(url.path)
        if url.hostname not in (_API_HOST, _FILES_HOST):
            message = f"the demo company answers {_API_HOST} only, not {url.hostname}"
            raise requests.ConnectionError(message, request=request)
        if (url.hostname == _FILES_HOST) != path.startswith("/files/"):
            path = "/"
        body = request.body or b""
        asked = Request(
            method=request.method or "GET",
            path=path,
            query=parse_qsl(url.query, keep_blank_values=True),
            headers=CaseInsensitiveDict(_as_text(request.headers)),
            body=body.encode() if isinstance(body, str) else bytes(body),
        )
        try:
            answer = self._api(asked)
        except ConnectionError as error:
            raise requests.ConnectionError(error, request=request) from error
        except TimeoutError as error:
            raise requests.ReadTimeout(error, request=request) from error
        headers = dict(answer.headers)
        content: io.IOBase
        if isinstance(answer.body, bytes):
            headers["Content-Length"] = str(len(answer.body))
            content = io.BytesIO(answer.body)
        else:
            content = io.BufferedReader(_Parts(answer.body))
        response = requests.Response()
        response.status_code = answer.status
        response.reason = responses.get(answer.status, "")
        response.headers = CaseInsensitiveDict(headers)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.url = request.url or ""
        response.request = request
        response.raw = HTTPResponse(
            body=content, headers=headers, status=answer.status, preload_content=False
        )
        if not stream:
            # Reads and keeps the body, as a transport over sockets does.
            _ = response.content
        return response

    @override
    def close(self) -> None:
        """Do nothing: there is no connection."""

    def leave(self) -> None:
        """Let go of the company's file, if it has one, once nobody asks any more."""
        self._api.company.close()


def _as_text(headers: Any) -> dict[str, str]:
    return {
        str(name): value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for name, value in headers.items()
    }
