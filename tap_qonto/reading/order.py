"""Which rows are new, and in which order they come."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from tap_qonto.api.errors import ListError, UnsortedError
from tap_qonto.reading.block import restart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_qonto.api.pages import Row
    from tap_qonto.reading.block import Bounds


class New:
    """Which rows have not been emitted, as far back as they can come again."""

    def __init__(self, key: str, window: Bounds) -> None:
        self._key = key
        self._window = window
        self._seen: dict[str, str] = {}
        self._keyless = set[str]()

    def forget(self) -> None:
        """Forget what a part has emitted: its rows belong to no other."""
        self._seen.clear()

    def of(self, rows: Sequence[Row], part: Bounds, promised: int = 0) -> list[Row]:
        """Return the rows that belong to a part of the window and have not been emitted.

        Args:
            rows: Rows as they come.
            part: From the first key that may be new to the first one after the part.
            promised: How many different rows there must be.

        Raises:
            ListError: If there are fewer: one that comes twice may stand in place of another.
            UnsortedError: If they are not in order.
        """
        if (different := len({row["id"] for row in rows})) < promised:
            msg = (
                f"Qonto counts {promised} rows in an answer, but sent only {different} different "
                "ones. Nothing was skipped: the bookmark stays before them; run again"
            )
            raise ListError(msg)
        key, seen, end, until = self._key, self._seen, self._window.end, part.end
        lower = part.start or ""
        previous = ""
        new: list[Row] = []
        for row in rows:
            at = row.get(key)
            if at is None:
                if row["id"] not in self._keyless:
                    self._keyless.add(row["id"])
                    new.append(row)
                continue
            if at < previous:
                msg = f"Qonto was asked for rows sorted by {key}, but sent them in another order"
                raise UnsortedError(msg)
            previous = at
            if (
                at < lower
                or (end is not None and at > end)
                or (until is not None and at >= until)
                or seen.get(row["id"]) == at
            ):
                continue
            seen[row["id"]] = at
            new.append(row)
        if previous:
            horizon = restart(previous) or ""
            self._seen = {row: at for row, at in seen.items() if at >= horizon}
        return new


def merge(sequences: Sequence[Iterator[Row]], *, key: str) -> Iterator[Row]:
    """Yield the rows of several ascending sequences as one, each row and key once."""
    if len(sequences) == 1:
        yield from sequences[0]
        return
    now, here = "", set[str]()
    for row in heapq.merge(*sequences, key=lambda row: row.get(key) or ""):
        at = row.get(key) or ""
        if at != now:
            now, here = at, set()
        if row["id"] not in here:
            here.add(row["id"])
            yield row
