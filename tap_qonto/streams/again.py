"""Reading rows once more that earlier runs have read and written, for their documents only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_qonto.api.instants import uniform
from tap_qonto.singer.states import part_of
from tap_qonto.singer.stream import SingerStream

if TYPE_CHECKING:
    from collections.abc import Collection

    from singer_sdk.helpers import types

    from tap_qonto.api.pages import Row
    from tap_qonto.reading.debts import Partition
    from tap_qonto.singer.tap import SingerTap


class ReadAgain(SingerStream):
    """A stream whose rows can be read a second time, with bookmarks that are kept elsewhere.

    Whoever reads them so is a *walker*: a second object of the same class, whose rows nobody
    writes, and which remembers in a part of another stream's state how far it has come.
    """

    partition_keys: ClassVar[tuple[str, ...]] = ()
    """Columns that the rows of one partition share, if there are several."""

    def __init__(self, tap: SingerTap, schema: dict[str, Any]) -> None:
        super().__init__(tap, schema)
        self._walk: dict[str, Any] | None = None
        self._among: Collection[Partition] = ()
        self.passed_over: set[Partition] = set()
        """Partitions of which nothing came because Qonto does not know them (any more)."""

    @property
    def is_walker(self) -> bool:
        """Whether rows are read once more for their documents, and written by nobody."""
        return self._walk is not None

    def walk_by(self, walk: dict[str, Any], among: Collection[Partition]) -> None:
        """Become a walker.

        Args:
            walk: Keeps how far it has come, as a stream's state does.
            among: The partitions to read.
        """
        self._walk = walk
        self._among = among

    def is_wanted_again(self, context: types.Context) -> bool:
        """Return whether a partition is to be read; a walker leaves some out."""
        return self._walk is None or frozenset(context.items()) in self._among

    def begun_anew(self) -> set[Partition]:
        """Return the partitions that have a bookmark, and are read from the start all the same."""
        return set()

    def bookmarks(self) -> dict[Partition, str]:
        """Return the bookmarks, uniform, that earlier runs have left, by partition."""
        state = self.stored_state(None)
        parts = [state, *state.get("partitions", ())]
        return {
            frozenset(part.get("context", {}).items()): uniform(part["replication_key_value"])
            for part in parts
            if part.get("replication_key_value")
        }

    def partition_of(self, row: Row) -> Partition:
        """Return the partition that a row belongs to, as `bookmarks` names it."""
        return frozenset((name, row.get(name)) for name in self.partition_keys)

    @override
    def get_context_state(self, context: types.Context | None) -> dict[str, Any]:
        if self._walk is None:
            return super().get_context_state(context)
        if not context:
            return self._walk
        if not (part := self.stored_state(context)):
            part = {"context": dict(context)}
            self._walk.setdefault("partitions", []).append(part)
        return part

    @override
    def stored_state(self, context: types.Context | None) -> dict[str, Any]:
        if self._walk is None:
            return super().stored_state(context)
        return part_of(self._walk, context)
