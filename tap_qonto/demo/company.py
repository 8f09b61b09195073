"""The world: one made-up company, by formula, that can be read whole and changed at any time."""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Final

from tap_qonto.demo import invoicing, moments, organization, payments
from tap_qonto.demo.formula import Formula
from tap_qonto.demo.ledger import FIRST_MONTH, MONTHS, Account, Ledger
from tap_qonto.demo.moments import iso, now_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tap_qonto.demo.ledger import Event
    from tap_qonto.demo.rows import Row

_BUILDERS: Final[dict[str, Callable[[Company], Iterator[Row]]]] = {
    "organization": organization.organization,
    "bank_accounts": organization.bank_accounts,
    "labels": organization.labels,
    "memberships": organization.memberships,
    "teams": organization.teams,
    "beneficiaries": organization.beneficiaries,
    "international_beneficiaries": organization.international_beneficiaries,
    "statements": organization.statements,
    "cards": organization.cards,
    "requests": organization.requests,
    "cash_flow_categories": organization.cash_flow_categories,
    "subscription": organization.subscription,
    "sepa_transfers": payments.sepa_transfers,
    "bulk_transfers": payments.bulk_transfers,
    "recurring_transfers": payments.recurring_transfers,
    "direct_debit_mandates": payments.direct_debit_mandates,
    "direct_debit_subscriptions": payments.direct_debit_subscriptions,
    "direct_debit_collections": payments.direct_debit_collections,
    "clients": invoicing.clients,
    "products": invoicing.products,
    "client_invoices": invoicing.client_invoices,
    "credit_notes": invoicing.credit_notes,
    "quotes": invoicing.quotes,
    "supplier_invoices": invoicing.supplier_invoices,
    "einvoicing_settings": invoicing.einvoicing_settings,
    "payment_links": invoicing.payment_links,
    "payment_link_payments": invoicing.payment_link_payments,
    "terminals": invoicing.terminals,
    "webhook_subscriptions": invoicing.webhook_subscriptions,
}

COLLECTIONS: Final = ("transactions", *_BUILDERS)
"""Names of all collections; those of the tap's streams."""

_SIZES: Final = {"statement": (2_200, 900), "credit_note_pdf": (1_900, 400),
                 "quote_pdf": (1_900, 600), "request_document": (1_800, 2_000)}  # fmt: skip
"""Least bytes and spread of the documents whose size is a formula."""

