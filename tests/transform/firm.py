"""A small company whose every figure can be worked out on paper: its tables, row by row.

It shares nothing with the company of the demo. Today is 2026-04-15. Paris is an hour ahead of UTC
up to 2026-03-29, then two. Instants are UTC; what is not said is null.
"""

from __future__ import annotations

from typing import Any, Final

Row = dict[str, Any]

TODAY: Final = "2026-04-15"

MAIN_IBAN: Final = "FR7610000000000000000000011"
RESERVE_IBAN: Final = "FR7610000000000000000000022"


def _account(key: str, name: str, currency: str, iban: str, balance: int, held: int = 0) -> Row:
    """An account; balance and what is held of it in cents."""
    return {
        "id": key,
        "name": name,
        "currency": currency,
        "iban": iban,
        "status": "active",
        "main": key == "main",
        "is_external_account": key == "elsewhere",
        "balance": balance / 100,
        "balance_cents": balance,
        "authorized_balance": (balance - held) / 100,
        "authorized_balance_cents": balance - held,
        "updated_at": "2026-04-14T18:00:00.000Z",
    }


def _moved(
    key: str,
    account: str,
    amount: int,
    balance: int | None,
    emitted: str,
    settled: str | None,
    kind: str,
    party: str,
    **more: Any,
) -> Row:
    """A transaction: amount in cents, negative for a debit; balance after it, in cents."""
    return {
        "id": key,
        "bank_account_id": account,
        "status": "completed" if settled else "pending",
        "side": "credit" if amount > 0 else "debit",
        "operation_type": kind,
        "currency": "USD" if account == "dollars" else "EUR",
        "amount": abs(amount) / 100,
        "amount_cents": abs(amount),
        "settled_balance": None if balance is None else balance / 100,
        "settled_balance_cents": balance,
        "emitted_at": f"2026-{emitted}:00.000Z" if emitted.count("-") == 1 else emitted,
        "settled_at": f"2026-{settled}:00.000Z" if settled and settled.count("-") == 1 else settled,
        "updated_at": "2026-04-15T08:00:00.000Z",
        "label": party,
        "attachment_ids": [],
        "attachment_required": False,
        "attachment_lost": False,
        "label_ids": [],
        **more,
    }


def _vat(cents: int, rate: float, *details: tuple[object, int]) -> Row:
    """VAT of a transaction: of its header, and by rate in its details."""
    items = [
        {"rate": each, "amount": f"{part / 100:.2f}", "amount_cents": part}
        for each, part in details
    ]
    return {
        "vat_amount": cents / 100,
        "vat_amount_cents": cents,
        "vat_rate": rate,
        "vat_details": {"items": items} if items else None,
    }


def _flow(category: str, subcategory: str) -> Row:
    return {
        "cashflow_category": {"id": category, "name": category},
        "cashflow_subcategory": {"id": subcategory, "name": subcategory},
    }


