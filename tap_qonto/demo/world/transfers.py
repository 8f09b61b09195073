"""Money on its way: SEPA transfers, payrolls and standing orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tap_qonto.demo.world import moments
from tap_qonto.demo.world.moments import (
    DAY,
    END,
    FIRST_MONTH,
    HOUR,
    MONTHS,
    SECOND,
    START,
    day,
    iso,
)
from tap_qonto.demo.world.organization import EMPLOYEES
from tap_qonto.demo.world.payees import SUPPLIERS, beneficiary_iban, beneficiary_name
from tap_qonto.demo.world.purchases import SUPPLIER_INVOICES, purchase
from tap_qonto.demo.world.trades import Event, Settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.facts import Facts
    from tap_qonto.demo.world.rows import Row


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


def _wages(company: Facts) -> Iterator[tuple[int, int, int]]:
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


def _orders(company: Facts) -> Iterator[Order]:
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


def _transfer_event(company: Facts, order: Order) -> Event:
    name = beneficiary_name(company, order.payee)
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
            "counterparty": beneficiary_iban(order.payee),
            "cash": order.cash_flow,
            "initiator_id": company.formula.uuid("membership", 1),
        },
    )


def events(company: Facts) -> Iterator[Event]:
    """Wages with the funds for them, and standing orders."""
    payroll = company.account_for(_PAYROLL_ACCOUNT)
    if payroll != 0:
        yield from _funding(company, payroll)
    for order in _orders(company):
        yield _transfer_event(company, order)


def _funding(company: Facts, payroll: int) -> Iterator[Event]:
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


def _settled_transfer(company: Facts, order: Order, settled: Settled) -> Row:
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


def sepa_transfers(company: Facts) -> Iterator[Row]:
    """Outgoing transfers: to suppliers, wages, standing orders, and those that never settled."""
    for number in range(SUPPLIER_INVOICES):
        settled = company.ledger.placed(("supplier_invoice", number))
        if settled is not None:
            bought = purchase(company, number)
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


def _unsettled_transfers(company: Facts) -> Iterator[Row]:
    """Transfers without a transaction: declined, canceled, and those still under way."""
    formula = company.formula
    reasons = ("debit_account_insufficient_funds", "beneficiary_bic_invalid")
    for rank in range(64):
        number = _FIRST_SINGLE + rank
        under_way = rank >= 56  # the last eight
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


def bulk_transfers(company: Facts) -> Iterator[Row]:
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
        failed = rank % 6 == 5  # two a year
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


def recurring_transfers(company: Facts) -> Iterator[Row]:
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
