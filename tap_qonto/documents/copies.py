"""One file: found where it is stored, or downloaded, verified and stored."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_qonto.api.errors import (
    ExpiredLinkError,
    FileFaultError,
    GoneError,
    QontoError,
    UnreadableError,
)
from tap_qonto.api.pace import retrying
from tap_qonto.documents.ends import Ends

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from tap_qonto.api.files import FileHost
    from tap_qonto.api.pages import Row
    from tap_qonto.documents.document import Document, Link
    from tap_qonto.documents.names import Key
    from tap_qonto.documents.patience import Patience
    from tap_qonto.documents.reader import InvoiceReader
    from tap_qonto.documents.storage import Storage
    from tap_qonto.machine import Machine

RENEWALS = 2
"""How often a link that the file host refuses is asked for anew."""

_YOUNG_LOOKS = 3
"""How often a run asks for a file that does not exist, but may soon."""


class File(NamedTuple):
    """One file to be stored."""

    document: Document
    what: str
    """What it is, for messages."""
    key: Key
    size: int | None
    """In bytes, as announced."""
    link: Callable[[Document], Link | None]
    """Returns the link at hand."""
    renew: Callable[[], bool]
    """Asks Qonto for a new one; returns whether the document still exists."""
    invoice: bool = False
    """Whether to look for an electronic invoice."""
    young: bool = False
    """Whether it may still be in the making."""

    @property
    def is_pdf(self) -> bool:
        """Whether it is a PDF by its type or name."""
        told = self.document.told or {}
        kind, name = text_of(told.get("file_content_type")), text_of(told.get("file_name"))
        return "pdf" in (kind or "").lower() or (name or "").lower().endswith(".pdf")


class Copy(NamedTuple):
    """What became of a file."""

    status: str
    uri: str | None = None
    sha256: str | None = None
    at: str | None = None
    received: int = 0
    invoice: tuple[str | None, str | None] = (None, None)
    """Profile and XML."""
    complaint: str = ""
    reason: str | None = None
    """Why it could not be had."""
    refusal: QontoError | None = None
    """Why nothing about it may be asked."""


class Copies:
    """Has files stored.

    Args:
        files: Downloads.
        storage: Keeps the files.
        reader: Reads the electronic invoices inside PDFs.
        largest: Size in bytes beyond which documents are only listed.
        patience: How often to try.
        machine: Its sleep and clock.
        stopped: Whether the run is at its end.
    """

    def __init__(  # noqa: PLR0917 - whom it works with
        self,
        files: FileHost,
        storage: Storage,
        reader: InvoiceReader,
        largest: int,
        patience: Patience,
        machine: Machine,
        stopped: threading.Event,
    ) -> None:
        self._files = files
        self._storage = storage
        self._reader = reader
        self._largest = largest
        self._patience = patience
        self._machine = machine
        self._stopped = stopped

    def keep(self, file: File) -> Copy:
        """Have a file stored, unless it is already; say what became of it.

        Raises:
            StorageError: If it cannot be stored.
            QontoError: If Qonto does not answer at all, or refuses the credentials.
        """
        if file.size is not None and file.size > self._largest:
            return Copy("too_large")
        with self._storage.alone(file.key):
            found = self._storage.find(file.key)
            # What bears its name has been verified; only the announced size may differ since.
            if found and file.size in (None, found.size):
                return self._found(file)._replace(at=found.at)
            try:
                return self._download(file)
            except _TooLargeError:
                return Copy("too_large")
            except GoneError as error:
                return Copy("missing", reason=str(error))

    def _found(self, file: File) -> Copy:
        """Return what is stored."""
        if not (file.invoice and file.is_pdf):
            return self._stored(file, self._storage.digest(file.key))
        with self._storage.local(file.key) as pdf:
            with self._storage.failing_at(file.key, "read"), pdf.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            return self._with_invoice(self._stored(file, digest), pdf)

    def _download(self, file: File) -> Copy:
        looks = 0

        def attempt() -> Copy:
            nonlocal looks
            try:
                return self._attempt(file)
            except GoneError as error:
                looks += 1
                if not file.young or looks >= _YOUNG_LOOKS:
                    raise
                raise FileFaultError(str(error), status=error.status) from None

        try:
            return retrying(
                attempt,
                FileFaultError,
                file.key.stream,
                tries=self._patience.tries(file.document),
                sleep=self._machine.sleep,
                stopped=self._stopped.is_set,
                otherwise="the next run tries it again",
            )
        except FileFaultError as error:
            if error.status in GONE:
                raise GoneError(str(error), status=error.status) from None
            raise

    def _attempt(self, file: File) -> Copy:
        """Download and store a file, with a new link if the one at hand does not work."""
        renewals = 0
        while True:
            at_hand = file.link(file.document)
            if at_hand and not at_hand.is_old(self._machine.stopwatch()):
                try:
                    return self._transfer(at_hand.url, file)
                except ExpiredLinkError as error:
                    if renewals == RENEWALS:
                        msg = f"{error}, although the link was new"
                        raise QontoError(msg, status=error.status) from None
            elif renewals == RENEWALS:
                msg = f"Qonto gives no link to {file.what}"
                raise FileFaultError(msg)
            renewals += 1
            if not file.renew():
                msg = f"Qonto does not know {file.what} any more"
                raise GoneError(msg)

    def _transfer(self, url: str, file: File) -> Copy:
        """Download a file, verify it and give it its name."""
        hashed, received, ends = hashlib.sha256(), 0, Ends()
        with ExitStack() as download:
            incoming = download.enter_context(self._files.open(url, file.what))
            length = incoming.length
            expected = length if file.size is None else file.size
            if length is not None and length > self._largest:
                raise _TooLargeError
            _check_size(file, expected, length)
            with self._storage.aside(file.key) as aside:
                for block in incoming.blocks:
                    received += len(block)
                    if received > self._largest:
                        raise _TooLargeError
                    hashed.update(block)
                    ends.pass_by(block)
                    aside.write(block)
                download.close()  # another request may go on while the file is stored
                _check_size(file, expected, received)
                if expected is None:
                    _check_ends(file, ends, framed=incoming.framed)
                copy = self._stored(file, hashed.hexdigest())
                if file.invoice and file.is_pdf:
                    aside.flush()
                    copy = self._with_invoice(copy, aside.path)
                return copy._replace(at=aside.commit(), received=received)

    def _stored(self, file: File, digest: str) -> Copy:
        return Copy("stored", self._storage.uri(file.key), digest)

    def _with_invoice(self, copy: Copy, pdf: Path) -> Copy:
        """Return what became of a PDF, with the electronic invoice inside it."""
        try:
            invoice = self._reader.read(pdf)
        except UnreadableError as error:
            return copy._replace(complaint=str(error))
        return copy if invoice is None else copy._replace(invoice=(invoice.profile, invoice.xml))


GONE = (404, 410)
"""Statuses of what does not exist, any more or yet."""


class _TooLargeError(Exception):
    """A file turns out to be larger than documents may be."""


def size_of(told: Row) -> int | None:
    """Return the announced size in bytes; Qonto writes it as text or as a number."""
    value = told.get("file_size")
    try:
        size = None if value is None or isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if size is not None and size >= 0 else None


def text_of(value: Any) -> str | None:
    """Return a value of JSON if it is a text."""
    return value if isinstance(value, str) else None


def _check_size(file: File, expected: int | None, size: int | None) -> None:
    """Compare a size with what it should be, as far as either is known.

    Raises:
        FileFaultError: If they differ.
    """
    if expected is not None and size is not None and size != expected:
        msg = f"The file host sent {file.what} with {size:,} bytes instead of {expected:,}"
        raise FileFaultError(msg)


def _check_ends(file: File, ends: Ends, *, framed: bool) -> None:
    """Look for a proof that a file of unknown size is whole.

    Raises:
        FileFaultError: If there is none.
    """
    if not (ends.are_whole if ends.are_known else framed):
        msg = (
            f"The file host sent {file.what} without its size, and nothing in it proves that it is "
            "whole"
        )
        raise FileFaultError(msg)
