"""Who the company is: accounts, people, teams, labels, cards, requests and categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo import moments
from tap_qonto.demo.formula import french_iban, iban
from tap_qonto.demo.ledger import END, FIRST_MONTH, MONTHS, START, TRADES, Account
from tap_qonto.demo.moments import DAY, HOUR, iso
from tap_qonto.demo.rows import Row, decimal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.company import Company
    from tap_qonto.demo.formula import Formula

MEMBERS: Final = 34
EMPLOYEES: Final = 12
"""Members that are on the payroll and have a company card."""
BENEFICIARIES: Final = 224
SUPPLIERS: Final = 40
"""Beneficiaries that send invoices; the employees follow them, then the landlord and others."""

_ACCOUNTS: Final = (
    ("Compte principal", 54),
    ("TVA et impôts", 10),
    ("Salaires", 15),
    ("Chantiers", 10),
    ("Épargne", 4),
    ("Ancien compte", 7),
)
USUAL_ACCOUNTS: Final = len(_ACCOUNTS)
_CLOSED: Final = USUAL_ACCOUNTS - 1
REQUESTS: Final = 124
_CLOSING: Final = moments.at(2026, 2, 27, 17)

_TRADE_NAMES = (
    "Lumen",
    "Belvédère",
    "Garance",
    "Cobalt",
    "Tilleul",
    "Horizon",
    "Saphir",
    "Mistral",
)
_CRAFTS = ("Atelier", "Studio", "Maison", "Fabrique")
_CITIES = (
    ("Lyon", "69002"), ("Nantes", "44000"), ("Bordeaux", "33000"), ("Lille", "59800"),
    ("Rennes", "35000"), ("Toulouse", "31000"), ("Grenoble", "38000"), ("Dijon", "21000"),
)  # fmt: skip
STREETS: Final = (
    "rue des Tanneurs", "quai de la Pêcherie", "avenue des Platanes", "place du Marché",
    "rue de l'Observatoire", "boulevard des Alliés", "chemin du Moulin", "rue Neuve",
)  # fmt: skip
FIRST_NAMES: Final = (
    "Aline", "Basile", "Capucine", "Damien", "Élodie", "Florent", "Gaëlle", "Hugo", "Inès",
    "Joris", "Katell", "Lucien", "Maëlys", "Noé", "Océane", "Perrine", "Quentin", "Rosalie",
    "Soren", "Thaïs", "Ulysse", "Violette", "Yann", "Zélie",
)  # fmt: skip
LAST_NAMES: Final = (
    "Abeille", "Boisvert", "Chantreau", "Delorgue", "Estevan", "Fauconnier", "Grandval",
    "Hautecoeur", "Isambert", "Jolivel", "Kermarec", "Lestrange", "Montclar", "Nervaux",
    "Orsival", "Pontcarré", "Quéméneur", "Roussillac", "Sauvignac", "Tréville",
)  # fmt: skip


def person(number: int) -> tuple[str, str]:
    """Return first and last name of a made-up person; 480 numbers give 480 names."""
    first, last = len(FIRST_NAMES), len(LAST_NAMES)
    return FIRST_NAMES[number % first], LAST_NAMES[(number // first + 7 * number) % last]


def as_mailbox(text: str) -> str:
    """Return a name as the part of a mail address before the @."""
    plain = text.lower().translate(str.maketrans("éèêëàâäïîôöûüç", "eeeeaaaiioouuc"))
    return "".join(sign if sign.isalnum() and sign.isascii() else "." for sign in plain)


def legal_name(formula: Formula, name: str) -> str:
    """Return what the company is called; the demo organization's name is part of it."""
    craft = formula.pick("craft", 0, _CRAFTS)
    trade = formula.pick("trade name", 0, _TRADE_NAMES)
    return f"{craft} {trade}" if name == "demo" else f"{craft} {trade} {name.strip().title()}"


