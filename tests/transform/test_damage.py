"""What is missing, twice or changed makes the build fail or warn, and is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transform.runs import Dbt, Outcome
    from tests.transform.warehouses import DuckDB, Rows, Warehouse

pytestmark = pytest.mark.slow

MISSING_ACCOUNT = "identity_0_every_movement_has_its_account"
BALANCE = "identity_1_movements_explain_the_balance"
AVAILABLE = "identity_2_pending_explains_what_is_available"
INTERNAL = "identity_4_internal_transfers_cancel_out"
OPENING = "identity_7_accounts_begin_with_nothing"
EVERY_DAY = "identity_8_no_day_parts_from_the_balance"

# A completed row that is neither the first of its account nor the last of its day in Paris.
AMID = """
    select id from (
        select
            id, label, lead(settled_at) over account as next_at, settled_at,
            row_number() over account as place, status, transfer
        from qonto.transactions where status = 'completed'
        window account as (partition by bank_account_id order by settled_at)
    )
    where place > 20 and {condition}
        and timezone('Europe/Paris', timezone('UTC', settled_at))::date
            = timezone('Europe/Paris', timezone('UTC', next_at))::date
    order by settled_at desc limit 1 offset 30
"""
CARD = AMID.format(condition="transfer is null or transfer::text = 'null'")
OWN = "transfer->>'counterparty_account_number' in (select iban from qonto.bank_accounts)"
PENDING = "select id from qonto.transactions where status = 'pending' and side = 'debit' limit 1"
FIRST = """
    select arg_min(id, settled_at) from qonto.transactions
    where status = 'completed' group by bank_account_id order by 1 limit 1
