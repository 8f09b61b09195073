"""Supplier invoices that Qonto has: found by the file that they were made of."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import UnusableFileError
from tap_qonto.api.instants import as_filter, shift, uniform
from tap_qonto.api.pages import Query
from tap_qonto.writing.found import STREAM as LOGGED
from tap_qonto.writing.found import read, walk
from tap_qonto.writing.supplier_rows import STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_qonto.api.pages import Row
    from tap_qonto.writing.files import Seen
    from tap_qonto.writing.plan import Item
    from tap_qonto.writing.write import Desk

_LIST = "/supplier_invoices"
_EARLIER = 600
"""Seconds that Qonto's clock may be behind ours where a time decides."""

_SHORT = 5
"""Pages up to which the whole list is read rather than asked for each name."""

_ROWS_A_PAGE = 20
"""Names for which one more page of the whole list is read instead."""

_logger = logging.getLogger("target-qonto")


class Received:
    """Looks for supplier invoices.

    Args:
        desk: What the run works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._keeps: bool | None = None
        """Whether Qonto keeps the IDs of uploaded files; None until that is seen."""
        self._taken: set[str] = set()
        """IDs of invoices that belong to a row already."""

    def matched(self, created: Iterable[Row], names: Mapping[str, str]) -> dict[str, Row]:
        """Return the invoices of an answer by the attachments that they were made of.

        Args:
            created: The invoices, in whatever order.
            names: File names by the attachments' IDs.
        """
        found: dict[str, Row] = {}
        others: list[Row] = []
        for row in created:
            attachment = row.get("attachment_id")
            if attachment in names:
                found[str(attachment)] = row
                self._keeps = True
            else:
                others.append(row)
        if others and not self._keeps:
            self._say_that_names_decide()
            left = [attachment for attachment in names if attachment not in found]
            for row in others:
                same = [each for each in left if names[each] == row.get("file_name")]
                twins = [each for each in others if each.get("file_name") == row.get("file_name")]
                if len(same) == len(twins) and same:
                    # Equal names are equal in number: which is which cannot be told, nor matters.
                    found[same[0]] = row
                    left.remove(same[0])
                    others = [each for each in others if each is not row]
        self._taken.update(row["id"] for row in found.values())
        return found

    def _say_that_names_decide(self) -> None:
        if self._keeps is None:
            _logger.warning(
                "Qonto does not keep the attachment_id of supplier invoices, so their file name "
                "and the time of their arrival say which is which"
            )
        self._keeps = False

    def find(self, attachment: str, *, since: str, sent: str) -> Row | None:
        """Return the invoice that was made of an uploaded file; None if there is none.

        Args:
            attachment: The file's ID.
            since: Uniform instant from whose changes on to look.
            sent: Uniform instant at which its invoice was first asked for.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        rows = walk(
            self._desk.client, _LIST,
            ("filter[attachment_id]", attachment), ("filter[created_at_from]", as_filter(since)),
        )  # fmt: skip
        for row in rows:
            if row.get("attachment_id") == attachment:
                self._keeps = True
                return row
        return None if self._keeps else self._find_by_name(attachment, sent)

    def _find_by_name(self, attachment: str, sent: str) -> Row | None:
        told = read(self._desk.client, f"/attachments/{attachment}", "attachment")
        name = told.get("file_name") if told else None
        if not told or not isinstance(name, str):
            return None
        earliest = shift(sent, -_EARLIER)
        taken = self._taken | self._desk.journal.written(STREAM)
        for row in self._named(name, ("filter[created_at_from]", as_filter(earliest))):
            created = row.get("created_at")
            if row.get("id") in taken or not isinstance(created, str):
                continue
            if uniform(created) >= earliest and self._has_size(row, told.get("file_size")):
                self._say_that_names_decide()
                self._taken.add(str(row["id"]))
                return row
        return None

    def _named(self, name: str, *params: tuple[str, str]) -> Iterator[Row]:
        rows = walk(
            self._desk.client, _LIST, ("query", name), ("query_fields", "file_name"), *params
        )
        return (row for row in rows if row.get("file_name") == name)

    def _has_size(self, row: Row, size: Any) -> bool:
        """Return whether an invoice's file may have a size; Qonto writes it as text or a number."""
        told = self._file(row)
        return told is None or size is None or str(told.get("file_size", size)) == str(size)

    def _file(self, row: Row) -> Row | None:
        attachment = row.get("attachment_id")
        if not isinstance(attachment, str):
            return None
        return read(self._desk.client, f"/attachments/{attachment}", "attachment")

    # Before anything is sent

    def same(self, wanted: Sequence[tuple[Item, Seen]]) -> Iterator[tuple[Item, Row]]:
        """Yield the rows whose very file Qonto has as an invoice that no other row claims.

        Args:
            wanted: Rows that the journal does not know, and their files.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        if not wanted:
            return
        taken = self._desk.journal.written(STREAM)
        whole = self._whole(len(wanted))
        for item, seen in wanted:
            for row in self._named(seen.name) if whole is None else whole.get(seen.name, ()):
                if row.get("id") not in taken and self._is_same(row, seen):
                    taken.add(str(row["id"]))
                    yield item, row
                    break

    def _whole(self, rows: int) -> dict[str, list[Row]] | None:
        """Return all invoices by file name, if that is cheaper than to ask for each name."""
        client = self._desk.client
        first = client.page(Query(LOGGED, _LIST), "supplier_invoices", 1)
        pages = 1 if first.is_last else first.pages
        if pages is None or pages > max(_SHORT, rows // _ROWS_A_PAGE):
            return None
        named: dict[str, list[Row]] = {}
        for row in walk(client, _LIST):
            named.setdefault(str(row.get("file_name")), []).append(row)
        return named

    def _is_same(self, row: Row, seen: Seen) -> bool:
        """Return whether an invoice was made of the very same file."""
        told = self._file(row)
        if not told or str(told.get("file_size", seen.size)) != str(seen.size):
            return False
        url = told.get("url")
        if not isinstance(url, str):
            return True  # name and size are all that can be known
        try:
            return sha256(self._desk.files.read(url).data).hexdigest() == seen.digest
        except UnusableFileError:
            return True