def accounts(formula: Formula, slug: str, transactions: int, count: int) -> list[Account]:
    """Share the transactions among the accounts.

    The usual company has six, of which the first does most of the business and the last is
    closed; any other number of accounts share alike and are all open.
    """
    weights = [weight for _, weight in _ACCOUNTS] if count == len(_ACCOUNTS) else [1] * count
    total, before, result = sum(weights), 0, []
    for number, weight in enumerate(weights):
        upto = before + weight
        closed = count == len(_ACCOUNTS) and number == _CLOSED
        result.append(
            Account(
                number,
                formula.uuid("bank_account", number),
                french_iban("1695800001", formula.number("iban", number, 10**10)),
                f"{slug}-bank-account-{number + 1}",
                transactions * upto // total - transactions * before // total,
                _CLOSING if closed else None,
            )
        )
        before = upto
    return result


def bank_accounts(company: Company) -> Iterator[Row]:
    """The company's own accounts, balances as the transactions left them."""
    ledger = company.ledger
    for account in company.accounts:
        booked, free = ledger.balances[account.number], ledger.authorized[account.number]
        name = (
            _ACCOUNTS[account.number][0]
            if account.number < _CLOSED or account.closes is not None
            else f"Compte {account.number + 1}"
        )
        yield {
            "id": account.id,
            "name": name,
            "organization_id": company.organization_id,
            "status": "active" if account.closes is None else "closed",
            "main": account.number == 0,
            "iban": account.iban,
            "bic": "QNTOFRP1XXX",
            "currency": "EUR",
            "balance": booked / 100,
            "balance_cents": booked,
            "authorized_balance": free / 100,
            "authorized_balance_cents": free,
            "updated_at": iso(account.closes or END),
            "is_external_account": False,
            # Wobbles on purpose: the API documents text and prints nothing or an empty one.
            "account_number": None if account.number % 2 else "",
        }


def organization(company: Company) -> Iterator[Row]:
    """The legal entity, with its accounts in the shape that this resource gives them."""
    formula = company.formula
    city, zip_code = formula.pick("city", 0, _CITIES)
    street = f"{1 + formula.number('street', 0, 120)} {formula.pick('street', 1, STREETS)}"
    yield {
        "id": company.organization_id,
        "name": company.legal_name,
        "slug": company.slug,
        "legal_name": f"{company.legal_name.upper()} SAS",
        "locale": "fr",
        "legal_share_capital": 150_000,
        "legal_country": "FR",
        "legal_registration_date": "2019-03-04",
        "legal_form": "SAS",
        "legal_address": f"{street}, {zip_code} {city}",
        "address": {
            "street_address": street,
            "zip_code": zip_code,
            "city": city,
            "country_code": "FR",
        },
        "legal_sector": "71.11Z",
        "contract_signed_at": "2024-10-28 09:41:07.512047",
        "legal_number": company.legal_number,
        "bank_accounts": embedded_accounts(company),
    }


def embedded_accounts(company: Company) -> list[Row]:
    """Return the accounts as the organization shows them: with a slug, without its own id."""
    slugs = {account.id: account.slug for account in company.accounts}
    return [
        {key: value for key, value in row.items() if key != "organization_id"}
        | {"slug": slugs.get(row["id"])}
        for row in company.rows("bank_accounts")
    ]


def external_accounts(company: Company) -> list[Row]:
    """Accounts at other banks, shown by the organization on demand only."""
    return [
        {
            "id": company.formula.uuid("external_account", 0),
            "slug": f"{company.slug}-external-1",
            "iban": "",
            "bic": "",
            "currency": "EUR",
            "balance": 8_412.07,
            "balance_cents": 841_207,
            "authorized_balance": 8_412.07,
            "authorized_balance_cents": 841_207,
            "name": "Compte épargne externe",
            "updated_at": iso(END - DAY),
            "status": "active",
            "main": False,
            "is_external_account": True,
            # One example of the documentation prints an integer here.
            "account_number": 31_208_774,
        }
    ]


