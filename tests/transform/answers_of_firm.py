"""What each table has to say about the company of `firm.py`, worked out on paper.

Amounts are texts as a statement prints them, days are ISO, `None` is null. Each entry is a list of
columns and the rows that they have, in any order.
"""

from __future__ import annotations

from typing import Any, Final

Answer = tuple[str, set[tuple[Any, ...]]]

ACCOUNTS: Final[Answer] = (
    ("account_id, currency, is_main, balance, available, opening_balance, explained_balance,"
    " explained, pending_out, explained_available, movements, first_movement_on, last_movement_on,"
    " statements, first_statement_month, last_statement_month"),
    {
        # 4,000.00 were there before the first row; the card payment of 80.00 is pending.
        ("main", "EUR", True, "4668.00", "4588.00", "4000.00", "4668.00", True, "80.00", "4588.00",
         11, "2026-01-10", "2026-04-10", 2, "2026-02-01", "2026-03-01"),
        ("reserve", "EUR", False, "400.00", "400.00", "0.00", "400.00", True, "0.00", "400.00",
         2, "2026-01-15", "2026-03-31", 1, "2026-03-01", "2026-03-01"),
        ("dollars", "USD", False, "6166.50", "6166.50", "0.00", "6166.50", True, "0.00", "6166.50",
         4, "2025-06-30", "2026-03-20", 0, None, None),
        ("elsewhere", "EUR", False, "900.00", "900.00", "900.00", "900.00", None, "0.00", "900.00",
         0, None, None, 0, None, None),
    },
)  # fmt: skip

DAYS: Final[Answer] = (
    "account_id, day, money_in, money_out, balance, pending_out, available",
    {
        ("main", "2026-01-10", "1200.00", "0.00", "5200.00", "0.00", "5200.00"),
        # 60.00 were spent on the 30th and left on the 1st, at 0:30 in Paris.
        ("main", "2026-01-30", "0.00", "0.00", "4700.00", "60.00", "4640.00"),
        ("main", "2026-01-31", "0.00", "0.00", "4700.00", "60.00", "4640.00"),
        ("main", "2026-02-01", "0.00", "60.00", "4640.00", "0.00", "4640.00"),
        ("main", "2026-03-31", "0.00", "0.00", "4622.00", "0.00", "4622.00"),
        ("main", "2026-04-01", "100.00", "45.00", "4677.00", "0.00", "4677.00"),
        # Declined and reversed payments never were pending.
        ("main", "2026-04-13", "0.00", "0.00", "4668.00", "0.00", "4668.00"),
        ("main", "2026-04-14", "0.00", "0.00", "4668.00", "80.00", "4588.00"),
        ("main", "2026-04-15", "0.00", "0.00", "4668.00", "80.00", "4588.00"),
        ("reserve", "2026-03-30", "0.00", "0.00", "500.00", "0.00", "500.00"),
        ("reserve", "2026-03-31", "0.00", "100.00", "400.00", "0.00", "400.00"),
        ("dollars", "2025-06-30", "1300.00", "0.00", "1300.00", "0.00", "1300.00"),
        ("dollars", "2026-03-19", "0.00", "0.00", "6287.00", "120.50", "6166.50"),
        ("dollars", "2026-03-20", "0.00", "120.50", "6166.50", "0.00", "6166.50"),
    },
)
"""Some days of each account."""

DAYS_OF_AN_ACCOUNT: Final = {"main": 96, "reserve": 91, "dollars": 290}
"""From the first movement to today, both counted."""

