"""Rows take the short way past the SDK only where nothing of the SDK's would change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.runner import catalog_of, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_qonto.demo import Api

MAPS: dict[str, tuple[dict[str, Any], Callable[[dict[str, list[Any]]], bool]]] = {
    "an alias": (
        {"stream_maps": {"labels": {"__alias__": "tags"}}},
        lambda records: set(records) == {"tags"},
    ),
    "a filter": (
        {"stream_maps": {"labels": {"__filter__": "parent_id is None"}}},
        lambda records: all(row["parent_id"] is None for row in records["labels"]),
    ),
    "a new column": (
        {"stream_maps": {"labels": {"shout": "name.upper()"}}},
        lambda records: all(row["shout"] == row["name"].upper() for row in records["labels"]),
    ),
}


@pytest.mark.parametrize(("settings", "holds"), MAPS.values(), ids=MAPS.keys())
def test_the_short_way_is_not_taken_where_a_map_changes_rows(
    api: Api, settings: dict[str, Any], holds: Callable[[dict[str, list[Any]]], bool]
) -> None:
    done = run(settings, api=api, select=["labels"])
    assert done.exit_code == 0, done.log
    assert done.records
    assert holds(done.records)


def test_rows_are_flattened_where_that_is_asked_for(api: Api) -> None:
    settings = {"flattening_enabled": True, "flattening_max_depth": 1}
    [row] = run(settings, api=api, select=["organization"]).records["organization"]
    assert not any(isinstance(value, dict) for value in row.values())


@pytest.mark.parametrize("column", ["name", "parent_id"])
def test_a_deselected_column_never_leaves(api: Api, column: str) -> None:
    done = run(api=api, catalog=catalog_of(["labels"], without={"labels": [column]}))
    assert all(column not in row for row in done.records["labels"])


def test_a_deselected_property_inside_a_column_never_leaves(api: Api) -> None:
    catalog = catalog_of(["client_invoices"])
    inside = ["properties", "client", "properties", "name"]
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == inside:
                entry["metadata"]["selected"] = False
    rows = run(api=api, catalog=catalog).records["client_invoices"]
    assert any(row["client"] for row in rows)
    assert not any("name" in (row["client"] or {}) for row in rows)