def cash_flow_categories(company: Company) -> Iterator[Row]:
    """The two-level tree that the trades of the ledger refer to."""
    tree: dict[str, dict[str, int | None]] = {}
    incoming = {"Sales"}
    for trade in TRADES:
        tree.setdefault(trade.cash_flow[0], {}).setdefault(trade.cash_flow[1], trade.vat)
    tree.setdefault("Salaries", {}).setdefault("Wages", None)
    tree["Other"].setdefault("Internal transfers", None)
    for number, (name, children) in enumerate(tree.items()):
        subcategories = []
        for rank, (child, vat) in enumerate(children.items()):
            row: Row = {
                "id": company.formula.uuid("cash_flow_subcategory", 100 * number + rank),
                "name": child,
            }
            if vat is not None:
                row["vat_rate"] = f"{vat / 10:.1f}"
            subcategories.append(row)
        category: Row = {
            "id": company.formula.uuid("cash_flow_category", number),
            "name": name,
            "type": "CATEGORY_TYPE_INFLOW" if name in incoming else "CATEGORY_TYPE_OUTFLOW",
            "subcategories": subcategories,
        }
        if name in ("Software", "Premises", "Equipment"):
            category["vat_rate"] = "20.0"
        yield category


_LABEL_LISTS: Final = {
    "Projet": ("Halle aux grains", "Médiathèque", "Villa Aubépine", "Quai 14", "Gare routière",
               "École du Parc", "Tour Nord", "Théâtre", "Pavillon 7", "Serres", "Refuge", "Musée"),
    "Centre de coût": ("Direction", "Production", "Commercial", "Support", "Recherche"),
    "Région": ("Ouest", "Sud-Est", "Île-de-France", "Nord", "Export"),
    "Comptable": ("À justifier", "Immobilisation", "Notes de frais", "Litige", "Régularisation"),
}  # fmt: skip


def labels(company: Company) -> Iterator[Row]:
    """Lists of labels and the labels in them."""
    number = 0
    for title, children in _LABEL_LISTS.items():
        parent = company.formula.uuid("label", number)
        number += 1
        yield {"id": parent, "name": title, "parent_id": None}
        for child in children:
            yield {
                "id": company.formula.uuid("label", number),
                "name": child,
                "parent_id": parent,
            }
            number += 1


_TEAMS: Final = ("Direction", "Conception", "Chantiers", "Commercial", "Administration", "Export")


def teams(company: Company) -> Iterator[Row]:
    """The company's teams."""
    for number, name in enumerate(_TEAMS):
        yield {"id": company.formula.uuid("team", number), "name": name}


def memberships(company: Company) -> Iterator[Row]:
    """The people with access, some of them only invited."""
    roles = ("owner", "admin", "manager", "reporting", "employee", "employee", "accountant")
    for number in range(MEMBERS):
        first, last = person(number)
        invited = number >= MEMBERS - 3
        born = moments.at(1966, 1, 1) + company.formula.number("born", number, 13_000) * DAY
        yield {
            "id": company.formula.uuid("membership", number),
            "first_name": first,
            "last_name": last,
            "email": f"{as_mailbox(first)}.{as_mailbox(last)}@{company.slug}.example",
            "role": None if invited else roles[number if number < len(roles) else 4],
            "team_id": None if invited else company.formula.uuid("team", number % len(_TEAMS)),
            "residence_country": "FR",
            "birthdate": moments.day(born),
            "nationality": company.formula.pick(
                "nationality", number, ("FR", "FR", "FR", "BE", "IT")
            ),
            "birth_country": "FR",
            "ubo": number == 0,
            "status": "invitable" if invited else "active",
        }


def beneficiary_name(company: Company, number: int) -> str:
    """Return the name of a payee: supplier, employee or someone paid once."""
    if number < SUPPLIERS:
        kinds = ("Menuiserie", "Imprimerie", "Métallerie", "Ingénierie", "Transports")
        return f"{kinds[number % len(kinds)]} {LAST_NAMES[(3 * number + number // 5) % 20]}"
    if number < SUPPLIERS + EMPLOYEES:
        return " ".join(person(number - SUPPLIERS))
    if number == SUPPLIERS + EMPLOYEES:
        return "Foncière des Tisserands"
    return " ".join(person(number + company.formula.number("payee", 0, 200)))