# fmt: off
TRANSACTIONS: Final[list[Row]] = [
    # The main account does not begin with its first row: 4,000.00 were there before.
    _moved("m01", "main", 120_000, 520_000, "01-10T10:00", "01-10T10:00", "income", "ALPHA SARL",
           reference="Paiement F-2026-12", income={"counterparty_account_number": "FR76 5"},
           **_vat(20_000, 20), **_flow("Sales", "Services")),
    _moved("m02", "main", -50_000, 470_000, "01-15T09:00", "01-15T09:00", "transfer", "Reserve",
           transfer={"counterparty_account_number": RESERVE_IBAN}),
    # Settled at 0:30 on the first day of February in Paris; the receipt is missing.
    _moved("m03", "main", -6_000, 464_000, "01-30T12:00", "01-31T23:30", "card", "Bureau Vert",
           initiator_id="ana", card_last_digits="1234", attachment_required=True,
           **_vat(1_000, 20), **_flow("Office", "Supplies")),
    _moved("m04", "main", -250_000, 214_000, "02-10T09:00", "02-10T09:00", "transfer", "Ana Able",
           category="salary", **_flow("People", "Salaries")),
    # A part of an invoice of 1,800.00.
    _moved("m05", "main", 50_000, 264_000, "02-20T09:00", "02-20T09:00", "income", "ALPHA SARL",
           reference="acompte F-2026-13, merci", **_vat(8_333, 20), **_flow("Sales", "Services")),
    # No reference, but one client and one amount.
    _moved("m06", "main", 22_200, 286_200, "02-25T09:00", "02-25T09:00", "income", "Béta",
           **_flow("Sales", "Services")),
    _moved("m07", "main", -24_000, 262_200, "03-05T09:00", "03-05T09:00", "transfer", "Papeterie",
           initiator_id="ana", **_vat(4_000, 20), **_flow("Office", "Supplies")),
    _moved("m08", "main", 200_000, 462_200, "03-10T09:00", "03-10T09:00", "pay_later", "Qonto",
           subject_type="FinancingIncome"),
    # The second leg of r02: 0:01 on the first of April in Paris, the first at 23:59 in March.
    _moved("m09", "main", 10_000, 472_200, "03-31T21:59", "03-31T22:01", "income", "Main",
           income={"counterparty_account_number": "FR76 1000 0000 0000 0000 0000 022"}),
    # Three rates: details as number and as text, and what they leave over under the header's.
    _moved("m10", "main", -4_500, 467_700, "03-31T22:30", "03-31T22:30", "card", "Épicerie",
           initiator_id="ana", card_last_digits="1234", attachment_required=True,
           attachment_ids=["receipt-1"], **_vat(350, 20, (5.5, 110), ("20.0", 200)),
           **_flow("Office", "Supplies")),
    _moved("m11", "main", -9_900, None, "04-02T12:00", None, "card", "Refusé",
           status="declined", initiator_id="ana", card_last_digits="1234"),
    _moved("m12", "main", -3_300, None, "04-03T12:00", None, "card", "Repris",
           status="reversed", initiator_id="ana", card_last_digits="1234"),
    _moved("m13", "main", -900, 466_800, "04-10T06:00", "04-10T06:00", "qonto_fee", "Qonto",
           category="fees", **_vat(150, 20)),
    _moved("m14", "main", -8_000, None, "04-14T18:00", None, "card", "Hôtel",
           initiator_id="ana", card_last_digits="1234", attachment_required=True),
    _moved("m15", "main", 2_500, None, "04-15T08:00", None, "income", "Béta"),
    _moved("r01", "reserve", 50_000, 50_000, "01-15T09:00", "01-15T09:01", "income", "Main",
           income={"counterparty_account_number": MAIN_IBAN}),
    _moved("r02", "reserve", -10_000, 40_000, "03-31T21:59", "03-31T21:59", "transfer", "Main",
           transfer={"counterparty_account_number": MAIN_IBAN.lower()}),
    _moved("d01", "dollars", 130_000, 130_000, "2025-06-30T12:00:00.000Z",
           "2025-06-30T12:00:00.000Z", "swift_income", "Delta"),
    _moved("d02", "dollars", -1_300, 128_700, "2025-12-01T12:00:00.000Z",
           "2025-12-01T12:00:00.000Z", "card", "Taxi", initiator_id="ben",
           card_last_digits="1234", attachment_required=True, attachment_lost=True),
    _moved("d03", "dollars", 500_000, 628_700, "02-03T15:00", "02-03T15:00", "swift_income",
           "Gamma Inc", reference="G-1"),
    _moved("d04", "dollars", -12_050, 616_650, "03-19T15:00", "03-20T15:00", "card", "Adverts",
           initiator_id="ben", card_last_digits="1234", label_ids=["trip", "ads"]),
]
# fmt: on


def _money(cents: int | None, currency: str = "EUR") -> Row | None:
    return None if cents is None else {"value": f"{cents / 100:.2f}", "currency": currency}


def _line(vat: int, rate: str) -> Row:
    return {"title": "x", "vat_rate": rate, "total_vat": _money(vat), "total_vat_cents": vat}


def _invoice(key: str, number: str, client: str, status: str, total: int, **more: Any) -> Row:
    """An invoice to a client; total, vat and paid in cents; items as vat and rate."""
    currency = more.pop("currency", "EUR")
    vat = more.pop("vat", 0)
    return {
        "id": key,
        "number": number,
        "invoice_number": number,
        "client_id": client,
        "client": {"id": client, "name": {"alpha": "Alpha Sarl", "beta": "Beta"}.get(client)},
        "status": status,
        "currency": currency,
        "total_amount": _money(total, currency),
        "total_amount_cents": total,
        "vat_amount": _money(vat, currency),
        "vat_amount_cents": vat,
        "amount_paid": _money(more.pop("paid", 0), currency),
        "items": [_line(*item) for item in more.pop("items", [])],
        "created_at": f"{more['issue_date']}T09:00:00.000Z",
        **more,
    }


