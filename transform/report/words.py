"""What the report says, in English and in French (words.en.toml, words.fr.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from markupsafe import Markup, escape

from formats import NOTHING, Formats, machine

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("en", "fr")


def as_html(text: str) -> Markup:
    """Let a text be HTML as it is: one that is ours, or in which nothing is left to escape."""
    return Markup(text)  # noqa: S704 - whoever calls it says why


@dataclass(frozen=True)
class Words:
    """One language.

    Attributes:
        language: en or fr.
        formats: Writes its numbers and days.
        texts: By key; a text has places such as `{amount}`, a noun is singular and plural.
    """

    language: str
    formats: Formats
    texts: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, language: str) -> Self:
        """Read a language.

        Args:
            language: One of `LANGUAGES`.
        """
        path = Path(__file__).with_name(f"words.{language}.toml")
        groups = tomllib.loads(path.read_text(encoding="utf-8"))
        texts = {f"{name}.{key}": text for name, of in groups.items() for key, text in of.items()}
        return cls(language, Formats(language), texts)

    def plain(self, key: str, **said: Any) -> str:
        """Return a text as it is, not for HTML.

        Args:
            key: The text.
            said: What stands in its places.

        Raises:
            KeyError: If there is no such text, or a place is not filled.
        """
        text: str = self.texts[key]
        return text.format(**said)

    def text(self, key: str, **said: Any) -> Markup:
        """Return a text for HTML; what stands in its places is escaped unless it is `Markup`."""
        return as_html(self.texts[key]).format(**said)

    def value(self, domain: str, value: str | bool | None) -> str:
        """Translate a value of a table; one that is not known stays as it is.

        Args:
            domain: What it is a value of, such as payable (the status of a supplier invoice).
            value: The value.
        """
        if value is None:
            return NOTHING
        text: str = self.texts.get(f"{domain}.{str(value).replace(' ', '_')}", str(value))
        return text

    def in_words(self, domain: str, colours: Mapping[str, str]) -> dict[str, str]:
        """Return colours by the word for a value, rather than by the value."""
        return {self.value(domain, value): colour for value, colour in colours.items()}

    def number(self, value: Any, kind: str, currency: str | None = None) -> Markup:
        """Write a value for people, with its exact value for programs.

        Args:
            value: From a row.
            kind: As in `Formats.cell`.
            currency: ISO 4217 code of an amount.
        """
        if value is None:
            return escape(NOTHING)
        shown = self.formats.cell(value, kind)
        if currency is not None and kind == "money":
            shown = self.formats.money(value, currency)
        return Markup('<data value="{}">{}</data>').format(machine(value), shown)

    def count(self, noun: str, count: int) -> Markup:
        """Write a number of things: 3 invoices."""
        return Markup("{} {}").format(self.number(count, "count"), self._noun(noun, count))

    def _noun(self, noun: str, count: int) -> str:
        is_one = count == 1 or (self.language == "fr" and count == 0)
        text: str = self.texts[f"noun.{noun}"][0 if is_one else 1]
        return text


def language_of(locale: str | None) -> str:
    """Return the language for a locale of Qonto's, such as fr or fr-FR; English for others."""
    return "fr" if (locale or "").lower().startswith("fr") else "en"
