"""What became of a stream's documents, as the log tells it."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tap_qonto.documents.document import Fetched

_logger = logging.getLogger("tap-qonto")

_WORDS = {
    "metadata_only": "listed, not downloaded: attachments_path is not set",
    "failed": "could not be had",
}
"""What the log says instead of a status."""


class Outcomes:
    """Counts what became of documents, and warns of the first of each kind of trouble.

    Args:
        stream: Name of the document stream.
        belongs_to: The column that holds the parent's ID.
    """

    def __init__(self, stream: str, belongs_to: str) -> None:
        self.first_reason = ""
        """Why the first document could not be had that could not."""
        self._stream = stream
        self._belongs_to = belongs_to
        self._statuses: Counter[str] = Counter()
        self._received = 0
        self._unreadable = 0
        self._unchanged = 0
        self._told_before = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """How many documents had which fate; `unchanged` are those that an earlier run had."""
        fetched = self._statuses - Counter(stored=self._unchanged)
        return fetched + Counter(unchanged=self._unchanged + self._told_before)

    def pass_over(self, documents: int) -> None:
        """Count documents of which an earlier run has told all."""
        self._told_before += documents

    def note(self, fetched: Fetched, context: Mapping[str, Any]) -> None:
        """Count a document that belongs to a row."""
        row = fetched.row
        status = row["file_status"]
        if status == "missing" and not self._statuses[status]:
            _logger.warning(
                "%s: a document of %s %s does not exist any more; its row says 'missing'. "
                "Others are counted at the end",
                self._stream, self._belongs_to, context.get(self._belongs_to),
            )  # fmt: skip
        reason = row["file_reason"] if status == "failed" else row.get("probative_reason")
        if "failed" in (status, row.get("probative_status")) and not self.first_reason:
            self.first_reason = str(reason)
            _logger.warning(
                "%s: a document of %s %s could not be had: %s. Its row says 'failed'. Others are "
                "counted at the end",
                self._stream, self._belongs_to, context.get(self._belongs_to), reason,
            )  # fmt: skip
        self._statuses[status] += 1
        self._unchanged += status == "stored" and not fetched.received
        self._received += fetched.received
        if fetched.complaint:
            if not self._unreadable:
                _logger.warning(
                    "%s: the PDF of %s %s cannot be searched for an electronic invoice: %s. "
                    "Others are counted at the end",
                    self._stream, self._belongs_to, context.get(self._belongs_to),
                    fetched.complaint,
                )  # fmt: skip
            self._unreadable += 1

    def log(self) -> None:
        """Say how many documents had which fate."""
        counts = [
            f"{count:,} {_WORDS.get(status, status)}"
            for status, count in sorted(self._statuses.items())
        ]
        if self._told_before:
            counts.append(
                f"{self._told_before:,} listed by an earlier run: attachments_path is not set"
            )
        if not counts:
            return
        if self._unreadable:
            counts.append(f"{self._unreadable:,} with an unreadable PDF")
        if self._received or "stored" in self._statuses:
            counts.append(f"{self._received / 1e6:,.1f} MB downloaded")
        trouble = self._unreadable or self._statuses["missing"] or self._statuses["failed"]
        _logger.log(
            logging.WARNING if trouble else logging.INFO, "%s: %s", self._stream, "; ".join(counts)
        )
