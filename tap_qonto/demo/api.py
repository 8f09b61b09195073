"""The HTTP rules of the API: who may ask, with which parameters, and what pages look like.

Requests and answers are plain objects; `transport` and `server` carry them.
"""

from __future__ import annotations

import itertools
import re
import secrets
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl

import msgspec

from tap_qonto.demo import moments, organization, routes
from tap_qonto.demo.moments import SECOND, now_utc
from tap_qonto.demo.oauth import GrantError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_qonto.demo.company import Company
    from tap_qonto.demo.ledger import SortKey
    from tap_qonto.demo.oauth import OAuth
    from tap_qonto.demo.routes import Listing, Parameter
    from tap_qonto.demo.rows import Row

FILES_URL: Final = "https://files.demo.qonto.invalid/files"
LINK_LIFE: Final = 30 * 60 * SECOND

_FLOOR: Final = moments.at(2017, 1, 1)
_REMEMBERED_LISTS = 64
_JSON: Final = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One request, taken apart.

    Attributes:
        method: In upper case.
        path: Decoded, from the root: `/v2/...`, `/files/...` or `/oauth2/...`.
        query: Names and values, decoded, in order.
        headers: By any case of their names.
        body: What was sent.
        files_url: Where links to files must point to; the transport knows.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    files_url: str = FILES_URL


@dataclass(frozen=True)
class Response:
    """One answer; a body in parts is sent as it comes, and `Content-Length` tells its size."""

    status: int
    headers: dict[str, str]
    body: bytes | Iterable[bytes]