CASH_FLOW: Final[Answer] = (
    ("month, account_id, currency, flow_type, category, subcategory, money_in, money_out, net,"
    " transactions"),
    {
        ("2026-01-01", "main", "EUR", "operating", "Sales", "Services", "1200.00", "0.00",
         "1200.00", 1),
        ("2026-01-01", "main", "EUR", "internal", "Uncategorised", "Uncategorised", "0.00",
         "500.00", "-500.00", 1),
        ("2026-01-01", "reserve", "EUR", "internal", "Uncategorised", "Uncategorised", "500.00",
         "0.00", "500.00", 1),
        ("2026-02-01", "main", "EUR", "operating", "Office", "Supplies", "0.00", "60.00",
         "-60.00", 1),
        ("2026-02-01", "main", "EUR", "operating", "People", "Salaries", "0.00", "2500.00",
         "-2500.00", 1),
        ("2026-02-01", "main", "EUR", "operating", "Sales", "Services", "722.00", "0.00",
         "722.00", 2),
        ("2026-03-01", "main", "EUR", "operating", "Office", "Supplies", "0.00", "240.00",
         "-240.00", 1),
        ("2026-03-01", "main", "EUR", "financing", "Uncategorised", "Uncategorised", "2000.00",
         "0.00", "2000.00", 1),
        # One leg in March, the other two minutes later in April.
        ("2026-03-01", "reserve", "EUR", "internal", "Uncategorised", "Uncategorised", "0.00",
         "100.00", "-100.00", 1),
        ("2026-04-01", "main", "EUR", "internal", "Uncategorised", "Uncategorised", "100.00",
         "0.00", "100.00", 1),
        ("2026-04-01", "main", "EUR", "operating", "Office", "Supplies", "0.00", "45.00",
         "-45.00", 1),
        ("2026-04-01", "main", "EUR", "operating", "Uncategorised", "Uncategorised", "0.00",
         "9.00", "-9.00", 1),
        ("2025-06-01", "dollars", "USD", "operating", "Uncategorised", "Uncategorised", "1300.00",
         "0.00", "1300.00", 1),
        ("2025-12-01", "dollars", "USD", "operating", "Uncategorised", "Uncategorised", "0.00",
         "13.00", "-13.00", 1),
        ("2026-02-01", "dollars", "USD", "operating", "Uncategorised", "Uncategorised", "5000.00",
         "0.00", "5000.00", 1),
        ("2026-03-01", "dollars", "USD", "operating", "Uncategorised", "Uncategorised", "0.00",
         "120.50", "-120.50", 1),
    },
)  # fmt: skip

RECEIVABLES: Final[Answer] = (
    ("invoice_number, client_name, currency, total, paid, credited, open_amount, days_overdue,"
    " age_bucket, usual_delay_days, expected_on, weight"),
    {
        # Both invoices that were paid were five days late.
        ("F-2026-13", "Alpha Sarl", "EUR", "1800.00", "500.00", "300.00", "1000.00", 45, "31-60",
         5, "2026-04-29", "0.8000"),
        ("F-2026-14", "Beta", "EUR", "600.00", "0.00", "0.00", "600.00", 0, "not due", 5,
         "2026-04-20", "1.0000"),
        ("F-2026-1", "Beta", "EUR", "350.00", "0.00", "0.00", "350.00", 104, "over 90", 5,
         "2026-04-29", "0.0000"),
        ("G-1", "Gamma Inc", "USD", "7000.00", "5000.00", "0.00", "2000.00", 0, "not due", 5,
         "2026-05-06", "1.0000"),
    },
)  # fmt: skip

PAYABLES: Final[Answer] = (
    ("invoice_id, invoice_number, currency, status, approval, due_on, pay_on, open_amount,"
    " days_overdue, is_analyzed, is_credit_note"),
    {
        ("si2", "S-10", "EUR", "to_pay", "none", "2026-04-20", "2026-04-20", "280.00", 0, True,
         False),
        ("si3", "S-11", "EUR", "scheduled", "none", "2026-04-10", "2026-04-25", "150.00", 5, True,
         False),
        ("si4", None, "EUR", "to_review", "none", None, None, None, 0, False, False),
        ("si5", "S-12", "EUR", "awaiting_payment", "none", "2026-04-30", "2026-04-30", "-50.00", 0,
         True, True),
        ("si7", "S-14", "USD", "to_approve", "waiting", "2026-03-31", "2026-03-31", "90.00", 15,
         True, False),
    },
)  # fmt: skip

