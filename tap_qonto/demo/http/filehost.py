"""The host of the files, which is another house than the API and must not see our keys."""

from __future__ import annotations

import itertools
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.http.messages import Request, Response
from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_qonto.demo.world.company import Company

LINK_LIFE: Final = 30 * 60 * SECOND
"""Milliseconds for which a link works."""

_KINDS: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8", "image/jpeg"),
    (b"<?xml", "application/xml"),
)


class FileHost:
    """Gives out a company's documents to whoever has a fresh link."""

    def __init__(self, company: Company, clock: Callable[[], datetime]) -> None:
        """Sign links for `company`; they age by `clock`."""
        self._company = company
        self._clock = clock
        self._ranks = itertools.count()
        self._key = secrets.token_bytes(16)

    def link(self, request: Request, document: str) -> str:
        """Return a link to a file that works for half an hour; no two are equal."""
        issued, rank = moments.of(self._clock()), next(self._ranks)
        return (
            f"{request.files_url}/{document}?X-Amz-Date={issued}&X-Amz-Expires=1800"
            f"&X-Amz-Nonce={rank}&X-Amz-Signature={self._signature(document, issued, rank)}"
        )

    def _signature(self, document: str, issued: int, rank: int) -> str:
        signed = f"{document} {issued} {rank}".encode()
        return blake2b(signed, digest_size=20, key=self._key).hexdigest()

    def answer(self, request: Request) -> Response:
        """Answer a request for a file."""
        if any(
            name.lower() == "authorization" or name.lower().startswith("x-qonto-")
            for name in request.headers
        ):
            return _error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.method not in ("GET", "HEAD"):
            return _error(405, "MethodNotAllowed", "Only reading is allowed")
        document = request.path.removeprefix("/files/")
        query = dict(request.query)
        try:
            issued, rank = int(query["X-Amz-Date"]), int(query["X-Amz-Nonce"])
        except (KeyError, ValueError):
            return _error(403, "AccessDenied", "Access Denied")
        if not secrets.compare_digest(
            self._signature(document, issued, rank).encode(),
            query.get("X-Amz-Signature", "").encode(),
        ):
            return _error(403, "SignatureDoesNotMatch", "The signature does not match")
        if moments.of(self._clock()) >= issued + LINK_LIFE:
            return _error(403, "AccessDenied", "Request has expired")
        try:
            content = self._company.document(document)
        except KeyError:
            return _error(404, "NoSuchKey", "The specified key does not exist")
        kind = next((kind for sign, kind in _KINDS if content.startswith(sign)), "application/pdf")
        return Response(200, {"Content-Type": kind}, content)


def _error(status: int, code: str, message: str) -> Response:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    return Response(status, {"Content-Type": "application/xml"}, body.encode())
