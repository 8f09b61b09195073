"""Asking Qonto: one question, one answer, for all streams of a run.

A `Client` retries what may succeed later, asks early for what will be asked for soon, and turns
every answer either into decoded JSON or into an error whose message a person can act on at 3 a.m.:
stream, path, status, the API's own code, never the body.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from tap_qonto.api.answers import UNREADABLE, count_of, error_of, not_json, request_line
from tap_qonto.api.errors import AnswerError, FaultError
from tap_qonto.api.pace import retrying
from tap_qonto.api.pages import PER_PAGE, LateRows, Page, Pool, Row, paged
from tap_qonto.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from tap_qonto.api.pages import Query
    from tap_qonto.api.transport import Transport

_Answer = dict[str, msgspec.Raw]
"""An answer as Qonto sent it, taken apart by the names at its top."""

_parts = msgspec.json.Decoder(_Answer)
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
        self._executor = ThreadPoolExecutor(concurrency, thread_name_prefix="qonto")
        self._early: dict[Query, Future[_Answer]] = {}
        self._early_lock = threading.Lock()
        self._decoder = msgspec.json.Decoder(float_hook=Decimal)
        self.proven = False
        """Whether the credentials have been accepted in this run."""
        self.on_proven: Callable[[], None] = lambda: None
        """Is called when that happens."""

    @property
    def pool(self) -> Pool:
        """Fetches pages in the background.

        Twice as many are under way or waiting as are fetched at once, so that one late page does
        not keep those after it from being asked for.
        """
        return Pool(self._executor.submit, 2 * self.concurrency)

    def close(self) -> None:
        """Drop what is still waiting to be fetched and close the connections."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.transport.close()

    def ask_early(
        self, queries: Sequence[Query], *, waiting: Callable[[], bool] = lambda: True
    ) -> None:
        """Fetch in the background what will be asked for soon; `get` then finds it.

        Args:
            queries: What will be asked for.
            waiting: Whether that still lies ahead: nothing is asked for twice.
        """
        for query in queries:
            with self._early_lock:
                if query not in self._early and waiting():
                    self._early[query] = self._executor.submit(self._get, query)

    def get(self, query: Query) -> Row:
        """Return the object that is one answer; numbers with a fraction are `Decimal`.

        Raises:
            AnswerError: If the answer is no object.
            QontoError: If there is no such answer; its subclasses say why.
            CeilingError: If the query matches more rows than Qonto lists.
            PastTheEndError: If the page lies beyond the last one.
        """
        return {name: self._decoded(query, part) for name, part in self._answer(query).items()}

    def object(self, query: Query, envelope: str = "") -> Row:
        """Return the object that an answer holds.

        Args:
            query: What is asked.
            envelope: The key that holds the object; empty if the answer itself is the object.

        Raises:
            AnswerError: If there is none.
            QontoError: As `get` does.
        """
        answer = self.get(query)
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
        answer = self._answer(paged(query, number, per_page) if per_page else query)
        listed = answer.get(envelope, _NULL)
        if bytes(memoryview(listed)[:1]) != b"[":
            msg = f"{request_line(query)} answered JSON without the list {envelope!r}"
            raise AnswerError(msg, status=HTTPStatus.OK)
        rows = LateRows(lambda: self._decoded(query, listed))
        meta = self._decoded(query, answer.get("meta", _NULL))
        if meta is None:
            return Page(rows, number, full=0 < per_page <= len(rows))
        if not isinstance(meta, dict):
            msg = f"{request_line(query)} answered a 'meta' that is no object"
            raise AnswerError(msg, status=HTTPStatus.OK)
        total = count_of(query, meta, "total_count", "total")
        pages = count_of(query, meta, "total_pages")
        if pages is None and total is not None and per_page:
            # Pages may be shorter than asked for, but only the last one is shorter than the first.
            held = len(rows) if number == 1 else 0
            pages = -(-total // (count_of(query, meta, "per_page") or held or per_page))
        full = pages is None and 0 < per_page <= len(rows)
        return Page(rows, number, pages=pages, total=total, full=full)

    def _decoded(self, query: Query, part: msgspec.Raw) -> Any:
        """Return the value of one part of an answer."""
        try:
            return self._decoder.decode(part)
        except UNREADABLE:
            msg = f"{request_line(query)} answered 200 with text that is not valid JSON"
            raise AnswerError(msg, status=HTTPStatus.OK) from None

    def _answer(self, query: Query) -> _Answer:
        """Return an answer that was asked for early, or ask now."""
        with self._early_lock:
            early = self._early.pop(query, None)
        return self._get(query) if early is None else early.result()

    def _get(self, query: Query) -> _Answer:
        def told(error: FaultError, wait: float) -> None:
            if error.status == HTTPStatus.TOO_MANY_REQUESTS:
                # What Qonto says of one request holds for all that come from this machine.
                self.transport.hold_back(wait)

        return retrying(
            lambda: self._attempt(query),
            FaultError,
            query.stream,
            tries=self._machine.tries,
            sleep=self._machine.sleep,
            told=told,
        )

    def _attempt(self, query: Query) -> _Answer:
        """Send one request, and once more if the credentials could be renewed."""
        reply = self.transport.send("GET", query.path, query.params)
        if reply.status == HTTPStatus.UNAUTHORIZED and self.transport.renew(reply):
            reply = self.transport.send("GET", query.path, query.params)
        if reply.status != HTTPStatus.OK:
            raise error_of(query, reply)
        try:
            answer = _parts.decode(reply.body)
        except msgspec.ValidationError:
            msg = f"{request_line(query)} answered JSON that is no object"
            raise AnswerError(msg, status=HTTPStatus.OK) from None
        except UNREADABLE:
            raise not_json(query, reply) from None
        if not self.proven:
            self.proven = True
            self.on_proven()
        return answer
