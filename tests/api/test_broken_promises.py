"""Fields that break a promise cost no row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.failing import META, as_sent, failing
from tests.kit.faults import answer
from tests.kit.runner import run

if TYPE_CHECKING:
    from tap_qonto.demo import Company

Row = dict[str, Any]


LABEL = {"id": "1", "name": "Travel", "parent_id": None}

DEVIATIONS: dict[str, tuple[Row, Row, str]] = {
    "a new field": (
        LABEL | {"colour": "red"},
        LABEL | {"additional_properties": {"colour": "red"}},
        "sent what the catalog does not know, in 'colour' 3 times (kept",
    ),
    "a new object": (
        LABEL | {"style": {"bold": True}},
        LABEL | {"additional_properties": {"style": {"bold": True}}},
        "does not know, in 'style' 3 times",
    ),
    "a number for text": (
        LABEL | {"name": 12},
        LABEL | {"name": "12"},
        "sent values of another type, in 'name' 3 times a number instead of text",
    ),
    "an object for text": (
        LABEL | {"name": {"fr": "Voyage"}},
        LABEL | {"name": '{"fr":"Voyage"}'},
        "in 'name' 3 times an object instead of text",
    ),
    "null for text": (
        LABEL | {"name": None},
        LABEL | {"name": None},
        "in 'name' 3 times null instead of text",
    ),
}


@pytest.mark.parametrize(("sent", "kept", "told"), DEVIATIONS.values(), ids=DEVIATIONS.keys())
def test_a_broken_promise_keeps_the_row_and_is_told_once(
    small: Company, sent: Row, kept: Row, told: str
) -> None:
    rows = [sent | {"id": str(number)} for number in range(3)]
    fault = answer(200, {"labels": rows, "meta": META | {"total_count": 3}})
    outcome = run(api=failing(small, "/labels", fault), select=["labels"])
    assert outcome.exit_code == 0
    assert as_sent(outcome, "labels") == [kept | {"id": row["id"]} for row in rows]
    warnings = [line for line in outcome.log.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert told in warnings[0]
    assert warnings[0].startswith("WARNING tap-qonto.labels labels: Qonto ")


def test_a_new_field_inside_an_object_stays_there(small: Company) -> None:
    row = {"id": "a", "billing_address": {"city": "Paris", "planet": "Earth"}}
    fault = answer(200, {"clients": [row], "meta": META | {"total_count": 1}})
    outcome = run(api=failing(small, "/clients", fault), select=["clients"])
    assert outcome.exit_code == 0
    assert as_sent(outcome, "clients") == [row]
    assert "what the catalog does not know, in 'billing_address.planet' 1 time" in outcome.log
