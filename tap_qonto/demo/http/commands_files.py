"""Commands that bring documents: uploads, and supplier invoices by the dozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from tap_qonto.demo.http import bodies
from tap_qonto.demo.http.messages import RefusalError, Request, pointed
from tap_qonto.demo.world import received
from tap_qonto.demo.world.moments import SECOND

if TYPE_CHECKING:
    from tap_qonto.demo.http.desk import Desk
    from tap_qonto.demo.world.rows import Row

_MEGABYTE: Final = 1_000_000
_UPLOAD: Final = 15 * _MEGABYTE
_INVOICE: Final = 10 * _MEGABYTE
_REQUEST: Final = 15 * _MEGABYTE + 100_000
"""Bytes of a request, the names of its parts included."""

_ITEMS: Final = 20
_PREFIX: Final = "supplier_invoices[]"
_SOURCES: Final = (
    "pay_by_invoice", "supplier_invoices", "integration", "transaction_attachment",
    "generic_upload",
)  # fmt: skip


def upload(desk: Desk, request: Request) -> Row:
    """Keep a file for later use.

    Raises:
        RefusalError: There is no file (400), or none that is accepted (422).
    """
    parts = [part for part in bodies.parts_of(request) if part.name == "file"]
    if len(parts) != 1:
        raise RefusalError(
            400, "bad_request", "one part named file is required", more=pointed("/file")
        )
    file = received.Upload(parts[0].file_name or "file", parts[0].content)
    if not file.content or len(file.content) > _UPLOAD or file.kind is None:
        bodies.refuse("/file", "File is empty, too large or of a wrong content type")
    return {"attachment": {"id": received.keep(desk.company, file, desk.now)}}


def create_supplier_invoices(desk: Desk, request: Request) -> Row:
    """Take documents as supplier invoices; each item succeeds or fails by itself.

    Raises:
        RefusalError: The request as a whole cannot be read (400).
    """
    if len(request.body) > _REQUEST:
        raise RefusalError(400, "limit_reached", "the request is larger than 15 MB")
    items, options = _items(bodies.parts_of(request))
    if not 1 <= len(items) <= _ITEMS:
        raise RefusalError(400, "limit_reached", f"1 to {_ITEMS} supplier invoices are taken")
    keys = [_text(item.get("idempotency_key")) for item in items]
    if not all(keys) or len(set(keys)) != len(keys):
        detail = "each item needs an idempotency_key of its own"
        raise RefusalError(400, "bad_request", detail, more=pointed("/supplier_invoices"))
    created: list[Row] = []
    errors: list[Row] = []
    for key, item in zip(keys, items, strict=True):
        try:
            created.append(_receive(desk, key, item, options))
        except RefusalError as refusal:
            errors.append(refusal.item)
    # Nobody promises an order, so nobody shall rely on one.
    return {"supplier_invoices": created[::-1], "errors": errors}


def _items(parts: list[bodies.Part]) -> tuple[list[dict[str, bodies.Part]], Row]:
    """Gather the parts into items: a name that an item has already begins the next one."""
    items: list[dict[str, bodies.Part]] = []
    options: Row = {}
    for part in parts:
        if not part.name.startswith(f"{_PREFIX}["):
            options[part.name] = part.content.decode("utf-8", "replace")
            continue
        name = part.name.removeprefix(_PREFIX)[1:-1]
        if not items or name in items[-1]:
            items.append({})
        items[-1][name] = part
    return items, options


def _text(part: bodies.Part | None) -> str:
    return "" if part is None else part.content.decode("utf-8", "replace").strip()


def _receive(desk: Desk, key: str, item: dict[str, bodies.Part], options: Row) -> Row:
    company, pointer = desk.company, f"/supplier_invoices/idempotency_key/{key}"
    kept = company.get("answers", f"{_PREFIX} {key}")
    if kept is not None and desk.now < kept["at"] + desk.writing.key_life * SECOND:
        row = company.get("supplier_invoices", kept["invoice"])
        if row is not None:
            return row
    attachment = _document(desk, item, pointer)
    source = options.get("source") or "generic_upload"
    if source not in _SOURCES:
        _refuse("invalid", "source is none of those known", f"{pointer}/source")
    row = received.receive(
        company, attachment, source=source, meta=_meta(options.get("meta"), pointer), now=desk.now
    )
    company.put("answers", {"id": f"{_PREFIX} {key}", "at": desk.now, "invoice": row["id"]})
    return row


def _document(desk: Desk, item: dict[str, bodies.Part], pointer: str) -> str:
    """Return the id of an item's document, which was uploaded before or comes with it."""
    company, file, named = desk.company, item.get("file"), _text(item.get("attachment_id"))
    if (file is None) == (not named):
        detail = "exactly one of file and attachment_id is required"
        _refuse("required", detail, pointer)
    if file is not None:
        new = received.Upload(file.file_name or "file", file.content)
        if not new.content or len(new.content) > _INVOICE or new.kind is None:
            detail = "File is too large or wrong content type"
            _refuse("invalid", detail, f"{pointer}/file")
        return received.keep(company, new, desk.now)
    known = company.get("attachments", named)
    if known is None or int(known["file_size"]) > _INVOICE:
        _refuse("invalid", "attachment_id is not found or too large", pointer)
    if desk.writing.keep_attachment_id:
        return named
    copy = received.Upload(known["file_name"], company.document(named))
    return received.keep(company, copy, desk.now)


def _meta(text: str | None, pointer: str) -> Row | None:
    if text is None:
        return None
    try:
        meta: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        meta = None
    if not isinstance(meta, dict):
        _refuse("invalid", "meta is no JSON object", f"{pointer}/meta")
    return {name: meta[name] for name in ("integration_type", "connector") if name in meta}


def _refuse(code: str, detail: str, pointer: str) -> NoReturn:
    raise RefusalError(422, code, detail, more=pointed(pointer))
