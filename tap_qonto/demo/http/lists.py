"""Pages of a collection: what is asked for, which rows match, and what `meta` says."""

from __future__ import annotations

import re
from collections import OrderedDict
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tap_qonto.demo.http.messages import RefusalError, Request
from tap_qonto.demo.http.parameters import Asked, InvalidValueError, Parameter, choice, number
from tap_qonto.demo.http.routes import Listing, Meta, sort_key
from tap_qonto.demo.world import moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from random import Random

    from tap_qonto.demo.http.filehost import FileHost
    from tap_qonto.demo.http.rules import ReadingRules
    from tap_qonto.demo.world.company import Company
    from tap_qonto.demo.world.rows import Row

T = TypeVar("T")

FLOOR: Final = moments.at(2017, 1, 1)
"""`updated_at_from` must not lie before it, where there is a floor at all."""

_REMEMBERED = 64
_PAGE: Final = Parameter(number(1, 999_999_999))


def parameters(allowed: Mapping[str, Parameter], request: Request) -> dict[str, Any]:
    """Return the values of the query by name, lists for parameters that may be repeated.

    Raises:
        RefusalError: A parameter is unknown (400) or its value is not of its type (422).
    """
    values: dict[str, Any] = {}
    for name, text in request.query:
        parameter = allowed.get(name)
        if parameter is None:
            detail = f"{name} is not a parameter of this resource"
            raise RefusalError(400, "unknown_parameter", detail, name)
        try:
            value = parameter.read(text)
        except InvalidValueError as error:
            raise RefusalError(422, "invalid", f"{name} {error}", name) from error
        if not parameter.many:
            values[name] = value
            continue
        values.setdefault(name, []).append(value)
    return values


def asked(listing: Listing, request: Request) -> dict[str, Any]:
    """Return the parameters of a list, those of paging and sorting included.

    Raises:
        RefusalError: A parameter is unknown (400) or its value is not of its type (422).
    """
    allowed = dict(listing.parameters)
    if listing.paged:
        allowed["page"] = _PAGE
        allowed["per_page"] = Parameter(number(1, listing.most))
    if listing.sorts:
        sorts = [f"{name}:{way}" for name in listing.sorts for way in ("asc", "desc")]
        allowed["sort_by"] = Parameter(choice(*sorts))
    return parameters(allowed, request)


def check_floor(values: Mapping[str, Any]) -> None:
    """Refuse to look further back than Qonto exists.

    Raises:
        RefusalError: `updated_at_from` lies before 2017 (422).
    """
    if values.get("updated_at_from", FLOOR) < FLOOR:
        detail = "updated_at_from is too far in the past"
        raise RefusalError(422, "invalid", detail, "updated_at_from")


