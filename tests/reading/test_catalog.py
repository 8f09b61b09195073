"""The catalog is what was agreed, to the last word, and discovery asks nobody for it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tap_qonto.demo import Api, Company
from tap_qonto.tap import TapQonto
from tests.kit.cases import some
from tests.kit.runner import KEY, PATIENCE, catalog_of, run, run_process, start_process

STORED = Path(__file__).with_name("catalog.json")

BY_DEFAULT = {
    "organization",
    "bank_accounts",
    "transactions",
    "labels",
    "memberships",
    "teams",
    "beneficiaries",
    "sepa_transfers",
    "bulk_transfers",
    "recurring_transfers",
    "statements",
    "cards",
    "requests",
    "cash_flow_categories",
    "subscription",
    "client_invoices",
    "credit_notes",
    "quotes",
    "products",
    "clients",
    "supplier_invoices",
    "einvoicing_settings",
}
OTHERS = {
    "international_beneficiaries",
    "payment_links",
    "payment_link_payments",
    "terminals",
    "webhook_subscriptions",
    "direct_debit_mandates",
    "direct_debit_subscriptions",
    "direct_debit_collections",
}
INCREMENTAL = {
    "transactions",
    "beneficiaries",
    "sepa_transfers",
    "bulk_transfers",
    "recurring_transfers",
    "client_invoices",
    "clients",
    "supplier_invoices",
}
KEYS = {
    "subscription": ["code"],
    "einvoicing_settings": ["organization_id"],
    "payment_link_payments": ["payment_link_id", "id"],
}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def catalog() -> dict[str, Row]:
    tap = TapQonto(config={}, parse_env_config=False, validate_config=False)
    return {stream["stream"]: stream for stream in tap.catalog_dict["streams"]}


def of_stream(stream: Row) -> Row:
    metadata: Row = next(
        entry["metadata"] for entry in stream["metadata"] if not entry["breadcrumb"]
    )
    return metadata


def test_the_catalog_is_the_stored_one() -> None:
    """After an intended change: `uv run tap-qonto --discover > tests/reading/catalog.json`."""
    tap = TapQonto(config={}, parse_env_config=False, validate_config=False)
    assert tap.catalog_json_text.strip() == STORED.read_text(encoding="utf-8").strip()


def test_every_promised_stream_is_there(catalog: dict[str, Row]) -> None:
    assert catalog.keys() >= BY_DEFAULT | OTHERS


@pytest.mark.parametrize("stream", sorted(BY_DEFAULT | OTHERS))
def test_a_stream_has_its_key_replication_and_default_selection(
    catalog: dict[str, Row], stream: str
) -> None:
    entry = catalog[stream]
    metadata = of_stream(entry)
    assert list(entry["key_properties"]) == KEYS.get(stream, ["id"])
    assert metadata["table-key-properties"] == entry["key_properties"]
    assert entry["replication_method"] == ("INCREMENTAL" if stream in INCREMENTAL else "FULL_TABLE")
    assert entry.get("replication_key") == ("updated_at" if stream in INCREMENTAL else None)
    assert metadata.get("selected", metadata.get("selected-by-default")) == (stream in BY_DEFAULT)


@pytest.mark.slow
def test_a_run_without_a_catalog_reads_what_is_selected_by_default(api: Api) -> None:
    records = run(api=api).records
    assert records.keys() >= BY_DEFAULT
    assert not records.keys() & OTHERS


def test_discovery_needs_no_credentials_and_makes_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("discovery opened a socket")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    tap = TapQonto(config={}, parse_env_config=False, validate_config=False)
    assert len(tap.catalog_dict["streams"]) >= len(BY_DEFAULT | OTHERS)


@pytest.mark.parametrize("config", some([None, {}, {"environment": "demo"}], {}), ids=str)
def test_the_command_discovers_the_same_catalog_whatever_is_configured(config: Row | None) -> None:
    with start_process(config, options=["--discover"]) as process:
        assert process.stdout
        assert json.load(process.stdout) == json.loads(STORED.read_text(encoding="utf-8"))
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    "form", some([[], ["--format=json"], ["--format=markdown"]], ["--format=json"]), ids=str
)
def test_the_command_describes_itself(form: list[str]) -> None:
    with start_process(None, options=["--about", *form]) as process:
        assert process.stdout
        text = process.stdout.read().decode()
        assert process.wait(PATIENCE) == 0
    for name in TapQonto.config_jsonschema["properties"]:
        assert name in text


@pytest.mark.slow
def test_the_command_tests_itself() -> None:
    done = run_process({"environment": "demo"}, options=["--test"])
    assert done.exit_code == 0
    assert done.records.keys() >= BY_DEFAULT | OTHERS
    assert {len(rows) for name, rows in done.records.items() if name in BY_DEFAULT} == {1}


@pytest.mark.slow
def test_the_configuration_may_stand_on_the_command_line() -> None:
    inline = ["--config", json.dumps({"environment": "demo", "start_date": "2026-10-01"})]
    done = run_process(None, catalog=catalog_of(["sepa_transfers"]), options=inline)
    assert done.exit_code == 0
    assert all(row["updated_at"] >= "2026-10-01" for row in done.records["sepa_transfers"])


@pytest.mark.parametrize(
    "inclusion", some([True, False], False), ids=["discovered", "written by hand"]
)
@pytest.mark.parametrize(
    "stream",
    some(["transactions", "sepa_transfers", "beneficiaries", "clients"], "sepa_transfers"),
)
def test_a_bookmark_moves_although_its_column_is_deselected(
    api: Api, company: Company, stream: str, inclusion: bool
) -> None:
    catalog = catalog_of([stream], without={stream: ["updated_at"]})
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if not inclusion:
                item["metadata"].pop("inclusion", None)
    done = run(api=api, catalog=catalog)
    assert done.exit_code == 0
    usual = run(api=Api(company, authorization=KEY), select=[stream])
    assert done.state == usual.state
    assert len(done.records[stream]) == len(usual.records[stream])


@pytest.mark.parametrize(
    "maps", [{"beneficiaries": "__NULL__"}, {"beneficiaries": None}, {"__else__": "__NULL__"}]
)
def test_a_stream_that_is_mapped_to_nothing_is_not_read_and_its_bookmark_stays(
    api: Api, maps: dict[str, Any]
) -> None:
    maps = {**maps, "labels": {"id": "id", "name": "name"}}
    before = {
        "bookmarks": {
            "beneficiaries": {
                "replication_key": "updated_at",
                "replication_key_value": "2024-01-01T00:00:00Z",
            }
        }
    }
    done = run({"stream_maps": maps}, api=api, state=before, select=["labels", "beneficiaries"])
    assert done.exit_code == 0, done.log
    assert done.records.keys() == {"labels"}
    assert not done.asked("/sepa/beneficiaries")
    assert done.state["bookmarks"]["beneficiaries"] == before["bookmarks"]["beneficiaries"]


def test_what_belongs_to_rows_that_are_mapped_to_nothing_is_not_read_either(api: Api) -> None:
    maps = {"statements": "__NULL__"}
    done = run({"stream_maps": maps}, api=api, select=["statements", "statement_files", "labels"])
    assert done.exit_code == 0, done.log
    assert done.records.keys() == {"labels"}
    assert not done.asked("/statements")
