"""Numbers, identifiers and account numbers that depend on a name and a position alone."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_T = TypeVar("_T")

_MASK48: Final = (1 << 48) - 1
_MASK64: Final = (1 << 64) - 1
# Any odd factor can be undone modulo a power of two: that is what makes an id searchable.
_FACTOR: Final = 0x5DEECE66D1B5
_INVERSE: Final = pow(_FACTOR, -1, 1 << 48)


def _mixed(value: int) -> int:
    """Spread the 64 bits of `value` (the finisher of the splitmix64 generator)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK64
    return value ^ (value >> 31)


class Formula:
    """The source of everything that looks random in one company.

    Nothing is drawn in sequence, so a row can be rendered alone, in any order and in any
    process, and is always the same.
    """

    def __init__(self, name: str) -> None:
        """Derive all numbers from `name`; two names share none."""
        self._key = blake2b(name.encode(), digest_size=32).digest()
        self._salts: dict[str, tuple[int, int]] = {}

    def _salt(self, kind: str) -> tuple[int, int]:
        salt = self._salts.get(kind)
        if salt is None:
            digest = blake2b(kind.encode(), digest_size=16, key=self._key).digest()
            salt = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
            self._salts[kind] = salt
        return salt

    def seed(self, kind: str) -> int:
        """Return a 64-bit seed for a generator of the standard library."""
        return self._salt(kind)[0]

    def number(self, kind: str, n: int, below: int) -> int:
        """Return the integer in [0, below) that belongs to row `n` of `kind`."""
        return _mixed(self._salt(kind)[0] ^ n) % below

    def chance(self, kind: str, n: int, percent: int) -> bool:
        """Say whether row `n` is among the given share of its kind."""
        return self.number(kind, n, 100) < percent

    def pick(self, kind: str, n: int, choices: Sequence[_T]) -> _T:
        """Return the choice that belongs to row `n` of `kind`."""
        return choices[self.number(kind, n, len(choices))]

    def uuid(self, kind: str, n: int) -> str:
        """Return the identifier of row `n` (0 to 2**48 - 1) of `kind`, shaped as a UUID v4."""
        first, second = self._salt(kind)
        tail = (n * _FACTOR + second) & _MASK48
        head = _mixed(first ^ tail)
        return (
            f"{head >> 32:08x}-{head >> 16 & 0xFFFF:04x}-4{head >> 4 & 0xFFF:03x}"
            f"-{0x8000 | (head << 10 & 0x3C00) | (tail & 0x3FF):04x}-{tail:012x}"
        )

    def find(self, kind: str, uuid: str) -> int | None:
        """Return the row whose identifier is `uuid`, or None when it is not one of `kind`."""
        try:
            tail = int(uuid[24:], 16)
        except ValueError:
            return None
        n = (tail - self._salt(kind)[1]) * _INVERSE & _MASK48
        return n if self.uuid(kind, n) == uuid else None


def _as_digits(text: str) -> int:
    """Read letters as the numbers 10 to 35, as the check of an IBAN asks."""
    return int("".join(str(int(sign, 36)) for sign in text))


@lru_cache(maxsize=4096)
def iban(country: str, account: str) -> str:
    """Return `account` (a national account number) as an IBAN with valid check digits."""
    check = 98 - _as_digits(f"{account}{country}00") % 97
    return f"{country}{check:02d}{account}"


def french_iban(bank: str, account: int) -> str:
    """Return a French IBAN with a valid national key; `bank` has ten digits (bank, branch)."""
    number = f"{account:011d}"
    key = 97 - (89 * int(bank[:5]) + 15 * int(bank[5:]) + 3 * int(number)) % 97
    return iban("FR", f"{bank}{number}{key:02d}")
