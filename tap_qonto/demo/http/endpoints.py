"""The table of all paths: who may use each, and the function that answers it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tap_qonto.demo.http import (
    commands_files,
    commands_invoicing,
    commands_transfers,
    payee_check,
    singles,
)
from tap_qonto.demo.http.routes import LISTINGS, READ, Listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo.http.desk import Desk
    from tap_qonto.demo.http.messages import Request
    from tap_qonto.demo.world.rows import Row

Answer: TypeAlias = "Callable[..., Row]"
"""Takes the desk, the request, and the ids that stand in the path."""


class Endpoint(NamedTuple):
    """One method of one path.

    Attributes:
        answer: What answers it.
        scope: The OAuth scope that is needed.
        oauth_only: Whether an API key is refused.
        keyed: Whether an idempotency key is mandatory.
        creates: Whether the answer tells of a created object.
    """

    answer: Answer
    scope: str = READ
    oauth_only: bool = False
    keyed: bool = False
    creates: bool = False


def _list(listing: Listing) -> Answer:
    def answer(desk: Desk, request: Request) -> Row:
        return desk.lists.answer(listing, request)

    return answer


def _payments(desk: Desk, request: Request, link: str) -> Row:
    listing = LISTINGS["/payment_links/{id}/payments"]
    singles.found(desk, "payment_links", link)
    return desk.lists.answer(listing, request, link)


def _item(listing: Listing) -> Answer:
    def answer(desk: Desk, request: Request, uuid: str) -> Row:
        return singles.item(desk, listing, request, uuid)

    return answer


def _transactions(desk: Desk, request: Request) -> Row:
    return desk.transactions.answer(request)


_GET: Final[dict[str, Endpoint]] = {
    "/organization": Endpoint(singles.organization),
    "/subscription": Endpoint(singles.subscription, "subscription.read"),
    "/einvoicing/settings": Endpoint(singles.einvoicing, "einvoicing.read"),
    "/international/currencies": Endpoint(singles.international_currencies),
    "/transactions": Endpoint(_transactions),
    "/attachments/{id}": Endpoint(singles.attachment, "attachment.read"),
    **{
        path: Endpoint(
            _payments if "{id}" in path else _list(listing), listing.scope, listing.oauth_only
        )
        for path, listing in LISTINGS.items()
    },
    **{
        f"{path}/{{id}}": Endpoint(_item(listing), listing.scope, listing.oauth_only)
        for path, listing in LISTINGS.items()
        if listing.item is not None
    },
}

_POST: Final[dict[str, Endpoint]] = {
    "/sepa/verify_payee": Endpoint(payee_check.verify, "payment.write", oauth_only=True),
    "/sepa/transfers": Endpoint(
        commands_transfers.create_transfer, "payment.write", oauth_only=True, keyed=True
    ),
    "/attachments": Endpoint(commands_files.upload, "attachment.write", keyed=True),
    "/supplier_invoices/bulk": Endpoint(
        commands_files.create_supplier_invoices, "supplier_invoice.write"
    ),
    "/clients": Endpoint(commands_invoicing.create_client, "client.write", creates=True),
    "/client_invoices": Endpoint(
        commands_invoicing.create_client_invoice, "client_invoice.write", creates=True
    ),
    "/client_invoices/{id}/finalize": Endpoint(commands_invoicing.finalize, "client_invoice.write"),
}

ENDPOINTS: Final[dict[str, dict[str, Endpoint]]] = {"GET": _GET, "POST": _POST}
"""All endpoints by method and path; `{id}` stands for one part of a path."""

_WITH_IDS: Final = {
    path: re.compile(re.escape(path).replace(r"\{id\}", "([^/]+)"))
    for paths in ENDPOINTS.values()
    for path in paths
    if "{id}" in path
}


def resolve(path: str) -> tuple[dict[str, Endpoint], tuple[str, ...]]:
    """Return the endpoints of a path by method (none for an unknown path), and the ids in it."""
    name, ids = path, tuple[str, ...]()
    if not any(path in paths for paths in ENDPOINTS.values()):
        for template, pattern in _WITH_IDS.items():
            match = pattern.fullmatch(path)
            if match is not None:
                name, ids = template, match.groups()
                break
    return {method: paths[name] for method, paths in ENDPOINTS.items() if name in paths}, ids
