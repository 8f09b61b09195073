"""Documents that rows point at: asked for, downloaded once, verified, stored beside the data.

An `Archive` serves a whole run. It turns a `Document`, which is what a row says about a document,
into the row of a document stream. What that takes (asking for a link, downloading, hashing,
reading the electronic invoice inside) is done on threads of its own, so that pages go on being
fetched meanwhile.

A document that cannot be had is a row too, which says so: `Fetched.owed` tells that a later run
has to try again. Only what concerns more than this one document is raised.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from tap_qonto.api.errors import (
    AnswerError,
    GoneError,
    NotReadableError,
    NotSentError,
    QontoError,
    UnauthorizedError,
)
from tap_qonto.api.instants import from_datetime, shift, uniform
from tap_qonto.documents.copies import GONE, Copies, Copy, File, size_of, text_of
from tap_qonto.documents.document import Document, Fetched, Link, link_of
from tap_qonto.documents.names import beside, key_of
from tap_qonto.documents.patience import Patience
from tap_qonto.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.api.client import Client
    from tap_qonto.api.files import FileHost
    from tap_qonto.api.pages import Row
    from tap_qonto.documents.reader import InvoiceReader
    from tap_qonto.documents.storage import Storage

_T = TypeVar("_T")

_WAITING = 100
"""How many things may wait at once: as many as there are rows ahead."""

_REFUSALS = 10
"""Documents of a stream that Qonto refuses, if it tells of none, after which it is not asked."""

YOUNG = 86_400
"""Seconds after a row's last change for which a document that does not exist is asked for again."""


class Archive:
    """Fetches documents.

    Args:
        client: Asks Qonto.
        files: Downloads.
        storage: Keeps the files; None if documents are only listed.
        reader: Reads the electronic invoices inside PDFs.
        largest: Size in bytes beyond which documents are only listed.
        machine: Its clock and patience.
    """

    def __init__(
        self,
        client: Client,
        files: FileHost,
        storage: Storage | None,
        *,
        reader: InvoiceReader,
        largest: int,
        machine: Machine | None = None,
    ) -> None:
        self._client = client
        self._machine = machine or Machine()
        self._files = files
        self._storage = storage
        self._reader = reader
        self._threads = ThreadPoolExecutor(client.concurrency, thread_name_prefix="document")
        self._waiting_room = ThreadPoolExecutor(_WAITING, thread_name_prefix="waiting")
        self._stopped = threading.Event()
        self._patience = Patience(self._machine.tries)
        self._copies = (
            Copies(files, storage, reader, largest, self._patience, self._machine, self._stopped)
            if storage
            else None
        )
        self._answered: set[str] = set()
        self._refusals: dict[str, list[QontoError]] = {}

    @property
    def stopped(self) -> bool:
        """Whether the run is at its end."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Find out whether documents can be stored, before anything is asked for.

        Raises:
            UnusablePlaceError: If they cannot.
        """
        if self._storage:
            self._storage.check()

    def forbids(self, stream: str) -> bool:
        """Return whether Qonto has refused so many documents of a stream that it allows none."""
        return stream not in self._answered and len(self._refusals.get(stream, ())) >= _REFUSALS

    def begin(self, document: Document) -> Fetched | Future[Fetched]:
        """Return the document's row, or begin what it takes to have it."""
        if self._storage is None and document.told is not None:
            return Fetched(_row(document, document.told, Copy("metadata_only"), None))
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
        self._reader.close()
        self._files.close()

    def _fetch(self, document: Document) -> Fetched:
        """Have a document's row, and its files stored.

        Raises:
            NotSentError: If Qonto cannot be reached.
            StorageError: If it cannot be stored.
        """
        sealed = document.sealed and _may_be_sealed(document.told)
        signed = None
        if document.told is None or (sealed and self._storage):
            signed = self._outcome(lambda: self._asked(document), document)
            if signed and (document.told is None or signed.status == "missing"):
                return self._fetched(document, signed, None)
        if self._copies is None:
            copy = Copy("metadata_only")
            return self._fetched(document, copy, copy if sealed else None)
        told = document.told or {}
        name, kind = text_of(told.get("file_name")), text_of(told.get("file_content_type"))
        file = File(
            document,
            f"document {document.id}",
            key_of(document.stream, document.id, name, kind),
            size_of(told),
            lambda document: document.link,
            lambda: self._renew(document),
            young=bool(self._young_until(document)),
        )
        keep = self._copies.keep
        copy = self._outcome(
            lambda: keep(file._replace(invoice=document.invoice)), document
        ) or Copy("missing")
        if sealed and signed is None and (other := _signed(file)):
            signed = self._outcome(lambda: keep(other), document)
        return self._fetched(document, copy, signed)

    def _fetched(self, document: Document, copy: Copy, signed: Copy | None) -> Fetched:
        """Return what a document's row says, and what is not for the warehouse."""
        outcomes = {copy.status, signed.status if signed else ""}
        owed, until = "failed" in outcomes, ""
        if not owed and ("missing" in outcomes or (self._storage and _is_awaited(document))):
            until = self._young_until(document)
            owed = bool(until)
        return Fetched(
            _row(document, document.told or {}, copy, signed),
            copy.received + (signed.received if signed else 0),
            copy.complaint,
            owed,
            until,
            known=document.told is not None,
            refusal=copy.refusal or (signed and signed.refusal),
        )

    def _outcome(self, work: Callable[[], Copy | None], document: Document) -> Copy | None:
        """Do something for one document; return what became of it, also if it cannot be done.

        Raises:
            NotSentError: If Qonto cannot be reached, which concerns all documents.
        """
        try:
            return work()
        except NotSentError:
            raise
        except GoneError as error:
            return Copy("missing", reason=str(error))
        except QontoError as error:
            self._patience.give_up()
            refused = isinstance(error, NotReadableError | UnauthorizedError)
            refusal = error if refused and document.stream not in self._answered else None
            if refusal:
                self._refusals.setdefault(document.stream, []).append(refusal)
            return Copy("failed", reason=str(error), refusal=refusal)

    # Asking

    def _asked(self, document: Document) -> Copy | None:
        """Ask about a document; return what became of it if it does not exist."""
        if self._renew(document):
            return None
        return Copy("missing", reason="Qonto does not know it (any more)")

    def _renew(self, document: Document) -> bool:
        """Let a document have what Qonto says about it now; return whether it exists.

        Raises:
            QontoError: If Qonto does not say.
        """
        query, source = document.query, document.source
        if self.forbids(document.stream):
            raise self._refusals[document.stream][0]
        try:
            told: Row | None = self._client.object(
                query, source.envelope, tries=self._patience.tries(document)
            )
        except QontoError as error:
            if error.status in GONE:
                return False
            raise
        self._answered.add(document.stream)
        if source.inside and told:
            told = told.get(source.inside)
        if not isinstance(told, dict):
            msg = f"GET {query.path} answered JSON without the object {source.inside!r}"
            raise AnswerError(msg, status=HTTPStatus.OK)
        document.link = link_of(told, source.link, self._machine.stopwatch())
        document.told = told
        return True

    def _young_until(self, document: Document) -> str:
        """Return until when a document that does not exist may still appear; empty if it may not.

        Nobody knows how soon a file exists that an answer already names.
        """
        told = (document.told or {}).get("created_at")
        try:
            changed = max(document.changed, uniform(told) if isinstance(told, str) else "")
        except ValueError:
            changed = document.changed
        now = from_datetime(datetime.fromtimestamp(self._machine.clock(), UTC))
        until = shift(changed, YOUNG) if changed else ""
        return until if until > now else ""