class _RefusalError(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, code: str, detail: str, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.item: Row = {"code": code, "detail": detail}
        if parameter is not None:
            self.item["source"] = {"parameter": parameter}


class Api:
    """Answers requests from a company.

    Attributes:
        company: The world behind the API; it may change between requests.
        before: Called with every request first, in order; the first one that returns an answer
            is obeyed. Tests change the world or inject faults here: a hook that raises a
            `ConnectionError` resets the connection, and a body in parts that is shorter than
            the `Content-Length` of its answer is cut.
    """

    def __init__(  # noqa: PLR0913 - settings, given by name
        self,
        company: Company,
        *,
        authorization: str | None = None,
        staging_token: str | None = None,
        ceiling: int = 10_000,
        count: Literal["capped", "true"] = "capped",
        page_limit: int | None = None,
        status_reading: Literal["all", "first", "last"] = "all",
        bounds: Literal["[]", "[)", "(]", "()"] = "[]",
        bounds_unit: Literal["millisecond", "second"] = "millisecond",
        clock: Callable[[], datetime] = now_utc,
        oauth: OAuth | None = None,
        organization_required: bool = False,
    ) -> None:
        """Set the rules.

        Args:
            company: The world to show.
            authorization: The one value of the header that is let in, `login:secret`. With
                neither this nor `oauth`, everybody may read everything.
            staging_token: What `X-Qonto-Staging-Token` must say, as on the sandbox.
            ceiling: Rows beyond which a list refuses to page.
            count: Whether `total_count` of such a list stops at the ceiling.
            page_limit: Rows of a page at most; a larger `per_page`, though within what the path
                allows, is lowered silently.
            status_reading: Which of several `status[]` of transactions counts.
            bounds: Whether `_from` and `_to` keep rows that equal them.
            bounds_unit: What moments are cut to before they are compared with a bound.
            clock: Source of the present, aware of its zone.
            oauth: Checks `Bearer` tokens, and answers below `/oauth2/`.
            organization_required: Whether a `Bearer` token is a user's, which must name the
                organization in `X-Qonto-Organization-Id`.
        """
        self.company = company
        self.before: list[Callable[[Request], Response | None]] = []
        self._authorization = authorization
        self._staging_token = staging_token
        self._ceiling = ceiling
        self._capped = count == "capped"
        self._page_limit = page_limit
        self._status_reading = status_reading
        self._bounds = routes.Bounds(
            lower_inclusive=bounds.startswith("["),
            upper_inclusive=bounds.endswith("]"),
            unit=SECOND if bounds_unit == "second" else 1,
        )
        self._clock = clock
        self._oauth = oauth
        self._organization_required = organization_required
        self._links = itertools.count()
        self._traces = itertools.count()
        self._link_key = secrets.token_bytes(16)
        self._encode = msgspec.json.Encoder().encode
        self._lists: OrderedDict[tuple[object, ...], list[Any]] = OrderedDict()

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        for hook in tuple(self.before):
            answer = hook(request)
            if answer is not None:
                return answer
        if request.path.startswith("/files/"):
            return self._file(request)
        if self._staging_token is not None and (
            _header(request, "x-qonto-staging-token") != self._staging_token
        ):
            # The sandbox shows a page to sign in, with the status of success.
            page = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
            return Response(200, {"Content-Type": "text/html; charset=utf-8"}, page)
        if self._oauth is not None and request.path in ("/oauth2/auth", "/oauth2/token"):
            return self._sign_in(request, self._oauth)
        return self._answer(request)

    def _answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/v2")
        webhooks = path.startswith("/webhook_subscriptions")
        quote = path.startswith("/quotes/")
        if path == request.path or not _known(path):
            return Response(
                404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found"
            )
        try:
            self._admit(request, path)
            with self.company.lock:
                return self._json(200, self._read(path, request))
        except _RefusalError as refusal:
            trace = self.company.formula.uuid("trace", next(self._traces))
            item = refusal.item
            body: Row = {"errors": [item], "trace_id": trace}
            if webhooks:
                # This resource reports errors without an envelope.
                body = {"detail": "", **item}
            elif quote and refusal.status == 404:
                body = {"errors": item, "trace_id": trace}
            return self._json(refusal.status, body, {"X-Tyk-Trace-Id": trace})

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> Response:
        return Response(status, {"Content-Type": _JSON, **(headers or {})}, self._encode(body))

    # -- admission ----------------------------------------------------------------------------

    def _admit(self, request: Request, path: str) -> None:
        self._check_credentials(request, path)
        if request.method != "GET":
            raise _RefusalError(405, "method_not_allowed", "the demo company can only be read")

    def _check_credentials(self, request: Request, path: str) -> None:
        if self._authorization is None and self._oauth is None:
            return
        header = _header(request, "authorization") or ""
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and self._oauth is not None:
            if self._oauth.accepts(token):
                self._check_organization(request, path)
                return
        elif self._authorization is not None and header == self._authorization:
            if _oauth_only(path):
                raise _RefusalError(401, "unauthorized", "OAuth2 required")
            return
        raise _RefusalError(401, "unauthorized", "Authentication credentials are not valid")

    def _check_organization(self, request: Request, path: str) -> None:
        named = _header(request, "x-qonto-organization-id")
        wanted = self.company.organization_id
        if self._organization_required and path != "/user_organizations" and named != wanted:
            raise _RefusalError(403, "forbidden", "X-Qonto-Organization-Id is missing or wrong")

    def _sign_in(self, request: Request, oauth: OAuth) -> Response:
        try:
            if request.path == "/oauth2/auth":
                place = oauth.authorize(dict(request.query))
                return Response(302, {"Location": place, "Content-Type": "text/plain"}, b"")
            return self._json(200, oauth.grant(_form(request)), {"Cache-Control": "no-store"})
        except GrantError as refusal:
            body = {"error": refusal.code, "error_description": str(refusal)}
            return self._json(refusal.status, body)

    # -- files --------------------------------------------------------------------------------

    def _link(self, request: Request, document: str) -> str:
        """Return a link to a file that works for half an hour; no two are equal."""
        issued, rank = moments.of(self._clock()), next(self._links)
        return (
            f"{request.files_url}/{document}?X-Amz-Date={issued}&X-Amz-Expires=1800"
            f"&X-Amz-Nonce={rank}&X-Amz-Signature={self._signature(document, issued, rank)}"
        )

    def _signature(self, document: str, issued: int, rank: int) -> str:
        signed = f"{document} {issued} {rank}".encode()
        return blake2b(signed, digest_size=20, key=self._link_key).hexdigest()

    def _file(self, request: Request) -> Response:
        """Answer as the file host, which is another house and must not see our keys."""
        if any(
            name.lower() == "authorization" or name.lower().startswith("x-qonto-")
            for name in request.headers
        ):
            return _storage_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        if request.method not in ("GET", "HEAD"):
            return _storage_error(405, "MethodNotAllowed", "Only reading is allowed")
        document = request.path.removeprefix("/files/")
        query = dict(request.query)
        try:
            issued, rank = int(query["X-Amz-Date"]), int(query["X-Amz-Nonce"])
        except (KeyError, ValueError):
            return _storage_error(403, "AccessDenied", "Access Denied")
        if not secrets.compare_digest(
            self._signature(document, issued, rank).encode(),
            query.get("X-Amz-Signature", "").encode(),
        ):
            return _storage_error(403, "SignatureDoesNotMatch", "The signature does not match")
        if moments.of(self._clock()) >= issued + LINK_LIFE:
            return _storage_error(403, "AccessDenied", "Request has expired")
        try:
            content = self.company.document(document)
        except KeyError:
            return _storage_error(404, "NoSuchKey", "The specified key does not exist")
        kind = "application/pdf"
        if content.startswith(b"\x89PNG"):
            kind = "image/png"
        elif content.startswith(b"<?xml"):
            kind = "application/xml"
        return Response(200, {"Content-Type": kind}, content)

    # -- reading ------------------------------------------------------------------------------

    def _read(self, path: str, request: Request) -> object:
        if path == "/transactions":
            return self._transactions(request)
        listing = routes.LISTINGS.get(path)
        if listing is not None:
            return self._list(path, listing, request)
        single = _SINGLES.get(path)
        if single is not None:
            return single(self, request)
        parent, _, last = path.rpartition("/")
        if parent == "/transactions":
            return {"transaction": self._transaction(last, request)}
        if parent == "/attachments":
            self._parameters({}, request)
            row = self._found("attachments", last)
            return {"attachment": self._attachment(row, request)}
        if last == "attachments":
            return self._transaction_attachments(path.split("/")[2], request)
        if last == "payments":
            link = self._found("payment_links", path.split("/")[2])
            return self._list(path, routes.PAYMENTS, request, link["id"])
        listing = routes.LISTINGS[parent]
        self._parameters({}, request)
        row = self._shown(parent, self._found(listing.collection, last), request)
        return row if listing.flat_item else {listing.item: row}

    def _found(self, collection: str, uuid: str) -> Row:
        row = self.company.get(collection, uuid)
        if row is None:
            raise _RefusalError(404, "not_found", "The record was not found")
        return row

    def _parameters(self, allowed: Mapping[str, Parameter], request: Request) -> dict[str, Any]:
        """Return the values of the query by name, lists for parameters that may be repeated.

        Raises:
            _RefusalError: A parameter is unknown (400) or its value is not of its type (422).
        """
        values: dict[str, Any] = {}
        for name, text in request.query:
            parameter = allowed.get(name)
            if parameter is None:
                raise _RefusalError(
                    400, "unknown_parameter", f"{name} is not a parameter of this resource", name
                )
            try:
                value = parameter.read(text)
            except routes.InvalidValueError as error:
                raise _RefusalError(422, "invalid", f"{name} {error}", name) from error
            if not parameter.many:
                values[name] = value
                continue
            values.setdefault(name, []).append(value)
            if parameter.most is not None and len(values[name]) > parameter.most:
                detail = f"{name} takes {parameter.most} values at most"
                raise _RefusalError(422, "invalid", detail, name)
        return values

    def _asked(self, listing: Listing, request: Request) -> dict[str, Any]:
        """Return the parameters of a list, those of paging and sorting included."""
        allowed = dict(listing.parameters)
        if listing.paged:
            page = routes.Parameter(routes.number(1, 999_999_999))
            allowed["page"] = page
            allowed["per_page"] = routes.Parameter(routes.number(1, listing.most))
            if listing.old:
                allowed["current_page"] = page
        if listing.sorts:
            sorts = [f"{name}:{way}" for name in listing.sorts for way in ("asc", "desc")]
            allowed["sort_by"] = routes.Parameter(routes.choice(*sorts))
        return self._parameters(allowed, request)

    def _list(
        self, path: str, listing: Listing, request: Request, parent: str | None = None
    ) -> Row:
        values = self._asked(listing, request)
        self._check(path, values)
        rows = self._selected(path, listing, values, parent)
        if not listing.paged:
            return {listing.envelope: rows}
        shown, meta = self._page(listing, values, len(rows))
        body: Row = {
            listing.envelope: [self._shown(path, row, request) for row in rows[shown]],
        }
        if listing.meta != "none":
            body["meta"] = meta
        return body

    def _check(self, path: str, values: Mapping[str, Any]) -> None:
        """Refuse what only this path refuses."""
        if path == "/statements" and {"bank_account_ids[]", "ibans[]"} <= values.keys():
            detail = "bank_account_ids and ibans exclude each other"
            raise _RefusalError(422, "invalid", detail, "ibans[]")
        if path == "/international/beneficiaries":
            currency = values.get("currency", "")
            if re.fullmatch(r"[A-Z]{3}", currency) is None:
                detail = "currency must be an ISO 4217 code"
                raise _RefusalError(422, "invalid_currency", detail, "currency")
        if path == "/beneficiaries":
            self._check_floor(values)

    def _check_floor(self, values: Mapping[str, Any]) -> None:
        if values.get("updated_at_from", _FLOOR) < _FLOOR:
            detail = "updated_at_from is too far in the past"
            raise _RefusalError(422, "invalid", detail, "updated_at_from")

    def _selected(
        self, path: str, listing: Listing, values: Mapping[str, Any], parent: str | None
    ) -> list[Row]:
        """Return the rows that match, sorted; remembered until the collection changes."""
        decided = {
            name: value
            for name, value in values.items()
            if name not in ("page", "per_page", "current_page")
        }
        asked = routes.Asked(self._bounds, moments.of(self._clock()), decided)
        key = (
            path, self.company.version(listing.collection), asked.now // moments.DAY,
            tuple(sorted((name, str(value)) for name, value in decided.items())),
        )  # fmt: skip
        return self._remembered(key, lambda: self._sorted(path, listing, asked, parent))

    def _remembered(self, key: tuple[object, ...], make: Callable[[], list[Any]]) -> list[Any]:
        found = self._lists.get(key)
        if found is None:
            found = self._lists[key] = make()
            if len(self._lists) > _REMEMBERED_LISTS:
                self._lists.popitem(last=False)
        else:
            self._lists.move_to_end(key)
        return found

    def _sorted(
        self, path: str, listing: Listing, asked: routes.Asked, parent: str | None
    ) -> list[Row]:
        rows: Iterable[Row] = self.company.rows(listing.collection)
        if parent is not None:
            rows = (row for row in rows if row["payment_link_id"] == parent)
        if path == "/client_invoices" and asked.parameters.get("exclude_imported", True):
            rows = (row for row in rows if row["id"] not in self.company.imported_invoices)
        if path == "/statements":
            ibans = {account.id: account.iban for account in self.company.accounts}
            rows = ({**row, "iban": ibans.get(row["bank_account_id"])} for row in rows)
        kept = list(rows)
        for name, value in asked.parameters.items():
            parameter = listing.parameters.get(name)
            keeps = parameter.keeps if parameter else None
            if keeps is not None:
                kept = [row for row in kept if keeps(row, value, asked)]
        order = asked.parameters.get("sort_by", listing.order)
        if order is not None:
            name, _, way = order.partition(":")
            kept.sort(key=routes.sort_key(name))
            if way == "desc":
                kept.reverse()
        return kept

    def _page(self, listing: Listing, values: Mapping[str, Any], total: int) -> tuple[slice, Row]:
        """Return which rows a page shows, and its `meta`.

        Raises:
            _RefusalError: The page lies behind the last one or beyond the ceiling (422).
        """
        page = int(values.get("page", values.get("current_page", 1)))
        per_page = int(values.get("per_page", listing.per_page))
        if self._page_limit is not None:
            per_page = min(per_page, self._page_limit)
        if total > self._ceiling and page * per_page > self._ceiling:
            detail = f"more than {self._ceiling} rows match; narrow the search"
            raise _RefusalError(422, "search_limit_reached", detail, "page")
        count = min(total, self._ceiling) if self._capped else total
        pages = -(-count // per_page)
        if page > max(1, pages):
            raise _RefusalError(422, "invalid", f"page must not exceed {max(1, pages)}", "page")
        start = (page - 1) * per_page
        return slice(start, start + per_page), _meta(listing.meta, page, per_page, pages, count)

    def _shown(self, path: str, row: Row, request: Request) -> Row:
        """Return a row as its path shows it: with links, in the older form, without helpers."""
        if path == "/statements":
            file = dict(row["file"])
            file["file_url"] = self._link(request, row["id"])
            row = {**row, "file": file}
            row.pop("iban", None)
        elif path == "/beneficiaries":
            return {
                "id": row["id"],
                "name": row["name"],
                "status": row["status"],
                "trusted": row["trusted"],
                "bank_account": {
                    "iban": row["iban"],
                    "bic": row["bic"],
                    "currency": "EUR",
                    "account_number": None,
                    "routing_number": None,
                    "intermediary_bank_bic": None,
                    "swift_sort_code": None,
                },
                "created_at": row["created_at"],
                "updated_at": row["updated_at"],
            }
        elif path.endswith("/payments"):
            row = dict(row)
            del row["payment_link_id"]
        return row

    # -- transactions -------------------------------------------------------------------------

    def _transactions(self, request: Request) -> Row:
        listing = routes.TRANSACTIONS
        values = self._asked(listing, request)
        self._check_floor(values)
        statuses = values.get("status[]", ["completed"])
        if self._status_reading == "first":
            statuses = statuses[:1]
        elif self._status_reading == "last":
            statuses = statuses[-1:]
        field_name, _, way = values.get("sort_by", "settled_at:desc").partition(":")
        account = self._account(values)
        positions: Sequence[int] = ()
        if account is not None:
            positions = self._positions(account, field_name, statuses, values)
        shown, meta = self._page(listing, values, len(positions))
        if way == "desc":
            total = len(positions)
            selected = positions[max(0, total - shown.stop) : total - shown.start][::-1]
        else:
            selected = positions[shown]
        includes = frozenset(values.get("includes[]", ()))
        rows = [self._included(position, includes, request) for position in selected]
        return {"transactions": rows, "meta": meta}

    def _account(self, values: Mapping[str, Any]) -> int | None:
        """Return the number of the account that is asked for; None for one at another bank."""
        if "bank_account_id" in values:
            name, wanted = "bank_account_id", values["bank_account_id"]
        elif "iban" in values:
            name, wanted = "iban", values["iban"].replace(" ", "")
        else:
            detail = "bank_account_id or iban is required"
            raise _RefusalError(400, "missing_parameter", detail, "bank_account_id")
        for account in self.company.accounts:
            if wanted in (account.id, account.iban):
                return account.number
        if wanted in {row["id"] for row in organization.external_accounts(self.company)}:
            return None
        raise _RefusalError(422, "invalid", f"{name} is not an account of yours", name)

    def _positions(
        self, account: int, key: str, statuses: Sequence[str], values: Mapping[str, Any]
    ) -> Sequence[int]:
        """Return the positions of the matching rows, ascending by the sort key."""
        ledger = self.company.ledger
        sort: SortKey = key  # type: ignore[assignment]  # checked against the list of sorts
        order = ledger.order(account, sort, statuses)
        first, end = 0, len(order.keys)
        tests: list[tuple[SortKey, int, int]] = []
        for name in ("updated_at", "settled_at", "emitted_at", "created_at"):
            lower, upper = values.get(f"{name}_from"), values.get(f"{name}_to")
            if lower is None and upper is None:
                continue
            least = 0 if lower is None else self._bounds.first(lower)
            # A row that never settled has no settlement to compare, whatever the bound.
            most = 1 << 61 if upper is None else self._bounds.end(upper)
            if name == key:
                first, end = bisect_left(order.keys, least), bisect_left(order.keys, most)
            else:
                tests.append((name, least, most))
        rest = {
            name: value
            for name, value in values.items()
            if name in ("side", "operation_type[]", "with_attachments")
        }
        window = order.positions[first:end]
        if not tests and not rest:
            return window
        cache = (
            "/transactions", self.company.version("transactions"), account, key,
            frozenset(statuses), first, end, str(tests), str(sorted(rest.items())),
        )  # fmt: skip
        return self._remembered(cache, lambda: list(self._kept(window, tests, rest)))

    def _kept(
        self, window: Iterable[int], tests: Sequence[tuple[SortKey, int, int]], rest: Row
    ) -> Iterator[int]:
        ledger = self.company.ledger
        asked = routes.Asked(self._bounds, moments.of(self._clock()), rest)
        for position in window:
            if not all(least <= ledger.key(position, key) < most for key, least, most in tests):
                continue
            row = ledger.row(position) if rest else {}
            if all(_keeps(name, row, value, asked) for name, value in rest.items()):
                yield position

    def _included(self, position: int, includes: frozenset[str], request: Request) -> Row:
        """Return a transaction with the related objects that were asked for, and only those."""
        if "attachments" in includes:
            row = self.company.transaction(position)
            row["attachments"] = [
                {**one, "url": self._link(request, one["id"])} for one in row["attachments"]
            ]
        else:
            row = self.company.ledger.row(position)
            row.pop("attachments", None)
        if "vat_details" not in includes:
            row.pop("vat_details", None)
        if "labels" not in includes:
            row.pop("labels", None)
        return row

    def _transaction(self, uuid: str, request: Request) -> Row:
        values = self._parameters(routes.TRANSACTION, request)
        position = self.company.ledger.find(uuid)
        if position is None:
            raise _RefusalError(404, "not_found", "The transaction was not found")
        return self._included(position, frozenset(values.get("includes[]", ())), request)

    def _attachment(self, row: Row, request: Request) -> Row:
        """Return an attachment with fresh links, that to its sealed copy included."""
        sealed = row.get("probative_attachment")
        if sealed and sealed.get("status") == "available":
            link = self._link(request, f"{row['id']}-sealed")
            row["probative_attachment"] = {**sealed, "url": link}
        return {**row, "url": self._link(request, row["id"])}

    def _transaction_attachments(self, uuid: str, request: Request) -> Row:
        listing = routes.Listing("attachments", "attachments", "none")
        values = self._asked(listing, request)
        position = self.company.ledger.find(uuid)
        if position is None:
            raise _RefusalError(404, "not_found", "The transaction was not found")
        ids = self.company.ledger.row(position)["attachment_ids"]
        found = [row for one in ids if (row := self.company.attachment(one)) is not None]
        shown, _ = self._page(listing, values, len(found))
        return {"attachments": [self._attachment(row, request) for row in found[shown]]}

    # -- single objects -----------------------------------------------------------------------

    def _organization(self, request: Request) -> Row:
        external = routes.Parameter(routes.boolean)
        values = self._parameters({"include_external_accounts": external}, request)
        row = next(self.company.rows("organization"))
        if values.get("include_external_accounts"):
            others = organization.external_accounts(self.company)
            row = {**row, "bank_accounts": [*row["bank_accounts"], *others]}
        return {"organization": row}

    def _subscription(self, request: Request) -> Row:
        self._parameters({}, request)
        return {"plan": next(self.company.rows("subscription"), None)}

    def _einvoicing(self, request: Request) -> Row:
        self._parameters({}, request)
        row = next(self.company.rows("einvoicing_settings"), None)
        if row is None:
            raise _RefusalError(404, "not_found", "E-invoicing is not set up")
        return row

    def _currencies(self, request: Request) -> Row:
        values = self._parameters({"source": routes.Parameter(routes.text)}, request)
        if "source" not in values:
            raise _RefusalError(400, "missing_parameter", "source is required", "source")
        return {"currencies": organization.international_currencies(values["source"])}

    def _eligibility(self, request: Request) -> Row:
        self._parameters({}, request)
        return {"status": "STATUS_ELIGIBLE", "reason": "REASON_UNKNOWN"}

    def _appearances(self, request: Request) -> Row:
        self._parameters({}, request)
        return {"card_type_appearances": organization.card_type_appearances()}

    def _membership(self, request: Request) -> Row:
        self._parameters({}, request)
        row = next(self.company.rows("memberships"))
        keys = ("id", "first_name", "last_name", "email", "status", "role", "team_id")
        return {
            "membership": {key: row[key] for key in keys}
            | {"phone_number": "+33600000000", "position": "Gérante", "locale": "fr",
               "kyc_status": "accepted"}
        }  # fmt: skip

    def _user_organizations(self, request: Request) -> Row:
        self._parameters({}, request)
        row = next(self.company.rows("organization"))
        keys = ("id", "name", "legal_name", "legal_number", "legal_country")
        shown = {key: row[key] for key in keys}
        return {"organizations": [shown | {"membership_role": "owner"}]}

    def _payment_methods(self, request: Request) -> Row:
        any_text = routes.Parameter(routes.text)
        self._parameters(dict.fromkeys(("amount", "currency", "locale"), any_text), request)
        names = ("credit_card", "apple_pay", "paypal", "ideal", "bank_transfer")
        methods = [{"name": name, "enabled": name not in ("paypal", "ideal")} for name in names]
        return {"payment_link_payment_methods": methods}

    def _connections(self, request: Request) -> Row:
        self._parameters({}, request)
        account = self.company.accounts[0].id
        return {"connection_location": None, "status": "enabled", "bank_account_id": account}


_SINGLES: Final[dict[str, Callable[[Api, Request], object]]] = {
    "/organization": Api._organization,  # noqa: SLF001 - a table of the class's own methods
    "/subscription": Api._subscription,  # noqa: SLF001 - as above
    "/einvoicing/settings": Api._einvoicing,  # noqa: SLF001 - as above
    "/international/currencies": Api._currencies,  # noqa: SLF001 - as above
    "/international/eligibility": Api._eligibility,  # noqa: SLF001 - as above
    "/cards/appearances": Api._appearances,  # noqa: SLF001 - as above
    "/membership": Api._membership,  # noqa: SLF001 - as above
    "/user_organizations": Api._user_organizations,  # noqa: SLF001 - as above
    "/payment_links/payment_methods": Api._payment_methods,  # noqa: SLF001 - as above
    "/payment_links/connections": Api._connections,  # noqa: SLF001 - as above
}

_OAUTH_ONLY: Final = (
    "/payment_links",
    "/terminals",
    "/webhook_subscriptions",
    "/sepa/direct_debit_",
    "/user_organizations",
)


def _oauth_only(path: str) -> bool:
    return path.startswith(_OAUTH_ONLY)


def _known(path: str) -> bool:
    """Say whether a path is a route at all, whatever the ids in it."""
    if path == "/transactions" or path in routes.LISTINGS or path in _SINGLES:
        return True
    parent, _, last = path.rpartition("/")
    if not last:
        return False
    if parent in ("/transactions", "/attachments"):
        return True
    listing = routes.LISTINGS.get(parent)
    if listing is not None:
        return listing.item is not None
    grandparent = parent.rpartition("/")[0]
    return (grandparent, last) in (("/transactions", "attachments"), ("/payment_links", "payments"))


def _form(request: Request) -> dict[str, str]:
    """Return the fields of a token request.

    Raises:
        GrantError: It is no form.
    """
    if request.method != "POST":
        code, description = "invalid_request", "the token endpoint takes POST"
        raise GrantError(code, description, 405)
    kind = (_header(request, "content-type") or "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        code, description = "invalid_request", "the body must be form-urlencoded"
        raise GrantError(code, description)
    return dict(parse_qsl(request.body.decode("ascii", "replace")))


def _header(request: Request, name: str) -> str | None:
    for key, value in request.headers.items():
        if key.lower() == name:
            return value
    return None


def _keeps(name: str, row: Row, value: Any, asked: routes.Asked) -> bool:
    keeps = routes.TRANSACTIONS.parameters[name].keeps
    return keeps is None or keeps(row, value, asked)


def _meta(variant: routes.Meta, page: int, per_page: int, pages: int, count: int) -> Row:
    """Return the paging block; the API has it in several forms."""
    following = page + 1 if page < pages else None
    previous = page - 1 if page > 1 else None
    meta: Row = {"current_page": page}
    if variant == "links" and count == 0:
        # Seen so on an empty list of payment links.
        return meta | {
            "next_page": 0, "prev_page": 1, "total_pages": 1, "total_count": 0,
            "per_page": per_page,
        }  # fmt: skip
    if variant == "short":
        return meta | {"total_pages": pages, "total_count": count, "per_page": per_page}
    if variant == "quotes":
        return meta | {
            "total": count, "total_pages": max(1, pages), "next_page": following,
            "prev_page": previous,
        }  # fmt: skip
    name = "previous_page" if variant == "previous" else "prev_page"
    pages = max(1, pages) if variant == "previous" else pages
    return meta | {
        "next_page": following, name: previous, "total_pages": pages, "total_count": count,
        "per_page": per_page,
    }  # fmt: skip


def _storage_error(status: int, code: str, message: str) -> Response:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    return Response(status, {"Content-Type": "application/xml"}, body.encode())
