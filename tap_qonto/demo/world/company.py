"""The world: one made-up company, by formula, that can be read whole and changed at any time."""

from __future__ import annotations

from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import (
    clients,
    integrations,
    invoicing,
    moments,
    organization,
    payees,
    payments,
    purchases,
    sales,
    spending,
    transactions,
    transfers,
    words,
)
from tap_qonto.demo.world.columns import Account
from tap_qonto.demo.world.files import Files, embedded
from tap_qonto.demo.world.formula import Formula
from tap_qonto.demo.world.ledger import Ledger
from tap_qonto.demo.world.moments import iso, now_utc
from tap_qonto.demo.world.rendering import People

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.rows import Row
    from tap_qonto.demo.world.trades import Event

_BUILDERS: Final[dict[str, Callable[[Facts], Iterator[Row]]]] = {
    "organization": organization.organization,
    "bank_accounts": organization.bank_accounts,
    "labels": organization.labels,
    "memberships": organization.memberships,
    "teams": organization.teams,
    "beneficiaries": payees.beneficiaries,
    "international_beneficiaries": payees.international_beneficiaries,
    "statements": transactions.statements,
    "cards": spending.cards,
    "requests": spending.requests,
    "cash_flow_categories": transactions.cash_flow_categories,
    "subscription": organization.subscription,
    "sepa_transfers": transfers.sepa_transfers,
    "bulk_transfers": transfers.bulk_transfers,
    "recurring_transfers": transfers.recurring_transfers,
    "direct_debit_mandates": payments.direct_debit_mandates,
    "direct_debit_subscriptions": payments.direct_debit_subscriptions,
    "direct_debit_collections": payments.direct_debit_collections,
    "clients": clients.clients,
    "products": clients.products,
    "client_invoices": invoicing.client_invoices,
    "credit_notes": invoicing.credit_notes,
    "quotes": invoicing.quotes,
    "supplier_invoices": purchases.supplier_invoices,
    "einvoicing_settings": invoicing.einvoicing_settings,
    "payment_links": payments.payment_links,
    "payment_link_payments": payments.payment_link_payments,
    "terminals": payments.terminals,
    "webhook_subscriptions": integrations.webhook_subscriptions,
}

COLLECTIONS: Final = ("transactions", *_BUILDERS)
"""Names of all collections; those of the tap's streams."""