_REMEMBERED_DOCUMENTS = 64


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
        self.legal_name = organization.legal_name(formula, name)
        number = formula.number("slug", 0, 9_000) + 1_000
        self.slug = f"{organization.as_mailbox(self.legal_name).replace('.', '-')}-{number}"
        self.organization_id = formula.uuid("organization", 0)
        self.legal_number = str(500_000_000 + formula.number("legal number", 0, 400_000_000))
        self.vat_number = (
            f"FR{(12 + 3 * (int(self.legal_number) % 97)) % 97:02d}{self.legal_number}"
        )
        self.accounts = organization.accounts(formula, self.slug, transactions, accounts)
        self.imported_invoices = invoicing.imported_ids(self)
        self.lock = RLock()
        self._receipt_bytes = receipt_bytes
        self._tables: dict[str, dict[str, Row]] = {}
        self._versions: dict[str, int] = {}
        self._attachments: dict[str, Row] = {}
        self._documents: OrderedDict[str, bytes] = OrderedDict()
        self._replaced: dict[str, bytes] = {}

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
            cash_flow=cash_flow,
            labels=[row for row in self._table("labels").values() if row["parent_id"]],
            members=[self.formula.uuid("membership", n) for n in range(organization.EMPLOYEES)],
        )

    def _events(self) -> Iterator[Event]:
        if not any(account.transactions for account in self.accounts):
            return
        yield from invoicing.payments_of_invoices(self)
        yield from invoicing.payments_to_suppliers(self)
        yield from payments.events(self)

    def account_for(self, number: int) -> int:
        """Return the account of a purpose in the usual company, the first one in any other."""
        return number if len(self.accounts) == organization.USUAL_ACCOUNTS else 0

    def client(self, number: int) -> str:
        """Return the name of a client."""
        return invoicing.client_name(self, number)

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
        if not self._attachments and self.ledger.is_generated(position):
            # The usual case, spared the search for each receipt by its id.
            row["attachments"] = [
                _embedded(self._receipt(position, number))
                for number in self.ledger.receipt_numbers(position)
            ]
        elif "attachments" not in row:
            found = (self.attachment(uuid) for uuid in row["attachment_ids"])
            row["attachments"] = [_embedded(one) for one in found if one is not None]
        return row

    def get(self, collection: str, uuid: str) -> Row | None:
        """Return one row by its id, or None."""
        with self.lock:
            if collection == "transactions":
                position = self.ledger.find(uuid)
                return None if position is None else self.transaction(position)
            if collection == "attachments":
                return self.attachment(uuid)
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
                self._attachments[row["id"]] = dict(row)
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
                self._attachments[id] = {}
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

    def replace_document(self, attachment_id: str, content: bytes) -> None:
        """Give a file other bytes; the size in its row stays what it says."""
        self._replaced[attachment_id] = content

    # -- documents ----------------------------------------------------------------------------

    def _size(self, kind: str, number: int) -> int:
        least, spread = _SIZES[kind]
        return least + self.formula.number(f"{kind} size", number, spread)

    def statement_size(self, number: int) -> int:
        """Return the size in bytes of a statement's file."""
        return self._size("statement", number)

    def _receipt(self, position: int, number: int) -> Row:
        word = self.formula.number("receipt size", number, 1 << 20)
        picture = word % 5 == 0
        extension = "png" if picture else "pdf"
        sealed = word % 11 != 0
        return {
            "id": self.formula.uuid("receipt", number),
            "created_at": iso(self.ledger.created(position)),
            "file_name": f"recu-{number + 1}.{extension}",
            "file_size": str(self._receipt_bytes or 1_700 + word % 2_600),
            "file_content_type": "image/png" if picture else "application/pdf",
            "probative_attachment": _sealed(f"recu-{number + 1}", "1800")
            if sealed
            else {"status": "unavailable"},
        }

    def attachment(self, uuid: str) -> Row | None:
        """Return what is known of a file, without a link to it; None when there is no such file."""
        row = self._attachments.get(uuid)
        if row is not None:
            return dict(row) or None
        receipt = self.ledger.receipt(uuid)
        if receipt is not None:
            return self._receipt(*receipt)
        return self._document_row(uuid)

    def _document_row(self, uuid: str) -> Row | None:
        """Return the file of an invoice, a credit note, a quote or a request."""
        formula = self.formula
        for kind, collection, prefix in (
            ("credit_note_pdf", "credit_notes", "avoir"),
            ("quote_pdf", "quotes", "devis"),
            ("request_document", "requests", "demande"),
            ("client_invoice_pdf", "client_invoices", "facture"),
            ("supplier_document", "supplier_invoices", ""),
            ("supplier_display", "supplier_invoices", "affichage"),
        ):
            number = formula.find(kind, uuid)
            if number is None or number >= _DOCUMENT_NUMBERS[kind]:
                continue
            name, content_type = f"{prefix}-{number + 1}.pdf", "application/pdf"
            if kind == "supplier_document":
                name, content_type = invoicing.supplier_file(self, number)
            if kind == "client_invoice_pdf":
                name = f"{invoicing.invoice_number(self, number)}.pdf"
            owner = self._table(collection).get(formula.uuid(_OWNERS[kind], number), {})
            created = owner.get("finalized_at") or owner.get("created_at")
            size = self._size(kind, number) if kind in _SIZES else len(self.document(uuid))
            return {
                "id": uuid,
                "created_at": created,
                "file_name": name,
                "file_size": str(size),
                "file_content_type": content_type,
                "probative_attachment": {"status": "unavailable"},
            }
        return None

    def document(self, attachment_id: str) -> bytes:
        """Return the bytes of a file: an attachment's, or a statement's by the statement's id.

        The sealed copy of a receipt has the receipt's id followed by `-sealed`.

        Raises:
            KeyError: There is no such file.
        """
        content = self._replaced.get(attachment_id)
        if content is not None:
            return content
        if self._attachments.get(attachment_id) == {}:
            raise KeyError(attachment_id)
        with self.lock:
            content = self._documents.get(attachment_id)
            if content is None:
                content = self._documents[attachment_id] = self._write(attachment_id)
                if len(self._documents) > _REMEMBERED_DOCUMENTS:
                    self._documents.popitem(last=False)
            else:
                self._documents.move_to_end(attachment_id)
            return content

    def _write(self, uuid: str) -> bytes:
        from tap_qonto.demo import documents

        formula = self.formula
        identity = formula.seed(uuid)
        if uuid.endswith(_SEALED):
            return documents.pdf([self.legal_name, "Copie à valeur probante"], 1_800, identity)
        number = formula.find("statement", uuid)
        if number is not None and number < len(self.accounts) * MONTHS:
            return self._statement(number, identity)
        number = formula.find("client_invoice_pdf", uuid)
        if number is not None and number < _DOCUMENT_NUMBERS["client_invoice_pdf"]:
            return documents.facturx(invoicing.electronic_invoice(self, number), identity)
        for kind in ("supplier_document", "supplier_display"):
            number = formula.find(kind, uuid)
            if number is not None and number < _DOCUMENT_NUMBERS[kind]:
                return self._supplier_document(kind, number, identity)
        for kind in ("credit_note_pdf", "quote_pdf", "request_document"):
            number = formula.find(kind, uuid)
            if number is not None and number < _DOCUMENT_NUMBERS[kind]:
                lines = [
                    self.legal_name,
                    kind.replace("_pdf", "").replace("_", " "),
                    str(number + 1),
                ]
                return documents.pdf(lines, self._size(kind, number), identity)
        row = self.attachment(uuid)
        if row is None:
            raise KeyError(uuid)
        size = max(int(row["file_size"]), documents.SMALLEST)
        if row["file_content_type"] == "image/png":
            return documents.png(size, identity)
        return documents.pdf([self.legal_name, str(row["file_name"])], size, identity)

    def _supplier_document(self, kind: str, number: int, identity: int) -> bytes:
        from tap_qonto.demo import documents

        invoice = invoicing.electronic_purchase(self, number)
        form = invoicing.einvoice_type(number)
        if form == "zugferd":
            return documents.facturx(invoice, identity)
        if form == "xrechnung" and kind == "supplier_document":
            return documents.cross_industry_invoice(invoice)
        lines = [invoice.seller.name, f"Facture {invoice.number}", f"Échéance {invoice.due}"]
        return documents.pdf(lines, 1_900 + number % 700, identity)

    def _statement(self, number: int, identity: int) -> bytes:
        """Write a statement: the balances of the account before and after the month."""
        from tap_qonto.demo import documents

        account = self.accounts[number // MONTHS]
        calendar = moments.months(FIRST_MONTH, MONTHS + 1)
        (year, month), following = calendar[number % MONTHS], calendar[number % MONTHS + 1]
        opening = self.ledger.balance_at(account.number, moments.at(year, month, 1) - 1)
        closing = self.ledger.balance_at(account.number, moments.at(*following, 1) - 1)
        lines = [
            self.legal_name,
            f"Relevé {month:02d}-{year}",
            account.iban,
            f"Solde initial {opening / 100:.2f} EUR",
            f"Solde final {closing / 100:.2f} EUR",
        ]
        return documents.pdf(lines, self.statement_size(number), identity)


_SEALED: Final = "-sealed"

_OWNERS: Final = {
    "credit_note_pdf": "credit_note",
    "quote_pdf": "quote",
    "request_document": "request",
    "client_invoice_pdf": "client_invoice",
    "supplier_document": "supplier_invoice",
    "supplier_display": "supplier_invoice",
}
"""The kind of row that each kind of document belongs to."""

_DOCUMENT_NUMBERS: Final = {
    "credit_note_pdf": invoicing.INVOICES,
    "quote_pdf": invoicing.QUOTES,
    "request_document": organization.REQUESTS,
    "client_invoice_pdf": invoicing.INVOICES,
    "supplier_document": invoicing.SUPPLIER_INVOICES,
    "supplier_display": invoicing.SUPPLIER_INVOICES,
}


def _sealed(name: str, size: str) -> Row:
    return {
        "status": "available",
        "file_name": f"{name}-probatif.pdf",
        "file_content_type": "application/pdf",
        "file_size": size,
    }


def _embedded(attachment: Row) -> Row:
    """Return an attachment as a transaction shows it: of the sealed copy, the state alone."""
    sealed = attachment.get("probative_attachment")
    if sealed is not None:
        attachment["probative_attachment"] = {"status": sealed.get("status")}
    return attachment


def _key(collection: str, row: Row) -> str:
    """Return what tells a row from the others of its collection."""
    if collection in ("subscription", "einvoicing_settings"):
        return collection
    return str(row["id"])
