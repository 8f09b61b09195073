"""Result rows: what became of each row, for other programs to read."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec

from tap_qonto.api.errors import StorageError
from tap_qonto.writing.plan import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_qonto.writing.plan import Item


class Results:
    """Writes result rows, ``<place>/<stream>/<run_id>.jsonl``; a later writing replaces them.

    Args:
        place: A folder or an fsspec URL; None writes none.
        run_id: Names the run.
    """

    def __init__(self, place: str | None, run_id: str) -> None:
        self._place = place
        self._run_id = run_id

    def write(self, items: Iterable[Item], *, digest: str, now: str) -> None:
        """Write a row for each item.

        Args:
            items: The rows of the run.
            digest: That of their plan.
            now: Uniform instant for rows of which nothing else is known.

        Raises:
            StorageError: If the place cannot be written to.
        """
        if not self._place:
            return
        lines: dict[str, list[bytes]] = {}
        for item in items:
            row = self._row(item, digest, now)
            lines.setdefault(item.row.stream, []).append(msgspec.json.encode(row) + b"\n")
        for stream, rows in lines.items():
            try:
                _put(self._place, f"{stream}/{self._run_id}.jsonl", b"".join(rows))
            except Exception as error:  # noqa: BLE001 - each driver raises errors of its own
                reason = getattr(error, "strerror", None) or type(error).__name__
                msg = f"results_path cannot be written to: {reason}"
                raise StorageError(msg) from None

    def _row(self, item: Item, digest: str, now: str) -> dict[str, Any]:
        return {
            "run_id": self._run_id,
            "stream": item.row.stream,
            "external_id": item.row.external_id,
            "status": item.status.value,
            "qonto_id": item.qonto_id or None,
            "qonto_status": item.qonto_status or None,
            "amount": None if item.cents is None else plain(item.cents),
            "currency": item.currency or None,
            "payee_check": item.payee_check or None,
            "code": item.code or None,
            "reason": item.reason or None,
            "at": item.at or now,
            "digest": digest,
        }


def _put(place: str, name: str, content: bytes) -> None:
    """Write a file of results below a place."""
    parts = urlsplit(place) if "://" in place else None
    if "::" not in place and (parts is None or parts.scheme in ("file", "local")):
        root = Path(url2pathname(f"{parts.netloc}{parts.path}") if parts else place)
        path = root.expanduser() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_bytes(content)
        aside.replace(path)
        return
    fsspec: Any = import_module("fsspec.core")  # folders can do without

    files, root_path = fsspec.url_to_fs(place)
    path_there = f"{root_path.rstrip('/')}/{name}"
    if files.protocol not in ("s3", "gs", ("s3", "s3a"), ("gs", "gcs")):
        files.makedirs(path_there.rpartition("/")[0], exist_ok=True)
    files.pipe_file(path_there, content)
