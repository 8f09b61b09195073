"""What the documents of a stream's rows still lack, as the state remembers it.

Two things can be lacking. Single documents that could not be had are *owed*: the state names them,
and each run tries them again until they are there or gone. And when the settings come to ask for
more than they did when the rows were read (a place to store documents, larger ones, signed copies,
electronic invoices), then all documents of the rows before the bookmark lack it. The state
therefore remembers what the rows *have* been read with, and how far they have been *caught up* on;
and of a partition that could not be caught up on with the others (an account that is left out, or
that Qonto does not list for a while), what its rows have instead.

All this is part of the document stream's bookmark, next to which nothing else is kept there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_qonto.api.errors import DebtError, InputError
from tap_qonto.api.instants import uniform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from tap_qonto.api.pages import Row

    Partition = frozenset[tuple[str, Any]]
    """What the rows of one partition share; empty if a stream has no partitions."""

OWED = "owed"
"""Key of the documents that could not be had: a list of their keys."""

UNTIL = "until"
"""Key, beside those of a document, of the instant after which it is gone for good."""

HAVE = "read_with"
"""Key of what the documents of all rows before the bookmark have been read with."""

CATCHING_UP = "catching_up"
"""Key of how far the documents of older rows have been read anew."""

LESS = "read_with_less"
"""Key of the partitions whose rows have something else: their contexts, and what that is."""

MOST = 1_000
"""Documents that a stream can owe; more is no exception, but its failure."""


class Wants(NamedTuple):
    """What the settings ask of the documents of one stream."""

    largest: int = -1
    """Bytes up to which documents are stored; -1 if they are only listed."""
    sealed: bool = False
    """Whether signed copies are wanted."""
    invoices: bool = False
    """Whether the electronic invoices inside are wanted."""
    since: str = ""
    """The earliest key, uniform, of rows that were read once more for them; empty if all were."""

    def asks_more_than(self, other: Wants) -> bool:
        """Return whether documents read for the other want something that this one wants."""
        return (
            any(mine > its for mine, its in zip(self[:3], other[:3], strict=True))
            or self.since < other.since
        )

    def and_no_more_than(self, other: Wants) -> Wants:
        """Return what documents have of which those that follow are read for the other."""
        return Wants(
            min(self.largest, other.largest),
            self.sealed and other.sealed,
            self.invoices and other.invoices,
            self.since,
        )

    def more_than(self, had: Wants | None) -> str:
        """Say what this asks for that documents do not have yet."""
        if had is None:
            return "its rows were read without their documents, or by an earlier version"
        if had.largest < 0 <= self.largest:
            return "attachments_path was set since"
        reasons = {
            "attachments_max_bytes was raised": self.largest > had.largest,
            "probative_attachments was switched on": self.sealed > had.sealed,
            "extract_facturx was switched on": self.invoices > had.invoices,
            "start_date lies earlier than it did": self.since < had.since,
        }
        return " and ".join(reason for reason, holds in reasons.items() if holds)

    def kept(self) -> dict[str, Any]:
        """Return this as a state keeps it."""
        return {name: value for name, value in self._asdict().items() if value != ""}


class Backlog:
    """The rows before the bookmarks whose documents lack something: part of the Singer state.

    Args:
        state: The document stream's state, which is changed in place.
        wants: What this run's settings ask of its documents.
        reached: How far earlier runs have read each partition of the parent, uniform.
        anew: Those that this run reads anew because rows were left out, from the start date on.
    """

    def __init__(
        self,
        state: dict[str, Any],
        wants: Wants,
        reached: Mapping[Partition, str],
        anew: Collection[Partition] = (),
    ) -> None:
        self._state = state
        self._wants = wants
        self._reached = reached
        common = Wants(**state[HAVE]) if HAVE in state else None
        less = {
            frozenset(part["context"].items()): Wants(**part[HAVE]) if HAVE in part else None
            for part in state.get(LESS, ())
        }
        had = {partition: less.get(partition, common) for partition in reached}
        for partition in anew:
            if its := had[partition]:
                had[partition] = its._replace(since=max(its.since, wants.since))
        self.lacking = {
            partition: its
            for partition, its in had.items()
            if its is None or wants.asks_more_than(its)
        }
        """What the documents have of which some lack something, by partition."""
        self._common = common and common.and_no_more_than(wants)
        self._had = {name: its and its.and_no_more_than(wants) for name, its in had.items()}
        if not reached:
            self._common = wants._replace(since="")
        if self.lacking and state.get(CATCHING_UP, {}).get("to") != wants.kept():
            state[CATCHING_UP] = {"to": wants.kept()}
        self._keep()

    def lacks(self, partition: Partition, at: str) -> bool:
        """Return whether the documents of a row lack something, as far as is known.

        Args:
            partition: The row's.
            at: Its replication key, uniform.
        """
        return partition in self.lacking and at <= self._reached[partition]

    def caught_up(self, partition: Partition) -> None:
        """Note that the rows of a partition have been read once more, to their end."""
        del self.lacking[partition]
        self._had[partition] = self._wants
        if self._common is None or self._wants.asks_more_than(self._common):
            self._common = self._wants
        self._keep()

    def _keep(self) -> None:
        state, common = self._state, self._common
        if common is None:
            state.pop(HAVE, None)
        else:
            state[HAVE] = common.kept()
        state[LESS] = [
            {"context": dict(name), **({HAVE: its.kept()} if its else {})}
            for name, its in self._had.items()
            if its != common
        ]
        for key, is_needed in ((LESS, state[LESS]), (CATCHING_UP, self.lacking)):
            if not is_needed:
                state.pop(key, None)


def forget_rows(state: dict[str, Any]) -> None:
    """Forget what the documents of older rows have, so that a later run reads them all once more.

    Args:
        state: The document stream's state, which is changed in place.
    """
    for name in (HAVE, LESS, CATCHING_UP):
        state.pop(name, None)


class Debts:
    """What a document stream owes: its part of the Singer state.

    Args:
        state: The stream's state, which is changed in place.
        stream: Its name, for messages.
        keys: The columns that name a document.
    """

    def __init__(self, state: dict[str, Any], stream: str, keys: Sequence[str]) -> None:
        self._state = state
        self._stream = stream
        self._keys = tuple(keys)
        self._items = {self._key(item): item for item in state.get(OWED, ())}
        self._tried: set[tuple[Any, ...]] = set()

    def __len__(self) -> int:
        """Return how many documents could not be had, those aside that may not exist yet."""
        return sum(UNTIL not in item for item in self._items.values())

    def untried(self) -> Iterator[Row]:
        """Yield what was owed before this run and has not been tried in it."""
        yield from [item for key, item in self._items.items() if key not in self._tried]

    def until(self, ids: Row) -> str:
        """Return when a document is gone for good; empty if it is not owed, or never."""
        return str(self._items.get(self._key(ids), {}).get(UNTIL, ""))

    def add(self, ids: Row, until: str = "") -> None:
        """Note that a document could not be had.

        Args:
            ids: The columns that name it, with others.
            until: The instant after which it is gone for good; empty if it may always come.

        Raises:
            DebtError: If there are too many.
        """
        key = self._key(ids)
        self._tried.add(key)
        if key not in self._items and len(self._items) >= MOST:
            msg = (
                f"{self._stream}: more than {MOST:,} documents could not be had, so that the rows "
                "they belong to are not passed. The warnings above say why; once that is mended, "
                "the next run goes on from the last state"
            )
            raise DebtError(msg)
        self._items[key] = {name: ids.get(name) for name in self._keys} | (
            {UNTIL: until} if until else {}
        )
        self._keep()

    def pay(self, ids: Row) -> bool:
        """Note that nothing of a document is owed (any more); return whether something was."""
        key = self._key(ids)
        self._tried.add(key)
        if self._items.pop(key, None) is None:
            return False
        self._keep()
        return True

    def _key(self, ids: Row) -> tuple[Any, ...]:
        return tuple(ids.get(name) for name in self._keys)

    def _keep(self) -> None:
        if self._items:
            self._state[OWED] = list(self._items.values())
        else:
            self._state.pop(OWED, None)


def check_debts(stream: str, keys: Sequence[str], state: Mapping[str, Any]) -> None:
    """Refuse a document stream's state that cannot be this tap's.

    Args:
        stream: Its name.
        keys: The columns that name a document.
        state: Its part of the state that is given to a run.

    Raises:
        InputError: If it is damaged.
    """
    owed, had = state.get(OWED, []), state.get(HAVE)
    whole = (
        isinstance(owed, list)
        and len(owed) <= MOST
        and all(_is_item(item, keys) for item in owed)
        and (had is None or _is_wants(had))
        and _is_less(state.get(LESS, []))
        and isinstance(state.get(CATCHING_UP, {}), dict)
    )
    if not whole:
        msg = (
            f"The state of {stream} is damaged: what documents it still lacks cannot be read. "
            "Pass the last good state, or remove the stream from it to read its documents anew"
        )
        raise InputError(msg)


def _is_item(item: Any, keys: Sequence[str]) -> bool:
    if not isinstance(item, dict) or set(item) - {UNTIL} != set(keys):
        return False
    if not all(isinstance(value, str) and value for value in item.values()):
        return False
    try:
        uniform(item.get(UNTIL, "2017-01-01"))
    except ValueError:
        return False
    return True


def _is_less(less: Any) -> bool:
    return isinstance(less, list) and all(
        isinstance(part, dict)
        and isinstance(part.get("context"), dict)
        and all(isinstance(value, str) for value in part["context"].values())
        and (HAVE not in part or _is_wants(part[HAVE]))
        for part in less
    )


def _is_wants(had: Any) -> bool:
    kinds = {"largest": int, "sealed": bool, "invoices": bool}
    return (
        isinstance(had, dict)
        and had.keys() - {"since"} == kinds.keys()
        and all(type(had[name]) is kind for name, kind in kinds.items())
        and isinstance(had.get("since", ""), str)
    )
