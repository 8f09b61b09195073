"""Who buys, and what there is to buy: clients and products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world.moments import DAY, END, HOUR, SECOND, START, iso
from tap_qonto.demo.world.rows import Row, fraction, money
from tap_qonto.demo.world.words import LAST_NAMES, STREETS, as_mailbox, person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts


CLIENTS: Final = 230
PRODUCTS: Final = 214
INVOICES: Final = 372
REGULARS = 20
"""Clients of the first day; every later one came with an invoice."""


STEP = (END - START) // INVOICES
_GOODS = ("Luminaire", "Claustra", "Étagère", "Panneau", "Maquette", "Plan gravé", "Assise")
_WORKS = ("Étude", "Relevé", "Esquisse", "Suivi de chantier", "Coordination", "Visite", "Audit")
_MATTERS = ("chêne", "acier", "zinc", "verre", "liège", "phase 1", "phase 2", "phase 3", "annuel")
_COMPANY_KINDS = ("SARL", "SAS", "SA", "Coopérative", "Groupe", "Éditions", "Transports")
_PLACES = (
    ("Lyon", "69003", "FR"), ("Paris", "75011", "FR"), ("Marseille", "13002", "FR"),
    ("Tours", "37000", "FR"), ("Metz", "57000", "FR"), ("Angers", "49000", "FR"),
    ("Bruxelles", "1000", "BE"), ("Berlin", "10115", "DE"), ("Torino", "10121", "IT"),
)  # fmt: skip


def kind_of(number: int) -> str:
    """Return whether a client is a company, an individual or a freelancer."""
    if number % 37 == 36:  # a few freelancers, an Italian notion
        return "freelancer"
    return "individual" if number % 6 == 5 else "company"  # one in six


def place_of(number: int) -> tuple[str, str, str]:
    """Return city, zip code and country of a client."""
    if kind_of(number) == "freelancer":
        return _PLACES[-1]
    return _PLACES[number % len(_PLACES)] if kind_of(number) == "company" else _PLACES[number % 6]


def client_name(company: Facts, number: int) -> str:
    """Return the name of a client, company or person."""
    if kind_of(number) != "company":
        return " ".join(person(number + 100))
    names = LAST_NAMES
    kind = _COMPANY_KINDS[number % len(_COMPANY_KINDS)]
    other = names[(number // 20 + company.formula.number("client", number, 20)) % len(names)]
    return f"{kind} {names[number % len(names)]} & {other}"


def vat_number_of(number: int) -> str | None:
    """Return the VAT number of a client; people have none."""
    country = place_of(number)[2]
    if kind_of(number) != "company":
        return None
    digits = 100_000_000 + 3_607 * number
    return {
        "FR": f"FR{(12 + 3 * (digits % 97)) % 97:02d}{digits}",
        "BE": f"BE0{digits}",
        "DE": f"DE{digits}",
        "IT": f"IT{digits}00",
    }[country]


def address_of(number: int) -> Row:
    """Return where a client gets its invoices."""
    city, zip_code, country = place_of(number)
    streets = STREETS
    return {
        "street_address": f"{1 + number * 7 % 120} {streets[number % len(streets)]}",
        "city": city,
        "zip_code": zip_code,
        "province_code": "TO" if country == "IT" else None,
        "country_code": country,
    }


def client_fields(company: Facts, number: int) -> Row:
    """Return what a client's own row and its copies in documents have in common."""
    kind, address = kind_of(number), address_of(number)
    name = client_name(company, number)
    row: Row = {"id": company.formula.uuid("client", number)}
    if kind == "company":
        row["name"] = name
    else:
        row["first_name"], row["last_name"] = name.split(" ", 1)
    return row | {
        "type": kind,
        "email": f"{as_mailbox(name)}@client.example",
        "vat_number": vat_number_of(number),
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


def clients(company: Facts) -> Iterator[Row]:
    """The invoiced customers."""
    for number in range(CLIENTS):
        met = START + number * HOUR
        if number >= REGULARS:
            met = START + (number - REGULARS) * STEP - number * SECOND
        created = max(START, met)
        changed = created + company.formula.number("client changed", number, 400 * DAY)
        row = client_fields(company, number)
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


def product_of(company: Facts, number: int) -> tuple[str, str, int, int]:
    """Return title, type, price in cents and VAT in tenths of a percent of a product."""
    service = number % 3 != 0
    what = (_WORKS if service else _GOODS)[number % 7]
    title = f"{what} {_MATTERS[number // 7 % 9]} {number + 1:03d}"
    price = 400 * (10 + company.formula.number("price", number, 240))
    rate = (200, 200, 200, 100, 200, 55)[number % 6]
    return title, "service" if service else "good", price, rate


def products(company: Facts) -> Iterator[Row]:
    """The catalogue."""
    for number in range(PRODUCTS):
        title, kind, price, rate = product_of(company, number)
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
            "vat_rate": fraction(rate),
            "vat_exemption_code": None,
            "links": [{"title": "Fiche", "url": f"https://shop.demo.qonto.invalid/{number}"}]
            if number % 5 == 0
            else [],
            "created_at": iso(created),
            "updated_at": iso(min(END, created + number * HOUR)),
        }
