"""What the company sells and buys: clients, products, quotes, invoices, credit notes, links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_qonto.demo import moments, organization
from tap_qonto.demo.formula import iban
from tap_qonto.demo.ledger import END, START, Event
from tap_qonto.demo.moments import DAY, HOUR, SECOND, day, iso
from tap_qonto.demo.rows import Row, money

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.company import Company
    from tap_qonto.demo.documents import Invoice

CLIENTS: Final = 230
PRODUCTS: Final = 214
INVOICES: Final = 372
SUPPLIER_INVOICES: Final = 296

_REGULARS = 20
"""Clients of the first day; every later one came with an invoice."""
_DRAFTS = 8
_QUOTES_WITH_INVOICE = INVOICES // 3
QUOTES: Final = _QUOTES_WITH_INVOICE + 10
_STEP = (END - START) // INVOICES
_SUPPLIER_STEP = (END - START) // SUPPLIER_INVOICES
_IMPORTS = tuple(START + _STEP * n for n in (INVOICES // 3, INVOICES * 2 // 3, INVOICES - 7))
"""Moments at which the earlier tool's invoices were taken over, many at once."""

_GOODS = ("Luminaire", "Claustra", "Étagère", "Panneau", "Maquette", "Plan gravé", "Assise")
_WORKS = ("Étude", "Relevé", "Esquisse", "Suivi de chantier", "Coordination", "Visite", "Audit")
_MATTERS = ("chêne", "acier", "zinc", "verre", "liège", "phase 1", "phase 2", "phase 3", "annuel")


