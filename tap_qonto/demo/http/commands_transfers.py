"""The command that sends money: who may be paid, with what proof, and from which account."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tap_qonto.demo.http import bodies
from tap_qonto.demo.http.messages import RefusalError, Request, pointed
from tap_qonto.demo.http.payee_check import check_proof, use_proof
from tap_qonto.demo.world import moments, orders
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_qonto.demo.http.desk import Desk
    from tap_qonto.demo.world.rows import Row

_AT: Final = "/transfer"
_DOCUMENT_ABOVE: Final = 3_000_000
"""Cents above which a transfer needs a document."""


def create_transfer(desk: Desk, request: Request) -> Row:
    """Send money to a payee whom the company trusts.

    Raises:
        RefusalError: The order is not in order (400, 422), its proof is missing or not good (401),
            or a person would have to confirm it (428).
    """
    body = bodies.json_of(request)
    transfer = bodies.object_in(body, "transfer")
    cents = _cents(transfer)
    order = orders.TransferOrder(
        account=_account(desk, transfer),
        payee=_payee(desk, transfer),
        cents=cents,
        reference=bodies.text(transfer, "reference", 140, at=_AT),
        note=bodies.optional_text(transfer, "note", 140, at=_AT),
        on=_day(desk, transfer),
        attachments=_attachments(desk, transfer, cents),
        instant=int(desk.writing.settle_time * SECOND),
    )
    proof = check_proof(desk, body.get("vop_proof_token"), order.payee["iban"])
    _check_authority(desk, order)
    today = moments.day(desk.now)
    if order.on == today and orders.available(desk.company, order.account) < cents:
        detail = "the account does not have sufficient funds"
        raise RefusalError(400, "insufficient_funds", detail)
    use_proof(desk, proof)
    row = orders.place(desk.company, order, desk.now)
    return row if desk.writing.bare else {"transfer": row}


def _cents(transfer: Row) -> int:
    amount: Any = transfer.get("amount")
    pointer = f"{_AT}/amount"
    if amount is not None and not isinstance(amount, str):
        detail = "amount must be a string"
        raise RefusalError(400, "not_a_string", detail, more=pointed(pointer))
    if amount is None or bodies.AMOUNT.fullmatch(amount) is None:
        detail = "amount must be a decimal with at most two places"
        raise RefusalError(400, "bad_request", detail, more=pointed(pointer))
    cents = int(Decimal(amount) * 100)
    if cents == 0:
        raise RefusalError(400, "bad_request", "amount must be positive", more=pointed(pointer))
    return cents


def _account(desk: Desk, transfer: Row) -> str:
    wanted = transfer.get("bank_account_id")
    row = desk.company.get("bank_accounts", wanted) if isinstance(wanted, str) else None
    if row is None or row["status"] != "active" or row["is_external_account"]:
        detail = "bank_account_id is not an open account of yours"
        raise RefusalError(
            400, "bank_account_not_found", detail, more=pointed(f"{_AT}/bank_account_id")
        )
    return str(row["id"])


def _payee(desk: Desk, transfer: Row) -> Row:
    """Return the stored payee, or the one that the transfer itself describes, untrusted."""
    wanted, inline = transfer.get("beneficiary_id"), transfer.get("beneficiary")
    if (wanted is None) == (inline is None):
        detail = "exactly one of beneficiary_id and beneficiary is required"
        raise RefusalError(400, "bad_request", detail, more=pointed(f"{_AT}/beneficiary_id"))
    if inline is not None:
        bodies.object_in(transfer, "beneficiary", at=_AT)
        iban = bodies.text(inline, "iban", 34, at=f"{_AT}/beneficiary").replace(" ", "").upper()
        payee: Row = {"iban": iban, "trusted": False, "status": "pending"}
    else:
        found = desk.company.get("beneficiaries", wanted) if isinstance(wanted, str) else None
        if found is None:
            bodies.refuse(f"{_AT}/beneficiary_id", "Not found", "not_found")
        payee = found
    if payee["iban"] in {account.iban for account in desk.company.accounts}:
        detail = "use an internal transfer between your own accounts"
        raise RefusalError(400, "transfer_to_same_organization", detail)
    return payee


def _day(desk: Desk, transfer: Row) -> str:
    today = moments.day(desk.now)
    if transfer.get("scheduled_date") is None:
        return today
    on = bodies.day_in(transfer, "scheduled_date", at=_AT)
    if on < today:
        bodies.refuse(f"{_AT}/scheduled_date", "scheduled_date is in the past")
    return on


def _attachments(desk: Desk, transfer: Row, cents: int) -> Sequence[str]:
    ids = bodies.ids_in(transfer, "attachment_ids", 5, at=_AT)
    pointer = f"{_AT}/attachment_ids"
    if any(desk.company.get("attachments", one) is None for one in ids):
        bodies.refuse(pointer, "Not found", "not_found")
    if cents > _DOCUMENT_ABOVE and not ids:
        detail = "a transfer above 30,000 EUR needs an attachment"
        bodies.refuse(pointer, detail, "required")
    return ids


def _check_authority(desk: Desk, order: orders.TransferOrder) -> None:
    """Refuse what a person would have to confirm.

    Raises:
        RefusalError: The payee is not trusted (428), or the amount needs an approval (400).
    """
    if not order.payee["trusted"] or order.payee["status"] != "validated":
        session = desk.company.formula.uuid("sca session", desk.now).replace("-", "")
        more = {"action_type": "transfer.single.create", "sca_session_token": session}
        raise RefusalError(428, "sca_required", "SCA required", more=more)
    limit = desk.writing.approval_from
    if limit and order.cents >= limit * 100:
        detail = "the organization's payment policy asks for an approval: request the transfer"
        raise RefusalError(400, "payment_policy_approval_required", detail)
