"""Paths that answer one object: the organization, its plan, a row by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_qonto.demo.http.lists import parameters
from tap_qonto.demo.http.messages import RefusalError, Request
from tap_qonto.demo.http.parameters import Parameter, boolean, text
from tap_qonto.demo.world import organization as people
from tap_qonto.demo.world.payees import international_currencies as currencies_from

if TYPE_CHECKING:
    from tap_qonto.demo.http.desk import Desk
    from tap_qonto.demo.http.routes import Listing
    from tap_qonto.demo.world.rows import Row


def organization(desk: Desk, request: Request) -> Row:
    """Return the organization, with the accounts at other banks if they are asked for."""
    values = parameters({"include_external_accounts": Parameter(boolean)}, request)
    row = next(desk.company.rows("organization"))
    if values.get("include_external_accounts"):
        others = people.external_accounts(desk.company)
        row = {**row, "bank_accounts": [*row["bank_accounts"], *others]}
    return {"organization": row}


def subscription(desk: Desk, request: Request) -> Row:
    """Return the price plan, if there is one."""
    parameters({}, request)
    return {"plan": next(desk.company.rows("subscription"), None)}


def einvoicing(desk: Desk, request: Request) -> Row:
    """Return the state of e-invoicing.

    Raises:
        RefusalError: There is none (404).
    """
    parameters({}, request)
    row = next(desk.company.rows("einvoicing_settings"), None)
    if row is None:
        raise RefusalError(404, "not_found", "E-invoicing is not set up")
    return row


def international_currencies(_: Desk, request: Request) -> Row:
    """Return the currencies that can be sent to.

    Raises:
        RefusalError: The currency to send is not named (400).
    """
    values = parameters({"source": Parameter(text)}, request)
    if "source" not in values:
        raise RefusalError(400, "missing_parameter", "source is required", "source")
    return {"currencies": currencies_from(values["source"])}


def attachment(desk: Desk, request: Request, uuid: str) -> Row:
    """Return a file with fresh links, that to its sealed copy included.

    Raises:
        RefusalError: There is no such file (404).
    """
    parameters({}, request)
    row = found(desk, "attachments", uuid)
    sealed = row.get("probative_attachment")
    if sealed and sealed.get("status") == "available":
        link = desk.files.link(request, f"{row['id']}-sealed")
        row["probative_attachment"] = {**sealed, "url": link}
    return {"attachment": {**row, "url": desk.files.link(request, row["id"])}}


def item(desk: Desk, listing: Listing, request: Request, uuid: str) -> Row:
    """Return one row of a list, in its own envelope.

    Raises:
        RefusalError: There is no such row (404).
    """
    parameters({}, request)
    row = found(desk, listing.collection, uuid)
    return {str(listing.item): desk.lists.shown(listing, row, request)}


def found(desk: Desk, collection: str, uuid: str) -> Row:
    """Return a row by its id.

    Raises:
        RefusalError: There is none (404).
    """
    row = desk.company.get(collection, uuid)
    if row is None:
        raise RefusalError(404, "not_found", "The record was not found")
    return row
