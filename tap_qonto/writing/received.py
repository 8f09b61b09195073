"""Supplier invoices that Qonto has: found by the file that they were made of."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import NotReadableError, UnusableFileError
from tap_qonto.api.instants import as_filter, shift, uniform
from tap_qonto.api.pages import Query
from tap_qonto.writing.found import STREAM as LOGGED
from tap_qonto.writing.found import Filters, read, walk
from tap_qonto.writing.supplier_rows import STREAM

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from tap_qonto.api.pages import Row
    from tap_qonto.writing.files import Seen
    from tap_qonto.writing.plan import Item
    from tap_qonto.writing.write import Desk

_LIST = "/supplier_invoices"
_NO_FILE = "00000000-0000-4000-8000-000000000000"
"""The ID of no file."""

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
        self._filters = Filters(desk.client)
        self._keeps: bool | None = None
        """Whether Qonto keeps the IDs of uploaded files; None until that is seen."""
        self._taken: set[str] = set()
        """IDs of invoices that belong to a row already."""
        self.is_silent = False
        """Whether Qonto was seen to tell neither the files of new invoices nor their names."""
        self.untold: set[str] = set()
        """Uploaded files that may or may not have become an invoice of which nothing is told."""

    def matched(self, created: Iterable[Row], names: Mapping[str, str]) -> dict[str, Row]:
        """Return the invoices of an answer by the attachments that they were made of.

        Args:
            created: The invoices, in whatever order.
            names: File names by the attachments' IDs, of what has not failed.
        """
        found: dict[str, Row] = {}
        others: list[Row] = []
        for row in {row["id"]: row for row in created}.values():
            attachment = row.get("attachment_id")
            if attachment in names:
                found[str(attachment)] = row
                self._keeps = True
            else:
                others.append(row)
        if others and not self._keeps:
            left = [attachment for attachment in names if attachment not in found]
            if any(row.get("file_name") for row in others):
                self._say_that_names_decide()
                found |= _by_name(others, left, names)
            elif len(others) == len(left):
                found |= self._by_number(others, left)
        return found

    def _by_number(self, created: Sequence[Row], attachments: Sequence[str]) -> dict[str, Row]:
        """Return what was made of uploaded files where nothing but the number is told."""
        if len(attachments) == 1:
            return {attachments[0]: created[0]}
        if not self.is_silent:
            _logger.warning(
                "Qonto tells neither the file nor the name of new supplier invoices, so which of "
                "%d is which cannot be said; the next ones are sent one by one", len(created),
            )  # fmt: skip
        self.is_silent = True
        self._taken.update(str(row["id"]) for row in created)
        return {attachment: {"id": ""} for attachment in attachments}

    def _say_that_names_decide(self) -> None:
        if self._keeps is None:
            _logger.warning(
                "Qonto does not keep the attachment_id of supplier invoices, so their file name "
                "and the time of their arrival say which is which"
            )
        self._keeps = False

    def find(self, attachment: str, name: str, *, since: str, sent: str) -> Row | None:
        """Return the invoice that was made of an uploaded file; None if there is none.

        Args:
            attachment: The file's ID.
            name: What the file is called, if the row says it.
            since: Uniform instant from whose changes on to look.
            sent: Uniform instant at which its invoice was first asked for.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        taken = self._taken | self._desk.journal.written(STREAM)
        earliest = shift(sent, -_EARLIER)
        asked = ("filter[created_at_from]", as_filter(since))
        unnamed = []
        for row in walk(self._desk.client, _LIST, ("filter[attachment_id]", attachment), asked):
            if row.get("attachment_id") == attachment:
                self._keeps = True
            if row.get("id") in taken:
                continue
            if row.get("attachment_id") == attachment:
                return self._take(row)
            if not row.get("attachment_id") and _is_new(row, earliest):
                unnamed.append(row)
        if len(unnamed) == 1 and self._filters.honour(
            _LIST, "filter[attachment_id]", _NO_FILE, asked
        ):
            return self._take(unnamed[0])
        if self._keeps:
            return None
        if found := self._find_by_name(attachment, name, earliest, taken):
            return found
        new = walk(self._desk.client, _LIST, ("filter[created_at_from]", as_filter(earliest)))
        if any(
            not (row.get("file_name") or row.get("attachment_id") or row.get("id") in taken)
            and _is_new(row, earliest)
            for row in new
        ):
            self.untold.add(attachment)
        return None

    def _take(self, row: Row) -> Row:
        self._taken.add(str(row["id"]))
        return row

    def _find_by_name(
        self, attachment: str, name: str, earliest: str, taken: Container[str]
    ) -> Row | None:
        told = read(self._desk.client, f"/attachments/{attachment}", "attachment") or {}
        name = told.get("file_name") or name
        if not name:
            return None
        for row in self._named(name, ("filter[created_at_from]", as_filter(earliest))):
            if row.get("id") in taken or not _is_new(row, earliest):
                continue
            if self._has_size(row, told.get("file_size")):
                self._say_that_names_decide()
                return self._take(row)
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
        attachment = row.get("attachment_id") or row.get("display_attachment_id")
        if not isinstance(attachment, str):
            return None
        try:
            return read(self._desk.client, f"/attachments/{attachment}", "attachment")
        except NotReadableError:  # the scope is another one
            return None

    # Before anything is sent

    def same(self, wanted: Sequence[tuple[Item, Seen]]) -> Iterator[tuple[Item, Row, bool]]:
        """Yield the rows whose very file Qonto has as an invoice that no other row claims.

        Args:
            wanted: Rows that the journal does not know, and their files.

        Yields:
            The row, the invoice, and whether it is sure: else name and size are all that is told.

        Raises:
            QontoError: If Qonto cannot be asked.
        """
        if not wanted:
            return
        taken = self._desk.journal.written(STREAM)
        whole = self._whole(len(wanted))
        for item, seen in wanted:
            rows = self._named(seen.name) if whole is None else whole.get(seen.name, ())
            judged = [
                (row, same) for row in rows
                if row.get("id") not in taken and (same := self._is_same(row, seen)) is not False
            ]  # fmt: skip
            for row, same in sorted(judged, key=lambda each: each[1] is None)[:1]:
                taken.add(str(row["id"]))
                yield item, row, bool(same)

    def _whole(self, rows: int) -> dict[str, list[Row]] | None:
        """Return all invoices by file name, if that is cheaper than to ask for each name."""
        client = self._desk.client
        first = client.whole_page(Query(LOGGED, _LIST), "supplier_invoices", 1)
        pages = 1 if first.is_last else first.pages
        if pages is None or pages > max(_SHORT, rows // _ROWS_A_PAGE):
            return None
        named: dict[str, list[Row]] = {}
        for row in walk(client, _LIST):
            named.setdefault(str(row.get("file_name")), []).append(row)
        return named

    def _is_same(self, row: Row, seen: Seen) -> bool | None:
        """Return whether an invoice was made of the very same file; None if that is not told."""
        told = self._file(row)
        if told and str(told.get("file_size") or seen.size) != str(seen.size):
            return False
        url = told.get("url") if told else None
        if not isinstance(url, str):
            return None
        try:
            return sha256(self._desk.files.read(url).data).hexdigest() == seen.digest
        except UnusableFileError:
            return None


def _is_new(row: Row, earliest: str) -> bool:
    """Return whether an invoice may have been made since an instant."""
    created = row.get("created_at")
    return not isinstance(created, str) or uniform(created) >= earliest


def _by_name(
    created: list[Row], attachments: Sequence[str], names: Mapping[str, str]
) -> dict[str, Row]:
    """Return invoices by the attachments that have their names."""
    found: dict[str, Row] = {}
    for name in dict.fromkeys(names[each] for each in attachments):
        same = [each for each in attachments if names[each] == name]
        twins = [row for row in created if row.get("file_name") == name]
        if len(same) == len(twins):
            # Equal names are equal in number: which is which cannot be told, nor matters.
            found |= zip(same, twins, strict=True)
    return found
