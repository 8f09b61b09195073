"""Flattened rows fit their flattened schema, and nothing that Qonto sent is lost."""

from __future__ import annotations

import json

import pytest

from tap_qonto.demo import Api, Company
from tap_qonto.singer.flattening import fitting
from tests.kit.runner import run


@pytest.mark.parametrize("depth", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_a_flattened_row_has_no_column_that_its_table_lacks(depth: int) -> None:
    settings = {"flattening_enabled": True, "flattening_max_depth": depth}
    done = run(settings, api=Api(Company(transactions=300)))
    assert done.exit_code == 0, done.log
    for stream, rows in done.records.items():
        [message] = done.schemas[stream]
        columns = message["schema"]["properties"]
        for row in rows:
            assert row.keys() <= columns.keys(), stream
    assert done.records["supplier_invoices"][0]["total_amount__value"]


def test_names_that_are_cut_until_two_columns_share_one_are_told() -> None:
    settings = {"environment": "demo", "flattening_enabled": True, "flattening_max_depth": 10}
    done = run(settings | {"flattening_max_key_length": 12}, select=["client_invoices"])
    assert done.exit_code == 1
    [sentence] = done.log.splitlines()
    assert "columns of client_invoices the same name: set flattening_max_key_length to" in sentence


@pytest.mark.slow
def test_names_of_twenty_letters_tell_the_columns_of_every_stream_apart() -> None:
    settings = {"environment": "demo", "flattening_enabled": True, "flattening_max_depth": 10}
    done = run(settings | {"flattening_max_key_length": 20})
    assert done.exit_code == 0, done.log


CASES = {
    "nothing strange": ({"a": 1}, {"a", "b"}, {"a": 1}),
    "an object that is null": ({"a": 1, "o": None}, {"a", "o__x"}, {"a": 1}),
    "a new field": (
        {"a": 1, "o__new": 2},
        {"a", "additional_properties"},
        {"a": 1, "additional_properties": '{"o__new": 2}'},
    ),
    "a new field beside others": (
        {"additional_properties": '{"x": 1}', "o__new": "y"},
        {"additional_properties"},
        {"additional_properties": '{"x": 1, "o__new": "y"}'},
    ),
}


@pytest.mark.parametrize(("row", "columns", "fit"), CASES.values(), ids=CASES)
def test_what_is_strange_to_a_table_moves(
    row: dict[str, object], columns: set[str], fit: dict[str, object]
) -> None:
    before = json.dumps(row)
    assert fitting(row, columns) == fit
    assert json.dumps(row) == before