CALENDAR: Final[Answer] = (
    "source, certainty, document_id, currency, expected_on, week, amount, weight, net",
    {
        ("pending_transaction", "known", "m14", "EUR", "2026-04-16", 1, "80.00", "1.0000",
         "-80.00"),
        ("pending_transaction", "known", "m15", "EUR", "2026-04-16", 1, "25.00", "1.0000", "25.00"),
        # The invoice S-11 is this transfer, and not expected beside it.
        ("sepa_transfer", "known", "tr1", "EUR", "2026-04-25", 2, "150.00", "1.0000", "-150.00"),
        ("client_invoice", "likely", "ci2", "EUR", "2026-04-29", 2, "1000.00", "0.8000", "800.00"),
        ("client_invoice", "likely", "ci3", "EUR", "2026-04-20", 1, "600.00", "1.0000", "600.00"),
        ("client_invoice", "doubtful", "ci8", "EUR", "2026-04-29", 2, "350.00", "0.0000",
         "350.00"),
        ("client_invoice", "likely", "cg1", "USD", "2026-05-06", 3, "2000.00", "1.0000",
         "2000.00"),
        ("supplier_invoice", "likely", "si2", "EUR", "2026-04-20", 1, "280.00", "1.0000",
         "-280.00"),
        ("supplier_invoice", "likely", "si5", "EUR", "2026-04-30", 3, "-50.00", "1.0000", "50.00"),
        ("supplier_invoice", "likely", "si7", "USD", "2026-04-29", 2, "90.00", "1.0000", "-90.00"),
        # Every month without an end, every week up to the first of May.
        ("recurring_transfer", "likely", "rt1", "EUR", "2026-05-01", 3, "100.00", "1.0000",
         "-100.00"),
        ("recurring_transfer", "likely", "rt1", "EUR", "2026-06-01", 7, "100.00", "1.0000",
         "-100.00"),
        ("recurring_transfer", "likely", "rt1", "EUR", "2026-07-01", 11, "100.00", "1.0000",
         "-100.00"),
        ("recurring_transfer", "likely", "rt2", "EUR", "2026-04-17", 1, "10.00", "1.0000",
         "-10.00"),
        ("recurring_transfer", "likely", "rt2", "EUR", "2026-04-24", 2, "10.00", "1.0000",
         "-10.00"),
        ("recurring_transfer", "likely", "rt2", "EUR", "2026-05-01", 3, "10.00", "1.0000",
         "-10.00"),
    },
)  # fmt: skip
"""Without what is learned and assumed, which has no document."""

LEARNED: Final[Answer] = (
    "source, certainty, currency, side, count(*), min(expected_on), sum(net)",
    {
        # 60 + 2,500 + 45 + 9 in 13 weeks, less 80 that is pending: that is gone after a week.
        ("spending", "learned", "EUR", "debit", 13, "2026-04-19", "-2534.00"),
        ("spending", "learned", "USD", "debit", 13, "2026-04-19", "-120.50"),
        # 5,000 were invoiced and paid, 2,000 are open: these last for five weeks and a part.
        ("not_yet_invoiced", "assumed", "USD", "credit", 8, "2026-05-24", "3000.00"),
    },
)
"""What is learned and assumed, by source."""

