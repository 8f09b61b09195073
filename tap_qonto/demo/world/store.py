"""A file that keeps what was written to a company, between runs and between processes.

It is a database of SQLite, so that a process that is killed leaves a whole write or none, and two
processes that write at once take turns. Only what differs from the generated history is in it.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tap_qonto.demo.world.errors import WorldFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.demo.world.rows import Row

_VERSION: Final = 1
_PATIENCE: Final = 60.0
"""Seconds to wait for another process that writes."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS "row" (
    change INTEGER PRIMARY KEY AUTOINCREMENT, company TEXT NOT NULL, collection TEXT NOT NULL,
    id TEXT NOT NULL, content BLOB, UNIQUE (company, collection, id));
CREATE TABLE IF NOT EXISTS "file" (
    company TEXT NOT NULL, id TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (company, id));
"""


class Store:
    """The written rows and files of one company."""

    def __init__(self, path: str | Path, company: str) -> None:
        """Open the file, or make it.

        Args:
            path: Where it is; its folder is made too.
            company: Name of the company; several may share a file.

        Raises:
            WorldFileError: It cannot be read or made, or is no file of this kind.
        """
        self._path = Path(path).expanduser()
        self._company = company
        self._seen = 0
        self._version = -1
        self._writing = False
        with self._trouble():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Whoever calls holds the company's lock, so threads may share the connection.
            self._database = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def _prepare(self) -> None:
        with self._trouble():
            # A made-up company survives every kill, but need not survive a power cut.
            self._database.execute("PRAGMA synchronous = OFF")
        with self.transaction():
            (found,) = self._database.execute("PRAGMA user_version").fetchone()
            (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if found != (_VERSION if tables else 0):
                message = f"{self._path} is no file of the demo company. Name another one"
                raise WorldFileError(message)
            for statement in _TABLES.split(";"):
                self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            message = (
                f"{self._path} cannot be used as the demo company's file: {error}. Name another one"
            )
            raise WorldFileError(message) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of what follows, or nothing; other processes wait.

        Raises:
            WorldFileError: The file cannot be written.
        """
        with self._trouble():
            self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with self._trouble():
                self._database.execute("ROLLBACK")
            raise
        with self._trouble():
            self._database.execute("COMMIT")

    def changes(self) -> Iterator[tuple[str, str, Row | None]]:
        """Yield what was written since the last call, as (collection, id, row or None).

        Raises:
            WorldFileError: The file cannot be read.
        """
        with self._trouble():
            # Half the price of a look into the table when nobody else has written.
            (version,) = self._database.execute("PRAGMA data_version").fetchone()
            if version == self._version:
                return
            found = self._database.execute(
                'SELECT change, collection, id, content FROM "row" '
                "WHERE company = ? AND change > ? ORDER BY change",
                (self._company, self._seen),
            ).fetchall()
            self._version = version
        for change, collection, key, content in found:
            self._seen = change
            yield collection, key, None if content is None else msgspec.json.decode(content)

    def put(self, collection: str, key: str, row: Row | None) -> None:
        """Keep a row as it is now; None for one that was removed.

        Raises:
            WorldFileError: The file cannot be written.
        """
        content = None if row is None else msgspec.json.encode(row)
        with self._trouble():
            cursor = self._database.execute(
                'INSERT OR REPLACE INTO "row" (company, collection, id, content) '
                "VALUES (?, ?, ?, ?)",
                (self._company, collection, key, content),
            )
        self._seen = int(cursor.lastrowid or self._seen)

    def put_file(self, key: str, content: bytes) -> None:
        """Keep the bytes of a file.

        Raises:
            WorldFileError: The file cannot be written.
        """
        with self._trouble():
            self._database.execute(
                'INSERT OR REPLACE INTO "file" VALUES (?, ?, ?)', (self._company, key, content)
            )

    def file(self, key: str) -> bytes | None:
        """Return the bytes of a file that was written; None when there is none.

        Raises:
            WorldFileError: The file cannot be read.
        """
        with self._trouble():
            found: Any = self._database.execute(
                'SELECT content FROM "file" WHERE company = ? AND id = ?', (self._company, key)
            ).fetchone()
        return None if found is None else bytes(found[0])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