def _is_german(payee: int) -> bool:
    return payee % 9 == 8


def beneficiary_iban(number: int) -> str:
    """Return the account of a payee, in France or next door."""
    if _is_german(number):
        return iban("DE", f"50010517{5_400_000_000 + 977 * number}")
    return french_iban("3000400821", 1_200_000 + 7_717 * number)


def beneficiaries(company: Company) -> Iterator[Row]:
    """Payees of SEPA transfers."""
    formula = company.formula
    for number in range(BENEFICIARIES):
        used = number <= SUPPLIERS + EMPLOYEES
        # Those that are paid regularly were there from the first day.
        created = START + number * (1 if used else 72) * HOUR + 1_009 * number
        changed = created + formula.number("payee changed", number, 90 * DAY)
        status = "validated" if used or number % 23 else ("declined" if number % 2 else "pending")
        name = beneficiary_name(company, number)
        yield {
            "id": formula.uuid("beneficiary", number),
            "name": name,
            "iban": beneficiary_iban(number),
            "bic": "INGDDEFFXXX" if _is_german(number) else "BNPAFRPPXXX",
            "currency": "EUR",
            "email": f"{as_mailbox(name)}@mail.example" if number % 3 else None,
            "activity_tag": "salary" if SUPPLIERS <= number < SUPPLIERS + EMPLOYEES else "other",
            "status": status,
            "trusted": status == "validated" and number % 4 == 0,
            "created_at": iso(created),
            "updated_at": iso(min(changed, END)),
        }


_ABROAD: Final = (
    ("USD", "US", "ACH", 21), ("GBP", "GB", "FASTER_PAYMENTS", 16), ("CHF", "CH", "SIC", 9),
    ("CAD", "CA", "EFT", 5), ("JPY", "JP", "SWIFT", 3),
)  # fmt: skip


def international_beneficiaries(company: Company) -> Iterator[Row]:
    """Payees abroad, by currency."""
    number = 0
    for currency, country, rail, count in _ABROAD:
        for _ in range(count):
            account = company.formula.number("abroad", number, 10**9)
            yield {
                "id": company.formula.uuid("international_beneficiary", number),
                "name": " ".join(person(number + 240)),
                "country": country,
                "currency": currency,
                "payment_type": rail,
                "account_identifier": f"{account:012d}",
                "bank_identifier": f"{21_000_000 + account % 999_999:09d}",
                "branch_identifier": None if number % 2 else f"{account % 10_000:04d}",
                "legal_type": "LEGAL_TYPE_COMPANY" if number % 3 else "LEGAL_TYPE_PRIVATE",
                "owned_by_customer": False,
            }
            number += 1


def international_currencies(source: str) -> list[Row]:
    """Currencies that can be sent to; the company's payees use the first ones."""
    codes = [(country, currency) for currency, country, _, _ in _ABROAD] + [
        ("AU", "AUD"), ("SE", "SEK"), ("NO", "NOK"), ("DK", "DKK"), ("PL", "PLN"),
        ("CZ", "CZK"), ("SG", "SGD"), ("HK", "HKD"), ("MA", "MAD"), ("FR", "EUR"),
    ]  # fmt: skip
    return [
        {"country_code": country, "currency_code": currency, "suggestion_priority": rank}
        for rank, (country, currency) in enumerate(codes, start=1)
        if currency != source
    ]


def _micro(moment: int, micros: int) -> str:
    """Write a moment with microseconds, as cards alone do."""
    return f"{iso(moment // 1000 * 1000)[:-1]}.{moment % 1000:03d}{micros:03d}Z"


_CARD_STATUSES = ("live", "live", "live", "live", "paused", "expired", "lost", "discarded")


_REPLACING = 12
"""Remainder by thirteen of the cards that replace another one."""


_NEWER_CARD_FIELDS: Final[Row] = {
    "shipped_lost_at": None,
    "eligible_for_renewal": False,
    "eligible_for_upsell": True,
    "is_qcp": False,
}


