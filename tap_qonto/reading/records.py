"""One row of the API in, one clean row out: promised types, uniform timestamps, nothing lost.

The stream's JSON Schema says what a column holds; it is compiled once per stream into a table of
what to do with each field, because everything done per row shows at 10,000 rows per second.

Four things can be wrong with a field. Rows carry what there is to tell to whoever writes them:

* Qonto sends one that the schema does not know. Inside an object it is kept where it is; at the
  top it moves into the column ``additional_properties``.
* It has another type than promised. It is converted if that loses nothing (``"51234"`` to 51234,
  ``12.5`` to ``"12.5"``); otherwise the column is null and the value is kept, as text, in
  ``additional_properties`` under the field's path.
* It cannot be read at all, or only as text. The same is done with it.
* It is a link that grants access to a document by itself. It is dropped.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_qonto.api.errors import RowError
from tap_qonto.api.instants import uniform
from tap_qonto.reading.findings import (
    ADDITIONAL,
    KEYLESS,
    UNKNOWN,
    WOBBLING,
    Finds,
    TellingRow,
    as_text,
    kind_of,
    unreadable_text,
    without_links,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_qonto.api.pages import Row
    from tap_qonto.reading.findings import Place


class Cleaner:
    """Makes the rows of one stream clean.

    Args:
        stored: The stream's schema as its file has it, which marks fields that must not leave
            the tap with ``false``.
        effective: The schema in force: the catalog's, if there is one.
        keys: Names of the primary key's fields, which may not be null.
        where: The request that the rows come from, for messages.
    """

    def __init__(
        self,
        stored: Mapping[str, Any],
        effective: Mapping[str, Any],
        keys: tuple[str, ...],
        where: str,
    ) -> None:
        self.has_column = ADDITIONAL in effective.get("properties", {})
        """Whether there is a column for what no other column can hold."""
        self._row = _Object(effective, stored)
        self._keys = keys
        self._where = where

    def __call__(self, row: Any) -> Row:
        """Return the row, changed in place.

        Raises:
            RowError: If the row is no object, or lacks its primary key.
        """
        if type(row) is not dict:
            msg = f"{self._where} answered {kind_of(row)} where a row was expected"
            raise RowError(msg)
        finds = Finds()
        for name in self._row.clean(row, (), finds):
            finds[name] = row.pop(name)
        if finds and self.has_column:
            row[ADDITIONAL] = dict(finds)
        for name in self._keys:
            if row.get(name) is None:
                return self._without_key(row, name, finds)
        return TellingRow(row, finds.notes) if finds.notes else row

    def _without_key(self, row: Row, name: str, finds: Finds) -> Row:
        """Return a row that nobody can find again, so that its list is counted whole.

        Raises:
            RowError: If it does not even have a field for its key.
        """
        if name not in row and unreadable_text(row) is None:
            msg = f"{self._where} answered a row without the primary key field {name!r}"
            raise RowError(msg)
        finds.note(KEYLESS, ((), name))
        # Whoever reads the list tells rows apart by their keys.
        row[name] = f"\0{hash(repr(row))}"
        return TellingRow(row, finds.notes, is_usable=False)


class _Field(NamedTuple):
    """What to do with one field."""

    passing: frozenset[type]
    """Values of exactly these types pass as they are."""
    convert: Callable[[Any, Place, Finds], Any]
    """Makes the promised value of any other (value, place, finds); None if it cannot."""


class _Object:
    """The fields of a row, or of an object inside one."""

    def __init__(
        self,
        schema: Mapping[str, Any],
        stored: Mapping[str, Any],
        *,
        known: bool = False,
    ) -> None:
        marked = stored.get("properties") or {}
        fields = {
            name: _field(field, marked.get(name), known or name in WOBBLING)
            for name, field in (schema.get("properties") or {}).items()
            if field is not False and name != ADDITIONAL
        }
        self._passing = {name: field.passing for name, field in fields.items()}
        self._convert = {name: field.convert for name, field in fields.items()}
        self._dropped = frozenset(name for name, field in marked.items() if field is False)

    def clean(self, row: Row, place: Place, finds: Finds) -> list[str]:
        """Clean an object in place; return the names of the fields that its schema lacks.

        Args:
            row: The object.
            place: Where it stands.
            finds: Receives, by path, what cannot be converted, as text.
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
                row[name] = self._convert[name](value, (place, name), finds)
        if unknown:
            for name in self._dropped.intersection(unknown):
                del row[name]
                unknown.remove(name)
            for name in unknown:
                row[name] = finds.washed(row[name], (place, name))
                if passing:  # an object of which the schema tells nothing holds no news
                    finds.note(UNKNOWN, (place, name))
        return unknown

    def convert(self, value: Any, place: Place, finds: Finds) -> Row | None:
        """Clean an object inside a row; what its schema lacks stays where it is."""
        if type(value) is not dict or unreadable_text(value) is not None:
            finds.unfit(value, place, "an object")
            return None
        self.clean(value, place, finds)
        return value


