"""The files under examples/ are sent to the demo company, and the tap reads back what was made."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.manual import ROOT
from tests.kit.runner import run as tap
from tests.writing.office import office_at

if TYPE_CHECKING:
    from pathlib import Path


STREAMS = {
    "new_clients": "clients",
    "new_client_invoices": "client_invoices",
    "new_supplier_invoices": "supplier_invoices",
}


def _rows() -> dict[str, list[dict[str, Any]]]:
    return {
        stream: [
            json.loads(line)
            for line in (ROOT / "examples" / f"{name}.jsonl").read_text("utf-8").splitlines()
        ]
        for stream, name in STREAMS.items()
    }


@pytest.mark.slow
def test_what_the_examples_ask_for_exists_once_and_is_read_back_as_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    rows = _rows()
    with office_at(tmp_path) as (office, made):
        for _ in range(2):
            loaded = office.send(rows)
            assert loaded.exit_code == 0, loaded.log
        ids = {name: row["qonto_id"] for name, row in office.results.items()}
        assert {name: len(made(name)) for name in STREAMS.values()} == {
            name: len(rows[stream]) for stream, name in STREAMS.items()
        }
        office.clock[0] += 60  # the tap leaves what changes while it reads to its next run
        config = {"access_token": "access-token-of-the-test", "api_url": office.server.api_url}
        read = tap(config, select=STREAMS.values()).records
    found = {row["id"]: row for name in STREAMS.values() for row in read[name]}
    for row in rows["new_clients"]:
        client = found[ids[row["external_id"]]]
        for name in ("name", "first_name", "last_name", "email", "vat_number", "currency"):
            assert client.get(name) == row.get(name)
        assert client["billing_address"]["city"] == row["billing_city"]
    for row in rows["new_client_invoices"]:
        invoice = found[ids[row["external_id"]]]
        assert invoice["status"] == "unpaid"
        assert invoice["client_id"] == ids[row["client"]]
        assert [item["title"] for item in invoice["items"]] == [
            item["title"] for item in row["items"]
        ]
        net = sum(Decimal(item["quantity"]) * Decimal(item["unit_price"]) for item in row["items"])
        assert Decimal(str(invoice["total_amount"]["value"])) == net * Decimal("1.2")
    for row in rows["new_supplier_invoices"]:
        document = found[ids[row["external_id"]]]
        assert document["file_name"] == row.get("file_name", row["file"].rpartition("/")[2])
        assert document["status"] == "to_review"
