"""Money that the company sends or collects on a schedule: transfers and direct debits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tap_qonto.demo import invoicing, moments, organization
from tap_qonto.demo.ledger import END, FIRST_MONTH, MONTHS, START, Event, Settled
from tap_qonto.demo.moments import DAY, HOUR, SECOND, day, iso
from tap_qonto.demo.organization import EMPLOYEES, SUPPLIERS
from tap_qonto.demo.rows import Row, money

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.company import Company

_PAYROLL_ACCOUNT = 2

# Transfers are numbered by their origin, so that each knows its bulk, schedule or invoice.
_FIRST_WAGE = 1_000
_FIRST_RECURRING = 2_000
_FIRST_SINGLE = 3_000


class Schedule(NamedTuple):
    """A standing order."""

    payee: int
    frequency: str
    days: int
    cents: int
    reference: str
    first: int


_SCHEDULES: Final = (
    Schedule(SUPPLIERS + EMPLOYEES, "monthly", 30, 145_000, "Loyer atelier", START + 3 * DAY),
    Schedule(0, "monthly", 30, 32_000, "Maintenance", START + 8 * DAY),
    Schedule(3, "monthly", 30, 18_500, "Nettoyage", START + 12 * DAY),
    Schedule(7, "monthly", 30, 9_900, "Stockage", START + 17 * DAY),
    Schedule(11, "quarterly", 91, 84_000, "Expertise comptable", START + 40 * DAY),
    Schedule(15, "half_yearly", 182, 120_000, "Assurance décennale", START + 75 * DAY),
    Schedule(19, "yearly", 365, 210_000, "Adhésion", START + 90 * DAY),
    Schedule(23, "weekly", 7, 6_400, "Livraison fournitures", END - 150 * DAY),
)

_CANCELED_SCHEDULE = 3
"""Rank of the standing order that was canceled in the middle of its time."""


def _runs(rank: int) -> Iterator[tuple[int, int]]:
    """Yield (number of the transfer, moment) for the executions of a standing order."""
    schedule = _SCHEDULES[rank]
    last = START + 400 * DAY if rank == _CANCELED_SCHEDULE else END - 2 * DAY
    for run, moment in enumerate(range(schedule.first, last, schedule.days * DAY)):
        yield _FIRST_RECURRING + 100 * rank + run, moment


def _wages(company: Company) -> Iterator[tuple[int, int, int]]:
    """Yield (number of the transfer, moment, cents): the same wage for a person every month."""
    for rank, (year, month) in enumerate(moments.months(FIRST_MONTH, MONTHS)):
        for employee in range(EMPLOYEES):
            cents = 180_000 + company.formula.number("wage", employee, 2_100) * 100
            yield (
                _FIRST_WAGE + rank * EMPLOYEES + employee,
                moments.at(year, month, 26, 8),
                cents,
            )


class Order(NamedTuple):
    """An order to pay that is no supplier's invoice."""

    number: int
    """Of the transfer."""
    moment: int
    cents: int
    payee: int
    account: int
    reference: str
    cash_flow: tuple[str, str]
    recurring_transfer_id: str | None


def _orders(company: Company) -> Iterator[Order]:
    """Yield the wages and the executions of standing orders."""
    payroll = company.account_for(_PAYROLL_ACCOUNT)
    for number, moment, cents in _wages(company):
        payee = SUPPLIERS + (number - _FIRST_WAGE) % EMPLOYEES
        reference = f"Salaire {day(moment)[:7]}"
        yield Order(number, moment, cents, payee, payroll, reference, ("Salaries", "Wages"), None)
    for rank, schedule in enumerate(_SCHEDULES):
        for number, moment in _runs(rank):
            yield Order(
                number,
                moment,
                schedule.cents,
                schedule.payee,
                0,
                schedule.reference,
                ("Purchases", "Subcontracting"),
                company.formula.uuid("recurring_transfer", rank),
            )


def _transfer_event(company: Company, order: Order) -> Event:
    name = organization.beneficiary_name(company, order.payee)
    return Event(
        ("sepa_transfer", order.number),
        order.account,
        order.moment,
        order.cents,
        credit=False,
        operation="transfer",
        subject="Transfer",
        label=f"VIR {name.upper()}",
        fields={
            "clean_counterparty_name": name,
            "reference": order.reference,
            "counterparty": organization.beneficiary_iban(order.payee),
            "cash": order.cash_flow,
            "initiator_id": company.formula.uuid("membership", 1),
        },
    )