def _signed(file: File) -> File | None:
    """Return the signed copy of a document, to be stored beside it; None if there is none."""
    told = (file.document.told or {}).get("probative_attachment")
    if not isinstance(told, dict) or told.get("status") != "available":
        return None
    return file._replace(
        what=f"the signed copy of {file.what}",
        key=beside(file.key, "probative"),
        size=size_of(told),
        link=_sealed_link,
    )


def _sealed_link(document: Document) -> Link | None:
    """Return the link to a document's signed copy, which comes with that to the document."""
    told = (document.told or {}).get("probative_attachment")
    if not isinstance(told, dict) or document.link is None:
        return None
    return link_of(told, "url", document.link.issued)


def _row(document: Document, told: Row, copy: Copy, signed: Copy | None) -> Row:
    """Return the row of a document stream, with all that Qonto said."""
    row = {
        **told,
        **document.columns,
        "file_status": copy.status,
        "file_reason": copy.reason,
        "file_path": copy.uri,
        "file_sha256": copy.sha256,
        "stored_at": copy.at,
    }
    sealed = told.get("probative_attachment")
    if isinstance(sealed, dict):
        row["probative_attachment_status"] = sealed.get("status")
        row["probative_attachment"] = dict(sealed)  # cleaning the row takes the link out of it
        row["probative_attachment"] = dict(sealed)  # cleaning the row takes the link out of it
    if document.sealed:
        row["probative_status"] = signed and signed.status
        row["probative_reason"] = signed and signed.reason
        row["probative_path"] = signed and signed.uri
        row["probative_sha256"] = signed and signed.sha256
    if document.invoice:
        row["facturx_profile"], row["facturx_xml"] = copy.invoice
    return row


def _may_be_sealed(told: Row | None) -> bool:
    """Return whether Qonto does not say that there is no signed copy."""
    sealed = (told or {}).get("probative_attachment")
    return not isinstance(sealed, dict) or sealed.get("status") in (None, "available")


def _is_awaited(document: Document) -> bool:
    """Return whether Qonto is making a signed copy that is wanted."""
    sealed = (document.told or {}).get("probative_attachment")
    return document.sealed and isinstance(sealed, dict) and sealed.get("status") == "pending"
