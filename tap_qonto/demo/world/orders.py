"""Money that is sent at somebody's order: a transfer, its transaction, and what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import DAY, day, iso
from tap_qonto.demo.world.rendering import NO_SUBJECT, counterparty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_qonto.demo.world.company import Company
    from tap_qonto.demo.world.rows import Row

INSTANT_ONCE: Final = 1_000_000
INSTANT_A_DAY: Final = 5_000_000
"""Cents up to which trusted payees are paid at once: by one transfer, and within 24 hours."""


@dataclass(frozen=True)
class TransferOrder:
    """What was ordered.

    Attributes:
        account: Id of the account to debit.
        payee: Row of the beneficiary.
        cents: Amount.
        reference: What the payee reads.
        note: What only the company reads.
        on: Day of execution as YYYY-MM-DD.
        attachments: Ids of the documents that belong to it.
        instant: Milliseconds until an instant transfer is settled; any other one takes a day.
    """

    account: str
    payee: Row
    cents: int
    reference: str
    note: str | None
    on: str
    attachments: Sequence[str]
    instant: int


def place(company: Company, order: TransferOrder, now: int) -> Row:
    """Take an order, and return its transfer as it is now: accepted, not settled."""
    row: Row = {
        "id": company.new_id("sepa_transfer"),
        "initiator_id": company.formula.uuid("membership", 0),
        "bank_account_id": order.account,
        "beneficiary_id": order.payee["id"],
        "amount": order.cents / 100,
        "amount_cents": order.cents,
        "amount_currency": "EUR",
        "status": "pending",
        "reference": order.reference,
        "note": order.note,
        "declined_reason": None,
        "scheduled_date": order.on,
        "created_at": iso(now),
        "updated_at": iso(now),
        "processed_at": None,
        "completed_at": None,
        "transaction_id": None,
        "recurring_transfer_id": None,
    }
    company.put("sepa_transfers", row)
    plan = {
        "id": row["id"],
        "attachments": list(order.attachments),
        "delay": order.instant if _is_instant(company, order, now) else DAY,
    }
    if order.on > day(now):
        company.put("agenda", {**plan, "what": "execute", "at": moments.parse(order.on)})
    else:
        _debit(company, plan, now)
    return row


def _is_instant(company: Company, order: TransferOrder, now: int) -> bool:
    """Say whether a transfer is within the limits of instant ones, which are kept silently."""
    since = iso(now - moments.DAY)
    recent = sum(
        row["amount_cents"]
        for row in company.rows("sepa_transfers", beneficiary_id=order.payee["id"])
        if row["created_at"] > since
    )
    return order.cents <= INSTANT_ONCE and recent <= INSTANT_A_DAY


def available(company: Company, account: str) -> int:
    """Return what may be spent from an account, in cents."""
    row = company.get("bank_accounts", account)
    return 0 if row is None else int(row["authorized_balance_cents"])


def execute(company: Company, plan: Row, now: int) -> None:
    """Debit a transfer whose day has come, or decline it when there is no money left."""
    transfer = company.get("sepa_transfers", plan["id"]) or {}
    if transfer.get("status") != "pending":
        return
    if available(company, transfer["bank_account_id"]) < transfer["amount_cents"]:
        company.change(
            "sepa_transfers", plan["id"], status="declined", updated_at=iso(now),
            processed_at=iso(now), declined_reason="debit_account_insufficient_funds",
        )  # fmt: skip
        return
    _debit(company, plan, now)


def _debit(company: Company, plan: Row, now: int) -> None:
    """Hold the money of a transfer until it is settled."""
    transfer = company.get("sepa_transfers", plan["id"]) or {}
    transaction = _transaction(company, transfer, plan["attachments"], now)
    company.put("transactions", transaction)
    _balance(company, transfer["bank_account_id"], now, held=transfer["amount_cents"])
    settles = {"what": "settle", "at": now + plan["delay"], "transaction": transaction["id"]}
    company.put("agenda", {**plan, **settles})


def settle(company: Company, plan: Row, now: int) -> None:
    """Book a transfer whose money has left."""
    transfer = company.get("sepa_transfers", plan["id"]) or {}
    cents = transfer["amount_cents"]
    left = _balance(company, transfer["bank_account_id"], now, booked=cents)
    company.change(
        "transactions", plan["transaction"], status="completed", settled_at=iso(now),
        updated_at=iso(now), settled_balance=left / 100, settled_balance_cents=left,
    )  # fmt: skip
    company.change(
        "sepa_transfers", plan["id"], status="settled", updated_at=iso(now),
        processed_at=iso(now), completed_at=iso(now), transaction_id=plan["transaction"],
    )  # fmt: skip


def _balance(company: Company, account: str, now: int, *, held: int = 0, booked: int = 0) -> int:
    """Take cents from what is free or booked, and return what is booked then."""
    row = company.get("bank_accounts", account) or {}
    free, left = row["authorized_balance_cents"] - held, row["balance_cents"] - booked
    company.change(
        "bank_accounts", account, balance=left / 100, balance_cents=left,
        authorized_balance=free / 100, authorized_balance_cents=free, updated_at=iso(now),
    )  # fmt: skip
    return int(left)


def _transaction(company: Company, transfer: Row, attachments: Sequence[str], now: int) -> Row:
    payee = company.get("beneficiaries", transfer["beneficiary_id"]) or {}
    account = next(one for one in company.accounts if one.id == transfer["bank_account_id"])
    salary = payee["activity_tag"] == "salary"
    names = ("Salaries", "Wages") if salary else ("Purchases", "Subcontracting")
    category, subcategory = company.cash_flow[names]
    rank = 1 + sum(1 for _ in company.ledger.positions(account.number))
    return {
        "id": company.new_id("transaction"),
        "transaction_id": f"{account.slug}-transaction-{rank}",
        "amount": transfer["amount"],
        "amount_cents": transfer["amount_cents"],
        "settled_balance": None,
        "settled_balance_cents": None,
        "attachment_ids": list(attachments),
        "logo": None,
        "local_amount": transfer["amount"],
        "local_amount_cents": transfer["amount_cents"],
        "side": "debit",
        "operation_type": "transfer",
        "currency": "EUR",
        "local_currency": "EUR",
        "label": f"VIR {payee['name'].upper()}",
        "clean_counterparty_name": payee["name"],
        "settled_at": None,
        "emitted_at": iso(now),
        "created_at": iso(now),
        "updated_at": iso(now),
        "status": "pending",
        "note": transfer["note"],
        "reference": transfer["reference"],
        "vat_amount": None,
        "vat_amount_cents": None,
        "vat_rate": None,
        "initiator_id": transfer["initiator_id"],
        "label_ids": [],
        "attachment_lost": False,
        "attachment_required": False,
        "card_last_digits": None,
        "category": "salary" if salary else "other_expense",
        "cashflow_category": category,
        "cashflow_subcategory": subcategory,
        "subject_type": "Transfer",
        "bank_account_id": transfer["bank_account_id"],
        "is_external_transaction": False,
        "labels": [],
        "vat_details": None,
        **NO_SUBJECT,
        "transfer": counterparty(payee["iban"]),
    }
