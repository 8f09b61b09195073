"""The documents of the demo company are what their rows say."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pypdf
import pytest
import requests
from defusedxml import ElementTree

from tap_qonto.demo import (
    Api,
    Company,
    DemoAdapter,
)
from tests.demo.visits import Clock, Get, completed, session

RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def test_every_finalized_invoice_is_a_factur_x_with_its_amounts(company: Company) -> None:
    rows = [row for row in company.rows("client_invoices") if row["attachment_id"]]
    assert len(rows) > 300
    for row in rows[::12]:
        content = company.document(row["attachment_id"])
        reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
        assert list(reader.attachments) == ["factur-x.xml"]
        (packet,) = reader.attachments["factur-x.xml"]
        xml = ElementTree.fromstring(packet)

        def amount(name: str, xml: Any = xml) -> Decimal:
            return Decimal(xml.find(f".//{RAM}{name}").text) * 100

        assert amount("GrandTotalAmount") == row["total_amount_cents"]
        assert amount("TaxTotalAmount") == row["vat_amount_cents"]
        assert xml.findtext(f".//{RAM}PaymentReference") == row["number"]
        assert len(xml.findall(f".//{RAM}IncludedSupplyChainTradeLineItem")) == len(row["items"])
        metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()  # type: ignore[index]  # pypdf types it loosely
        assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in metadata
        assert row["number"] in reader.pages[0].extract_text()


def test_drafts_have_no_document(company: Company) -> None:
    drafts = [row for row in company.rows("client_invoices") if row["status"] == "draft"]
    assert drafts
    assert not any(row["attachment_id"] for row in drafts)


@pytest.mark.slow
def test_a_document_has_the_size_and_type_that_its_row_says(company: Company, get: Get) -> None:
    ids = [
        one["id"] for row in list(company.rows("transactions"))[::160] for one in row["attachments"]
    ]
    for collection in ("client_invoices", "credit_notes", "quotes", "supplier_invoices"):
        ids += [r["attachment_id"] for r in company.rows(collection) if r["attachment_id"]][::40]
    ids += [row["display_attachment_id"] for row in company.rows("supplier_invoices")][::40]
    types = set()
    for one in ids:
        row = get(f"/attachments/{one}").json()["attachment"]
        content = company.document(one)
        assert int(row["file_size"]) == len(content)
        signature = {
            "application/pdf": b"%PDF",
            "image/png": b"\x89PNG",
            "application/xml": b"<?xml",
        }
        assert content.startswith(signature[row["file_content_type"]])
        types.add(row["file_content_type"])
    assert types == {"application/pdf", "image/png", "application/xml"}


def test_a_statement_shows_the_balances_of_its_month(company: Company) -> None:
    account = company.accounts[0]
    row = next(
        row
        for row in company.rows("statements", bank_account_id=account.id)
        if row["period"] == "03-2026"
    )
    content = company.document(row["id"])
    assert len(content) == int(row["file"]["file_size"])
    before = [
        one["settled_balance"]
        for one in completed(company, account.id)
        if one["settled_at"] < "2026-04-01"
    ][-1]
    assert (
        f"Solde final {before:.2f} EUR"
        in pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    )


def test_links_differ_expire_and_take_no_credentials(company: Company) -> None:
    clock = Clock()
    api = Api(company, clock=clock)
    one = next(row for row in company.rows("transactions") if row["attachment_ids"])
    with session(api) as get:
        path = f"/attachments/{one['attachment_ids'][0]}"
        first, second = (get(path).json()["attachment"]["url"] for _ in range(2))
    assert first != second
    with requests.Session() as files:
        files.mount("https://", DemoAdapter(api))
        fetched = files.get(first)
        assert fetched.content == company.document(one["attachment_ids"][0])
        assert fetched.headers["Content-Length"] == str(len(fetched.content))
        assert files.get(first, headers={"Authorization": "a:b"}).status_code == 400
        assert files.get(first, headers={"X-Qonto-Staging-Token": "t"}).status_code == 400
        assert files.get(first[:-1] + ("0" if first[-1] != "0" else "1")).status_code == 403
        clock.forward(minutes=30)
        assert files.get(first).status_code == 403
        assert files.get("https://files.demo.qonto.invalid/files/x").status_code == 403
        with pytest.raises(requests.ConnectionError, match="answers"):
            files.get("https://example.com/")
