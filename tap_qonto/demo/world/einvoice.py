"""Electronic invoices: what they say, their XML, and the Factur-X PDF around it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from tap_qonto.demo.world.paper import FONT, PAGE, assemble, page, stream
from tap_qonto.demo.world.rows import decimal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Party:
    """Seller or buyer of an invoice."""

    name: str
    street: str
    city: str
    zip_code: str
    country: str
    """ISO 3166 alpha-2, upper case."""
    legal_number: str | None = None
    vat_number: str | None = None


@dataclass(frozen=True)
class Line:
    """One line of an invoice; amounts in cents before VAT."""

    title: str
    quantity: str
    unit_price: int
    subtotal: int
    rate: str
    """VAT in percent as decimal text; `0.00` means that the buyer owes it (reverse charge)."""


@dataclass(frozen=True)
class Invoice:
    """What an electronic invoice says; days as YYYY-MM-DD, amounts in cents."""

    number: str
    issued: str
    due: str
    currency: str
    seller: Party
    buyer: Party
    iban: str
    lines: tuple[Line, ...]
    purchase_order: str | None = None

    def taxes(self) -> dict[str, tuple[int, int]]:
        """Return (basis, VAT) in cents by rate."""
        return taxes_of((line.rate, line.subtotal) for line in self.lines)

    @property
    def net(self) -> int:
        """Cents before VAT."""
        return sum(basis for basis, _ in self.taxes().values())

    @property
    def vat(self) -> int:
        """VAT in cents."""
        return sum(tax for _, tax in self.taxes().values())


def taxes_of(lines: Iterable[tuple[str, int]]) -> dict[str, tuple[int, int]]:
    """Return (basis, VAT) in cents by rate; VAT is reckoned once per rate, as EN 16931 asks.

    Args:
        lines: Rate (percent with two places) and cents before VAT of each line.
    """
    basis: dict[str, int] = {}
    for rate, cents in lines:
        basis[rate] = basis.get(rate, 0) + cents
    return {
        rate: (cents, (cents * int(rate.replace(".", "")) + 5_000) // 10_000)
        for rate, cents in basis.items()
    }


PROFILE: Final = "urn:cen.eu:en16931:2017"


_SPACES: Final = (
    'xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" '
    'xmlns:ram="urn:un:unece:uncefact:data:standard:'
    'ReusableAggregateBusinessInformationEntity:100" '
    'xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"'
)


def _tag(name: str, *content: str | None, **attributes: str) -> str:
    """Write one element of the aggregate vocabulary; parts that are None are left out."""
    shown = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<ram:{name}{shown}>{''.join(part for part in content if part)}</ram:{name}>"


def _date(name: str, iso_day: str) -> str:
    value = iso_day.replace("-", "")
    return _tag(name, f'<udt:DateTimeString format="102">{value}</udt:DateTimeString>')


def _optional(name: str, value: str | None, **attributes: str) -> str | None:
    return None if value is None else _tag(name, escape(value), **attributes)


def _party(name: str, party: Party) -> str:
    legal = _optional("ID", party.legal_number, schemeID="0002")
    vat = _optional("ID", party.vat_number, schemeID="VA")
    return _tag(
        name,
        _tag("Name", escape(party.name)),
        legal and _tag("SpecifiedLegalOrganization", legal),
        _tag(
            "PostalTradeAddress",
            _tag("PostcodeCode", escape(party.zip_code)),
            _tag("LineOne", escape(party.street)),
            _tag("CityName", escape(party.city)),
            _tag("CountryID", party.country),
        ),
        vat and _tag("SpecifiedTaxRegistration", vat),
    )


def _category(rate: str) -> str:
    return "AE" if float(rate) == 0 else "S"


def _line(position: int, line: Line) -> str:
    return _tag(
        "IncludedSupplyChainTradeLineItem",
        _tag("AssociatedDocumentLineDocument", _tag("LineID", str(position))),
        _tag("SpecifiedTradeProduct", _tag("Name", escape(line.title))),
        _tag(
            "SpecifiedLineTradeAgreement",
            _tag("NetPriceProductTradePrice", _tag("ChargeAmount", decimal(line.unit_price))),
        ),
        _tag("SpecifiedLineTradeDelivery", _tag("BilledQuantity", line.quantity, unitCode="C62")),
        _tag(
            "SpecifiedLineTradeSettlement",
            _tag(
                "ApplicableTradeTax",
                _tag("TypeCode", "VAT"),
                _tag("CategoryCode", _category(line.rate)),
                _tag("RateApplicablePercent", line.rate),
            ),
            _tag(
                "SpecifiedTradeSettlementLineMonetarySummation",
                _tag("LineTotalAmount", decimal(line.subtotal)),
            ),
        ),
    )


def _settlement(invoice: Invoice) -> str:
    net, vat = invoice.net, invoice.vat
    return _tag(
        "ApplicableHeaderTradeSettlement",
        _tag("PaymentReference", escape(invoice.number)),
        _tag("InvoiceCurrencyCode", invoice.currency),
        _tag(
            "SpecifiedTradeSettlementPaymentMeans",
            _tag("TypeCode", "58"),
            _tag("PayeePartyCreditorFinancialAccount", _tag("IBANID", invoice.iban)),
        ),
        *(
            _tag(
                "ApplicableTradeTax",
                _tag("CalculatedAmount", decimal(tax)),
                _tag("TypeCode", "VAT"),
                _tag("ExemptionReason", "Autoliquidation") if _category(rate) == "AE" else None,
                _tag("BasisAmount", decimal(basis)),
                _tag("CategoryCode", _category(rate)),
                _tag("RateApplicablePercent", rate),
            )
            for rate, (basis, tax) in invoice.taxes().items()
        ),
        _tag("SpecifiedTradePaymentTerms", _date("DueDateDateTime", invoice.due)),
        _tag(
            "SpecifiedTradeSettlementHeaderMonetarySummation",
            _tag("LineTotalAmount", decimal(net)),
            _tag("TaxBasisTotalAmount", decimal(net)),
            _tag("TaxTotalAmount", decimal(vat), currencyID=invoice.currency),
            _tag("GrandTotalAmount", decimal(net + vat)),
            _tag("DuePayableAmount", decimal(net + vat)),
        ),
    )


def cross_industry_invoice(invoice: Invoice) -> bytes:
    """Return the invoice as UN/CEFACT XML, profile EN 16931."""
    order = _optional("IssuerAssignedID", invoice.purchase_order)
    body = (
        "<rsm:ExchangedDocumentContext>"
        + _tag("GuidelineSpecifiedDocumentContextParameter", _tag("ID", PROFILE))
        + "</rsm:ExchangedDocumentContext><rsm:ExchangedDocument>"
        + _tag("ID", escape(invoice.number))
        + _tag("TypeCode", "380")
        + _date("IssueDateTime", invoice.issued)
        + "</rsm:ExchangedDocument><rsm:SupplyChainTradeTransaction>"
        + "".join(_line(position, line) for position, line in enumerate(invoice.lines, start=1))
        + _tag(
            "ApplicableHeaderTradeAgreement",
            _party("SellerTradeParty", invoice.seller),
            _party("BuyerTradeParty", invoice.buyer),
            order and _tag("BuyerOrderReferencedDocument", order),
        )
        + _tag(
            "ApplicableHeaderTradeDelivery",
            _tag("ActualDeliverySupplyChainEvent", _date("OccurrenceDateTime", invoice.issued)),
        )
        + _settlement(invoice)
        + "</rsm:SupplyChainTradeTransaction>"
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<rsm:CrossIndustryInvoice {_SPACES}>{body}</rsm:CrossIndustryInvoice>\n"
    ).encode()


def _metadata(title: str, instant: str) -> bytes:
    """Return the XMP packet that declares the file a Factur-X invoice."""
    fields = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{meaning}</pdfaProperty:description></rdf:li>"
        for name, meaning in (
            ("DocumentFileName", "Name of the embedded XML"),
            ("DocumentType", "Kind of the document"),
            ("Version", "Version of the schema"),
            ("ConformanceLevel", "Profile of the XML"),
        )
    )
    return (
        '<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">'
        "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance></rdf:Description>"
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(title)}</rdf:li></rdf:Alt>'
        "</dc:title></rdf:Description>"
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
        f"<xmp:CreateDate>{instant}</xmp:CreateDate></rdf:Description>"
        '<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"'
        ' xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"'
        ' xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">'
        '<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
        "<pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
        "</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{fields}</rdf:Seq></pdfaSchema:property>"
        "</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"
        '<rdf:Description rdf:about=""'
        ' xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">'
        "<fx:DocumentType>INVOICE</fx:DocumentType>"
        "<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>"
        "<fx:Version>1.0</fx:Version><fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    ).encode()


def _shown(invoice: Invoice) -> list[str]:
    """Return the lines of text that a reader of the PDF sees."""
    net, vat = invoice.net, invoice.vat
    seller = invoice.seller
    return [
        f"FACTURE {invoice.number}",
        f"Date : {invoice.issued}    Échéance : {invoice.due}",
        "",
        f"{seller.name}, {seller.street}, {seller.zip_code} {seller.city}",
        f"À : {invoice.buyer.name}, {invoice.buyer.zip_code} {invoice.buyer.city}",
        "",
        *(
            f"{line.quantity} x {line.title} à {decimal(line.unit_price)} = "
            f"{decimal(line.subtotal)} {invoice.currency} HT (TVA {line.rate} %)"
            for line in invoice.lines
        ),
        "",
        f"Total HT {decimal(net)} {invoice.currency}",
        f"TVA {decimal(vat)} {invoice.currency}",
        f"Total TTC {decimal(net + vat)} {invoice.currency}",
        f"IBAN {invoice.iban}",
    ]


def facturx(invoice: Invoice, identity: int) -> bytes:
    """Return the invoice as a PDF that carries its own XML as `factur-x.xml`."""
    xml = cross_industry_invoice(invoice)
    packed = zlib.compress(xml, 9)
    modified = invoice.issued.replace("-", "")
    parameters = f"/Params << /Size {len(xml)} /ModDate (D:{modified}000000Z) >>"
    title = f"Facture {invoice.number}"
    return assemble(
        [
            (
                b"<< /Type /Catalog /Pages 2 0 R /Lang (fr-FR) /MarkInfo << /Marked true >> "
                b"/Metadata 8 0 R /Names << /EmbeddedFiles << /Names [(factur-x.xml) 6 0 R] >> >> "
                b"/AF [6 0 R] /PageMode /UseAttachments >>"
            ),
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R {PAGE} /Contents 5 0 R >>".encode(),
            FONT,
            stream("", page(_shown(invoice))),
            (
                b"<< /Type /Filespec /F (factur-x.xml) /UF (factur-x.xml) /AFRelationship /Data "
                b"/Desc (Factur-X invoice) /EF << /F 7 0 R /UF 7 0 R >> >>"
            ),
            stream(
                f"/Type /EmbeddedFile /Subtype /text#2Fxml /Filter /FlateDecode {parameters}",
                packed,
            ),
            stream(
                "/Type /Metadata /Subtype /XML", _metadata(title, f"{invoice.issued}T00:00:00Z")
            ),
        ],
        identity,
    )
