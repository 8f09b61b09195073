"""The electronic invoice inside a PDF: Factur-X, ZUGFeRD, XRechnung.

Both the PDF and its XML come from outside. Of the PDF only the catalogue and the embedded files
are looked at, with the limits on decompressed sizes of the PDF library in force; of the XML no
entity is expanded and nothing is fetched. What that costs in time and memory is limited by whoever
calls it (`reader`).
"""

from __future__ import annotations

import codecs
import logging
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from tap_qonto.api.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator


NAMES = ("factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml")
"""Names under which the standards embed an invoice, the newest first; case does not matter."""


LARGEST_XML = 10_000_000
"""Bytes of XML beyond which it is no invoice."""


class Invoice(NamedTuple):
    """An electronic invoice."""

    profile: str | None
    """MINIMUM, BASIC WL, BASIC, EN 16931, EXTENDED and so on; None if its guideline is unknown."""
    xml: str
    """Its text, without a byte order mark."""


def read_invoice(pdf: BinaryIO) -> Invoice | None:
    """Return the electronic invoice that a PDF embeds; None if there is none.

    Args:
        pdf: The document, seekable.

    Raises:
        UnreadableError: If the PDF is broken or encrypted, or its XML is broken or forbidden.
    """
    xml = _embedded(pdf)
    return None if xml is None else _parsed(xml)


def _embedded(pdf: BinaryIO) -> bytes | None:
    """Return the XML of a PDF's invoice."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # would retell each fault of each PDF
    try:
        found = _invoices(pypdf.PdfReader(pdf, strict=False).root_object)
        name = next((name for name in NAMES if name in found), None)
        return None if name is None else _content(found[name])
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a broken file lets the library run into
        kind = type(error).__name__
        encrypted = kind in ("FileNotDecryptedError", "DependencyError")
        msg = "it is encrypted" if encrypted else f"it is broken ({kind})"
        raise UnreadableError(msg) from None


def _invoices(catalog: Any) -> dict[str, Any]:
    """Return the file specifications that may hold an invoice, by lower-case name."""
    found: dict[str, Any] = {}
    for specification in _specifications(catalog):
        for key in ("/UF", "/F"):
            name = str(specification.get(key, "")).rpartition("/")[2].lower()
            if name in NAMES:
                found.setdefault(name, specification)
    return found


def _specifications(catalog: Any) -> Iterator[Any]:
    """Yield the specifications of a PDF's embedded files: by name, and as associated files."""
    names = _object(catalog.get("/Names"))
    tree = [_object(names.get("/EmbeddedFiles"))] if isinstance(names, dict) else []
    for visited, node in enumerate(tree):
        if not isinstance(node, dict) or visited > _MOST_FILES:
            break
        tree += [_object(kid) for kid in (_object(node.get("/Kids")) or ())[:_MOST_FILES]]
        for entry in (_object(node.get("/Names")) or ())[1 : 2 * _MOST_FILES : 2]:
            if isinstance(specification := _object(entry), dict):
                yield specification
    # Some producers only write the list that Factur-X asks for besides.
    for entry in (_object(catalog.get("/AF")) or ())[:_MOST_FILES]:
        if isinstance(specification := _object(entry), dict):
            yield specification


_MOST_FILES = 1_000


def _object(value: Any) -> Any:
    """Return what an indirect reference stands for."""
    return value.get_object() if hasattr(value, "get_object") else value


def _content(specification: Any) -> bytes:
    streams = _object(specification["/EF"])
    stream = _object(streams.get("/UF") or streams["/F"])
    content: bytes = stream.get_data()
    if len(content) > LARGEST_XML:
        msg = f"its XML has {len(content):,} bytes"
        raise UnreadableError(msg)
    return content


def _parsed(xml: bytes) -> Invoice:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    if not xml.startswith(_WIDE):
        xml = xml.strip(b"\0\r\n\t ")
    guideline = _Guideline()
    try:
        parser = DefusedXMLParser(target=guideline, forbid_dtd=True)
        parser.feed(xml)
        parser.close()
        text = _text(xml)
    except DefusedXmlException:
        msg = "its XML declares a document type, which no invoice may"
        raise UnreadableError(msg) from None
    except (ParseError, ValueError, LookupError):
        msg = "its XML is broken"
        raise UnreadableError(msg) from None
    return Invoice(_profile(guideline.id), text)


_DECLARED = re.compile(r"^\s*<\?xml[^>]*\?>")


class Totals(NamedTuple):
    """What an electronic invoice asks for."""

    cents: int | None
    """The total with VAT; None if it does not say."""
    currency: str | None


def read_totals(xml: str) -> Totals:
    """Return the total of an electronic invoice, in either syntax.

    Args:
        xml: Its text.

    Raises:
        UnreadableError: If it is broken or forbidden.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        # What it declares held for the bytes that it was decoded from.
        root = fromstring(_DECLARED.sub("", xml, count=1), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        msg = "its XML is broken"
        raise UnreadableError(msg) from None
    texts: dict[str, str] = {}
    for element in root.iter():
        name = str(element.tag).rpartition("}")[2]
        texts.setdefault(name, (element.text or "").strip())
    total = texts.get("GrandTotalAmount") or texts.get("TaxInclusiveAmount")
    try:
        cents = None if not total else int(Decimal(total).scaleb(2))
    except (ArithmeticError, ValueError):
        msg = "its total is no number"
        raise UnreadableError(msg) from None
    currency = texts.get("InvoiceCurrencyCode") or texts.get("DocumentCurrencyCode")
    return Totals(cents, currency or None)


_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


_ENCODING = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")


def _text(xml: bytes) -> str:
    if xml.startswith(_WIDE):
        return xml.decode("utf-16")
    declared = _ENCODING.match(xml.removeprefix(codecs.BOM_UTF8))
    encoding = declared[1].decode() if declared else "utf-8"
    return xml.decode("utf-8-sig" if xml.startswith(codecs.BOM_UTF8) else encoding)


class _Guideline:
    """Hears the parser out for the guideline that an invoice says to follow, in either syntax."""

    def __init__(self) -> None:
        self.id = ""
        """The first one's ID."""
        self._path: list[str] = []
        self._found = False

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._path.append(tag.rpartition("}")[2])

    def data(self, text: str) -> None:
        if not self._found and self._is_guideline():
            self.id += text

    def end(self, _tag: str) -> None:
        self._found = self._found or (bool(self.id) and self._is_guideline())
        self._path.pop()

    def close(self) -> None:
        self.id = self.id.strip()

    def _is_guideline(self) -> bool:
        return self._path[-1] == "CustomizationID" or self._path[-2:] == [
            "GuidelineSpecifiedDocumentContextParameter",
            "ID",
        ]


_PROFILES = (
    (re.compile(r":extended-ctc-fr$"), "EXTENDED-CTC-FR"),
    (re.compile(r":xrechnung(_[\d.]+)?(\W|$)"), "XRECHNUNG"),
    (re.compile(r":minimum$"), "MINIMUM"),
    (re.compile(r":basicwl$"), "BASIC WL"),
    (re.compile(r":basic$"), "BASIC"),
    (re.compile(r":en16931$"), "EN 16931"),
    (re.compile(r":comfort$"), "COMFORT"),
    (re.compile(r":extended$"), "EXTENDED"),
    (re.compile(r"^urn:cen\.eu:en16931:2017$"), "EN 16931"),
)
"""What the guideline IDs that the standards publish end with, from ZUGFeRD 1 to Factur-X."""


def _profile(guideline: str) -> str | None:
    lower = guideline.lower()
    return next((profile for pattern, profile in _PROFILES if pattern.search(lower)), None)
