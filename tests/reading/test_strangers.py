"""Every row comes from servers that do everything otherwise, or its stream fails and stays behind.

The servers are written from Qonto's documents, not from the demo company's code; see
`tests.kit.stranger`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.instants import uniform
from tests.kit.cases import thorough
from tests.kit.runner import run
from tests.kit.stranger import LISTS, Manners, Serving, Stranger, in_zone, milliseconds, mixed

if TYPE_CHECKING:
    from tests.kit.runner import Run

Row = dict[str, Any]

pytestmark = pytest.mark.usefixtures("slept")


def counts_as_text(meta: Row) -> Row:
    return {name: None if value is None else str(value) for name, value in meta.items()}


def only(*names: str) -> Any:
    return lambda meta: {name: value for name, value in meta.items() if name in names}


def old_names(meta: Row) -> Row:
    rest = {name: value for name, value in meta.items() if not name.startswith("prev_")}
    return {**rest, "total": rest.pop("total_count"), "next_page": rest["next_page"] or 0}


def twice(rows: list[Row], _name: str) -> list[Row]:
    """Show the first row of each page twice, as a join does."""
    return [*rows[:1], *rows]


def in_place(rows: list[Row], _name: str) -> list[Row]:
    """Show the first row of each page a second time, in place of the second one."""
    return [*rows[:1], *rows[:1], *rows[2:]]


def hours_off(hours: float) -> Any:
    return lambda: format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)


def some_leave(server: Stranger, name: str, count: int) -> None:
    """Delete a row, the first or the last one, at every third question."""
    if count % 3 == 2 and count < 30:
        ids = list(server.rows[name])
        server.remove(name, ids[0 if count % 2 else -1])


def some_change(server: Stranger, name: str, count: int) -> None:
    """Change a row at every second question."""
    if count % 2 == 0 and count < 30:
        ids = [id_ for id_ in server.rows[name] if id_ not in server.touched]
        server.change(name, ids[count])


def some_come_late(server: Stranger, name: str, count: int) -> None:
    """Let a row change, while another one becomes visible with an old time."""
    some_change(server, name, count)
    if count % 2 == 0 and count < 30:
        pattern = list(server.rows[name].values())[count + 40]
        new = {**pattern, "id": f"{count:08}-late"}
        server.touched.add(new["id"])
        server.rows[name][new["id"]] = new


def nothing(_server: Stranger, _name: str, _count: int) -> None:
    """Let nothing happen."""


MANNERS: dict[str, Manners] = {
    "ties in any order": Manners(order="any", most=20),
    "ties in any order, larger pages": Manners(order="any"),
    "microseconds": Manners(time=lambda at: f"{at:%Y-%m-%dT%H:%M:%S.%f}Z", most=40),
    "whole seconds": Manners(time=lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z", most=40),
    "as many digits as it takes": Manners(time=mixed, most=40),
    "offsets": Manners(time=in_zone, most=40),
    "exclusive bounds": Manners(bounds="()", most=40),
    "exclusive bounds, any order": Manners(bounds="()", most=20, order="any"),
    "counts that lag behind": Manners(lagging=True, most=40, happens=some_change),
    "counts that lag while rows leave": Manners(lagging=True, most=40, happens=some_leave),
    "counts as text": Manners(meta=counts_as_text, most=40),
    "counts of pages only": Manners(meta=only("current_page", "total_pages"), most=40),
    "counts of rows only": Manners(meta=only("total_count"), most=40),
    "the old names of counts": Manners(meta=old_names, most=40),
    "no counts": Manners(meta=lambda _meta: None),
    "no counts and short pages": Manners(meta=lambda _meta: None, most=40),
    "smaller pages, told": Manners(most=33, says="true"),
    "smaller pages, not told": Manners(most=33, says="nothing"),
    "smaller pages, lied about": Manners(most=33),
    "404 beyond the end": Manners(beyond="404", most=40, happens=some_leave),
    "the last page beyond the end": Manners(beyond="last", most=40, happens=some_leave),
    "nothing beyond the end": Manners(beyond="empty", most=40, happens=some_leave),
    "no order where one is asked for": Manners(
        unsorted=frozenset({"clients", "sepa_transfers", "quotes", "beneficiaries"}),
        order="any", most=40,
    ),
    "no filter where one is asked for": Manners(
        unfiltered=frozenset(LISTS), most=40
    ),
    "rows twice on a page": Manners(shown=twice, most=40, says="true"),
    "rows twice on a page of unknown size": Manners(shown=twice, most=40),
    "rows in place of others": Manners(shown=in_place, most=40),
    "one status": Manners(statuses="first"),
    "the last status": Manners(statuses="last"),
    "gzip": Manners(coding="gzip"),
    "chunked": Manners(coding="chunked"),
    "gzip, chunked": Manners(coding="gzip, chunked", most=40),
    "storms": Manners(storms=2),
    "no date": Manners(date=lambda: None),
    "a date that is none": Manners(date=lambda: "yesterday"),
    "a date of tomorrow": Manners(date=hours_off(24)),
    "a date of yesterday": Manners(date=hours_off(-24)),
    "rows that leave": Manners(happens=some_leave, most=20),
    "rows that change": Manners(happens=some_change, most=20),
    "rows that come late": Manners(happens=some_come_late, most=20),
    "rows that come late, in any order": Manners(happens=some_come_late, most=20, order="any"),
}  # fmt: skip


def a_server(manners: Manners) -> Stranger:
    server = Stranger(manners)
    for number, name in enumerate(LISTS):
        server.fill(name, 130 + 10 * number)
    return server


def reached(done: Run, name: str) -> dict[str, str]:
    """Return the bookmarks of a stream, by account."""
    if name == "transactions":
        return done.bookmarks(name)
    return {"": bookmark} if (bookmark := done.bookmark(name)) else {}


def failed(done: Run) -> set[str]:
    return set(re.findall(r"^ERROR \S+ (\w+): ", done.log, re.MULTILINE))


def lost(server: Stranger, done: Run, name: str) -> list[Row]:
    """Return the rows that nobody touched and that no later run will read."""
    found = {row["id"] for row in done.records.get(name, ())}
    bookmarks = reached(done, name)
    missing = [
        row
        for row in server.rows[name].values()
        if row["id"] not in found and row["id"] not in server.touched
    ]
    if name not in failed(done):
        return missing
    return [
        row
        for row in missing
        if uniform(milliseconds(row["updated_at"]))
        < bookmarks.get(row["bank_account_id"] if name == "transactions" else "", "")
    ]


def present(server: Stranger) -> datetime:
    """Return the present by the clock that is behind."""
    now = datetime.now(UTC)
    with suppress(TypeError, ValueError):
        return min(now, parsedate_to_datetime(server.manners.date() or ""))
    return now


FAILING = {
    "no counts", "no counts and short pages", "no order where one is asked for",
    "no filter where one is asked for", "counts that lag while rows leave",
    "404 beyond the end", "the last page beyond the end", "nothing beyond the end",
    "rows that leave", "rows that come late", "rows in place of others",
    "rows twice on a page of unknown size",
} | {name for name in MANNERS if "any order" in name}  # fmt: skip
"""Manners with which some streams say that they failed."""


IN_EVERY_RUN = "rows that leave"
"""What tells most; the others are for the slow run."""


@pytest.mark.parametrize("manner", thorough({name: name for name in MANNERS}, IN_EVERY_RUN))
def test_no_row_is_lost_whatever_a_server_does(manner: str) -> None:
    server = a_server(MANNERS[manner])
    with Serving(server) as serving:
        done = run(serving.settings, select=LISTS)
        assert {name: lost(server, done, name) for name in LISTS if lost(server, done, name)} == {}
        assert done.exit_code == (1 if failed(done) else 0)
        assert bool(failed(done)) <= (manner in FAILING), done.log
        assert "Internal error" not in done.log

        # What changed between two runs comes with the second one.
        server.manners = replace(server.manners, happens=nothing)
        recent = present(server) - timedelta(seconds=3)
        changed = {
            name: [id_ for id_ in server.rows[name] if id_ not in server.touched][3::9]
            for name in LISTS
        }
        for name, ids in changed.items():
            for id_ in ids:
                server.change(name, id_, recent)
        again = run(serving.settings, select=LISTS, state=done.state)
    for name, ids in changed.items():
        if name not in failed(again):
            found = {row["id"] for row in again.records.get(name, ())}
            assert set(ids) <= found, name
