"""Ways to be paid: direct debits, payment links and card terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.clients import client_name, product_of
from tap_qonto.demo.world.moments import DAY, END, HOUR, SECOND, START, day, iso
from tap_qonto.demo.world.rows import Row, money
from tap_qonto.demo.world.trades import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts


_MANDATES = 32
_SUBSCRIPTIONS = 26
_DEBITED: Final = tuple(6 * n for n in range(_MANDATES))
"""The client behind each mandate, who was one before it was signed."""


def _mandate_reference(number: int) -> str:
    return f"RUM-{2024 + number % 3}-{number + 1:05d}"


def _debited_cents(subscription: int) -> int:
    return 4_800 + 600 * subscription


def _signed(number: int) -> int:
    return START + (10 + 12 * number) * DAY


def _collections() -> Iterator[tuple[int, int, int]]:
    """Yield (number, subscription, moment) of the debits up to the end of the history."""
    for subscription in range(_SUBSCRIPTIONS - 2):
        first = _signed(subscription) + 20 * DAY
        days = 30 if subscription % 3 else 91
        for run, moment in enumerate(range(first, END - 2 * DAY, days * DAY)):
            if run < 12:  # contracts of twelve debits
                yield 100 * subscription + run, subscription, moment


def _collection_fails(company: Facts, number: int) -> tuple[str, str | None] | None:
    """Return status and reason of a debit that brought no money; None for the others."""
    drawn = company.formula.number("collection", number, 40)
    return {
        0: ("declined", "insufficient_funds"),
        1: ("returned", "account_closed"),
        2: ("refunded", None),
        3: ("canceled", None),
    }.get(drawn)


def collected(company: Facts) -> Iterator[Event]:
    """The incoming transactions of direct debits that brought money."""
    for number, subscription, moment in _collections():
        if _collection_fails(company, number) is None:
            client = client_name(company, _DEBITED[subscription])
            yield Event(
                ("direct_debit_collection", number),
                0,
                moment,
                _debited_cents(subscription),
                credit=True,
                operation="direct_debit_collection",
                subject="DirectDebitCollection",
                label=f"PRLV {client.upper()}",
                fields={
                    "clean_counterparty_name": client,
                    "reference": _mandate_reference(subscription),
                    "cash": ("Sales", "Services"),
                    "vat": 200,
                },
            )


def direct_debit_mandates(company: Facts) -> Iterator[Row]:
    """Permissions that clients gave to be debited."""
    for number in range(_MANDATES):
        unsigned = number >= _SUBSCRIPTIONS - 2
        status = "signed"
        if unsigned:
            status = "pending_signature" if number % 2 else "canceled"
        yield {
            "id": company.formula.uuid("direct_debit_mandate", number),
            "unique_mandate_reference": _mandate_reference(number),
            "client_id": company.formula.uuid("client", _DEBITED[number]),
            "status": status,
            "is_cancelable": status != "canceled",
            "created_at": iso(_signed(number)),
            "mandate_signature_date": None if unsigned else iso(_signed(number) + DAY),
            "schedule_type": "monthly" if number % 3 else "quarterly",
            "notify_client": number % 2 == 0,
            "payment_info": {
                "first_payment": {
                    "collection_date": day(_signed(number) + 20 * DAY),
                    "amount": money(_debited_cents(number)),
                    "reference": f"Abonnement {number + 1}",
                },
                "notify_client": number % 2 == 0,
                "schedule_type": "monthly" if number % 3 else "quarterly",
                "schedule_total_collection_count": 12,
            },
            "sign_url": f"https://pay.demo.qonto.invalid/mandates/{number}" if unsigned else None,
        }


def direct_debit_subscriptions(company: Facts) -> Iterator[Row]:
    """Schedules of collections."""
    done: dict[int, list[int]] = {}
    for _, subscription, moment in _collections():
        done.setdefault(subscription, []).append(moment)
    for number in range(_SUBSCRIPTIONS):
        runs = done.get(number, [])
        days = 30 if number % 3 else 91
        complete = len(runs) == 12  # contracts of twelve debits
        status = "completed" if complete else "in_progress"
        if number >= _SUBSCRIPTIONS - 2:
            status = "pending_mandate_signature"
        first = _signed(number) + 20 * DAY
        yield {
            "id": company.formula.uuid("direct_debit_subscription", number),
            "direct_debit_mandate_id": company.formula.uuid("direct_debit_mandate", number),
            "bank_account_id": company.accounts[0].id,
            "initial_collection_date": day(first),
            "amount": money(_debited_cents(number)),
            "reference": f"Abonnement {number + 1}",
            "status": status,
            "schedule_type": "monthly" if number % 3 else "quarterly",
            "schedule_custom_interval": None,
            "schedule_custom_unit": None,
            "schedule_total_collection_count": 12,
            "schedule_next_collection_date": None
            if complete or not runs
            else day(runs[-1] + days * DAY),
            "schedule_end_date": day(first + 11 * days * DAY),
            "notify_client": number % 2 == 0,
            "created_at": iso(_signed(number)),
            "sign_url": f"https://pay.demo.qonto.invalid/mandates/{number}"
            if status == "pending_mandate_signature"
            else None,
        }


def direct_debit_collections(company: Facts) -> Iterator[Row]:
    """Debits; one that succeeded has its transaction, which names the mandate."""
    for number, subscription, moment in _collections():
        failure = _collection_fails(company, number)
        settled = company.ledger.placed(("direct_debit_collection", number))
        status, reason = failure or ("completed" if settled else "pending", None)
        yield {
            "id": company.formula.uuid("direct_debit_collection", number),
            "direct_debit_subscription_id": company.formula.uuid(
                "direct_debit_subscription", subscription
            ),
            "amount": money(_debited_cents(subscription)),
            "collection_date": day(moment),
            "status": status,
            "status_reason": reason,
            "completed_at": iso(settled.moment) if settled else None,
            "unique_mandate_reference": _mandate_reference(subscription),
            "reference": f"Abonnement {subscription + 1}",
        }


_LINKS = 44


def payment_links(company: Facts) -> Iterator[Row]:
    """Links to pay an invoice or a basket."""
    formula = company.formula
    open_invoices = [row for row in company.rows("client_invoices") if row["status"] == "unpaid"]
    for number in range(_LINKS):
        created = START + number * 16 * DAY + formula.number("link", number, DAY)
        expires = created + 30 * DAY
        by_invoice = number % 4 == 0 and number // 4 < len(open_invoices)
        title, kind, price, rate = product_of(company, number)
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


def _link_status(company: Facts, number: int, *, by_invoice: bool, expired: bool) -> str:
    if by_invoice:
        return "expired" if expired else "open"
    if company.formula.chance("link paid", number, 60):
        return "paid"
    return ("canceled" if number % 2 else "expired") if expired else "open"


def payment_link_payments(company: Facts) -> Iterator[Row]:
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


def terminals(company: Facts) -> Iterator[Row]:
    """Card terminals in the shop."""
    for number in range(3):
        created = START + (30 + 200 * number) * DAY
        yield {
            "id": company.formula.uuid("terminal", number),
            "poi_id": f"V400m-{346_000_000 + 311 * number}",
            "created_at": iso(created),
            "updated_at": iso(created + 40 * DAY),
        }
