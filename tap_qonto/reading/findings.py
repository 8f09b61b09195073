"""What is found in rows that their schema does not promise, and how a stream tells of it."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from tap_qonto.api.pages import Row
from tap_qonto.api.repair import DEEPEST, UNREADABLE_VALUE

ADDITIONAL: Final = "additional_properties"
"""The column that holds what no other column can."""

_PRESIGNED = re.compile(
    r"https?://[^\s]*[?&](x-amz-signature|x-amz-security-token|x-goog-signature|signature|sig)=",
    re.IGNORECASE,
)

WOBBLING = frozenset({"account_number", "file_size", "guarding_rate", "vat_details"})
"""Fields that Qonto is known to send as text here and as a number there: no news to anybody."""


Place = tuple[Any, ...]
"""Where a value stands: its container's place, then its name or position; empty for the row."""


def path_of(place: Place) -> str:
    """Return a place as people write it, for example ``vat_details.items[0].rate``."""
    if not place:
        return ""
    container, name = place
    if type(name) is int:
        return f"{path_of(container)}[{name}]"
    return f"{path_of(container)}.{name}" if container else str(name)


class Note(NamedTuple):
    """One value that differs from what the schema promises."""

    kind: str
    path: str
    """Where it stands; positions in arrays are left out."""
    detail: str = ""


UNKNOWN: Final = "unknown"
WRONG: Final = "wrong"
UNREADABLE: Final = "unreadable"
KEYLESS: Final = "keyless"


class TellingRow(Row):
    """A clean row about which there is something to tell when it is written.

    Args:
        row: The row.
        notes: What there is to tell.
        is_usable: Whether it can be written at all.
    """

    def __init__(self, row: Row, notes: tuple[Note, ...], *, is_usable: bool = True) -> None:
        super().__init__(row)
        self.notes = notes
        self.is_usable = is_usable


class Findings:
    """Counts what a stream's rows have told."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, str]]] = {}

    def add(self, notes: tuple[Note, ...]) -> None:
        """Count what one row tells."""
        for kind, path, detail in notes:
            self._counts.setdefault(kind, Counter())[path, detail] += 1

    def sentence(self, *, has_column: bool) -> str:
        """Return one sentence that names every path and how many values; empty if there are none.

        Args:
            has_column: Whether there is a column for what no other column can hold.
        """
        kept = f"in the column {ADDITIONAL}"
        endings = {
            UNKNOWN: (
                "what the catalog does not know",
                f"kept where it is inside an object, else {kept if has_column else 'dropped'}",
            ),
            WRONG: ("values of another type", f"converted, or kept as text {kept}"),
            UNREADABLE: ("what cannot be read", f"set aside, as far as possible as text {kept}"),
            KEYLESS: ("rows whose key is null or cannot be read", "set aside"),
        }
        parts = [
            f"{what}, in {_listed(self._counts[kind])} ({fate})"
            for kind, (what, fate) in endings.items()
            if kind in self._counts
        ]
        return f"Qonto sent {'; '.join(parts)}" if parts else ""


def _listed(counts: Counter[tuple[str, str]]) -> str:
    """Return paths as a sentence lists them, the most frequent first."""
    named = [
        f"{path!r} {count:,} time{'' if count == 1 else 's'}" + (f" {detail}" if detail else "")
        for (path, detail), count in counts.most_common(_MOST_PATHS)
    ]
    if more := len(counts) - len(named):
        named.append(f"{more:,} others")
    return ", ".join(named)


_MOST_PATHS = 1_000
"""Paths that one line names; beyond them an object has its data in the names of its fields."""


class Finds(dict[str, Any]):
    """What one row has that its columns cannot hold, by path; and what is to be told of it."""

    notes: tuple[Note, ...] = ()

    def note(self, kind: str, place: Place, detail: str = "") -> None:
        """Note what there is to tell of the value at a place."""
        self.notes += (Note(kind, _INDEX.sub("[]", path_of(place)), detail),)

    def unfit(self, value: Any, place: Place, promised: str) -> None:
        """Keep a value that cannot be converted, as text."""
        text = unreadable_text(value)
        if text is None:
            self.wrong_type(place, kind_of(value), promised)
        else:
            self.note(UNREADABLE, place)
        kept = self.washed(value, place)
        if kept is not None:
            self[path_of(place)] = as_text(kept)

    def wrong_type(self, place: Place, found: str, promised: str) -> None:
        """Note a value of another type, unless everybody knows that its field wobbles."""
        if WOBBLING.isdisjoint(re.split(r"[.\[]", path_of(place))):
            self.note(WRONG, place, f"{found} instead of {promised}")

    def washed(self, value: Any, place: Place) -> Any:
        """Return a value of which the schema tells nothing, fit to be kept."""
        try:
            return without_links(value)
        except _TooDeepError:
            self.note(UNREADABLE, place)
            return None


_INDEX = re.compile(r"\[\d+\]")


class _TooDeepError(ValueError):
    """A value is nested too deeply to be looked through."""


def without_links(value: Any, levels: int = DEEPEST) -> Any:
    """Return a copy of a JSON value in which pre-signed links, at any depth, are null.

    Such a link opens a document to whoever holds it, and is worthless half an hour later.

    Args:
        value: Any JSON value. What could not be read in it becomes text.
        levels: How deep it may be.

    Raises:
        ValueError: If it is deeper than that.
    """
    match value:
        case str() if _PRESIGNED.search(value):
            return None
        case dict() | list() if not levels:
            raise _TooDeepError
        case dict():
            text = unreadable_text(value)
            if text is not None:
                return without_links(text)
            return {name: without_links(inner, levels - 1) for name, inner in value.items()}
        case list():
            return [without_links(inner, levels - 1) for inner in value]
        case _:
            return value


def unreadable_text(value: Any) -> str | None:
    """Return the text of a value that could not be read; None for any other value."""
    text = value.get(UNREADABLE_VALUE) if type(value) is dict else None
    return text if isinstance(text, str) else None


def as_text(value: Any) -> str:
    """Return any JSON value as text; text stays as it is."""
    return value if isinstance(value, str) else _encoder.encode(value).decode()


_encoder = msgspec.json.Encoder(decimal_format="number")


def kind_of(value: Any) -> str:
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
