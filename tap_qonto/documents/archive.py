"""Documents that rows point at: asked for, downloaded once, verified, stored beside the data.

An `Archive` serves a whole run. It turns a `Document`, which is what a row says about a document,
into the row of a document stream. What that takes (asking for a link, downloading, hashing,
reading the electronic invoice inside) is done on threads of its own, so that pages go on being
fetched meanwhile.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from http import HTTPStatus
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

from tap_qonto.api.errors import (
    AnswerError,
    ExpiredLinkError,
    FileFaultError,
    GoneError,
    QontoError,
)
from tap_qonto.api.pace import retrying
from tap_qonto.documents.document import Document, Fetched, Link, link_of
from tap_qonto.documents.names import beside, key_of
from tap_qonto.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.api.client import Client
    from tap_qonto.api.files import FileHost
    from tap_qonto.api.pages import Row
    from tap_qonto.documents.names import Key
    from tap_qonto.documents.storage import Storage


_T = TypeVar("_T")


RENEWALS = 2
"""How often a link that the file host refuses is asked for anew."""


class _File(NamedTuple):
    """One file to be stored."""

    document: Document
    what: str
    """What it is, for messages."""
    key: Key
    size: int | None
    """In bytes, as announced."""
    invoice: bool = False
    """Whether to look for an electronic invoice."""


class _Copy(NamedTuple):
    """What became of a file."""

    status: str
    uri: str | None = None
    sha256: str | None = None
    at: str | None = None
    received: int = 0
    invoice: tuple[str | None, str | None] = (None, None)
    """Profile and XML."""
    complaint: str = ""


class _TooLargeError(Exception):
    """A file turns out to be larger than documents may be."""


class Archive:
    """Fetches documents.

    Args:
        client: Asks Qonto.
        files: Downloads.
        storage: Keeps the files; None if documents are only listed.
        largest: Size in bytes beyond which documents are only listed.
        machine: Its patience.
    """

    def __init__(
        self,
        client: Client,
        files: FileHost,
        storage: Storage | None,
        *,
        largest: int,
        machine: Machine | None = None,
    ) -> None:
        self._client = client
        self._machine = machine or Machine()
        self._files = files
        self._storage = storage
        self._largest = largest
        self._threads = ThreadPoolExecutor(client.concurrency, thread_name_prefix="document")
        self._waiting_room = ThreadPoolExecutor(_WAITING, thread_name_prefix="waiting")
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the run is at its end."""
        return self._stopped.is_set()

    def begin(self, document: Document) -> Fetched | Future[Fetched]:
        """Return the document's row, or begin what it takes to have it."""
        if self._storage is None and document.told is not None:
            return Fetched(_row(document, document.told, _Copy("metadata_only"), None))
        return self._threads.submit(self._fetch, document)

    def wait(self, work: Callable[..., _T], *args: Any) -> Future[_T]:
        """Do something that mostly waits, without keeping a download from its thread."""
        return self._waiting_room.submit(work, *args)

    def close(self) -> None:
        """Drop what has not begun, and leave nothing half-written behind."""
        self._stopped.set()
        if self._storage:
            self._storage.stop()
        for threads in (self._threads, self._waiting_room):
            threads.shutdown(wait=False, cancel_futures=True)
        self._files.close()

    def _fetch(self, document: Document) -> Fetched:
        """Have a document's row, and its files stored.

        Raises:
            QontoError: If Qonto or the file host does not give it.
            StorageError: If it cannot be stored.
        """
        sealed = document.sealed and _may_be_sealed(document.told)
        if document.told is None or (sealed and self._storage):
            told = self._ask(document)
            if told is None:
                return Fetched(_row(document, document.told or {}, _Copy("missing"), None))
            document.told = told
        told = document.told
        if self._storage is None:
            copy = _Copy("metadata_only")
            return Fetched(_row(document, told, copy, copy if sealed else None))
        name, kind = _text(told.get("file_name")), _text(told.get("file_content_type"))
        key = key_of(document.stream, document.id, name, kind)
        file = _File(document, f"document {document.id}", key, _size(told))
        copy = self._keep(file._replace(invoice=document.invoice), self._storage, _link)
        signed = self._keep_sealed(file, self._storage) if sealed else None
        return Fetched(
            _row(document, told, copy, signed),
            copy.received + (signed.received if signed else 0),
            copy.complaint,
        )

    def _ask(self, document: Document) -> Row | None:
        """Return what Qonto says about a document; None if there is none (any more).

        Raises:
            QontoError: If Qonto does not say.
        """
        query, source = document.query, document.source
        try:
            told: Row | None = self._client.object(query, source.envelope)
        except QontoError as error:
            if error.status in (404, 410):
                return None
            raise
        if source.inside and told:
            told = told.get(source.inside)
        if not isinstance(told, dict):
            msg = f"GET {query.path} answered JSON without the object {source.inside!r}"
            raise AnswerError(msg, status=HTTPStatus.OK)
        document.link = link_of(told, source.link)
        return told

    # Files

    def _keep_sealed(self, file: _File, storage: Storage) -> _Copy | None:
        """Have the signed copy of a document stored beside it; None if there is none."""
        told = (file.document.told or {}).get("probative_attachment")
        if not isinstance(told, dict) or told.get("status") != "available":
            return None
        return self._keep(
            file._replace(
                what=f"the signed copy of {file.what}",
                key=beside(file.key, "probative"),
                size=_size(told),
            ),
            storage,
            _sealed_link,
        )

    def _keep(
        self, file: _File, storage: Storage, link: Callable[[Document], Link | None]
    ) -> _Copy:
        """Have a file stored, unless it is already.

        Raises:
            QontoError: If Qonto or the file host does not give it.
            StorageError: If it cannot be stored.
        """
        if file.size is not None and file.size > self._largest:
            return _Copy("too_large")
        found = storage.find(file.key)
        # What bears its name has been verified; only the announced size may have changed since.
        if found and file.size in (None, found.size):
            if not (file.invoice and _is_pdf(file)):
                return _stored(file, storage, storage.digest(file.key))._replace(at=found.at)
            # PDFs are read to and fro, which over a network would take for ever.
            with TemporaryFile() as pdf:
                copy = _stored(file, storage, storage.digest(file.key, pdf))
                return _with_invoice(copy, pdf)._replace(at=found.at)
        try:
            return self._download(file, storage, link)
        except _TooLargeError:
            return _Copy("too_large")
        except GoneError:
            return _Copy("missing")

    def _download(
        self, file: _File, storage: Storage, link: Callable[[Document], Link | None]
    ) -> _Copy:
        try:
            return retrying(
                lambda: self._attempt(file, storage, link),
                FileFaultError,
                file.key.stream,
                tries=self._machine.tries,
                sleep=self._machine.sleep,
                stopped=self._stopped.is_set,
            )
        except FileFaultError as error:
            msg = f"{file.key.stream}: {error}"
            raise QontoError(msg, status=error.status) from None

    def _attempt(
        self, file: _File, storage: Storage, link: Callable[[Document], Link | None]
    ) -> _Copy:
        """Download and store a file, with a new link if the one at hand does not work."""
        renewals = 0
        while True:
            at_hand = link(file.document)
            if at_hand and not at_hand.is_old:
                try:
                    return self._transfer(at_hand.url, file, storage)
                except ExpiredLinkError as error:
                    if renewals == RENEWALS:
                        msg = f"{file.key.stream}: {error}, although the link was new"
                        raise QontoError(msg, status=error.status) from None
            elif renewals == RENEWALS:
                msg = f"Qonto gives no link to {file.what}"
                raise FileFaultError(msg)
            renewals += 1
            told = self._ask(file.document)
            if told is None:
                msg = f"Qonto does not know {file.what} any more"
                raise GoneError(msg)
            file.document.told = told

    def _transfer(self, url: str, file: _File, storage: Storage) -> _Copy:
        """Download a file, verify it and give it its name."""
        hashed, received = sha256(), 0
        with ExitStack() as download:
            length, blocks = download.enter_context(self._files.open(url, file.what))
            expected = length if file.size is None else file.size
            if length is not None and length > self._largest:
                raise _TooLargeError
            _check_size(file, expected, length)
            with storage.aside(file.key) as aside:
                for block in blocks:
                    received += len(block)
                    if received > self._largest:
                        raise _TooLargeError
                    hashed.update(block)
                    aside.write(block)
                download.close()  # another request may go on while the file is stored
                _check_size(file, expected, received)
                copy = _stored(file, storage, hashed.hexdigest())
                if file.invoice and _is_pdf(file):
                    copy = _with_invoice(copy, aside.file)
                return copy._replace(at=aside.commit(), received=received)


