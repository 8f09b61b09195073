"""Who the company pays: beneficiaries inside SEPA and abroad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world.formula import french_iban, iban
from tap_qonto.demo.world.moments import DAY, END, HOUR, START, iso
from tap_qonto.demo.world.organization import EMPLOYEES
from tap_qonto.demo.world.words import LAST_NAMES, as_mailbox, person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.rows import Row


BENEFICIARIES: Final = 224
SUPPLIERS: Final = 40
"""Beneficiaries that send invoices; the employees follow them, then the landlord and others."""


def beneficiary_name(company: Facts, number: int) -> str:
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
    return payee % 9 == 8  # one in nine


def beneficiary_iban(number: int) -> str:
    """Return the account of a payee, in France or next door."""
    if _is_german(number):
        return iban("DE", f"50010517{5_400_000_000 + 977 * number}")
    return french_iban("3000400821", 1_200_000 + 7_717 * number)


def beneficiaries(company: Facts) -> Iterator[Row]:
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


def international_beneficiaries(company: Facts) -> Iterator[Row]:
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