@dataclass(frozen=True)
class Line:
    """One line of a sale, before VAT; amounts in cents, the rate in tenths of a percent."""

    product: int
    title: str
    halves: int
    """Quantity in halves of a unit."""
    unit_price: int
    rate: int

    @property
    def quantity(self) -> str:
        """The quantity as decimal text."""
        return f"{self.halves // 2}.5" if self.halves % 2 else str(self.halves // 2)

    @property
    def subtotal(self) -> int:
        """Cents before VAT."""
        return self.unit_price * self.halves // 2

    @property
    def vat(self) -> int:
        """VAT in cents; prices are multiples of four euros, so nothing is ever rounded."""
        return self.subtotal * self.rate // 1_000


@dataclass(frozen=True)
class Sale:
    """What was agreed with a client; quote, invoice and credit note all show it."""

    client: int
    created: int
    lines: tuple[Line, ...]

    @property
    def vat(self) -> int:
        """VAT in cents."""
        return sum(line.vat for line in self.lines)

    @property
    def total(self) -> int:
        """Cents with VAT."""
        return sum(line.subtotal + line.vat for line in self.lines)


# -- clients and products -----------------------------------------------------------------------

_COMPANY_KINDS = ("SARL", "SAS", "SA", "Coopérative", "Groupe", "Éditions", "Transports")
_PLACES = (
    ("Lyon", "69003", "FR"), ("Paris", "75011", "FR"), ("Marseille", "13002", "FR"),
    ("Tours", "37000", "FR"), ("Metz", "57000", "FR"), ("Angers", "49000", "FR"),
    ("Bruxelles", "1000", "BE"), ("Berlin", "10115", "DE"), ("Torino", "10121", "IT"),
)  # fmt: skip


def _kind(number: int) -> str:
    if number % 37 == 36:
        return "freelancer"
    return "individual" if number % 6 == 5 else "company"


def _place(number: int) -> tuple[str, str, str]:
    if _kind(number) == "freelancer":
        return _PLACES[-1]
    return _PLACES[number % len(_PLACES)] if _kind(number) == "company" else _PLACES[number % 6]


def client_name(company: Company, number: int) -> str:
    """Return the name of a client, company or person."""
    if _kind(number) != "company":
        return " ".join(organization.person(number + 100))
    names = organization.LAST_NAMES
    kind = _COMPANY_KINDS[number % len(_COMPANY_KINDS)]
    other = names[(number // 20 + company.formula.number("client", number, 20)) % len(names)]
    return f"{kind} {names[number % len(names)]} & {other}"


def _vat_number(number: int) -> str | None:
    country = _place(number)[2]
    if _kind(number) != "company":
        return None
    digits = 100_000_000 + 3_607 * number
    return {
        "FR": f"FR{(12 + 3 * (digits % 97)) % 97:02d}{digits}",
        "BE": f"BE0{digits}",
        "DE": f"DE{digits}",
        "IT": f"IT{digits}00",
    }[country]


def _address(number: int) -> Row:
    city, zip_code, country = _place(number)
    streets = organization.STREETS
    return {
        "street_address": f"{1 + number * 7 % 120} {streets[number % len(streets)]}",
        "city": city,
        "zip_code": zip_code,
        "province_code": "TO" if country == "IT" else None,
        "country_code": country,
    }


def _client_fields(company: Company, number: int) -> Row:
    """Return what a client's own row and its copies in documents have in common."""
    kind, address = _kind(number), _address(number)
    name = client_name(company, number)
    row: Row = {"id": company.formula.uuid("client", number)}
    if kind == "company":
        row["name"] = name
    else:
        row["first_name"], row["last_name"] = name.split(" ", 1)
    return row | {
        "type": kind,
        "email": f"{organization.as_mailbox(name)}@client.example",
        "vat_number": _vat_number(number),
        "tax_identification_number": f"TIN{number:06d}" if number % 4 == 0 else None,
        # The flat address is the older form and writes countries in lower case.
        "address": address["street_address"],
        "city": address["city"],
        "zip_code": address["zip_code"],
        "province_code": address["province_code"],
        "country_code": address["country_code"].lower(),
        "recipient_code": "0000000" if address["country_code"] == "IT" else None,
        "locale": "fr" if address["country_code"] in ("FR", "BE") else "en",
        "billing_address": address,
        "delivery_address": None,
    }


def clients(company: Company) -> Iterator[Row]:
    """The invoiced customers."""
    for number in range(CLIENTS):
        met = START + number * HOUR
        if number >= _REGULARS:
            met = START + (number - _REGULARS) * _STEP - number * SECOND
        created = max(START, met)
        changed = created + company.formula.number("client changed", number, 400 * DAY)
        row = _client_fields(company, number)
        yield row | {
            "kind": row["type"],
            "phone_number": f"+33 6 00 00 {number // 100:02d} {number % 100:02d}",
            "phone": {"country_code": "+33", "number": f"60000{number:04d}"},
            "extra_emails": [f"compta{number}@client.example"] if number % 5 == 0 else [],
            "currency": "EUR",
            "e_invoicing_address": str(200_000_000 + number) if number % 3 == 0 else None,
            "e_invoicing_reachable": number % 3 == 0,
            "created_at": iso(created),
            "updated_at": iso(changed if changed <= END else created + number * SECOND),
        }


def _product(company: Company, number: int) -> tuple[str, str, int, int]:
    """Return title, type, price in cents and VAT in tenths of a percent of a product."""
    service = number % 3 != 0
    what = (_WORKS if service else _GOODS)[number % 7]
    title = f"{what} {_MATTERS[number // 7 % 9]} {number + 1:03d}"
    price = 400 * (10 + company.formula.number("price", number, 240))
    rate = (200, 200, 200, 100, 200, 55)[number % 6]
    return title, "service" if service else "good", price, rate


def products(company: Company) -> Iterator[Row]:
    """The catalogue."""
    for number in range(PRODUCTS):
        title, kind, price, rate = _product(company, number)
        created = START + number * 2 * DAY + company.formula.number("product", number, DAY)
        yield {
            "id": company.formula.uuid("product", number),
            "organization_id": company.organization_id,
            "title": title,
            "type": kind,
            "description": f"{title}, sur devis" if number % 4 else None,
            "internal_note": None if number % 9 else "Marge à revoir",
            "unit_price": money(price),
            "unit": "heure" if kind == "service" else "pièce",
            "vat_rate": _fraction(rate),
            "vat_exemption_code": None,
            "links": [{"title": "Fiche", "url": f"https://shop.demo.qonto.invalid/{number}"}]
            if number % 5 == 0
            else [],
            "created_at": iso(created),
            "updated_at": iso(min(END, created + number * HOUR)),
        }


def _fraction(rate: int) -> str:
    """Write a VAT rate as invoices do: a fraction, zeros trimmed."""
    return f"{rate / 1_000:g}"


# -- sales --------------------------------------------------------------------------------------


def sale(company: Company, number: int) -> Sale:
    """Return the agreement behind invoice `number` (larger numbers never became an invoice)."""
    formula = company.formula
    client = formula.number("invoiced", number, min(CLIENTS, _REGULARS + number))
    country, kind = _place(client)[2], _kind(client)
    created = START + min(number, INVOICES - 1) * _STEP + formula.number("sold", number, _STEP)
    if number % 12 == 5 and number < INVOICES:
        created = _IMPORTS[number * 3 // INVOICES]
    lines = []
    for rank in range(1 + formula.number("lines", number, 4)):
        product = formula.number("sold product", 10 * number + rank, PRODUCTS)
        title, _, price, rate = _product(company, product)
        if kind == "company" and country != "FR":
            rate = 0
        halves = 1 + formula.number("quantity", 10 * number + rank, 11)
        lines.append(Line(product, title, halves, price, rate))
    return Sale(client, created, tuple(lines))


def is_imported(number: int) -> bool:
    """Say whether an invoice came from another tool, which hides it from the list by default."""
    return number % 12 == 5 and number < INVOICES - _DRAFTS


def _is_canceled(number: int) -> bool:
    return number % 31 == 17


def _number(sold: Sale, number: int, prefix: str = "F") -> str:
    return f"{prefix}-{day(sold.created)[:4]}-{number + 1:04d}"


def invoice_number(company: Company, number: int) -> str:
    """Return the legal number of a finalized invoice."""
    return _number(sale(company, number), number)


def _due(sold: Sale) -> int:
    return sold.created + 30 * DAY


def payments_of_invoices(company: Company) -> Iterator[Event]:
    """The incoming transactions that pay client invoices."""
    formula = company.formula
    for number in range(INVOICES - _DRAFTS):
        if _is_canceled(number):
            continue
        sold = sale(company, number)
        # Most clients pay around the due day; some of the old ones never do.
        wanted = sold.created + 3 * DAY + formula.number("paid after", number, 45 * DAY)
        if wanted > END - 2 * DAY or formula.chance("never paid", number, 6):
            continue
        reference = _number(sold, number)
        name = client_name(company, sold.client)
        rates = {line.rate for line in sold.lines}
        yield Event(
            ("client_invoice", number),
            0,
            wanted,
            sold.total,
            credit=True,
            operation="income",
            subject="Income",
            label=f"VIR {name.upper()}",
            fields={
                "clean_counterparty_name": name,
                "reference": reference,
                "counterparty": iban("FR", f"3000300{sold.client:03d}0000000{sold.client:04d}69"),
                "cash": ("Sales", "Services"),
                "vat": rates.pop() if len(rates) == 1 else None,
            },
        )


def _items(lines: tuple[Line, ...], *, percent: bool = False) -> list[Row]:
    return [
        {
            "title": line.title,
            "description": None,
            "quantity": line.quantity,
            "unit": "heure" if line.product % 3 else "pièce",
            "unit_price": money(line.unit_price),
            "unit_price_cents": line.unit_price,
            "vat_rate": f"{line.rate / 10:g}" if percent else _fraction(line.rate),
            "vat_exemption_reason": "S283" if line.rate == 0 else None,
            "discount": None,
            "total_vat": money(line.vat),
            "total_vat_cents": line.vat,
            "total_amount": money(line.subtotal + line.vat),
            "total_amount_cents": line.subtotal + line.vat,
            "subtotal": money(line.subtotal),
            "subtotal_cents": line.subtotal,
        }
        for line in lines
    ]


def _issuer(company: Company) -> Row:
    address = next(iter(company.rows("organization")))["address"]
    return {
        "id": company.organization_id,
        "legal_name": f"{company.legal_name.upper()} SAS",
        "legal_number": company.legal_number,
        "legal_country": "FR",
        "address_line_1": address["street_address"],
        "address_line_2": None,
        "address_zipcode": address["zip_code"],
        "address_city": address["city"],
        "address_country": "FR",
        "company_leadership": None,
        "district_court": None,
        "commercial_register_number": f"RCS {address['city']} {company.legal_number}",
        "vat_number": company.vat_number,
        "tax_number": None,
        "legal_capital_share": money(15_000_000),
        "transaction_type": "goods_and_services",
        "vat_payment_condition": "on_receipts",
    }


def _events(moment: int, codes: tuple[int, ...]) -> list[Row]:
    """Steps of an e-invoice; their times have four digits after the point."""
    return [
        {
            "status_code": code,
            "reason": None,
            "reason_message": None,
            "timestamp": f"{iso((moment + rank * HOUR) // 1000 * 1000)[:-1]}.{4497 - rank:04d}Z",
        }
        for rank, code in enumerate(codes)
    ]


def _credit_notes_of(number: int) -> list[int]:
    """Return the numbers of the credit notes of an invoice: its own number, or none."""
    if number >= INVOICES - _DRAFTS:
        return []
    return [number] if _is_canceled(number) or number % 25 == 9 else []


def _has_quote(number: int) -> bool:
    accepted = number // 3 % 5 not in (3, 4)
    return number % 3 == 0 and accepted and number < INVOICES - _DRAFTS


def client_invoices(company: Company) -> Iterator[Row]:
    """Invoices to clients: drafts, open, paid, canceled, and those of an earlier tool."""
    formula = company.formula
    issuer = _issuer(company)
    for number in range(INVOICES):
        sold = sale(company, number)
        draft = number >= INVOICES - _DRAFTS
        empty = draft and number % 2 == 1
        lines = () if empty else sold.lines
        paid = company.ledger.placed(("client_invoice", number))
        status = "unpaid"
        if draft:
            status = "draft"
        elif _is_canceled(number):
            status = "canceled"
        elif paid is not None:
            status = "paid"
        total = sum(line.subtotal + line.vat for line in lines)
        vat = sum(line.vat for line in lines)
        finalized = None if draft else sold.created + 2 * HOUR
        changed = paid.moment + 4 * SECOND if paid else (finalized or sold.created) + HOUR
        reference = None if draft else _number(sold, number)
        imported = is_imported(number)
        electronic = not draft and number % 4 == 0
        yield {
            "id": formula.uuid("client_invoice", number),
            "organization_id": company.organization_id,
            "number": reference,
            "invoice_number": reference,
            "client_id": formula.uuid("client", sold.client),
            "purchase_order": f"PO-{4000 + number}" if number % 6 == 0 else None,
            "status": status,
            "invoice_url": None
            if draft
            else f"https://pay.demo.qonto.invalid/invoices/{formula.uuid('invoice_page', number)}",
            "contact_email": f"factures@{company.slug}.example",
            "terms_and_conditions": "Paiement à trente jours.",
            "discount_conditions": "Pas d'escompte pour paiement anticipé.",
            "late_payment_penalties": "Trois fois le taux d'intérêt légal.",
            "legal_fixed_compensation": "Indemnité forfaitaire de recouvrement de 40 euros.",
            "header": None,
            "footer": "Merci de votre confiance." if number % 2 else None,
            "currency": "EUR",
            "total_amount": money(total),
            "total_amount_cents": total,
            "vat_amount": money(vat),
            "vat_amount_cents": vat,
            "amount_paid": money(total if paid else 0),
            "discount": None,
            "deposit_amount": None,
            "issue_date": day(sold.created),
            "due_date": day(_due(sold)),
            "performance_date": None,
            "performance_start_date": day(sold.created - 20 * DAY) if number % 5 == 0 else None,
            "performance_end_date": day(sold.created) if number % 5 == 0 else None,
            "created_at": _offset(sold.created) if imported else iso(sold.created),
            "updated_at": iso(min(changed, END)),
            "finalized_at": None if finalized is None else iso(min(finalized, END)),
            "paid_at": None if paid is None else iso(paid.moment),
            "stamp_duty_amount": None,
            "items": None if empty else _items(lines),
            "client": _client_fields(company, sold.client),
            "payment_methods": [
                {
                    "beneficiary_name": company.legal_name,
                    "bic": "QNTOFRP1XXX",
                    "iban": company.accounts[0].iban,
                    "type": "transfer",
                }
            ],
            "credit_notes_ids": [formula.uuid("credit_note", n) for n in _credit_notes_of(number)],
            "organization": issuer,
            "invoice_type": "standard",
            "quote_id": formula.uuid("quote", number // 3) if _has_quote(number) else None,
            "upload_id": None,
            "attachment_id": None if draft else formula.uuid("client_invoice_pdf", number),
            "einvoicing_status": "approved" if electronic else None,
            "welfare_fund": None,
            "withholding_tax": None,
            "payment_reporting": None,
            "einvoicing_lifecycle_events": _events(sold.created + 3 * HOUR, (200, 202, 205))
            if electronic
            else [],
        }


def _offset(moment: int) -> str:
    """Write a moment in the French time of summer, as some answers do."""
    return f"{iso(moment + 2 * HOUR)[:-1]}+02:00"


def imported_ids(company: Company) -> set[str]:
    """Return the ids of the invoices that `exclude_imported` hides."""
    return {
        company.formula.uuid("client_invoice", number)
        for number in range(INVOICES)
        if is_imported(number)
    }


def credit_notes(company: Company) -> Iterator[Row]:
    """Corrections of client invoices: the whole of a canceled one, or one line."""
    formula = company.formula
    for number in range(INVOICES):
        if not _credit_notes_of(number):
            continue
        sold = sale(company, number)
        lines = sold.lines if _is_canceled(number) else sold.lines[:1]
        total = sum(line.subtotal + line.vat for line in lines)
        vat = sum(line.vat for line in lines)
        created = min(END, sold.created + 10 * DAY)
        yield {
            "id": formula.uuid("credit_note", number),
            "invoice_id": formula.uuid("client_invoice", number),
            "attachment_id": formula.uuid("credit_note_pdf", number),
            "number": _number(sold, number, "AV"),
            "issue_date": day(created),
            "invoice_issue_date": day(sold.created),
            "reason": "Annulation" if _is_canceled(number) else "Geste commercial",
            "terms_and_conditions": None,
            "header": None,
            "footer": None,
            "currency": "EUR",
            "vat_amount": money(vat),
            "vat_amount_cents": vat,
            "total_amount": money(total),
            "total_amount_cents": total,
            "stamp_duty_amount": None,
            "created_at": iso(created),
            "finalized_at": iso(created),
            "contact_email": f"factures@{company.slug}.example",
            "invoice_url": f"https://pay.demo.qonto.invalid/credit-notes/{number}",
            "einvoicing_status": None,
            "welfare_fund": None,
            "withholding_tax": None,
            "items": _items(lines),
            "client": _client_fields(company, sold.client),
            "einvoicing_lifecycle_events": None,
        }


def quotes(company: Company) -> Iterator[Row]:
    """Offers to clients, some of which became an invoice."""
    formula = company.formula
    issuer = _issuer(company)
    for number in range(QUOTES):
        with_invoice = number < _QUOTES_WITH_INVOICE
        sold = sale(company, 3 * number if with_invoice else INVOICES + number)
        status = "pending_approval"
        if with_invoice and _has_quote(3 * number):
            status = "approved"
        elif number % 5 == 4:
            status = "canceled"
        created = max(START - DAY, sold.created - 20 * DAY - number * SECOND)
        decided = min(END, created + 8 * DAY)
        yield {
            "id": formula.uuid("quote", number),
            "organization_id": company.organization_id,
            "number": f"D-{day(created)[:4]}-{number + 1:04d}",
            "status": status,
            "currency": "EUR",
            "total_amount": money(sold.total),
            "total_amount_cents": sold.total,
            "vat_amount": money(sold.vat),
            "vat_amount_cents": sold.vat,
            "issue_date": day(created),
            "expiry_date": day(created + 60 * DAY),
            "created_at": iso(created),
            "approved_at": iso(decided) if status == "approved" else None,
            "canceled_at": iso(decided) if status == "canceled" else None,
            "attachment_id": formula.uuid("quote_pdf", number) if number % 8 else None,
            "quote_url": f"https://pay.demo.qonto.invalid/quotes/{number}",
            "contact_email": f"devis@{company.slug}.example",
            "terms_and_conditions": "Devis valable soixante jours.",
            "header": None,
            "footer": None,
            "discount": None,
            "welfare_fund": None,
            "withholding_tax": None,
            "stamp_duty_amount": None,
            # Quotes, unlike invoices, write VAT rates in percent.
            "items": _items(sold.lines, percent=True),
            "client": _client_fields(company, sold.client),
            "organization": issuer,
            "invoice_ids": [formula.uuid("client_invoice", 3 * number)]
            if status == "approved"
            else [],
        }


def electronic_invoice(company: Company, number: int) -> Invoice:
    """Return what the Factur-X document of a finalized client invoice says."""
    from tap_qonto.demo import documents

    sold, issuer = sale(company, number), _issuer(company)
    address = _address(sold.client)
    return documents.Invoice(
        number=_number(sold, number),
        issued=day(sold.created),
        due=day(_due(sold)),
        currency="EUR",
        seller=documents.Party(
            issuer["legal_name"], issuer["address_line_1"], issuer["address_city"],
            issuer["address_zipcode"], "FR", company.legal_number, company.vat_number,
        ),
        buyer=documents.Party(
            client_name(company, sold.client), address["street_address"], address["city"],
            address["zip_code"], address["country_code"], None, _vat_number(sold.client),
        ),
        iban=company.accounts[0].iban,
        lines=tuple(
            documents.Line(
                line.title, line.quantity, line.unit_price, line.subtotal, f"{line.rate / 10:.2f}"
            )
            for line in sold.lines
        ),
        purchase_order=f"PO-{4000 + number}" if number % 6 == 0 else None,
    )  # fmt: skip


# -- purchases ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Purchase:
    """What a supplier asks for; amounts in cents."""

    supplier: int
    created: int
    net: int
    rate: int

    @property
    def vat(self) -> int:
        """VAT in cents."""
        return self.net * self.rate // 1_000

    @property
    def vat_number(self) -> str:
        """The supplier's VAT number."""
        return f"FR{10 + self.supplier}{300_000_000 + self.supplier}"

    @property
    def reference(self) -> str:
        """The number that the supplier gave the invoice."""
        return (
            f"FA{day(self.created)[2:7].replace('-', '')}-{self.supplier:02d}{self.net % 997:03d}"
        )


def purchase(company: Company, number: int) -> Purchase:
    """Return the purchase behind supplier invoice `number`."""
    formula = company.formula
    return Purchase(
        formula.number("supplier", number, organization.SUPPLIERS),
        START + number * _SUPPLIER_STEP + formula.number("bought", number, _SUPPLIER_STEP),
        2_000 * (2 + formula.number("bought for", number, 110)),
        (200, 200, 100, 200, 55)[number % 5],
    )


def is_settled_by_transfer(company: Company, number: int) -> int | None:
    """Return the earliest moment at which a supplier invoice is paid; None when it never is."""
    bought = purchase(company, number)
    if number % 17 in (4, 11):
        return None
    wanted = bought.created + 4 * DAY + company.formula.number("pays after", number, 30 * DAY)
    return None if wanted > END - 2 * DAY else wanted


def payments_to_suppliers(company: Company) -> Iterator[Event]:
    """The outgoing transactions that pay supplier invoices."""
    formula = company.formula
    for number in range(SUPPLIER_INVOICES):
        wanted = is_settled_by_transfer(company, number)
        if wanted is None:
            continue
        bought = purchase(company, number)
        name = organization.beneficiary_name(company, bought.supplier)
        yield Event(
            ("supplier_invoice", number),
            0,
            wanted,
            bought.net + bought.vat,
            credit=False,
            operation="transfer",
            subject="Transfer",
            label=f"VIR {name.upper()}",
            fields={
                "clean_counterparty_name": name,
                "reference": bought.reference,
                "counterparty": organization.beneficiary_iban(bought.supplier),
                "cash": ("Purchases", "Subcontracting"),
                "vat": bought.rate,
                "initiator_id": formula.uuid("membership", number % 3),
                "attachment_ids": [formula.uuid("supplier_document", number)],
            },
        )


def einvoice_type(number: int) -> str | None:
    """Return the format of a supplier's electronic invoice; None for a plain document."""
    return {7: "zugferd", 15: "xrechnung"}.get(number % 24)


def supplier_invoices(company: Company) -> Iterator[Row]:
    """Purchase documents, from the letterbox to the payment."""
    formula = company.formula
    for number in range(SUPPLIER_INVOICES):
        bought = purchase(company, number)
        paid = company.ledger.placed(("supplier_invoice", number))
        fresh = number >= SUPPLIER_INVOICES - 4
        status = _supplier_status(number, paid=paid is not None, fresh=fresh)
        total = bought.net + bought.vat
        kind = einvoice_type(number)
        name = organization.beneficiary_name(company, bought.supplier)
        analyzed = None if fresh else bought.created + 40 * SECOND
        changed = paid.moment + 5 * SECOND if paid else bought.created + number * HOUR
        source = formula.uuid("supplier_document", number)
        display = formula.uuid("supplier_display", number) if kind == "xrechnung" else source
        yield {
            "id": formula.uuid("supplier_invoice", number),
            "organization_id": company.organization_id,
            "status": status,
            "source_type": "e_invoicing" if kind else ("email", "direct_upload")[number % 2],
            "source": "e_invoicing" if kind else ("email_forward", "generic_upload")[number % 2],
            "attachment_id": source,
            "display_attachment_id": display,
            "file_name": supplier_file(company, number)[0],
            "declined_note": "Montant contesté" if status == "rejected" else "",
            "is_einvoice": kind is not None,
            "e_invoice_type": kind,
            "has_discrepancies": number % 43 == 0,
            "has_duplicates": number % 61 == 0,
            "invoice_number": None if fresh else bought.reference,
            "supplier_id": None if fresh else formula.uuid("supplier", bought.supplier),
            "supplier_name": None if fresh else name,
            "issuer_name": None if fresh else name,
            "supplier_snapshot": None
            if fresh
            else {
                "id": formula.uuid("supplier", bought.supplier),
                "name": name,
                "iban": organization.beneficiary_iban(bought.supplier),
                "tin": None,
                "vat_number": bought.vat_number,
                "email": f"{organization.as_mailbox(name)}@mail.example",
                "currency": "EUR",
                "status": "validated",
            },
            "vat_number": None if fresh else bought.vat_number,
            "tin": None,
            "description": f"Commande {4_000 + number}" if number % 3 == 0 else None,
            "total_amount": None if fresh else money(total),
            "total_amount_excluding_taxes": None if fresh else money(bought.net),
            "total_tax_amount": None if fresh else money(bought.vat),
            "taxes": None
            if fresh
            else [{"tax_rate": _fraction(bought.rate), "tax_amount": money(bought.vat)}],
            "payable_amount": None if fresh else money(total),
            "total_amount_credit_notes": None if fresh else money(0),
            "issue_date": None if fresh else day(bought.created - 2 * DAY),
            "due_date": None if fresh else day(bought.created + 28 * DAY),
            "payment_date": day(paid.moment) if paid else None,
            "scheduled_date": day(END + 5 * DAY) if status == "scheduled" else None,
            "iban": None if fresh else organization.beneficiary_iban(bought.supplier),
            "initiator_id": formula.uuid("membership", number % 3),
            "is_attachment_invoice": not fresh,
            "attachment_category": "UNKNOWN" if fresh else "INVOICE",
            "is_attachment_non_financial": False,
            "analyzed_at": None if analyzed is None else iso(analyzed),
            "matched_transactions": _matches(paid.transaction_id, formula.uuid(
                "sepa_transfer", number), number) if paid else [],
            "matched_transactions_ids": [paid.transaction_id] if paid else [],
            "transfer_ids": [formula.uuid("sepa_transfer", number)] if paid else [],
            "request_transfer": None,
            "self_invoice_id": None,
            "einvoicing_lifecycle_events": _events(bought.created, (200, 203)) if kind else [],
            "meta": {
                "integration_type": None,
                "connector": "grover" if number % 19 == 0 else None,
                "accounting_recorded_at": None,
                "accounting_recorded_source": None,
            },
            "available_actions": {
                "delete": not paid,
                "archive": bool(paid),
                "unarchive": status == "archived",
                "pay": status == "to_pay",
                "reasons": None if status == "to_pay" else {"pay": ["invalid_status"]},
            },
            "approval_workflow": {
                "approver_ids": [formula.uuid("membership", 1)],
                "supplier_invoice_request_id": None,
                "verified_by": formula.uuid("membership", 1) if paid else None,
                "last_approved_by": formula.uuid("membership", 1) if paid else None,
            },
            "is_credit_note": False,
            "has_suggested_credit_notes": False,
            "related_invoices": [],
            "suggested_transactions": [],
            "created_at": iso(bought.created),
            "updated_at": iso(min(END, max(changed, analyzed or 0))),
        }  # fmt: skip


def _supplier_status(number: int, *, paid: bool, fresh: bool) -> str:
    if fresh:
        return "to_review"
    if paid:
        return "paid"
    open_states = ("to_pay", "to_approve", "scheduled", "awaiting_payment", "rejected", "archived")
    return open_states[number % len(open_states)]


def _matches(transaction: str, transfer: str, number: int) -> list[str] | list[Row]:
    """Name the matched transaction in the older form (an id) or in the newer one (an object)."""
    if number < SUPPLIER_INVOICES // 3:
        return [transaction]
    return [{"transaction_id": transaction, "subject_id": transfer, "subject_type": "transfer"}]


def supplier_file(company: Company, number: int) -> tuple[str, str]:
    """Return name and type of the original file of a supplier invoice."""
    reference = purchase(company, number).reference
    if einvoice_type(number) == "xrechnung":
        return f"{reference}.xml", "application/xml"
    return f"{reference}.pdf", "application/pdf"


def electronic_purchase(company: Company, number: int) -> Invoice:
    """Return what the electronic invoice of a supplier says."""
    from tap_qonto.demo import documents

    bought, issuer = purchase(company, number), _issuer(company)
    name = organization.beneficiary_name(company, bought.supplier)
    return documents.Invoice(
        number=bought.reference,
        issued=day(bought.created - 2 * DAY),
        due=day(bought.created + 28 * DAY),
        currency="EUR",
        seller=documents.Party(
            name, f"{bought.supplier + 1} rue des Artisans", "Lyon", "69007", "FR",
            str(300_000_000 + bought.supplier),
            bought.vat_number,
        ),
        buyer=documents.Party(
            issuer["legal_name"], issuer["address_line_1"], issuer["address_city"],
            issuer["address_zipcode"], "FR", company.legal_number, company.vat_number,
        ),
        iban=organization.beneficiary_iban(bought.supplier),
        lines=(
            documents.Line("Prestation", "1", bought.net, bought.net, f"{bought.rate / 10:.2f}"),
        ),
    )  # fmt: skip


# -- the rest of the trade ----------------------------------------------------------------------


def einvoicing_settings(company: Company) -> Iterator[Row]:
    """State of e-invoicing."""
    yield {
        "sending_status": "enabled",
        "receiving_status": company.formula.pick("receiving", 0, ("enabled", "pending_creation")),
    }


_LINKS = 44


def payment_links(company: Company) -> Iterator[Row]:
    """Links to pay an invoice or a basket."""
    formula = company.formula
    open_invoices = [row for row in company.rows("client_invoices") if row["status"] == "unpaid"]
    for number in range(_LINKS):
        created = START + number * 16 * DAY + formula.number("link", number, DAY)
        expires = created + 30 * DAY
        by_invoice = number % 4 == 0 and number // 4 < len(open_invoices)
        title, kind, price, rate = _product(company, number)
        cents = (price + price * rate // 1_000) * (1 + number % 3)
        invoice = open_invoices[number // 4] if by_invoice else None
        status = _link_status(company, number, by_invoice=by_invoice, expired=expires < END)
        yield {
            "id": formula.uuid("payment_link", number),
            "status": status,
            "expiration_date": iso(expires),
            "potential_payment_methods": ["credit_card", "apple_pay", "bank_transfer"],
            "amount": invoice["total_amount"] if invoice else money(cents),
            "resource_type": "Invoice" if invoice else "Basket",
            "items": None
            if invoice
            else [
                {
                    "title": title,
                    "quantity": 1 + number % 3,
                    "unit_price": money(price),
                    "vat_rate": f"{rate / 10:.1f}",
                    "type": kind,
                    "description": None,
                    "measure_unit": "pièce",
                }
            ],
            "reusable": number % 7 == 1,
            "invoice_id": invoice["id"] if invoice else None,
            "invoice_number": invoice["number"] if invoice else None,
            "debitor_name": invoice["client"].get("name") if invoice else None,
            "created_at": iso(created),
            "url": f"https://pay.demo.qonto.invalid/links/{formula.uuid('link_page', number)}",
        }


def _link_status(company: Company, number: int, *, by_invoice: bool, expired: bool) -> str:
    if by_invoice:
        return "expired" if expired else "open"
    if company.formula.chance("link paid", number, 60):
        return "paid"
    return ("canceled" if number % 2 else "expired") if expired else "open"


def payment_link_payments(company: Company) -> Iterator[Row]:
    """Attempts to pay a link; `payment_link_id` is not part of the API's row."""
    formula = company.formula
    for link_number, link in enumerate(company.rows("payment_links")):
        paid = link["status"] == "paid"
        failed = formula.number("attempts", link_number, 3)
        for rank in range(failed + paid):
            done = paid and rank == failed
            created = moments.parse(link["created_at"]) + (1 + rank) * 5 * HOUR
            yield {
                "id": formula.uuid("payment_link_payment", 10 * link_number + rank),
                "amount": link["amount"],
                "status": "paid" if done else ("failed", "expired", "canceled")[rank],
                "created_at": iso(min(created, END)),
                "payment_method": "credit_card" if rank % 2 == 0 else "apple_pay",
                "paid_at": iso(min(created + 90 * SECOND, END)) if done else None,
                "debitor_email": f"payeur{link_number}.{rank}@mail.example",
                "payment_link_id": link["id"],
            }


def terminals(company: Company) -> Iterator[Row]:
    """Card terminals in the shop."""
    for number in range(3):
        created = START + (30 + 200 * number) * DAY
        yield {
            "id": company.formula.uuid("terminal", number),
            "poi_id": f"V400m-{346_000_000 + 311 * number}",
            "created_at": iso(created),
            "updated_at": iso(created + 40 * DAY),
        }


def webhook_subscriptions(company: Company) -> Iterator[Row]:
    """Callbacks that the company's own client has registered."""
    topics = (
        ["v1/transactions"],
        ["v1/client-invoices", "v1/clients"],
        ["v1/cards"],
        ["v1/payment-links", "v1/terminal-payments"],
    )
    for number, types in enumerate(topics):
        created = START + (100 + 50 * number) * DAY
        row: Row = {
            "id": company.formula.uuid("webhook", number),
            "organization_id": company.organization_id,
            "membership_id": company.formula.uuid("membership", 0),
            "callback_url": f"https://hooks.{company.slug}.example/qonto/{number}",
            "types": types,
            "secret": company.formula.uuid("webhook secret", number).replace("-", ""),
            "created_at": iso(created),
            "updated_at": iso(created + DAY),
        }
        if number % 2 == 0:
            row["description"] = "Comptabilité"
        yield row
