"""The application: one request in, one answer out."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Literal

from tap_qonto.demo.http.access import Access
from tap_qonto.demo.http.commands import Commands
from tap_qonto.demo.http.desk import Desk
from tap_qonto.demo.http.endpoints import resolve
from tap_qonto.demo.http.filehost import FileHost
from tap_qonto.demo.http.lists import Lists
from tap_qonto.demo.http.messages import NO_ROUTE, RefusalError, Request, Response, answer
from tap_qonto.demo.http.rules import ReadingRules, StatusReading, Writing, bounds_of
from tap_qonto.demo.http.transactions import Transactions
from tap_qonto.demo.world.agenda import advance
from tap_qonto.demo.world.errors import WorldFileError
from tap_qonto.demo.world.moments import SECOND, now_utc

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_qonto.demo.http.endpoints import Endpoint
    from tap_qonto.demo.http.oauth import OAuth
    from tap_qonto.demo.world.company import Company
    from tap_qonto.demo.world.rows import Row


class Api:
    """Answers requests from a company.

    Attributes:
        company: The world behind the API; it may change between requests.
        desk: What answers the single paths.
        before: Called with every request first, in order; the first one that returns an answer
            is obeyed. Tests change the world or inject faults here: a hook that raises a
            `ConnectionError` resets the connection, one that raises a `TimeoutError` lets it hang
            until the client gives up, and a body in parts that is shorter than the
            `Content-Length` of its answer is cut.
        after: Called with every request and its answer, once the work is done; the first one that
            returns another answer is obeyed. Hooks that raise as those of `before` let the answer
            get lost.
    """

    def __init__(
        self,
        company: Company,
        *,
        authorization: str | None = None,
        staging_token: str | None = None,
        ceiling: int = 10_000,
        count: Literal["capped", "true"] = "capped",
        page_limit: int | None = None,
        status_reading: StatusReading = "all",
        reversed_known: bool = False,
        ties: Literal["kept", "shuffled"] = "kept",
        bounds: Literal["[]", "[)", "(]", "()"] = "[]",
        bounds_unit: Literal["millisecond", "second"] = "millisecond",
        clock: Callable[[], datetime] = now_utc,
        oauth: OAuth | None = None,
        organization_required: bool = False,
        writing: Writing | None = None,
    ) -> None:
        """Set the rules.

        Args:
            company: The world to show.
            authorization: The one value of the header that is let in, `login:secret`. With
                neither this nor `oauth`, everybody may do everything.
            staging_token: What `X-Qonto-Staging-Token` must say, as on the sandbox.
            ceiling: Rows beyond which a list refuses to page.
            count: Whether `total_count` of such a list stops at the ceiling.
            page_limit: Rows of a page at most; a larger `per_page`, though within what the path
                allows, is lowered silently.
            status_reading: Which of several `status[]` of transactions counts.
            reversed_known: Whether transactions may be asked for by the old status `reversed`.
            ties: Whether rows with equal sort keys, and the rows of lists without an order, come in
                another order at each request.
            bounds: Whether `_from` and `_to` keep rows that equal them.
            bounds_unit: What moments are cut to before they are compared with a bound.
            clock: Source of the present, aware of its zone.
            oauth: Checks `Bearer` tokens, and answers below `/oauth2/`.
            organization_required: Whether a `Bearer` token is a user's, which must name the
                organization in `X-Qonto-Organization-Id`.
            writing: How commands are carried out where Qonto's documents leave it open.
        """
        self.company = company
        self.before: list[Callable[[Request], Response | None]] = []
        self.after: list[Callable[[Request, Response], Response | None]] = []
        self._access = Access(
            company.organization_id,
            authorization=authorization,
            staging_token=staging_token,
            oauth=oauth,
            organization_required=organization_required,
        )
        writing = writing or Writing()
        rules = ReadingRules(
            bounds_of(bounds, bounds_unit), ceiling, count == "capped", page_limit,
            status_reading, reversed_known, int(writing.list_delay * SECOND),
            Random(company.formula.seed("ties")) if ties == "shuffled" else None,
        )  # fmt: skip
        self.desk = _desk(company, clock, rules, writing)
        self._commands, self._traces = Commands(self.desk), itertools.count()

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        for hook in tuple(self.before):
            found = hook(request)
            if found is not None:
                return found
        response = self._served(request)
        for last in tuple(self.after):
            response = last(request, response) or response
        return response

    def _served(self, request: Request) -> Response:
        if request.path.startswith("/files/"):
            return self.desk.files.answer(request)
        response = self._access.before_all(request) or self._answer(request)
        return replace(response, headers={**response.headers, "Date": self._date()})

    def _date(self) -> str:
        return format_datetime(self.desk.clock().astimezone(UTC), usegmt=True)

    def _answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/v2")
        endpoints, ids = resolve(path)
        if path == request.path or not endpoints:
            return NO_ROUTE
        try:
            endpoint = self._admitted(request, endpoints)
            if request.method != "GET":
                return self._commands.run(endpoint, request, ids)
            with self.company.lock:
                self.company.refresh()
                advance(self.company, self.desk.now)
                return answer(200, endpoint.answer(self.desk, request, *ids))
        except RefusalError as refusal:
            return self._refused(path, refusal)
        except WorldFileError as error:
            return self._refused(path, RefusalError(500, "internal_server_error", str(error)))

    def _admitted(self, request: Request, endpoints: dict[str, Endpoint]) -> Endpoint:
        endpoint = endpoints.get(request.method)
        self._access.check(request, endpoint or next(iter(endpoints.values())))
        if endpoint is None:
            raise RefusalError(405, "method_not_allowed", "the demo company does not do that")
        return endpoint

    def _refused(self, path: str, refusal: RefusalError) -> Response:
        trace = self.company.formula.uuid("trace", next(self._traces))
        body: Row = {"errors": [refusal.item], "trace_id": trace}
        if refusal.flat or path.startswith("/webhook_subscriptions"):
            body = {**refusal.item, "trace_id": trace}
        return answer(refusal.status, body, {"X-Tyk-Trace-Id": trace})


def _desk(
    company: Company, clock: Callable[[], datetime], rules: ReadingRules, writing: Writing
) -> Desk:
    files = FileHost(company, clock)
    lists = Lists(company, rules, files, clock)
    transactions = Transactions(company, rules, lists, files)
    return Desk(company, clock, lists, transactions, files, writing)
