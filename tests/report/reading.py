"""Reads a report as a browser would, without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_VOID: Final = frozenset({"meta", "img", "link", "br", "input", "hr"})


@dataclass
class Element:
    """An element of the page.

    Attributes:
        name: Its name.
        attributes: Its attributes.
        parent: The element that it stands in.
        pieces: The text and the elements in it.
    """

    name: str
    attributes: dict[str, str]
    parent: Element | None = None
    pieces: list[str | Element] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        """The elements in it."""
        return [piece for piece in self.pieces if isinstance(piece, Element)]

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(it if isinstance(it, str) else it.text for it in self.pieces)

    def all(self, name: str, **attributes: str) -> list[Element]:
        """Return the elements in it that have this name and these attributes."""
        wanted = {key.replace("_", "-").rstrip("-"): it for key, it in attributes.items()}
        return [
            element
            for element in self.below()
            if element.name == name and wanted.items() <= element.attributes.items()
        ]

    def below(self) -> Iterator[Element]:
        """Yield every element in it, as the page has them."""
        for child in self.children:
            yield child
            yield from child.below()

    def one(self, name: str, **attributes: str) -> Element:
        """Return the only element of that kind."""
        [found] = self.all(name, **attributes)
        return found


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._here = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._here)
        self._here.pieces.append(element)
        if tag not in _VOID:
            self._here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._here.name == tag, f"<{self._here.name}> ends with </{tag}>"
        assert self._here.parent is not None
        self._here = self._here.parent

    def handle_data(self, data: str) -> None:
        self._here.pieces.append(data)


def read(page: str) -> Element:
    """Return the page's elements; every one that is opened must be closed."""
    builder = _Builder()
    builder.feed(page)
    builder.close()
    assert builder.root.children[-1].name == "html"
    return builder.root
