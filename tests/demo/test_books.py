"""The demo company keeps its books, and its name alone decides what is in them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from tap_qonto.demo import (
    COLLECTIONS,
    Api,
    Company,
)
from tap_qonto.demo.world.moments import parse
from tests.demo.visits import Row, completed, session
from tests.kit.cases import some

START = "2024-11-01"
END = "2026-10-31T18:00:00Z"


def by_id(company: Company, collection: str) -> dict[str, Row]:
    return {row["id"]: row for row in company.rows(collection)}


def test_has_the_size_that_was_promised(company: Company) -> None:
    assert company.total("transactions") == 5_400
    assert [row["status"] for row in company.rows("bank_accounts")] == ["active"] * 5 + ["closed"]
    assert company.total("client_invoices") > 300
    assert company.total("supplier_invoices") > 250
    for collection in ("clients", "beneficiaries", "sepa_transfers", "products"):
        assert company.total(collection) > 200, collection


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_total_counts_rows_with_different_keys(company: Company, collection: str) -> None:
    rows = list(company.rows(collection))
    keys = {row.get("id", collection) for row in rows}
    assert len(rows) == len(keys) == company.total(collection) > 0


@pytest.mark.parametrize("transactions", some([0, 1, 7, 60, 600, 5_400], 0, 1, 7, 60))
def test_balances_follow_from_the_transactions(transactions: int) -> None:
    company = Company(transactions=transactions)
    for account in company.rows("bank_accounts"):
        balance = 0
        for row in completed(company, account["id"]):
            balance += row["amount_cents"] * (1 if row["side"] == "credit" else -1)
            assert row["settled_balance_cents"] == balance >= 0
        pending = sum(
            row["amount_cents"]
            for row in company.rows("transactions", bank_account_id=account["id"])
            if row["status"] == "pending" and row["side"] == "debit"
        )
        assert account["balance_cents"] == balance
        assert account["authorized_balance_cents"] == balance - pending


def test_the_closed_account_is_empty_and_quiet(company: Company) -> None:
    closed = next(row for row in company.rows("bank_accounts") if row["status"] == "closed")
    last = completed(company, closed["id"])[-1]
    assert closed["balance_cents"] == last["settled_balance_cents"] == 0
    assert parse(last["settled_at"]) <= parse(closed["updated_at"])
    received = [
        row
        for row in company.rows("transactions")
        if row["label"] == last["label"] and row["side"] == "credit"
    ]
    assert [row["amount_cents"] for row in received] == [last["amount_cents"]]


def test_money_is_the_same_in_both_units(company: Company) -> None:
    for row in company.rows("transactions"):
        for field in ("amount", "settled_balance", "local_amount", "vat_amount"):
            if row[field] is not None:
                assert Decimal(str(row[field])) * 100 == row[f"{field}_cents"]
        if row["vat_details"] is not None:
            parts = row["vat_details"]["items"]
            assert sum(int(part["amount_cents"]) for part in parts) == row["vat_amount_cents"]
            net = sum(int(part["amount_excluding_vat_cents"]) for part in parts)
            assert net + row["vat_amount_cents"] == row["amount_cents"]


def test_a_paid_client_invoice_has_its_incoming_transaction(company: Company) -> None:
    incoming = Counter(
        (row["reference"], row["amount_cents"], row["settled_at"])
        for row in company.rows("transactions")
        if row["side"] == "credit" and row["status"] == "completed"
    )
    invoices = list(company.rows("client_invoices"))
    paid = [row for row in invoices if row["status"] == "paid"]
    assert len(paid) > 200
    for row in paid:
        assert incoming[row["number"], row["total_amount_cents"], row["paid_at"]] == 1
        assert row["amount_paid"] == row["total_amount"]
    assert {row["status"] for row in invoices} == {"draft", "unpaid", "paid", "canceled"}
    assert all(row["amount_paid"]["value"] == "0.00" for row in invoices if row not in paid)


def test_a_paid_supplier_invoice_has_its_transfer_and_transaction(company: Company) -> None:
    transactions, transfers = by_id(company, "transactions"), by_id(company, "sepa_transfers")
    paid = [row for row in company.rows("supplier_invoices") if row["status"] == "paid"]
    assert len(paid) > 200
    for row in paid:
        (match,) = row["matched_transactions"]
        transaction = transactions[match if isinstance(match, str) else match["transaction_id"]]
        (transfer_id,) = row["transfer_ids"]
        assert transfers[transfer_id]["transaction_id"] == transaction["id"]
        assert transaction["side"] == "debit"
        assert Decimal(row["total_amount"]["value"]) * 100 == transaction["amount_cents"]
        assert transaction["reference"] == row["invoice_number"]
        assert row["attachment_id"] in transaction["attachment_ids"]


def test_a_settled_transfer_has_its_transaction(company: Company) -> None:
    transactions, payees = by_id(company, "transactions"), by_id(company, "beneficiaries")
    for row in company.rows("sepa_transfers"):
        assert row["beneficiary_id"] in payees
        if row["status"] != "settled":
            assert row["transaction_id"] is None
            continue
        transaction = transactions[row["transaction_id"]]
        assert transaction["operation_type"] == "transfer"
        assert transaction["amount_cents"] == row["amount_cents"]
        assert transaction["settled_at"] == row["completed_at"]
        assert transaction["bank_account_id"] == row["bank_account_id"]


def test_bulk_and_recurring_transfers_name_transfers_that_exist(company: Company) -> None:
    transfers = by_id(company, "sepa_transfers")
    schedules = by_id(company, "recurring_transfers")
    for bulk in company.rows("bulk_transfers"):
        made = [line["transfer_id"] for line in bulk["results"] if line["status"] == "completed"]
        assert len(made) == bulk["completed_count"]
        assert len(bulk["results"]) == bulk["total_count"]
        assert transfers.keys() >= set(made)
    runs = [row for row in transfers.values() if row["recurring_transfer_id"]]
    assert {row["recurring_transfer_id"] for row in runs} == schedules.keys()
    for row in runs:
        assert row["amount_cents"] == schedules[row["recurring_transfer_id"]]["amount_cents"]


@pytest.mark.parametrize("collection", ["client_invoices", "credit_notes", "quotes"])
def test_documents_add_up_line_by_line(company: Company, collection: str) -> None:
    scale = 100 if collection == "quotes" else 1
    for row in company.rows(collection):
        items = row["items"] or []
        for item in items:
            exact = Decimal(item["quantity"]) * item["unit_price_cents"]
            assert item["subtotal_cents"] == exact
            assert item["total_vat_cents"] == exact * Decimal(item["vat_rate"]) / scale
            assert item["total_amount_cents"] == item["subtotal_cents"] + item["total_vat_cents"]
        assert row["total_amount_cents"] == sum(item["total_amount_cents"] for item in items)
        assert row["vat_amount_cents"] == sum(item["total_vat_cents"] for item in items)
        assert Decimal(row["total_amount"]["value"]) * 100 == row["total_amount_cents"]


def test_documents_of_a_sale_name_each_other(company: Company) -> None:
    invoices, clients = by_id(company, "client_invoices"), by_id(company, "clients")
    notes, quotes = by_id(company, "credit_notes"), by_id(company, "quotes")
    assert {note for row in invoices.values() for note in row["credit_notes_ids"]} == notes.keys()
    for note in notes.values():
        assert note["id"] in invoices[note["invoice_id"]]["credit_notes_ids"]
    for row in invoices.values():
        assert parse(clients[row["client_id"]]["created_at"]) <= parse(row["created_at"])
        if row["quote_id"] is not None:
            quote = quotes[row["quote_id"]]
            assert quote["invoice_ids"] == [row["id"]]
            assert quote["total_amount_cents"] == row["total_amount_cents"]


def test_a_completed_collection_has_its_transaction(company: Company) -> None:
    found = Counter(
        (row["reference"], row["amount_cents"])
        for row in company.rows("transactions")
        if row["operation_type"] == "direct_debit_collection"
    )
    expected = Counter(
        (row["unique_mandate_reference"], int(Decimal(row["amount"]["value"]) * 100))
        for row in company.rows("direct_debit_collections")
        if row["status"] == "completed"
    )
    assert found == expected
    assert expected.total() > 100


@pytest.mark.slow
def test_history_is_24_months_and_ends_on_its_day(company: Company) -> None:
    stamps = [
        value
        for collection in COLLECTIONS
        for row in company.rows(collection)
        for field, value in row.items()
        if field in ("created_at", "updated_at", "settled_at", "emitted_at") and value
    ]
    assert max(map(parse, stamps)) <= parse(END)
    settled = [row["settled_at"] for row in company.rows("transactions") if row["settled_at"]]
    assert min(settled).startswith(START)
    assert max(settled).startswith("2026-10-31")
    assert len({stamp[:7] for stamp in settled}) == 24


@pytest.mark.slow
def test_hundreds_of_rows_share_a_moment_and_others_change_late(company: Company) -> None:
    rows = [row for row in company.rows("transactions") if row["status"] == "completed"]
    ((moment, count),) = Counter(row["updated_at"] for row in rows).most_common(1)
    assert 250 < count < 1_000
    assert moment == "2026-02-02T08:15:00Z"
    month = 30 * 86_400_000
    late = sum(parse(row["updated_at"]) - parse(row["settled_at"]) > 2 * month for row in rows)
    assert late > 100


def test_timestamps_come_in_all_lengths_that_the_api_writes(company: Company) -> None:
    lengths = Counter(len(row["updated_at"]) for row in company.rows("transactions"))
    assert {len("2026-01-01T00:00:00Z") + extra for extra in (0, 3, 4)} <= lengths.keys()
    assert all(len(row["created_at"]) == 27 for row in company.rows("cards"))
    offsets = [row for row in company.rows("client_invoices") if "+" in row["created_at"]]
    assert {row["id"] for row in offsets} == company.imported_invoices
    assert next(company.rows("organization"))["contract_signed_at"][10] == " "


def fingerprint(name: str) -> str:
    company = Company(name, transactions=600)
    digest = hashlib.sha256()
    for collection in COLLECTIONS:
        digest.update(msgspec.json.encode(list(company.rows(collection))))
    for row in company.rows("client_invoices"):
        if row["attachment_id"] is not None:
            digest.update(company.document(row["attachment_id"]))
    return digest.hexdigest()


@pytest.mark.slow
def test_two_processes_found_the_same_company() -> None:
    script = "from tests.demo.test_books import fingerprint; print(fingerprint('demo'))"
    other = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert other.stdout.strip() == fingerprint("demo")


@pytest.mark.slow
def test_other_names_are_other_companies() -> None:
    one, other = Company("one"), Company("other")
    assert one.slug != other.slug
    for collection in ("bank_accounts", "clients", "transactions"):
        ids = [{row["id"] for row in company.rows(collection)} for company in (one, other)]
        assert not ids[0] & ids[1]
    amounts = [[r["amount_cents"] for r in c.rows("transactions")] for c in (one, other)]
    assert amounts[0] != amounts[1]


def test_a_large_account_is_written_whole() -> None:
    company = Company(transactions=50_000, accounts=1)
    assert company.total("transactions") == 50_000
    (account,) = company.rows("bank_accounts")
    with session(Api(company)) as get:
        answer = get(
            "/transactions",
            ("bank_account_id", account["id"]),
            ("updated_at_from", "2026-10-01"),
            ("sort_by", "updated_at:asc"),
        ).json()
    assert answer["meta"]["total_count"] > 1_500
    stamps = [parse(row["updated_at"]) for row in answer["transactions"]]
    assert stamps == sorted(stamps)
    assert stamps[0] >= parse("2026-10-01")


def test_the_first_row_of_an_account_is_not_always_its_opening(company: Company) -> None:
    """Whoever takes an account's first row for its first balance is wrong for some of them."""
    first = set()
    for account in company.accounts:
        rows = list(company.rows("transactions", bank_account_id=account.id))
        emitted = min(rows, key=lambda row: row["emitted_at"])
        first.add(emitted["settled_balance_cents"] == emitted["amount_cents"])
    assert first == {True, False}
