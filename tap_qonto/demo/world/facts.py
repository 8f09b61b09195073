"""What the builders of rows may ask of the company that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.columns import Account
    from tap_qonto.demo.world.formula import Formula
    from tap_qonto.demo.world.ledger import Ledger
    from tap_qonto.demo.world.rows import Row


class Facts(Protocol):
    """A company, as far as its rows depend on it.

    Attributes:
        formula: The source of all numbers.
        legal_name: What the company is called.
        slug: Its name in addresses.
        organization_id: UUID of the organization.
        legal_number: The number under which the company is registered.
        vat_number: Its VAT number.
        accounts: Its bank accounts, the main one first.
    """

    formula: Formula
    legal_name: str
    slug: str
    organization_id: str
    legal_number: str
    vat_number: str
    accounts: list[Account]

    @property
    def ledger(self) -> Ledger:
        """The transactions of all accounts."""

    def account_for(self, number: int) -> int:
        """Return the account of a purpose in the usual company, the first one in any other."""

    def rows(self, collection: str, **parent: str) -> Iterator[Row]:
        """Yield the rows of a collection."""

    def get(self, collection: str, uuid: str) -> Row | None:
        """Return one row by its id, or None."""
