"""Rows that do not look as rows usually do, and times that are not what they seem."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import format_datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import DAY, iso
from tap_qonto.demo.worlds.world import World, altered, at, instead, refusal, rows_in

if TYPE_CHECKING:
    from tap_qonto.demo.http.api import Api
    from tap_qonto.demo.http.messages import Request, Response

_BEHIND: Final = timedelta(seconds=90)


def _clock_behind(api: Api) -> None:
    company = api.company
    edited: set[str] = set()

    def edit(request: Request) -> None:
        """Let a client change during the run, at the time that Qonto's clock shows."""
        if request.path == "/v2/clients" and not edited:
            row = next(company.rows("clients"))
            edited.add(row["id"])
            now = iso(moments.of(api.desk.clock() - _BEHIND))
            company.change("clients", row["id"], updated_at=now)

    def lag(_: Request, response: Response) -> Response:
        late = format_datetime((api.desk.clock() - _BEHIND).astimezone(UTC), usegmt=True)
        return replace(response, headers={**response.headers, "Date": late})

    api.before.append(edit)
    api.after.append(lag)


def _old_documents(api: Api) -> None:
    for collection in ("quotes", "credit_notes", "client_invoices"):
        for number, row in enumerate(islice(list(api.company.rows(collection)), 20)):
            moment = iso(moments.at(2009, 1, 1) + number * 120 * DAY)
            as_before = {name: row[name] for name in ("updated_at",) if name in row}
            api.company.change(collection, row["id"], created_at=moment, **as_before)


def _future_invoice(api: Api) -> None:
    row = next(api.company.rows("client_invoices"))
    ahead = iso(moments.of(api.desk.clock()) + 30 * DAY)
    api.company.change("client_invoices", row["id"], created_at=ahead, updated_at=row["updated_at"])


def _before_2017(request: Request) -> bool:
    return any(
        name in ("filter[created_at_from]", "filter[updated_at_from]") and value < "2017"
        for name, value in request.query
    )


def _forgotten_account(body: Any, _: Request) -> None:
    accounts = body.get("organization", body).get("bank_accounts")
    if accounts:
        accounts.pop(1)


def _reversed(api: Api) -> None:
    account = api.company.accounts[0].id
    completed = (
        row
        for row in api.company.rows("transactions", bank_account_id=account)
        if row["status"] == "completed"
    )
    for row in list(islice(completed, 5)):
        reversal = {"status": "reversed", "settled_at": None, "updated_at": row["updated_at"]}
        api.company.change("transactions", row["id"], **reversal)


def _offset_dates(body: Any, _: Request) -> None:
    for row in rows_in(body)[:2]:
        row["issue_date"] = f"{row['issue_date']}T23:30:00-02:00"


def _without_id(body: Any, _: Request) -> None:
    body["organization"].pop("id", None)


def _without_code(body: Any, _: Request) -> None:
    body["plan"].pop("code", None)


def _without_keys(body: Any, _: Request) -> None:
    for row in rows_in(body)[:1]:
        row.pop("id", None)


WORLDS: Final[dict[str, World]] = {
    "clock-behind": World(
        "Qonto's clock is 90 seconds behind, and a client changes during the run", _clock_behind
    ),
    "old-documents": World(
        "quotes, credit notes and client invoices were created from 2009 on", _old_documents
    ),
    "future-invoice": World("a client invoice is dated next month", _future_invoice),
    "floor-everywhere": World(
        "filters of documents are refused before 2017",
        instead(_before_2017, lambda _: refusal(422, "invalid", "the date is before 2017")),
    ),
    "forgotten-account": World(
        "an account with transactions is listed nowhere",
        altered(at("/bank_accounts", "/organization"), _forgotten_account),
    ),
    "reversed": World(
        "some transactions were reversed, a status that can be asked for",
        _reversed, {"reversed_known": True},
    ),
    "reversed-unknown": World(
        "some transactions were reversed, a status that is refused", _reversed
    ),
    "offset-dates": World(
        "dates come with a time and an offset", altered(at("/client_invoices"), _offset_dates)
    ),
    "no-organization-id": World(
        "the organization comes without its id", altered(at("/organization"), _without_id)
    ),
    "no-plan-code": World(
        "the price plan comes without its code", altered(at("/subscription"), _without_code)
    ),
    "keyless-row": World("a label comes without its id", altered(at("/labels"), _without_keys)),
}  # fmt: skip
