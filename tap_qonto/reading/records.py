"""One row of the API in, one clean row out: promised types, uniform timestamps, nothing lost.

The stream's JSON Schema says what a column holds; it is compiled once per stream into a table of
what to do with each field, because everything done per row shows at 10,000 rows per second.

Three things can be wrong with a field, and each is reported once per stream and run:

* Qonto sends one that the schema does not know. Inside an object it is kept where it is; at the
  top it moves into the column ``additional_properties``.
* It has another type than promised. It is converted if that loses nothing (``"51234"`` to 51234,
  ``12.5`` to ``"12.5"``); otherwise the column is null and the value is kept, as text, in
  ``additional_properties`` under the field's path.
* It is a link that grants access to a document by itself. It is dropped.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tap_qonto.api.errors import RowError
from tap_qonto.api.instants import uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.api.pages import Row


ADDITIONAL: Final = "additional_properties"
"""The column that holds what no other column can."""


_PRESIGNED = re.compile(
    r"https?://[^\s]*[?&](x-amz-signature|x-amz-security-token|x-goog-signature|signature|sig)=",
    re.IGNORECASE,
)


_WOBBLING = frozenset({"account_number", "file_size", "guarding_rate", "vat_details"})
"""Fields that Qonto is known to send as text here and as a number there: no news to anybody."""


class Cleaner:
    """Makes the rows of one stream clean.

    Args:
        stored: The stream's schema as its file has it, which marks fields that must not leave
            the tap with ``false``.
        effective: The schema in force: the catalog's, if there is one.
        keys: Names of the primary key's fields, which may not be null.
        warn: Is told of each kind of deviation when it is first seen: a sentence without values.
    """

    def __init__(
        self,
        stored: Mapping[str, Any],
        effective: Mapping[str, Any],
        keys: tuple[str, ...],
        warn: Callable[[str], None],
    ) -> None:
        self._notices = _Notices(warn, ADDITIONAL in effective.get("properties", {}))
        self._row = _Object(effective, stored, self._notices)
        self._keys = keys

    def __call__(self, row: Any) -> Row:
        """Return the row, changed in place.

        Raises:
            RowError: If the row is no object, or lacks its primary key.
        """
        if type(row) is not dict:
            msg = f"Qonto sent {_kind(row)} where a row was expected"
            raise RowError(msg)
        leftovers: Row = {}
        for name in self._row.clean(row, (), leftovers):
            leftovers[name] = row.pop(name)
        if leftovers and self._notices.has_column:
            row[ADDITIONAL] = leftovers
        for name in self._keys:
            if row.get(name) is None:
                msg = f"Qonto sent a row without the primary key field {name!r}"
                raise RowError(msg)
        return row


_Place = tuple[Any, ...]
"""Where a value stands: its container's place, then its name or position; empty for the row."""


def _path(place: _Place) -> str:
    """Return a place as people write it, for example ``vat_details.items[0].rate``."""
    if not place:
        return ""
    container, name = place
    if type(name) is int:
        return f"{_path(container)}[{name}]"
    return f"{_path(container)}.{name}" if container else str(name)


class _Notices:
    """Warns of each kind of deviation once per stream and run, and never tells a value."""

    def __init__(self, warn: Callable[[str], None], has_column: bool) -> None:
        self.has_column = has_column
        self._warn = warn
        self._said: set[str] = set()

    def new_field(self, place: _Place) -> None:
        if "field" in self._said:
            return
        path = _path(place)
        self._said.add("field")
        top = f"kept in the column {ADDITIONAL}" if self.has_column else "dropped"
        self._warn(
            f"Qonto sends the field {path!r}, which the catalog does not know. New fields inside "
            f"an object are kept there; new columns are {top}"
        )

    def wrong_type(self, place: _Place, found: str, promised: str) -> None:
        if "type" in self._said:
            return
        path = _path(place)
        if not _WOBBLING.isdisjoint(re.split(r"[.\[]", path)):
            return
        self._said.add("type")
        self._warn(
            f"Qonto sends {found} in the field {path!r} instead of {promised}; such values are "
            f"converted, or kept as text in the column {ADDITIONAL}"
        )

    def unfit(self, value: Any, place: _Place, leftovers: Row, promised: str) -> None:
        """Leave a value that cannot be converted, as text, to the leftovers."""
        if value is not None:
            leftovers[_path(place)] = as_text(without_links(value))
        self.wrong_type(place, _kind(value), promised)


class _Field(NamedTuple):
    """What to do with one field."""

    passing: frozenset[type]
    """Values of exactly these types pass as they are."""
    convert: Callable[[Any, _Place, Row], Any]
    """Makes the promised value of any other (value, place, leftovers); None if it cannot."""