# fmt: off
CLIENT_INVOICES: Final[list[Row]] = [
    _invoice("ci1", "F-2026-12", "alpha", "paid", 120_000, issue_date="2025-12-20",
             due_date="2026-01-05", paid_at="2026-01-10T10:00:00.000Z", vat=20_000,
             items=[(20_000, "0.2")]),
    _invoice("ci2", "F-2026-13", "alpha", "unpaid", 180_000, issue_date="2026-02-01",
             due_date="2026-03-01", paid=50_000, vat=30_000, items=[(30_000, "20")]),
    # Due today: not late. Two rates, and four cents that are under neither.
    _invoice("ci3", "F-2026-14", "beta", "unpaid", 60_000, issue_date="2026-03-16",
             due_date="2026-04-15", vat=8_620, items=[(8_000, "0.2"), (616, "0.055")]),
    _invoice("ci4", "F-2026-15", "beta", "draft", 99_900, issue_date="2026-04-01",
             due_date="2026-04-30", vat=16_650, items=[(16_650, "0.2")]),
    _invoice("ci5", "F-2026-16", "beta", "canceled", 40_000, issue_date="2026-03-02",
             due_date="2026-04-02", vat=6_667, items=[(6_667, "0.2")]),
    # Credited in full: nobody owes it.
    _invoice("ci6", "F-2026-17", "alpha", "unpaid", 12_000, issue_date="2026-03-05",
             due_date="2026-03-20", vat=2_000, items=[(2_000, "0.2")]),
    # Its number is a part of F-2026-12 and the others, and is not meant there.
    _invoice("ci8", "F-2026-1", "beta", "unpaid", 35_000, issue_date="2025-12-02",
             due_date="2026-01-01", vat=5_833, items=[(5_833, "0.2")]),
    _invoice("ci9", "F-2026-18", "beta", "paid", 22_200, issue_date="2026-01-20",
             due_date="2026-02-20", paid_at="2026-02-25T09:00:00.000Z", vat=3_700,
             items=[(3_700, "0.2")]),
    _invoice("cg1", "G-1", "gamma", "unpaid", 700_000, issue_date="2026-02-01",
             due_date="2026-05-01", paid=500_000, currency="USD"),
]
# fmt: on


def _credit_note(key: str, invoice: str, total: int, vat: int, issued: str) -> Row:
    return {
        "id": key,
        "invoice_id": invoice,
        "number": key.upper(),
        "currency": "EUR",
        "total_amount": _money(total),
        "total_amount_cents": total,
        "vat_amount": _money(vat),
        "vat_amount_cents": vat,
        "issue_date": issued,
        "created_at": f"{issued}T09:00:00.000Z",
        "items": [_line(vat, "0.2")],
    }


CREDIT_NOTES: Final[list[Row]] = [
    _credit_note("cn1", "ci2", 30_000, 5_000, "2026-03-31"),
    _credit_note("cn2", "ci5", 40_000, 6_667, "2026-03-20"),
    _credit_note("cn3", "ci6", 12_000, 2_000, "2026-04-01"),
]


def _bill(key: str, number: str | None, status: str, total: int | None, **more: Any) -> Row:
    """An invoice of a supplier; total, payable and vat in cents; taxes as vat and rate."""
    currency = more.pop("currency", "EUR")
    taxes = more.pop("taxes", [])
    return {
        "id": key,
        "invoice_number": number,
        "supplier_id": number and "papeterie",
        "supplier_name": number and "Papeterie",
        "status": status,
        "is_credit_note": more.pop("is_credit_note", False),
        "total_amount": _money(total, currency),
        "payable_amount": _money(more.pop("payable", total), currency),
        "total_tax_amount": _money(more.pop("vat", None), currency),
        "taxes": [{"tax_rate": rate, "tax_amount": _money(vat)} for vat, rate in taxes],
        "created_at": more.pop("created_at", f"{more.get('issue_date')}T09:00:00.000Z"),
        "analyzed_at": None if number is None else "2026-04-01T09:00:00.000Z",
        "matched_transactions": more.pop("matched", []),
        "matched_transactions_ids": [],
        "transfer_ids": more.pop("transfer_ids", []),
        **more,
    }


