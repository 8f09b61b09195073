"""The company's documents: what is known of each, and its bytes, made when they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from tap_qonto.demo.world import einvoice, invoicing, moments, paper, purchases, sales
from tap_qonto.demo.world.clients import INVOICES
from tap_qonto.demo.world.moments import FIRST_MONTH, MONTHS, iso
from tap_qonto.demo.world.spending import REQUESTS
from tap_qonto.demo.world.transactions import statement_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.rows import Row

_SEALED: Final = "-sealed"
"""What follows a receipt's id in the id of its sealed copy."""

_REMEMBERED = 64


class Kind(NamedTuple):
    """One kind of document that rows point at by an attachment's id.

    Attributes:
        name: Its name in formulas.
        numbers: How many there may be; the number of a document is that of its row.
        collection: Where the rows are that it belongs to.
        owner: The name of those rows' ids in formulas.
        file: Gives a document's file name and content type.
        write: Writes a document; the last argument is a number that differs between documents.
        size: Least bytes and spread where the size is a formula; None where writing tells it.
    """

    name: str
    numbers: int
    collection: str
    owner: str
    file: Callable[[Facts, int], tuple[str, str]]
    write: Callable[[Facts, int, int], bytes]
    size: tuple[int, int] | None = None

    def size_of(self, company: Facts, number: int) -> int | None:
        """Return the bytes of a document, or None when only writing it tells."""
        if self.size is None:
            return None
        least, spread = self.size
        return least + company.formula.number(f"{self.name} size", number, spread)


def _named(prefix: str) -> Callable[[Facts, int], tuple[str, str]]:
    return lambda _, number: (f"{prefix}-{number + 1}.pdf", "application/pdf")


def _plain(name: str, numbers: int, collection: str, prefix: str, size: tuple[int, int]) -> Kind:
    """Return a kind of document that says its title and number, and no more."""

    def write(company: Facts, number: int, identity: int) -> bytes:
        length = size[0] + company.formula.number(f"{name} size", number, size[1])
        title = name.removesuffix("_pdf").replace("_", " ")
        return paper.pdf([company.legal_name, title, str(number + 1)], length, identity)

    owner = collection.removesuffix("s")
    return Kind(name, numbers, collection, owner, _named(prefix), write, size)


def _client_invoice(company: Facts, number: int, identity: int) -> bytes:
    return einvoice.facturx(invoicing.electronic_invoice(company, number), identity)


def _supplier_original(company: Facts, number: int, identity: int) -> bytes:
    if purchases.einvoice_type(number) == "xrechnung":
        invoice = purchases.electronic_purchase(company, number)
        return einvoice.cross_industry_invoice(invoice)
    return _supplier_display(company, number, identity)


def _supplier_display(company: Facts, number: int, identity: int) -> bytes:
    invoice = purchases.electronic_purchase(company, number)
    if purchases.einvoice_type(number) == "zugferd":
        return einvoice.facturx(invoice, identity)
    lines = [invoice.seller.name, f"Facture {invoice.number}", f"Échéance {invoice.due}"]
    return paper.pdf(lines, 1_900 + number % 700, identity)


KINDS: Final = (
    _plain("credit_note_pdf", INVOICES, "credit_notes", "avoir", (1_900, 400)),
    _plain("quote_pdf", sales.QUOTES, "quotes", "devis", (1_900, 600)),
    _plain("request_document", REQUESTS, "requests", "demande", (1_800, 2_000)),
    Kind("client_invoice_pdf", INVOICES, "client_invoices", "client_invoice",
         lambda company, number: (f"{sales.invoice_number(company, number)}.pdf",
                                  "application/pdf"),
         _client_invoice),
    Kind("supplier_document", purchases.SUPPLIER_INVOICES, "supplier_invoices", "supplier_invoice",
         purchases.supplier_file, _supplier_original),
    Kind("supplier_display", purchases.SUPPLIER_INVOICES, "supplier_invoices", "supplier_invoice",
         _named("affichage"), _supplier_display),
)  # fmt: skip
"""All kinds of documents; a new one is one more entry."""