class Company:
    """A company with all that Qonto knows of it.

    Collections are named as the tap's streams are. Reading is by formula, so that a company
    of a million transactions costs little; a changed row is kept as it was given. All methods
    may be called from several threads.

    Attributes:
        name: The demo organization's name, from which everything is derived.
        formula: The source of all numbers.
        slug: The organization's slug, which is also the login of its API key.
        legal_name: What the company is called.
        organization_id: UUID of the organization.
        imported_invoices: Ids of the client invoices that came from another tool.
        clock: Where `change` takes the time of a change from.
    """

    def __init__(
        self,
        name: str = "demo",
        *,
        transactions: int = 5_400,
        accounts: int = 6,
        receipt_bytes: int | None = None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """Found a company.

        Args:
            name: Different names give different companies.
            transactions: Number of transactions over all accounts.
            accounts: Number of bank accounts.
            receipt_bytes: Size of every receipt in bytes; by formula (some kilobytes) when None.
            clock: Source of the present, aware of its zone.

        Raises:
            ValueError: There is no account, or a negative number of transactions.
        """
        if accounts < 1 or transactions < 0:
            message = "a company needs an account, and no fewer than 0 transactions"
            raise ValueError(message)
        self.name = name
        self.clock = clock
        self.formula = formula = Formula(name)
        self.legal_name = words.legal_name(formula, name)
        number = formula.number("slug", 0, 9_000) + 1_000
        self.slug = f"{words.as_mailbox(self.legal_name).replace('.', '-')}-{number}"
        self.organization_id = formula.uuid("organization", 0)
        self.legal_number = str(500_000_000 + formula.number("legal number", 0, 400_000_000))
        self.vat_number = (
            f"FR{(12 + 3 * (int(self.legal_number) % 97)) % 97:02d}{self.legal_number}"
        )
        self.accounts = organization.accounts(formula, self.slug, transactions, accounts)
        self.imported_invoices = sales.imported_ids(self)
        self.lock = RLock()
        self._files = Files(self, receipt_bytes)
        self._tables: dict[str, dict[str, Row]] = {}
        self._versions: dict[str, int] = {}

    # -- reading ------------------------------------------------------------------------------

    @cached_property
    def ledger(self) -> Ledger:
        """The transactions, written when they are first asked for."""
        cash_flow: dict[tuple[str, str], tuple[Row, Row]] = {}
        for category in self._table("cash_flow_categories").values():
            for child in category["subcategories"]:
                cash_flow[category["name"], child["name"]] = (
                    {"id": category["id"], "name": category["name"]},
                    {"id": child["id"], "name": child["name"]},
                )
        return Ledger(
            self.formula,
            self.accounts,
            self._events(),
            People(
                cash_flow=cash_flow,
                labels=[row for row in self._table("labels").values() if row["parent_id"]],
                members=[self.formula.uuid("membership", n) for n in range(organization.EMPLOYEES)],
            ),
        )

    def _events(self) -> Iterator[Event]:
        if not any(account.transactions for account in self.accounts):
            return
        yield from sales.payments_of_invoices(self)
        yield from purchases.payments_to_suppliers(self)
        yield from transfers.events(self)
        yield from payments.collected(self)

    def account_for(self, number: int) -> int:
        """Return the account of a purpose in the usual company, the first one in any other."""
        return number if len(self.accounts) == organization.USUAL_ACCOUNTS else 0

    def _table(self, collection: str) -> dict[str, Row]:
        """Return a collection by key, made when it is first asked for.

        Raises:
            KeyError: There is no such collection.
        """
        with self.lock:
            table = self._tables.get(collection)
            if table is None:
                build = _BUILDERS[collection]
                table = {_key(collection, row): row for row in build(self)}
                self._tables[collection] = table
            return table

    def version(self, collection: str) -> int:
        """Return a number that grows with every change of a collection."""
        return self._versions.get(collection, 0)

    def total(self, collection: str) -> int:
        """Return how many rows there are: of all accounts, statuses, currencies, and parents."""
        with self.lock:
            if collection == "transactions":
                return self.ledger.total()
            return len(self._table(collection))

    def rows(self, collection: str, **parent: str) -> Iterator[Row]:
        """Yield the rows of a collection as the API shows them, without links to files.

        Args:
            collection: One of `COLLECTIONS`.
            parent: Fields that the rows must have, such as `bank_account_id`, `currency` or
                `payment_link_id`.

        Raises:
            KeyError: There is no such collection.
        """
        if collection == "transactions":
            yield from self._transactions(parent.get("bank_account_id"))
            return
        with self.lock:
            rows = list(self._table(collection).values())
        for row in rows:
            if all(row.get(field) == value for field, value in parent.items()):
                yield dict(row)

    def _transactions(self, bank_account_id: str | None) -> Iterator[Row]:
        with self.lock:
            numbers = [a.number for a in self.accounts if bank_account_id in (None, a.id)]
            positions = [p for number in numbers for p in self.ledger.positions(number)]
        for position in positions:
            yield self.transaction(position)

    def transaction(self, position: int) -> Row:
        """Return a transaction by its position in the ledger, its attachments without links."""
        row = self.ledger.row(position)
        if not self._files.touched and self.ledger.is_generated(position):
            # The usual case, spared the search for each receipt by its id.
            row["attachments"] = [
                embedded(self._files.receipt(position, number))
                for number in self.ledger.receipt_numbers(position)
            ]
        elif "attachments" not in row:
            found = (self._files.row(uuid) for uuid in row["attachment_ids"])
            row["attachments"] = [embedded(one) for one in found if one is not None]
        return row

    def get(self, collection: str, uuid: str) -> Row | None:
        """Return one row by its id, or None."""
        with self.lock:
            if collection == "transactions":
                position = self.ledger.find(uuid)
                return None if position is None else self.transaction(position)
            if collection == "attachments":
                return self._files.row(uuid)
            row = self._table(collection).get(uuid)
            return None if row is None else dict(row)

    # -- changing -----------------------------------------------------------------------------

    def put(self, collection: str, row: Row) -> None:
        """Insert a row, or replace the one with its id.

        A bank account that did not exist takes transactions from then on. Attachments are a
        collection of their own here; a new one has a generated document of its `file_size`.
        """
        with self.lock:
            if collection == "transactions":
                self.ledger.put(dict(row))
            elif collection == "attachments":
                self._files.put(row)
            else:
                self._table(collection)[_key(collection, row)] = dict(row)
            if collection == "bank_accounts":
                self._open_account(row)
            self._touch(collection)

    def change(self, collection: str, id: str, /, **fields: object) -> Row:  # noqa: A002 - as in the API
        """Change fields of a row and return it; `updated_at` becomes now unless it is given.

        Raises:
            KeyError: There is no such row.
        """
        with self.lock:
            row = self.get(collection, id)
            if row is None:
                raise KeyError(id)
            if collection == "transactions":
                # Rendered anew at every reading, so that its links stay in step with its ids.
                del row["attachments"]
            if "updated_at" in row:
                row["updated_at"] = iso(moments.of(self.clock()))
            row |= fields
            self.put(collection, row)
            return row

    def remove(self, collection: str, id: str) -> None:  # noqa: A002 - as in the API
        """Delete a row.

        Raises:
            KeyError: There is no such row.
        """
        with self.lock:
            if collection == "transactions":
                self.ledger.remove(id)
            elif collection == "attachments":
                self._files.remove(id)
            else:
                del self._table(collection)[id]
            self._touch(collection)

    def _touch(self, collection: str) -> None:
        self._versions[collection] = self.version(collection) + 1
        if collection == "bank_accounts":
            for row in self._table("organization").values():
                row["bank_accounts"] = organization.embedded_accounts(self)

    def _open_account(self, row: Row) -> None:
        """Let transactions be put into an account that did not exist before."""
        if row["id"] not in {account.id for account in self.accounts}:
            number = len(self.accounts)
            slug = f"{self.slug}-bank-account-{number + 1}"
            account = Account(number, row["id"], row.get("iban") or "", slug, 0)
            self.accounts.append(account)
            self.ledger.open(account)

    # -- documents ----------------------------------------------------------------------------

    def document(self, attachment_id: str) -> bytes:
        """Return the bytes of a file: an attachment's, or a statement's by the statement's id.

        The sealed copy of a receipt has the receipt's id followed by `-sealed`.

        Raises:
            KeyError: There is no such file.
        """
        with self.lock:
            return self._files.content(attachment_id)

    def replace_document(self, attachment_id: str, content: bytes) -> None:
        """Give a file other bytes; the size in its row stays what it says."""
        with self.lock:
            self._files.replace(attachment_id, content)


def _key(collection: str, row: Row) -> str:
    """Return what tells a row from the others of its collection."""
    if collection in ("subscription", "einvoicing_settings"):
        return collection
    return str(row["id"])