FORECAST: Final[Answer] = (
    "currency, week, certainty, opening, money_in, money_out, net, closing, lowest, is_lowest_week",
    {
        # On the 16th -80 + 25, the 17th -10, the 19th -121.07, the 20th +600 - 280.
        ("EUR", 1, "known", "5068.00", "25.00", "80.00", "-55.00", "5201.93", "4881.93", False),
        ("EUR", 1, "likely", "5068.00", "600.00", "290.00", "310.00", "5201.93", "4881.93", False),
        ("EUR", 1, "learned", "5068.00", "0.00", "121.07", "-121.07", "5201.93", "4881.93", False),
        ("EUR", 1, "assumed", "5068.00", "0.00", "0.00", "0.00", "5201.93", "4881.93", False),
        ("EUR", 2, "doubtful", "5201.93", "350.00", "0.00", "350.00", "5640.85", "4840.85", False),
        ("EUR", 13, "learned", "3370.08", "0.00", "201.08", "-201.08", "3169.00", "3169.00", True),
        ("USD", 3, "likely", "6057.97", "2000.00", "0.00", "2000.00", "8048.70", "6048.70", True),
        ("USD", 13, "likely", "10580.65", "0.00", "0.00", "0.00", "10956.00", "10580.65", False),
    },
)
"""Some weeks."""

FORECAST_TOTALS: Final[Answer] = (
    "currency, certainty, sum(money_in), sum(money_out), sum(net)",
    {
        ("EUR", "known", "25.00", "230.00", "-205.00"),
        # The supplier's credit note makes less to pay.
        ("EUR", "likely", "1400.00", "560.00", "840.00"),
        ("EUR", "learned", "0.00", "2534.00", "-2534.00"),
        ("EUR", "assumed", "0.00", "0.00", "0.00"),
        ("EUR", "doubtful", "350.00", "0.00", "350.00"),
        ("USD", "known", "0.00", "0.00", "0.00"),
        ("USD", "likely", "2000.00", "90.00", "1910.00"),
        ("USD", "learned", "0.00", "120.50", "-120.50"),
        ("USD", "assumed", "3000.00", "0.00", "3000.00"),
        ("USD", "doubtful", "0.00", "0.00", "0.00"),
    },
)

FORECAST_ERRORS: Final[Answer] = (
    "currency, month_end, method, horizon_days, forecast, actual, error",
    {
        # On the last day of 2025 two invoices were open, 1,200.00 and 350.00; nothing else was
        # known in EUR. Up to 2026-04-01 came 1,922.00, and 2,845.00 went.
        ("EUR", "2025-12-31", "documents", 91, "1550.00", "-923.00", "2473.00"),
        ("EUR", "2025-12-31", "documents_and_habits", 91, "1550.00", "-923.00", "2473.00"),
        ("EUR", "2025-12-31", "base", 91, "1550.00", "-923.00", "2473.00"),
        ("EUR", "2025-12-31", "run_rate", 91, "0.00", "-923.00", "923.00"),
        ("USD", "2025-12-31", "documents", 91, "0.00", "4879.50", "-4879.50"),
        ("USD", "2025-12-31", "documents_and_habits", 91, "-13.00", "4879.50", "-4892.50"),
        ("USD", "2025-12-31", "base", 91, "-13.00", "4879.50", "-4892.50"),
        ("USD", "2025-12-31", "run_rate", 91, "-13.00", "4879.50", "-4892.50"),
    },
)

INVOICE_PAYMENTS: Final[Answer] = (
    (
        "invoice_id, transaction_id, kind, matched_by, paid_on, invoice_total, transaction_amount,"
        " amount_applied"
    ),
    {
        ("ci1", "m01", "client", "reference", "2026-01-10", "1200.00", "1200.00", "1200.00"),
        ("ci2", "m05", "client", "reference", "2026-02-20", "1800.00", "500.00", "500.00"),
        ("ci9", "m06", "client", "amount", "2026-02-25", "222.00", "222.00", "222.00"),
        ("cg1", "d03", "client", "reference", "2026-02-03", "7000.00", "5000.00", "5000.00"),
        ("si1", "m07", "supplier", "qonto", "2026-03-05", "240.00", "240.00", "240.00"),
    },
)