class _Object:
    """The fields of a row, or of an object inside one."""

    def __init__(
        self,
        schema: Mapping[str, Any],
        stored: Mapping[str, Any],
        notices: _Notices,
        *,
        known: bool = False,
    ) -> None:
        marked = stored.get("properties") or {}
        fields = {
            name: _field(field, marked.get(name), notices, known or name in _WOBBLING)
            for name, field in (schema.get("properties") or {}).items()
            if field is not False and name != ADDITIONAL
        }
        self._passing = {name: field.passing for name, field in fields.items()}
        self._convert = {name: field.convert for name, field in fields.items()}
        self._dropped = frozenset(name for name, field in marked.items() if field is False)
        self._notices = notices

    def clean(self, row: Row, place: _Place, leftovers: Row) -> list[str]:
        """Clean an object in place; return the names of the fields that its schema lacks.

        Args:
            row: The object.
            place: Where it stands.
            leftovers: Receives, by path, what cannot be converted, as text.
        """
        passing = self._passing
        unknown: list[str] = []
        for name, value in row.items():
            try:
                if type(value) in passing[name]:
                    continue
            except KeyError:
                unknown.append(name)
            else:
                row[name] = self._convert[name](value, (place, name), leftovers)
        if unknown:
            for name in self._dropped.intersection(unknown):
                del row[name]
                unknown.remove(name)
            for name in unknown:
                row[name] = without_links(row[name])
                if passing:  # an object of which the schema tells nothing holds no news
                    self._notices.new_field((place, name))
        return unknown

    def convert(self, value: Any, place: _Place, leftovers: Row) -> Row | None:
        """Clean an object inside a row; what its schema lacks stays where it is."""
        if type(value) is not dict:
            self._notices.unfit(value, place, leftovers, "an object")
            return None
        self.clean(value, place, leftovers)
        return value


def _field(schema: Mapping[str, Any], stored: Any, notices: _Notices, known: bool) -> _Field:
    """Return what to do with a field of the given schema; `known` if it wobbles."""
    stored = stored or {}
    null = frozenset({type(None)} if "null" in stored.get("type", ["null"]) else ())
    kind, form = _type(schema), schema.get("format")
    if kind == "object":
        inside = _Object(schema, stored, notices, known=known)
        return _Field(null, inside.convert)
    if kind == "array":
        item = _field(schema.get("items") or {}, stored.get("items"), notices, known)
        return _Field(null, _array_of(item, notices))
    scalars: dict[tuple[str, Any], tuple[str, set[type], Callable[[Any], Any]]] = {
        ("string", form): ("text", {str}, _text),
        ("string", "date-time"): ("a timestamp", set(), uniform),
        ("string", "date"): ("a date", set(), _date),
        ("integer", form): ("an integer", {int}, _integer),
        ("number", form): ("a number", {int, float, Decimal}, _number),
        ("boolean", form): ("a boolean", {bool}, _boolean),
    }
    if (kind or "", form) not in scalars:
        return _Field(null, lambda value, *_: without_links(value))
    promised, passing, make = scalars[kind or "", form]
    news = bool(passing) and not known
    return _Field(null | passing, _scalar(promised, make, notices, news))


def _type(schema: Mapping[str, Any]) -> str | None:
    """Return the one type of a schema besides null; None if it allows several, or any."""
    kinds = schema.get("type", ())
    names = {kinds} if isinstance(kinds, str) else set(kinds) - {"null"}
    return names.pop() if len(names) == 1 else None


def _array_of(item: _Field, notices: _Notices) -> Callable[[Any, _Place, Row], list[Any] | None]:
    """Return what cleans the items of an array in place."""
    passing, convert_item = item

    def convert(value: Any, place: _Place, leftovers: Row) -> list[Any] | None:
        if type(value) is not list:
            notices.unfit(value, place, leftovers, "an array")
            return None
        for position, element in enumerate(value):
            if type(element) not in passing:
                value[position] = convert_item(element, (place, position), leftovers)
        return value

    return convert


def _scalar(
    promised: str, make: Callable[[Any], Any], notices: _Notices, news: bool
) -> Callable[[Any, _Place, Row], Any]:
    """Return what converts a single value; `news` if having to do so breaks Qonto's promise."""

    def convert(value: Any, place: _Place, leftovers: Row) -> Any:
        try:
            made = make(value)
        except (ValueError, TypeError):
            notices.unfit(value, place, leftovers, promised)
            return None
        if news:
            notices.wrong_type(place, _kind(value), promised)
        return made

    return convert


def _date(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return date.fromisoformat(value[:10]).isoformat()


def _text(value: Any) -> str:
    if value is None:
        raise ValueError
    return as_text(without_links(value))


def _integer(value: Any) -> int:
    if type(value) is str and value.isdecimal() and len(value) < _LONGEST:
        return int(value)
    number = _number(value)
    if number != number.to_integral_value() or abs(number) >= 2**63:
        raise ValueError
    return int(number)


_LONGEST = len(str(2**63))
"""Digits from which on an integer may not fit into 64 bits."""


def _number(value: Any) -> Decimal:
    if type(value) not in _NUMERIC:
        raise ValueError
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError from error
    if not number.is_finite():
        raise ValueError
    return number


_NUMERIC = frozenset({str, int, float, Decimal})
"""Types of a value that may be a number."""


def _boolean(value: Any) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    if value in (0, 1):
        return bool(value)
    raise ValueError


def without_links(value: Any) -> Any:
    """Return a JSON value in which pre-signed links, at any depth, are null.

    Such a link opens a document to whoever holds it, and is worthless half an hour later.
    """
    match value:
        case str() if _PRESIGNED.search(value):
            return None
        case dict():
            return {name: without_links(inner) for name, inner in value.items()}
        case list():
            return [without_links(inner) for inner in value]
        case _:
            return value


def as_text(value: Any) -> str:
    """Return any JSON value as text; text stays as it is."""
    return value if isinstance(value, str) else _encoder.encode(value).decode()


_encoder = msgspec.json.Encoder(decimal_format="number")


def _kind(value: Any) -> str:
    """Return what JSON calls the value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "text"
        case int() | float() | Decimal():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
