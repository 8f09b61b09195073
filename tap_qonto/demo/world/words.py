"""Names that people, streets and companies are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tap_qonto.demo.world.formula import Formula


_TRADE_NAMES = (
    "Lumen",
    "Belvédère",
    "Garance",
    "Cobalt",
    "Tilleul",
    "Horizon",
    "Saphir",
    "Mistral",
)


_CRAFTS = ("Atelier", "Studio", "Maison", "Fabrique")
STREETS: Final = (
    "rue des Tanneurs", "quai de la Pêcherie", "avenue des Platanes", "place du Marché",
    "rue de l'Observatoire", "boulevard des Alliés", "chemin du Moulin", "rue Neuve",
)  # fmt: skip


FIRST_NAMES: Final = (
    "Aline", "Basile", "Capucine", "Damien", "Élodie", "Florent", "Gaëlle", "Hugo", "Inès",
    "Joris", "Katell", "Lucien", "Maëlys", "Noé", "Océane", "Perrine", "Quentin", "Rosalie",
    "Soren", "Thaïs", "Ulysse", "Violette", "Yann", "Zélie",
)  # fmt: skip


LAST_NAMES: Final = (
    "Abeille", "Boisvert", "Chantreau", "Delorgue", "Estevan", "Fauconnier", "Grandval",
    "Hautecoeur", "Isambert", "Jolivel", "Kermarec", "Lestrange", "Montclar", "Nervaux",
    "Orsival", "Pontcarré", "Quéméneur", "Roussillac", "Sauvignac", "Tréville",
)  # fmt: skip


def person(number: int) -> tuple[str, str]:
    """Return first and last name of a made-up person; 480 numbers give 480 names."""
    first, last = len(FIRST_NAMES), len(LAST_NAMES)
    return FIRST_NAMES[number % first], LAST_NAMES[(number // first + 7 * number) % last]


def as_mailbox(text: str) -> str:
    """Return a name as the part of a mail address before the @."""
    plain = text.lower().translate(str.maketrans("éèêëàâäïîôöûüç", "eeeeaaaiioouuc"))
    return "".join(sign if sign.isalnum() and sign.isascii() else "." for sign in plain)


def legal_name(formula: Formula, name: str) -> str:
    """Return what the company is called; the demo organization's name is part of it."""
    craft = formula.pick("craft", 0, _CRAFTS)
    trade = formula.pick("trade name", 0, _TRADE_NAMES)
    return f"{craft} {trade}" if name == "demo" else f"{craft} {trade} {name.strip().title()}"
