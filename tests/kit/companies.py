"""Makes companies that are smaller than the usual one, for tests that read all of it."""

from __future__ import annotations

from typing import Final

from tap_qonto.demo import Company

_WITH_PAPERS: Final = (
    "client_invoices",
    "credit_notes",
    "quotes",
    "supplier_invoices",
    "statements",
)
"""Collections with documents: most of what there is to read in a company of few transactions."""


def a_small_company(transactions: int = 60, *, papers: int = 20, accounts: int = 6) -> Company:
    """Return a company of so many transactions, and at most so many rows of each kind of paper."""
    company = Company(transactions=transactions, accounts=accounts)
    for name in _WITH_PAPERS:
        ids = [row["id"] for row in company.rows(name)]
        kept = set(ids[:: -(-len(ids) // papers)])
        for unwanted in (id_ for id_ in ids if id_ not in kept):
            company.remove(name, unwanted)
    return company
