"""The forecast adds up, counts nothing twice and stands beside its own errors."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.transform.runs import Dbt
    from tests.transform.warehouses import DuckDB

pytestmark = pytest.mark.slow

COMPANIES = ("demo", "Atelier Nord", "Brasserie du Port")


@pytest.fixture(scope="module")
def companies(
    built: DuckDB,
    load_duckdb: Callable[[str], DuckDB],
    dbt: Dbt,
) -> dict[str, DuckDB]:
    """Three made-up companies with their tables built."""
    found = {"demo": built}
    for name in COMPANIES[1:]:
        found[name] = load_duckdb(name)
        outcome = dbt.run("build", "--exclude", "test_type:unit", env=found[name].env)
        assert outcome.success, outcome.log
    return found


def mean_errors(warehouse: DuckDB) -> dict[str, Decimal]:
    return dict(
        warehouse.run("""
            select method, cast(sum(error) / count(*) as decimal(18, 2))
            from qonto_finance.qonto__forecast_errors group by method
        """)
    )


@pytest.mark.parametrize("company", COMPANIES)
def test_the_base_line_errs_a_quarter_of_open_documents_at_most(
    company: str, companies: dict[str, DuckDB]
) -> None:
    errors = mean_errors(companies[company])
    assert abs(errors["base"]) <= abs(errors["documents"]) / 4, errors


@pytest.mark.parametrize("company", COMPANIES)
def test_documents_leave_out_payroll_and_habits_leave_out_the_next_invoices(
    company: str, companies: dict[str, DuckDB]
) -> None:
    errors = mean_errors(companies[company])
    assert errors["documents_and_habits"] < errors["base"] < errors["documents"]


def test_the_errors_of_the_demo_company_are_those_that_are_documented(built: DuckDB) -> None:
    """The run rate needs no model: its error is what anybody finds."""
    lines = {
        method: (count, error, mean)
        for method, count, error, mean in built.run("""
            select method, count(*), round(avg(abs(error))), round(avg(error))
            from qonto_finance.qonto__forecast_errors group by method
        """)
    }
    assert lines["run_rate"] == (15, 46781, 8605)
    assert {count for count, _, _ in lines.values()} == {15}


def test_a_past_forecast_knows_nothing_of_its_future(
    loaded: DuckDB, dbt: Dbt, tmp_path: Path
) -> None:
    """What happened after a month end changes its actual figure, not the forecast."""
    query = """
        select method, forecast from qonto_finance.qonto__forecast_errors
        where month_end = '2026-03-31' order by method
    """
    warehouse = loaded.copy(tmp_path)
    select = ("build", "--select", "+qonto__forecast_errors", "--exclude", "resource_type:test")
    assert dbt.run(*select, "--exclude-resource-type", "unit_test", env=warehouse.env).success
    before = warehouse.run(query)
    warehouse.write("""
        delete from qonto.transactions where emitted_at > '2026-04-02' and settled_at < '2026-10-01'
            and operation_type = 'card'
    """)
    warehouse.write("delete from qonto.client_invoices where issue_date > '2026-04-02'")
    assert dbt.run(*select, "--exclude-resource-type", "unit_test", env=warehouse.env).success
    assert warehouse.run(query) == before


def test_each_week_opens_where_the_last_one_closed(built: DuckDB) -> None:
    weeks = built.run("""
        select distinct week, opening, closing, lowest from qonto_finance.qonto__forecast
        where currency = 'EUR' order by week
    """)
    assert [week for week, *_ in weeks] == list(range(1, 14))
    for (_, _, closing, _), (_, opening, _, _) in itertools.pairwise(weeks):
        assert opening == closing
    assert all(lowest <= closing for _, _, closing, lowest in weeks)
    [(lowest_week, lowest)] = built.run(
        "select distinct week, lowest from qonto_finance.qonto__forecast where is_lowest_week"
    )
    assert lowest == min(found for *_, found in weeks)
    [(week, balance)] = built.run(
        "select lowest_week, lowest_balance from qonto_finance.qonto__kpis"
    )
    assert (week, balance) == (lowest_week, lowest)


def test_each_flow_is_expected_once(built: DuckDB) -> None:
    [(rows, flows, documents, listed)] = built.run("""
        select count(*), count(distinct flow_id),
            count(document_id) filter (source like '%invoice'),
            count(distinct document_id) filter (source like '%invoice')
        from qonto_finance.qonto__payment_calendar
    """)
    assert rows == flows
    assert documents == listed


def test_the_shares_of_certainty_add_up(built: DuckDB) -> None:
    [(known, likely, learned, assumed)] = built.run(
        "select share_known, share_likely, share_learned, share_assumed"
        " from qonto_finance.qonto__kpis"
    )
    assert abs(known + likely + learned + assumed - 1) <= Decimal("0.0002")
    assert min(known, likely, learned, assumed) > 0