def cards(company: Company) -> Iterator[Row]:
    """Debit cards of the employees: plastic, virtual, and flash cards for one purchase."""
    formula = company.formula
    for number in range(28):
        holder = number % EMPLOYEES
        level = ("standard", "plus", "virtual", "metal", "virtual", "flash")[number % 6]
        status = "live" if number < EMPLOYEES else formula.pick("card", number, _CARD_STATUSES)
        created = START + number * 20 * DAY + formula.number("card at", number, DAY)
        used = END - formula.number("card used", number, 20 * DAY)
        physical = level in ("standard", "plus", "metal")
        flash = level == "flash"
        monthly = (1_500, 3_000, 5_000)[number % 3]
        digits = f"{1000 + number % 24 * 311:04d}"
        yield {
            "id": formula.uuid("card", number),
            "nickname": f"Carte {FIRST_NAMES[holder]} {number + 1}",
            "embossed_name": " ".join(person(holder)).upper(),
            "status": status,
            "pin_set": physical,
            "mask_pan": f"511768******{digits}",
            "exp_month": f"{1 + number % 12:02d}",
            "exp_year": str(2027 + number % 3),
            "last_activity_at": _micro(used, number % 997) if number % 9 else None,
            "last_digits": digits,
            "ship_to_business": physical,
            "atm_option": physical,
            "nfc_option": physical,
            "online_option": True,
            "foreign_option": number % 5 != 0,
            "atm_monthly_limit": 1_000,
            "atm_monthly_spent": formula.number("atm", number, 40) * 10,
            "atm_daily_limit": 500,
            "atm_daily_spent": 0,
            "atm_daily_limit_option": physical,
            "payment_monthly_limit": monthly,
            "payment_monthly_spent": formula.number("spent", number, monthly * 100) / 100,
            "payment_daily_limit": 750,
            "payment_daily_spent": 0,
            "payment_daily_limit_option": False,
            "payment_transaction_limit": 500,
            "payment_transaction_limit_option": number % 4 == 0,
            "active_days": [1, 2, 3, 4, 5] if number % 2 else [1, 2, 3, 4, 5, 6, 7],
            "holder_id": formula.uuid("membership", holder),
            "initiator_id": formula.uuid("membership", 0),
            "bank_account_id": company.accounts[0].id,
            "organization_id": company.organization_id,
            "updated_at": _micro(min(used + HOUR, END), (7 * number + 123) % 1_000),
            "created_at": _micro(created, (11 * number + 47) % 1_000),
            "shipped_at": iso(created + 2 * DAY) if physical else None,
            "card_type": "debit",
            "card_level": level,
            "payment_lifespan_limit": 250 if flash else None,
            "payment_lifespan_spent": 120.5 if flash else None,
            "pre_expires_at": iso(created + 60 * DAY) if flash else None,
            "categories": ["transport", "restaurant_and_bar"] if number % 7 == 0 else [],
            "renewed": False,
            "renewal": False,
            "parent_card_summary": {"id": formula.uuid("card", number - 6), "last_digits": "1000"}
            if number % 13 == _REPLACING
            else None,
            "had_operation": True,
            "had_pin_operation": physical,
            "card_design": f"{level}.recycled.2023" if physical else f"{level}.2023",
            "type_of_print": "print" if physical else None,
            "upsold": False,
            "upsell": False,
            "discard_on": "2027-02-30" if flash else None,
            "reordered": False,
            "appearance": {
                "assets": {
                    "front_large": f"https://assets.demo.qonto.invalid/{level}/front.png",
                    "front_small": f"https://assets.demo.qonto.invalid/{level}/small.png",
                    "front_small_wallet": f"https://assets.demo.qonto.invalid/{level}/wallet.png",
                },
                "theme": "dark" if level == "metal" else "light",
                **({} if level == "metal" else {"gradient_hex_color": "#6B5AED"}),
            },
            "has_only_user_liftable_locks": status == "paused",
            # Newer fields, which not every answer has.
            **(_NEWER_CARD_FIELDS if number % 2 else {}),
        }