class Files:
    """The documents of one company.

    Attributes:
        touched: Whether what is known of a generated receipt was ever changed.
    """

    def __init__(self, company: Facts, receipt_bytes: int | None) -> None:
        """Keep the documents of `company`; `receipt_bytes` is the size of its receipts, if set."""
        self._company = company
        self._receipt_bytes = receipt_bytes
        self._rows: dict[str, Row] = {}
        self.touched = False
        self._contents: dict[str, bytes] = {}
        self._remembered: OrderedDict[str, bytes] = OrderedDict()

    # -- what is known of a file ----------------------------------------------------------------

    def receipt(self, position: int, number: int) -> Row:
        """Return the receipt `number` of the transaction at a position."""
        company = self._company
        word = company.formula.number("receipt size", number, 1 << 20)
        picture = word % 5 == 0
        sealed = word % 11 != 0
        return {
            "id": company.formula.uuid("receipt", number),
            "created_at": iso(company.ledger.created(position)),
            "file_name": f"recu-{number + 1}.{'png' if picture else 'pdf'}",
            "file_size": str(self._receipt_bytes or 1_700 + word % 2_600),
            "file_content_type": "image/png" if picture else "application/pdf",
            "probative_attachment": _sealed(f"recu-{number + 1}", "1800")
            if sealed
            else {"status": "unavailable"},
        }

    def row(self, uuid: str) -> Row | None:
        """Return what is known of a file, without a link to it; None when there is no such file."""
        row = self._rows.get(uuid)
        if row is not None:
            return dict(row) or None
        receipt = self._company.ledger.receipt(uuid)
        if receipt is not None:
            return self.receipt(*receipt)
        found = self._find(uuid)
        return None if found is None else self._document_row(uuid, *found)

    def _find(self, uuid: str) -> tuple[Kind, int] | None:
        for kind in KINDS:
            number = self._company.formula.find(kind.name, uuid)
            if number is not None and number < kind.numbers:
                return kind, number
        return None

    def _document_row(self, uuid: str, kind: Kind, number: int) -> Row:
        company = self._company
        name, content_type = kind.file(company, number)
        owner = company.get(kind.collection, company.formula.uuid(kind.owner, number)) or {}
        size = kind.size_of(company, number)
        return {
            "id": uuid,
            "created_at": owner.get("finalized_at") or owner.get("created_at"),
            "file_name": name,
            "file_size": str(len(self.content(uuid)) if size is None else size),
            "file_content_type": content_type,
            "probative_attachment": {"status": "unavailable"},
        }

    # -- changing -----------------------------------------------------------------------------

    def put(self, row: Row) -> None:
        """Let a file be known as `row` says."""
        self._keep(row["id"], dict(row))

    def remove(self, uuid: str) -> None:
        """Forget a file."""
        self._keep(uuid, {})

    def _keep(self, uuid: str, row: Row) -> None:
        self._rows[uuid] = row
        self.touched = self.touched or self._company.ledger.receipt(uuid) is not None

    def replace(self, uuid: str, content: bytes) -> None:
        """Give a file these bytes."""
        self._contents[uuid] = content

    # -- bytes --------------------------------------------------------------------------------

    def content(self, uuid: str) -> bytes:
        """Return the bytes of a file: an attachment's, or a statement's by the statement's id.

        The sealed copy of a receipt has the receipt's id followed by `-sealed`.

        Raises:
            KeyError: There is no such file.
        """
        content = self._contents.get(uuid)
        if content is not None:
            return content
        if self._rows.get(uuid) == {}:
            raise KeyError(uuid)
        content = self._remembered.get(uuid)
        if content is None:
            content = self._remembered[uuid] = self._write(uuid)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(uuid)
        return content

    def _write(self, uuid: str) -> bytes:
        company = self._company
        identity = company.formula.seed(uuid)
        if uuid.endswith(_SEALED):
            return paper.pdf([company.legal_name, "Copie à valeur probante"], 1_800, identity)
        number = company.formula.find("statement", uuid)
        if number is not None and number < len(company.accounts) * MONTHS:
            return _statement(company, number, identity)
        found = self._find(uuid)
        if found is not None:
            kind, number = found
            return kind.write(company, number, identity)
        row = self.row(uuid)
        if row is None:
            raise KeyError(uuid)
        size = max(int(row["file_size"]), paper.SMALLEST)
        if row["file_content_type"] == "image/png":
            return paper.png(size, identity)
        return paper.pdf([company.legal_name, str(row["file_name"])], size, identity)


def _statement(company: Facts, number: int, identity: int) -> bytes:
    """Write a statement: the balances of the account before and after the month."""
    account = company.accounts[number // MONTHS]
    calendar = moments.months(FIRST_MONTH, MONTHS + 1)
    (year, month), following = calendar[number % MONTHS], calendar[number % MONTHS + 1]
    opening = company.ledger.balance_at(account.number, moments.at(year, month, 1) - 1)
    closing = company.ledger.balance_at(account.number, moments.at(*following, 1) - 1)
    lines = [
        company.legal_name,
        f"Relevé {month:02d}-{year}",
        account.iban,
        f"Solde initial {opening / 100:.2f} EUR",
        f"Solde final {closing / 100:.2f} EUR",
    ]
    return paper.pdf(lines, statement_size(company.formula, number), identity)


def _sealed(name: str, size: str) -> Row:
    return {
        "status": "available",
        "file_name": f"{name}-probatif.pdf",
        "file_content_type": "application/pdf",
        "file_size": size,
    }


def embedded(attachment: Row) -> Row:
    """Return an attachment as a transaction shows it: of the sealed copy, the state alone."""
    sealed = attachment.get("probative_attachment")
    if sealed is not None:
        attachment["probative_attachment"] = {"status": sealed.get("status")}
    return attachment
