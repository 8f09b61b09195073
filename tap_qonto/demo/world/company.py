"""The world: one made-up company, by formula, that can be read whole and changed at any time."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

from tap_qonto.demo.world import (
    moments,
    organization,
    payments,
    purchases,
    sales,
    transfers,
    words,
)
from tap_qonto.demo.world.builders import BUILDERS, MEMORIES, key_of
from tap_qonto.demo.world.columns import Account
from tap_qonto.demo.world.files import Files, embedded
from tap_qonto.demo.world.formula import Formula
from tap_qonto.demo.world.ledger import Ledger
from tap_qonto.demo.world.moments import iso, now_utc
from tap_qonto.demo.world.rendering import People

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from tap_qonto.demo.world.rows import Row
    from tap_qonto.demo.world.store import Store
    from tap_qonto.demo.world.trades import Event


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
        path: str | Path | None = None,
    ) -> None:
        """Found a company.

        Args:
            name: Different names give different companies.
            transactions: Number of transactions over all accounts.
            accounts: Number of bank accounts.
            receipt_bytes: Size of every receipt in bytes; by formula (some kilobytes) when None.
            clock: Source of the present, aware of its zone.
            path: A file that keeps what is written, for later runs and other processes; without
                one it is forgotten with the object.

        Raises:
            ValueError: There is no account, or a negative number of transactions.
            WorldFileError: The file cannot be used.
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
        self._writers = 0
        self._store: Store | None = None
        if path is not None:
            self._store = _store_at(path, name)
            self.refresh()

    # -- reading ------------------------------------------------------------------------------

    @cached_property
    def cash_flow(self) -> dict[tuple[str, str], tuple[Row, Row]]:
        """Category and subcategory of the cash flow (id and name) by their names."""
        cash_flow: dict[tuple[str, str], tuple[Row, Row]] = {}
        for category in self._table("cash_flow_categories").values():
            for child in category["subcategories"]:
                cash_flow[category["name"], child["name"]] = (
                    {"id": category["id"], "name": category["name"]},
                    {"id": child["id"], "name": child["name"]},
                )
        return cash_flow

    @cached_property
    def ledger(self) -> Ledger:
        """The transactions, written when they are first asked for."""
        return Ledger(
            self.formula,
            self.accounts,
            self._events(),
            People(
                cash_flow=self.cash_flow,
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
                rows = () if collection in MEMORIES else BUILDERS[collection](self)
                table = {key_of(collection, row): row for row in rows}
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

    def refresh(self) -> None:
        """Take over what other processes have written since.

        Raises:
            WorldFileError: The company's file cannot be read.
        """
        with self.lock:
            if self._store is not None:
                for collection, key, row in self._store.changes():
                    self._apply(collection, key, row)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let nobody else write, in this process or another; all of it is kept or nothing.

        Raises:
            WorldFileError: The company's file cannot be used.
        """
        with self.lock:
            if self._store is None or self._writers:
                yield
                return
            with self._store.transaction():
                self._writers += 1
                try:
                    self.refresh()
                    yield
                finally:
                    self._writers -= 1

    def new_id(self, kind: str) -> str:
        """Return an identifier for a row that is written; the same ones in every run."""
        with self.writing():
            count = (self.get("numbers", kind) or {"next": 0})["next"]
            self.put("numbers", {"id": kind, "next": count + 1})
            return self.formula.uuid(f"written {kind}", count)

    def put(self, collection: str, row: Row) -> None:
        """Insert a row, or replace the one with its id.

        A bank account that did not exist takes transactions from then on. Attachments are a
        collection of their own here; a new one has a generated document of its `file_size`.
        """
        with self.writing():
            key = key_of(collection, row)
            self._apply(collection, key, row)
            if self._store is not None:
                self._store.put(collection, key, row)

    def _apply(self, collection: str, key: str, row: Row | None) -> None:
        """Let a collection hold a row, or no row, under a key."""
        if collection == "transactions":
            if row is not None:
                self.ledger.put(dict(row))
            elif self.ledger.find(key) is not None:
                self.ledger.remove(key)
        elif collection == "attachments":
            self._files.remove(key) if row is None else self._files.put(row)
        elif row is None:
            self._table(collection).pop(key, None)
        else:
            self._table(collection)[key] = dict(row)
        if collection == "bank_accounts" and row is not None:
            self._open_account(row)
        self._touch(collection)

    def change(self, collection: str, row_id: str, /, **fields: object) -> Row:
        """Change fields of a row and return it; `updated_at` becomes now unless it is given.

        Raises:
            KeyError: There is no such row.
        """
        with self.writing():
            row = self.get(collection, row_id)
            if row is None:
                raise KeyError(row_id)
            if collection == "transactions":
                # Rendered anew at every reading, so that its links stay in step with its ids.
                del row["attachments"]
            if "updated_at" in row:
                row["updated_at"] = iso(moments.of(self.clock()))
            row |= fields
            self.put(collection, row)
            return row

    def remove(self, collection: str, row_id: str) -> None:
        """Delete a row.

        Raises:
            KeyError: There is no such row.
        """
        with self.writing():
            if self.get(collection, row_id) is None:
                raise KeyError(row_id)
            self._apply(collection, row_id, None)
            if self._store is not None:
                self._store.put(collection, row_id, None)

    def clear(self, *collections: str) -> None:
        """Delete all rows of collections: of any but `transactions` and `attachments`."""
        with self.writing():
            for collection in collections:
                if self._store is not None:
                    for key in self._table(collection):
                        self._store.put(collection, key, None)
                self._tables[collection] = {}
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
            if self._store is not None and (content := self._store.file(attachment_id)) is not None:
                return content
            return self._files.content(attachment_id)

    def replace_document(self, attachment_id: str, content: bytes) -> None:
        """Give a file other bytes; the size in its row stays what it says."""
        with self.writing():
            self._files.replace(attachment_id, content)
            if self._store is not None:
                self._store.put_file(attachment_id, content)

    def close(self) -> None:
        """Let go of the company's file, if it has one; what was read from it stays."""
        with self.lock:
            if self._store is not None:
                self._store.close()
                self._store = None


def _store_at(path: str | Path, name: str) -> Store:
    from tap_qonto.demo.world.store import Store

    return Store(path, name)