def events(company: Company) -> Iterator[Event]:
    """Wages with the funds for them, standing orders, and collected direct debits."""
    payroll = company.account_for(_PAYROLL_ACCOUNT)
    if payroll != 0:
        yield from _funding(company, payroll)
    for order in _orders(company):
        yield _transfer_event(company, order)
    for number, subscription, moment in _collections():
        if _collection_fails(company, number) is None:
            client = company.client(_DEBITED[subscription])
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


def _funding(company: Company, payroll: int) -> Iterator[Event]:
    """Monthly transfers from the main account that cover the wages."""
    main, target = company.accounts[0], company.accounts[payroll]
    total = sum(cents for _, _, cents in _wages(company)) // MONTHS
    for rank, (year, month) in enumerate(moments.months(FIRST_MONTH, MONTHS)):
        moment = moments.at(year, month, 24, 8)
        for account, other, credit in ((main, target, False), (target, main, True)):
            yield Event(
                ("funding_in" if credit else "funding_out", rank),
                account.number,
                moment,
                total,
                credit=credit,
                operation="income" if credit else "transfer",
                subject="Income" if credit else "Transfer",
                label="VIR INTERNE SALAIRES",
                fields={
                    "clean_counterparty_name": company.legal_name,
                    "reference": f"Salaires {year}-{month:02d}",
                    "counterparty": other.iban,
                    "cash": ("Other", "Internal transfers"),
                },
            )


# -- transfers ----------------------------------------------------------------------------------


def _settled_transfer(company: Company, order: Order, settled: Settled) -> Row:
    created = settled.moment - 2 * HOUR
    return {
        "id": company.formula.uuid("sepa_transfer", order.number),
        "initiator_id": company.formula.uuid("membership", 1),
        "bank_account_id": company.accounts[order.account].id,
        "beneficiary_id": company.formula.uuid("beneficiary", order.payee),
        "amount": order.cents / 100,
        "amount_cents": order.cents,
        "amount_currency": "EUR",
        "status": "settled",
        "reference": order.reference,
        "note": None,
        "declined_reason": None,
        "scheduled_date": day(settled.moment),
        "created_at": iso(created),
        "updated_at": iso(settled.moment + 2 * SECOND + order.number % 900),
        "processed_at": iso(settled.moment - 30 * SECOND),
        "completed_at": iso(settled.moment),
        "transaction_id": settled.transaction_id,
        "recurring_transfer_id": order.recurring_transfer_id,
    }


def sepa_transfers(company: Company) -> Iterator[Row]:
    """Outgoing transfers: to suppliers, wages, standing orders, and those that never settled."""
    for number in range(invoicing.SUPPLIER_INVOICES):
        settled = company.ledger.placed(("supplier_invoice", number))
        if settled is not None:
            bought = invoicing.purchase(company, number)
            order = Order(
                number,
                settled.moment,
                bought.net + bought.vat,
                bought.supplier,
                0,
                bought.reference,
                ("Purchases", "Subcontracting"),
                None,
            )
            yield _settled_transfer(company, order, settled)
    for order in _orders(company):
        settled = company.ledger.placed(("sepa_transfer", order.number))
        if settled is not None:
            yield _settled_transfer(company, order, settled)
    yield from _unsettled_transfers(company)