"""
THE_ROW = "select bank_account_id, settled_at, id from qonto.transactions where id = ({row})"
PARIS = "timezone('Europe/Paris', timezone('UTC', {instant}))::date"


@dataclass(frozen=True)
class Damage:
    """Something that happens to the raw tables.

    Attributes:
        row: Query of the id of the transaction that it happens to.
        statement: What happens; `{id}` is that id.
        fails: Tests that fail.
        warns: Tests that warn.
        kind: Kind of gap that the account then has.
        day: Query of the day that is named; `{id}` as above, on the tables before the damage.
    """

    row: str
    statement: str
    fails: set[str]
    warns: set[str]
    kind: str
    day: str = (
        f"select {PARIS.format(instant='settled_at')} from qonto.transactions where id = '{{id}}'"
    )


TODAY = "select date '2026-10-31'"
DELETE = "delete from qonto.transactions where id = '{id}'"

DAMAGES = {
    "a completed row is gone": Damage(
        CARD, DELETE, {BALANCE}, {AVAILABLE, EVERY_DAY}, kind="balance"
    ),
    "an amount is a cent more": Damage(
        CARD,
        "update qonto.transactions set amount_cents = amount_cents + 1 where id = '{id}'",
        {BALANCE},
        {AVAILABLE, EVERY_DAY},
        kind="balance",
    ),
    "one leg of an internal transfer is gone": Damage(
        f"select min(id) from qonto.transactions where status = 'completed' and {OWN}",
        DELETE,
        {BALANCE},
        {AVAILABLE, INTERNAL, EVERY_DAY},
        kind="balance",
    ),
    "a pending row is gone": Damage(
        PENDING, DELETE, set(), {AVAILABLE}, kind="available", day=TODAY
    ),
    "an account is gone": Damage(
        CARD,
        """delete from qonto.bank_accounts
        where id = (select bank_account_id from qonto.transactions where id = '{id}')""",
        {MISSING_ACCOUNT},
        set(),
        kind="account",
        day=f"""
        select min({PARIS.format(instant="settled_at")}) from qonto.transactions
        where status = 'completed' and bank_account_id
            = (select bank_account_id from qonto.transactions where id = '{{id}}')
        """,
    ),
    "the first row of an account is gone": Damage(
        FIRST,
        DELETE,
        set(),
        {OPENING},
        kind="opening",
        day=f"""
        select min({PARIS.format(instant="settled_at")}) from qonto.transactions
        where status = 'completed' and id <> '{{id}}' and bank_account_id
            = (select bank_account_id from qonto.transactions where id = '{{id}}')
        """,
    ),
    "a row is there twice": Damage(
        CARD,
        "insert into qonto.transactions "
        "select * replace ('twice' as id) from qonto.transactions where id = '{id}'",
        {BALANCE},
        {AVAILABLE, EVERY_DAY},
        kind="balance",
    ),
    "two amounts are wrong and cancel out": Damage(
        CARD,
        """update qonto.transactions
        set amount_cents = amount_cents + case id when '{id}' then 1 else -1 end
        where id in ('{id}', (
            select arg_max(id, settled_at) from qonto.transactions
            where status = 'completed'
                and side = (select side from qonto.transactions where id = '{id}')
                and bank_account_id
                    = (select bank_account_id from qonto.transactions where id = '{id}')
        ))""",
        set(),
        {EVERY_DAY},
        kind="balance",
    ),
}


def rebuilt(dbt: Dbt, warehouse: Warehouse, *options: str, as_of: str = "latest") -> Outcome:
    """Build again what balances rest on, with every test that asks about it."""
    return dbt.run(
        *("build", "--select", "+qonto__balance_gaps", "qonto__daily_balances", "qonto__cash_flow"),
        *("--indirect-selection", "cautious"),
        *("--exclude", "test_type:unit", "test_name:has_key", "test_name:accepted_values"),
        *options,
        env={**warehouse.env, "QONTO_AS_OF": as_of},
    )


def gaps(warehouse: DuckDB) -> Rows:
    return warehouse.run(
        "select account_id, day, kind from qonto_finance.qonto__balance_gaps order by day"
    )


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_noticed_and_found(name: str, built: DuckDB, dbt: Dbt, tmp_path: Path) -> None:
    damage = DAMAGES[name]
    warehouse = built.copy(tmp_path)
    [(row, account)] = warehouse.run(
        f"select id, bank_account_id from qonto.transactions where id = ({damage.row})"
    )
    [(day,)] = warehouse.run(damage.day.format(id=row))
    warehouse.write(damage.statement.format(id=row))
    outcome = rebuilt(dbt, warehouse)
    assert outcome.ended("fail", "error") == damage.fails, outcome.log
    assert outcome.success is (not damage.fails)
    assert damage.warns <= outcome.ended("warn"), outcome.log
    assert (account, day, damage.kind) in gaps(warehouse)
    assert {found for found, _, _ in gaps(warehouse)} == {account}


def test_a_whole_build_ends_badly_and_leaves_no_new_figures(
    built: DuckDB, dbt: Dbt, tmp_path: Path
) -> None:
    """What people see first is not made from tables that do not add up."""
    warehouse = built.copy(tmp_path)
    warehouse.write(
        f"update qonto.transactions set amount_cents = amount_cents + 1 where id = ({CARD})"
    )
    outcome = dbt.run("build", env=warehouse.env)
    assert not outcome.success
    assert outcome.nodes["qonto__balance_gaps"] == "success"
    assert outcome.nodes["qonto__kpis"] == "skipped"


def test_a_start_date_makes_an_opening_normal(built: DuckDB, dbt: Dbt, tmp_path: Path) -> None:
    warehouse = built.copy(tmp_path)
    warehouse.write("delete from qonto.transactions where settled_at < '2025-06-01'")
    outcome = rebuilt(dbt, warehouse, "--vars", "qonto_start_date: '2025-06-01'")
    assert outcome.success, outcome.log
    assert not {BALANCE, OPENING, EVERY_DAY, AVAILABLE} & outcome.ended("warn", "fail")
    assert gaps(warehouse) == []


def test_a_payment_between_two_questions_is_not_taken_for_a_gap(
    built: DuckDB, dbt: Dbt, tmp_path: Path
) -> None:
    """The account was asked after a payment that the next run reads: it cannot be compared yet."""
    warehouse = built.copy(tmp_path)
    warehouse.write(
        "update qonto.bank_accounts set balance_cents = balance_cents - 100, balance = balance - 1,"
        " updated_at = _sdc_extracted_at - interval 1 second where main"
    )
    outcome = rebuilt(dbt, warehouse)
    assert outcome.success, outcome.log
    assert warehouse.run(
        "select explained, count(*) from qonto_finance.qonto__accounts group by 1 order by 2"
    ) == [(None, 1), (True, 5)]


def test_an_account_that_is_not_read_is_left_out(built: DuckDB, dbt: Dbt, tmp_path: Path) -> None:
    warehouse = built.copy(tmp_path)
    [(account,)] = warehouse.run("select id from qonto.bank_accounts where name = 'Chantiers'")
    warehouse.write(f"delete from qonto.transactions where bank_account_id = '{account}'")
    assert rebuilt(dbt, warehouse).ended("fail") == {BALANCE}
    excluded = rebuilt(dbt, warehouse, "--vars", f"qonto_excluded_accounts: ['{account}']")
    assert excluded.success, excluded.log
    assert gaps(warehouse) == []


def test_a_row_that_qonto_no_longer_has_is_dropped(built: DuckDB, dbt: Dbt, tmp_path: Path) -> None:
    """A list that is read wholly on every run keeps rows of earlier runs in the warehouse."""
    warehouse = built.copy(tmp_path)
    warehouse.write(
        "insert into qonto.labels select * replace ('old' as id, "
        "_sdc_extracted_at - interval 1 hour as _sdc_extracted_at) from qonto.labels limit 1"
    )
    assert dbt.run("build", "--select", "stg_qonto__labels", env=warehouse.env).success
    [(raw, kept)] = warehouse.run(
        "select (select count(*) from qonto.labels),"
        " (select count(*) from qonto_staging.stg_qonto__labels)"
    )
    assert kept == raw - 1
