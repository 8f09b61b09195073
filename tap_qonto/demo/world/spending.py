"""Money to be spent: cards, and requests that a manager decides on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import DAY, END, HOUR, START, iso
from tap_qonto.demo.world.organization import EMPLOYEES
from tap_qonto.demo.world.payees import SUPPLIERS, beneficiary_name
from tap_qonto.demo.world.rows import Row, decimal
from tap_qonto.demo.world.words import FIRST_NAMES, person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts


REQUESTS: Final = 124


def _micro(moment: int, micros: int) -> str:
    """Write a moment with microseconds, as cards alone do."""
    return f"{iso(moment // 1000 * 1000)[:-1]}.{moment % 1000:03d}{micros:03d}Z"


_CARD_STATUSES = ("live", "live", "live", "live", "paused", "expired", "lost", "discarded")
_REPLACING = 12
"""Remainder by thirteen of the cards that replace another one."""


_ON_PLASTIC: Final = (
    "pin_set", "ship_to_business", "atm_option", "nfc_option", "had_pin_operation",
)  # fmt: skip
"""What only a card that can be touched has."""

_CARD_HABITS: Final[Row] = {
    "online_option": True,
    "atm_monthly_limit": 1_000,
    "atm_daily_limit": 500,
    "atm_daily_spent": 0,
    "payment_daily_limit": 750,
    "payment_daily_spent": 0,
    "payment_daily_limit_option": False,
    "payment_transaction_limit": 500,
    "card_type": "debit",
    "renewed": False,
    "renewal": False,
    "had_operation": True,
    "upsold": False,
    "upsell": False,
    "reordered": False,
}
"""What is the same for all cards."""

_NEWER_CARD_FIELDS: Final[Row] = {
    "shipped_lost_at": None,
    "eligible_for_renewal": False,
    "eligible_for_upsell": True,
    "is_qcp": False,
}


_CARD: Final[Row] = dict.fromkeys((
    "id", "nickname", "embossed_name", "status", "pin_set", "mask_pan", "exp_month", "exp_year",
    "last_activity_at", "last_digits", "ship_to_business", "atm_option", "nfc_option",
    "online_option", "foreign_option", "atm_monthly_limit", "atm_monthly_spent",
    "atm_daily_limit", "atm_daily_spent", "atm_daily_limit_option", "payment_monthly_limit",
    "payment_monthly_spent", "payment_daily_limit", "payment_daily_spent",
    "payment_daily_limit_option", "payment_transaction_limit",
    "payment_transaction_limit_option", "active_days", "holder_id", "initiator_id",
    "bank_account_id", "organization_id", "updated_at", "created_at", "shipped_at", "card_type",
    "card_level", "payment_lifespan_limit", "payment_lifespan_spent", "pre_expires_at",
    "categories", "renewed", "renewal", "parent_card_summary", "had_operation",
    "had_pin_operation", "card_design", "type_of_print", "upsold", "upsell", "discard_on",
    "reordered", "appearance", "has_only_user_liftable_locks",
))  # fmt: skip
"""All columns of a card, in the order in which the API writes them."""


def cards(company: Facts) -> Iterator[Row]:
    """Debit cards of the employees: plastic, virtual, and flash cards for one purchase."""
    formula = company.formula
    for number in range(28):
        holder = number % EMPLOYEES
        level = ("standard", "plus", "virtual", "metal", "virtual", "flash")[number % 6]
        status = "live" if number < EMPLOYEES else formula.pick("card", number, _CARD_STATUSES)
        physical = level in ("standard", "plus", "metal")
        digits = f"{1000 + number % 24 * 311:04d}"
        yield {
            **_CARD,
            **_CARD_HABITS,
            **_limits(company, number, physical=physical),
            **_card_moments(company, number, level),
            "id": formula.uuid("card", number),
            "nickname": f"Carte {FIRST_NAMES[holder]} {number + 1}",
            "embossed_name": " ".join(person(holder)).upper(),
            "status": status,
            "mask_pan": f"511768******{digits}",
            "exp_month": f"{1 + number % 12:02d}",
            "exp_year": str(2027 + number % 3),
            "last_digits": digits,
            **dict.fromkeys(_ON_PLASTIC, physical),
            "foreign_option": number % 5 != 0,
            "active_days": [1, 2, 3, 4, 5] if number % 2 else [1, 2, 3, 4, 5, 6, 7],
            "holder_id": formula.uuid("membership", holder),
            "initiator_id": formula.uuid("membership", 0),
            "bank_account_id": company.accounts[0].id,
            "organization_id": company.organization_id,
            "card_level": level,
            "categories": ["transport", "restaurant_and_bar"] if number % 7 == 0 else [],
            "parent_card_summary": {"id": formula.uuid("card", number - 6), "last_digits": "1000"}
            if number % 13 == _REPLACING
            else None,
            "card_design": f"{level}.recycled.2023" if physical else f"{level}.2023",
            "type_of_print": "print" if physical else None,
            "appearance": _appearance(level),
            "has_only_user_liftable_locks": status == "paused",
            # Newer fields, which not every answer has.
            **(_NEWER_CARD_FIELDS if number % 2 else {}),
        }


def _limits(company: Facts, number: int, *, physical: bool) -> Row:
    monthly = (1_500, 3_000, 5_000)[number % 3]
    return {
        "atm_monthly_spent": company.formula.number("atm", number, 40) * 10,
        "atm_daily_limit_option": physical,
        "payment_monthly_limit": monthly,
        "payment_monthly_spent": company.formula.number("spent", number, monthly * 100) / 100,
        "payment_transaction_limit_option": number % 4 == 0,
    }


def _card_moments(company: Facts, number: int, level: str) -> Row:
    created = START + number * 20 * DAY + company.formula.number("card at", number, DAY)
    used = END - company.formula.number("card used", number, 20 * DAY)
    flash = level == "flash"
    return {
        "last_activity_at": _micro(used, number % 997) if number % 9 else None,
        "updated_at": _micro(min(used + HOUR, END), (7 * number + 123) % 1_000),
        "created_at": _micro(created, (11 * number + 47) % 1_000),
        "shipped_at": iso(created + 2 * DAY) if level in ("standard", "plus", "metal") else None,
        "payment_lifespan_limit": 250 if flash else None,
        "payment_lifespan_spent": 120.5 if flash else None,
        "pre_expires_at": iso(created + 60 * DAY) if flash else None,
        "discard_on": "2027-02-30" if flash else None,
    }


def _appearance(level: str) -> Row:
    place = f"https://assets.demo.qonto.invalid/{level}"
    return {
        "assets": {
            "front_large": f"{place}/front.png",
            "front_small": f"{place}/small.png",
            "front_small_wallet": f"{place}/wallet.png",
        },
        "theme": "dark" if level == "metal" else "light",
        **({} if level == "metal" else {"gradient_hex_color": "#6B5AED"}),
    }


def requests(company: Facts) -> Iterator[Row]:
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
