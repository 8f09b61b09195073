"""Asking Qonto: one question, one answer, for all streams of a run.

A `Client` retries what may succeed later, asks early for what will be asked for soon, and turns
every answer either into decoded JSON or into an error whose message a person can act on at 3 a.m.:
stream, path, status, the API's own code, never the body.
"""

from __future__ import annotations

import threading
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tap_qonto.api.answers import (
    UNREADABLE,
    Clocks,
    count_of,
    date_of,
    error_of,
    not_json,
    request_line,
)
from tap_qonto.api.errors import AnswerError, FaultError, QontoError, UnauthorizedError
from tap_qonto.api.pace import retrying
from tap_qonto.api.pages import PER_PAGE, LateRows, Page, Pool, Row, paged
from tap_qonto.api.repair import repaired
from tap_qonto.api.threads import Threads
from tap_qonto.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from tap_qonto.api.pages import Query
    from tap_qonto.api.transport import Transport

_Answer = dict[str, msgspec.Raw]
"""An answer as Qonto sent it, taken apart by the names at its top."""

_T = TypeVar("_T")

_TRIES = 4
"""How often a page is asked for that holds less than it counts."""

_parts = msgspec.json.Decoder(_Answer)
_listed = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = msgspec.Raw(b"null")


class Client:
    """Answers queries of all streams of one run.

    Args:
        transport: Carries the requests.
        concurrency: How many pages are fetched at once.
        machine: Its patience.
    """

    def __init__(
        self, transport: Transport, *, concurrency: int, machine: Machine | None = None
    ) -> None:
        self.transport = transport
        self.concurrency = concurrency
        self._machine = machine or Machine()
        self._threads = Threads(concurrency, "qonto")
        self._early: dict[Query, Future[_Answer]] = {}
        self._early_lock = threading.Lock()
        self._decoder = msgspec.json.Decoder(float_hook=Decimal)
        self._proving = threading.Lock()
        self._on_proven: Callable[[], None] = lambda: None
        self.proven = False
        """Whether the credentials have been accepted in this run."""
        self.first_took = 0.0
        """Seconds that the answer took which accepted them."""
        self.clocks: Clocks | None = None
        """What Qonto's clock and this machine's said at the first answer that told the time."""

    @property
    def pool(self) -> Pool:
        """Fetches pages in the background.

        Sixteen times as many are under way or waiting as are fetched at once, so that pages which
        come one after the other do not keep those after them from being asked for. That is 25 MB
        of transactions, as Qonto sent them.
        """
        return Pool(self._threads.submit, 16 * self.concurrency, self.concurrency)

    def when_proven(self, told: Callable[[], None]) -> None:
        """Call something as soon as the credentials have been accepted: now, if they have been."""
        with self._proving:
            if not self.proven:
                self._on_proven = told
                return
        told()

    def submit(self, work: Callable[..., _T], *args: Any) -> Future[_T]:
        """Run something in the background, on the threads that fetch pages."""
        return self._threads.submit(work, *args)

    def close(self) -> None:
        """Drop what is still waiting to be fetched and close the connections."""
        self._threads.close()
        self.transport.close()

    def ask_early(
        self, queries: Sequence[Query], *, waiting: Callable[[], bool] = lambda: True
    ) -> list[Future[_Answer]]:
        """Fetch in the background what will be asked for soon; `get` then finds it.

        Args:
            queries: What will be asked for.
            waiting: Whether that still lies ahead: nothing is asked for twice.

        Returns:
            What has begun, for whoever does not want to ask for too much at a time.
        """
        begun = []
        for query in queries:
            with self._early_lock:
                if query not in self._early and waiting():
                    self._early[query] = self._threads.submit(self._get, query)
                    begun.append(self._early[query])
        return begun

    def forget(self, queries: Iterable[Query]) -> None:
        """Drop what was asked for early and will not be asked for after all."""
        for query in queries:
            with self._early_lock:
                if early := self._early.pop(query, None):
                    early.cancel()

    def get(self, query: Query, *, tries: int | None = None) -> Row:
        """Return the object that is one answer; numbers with a fraction are `Decimal`.

        Args:
            query: What is asked.
            tries: How often to ask at most; as often as the machine has patience for if None.

        Raises:
            AnswerError: If the answer is no object.
            QontoError: If there is no such answer; its subclasses say why.
            CeilingError: If the query matches more rows than Qonto lists.
            PastTheEndError: If the page lies beyond the last one.
        """
        answer, _ = self._answer(query, tries)
        return {name: self._decoded(query, part) for name, part in answer.items()}

    def object(self, query: Query, envelope: str = "", *, tries: int | None = None) -> Row:
        """Return the object that an answer holds.

        Args:
            query: What is asked.
            envelope: The key that holds the object; empty if the answer itself is the object.
            tries: How often to ask at most; as often as the machine has patience for if None.

        Raises:
            AnswerError: If there is none.
            QontoError: As `get` does.
        """
        answer = self.get(query, tries=tries)
        value = answer.get(envelope) if envelope else answer
        if not isinstance(value, dict):
            msg = f"{request_line(query)} answered JSON without the object {envelope!r}"
            raise AnswerError(msg, status=HTTPStatus.OK)
        return value

    def page(self, query: Query, envelope: str, number: int, *, per_page: int = PER_PAGE) -> Page:
        """Return one page of a list, whose rows are decoded when they are first looked at.

        Args:
            query: The list, without the parameters of the page.
            envelope: The key that holds the rows.
            number: Number of the page, from 1.
            per_page: Rows asked for; 0 if the list knows no pages.

        Raises:
            AnswerError: If the answer holds no such list.
            QontoError: As `get` does.
            CeilingError: As `get` does.
            PastTheEndError: As `get` does.
        """
        answer, early = self._answer(paged(query, number, per_page) if per_page else query)
        return self._page(query, envelope, number, per_page, answer)._replace(early=early)

    def whole_page(self, query: Query, envelope: str, number: int) -> Page:
        """Return one page of a list, asked for again as long as it holds less than it counts.

        Args:
            query: The list, without the parameters of the page.
            envelope: The key that holds the rows.
            number: Number of the page, from 1.

        Raises:
            AnswerError: If it never holds what it counts.
            QontoError: As `page` does.
        """
        for tries in range(_TRIES):
            if tries:
                self._machine.sleep(0.25 * 2**tries)
            page = self.page(query, envelope, number)
            if not page.is_short:
                return page
        msg = (
            f"{request_line(query)} answered {len(page.rows)} of the {page.promised} rows that it "
            "counts, however often it was asked. Run again"
        )
        raise AnswerError(msg, status=HTTPStatus.OK)

    def foreseen(self, query: Query, envelope: str, *, per_page: int = PER_PAGE) -> Page | None:
        """Return the first page of a list if it was asked for early, and leave it for its reader.

        Args:
            query: The list, with the parameters of that page.
            envelope: The key that holds the rows.
            per_page: Rows asked for.

        Raises:
            QontoError: As `page` does.
        """
        with self._early_lock:
            early = self._early.get(query)
        return (
            self._page(query, envelope, 1, per_page, self._threads.result(early)) if early else None
        )

    def _page(
        self, query: Query, envelope: str, number: int, per_page: int, answer: _Answer
    ) -> Page:
        """Return the page that an answer holds.

        Raises:
            AnswerError: If it holds none.
        """
        listed = answer.get(envelope, _NULL)
        if bytes(memoryview(listed)[:1]) != b"[":
            msg = f"{request_line(query)} answered JSON without the list {envelope!r}"
            raise AnswerError(msg, status=HTTPStatus.OK)
        parts = self._decoded(query, listed, _listed)
        rows = LateRows(parts, lambda part: self._decoded(query, part))
        meta = self._decoded(query, answer.get("meta", _NULL))
        if meta is None:
            return Page(rows, number, full=0 < per_page <= len(rows))
        if not isinstance(meta, dict):
            msg = f"{request_line(query)} answered a 'meta' that is no object"
            raise AnswerError(msg, status=HTTPStatus.OK)
        total = count_of(query, meta, "total_count", "total")
        pages = count_of(query, meta, "total_pages")
        size = count_of(query, meta, "per_page")
        if pages is None and total is not None and per_page and (size or number == 1):
            # Pages may be shorter than asked for, but only the last one is shorter than the first.
            pages = -(-total // (size or len(rows) or per_page))
        if not size or (pages and total is not None and -(-total // size) != pages):
            # Nothing or nonsense is said, but no page is larger than was asked for.
            size = per_page if len(rows) == per_page else None
        full = pages is None and 0 < per_page <= len(rows)
        return Page(rows, number, pages, total, full=full, size=size)

    def is_welcome(self, query: Query) -> bool:
        """Return whether the credentials are accepted for a question, asked anew and once.

        Args:
            query: What is asked. An answer that may not be read is still one to somebody known.
        """
        try:
            self._attempt(query)
        except UnauthorizedError:
            return False
        except FaultError:
            return self.proven
        except QontoError:
            return True
        return True

    def is_answered(self, query: Query) -> bool:
        """Return whether a question gets any answer but a fault, asked anew and once.

        Args:
            query: What is asked.
        """
        try:
            self._attempt(query)
        except FaultError:
            return False
        except QontoError:
            return True
        return True

    def _decoded(
        self, query: Query, part: msgspec.Raw, decoder: msgspec.json.Decoder[Any] | None = None
    ) -> Any:
        """Return the value of one part of an answer; what cannot be read in it is set aside."""
        try:
            return (decoder or self._decoder).decode(part)
        except UNREADABLE:
            if mended := repaired(bytes(part)):
                return (decoder or self._decoder).decode(mended)
            msg = f"{request_line(query)} answered 200 with text that is not valid JSON"
            raise AnswerError(msg, status=HTTPStatus.OK) from None

    def _answer(self, query: Query, tries: int | None = None) -> tuple[_Answer, bool]:
        """Return an answer that was asked for early, or ask now; and whether it was early."""
        with self._early_lock:
            early = self._early.pop(query, None)
        # What has not begun yet is not waited for: it may stand behind whoever asks, for ever.
        if early is None or early.cancel():
            return self._get(query, tries), False
        return self._threads.result(early), True

    def _get(self, query: Query, tries: int | None = None) -> _Answer:
        def told(error: FaultError, wait: float) -> None:
            if error.status == HTTPStatus.TOO_MANY_REQUESTS:
                # What Qonto says of one request holds for all that come from this machine.
                self.transport.hold_back(wait)

        return retrying(
            lambda: self._attempt(query),
            FaultError,
            query.stream,
            tries=tries or self._machine.tries,
            sleep=self._machine.sleep,
            told=told,
        )

    def _attempt(self, query: Query) -> _Answer:
        """Send one request, and once more if the credentials could be renewed."""
        began = self._machine.stopwatch()
        reply = self.transport.send("GET", query.path, query.params)
        if self.clocks is None and (qontos := date_of(reply.headers)) is not None:
            self.clocks = Clocks(qontos, reply.at)
        if reply.status == HTTPStatus.UNAUTHORIZED and self.transport.renew(reply):
            reply = self.transport.send("GET", query.path, query.params)
        if reply.status != HTTPStatus.OK:
            raise error_of(query, reply)
        try:
            answer = _parts_of(query, reply.body)
        except UNREADABLE:
            mended = repaired(reply.body)
            if mended is None:
                raise not_json(query, reply) from None
            answer = _parts_of(query, mended)
        if not self.proven:
            self._prove(self._machine.stopwatch() - began)
        return answer

    def _prove(self, took: float) -> None:
        with self._proving:
            if self.proven:
                return
            self.first_took = took
            self.proven = True
            told = self._on_proven
        told()


def _parts_of(query: Query, body: bytes) -> _Answer:
    try:
        return _parts.decode(body)
    except msgspec.ValidationError:
        msg = f"{request_line(query)} answered JSON that is no object"
        raise AnswerError(msg, status=HTTPStatus.OK) from None