def _field(schema: Mapping[str, Any], stored: Any, known: bool) -> _Field:
    """Return what to do with a field of the given schema; `known` if it wobbles."""
    stored = stored or {}
    null = frozenset({type(None)} if "null" in stored.get("type", ["null"]) else ())
    kind, form = _type(schema), schema.get("format")
    if kind == "object":
        inside = _Object(schema, stored, known=known)
        return _Field(null, inside.convert)
    if kind == "array":
        item = _field(schema.get("items") or {}, stored.get("items"), known)
        return _Field(null, _array_of(item))
    scalars: dict[tuple[str, Any], tuple[str, set[type], Callable[[Any], Any]]] = {
        ("string", form): ("text", {str}, _text),
        ("string", "date-time"): ("a timestamp", set(), uniform),
        ("string", "date"): ("a date", set(), _date),
        ("integer", form): ("an integer", {int}, _integer),
        ("number", form): ("a number", {int, float, Decimal}, _number),
        ("boolean", form): ("a boolean", {bool}, _boolean),
    }
    if (kind or "", form) not in scalars:
        return _Field(null, lambda value, place, finds: finds.washed(value, place))
    promised, passing, make = scalars[kind or "", form]
    news = bool(passing) and not known
    return _Field(null | passing, _scalar(promised, make, news))


def _type(schema: Mapping[str, Any]) -> str | None:
    """Return the one type of a schema besides null; None if it allows several, or any."""
    kinds = schema.get("type", ())
    names = {kinds} if isinstance(kinds, str) else set(kinds) - {"null"}
    return names.pop() if len(names) == 1 else None


def _array_of(item: _Field) -> Callable[[Any, Place, Finds], list[Any] | None]:
    """Return what cleans the items of an array in place."""
    passing, convert_item = item

    def convert(value: Any, place: Place, finds: Finds) -> list[Any] | None:
        if type(value) is not list:
            finds.unfit(value, place, "an array")
            return None
        for position, element in enumerate(value):
            if type(element) not in passing:
                value[position] = convert_item(element, (place, position), finds)
        return value

    return convert


def _scalar(
    promised: str, make: Callable[[Any], Any], news: bool
) -> Callable[[Any, Place, Finds], Any]:
    """Return what converts a single value; `news` if having to do so breaks Qonto's promise."""

    def convert(value: Any, place: Place, finds: Finds) -> Any:
        try:
            made = make(value)
        except (ValueError, TypeError):
            finds.unfit(value, place, promised)
            return None
        if news:
            finds.wrong_type(place, kind_of(value), promised)
        return made

    return convert


def _date(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    return date.fromisoformat(value[:10]).isoformat()


def _text(value: Any) -> str:
    if value is None or unreadable_text(value) is not None:
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