_WAITING = 100
"""How many things may wait at once: as many as there are rows ahead."""


def _link(document: Document) -> Link | None:
    return document.link


def _sealed_link(document: Document) -> Link | None:
    """Return the link to a document's signed copy, which comes with that to the document."""
    told = (document.told or {}).get("probative_attachment")
    link = link_of(told if isinstance(told, dict) else None, "url")
    return link and document.link and link._replace(issued=document.link.issued)


def _stored(file: _File, storage: Storage, digest: str) -> _Copy:
    return _Copy("stored", storage.uri(file.key), digest)


def _row(document: Document, told: Row, copy: _Copy, signed: _Copy | None) -> Row:
    """Return the row of a document stream, with all that Qonto said."""
    row = {
        **told,
        **document.columns,
        "file_status": copy.status,
        "file_path": copy.uri,
        "file_sha256": copy.sha256,
        "stored_at": copy.at,
    }
    sealed = told.get("probative_attachment")
    if isinstance(sealed, dict):
        row["probative_attachment_status"] = sealed.get("status")
        row["probative_attachment"] = dict(sealed)  # cleaning the row takes the link out of it
    if document.sealed:
        row["probative_status"] = signed and signed.status
        row["probative_path"] = signed and signed.uri
        row["probative_sha256"] = signed and signed.sha256
    if document.invoice:
        row["facturx_profile"], row["facturx_xml"] = copy.invoice
    return row


