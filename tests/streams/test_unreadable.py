"""Rows without their key and values that cannot be read cost nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tap_qonto.demo import Api, Company
from tests.kit.answers import alter, alter_rows
from tests.kit.cases import thorough
from tests.kit.faults import Faults, answer
from tests.kit.runner import KEY, Run, run
from tests.streams.troubles import final_errors, labels

Row = dict[str, Any]


def test_an_organization_without_an_id_is_known_by_its_slug(small: Company) -> None:
    api = Api(small, authorization=KEY)
    alter(api, "/organization", lambda body: body["organization"].pop("id") and None)
    done = run(api=api, select=["organization", "einvoicing_settings"])
    assert done.exit_code == 0
    (organization,) = done.records["organization"]
    assert organization["id"] == organization["slug"]
    (settings,) = done.records["einvoicing_settings"]
    assert settings["organization_id"] == organization["slug"]


def test_rows_name_an_organization_that_is_hidden_by_what_its_accounts_name(
    small: Company,
) -> None:
    api = Api(small, authorization=KEY, page_limit=2)
    api.before.append(Faults("/organization", always=answer(403)))
    streams = ["bank_accounts", "labels", "sepa_transfers", "transactions"]
    done = run({"concurrency": 1}, api=api, select=streams)
    assert done.exit_code == 0, done.log
    for stream, rows in done.records.items():
        assert {row["organization_id"] for row in rows} == {small.organization_id}, stream
    assert done.state["organization_id"] == small.organization_id


def test_a_plan_without_a_code_gets_a_fixed_key(small: Company) -> None:
    api = Api(small, authorization=KEY)
    alter(api, "/subscription", lambda body: body["plan"].pop("code") and None)
    done = run(api=api, select=["subscription"])
    assert done.exit_code == 0
    (plan,) = done.records["subscription"]
    assert plan["code"] == "plan"


def test_any_other_row_without_its_key_fails_its_stream_by_name_and_path(small: Company) -> None:
    api = Api(small, authorization=KEY)
    alter_rows(api, "/sepa/beneficiaries", lambda row: row.pop("id") and None)
    done = run(api=api, select=["beneficiaries", "teams"])
    assert done.exit_code == 1
    assert done.records["teams"]
    assert final_errors(done) == [
        "beneficiaries: GET /sepa/beneficiaries answered a row without the primary key field 'id'"
    ]


ROW = b'{"id":"%d","name":%s,"parent_id":null}'

UNREADABLE = {
    "a lone surrogate": (b'"Caf\\ud800"', "Caf\ufffd"),
    "invalid UTF-8": (b'"Caf\xe9"', "Caf\ufffd"),
    "NaN": (b"NaN", "NaN"),
    "infinity": (b"-Infinity", "-Infinity"),
    "600 levels of nesting": (b"[" * 600 + b"]" * 600, None),
    "600 levels of objects": (b'{"a":' * 600 + b"1" + b"}" * 600, None),
    "100,000 levels of nesting": (b"[" * 100_000 + b"]" * 100_000, None),
    "an exponent beyond all types": (b"1e99999999999999999999", "1e99999999999999999999"),
    "a number of 5,000 digits": (b"7" * 5_000, "7" * 5_000),
    "a line break in a text": (b'"a\nb"', "a\nb"),
}


@pytest.mark.parametrize(
    ("value", "kept"),
    thorough(
        UNREADABLE,
        *("invalid UTF-8", "NaN", "600 levels of objects", "a line break in a text"),
    ),
)
def test_a_value_that_cannot_be_read_is_set_aside_and_the_rest_arrives(
    small: Company, value: bytes, kept: str | None
) -> None:
    fault = labels(ROW % (1, b'"a"'), ROW % (2, value), ROW % (3, b'"c"'))
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/labels", always=fault))
    done = run(api=api, select=["labels", "teams"])
    assert done.exit_code == 0
    first, odd, last = done.records["labels"]
    assert (first["name"], last["name"]) == ("a", "c")
    assert odd["id"] == "2"
    texts = (odd["name"], odd.get("additional_properties", {}).get("name"))
    if kept is not None:
        assert kept in texts
    else:
        assert odd["name"] is None or "nesting" in odd["name"]
    assert done.records["teams"]
    assert not final_errors(done)
    if kept != "a\nb":  # nothing is lost
        (line,) = [line for line in done.log.splitlines() if line.startswith("WARNING")]
        assert "labels: Qonto sent" in line
        assert "'name' 1 time" in line


@pytest.mark.parametrize("value", [b'"\xff"', b'{"x":NaN}', b'{"x":' * 600 + b"1" + b"}" * 600])
def test_an_unknown_field_that_cannot_be_read_costs_nothing_else(
    small: Company, value: bytes
) -> None:
    fault = labels(b'{"id":"1","name":"a","parent_id":null,"new":%s}' % value, ROW % (2, b'"b"'))
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/labels", always=fault))
    done = run(api=api, select=["labels"])
    assert done.exit_code == 0
    assert [row["name"] for row in done.records["labels"]] == ["a", "b"]
    assert "'new' 1 time" in done.log


@pytest.mark.parametrize("key", [b"null", b'"\\ud800"', b"NaN"])
def test_a_row_whose_key_is_null_or_unreadable_is_set_aside_and_counted(
    small: Company, key: bytes
) -> None:
    odd = b'{"id":%s,"name":%s,"parent_id":null}'
    fault = labels(ROW % (1, b'"a"'), odd % (key, b'"b"'), odd % (key, b'"c"'), ROW % (4, b'"d"'))
    api = Api(small, authorization=KEY)
    api.before.append(Faults("/labels", always=fault))
    done = run(api=api, select=["labels"])
    assert done.exit_code == 0
    assert [row["id"] for row in done.records["labels"]] == ["1", "4"]
    assert "rows whose key is null or cannot be read, in 'id' 2 times (set aside)" in done.log


def test_an_organization_nested_deeply_is_read_all_the_same(small: Company) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    api = Api(small, authorization=KEY)
    alter(api, "/organization", lambda body: body["organization"].update(deep=deep))
    done = run(api=api, select=["organization", "transactions"])
    assert done.exit_code == 0
    assert done.records["organization"]
    assert done.records["transactions"]


@pytest.mark.parametrize("path", ["/organization", "/bank_accounts"])
def test_an_account_without_an_id_costs_no_other_account(
    small: Company, whole: Run, path: str
) -> None:
    def nameless(body: Row) -> None:
        accounts = body.get("bank_accounts") or body["organization"]["bank_accounts"]
        accounts.append({**accounts[0], "id": None})

    api = Api(small, authorization=KEY)
    alter(api, path, nameless)
    done = run(api=api, select=["transactions"])
    assert done.exit_code == 1
    assert done.records["transactions"] == whole.records["transactions"]
    assert "listed bank accounts without an ID" in final_errors(done)[0]


def test_one_line_at_the_end_of_a_stream_names_every_odd_path(small: Company) -> None:
    def odd(row: Row) -> None:
        row |= {"colour": "red", "iban": 17, "trusted": "perhaps"}
        if row["email"]:
            row["style"] = {}

    api = Api(small, authorization=KEY)
    alter_rows(api, "/sepa/beneficiaries", odd)
    done = run(api=api, select=["beneficiaries"])
    (line,) = [line for line in done.log.splitlines() if line.startswith("WARNING")]
    rows = len(done.records["beneficiaries"])
    for path in ("colour", "iban", "trusted"):
        assert f"'{path}' {rows} times" in line
    assert "'style' " in line