def card_type_appearances() -> list[Row]:
    """Catalogue of card designs."""
    return [
        {
            "card_type": "debit",
            "card_level_appearances": [
                {
                    "card_level": level,
                    "appearances": [
                        {
                            "design": f"{level}.2023",
                            "assets": {
                                "front_large": f"https://assets.demo.qonto.invalid/{level}/front.png"
                            },
                            "theme": "light",
                            "gradient_hex_color": None,
                            "is_active": True,
                        }
                    ],
                }
                for level in ("standard", "plus", "metal", "virtual", "flash")
            ],
        }
    ]


def requests(company: Company) -> Iterator[Row]:
    """Requests of the employees: cards and transfers that a manager decides on."""
    formula = company.formula
    for number in range(REQUESTS):
        kind = ("transfer", "flash_card", "virtual_card", "multi_transfer")[number % 4]
        created = START + number * 5 * DAY + formula.number("request", number, DAY)
        recent = created > END - 20 * DAY
        status = formula.pick(
            "request status",
            number,
            ("pending", "approved") if recent else ("approved", "approved", "declined", "canceled"),
        )
        decided = status in ("approved", "declined")
        cents = 5_000 + formula.number("request amount", number, 90_000)
        row: Row = {
            "id": formula.uuid("request", number),
            "request_type": kind,
            "status": status,
            "initiator_id": formula.uuid("membership", 4 + number % 8),
            "approver_id": formula.uuid("membership", number % 3) if decided else None,
            "note": ("Déplacement client", "Abonnement équipe", "Achat matériel")[number % 3],
            "processed_at": iso(min(created + 5 * HOUR, END)) if status != "pending" else None,
            "created_at": iso(created),
        }
        if status == "declined":
            row["declined_note"] = "Hors budget"
        if kind == "flash_card":
            row |= {
                "currency": "EUR",
                "payment_lifespan_limit": decimal(cents),
                "pre_expires_at": iso(created + 30 * DAY),
            }
        elif kind == "virtual_card":
            row |= {
                "currency": "EUR",
                "payment_monthly_limit": decimal(cents),
                "card_level": "virtual",
                "card_design": "virtual.2023",
            }
        elif kind == "transfer":
            row |= {
                "currency": "EUR",
                "creditor_name": beneficiary_name(company, number % SUPPLIERS),
                "amount": decimal(cents),
                "scheduled_date": moments.day(created + 3 * DAY),
                "recurrence": "monthly" if number % 20 == 0 else "once",
                "attachment_ids": [formula.uuid("request_document", number)],
            }
            if number % 20 == 0:
                row["last_recurrence_date"] = moments.day(created + 180 * DAY)
        else:
            row |= {
                "scheduled_date": moments.day(created + 3 * DAY),
                "total_transfers_amount": decimal(3 * cents),
                "total_transfers_amount_currency": "EUR",
                "total_transfers_count": 3,
            }
        yield row


def subscription(company: Company) -> Iterator[Row]:
    """The price plan."""
    yield {
        "code": "business_v3",
        "name": "Business",
        "lineup": "teams",
        "status": "active",
        "recurrence": "monthly" if company.formula.chance("plan", 0, 50) else "annual",
        "monthly_price": {"amount": "99.00", "currency": "EUR"},
        "trial_ends_at": None,
    }


def statements(company: Company) -> Iterator[Row]:
    """One statement per account and month, up to the account's closure."""
    for account in company.accounts:
        for rank, (year, month) in enumerate(moments.months(FIRST_MONTH, MONTHS)):
            if account.closes is not None and moments.at(year, month, 1) > account.closes:
                break
            number = account.number * MONTHS + rank
            size = company.statement_size(number)
            yield {
                "id": company.formula.uuid("statement", number),
                "bank_account_id": account.id,
                "period": f"{month:02d}-{year}",
                "file": {
                    "file_name": f"statement-{year}-{month:02d}-{account.slug}.pdf",
                    "file_content_type": "application/pdf",
                    # Documented as text, seen as a number: both occur.
                    "file_size": str(size) if number % 2 else size,
                },
            }