def _may_be_sealed(told: Row | None) -> bool:
    """Return whether Qonto does not say that there is no signed copy."""
    sealed = (told or {}).get("probative_attachment")
    return not isinstance(sealed, dict) or sealed.get("status") in (None, "available")


def _size(told: Row) -> int | None:
    """Return the announced size; Qonto writes it as text or as a number."""
    value = told.get("file_size")
    try:
        size = None if value is None or isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if size is not None and size >= 0 else None


def _check_size(file: _File, expected: int | None, size: int | None) -> None:
    """Compare a size with what it should be, as far as either is known.

    Raises:
        FileFaultError: If they differ.
    """
    if expected is not None and size is not None and size != expected:
        msg = f"The file host sent {file.what} with {size:,} bytes instead of {expected:,}"
        raise FileFaultError(msg)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


# The electronic invoice


def _is_pdf(file: _File) -> bool:
    told = file.document.told or {}
    kind, name = _text(told.get("file_content_type")), _text(told.get("file_name"))
    return "pdf" in (kind or "").lower() or (name or "").lower().endswith(".pdf")


def _with_invoice(copy: _Copy, pdf: BinaryIO) -> _Copy:
    """Return what became of a PDF, with the electronic invoice inside it."""
    from tap_qonto.api.errors import UnreadableError
    from tap_qonto.documents.facturx import read_invoice

    pdf.seek(0)
    try:
        invoice = read_invoice(pdf)
    except UnreadableError as error:
        return copy._replace(complaint=str(error))
    return copy if invoice is None else copy._replace(invoice=(invoice.profile, invoice.xml))
