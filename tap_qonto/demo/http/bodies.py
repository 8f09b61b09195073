"""How the bodies of commands are read: JSON objects and forms of several parts."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import msgspec

from tap_qonto.demo.http.messages import RefusalError, Request, pointed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_qonto.demo.world.rows import Row

AMOUNT: Final = re.compile(r"\d{1,12}(\.\d{1,2})?", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,12}(\.\d{1,10})?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Part(NamedTuple):
    """One part of a form."""

    name: str
    content: bytes
    file_name: str | None


def json_of(request: Request) -> Row:
    """Return the object in the body.

    Raises:
        RefusalError: There is none (400).
    """
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusalError(400, "bad_request", "the Content-Type must be application/json")
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusalError(400, "malformed_json", "the body is no JSON") from error
    if not isinstance(body, dict):
        raise RefusalError(400, "bad_request", "the body must be an object")
    return body


def parts_of(request: Request) -> list[Part]:
    """Return the parts of a form, in order.

    Raises:
        RefusalError: The body is no form of several parts (400).
    """
    refused = RefusalError(400, "bad_request", "the body must be multipart/form-data")
    kind = _parameters(f"Content-Type: {request.header('content-type') or ''}".encode())
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/form-data" or not boundary:
        raise refused
    mark = rb"\r\n--" + re.escape(boundary.encode()) + rb"(?=\r\n|--)"
    sections = re.split(mark, b"\r\n" + request.body)
    if len(sections) < 2 or not sections[-1].startswith(b"--"):
        raise refused
    parts = []
    for section in sections[1:-1]:
        head, found, content = section.partition(b"\r\n\r\n")
        header = _parameters(head.strip())
        name = header.get_param("name", header="content-disposition")
        if not found or not isinstance(name, str):
            raise refused
        parts.append(Part(name, content, header.get_filename()))
    return parts


def _parameters(head: bytes) -> Any:
    return HeaderParser().parsestr(head.decode("utf-8", "replace"))


def refuse(pointer: str, detail: str, code: str = "invalid") -> NoReturn:
    """Refuse a value in the body.

    Raises:
        RefusalError: In any case (422).
    """
    more = {"status": "422", "message": detail, **pointed(pointer)}
    raise RefusalError(422, code, detail, more=more)


def text(body: Mapping[str, Any], name: str, most: int, *, at: str = "") -> str:
    """Return a text that must be there.

    Args:
        body: Where it is.
        name: Its name.
        most: Characters that it may have.
        at: Pointer of `body`.

    Raises:
        RefusalError: It is missing, empty, too long or no text (422).
    """
    value = optional_text(body, name, most, at=at)
    if not value:
        refuse(f"{at}/{name}", f"{name} is required", "required")
    return value


def optional_text(body: Mapping[str, Any], name: str, most: int, *, at: str = "") -> str | None:
    """Return a text, or None when there is none.

    Raises:
        RefusalError: It is too long or no text (422).
    """
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        refuse(f"{at}/{name}", f"{name} must be a string", "invalid_format")
    if len(value) > most:
        refuse(f"{at}/{name}", f"{name} is longer than {most} characters")
    return value


def object_in(body: Mapping[str, Any], name: str, *, at: str = "") -> Row:
    """Return an object that must be there.

    Raises:
        RefusalError: It is missing or no object (422).
    """
    value = body.get(name)
    if not isinstance(value, dict):
        refuse(f"{at}/{name}", f"{name} is required", "required")
    return value


def decimal_in(body: Mapping[str, Any], name: str, *, at: str) -> Decimal:
    """Return a decimal number in a text.

    Raises:
        RefusalError: It is missing, or not written so (422).
    """
    value = body.get(name)
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        refuse(f"{at}/{name}", f"{name} must be a decimal in a string", "invalid_format")
    return Decimal(value)


def day_in(body: Mapping[str, Any], name: str, *, at: str = "") -> str:
    """Return a day that must be there, as YYYY-MM-DD.

    Raises:
        RefusalError: It is missing or no day (422).
    """
    value = body.get(name)
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    refuse(f"{at}/{name}", f"{name} must be a date (YYYY-MM-DD)", "invalid_format")


def ids_in(body: Mapping[str, Any], name: str, most: int, *, at: str) -> Sequence[str]:
    """Return a list of ids, empty when there is none.

    Raises:
        RefusalError: It is no list of texts, or too long (422).
    """
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        refuse(f"{at}/{name}", f"{name} must be a list of ids")
    if len(value) > most:
        refuse(f"{at}/{name}", f"{name} takes {most} ids at most")
    return value
