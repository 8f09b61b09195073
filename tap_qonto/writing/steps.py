"""What the journal says of a row in a plan, alike for all streams but transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_qonto.writing.journal import DONE, SENDING
from tap_qonto.writing.plan import Status
from tap_qonto.writing.write import instant

if TYPE_CHECKING:
    from collections.abc import Container

    from tap_qonto.writing.journal import Entry
    from tap_qonto.writing.plan import Item


def lost_or_changed(item: Item, entry: Entry | None, lost: Container[str]) -> bool:
    """Note what the journal knows of a row; return whether that decides what happens to it.

    Args:
        item: The row, with the hash of its content.
        entry: What the journal knows of its write.
        lost: Keys of writes that were looked for in vain: they may be sent again.
    """
    if entry is None or entry.state not in (DONE, SENDING):
        return False
    since = instant(entry.last_attempt_at)
    if entry.state == DONE:
        day = instant(entry.settled_at)[:10]
        item.qonto_id = entry.qonto_id
        if entry.content == item.row.content:
            item.become(Status.ALREADY_SENT, f"on {day}", at=instant(entry.settled_at))
        else:
            item.become(
                Status.REJECTED,
                f"was sent on {day} with another content; what is new needs a new external_id",
                code="content_changed",
            )
    elif entry.content != item.row.content:
        item.become(
            Status.HELD,
            f"the answer to a request of {since[:10]} for this external_id was lost, and the row "
            "has changed since. Restore the row to have that resolved first",
        )
    elif entry.key in lost:
        item.resend = True
    else:
        item.become(
            Status.UNKNOWN,
            f"sent at {since[11:16]} UTC on {since[:10]}, the answer was lost; an approved run "
            "resolves it",
            at=since,
        )
    return True