RECONCILIATION: Final[Answer] = (
    (
        "transaction_id, settled_on, flow_type, document, invoices, receipts, is_matchable,"
        " is_matched, is_documentable, is_documented"
    ),
    {
        ("m01", "2026-01-10", "operating", "client_invoice", 1, 0, True, True, False, False),
        ("m02", "2026-01-15", "internal", "none_needed", 0, 0, False, False, False, False),
        ("m03", "2026-02-01", "operating", "missing", 0, 0, False, False, True, False),
        ("m04", "2026-02-10", "operating", "none_needed", 0, 0, False, False, False, False),
        ("m05", "2026-02-20", "operating", "client_invoice", 1, 0, True, True, False, False),
        ("m06", "2026-02-25", "operating", "client_invoice", 1, 0, True, True, False, False),
        ("m07", "2026-03-05", "operating", "supplier_invoice", 1, 0, True, True, True, True),
        ("m08", "2026-03-10", "financing", "none_needed", 0, 0, False, False, False, False),
        ("m09", "2026-04-01", "internal", "none_needed", 0, 0, False, False, False, False),
        ("m10", "2026-04-01", "operating", "receipt", 0, 1, False, False, True, True),
        ("m13", "2026-04-10", "operating", "none_needed", 0, 0, False, False, False, False),
        ("r01", "2026-01-15", "internal", "none_needed", 0, 0, False, False, False, False),
        ("r02", "2026-03-31", "internal", "none_needed", 0, 0, False, False, False, False),
        ("d01", "2025-06-30", "operating", "missing", 0, 0, True, False, False, False),
        ("d02", "2025-12-01", "operating", "lost", 0, 0, False, False, False, False),
        ("d03", "2026-02-03", "operating", "client_invoice", 1, 0, True, True, False, False),
        ("d04", "2026-03-20", "operating", "missing", 0, 0, False, False, True, False),
    },
)

VAT: Final[Answer] = (
    "currency, month, method, rate, collected, deductible, net",
    {
        ("EUR", "2026-01-01", "cash", "20.00", "200.00", "0.00", "200.00"),
        # January's card payment is February's in Paris, as March's is April's.
        ("EUR", "2026-02-01", "cash", "20.00", "83.33", "10.00", "73.33"),
        ("EUR", "2026-03-01", "cash", "20.00", "0.00", "40.00", "-40.00"),
        # 2.00 in the details, 0.40 that they leave over, and 1.50 on the fee.
        ("EUR", "2026-04-01", "cash", "20.00", "0.00", "3.90", "-3.90"),
        ("EUR", "2026-04-01", "cash", "5.50", "0.00", "1.10", "-1.10"),
        ("EUR", "2025-12-01", "invoiced", "20.00", "258.33", "0.00", "258.33"),
        ("EUR", "2026-01-01", "invoiced", "20.00", "37.00", "0.00", "37.00"),
        ("EUR", "2026-02-01", "invoiced", "20.00", "300.00", "40.00", "260.00"),
        # 80.00 and 20.00, 66.67 that were credited at once, less a credit note of 50.00.
        ("EUR", "2026-03-01", "invoiced", "20.00", "50.00", "50.00", "0.00"),
        ("EUR", "2026-03-01", "invoiced", "5.50", "6.16", "0.00", "6.16"),
        ("EUR", "2026-03-01", "invoiced", None, "0.04", "25.00", "-24.96"),
        ("EUR", "2026-04-01", "invoiced", "20.00", "-20.00", "-8.33", "-11.67"),
    },
)

