"""Damage to a small company's tables in PostgreSQL fails or warns, and is found where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.transform.firm import TABLES, TODAY
from tests.transform.loaders import POSTGRES
from tests.transform.test_damage import (
    AVAILABLE,
    BALANCE,
    EVERY_DAY,
    INTERNAL,
    MISSING_ACCOUNT,
    OPENING,
    rebuilt,
)
from tests.transform.warehouses import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transform.runs import Dbt

pytestmark = pytest.mark.slow

Gap = tuple[str, str, str]
"""Account, day and kind."""

FIRST = ("main", "2026-01-10", "opening")
"""A gap without any damage: the main account does not begin with its first row."""


@dataclass(frozen=True)
class Damage:
    """What happens to the tables, and what then fails, warns and is found.

    Attributes:
        statement: What happens.
        fails: Tests that fail.
        warns: Tests that warn, beside that of the opening.
        gaps: Gaps beside that of the opening.
        options: Of dbt.
        opening: Whether that gap is there.
    """

    statement: str
    fails: frozenset[str]
    warns: frozenset[str]
    gaps: frozenset[Gap]
    options: tuple[str, ...] = ()
    opening: bool = True


def delete(*keys: str) -> str:
    names = ", ".join(f"'{key}'" for key in keys)
    return f"delete from qonto.transactions where id in ({names})"


DAMAGES = {
    # Nothing else settled on that day, so it shows on the next one.
    "a completed row is gone": Damage(
        delete("m07"),
        frozenset({BALANCE}),
        frozenset({AVAILABLE, EVERY_DAY}),
        frozenset({("main", "2026-03-10", "balance")}),
    ),
    "the last row of all is gone": Damage(
        delete("m13"),
        frozenset({BALANCE}),
        frozenset({AVAILABLE, EVERY_DAY}),
        frozenset({("main", TODAY, "balance")}),
    ),
    "an amount is a cent less": Damage(
        "update qonto.transactions set amount_cents = amount_cents - 1 where id = 'm05'",
        frozenset({BALANCE}),
        frozenset({AVAILABLE, EVERY_DAY}),
        frozenset({("main", "2026-02-20", "balance")}),
    ),
    "one leg of an internal transfer is gone": Damage(
        delete("m09"),
        frozenset({BALANCE}),
        frozenset({AVAILABLE, EVERY_DAY, INTERNAL}),
        frozenset({("main", "2026-04-01", "balance")}),
    ),
    "a pending row is gone": Damage(
        delete("m14"),
        frozenset(),
        frozenset({AVAILABLE}),
        frozenset({("main", TODAY, "available")}),
    ),
    "an account is gone": Damage(
        "delete from qonto.bank_accounts where id = 'dollars'",
        frozenset({MISSING_ACCOUNT}),
        frozenset(),
        frozenset({("dollars", "2025-06-30", "account")}),
    ),
    "the first row of an account is gone": Damage(
        delete("d01"),
        frozenset(),
        frozenset(),
        frozenset({("dollars", "2025-12-01", "opening")}),
    ),
    "two rows of two accounts are gone": Damage(
        delete("m05", "d03"),
        frozenset({BALANCE}),
        frozenset({AVAILABLE, EVERY_DAY}),
        frozenset({("main", "2026-02-25", "balance"), ("dollars", "2026-03-20", "balance")}),
    ),
    # It was the last of its day. Nobody knows whether a reversed payment moved the balance: its
    # amount is no reason to fail.
    "a reversed row is what an account lacks": Damage(
        "update qonto.transactions set status = 'reversed' where id = 'm10'",
        frozenset(),
        frozenset({AVAILABLE, EVERY_DAY}),
        frozenset({("main", "2026-04-10", "balance")}),
    ),
    # Since the first of February; of the rows before, only those are there that changed later.
    "only what changed since a start date was read": Damage(
        delete("m01", "d01"),
        frozenset(),
        frozenset(),
        frozenset(),
        ("--vars", "qonto_start_date: '2026-02-01'"),
        opening=False,
    ),
}


@pytest.fixture(scope="module")
def undamaged(postgres_admin: Postgres, dbt_postgres: Dbt) -> Iterator[Postgres]:
    """The company with all tables built; tests work on copies."""
    name = "qonto_transform_undamaged"
    postgres_admin.run(f"drop database if exists {name}")
    postgres_admin.run(f"create database {name}")
    warehouse = Postgres(postgres_admin.server, name)
    warehouse.write(POSTGRES["as target-postgres does"].statements(TABLES))
    env = {**warehouse.env, "QONTO_AS_OF": TODAY}
    outcome = dbt_postgres.run("build", "--exclude", "resource_type:unit_test", env=env)
    assert outcome.success, outcome.log
    yield warehouse
    postgres_admin.run(f"drop database if exists {name}")
    postgres_admin.run("drop database if exists qonto_transform_damaged")


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_noticed_and_found_in_postgres(
    name: str, undamaged: Postgres, dbt_postgres: Dbt
) -> None:
    damage = DAMAGES[name]
    warehouse = undamaged.copy("qonto_transform_damaged")
    warehouse.write(damage.statement)
    outcome = rebuilt(dbt_postgres, warehouse, *damage.options, as_of=TODAY)
    identities = {it for it in outcome.nodes if it.startswith("identity_")}
    assert outcome.ended("fail", "error") == damage.fails, outcome.log
    assert outcome.success is (not damage.fails)
    warned = outcome.ended("warn") & identities
    assert warned == damage.warns | ({OPENING} if damage.opening else set()), outcome.log
    found = {
        (account, day.isoformat(), kind)
        for account, day, kind in warehouse.run(
            "select account_id, day, kind from qonto_finance.qonto__balance_gaps"
        )
    }
    assert found == damage.gaps | ({FIRST} if damage.opening else set())
