"""One request for supplier invoices, and what its answer says of each of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_qonto.api.pages import Post
from tap_qonto.api.redaction import printable
from tap_qonto.writing.found import unwrapped
from tap_qonto.writing.post import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_qonto.api.pages import Row

PATH: Final = "/supplier_invoices/bulk"


def request(keys: Mapping[str, str]) -> Post:
    """Return the request for items; the parts of one stand together, the key first.

    Args:
        keys: Idempotency keys by the IDs of uploaded files.
    """
    boundary = "tap-qonto-supplier-invoices"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="supplier_invoices[][{name}]"'
        f"\r\n\r\n{value}\r\n"
        for attachment, key in keys.items()
        for name, value in (("idempotency_key", key), ("attachment_id", attachment))
    ]
    body = f"{''.join(parts)}--{boundary}--\r\n".encode()
    return Post(PATH, body, content_type=f"multipart/form-data; boundary={boundary}")


class Answer(NamedTuple):
    """What an answer tells."""

    created: Sequence[Row]
    """Supplier invoices, in whatever order."""
    errors: Sequence[Row]

    @classmethod
    def of(cls, body: Any) -> Answer:
        """Read an answer, whatever it is wrapped in."""
        answer = body if isinstance(body, dict) else {}
        data = answer.get("data")
        answer = data if isinstance(data, dict) else answer
        listed = answer.get("supplier_invoices")
        rows = (unwrapped(each, "supplier_invoice") for each in _listed(listed))
        return cls([row for row in rows if row], list(_errors(answer.get("errors"))))

    def errors_of(self, keys: Mapping[str, str]) -> dict[str, Row | None]:
        """Return the error of each item, by the ID of its file.

        Args:
            keys: Idempotency keys by the IDs of uploaded files.
        """
        found = {attachment: _of(self.errors, key) for attachment, key in keys.items()}
        if len(keys) == 1 and self.errors:  # what names none can be about no other one
            return {attachment: error or self.errors[0] for attachment, error in found.items()}
        return found

    def outcome(self, invoice: Row | None, error: Row | None) -> Outcome:
        """Return what became of an item; what is said twice or not at all is unknown.

        Args:
            invoice: What was made of it.
            error: What is said to be wrong with it.
        """
        if invoice and not error:
            return Outcome(Kind.ACCEPTED, code=printable(invoice.get("status")), body=invoice)
        if error and not invoice:
            code, said = _said(error)
            return Outcome(Kind.REFUSED, f"Qonto did not take the document {said}", code)
        reason = f"POST {PATH} was answered without this item"
        if self.errors and not error:
            reason += f", and with an error that does not name it {_said(self.errors[0])[1]}"
        return Outcome(Kind.UNKNOWN, reason, "not_answered")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _errors(value: Any) -> Iterator[Row]:
    """Yield all errors of an answer, however they are nested."""
    for error in [value] if isinstance(value, dict) else _listed(value):
        if isinstance(error, dict):
            yield error
            yield from _errors(error.get("errors"))


def _of(errors: Sequence[Row], key: str) -> Row | None:
    """Return the error that names an item, wherever Qonto has put its key."""
    for error in errors:
        flat = {name: value for name, value in error.items() if name != "errors"}
        if key in msgspec.json.encode(flat).decode().lower():
            return error
    return None


def _said(error: Mapping[str, Any]) -> tuple[str, str]:
    """Return an error's code, and the error as people read it."""
    code = printable(error.get("code") or "invalid")
    detail = printable(error.get("detail") or error.get("message") or "")
    return code, f"({code}): {detail}" if detail else f"({code})"