SPEND: Final[Answer] = (
    ("transaction_id, spent_on, month, currency, amount, vat, category, supplier, card, holder,"
    " team, labels, receipt_required, receipt_lost, receipt_count, receipt_missing"),
    {
        ("m03", "2026-02-01", "2026-02-01", "EUR", "60.00", "10.00", "Office", "Bureau Vert",
         "Ana's", "Ana Able", "Operations", None, True, False, 0, True),
        ("m04", "2026-02-10", "2026-02-01", "EUR", "2500.00", "0.00", "People", "Ana Able",
         None, None, None, None, False, False, 0, False),
        ("m07", "2026-03-05", "2026-03-01", "EUR", "240.00", "40.00", "Office", "Papeterie",
         None, "Ana Able", "Operations", None, False, False, 0, False),
        ("m10", "2026-04-01", "2026-04-01", "EUR", "45.00", "3.50", "Office", "Épicerie",
         "Ana's", "Ana Able", "Operations", None, True, False, 1, False),
        ("m13", "2026-04-10", "2026-04-01", "EUR", "9.00", "1.50", "Uncategorised", "Qonto",
         None, None, None, None, False, False, 0, False),
        ("d02", "2025-12-01", "2025-12-01", "USD", "13.00", "0.00", "Uncategorised", "Taxi",
         "Ben's", "Ben Best", None, None, True, True, 0, False),
        ("d04", "2026-03-20", "2026-03-01", "USD", "120.50", "0.00", "Uncategorised", "Adverts",
         "Ben's", "Ben Best", None, "Ads, Trip", False, False, 0, False),
    },
)  # fmt: skip

MISSING_RECEIPTS: Final[Answer] = (
    "transaction_id, settled_on, currency, amount, days, holder, team",
    {("m03", "2026-02-01", "EUR", "60.00", 73, "Ana Able", "Operations")},
)

BALANCE_GAPS: Final[Answer] = (
    "account_id, currency, day, kind, said, explained, difference",
    # What was there before the first row: a warning, unless it is known that rows begin later.
    {("main", "EUR", "2026-01-10", "opening", "4000.00", "0.00", "4000.00")},
)

KPIS: Final[Answer] = (
    ("currency, is_main, as_of, cash, available, burn, runway_months, receivables, overdue,"
    " overdue_invoices, payables, payables_overdue, payables_not_analyzed, to_pay_7_days,"
    " to_pay_30_days, lowest_balance, lowest_week, lowest_week_starts_on, forecast_closing,"
    " share_known, share_likely, share_learned, share_assumed, dso_days, matched_rate,"
    " documented_rate, missing_receipts, missing_receipts_amount, accounts, accounts_explained,"
    " balance_gaps"),
    {
        # Burn: January to March +1,200 - 2,560 + 722 - 240 = -878, a third of it each month.
        # Shares: 255, 2,060 and 2,534 of 4,849. DSO: 1,950 of 2,322 invoiced in 90 days.
        ("EUR", True, "2026-04-15", "5068.00", "4988.00", "292.67", "17.3", "1950.00", "1350.00",
         2, "380.00", "150.00", 1, "280.00",
         "380.00", "3169.00", 13, "2026-07-09", "3169.00",
         "0.0526", "0.4248", "0.5226", "0.0000", "75.6", "1.0000",
         "0.6667", 1, "60.00", 2, 2,
         1),
        # Burn: 5,000 - 120.50 came in, so nothing is burnt. Shares: 2,090, 120.50 and 3,000.
        ("USD", False, "2026-04-15", "6166.50", "6166.50", "-1626.50", None, "2000.00", "0.00",
         0, "90.00", "90.00", 0, "90.00",
         "90.00", "6048.70", 3, "2026-04-30", "10956.00",
         "0.0000", "0.4011", "0.0231", "0.5758", "25.7", "0.5000",
         "0.0000", 0, "0.00", 1, 1,
         0),
    },
)  # fmt: skip

WHOLE: Final[dict[str, Answer]] = {
    "qonto__accounts": ACCOUNTS,
    "qonto__cash_flow": CASH_FLOW,
    "qonto__receivables": RECEIVABLES,
    "qonto__payables": PAYABLES,
    "qonto__forecast_errors": FORECAST_ERRORS,
    "qonto__invoice_payments": INVOICE_PAYMENTS,
    "qonto__reconciliation": RECONCILIATION,
    "qonto__vat": VAT,
    "qonto__spend": SPEND,
    "qonto__missing_receipts": MISSING_RECEIPTS,
    "qonto__balance_gaps": BALANCE_GAPS,
    "qonto__kpis": KPIS,
}
"""Tables of which every row is here."""