# fmt: off
SUPPLIER_INVOICES: Final[list[Row]] = [
    _bill("si1", "S-9", "paid", 24_000, issue_date="2026-02-25", due_date="2026-03-10",
          payment_date="2026-03-05", vat=4_000, taxes=[(4_000, "0.2")],
          matched=[{"transaction_id": "m07", "amount": _money(24_000)}]),
    _bill("si2", "S-10", "to_pay", 30_000, payable=28_000, issue_date="2026-03-21",
          due_date="2026-04-20", vat=5_000, taxes=[(5_000, "20")]),
    # Late, but scheduled, with its transfer ordered: that one is counted.
    _bill("si3", "S-11", "scheduled", 15_000, issue_date="2026-03-31", due_date="2026-04-10",
          scheduled_date="2026-04-25", vat=2_500, transfer_ids=["tr1"]),
    # Nobody has read it yet.
    _bill("si4", None, "to_review", None, created_at="2026-04-12T09:00:00.000Z"),
    _bill("si5", "S-12", "awaiting_payment", 5_000, is_credit_note=True, issue_date="2026-04-01",
          due_date="2026-04-30", vat=833, taxes=[(833, "0.2")]),
    _bill("si6", "S-13", "archived", 7_700, issue_date="2026-03-01", due_date="2026-03-31",
          vat=1_283, taxes=[(1_283, "0.2")]),
    _bill("si7", "S-14", "to_approve", 9_000, currency="USD", issue_date="2026-03-01",
          due_date="2026-03-31"),
]

_TRANSFER: Final[Row] = {"bank_account_id": "main", "amount_currency": "EUR"}

TABLES: Final[dict[str, list[Row]]] = {
    "organization": [{"id": "org", "name": "Petite & Fils", "locale": "fr"}],
    "bank_accounts": [
        _account("main", "Main", "EUR", "FR76 1000 0000 0000 0000 0000 011", 466_800, 8_000),
        _account("reserve", "Reserve", "EUR", RESERVE_IBAN, 40_000),
        _account("dollars", "Dollars", "USD", "FR7610000000000000000000033", 616_650),
        # At another bank, with nothing known but its balance: no part of cash or forecast.
        _account("elsewhere", "Elsewhere", "EUR", "FR7630000000000000000000044", 90_000),
    ],
    "transactions": TRANSACTIONS,
    "statements": [
        {"id": "st1", "bank_account_id": "main", "period": "02-2026"},
        {"id": "st2", "bank_account_id": "main", "period": "03-2026"},
        {"id": "st3", "bank_account_id": "reserve", "period": "03-2026"},
    ],
    "labels": [{"id": "trip", "name": "Trip"}, {"id": "ads", "name": "Ads"}],
    "teams": [{"id": "ops", "name": "Operations"}],
    "memberships": [
        {"id": "ana", "first_name": "Ana", "last_name": "Able", "team_id": "ops"},
        {"id": "ben", "first_name": "Ben", "last_name": "Best", "team_id": None},
    ],
    # The same last digits twice: a card is known by these and its holder.
    "cards": [
        {"id": "card-a", "nickname": "Ana's", "last_digits": "1234", "holder_id": "ana"},
        {"id": "card-b", "nickname": "Ben's", "last_digits": "1234", "holder_id": "ben"},
    ],
    "beneficiaries": [
        {"id": "rent", "name": "Bailleur", "iban": "FR7620000000000000000000011"},
        {"id": "paper", "name": "Papeterie", "iban": "FR7620000000000000000000022"},
    ],
    "sepa_transfers": [
        {"id": "tr1", **_TRANSFER, "beneficiary_id": "paper", "status": "pending",
         "reference": "S-11", "amount": 150.0, "amount_cents": 15_000,
         "scheduled_date": "2026-04-25", "created_at": "2026-04-13T09:00:00.000Z"},
        {"id": "tr2", **_TRANSFER, "beneficiary_id": "paper", "status": "settled",
         "reference": "S-9", "amount": 240.0, "amount_cents": 24_000, "transaction_id": "m07",
         "scheduled_date": "2026-03-05", "created_at": "2026-03-04T09:00:00.000Z"},
    ],
    "recurring_transfers": [
        {"id": "rt1", **_TRANSFER, "beneficiary_id": "rent", "status": "active",
         "reference": "Loyer", "frequency": "monthly", "amount": 100.0, "amount_cents": 10_000,
         "first_execution_date": "2026-05-01", "next_execution_date": "2026-05-01",
         "created_at": "2026-04-02T09:00:00.000Z"},
        {"id": "rt2", **_TRANSFER, "beneficiary_id": "paper", "status": "active",
         "reference": "Journal", "frequency": "weekly", "amount": 10.0, "amount_cents": 1_000,
         "first_execution_date": "2026-04-17", "next_execution_date": "2026-04-17",
         "last_execution_date": "2026-05-01", "created_at": "2026-04-02T09:00:00.000Z"},
    ],
    "clients": [
        {"id": "alpha", "name": "Alpha Sarl"},
        {"id": "beta", "name": "Beta"},
        {"id": "gamma", "name": "Gamma Inc"},
    ],
    "client_invoices": CLIENT_INVOICES,
    "credit_notes": CREDIT_NOTES,
    "supplier_invoices": SUPPLIER_INVOICES,
}
