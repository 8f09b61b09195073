"""Who the company is: its accounts, people, teams, labels and price plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.columns import Account
from tap_qonto.demo.world.formula import french_iban
from tap_qonto.demo.world.moments import DAY, END, iso
from tap_qonto.demo.world.words import STREETS, as_mailbox, person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.formula import Formula
    from tap_qonto.demo.world.rows import Row


MEMBERS: Final = 34
EMPLOYEES: Final = 12
"""Members that are on the payroll and have a company card."""


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
_CLOSING: Final = moments.at(2026, 2, 27, 17)
_CITIES = (
    ("Lyon", "69002"), ("Nantes", "44000"), ("Bordeaux", "33000"), ("Lille", "59800"),
    ("Rennes", "35000"), ("Toulouse", "31000"), ("Grenoble", "38000"), ("Dijon", "21000"),
)  # fmt: skip


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


def bank_accounts(company: Facts) -> Iterator[Row]:
    """The company's own accounts, balances as the transactions left them."""
    ledger = company.ledger
    for account in company.accounts:
        booked, free = ledger.balance(account.number), ledger.available(account.number)
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


def organization(company: Facts) -> Iterator[Row]:
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


def embedded_accounts(company: Facts) -> list[Row]:
    """Return the accounts as the organization shows them: with a slug, without its own id."""
    slugs = {account.id: account.slug for account in company.accounts}
    return [
        {key: value for key, value in row.items() if key != "organization_id"}
        | {"slug": slugs.get(row["id"])}
        for row in company.rows("bank_accounts")
    ]


def external_accounts(company: Facts) -> list[Row]:
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


_LABEL_LISTS: Final = {
    "Projet": ("Halle aux grains", "Médiathèque", "Villa Aubépine", "Quai 14", "Gare routière",
               "École du Parc", "Tour Nord", "Théâtre", "Pavillon 7", "Serres", "Refuge", "Musée"),
    "Centre de coût": ("Direction", "Production", "Commercial", "Support", "Recherche"),
    "Région": ("Ouest", "Sud-Est", "Île-de-France", "Nord", "Export"),
    "Comptable": ("À justifier", "Immobilisation", "Notes de frais", "Litige", "Régularisation"),
}  # fmt: skip


def labels(company: Facts) -> Iterator[Row]:
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


def teams(company: Facts) -> Iterator[Row]:
    """The company's teams."""
    for number, name in enumerate(_TEAMS):
        yield {"id": company.formula.uuid("team", number), "name": name}


def memberships(company: Facts) -> Iterator[Row]:
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


def subscription(company: Facts) -> Iterator[Row]:
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