def _unsettled_transfers(company: Company) -> Iterator[Row]:
    """Transfers without a transaction: declined, canceled, and those still under way."""
    formula = company.formula
    reasons = ("debit_account_insufficient_funds", "beneficiary_bic_invalid")
    for rank in range(64):
        number = _FIRST_SINGLE + rank
        under_way = rank >= 56
        created = START + rank * 11 * DAY + formula.number("single", rank, DAY)
        status = ("declined", "canceled")[rank % 2]
        if under_way:
            created = END - (64 - rank) * HOUR
            status = ("pending", "processing")[rank % 2]
        cents = 4_000 + formula.number("single for", rank, 200_000)
        ended = min(END, created + 3 * HOUR)
        yield {
            "id": formula.uuid("sepa_transfer", number),
            "initiator_id": formula.uuid("membership", rank % 5),
            "bank_account_id": company.accounts[0].id,
            "beneficiary_id": formula.uuid("beneficiary", rank % 200),
            "amount": cents / 100,
            "amount_cents": cents,
            "amount_currency": "EUR",
            "status": status,
            "reference": f"Facture {rank + 1}",
            "note": "À relancer" if rank % 3 == 0 else None,
            "declined_reason": reasons[rank // 2 % 2] if status == "declined" else None,
            "scheduled_date": day(created + (2 * DAY if under_way else 0)),
            "created_at": iso(created),
            "updated_at": iso(created if status == "pending" else ended),
            "processed_at": iso(ended) if status in ("declined", "processing") else None,
            "completed_at": None,
            "transaction_id": None,
            "recurring_transfer_id": None,
        }


def bulk_transfers(company: Company) -> Iterator[Row]:
    """Monthly payrolls; the last line of some could not be created."""
    formula, ledger = company.formula, company.ledger
    numbers: dict[int, list[int]] = {}
    for number, _, _ in _wages(company):
        numbers.setdefault((number - _FIRST_WAGE) // EMPLOYEES, []).append(number)
    for rank, transfers in numbers.items():
        settled = [ledger.placed(("sepa_transfer", number)) for number in transfers]
        if any(one is None for one in settled):
            continue
        moment = max(one.moment for one in settled if one is not None)
        failed = rank % 6 == 5
        results: list[Row] = [
            {
                "client_transfer_id": f"paie-{rank + 1}-{number % EMPLOYEES + 1}",
                "transfer_id": formula.uuid("sepa_transfer", number),
                "status": "completed",
                "errors": None,
            }
            for number in transfers
        ]
        if failed:
            results.append(
                {
                    "client_transfer_id": f"paie-{rank + 1}-x",
                    "transfer_id": None,
                    "status": "failed",
                    "errors": [{"errors": [{"code": "invalid_iban", "detail": "IBAN is invalid"}]}],
                }
            )
        yield {
            "id": formula.uuid("bulk_transfer", rank),
            "initiator_id": formula.uuid("membership", 1),
            "created_at": iso(moment - 3 * HOUR),
            "updated_at": iso(moment + 3 * SECOND),
            "total_count": len(results),
            "completed_count": len(transfers),
            "pending_count": 0,
            "failed_count": int(failed),
            "results": results,
        }


def recurring_transfers(company: Company) -> Iterator[Row]:
    """Standing orders."""
    for rank, schedule in enumerate(_SCHEDULES):
        runs = [moment for _, moment in _runs(rank)]
        canceled = rank == _CANCELED_SCHEDULE
        row: Row = {
            "id": company.formula.uuid("recurring_transfer", rank),
            "initiator_id": company.formula.uuid("membership", 1),
            "bank_account_id": company.accounts[0].id,
            "beneficiary_id": company.formula.uuid("beneficiary", schedule.payee),
            "amount": schedule.cents / 100,
            "amount_cents": schedule.cents,
            "amount_currency": "EUR",
            "reference": schedule.reference,
            "first_execution_date": day(schedule.first),
            "last_execution_date": day(runs[-1]) if canceled else None,
            "next_execution_date": None if canceled else day(runs[-1] + schedule.days * DAY),
            "frequency": schedule.frequency,
            "created_at": iso(schedule.first - 5 * DAY),
            "updated_at": iso(min(END, runs[-1] + 10 * SECOND)),
        }
        # Both are optional: a newer field, and one that is left out when empty.
        if rank % 2 == 0:
            row["note"] = "Contrat annuel"
        if rank % 3 != 0:
            row["status"] = "canceled" if canceled else "active"
        yield row


# -- direct debits ------------------------------------------------------------------------------

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
            if run < 12:
                yield 100 * subscription + run, subscription, moment


def _collection_fails(company: Company, number: int) -> tuple[str, str | None] | None:
    """Return status and reason of a debit that brought no money; None for the others."""
    drawn = company.formula.number("collection", number, 40)
    return {
        0: ("declined", "insufficient_funds"),
        1: ("returned", "account_closed"),
        2: ("refunded", None),
        3: ("canceled", None),
    }.get(drawn)


def direct_debit_mandates(company: Company) -> Iterator[Row]:
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


def direct_debit_subscriptions(company: Company) -> Iterator[Row]:
    """Schedules of collections."""
    done: dict[int, list[int]] = {}
    for _, subscription, moment in _collections():
        done.setdefault(subscription, []).append(moment)
    for number in range(_SUBSCRIPTIONS):
        runs = done.get(number, [])
        days = 30 if number % 3 else 91
        complete = len(runs) == 12
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


def direct_debit_collections(company: Company) -> Iterator[Row]:
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
            "unique_mandate_reference": _mandate_reference(subscription),
            "reference": f"Abonnement {subscription + 1}",
        }
