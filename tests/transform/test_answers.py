"""The table of questions and answers is true: each answer is a line that runs in both databases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.transform.runs import CHECKOUT, MARTS

if TYPE_CHECKING:
    from tests.transform.warehouses import DuckDB, Postgres

TEXT: Final = (CHECKOUT / "docs/answers.md").read_text("utf-8")
ANSWERS: Final = dict(re.findall(r"^\| [^|]+\? \| `(\w+)` \| `([^|`]+)` \|$", TEXT, re.MULTILINE))


def test_every_mart_answers_a_question_by_its_own_name() -> None:
    assert set(ANSWERS) == {mart["name"] for mart in MARTS}
    for mart, line in ANSWERS.items():
        assert f"from qonto_finance.{mart}" in line


def test_no_row_of_the_table_is_overlooked() -> None:
    table = TEXT.partition("<!-- answers -->")[2].partition("<!-- /answers -->")[0]
    assert len(table.strip().splitlines()) - 2 == len(ANSWERS)


@pytest.mark.slow
@pytest.mark.parametrize("mart", ANSWERS)
def test_an_answer_is_the_same_in_both_databases(
    mart: str, built: DuckDB, built_postgres: Postgres
) -> None:
    answer = built.run(ANSWERS[mart])
    assert answer == built_postgres.run(ANSWERS[mart])
    assert bool(answer) is (mart != "qonto__balance_gaps")


@pytest.mark.slow
def test_the_answers_are_those_of_the_demo_company(built: DuckDB) -> None:
    """Figures that can be checked on the raw tables by hand."""
    [(currency, cash, *_)] = built.run(ANSWERS["qonto__kpis"])
    assert (currency, str(cash)) == ("EUR", "847677.59")
    position = built.run(ANSWERS["qonto__daily_balances"])
    assert [str(balance) for _, _, balance in position] == [
        "847677.59",
        "847826.78",
        "846990.19",
        "846518.50",
        "846518.50",
    ]
    ages = {
        bucket: (count, str(amount))
        for bucket, count, amount, _ in built.run(ANSWERS["qonto__receivables"])
    }
    assert ages == {
        "not due": (15, "79257.22"),
        "1-30": (5, "32182.80"),
        "31-60": (1, "1560.00"),
        "61-90": (1, "4058.20"),
        "over 90": (22, "94955.08"),
    }