class Lists:
    """Answers lists of a company from its collections."""

    def __init__(
        self,
        company: Company,
        rules: ReadingRules,
        files: FileHost,
        clock: Callable[[], datetime],
    ) -> None:
        """Answer by these rules, with links to `files`."""
        self._company = company
        self._clock = clock
        self._rules = rules
        self._files = files
        self._remembered: OrderedDict[tuple[object, ...], list[Any]] = OrderedDict()

    def answer(self, listing: Listing, request: Request, parent: str | None = None) -> Row:
        """Return the page that is asked for; `parent` is the payment link whose payments they are.

        Raises:
            RefusalError: A parameter is not accepted (400, 422).
        """
        values = asked(listing, request)
        if listing.collection == "international_beneficiaries":
            _check_currency(values)
        rows = self._visible(self._selected(listing, values, parent))
        if self._rules.ties is not None:
            order = values.get("sort_by", listing.order)
            key = sort_key(order.partition(":")[0]) if order else None
            rows = shuffled(rows, key, self._rules.ties)
        if not listing.paged:
            return {listing.envelope: rows}
        shown, meta = self.page(listing, values, len(rows))
        body: Row = {
            listing.envelope: [self.shown(listing, row, request) for row in rows[shown]],
        }
        if listing.meta != "none":
            body["meta"] = meta
        return body

    def _visible(self, rows: list[Row]) -> list[Row]:
        """Return the rows that are old enough to be listed."""
        if not self._rules.delay:
            return rows
        latest = moments.of(self._clock()) - self._rules.delay
        return [
            row
            for row in rows
            if row.get("created_at") is None or moments.parse(row["created_at"]) <= latest
        ]

    def _selected(
        self, listing: Listing, values: Mapping[str, Any], parent: str | None
    ) -> list[Row]:
        """Return the rows that match, sorted; remembered until the collection changes."""
        decided = {
            name: value for name, value in values.items() if name not in ("page", "per_page")
        }
        key = (
            listing.collection, parent, self._company.version(listing.collection),
            tuple(sorted((name, str(value)) for name, value in decided.items())),
        )  # fmt: skip
        question = Asked(self._rules.bounds, decided)
        return self.remembered(key, lambda: self._sorted(listing, question, parent))

    def remembered(self, key: tuple[object, ...], make: Callable[[], list[Any]]) -> list[Any]:
        """Return the list of a question that was answered before, or make it now."""
        found = self._remembered.get(key)
        if found is None:
            found = self._remembered[key] = make()
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(key)
        return found

    def _sorted(self, listing: Listing, question: Asked, parent: str | None) -> list[Row]:
        rows: Iterable[Row] = self._company.rows(listing.collection)
        if parent is not None:
            rows = (row for row in rows if row["payment_link_id"] == parent)
        if listing.collection == "client_invoices" and (
            question.parameters.get("exclude_imported", True)
        ):
            rows = (row for row in rows if row["id"] not in self._company.imported_invoices)
        kept = list(rows)
        for name, value in question.parameters.items():
            parameter = listing.parameters.get(name)
            keeps = parameter.keeps if parameter else None
            if keeps is not None:
                kept = [row for row in kept if keeps(row, value, question)]
        order = question.parameters.get("sort_by", listing.order)
        if order is not None:
            name, _, way = order.partition(":")
            kept.sort(key=sort_key(name))
            if way == "desc":
                kept.reverse()
        return kept

    def page(self, listing: Listing, values: Mapping[str, Any], total: int) -> tuple[slice, Row]:
        """Return which rows a page shows, and its `meta`.

        Raises:
            RefusalError: The page lies behind the last one or beyond the ceiling (422).
        """
        rules = self._rules
        page = int(values.get("page", 1))
        per_page = int(values.get("per_page", listing.per_page))
        if rules.page_limit is not None:
            per_page = min(per_page, rules.page_limit)
        if total > rules.ceiling and page * per_page > rules.ceiling:
            detail = f"more than {rules.ceiling} rows match; narrow the search"
            raise RefusalError(422, "search_limit_reached", detail, "page")
        count = min(total, rules.ceiling) if rules.capped else total
        pages = -(-count // per_page)
        if page > max(1, pages):
            raise RefusalError(422, "invalid", f"page must not exceed {max(1, pages)}", "page")
        start = (page - 1) * per_page
        return slice(start, start + per_page), _meta(listing.meta, page, per_page, pages, count)

    def shown(self, listing: Listing, row: Row, request: Request) -> Row:
        """Return a row as its path shows it: with links, without helpers."""
        if listing.collection == "statements":
            link = self._files.link(request, row["id"])
            return {**row, "file": {**row["file"], "file_url": link}}
        if listing.collection == "payment_link_payments":
            row = dict(row)
            del row["payment_link_id"]
        return row


def shuffled(rows: Iterable[T], key: Callable[[T], object] | None, random: Random) -> list[T]:
    """Return rows with those in another order that have equal keys; without a key, with all."""
    result: list[T] = []
    for _, group in groupby(rows, key or (lambda _: None)):
        equal = list(group)
        random.shuffle(equal)
        result += equal
    return result


def _check_currency(values: Mapping[str, Any]) -> None:
    if re.fullmatch(r"[A-Z]{3}", values.get("currency", "")) is None:
        detail = "currency must be an ISO 4217 code"
        raise RefusalError(422, "invalid_currency", detail, "currency")


def _meta(variant: Meta, page: int, per_page: int, pages: int, count: int) -> Row:
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
