"""The electronic invoice inside a PDF, however its maker, or somebody hostile, wrote it."""

from __future__ import annotations

import io
import tracemalloc
import zlib

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject

from tap_qonto.api.errors import UnreadableError
from tap_qonto.documents.facturx import Invoice, read_invoice
from tests.kit.pdfs import pdf

CII = "GuidelineSpecifiedDocumentContextParameter"


def cii(guideline: str, encoding: str = "UTF-8", text: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><rsm:CrossIndustryInvoice xmlns:rsm="urn:r" '
        f'xmlns:ram="urn:a"><ram:{CII}><ram:ID>{guideline}</ram:ID></ram:{CII}>{text}'
        "</rsm:CrossIndustryInvoice>"
    )


def read(document: bytes) -> Invoice | None:
    return read_invoice(io.BytesIO(document))


@pytest.mark.parametrize(
    ("guideline", "profile"),
    [
        ("urn:factur-x.eu:1p0:minimum", "MINIMUM"),
        ("urn:zugferd.de:2p0:minimum", "MINIMUM"),
        ("urn:factur-x.eu:1p0:basicwl", "BASIC WL"),
        ("urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic", "BASIC"),
        ("urn:cen.eu:en16931:2017:compliant:factur-x.eu:1p0:basic", "BASIC"),
        ("urn:cen.eu:en16931:2017", "EN 16931"),
        ("urn:cen.eu:en16931:2017#compliant#urn:zugferd.de:2p0:en16931", "EN 16931"),
        ("urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended", "EXTENDED"),
        ("urn:cen.eu:en16931:2017#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr",
         "EXTENDED-CTC-FR"),
        ("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0", "XRECHNUNG"),
        ("urn:cen.eu:en16931:2017#compliant#urn:xoev-de:kosit:standard:xrechnung_1.2",
         "XRECHNUNG"),
        ("urn:ferd:CrossIndustryDocument:invoice:1p0:comfort", "COMFORT"),
        (" urn:factur-x.eu:1p0:minimum\n", "MINIMUM"),
        ("urn:somebody:else", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_guideline_tells_the_profile(guideline: str, profile: str | None) -> None:
    invoice = read(pdf({"factur-x.xml": cii(guideline).encode()}))
    assert invoice == Invoice(profile, cii(guideline))


def test_the_other_syntax_has_its_guideline_elsewhere() -> None:
    guideline = "<c:CustomizationID>urn:cen.eu:en16931:2017</c:CustomizationID>"
    ubl = f"<Invoice xmlns:c='u'>{guideline}</Invoice>"
    assert read(pdf({"xrechnung.xml": ubl.encode()})) == Invoice("EN 16931", ubl)


@pytest.mark.parametrize(
    "name", ["factur-x.xml", "Factur-X.XML", "ZUGFeRD-invoice.xml", "xrechnung.xml"]
)
def test_the_invoice_is_known_by_its_name(name: str) -> None:
    xml = cii("urn:factur-x.eu:1p0:minimum")
    files = {"terms.xml": b"<terms/>", name: xml.encode(), "z.txt": b"text"}
    assert read(pdf(files)) == Invoice("MINIMUM", xml)


@pytest.mark.parametrize("files", [{}, {"invoice.xml": b"<i/>"}, {"factur-x.xml.txt": b"<i/>"}])
def test_other_files_are_none(files: dict[str, bytes]) -> None:
    assert read(pdf(files)) is None


def test_the_list_of_associated_files_is_enough() -> None:
    xml = cii("urn:factur-x.eu:1p0:minimum")
    writer = PdfWriter(PdfReader(io.BytesIO(pdf({"factur-x.xml": xml.encode()}))))
    root = writer.root_object
    names = root["/Names"]["/EmbeddedFiles"]["/Names"]  # type: ignore[index]
    root[NameObject("/AF")] = type(names)([names[1]])
    del root["/Names"]
    out = io.BytesIO()
    writer.write(out)
    assert read(out.getvalue()) == Invoice("MINIMUM", xml)


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("UTF-8", "utf-8"), ("UTF-8", "utf-8-sig"), ("ISO-8859-1", "latin-1"), ("UTF-16", "utf-16")],
)
def test_the_text_is_decoded_as_it_says(encoding: str, codec: str) -> None:
    xml = cii("urn:factur-x.eu:1p0:minimum", encoding, "Société à façon")
    assert read(pdf({"factur-x.xml": xml.encode(codec)})) == Invoice("MINIMUM", xml)


BOMB = (
    '<!DOCTYPE i [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><i>&c;</i>'
)
THIEF = '<!DOCTYPE i [<!ENTITY a SYSTEM "file:///etc/passwd">]><i>&a;</i>'


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "broken"),
        (b"%PDF-1.7\nnot at all", "broken"),
        (b"%PDF-1.7\n" + b"1 0 obj << /Kids [1 0 R] >> endobj\n" * 50, "broken"),
        (pdf({"factur-x.xml": b"<i/>"})[:400], "broken"),
        (pdf({"factur-x.xml": b"<i/>"}, password="unknown"), "encrypted"),
        (pdf({"factur-x.xml": b"<i>"}), "XML is broken"),
        (pdf({"factur-x.xml": b""}), "XML is broken"),
        (pdf({"factur-x.xml": b"\xff\xfe<\x00i"}), "XML is broken"),
        (pdf({"factur-x.xml": b'<?xml version="1.0" encoding="no-such"?><i/>'}), "XML is broken"),
        (pdf({"factur-x.xml": BOMB.encode()}), "document type"),
        (pdf({"factur-x.xml": THIEF.encode()}), "document type"),
    ],
)
def test_what_cannot_be_read_is_said(document: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read(document)


@pytest.mark.slow
def test_a_file_that_unpacks_to_gigabytes_takes_little_memory() -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(10_000_000)) for _ in range(50)) + packer.flush()
    small = pdf({"factur-x.xml": b"MARK"})
    position = small.index(b"MARK")
    length = small.rindex(b"/Length 4", 0, position)
    bomb = (
        small[:length]
        + b"/Filter /FlateDecode /Length %d" % len(packed)
        + small[length + len(b"/Length 4") : position]
        + packed
        + small[position + 4 :]
    )
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError):
            read(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000_000


def test_a_deeply_nested_invoice_is_only_text() -> None:
    xml = "<i>" * 50_000 + "</i>" * 50_000
    assert read(pdf({"factur-x.xml": xml.encode()})) == Invoice(None, xml)
