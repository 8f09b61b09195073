"""The journal: what is being sent, was sent or was refused, on this machine. The first ring.

It is precise about the one request that is under way when a run dies: `sending` is on the disk
before the first byte leaves, and the outcome before the next row begins. It keeps neither names
nor IBANs. To remove it is safe: what was sent bears a tag in Qonto, which is looked for first.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from filelock import FileLock, Timeout

from tap_qonto.api.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SENDING: Final = "sending"
DONE: Final = "done"
REJECTED: Final = "rejected"

_VERSION = 1
_APPLICATION = 0x51544F4A  # "QTOJ", so that another program's database is not taken for ours
_TABLES = """
CREATE TABLE owner (organization_id TEXT NOT NULL, environment TEXT NOT NULL);
CREATE TABLE writes (
    key TEXT PRIMARY KEY,
    stream TEXT NOT NULL,
    external_id TEXT NOT NULL,
    step TEXT NOT NULL,
    content TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sending', 'done', 'rejected')),
    attempts INTEGER NOT NULL,
    first_attempt_at REAL NOT NULL,
    last_attempt_at REAL NOT NULL,
    settled_at REAL,
    qonto_id TEXT NOT NULL DEFAULT '',
    code TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX unresolved ON writes (state) WHERE state = 'sending';
"""
_CHUNK = 500
"""Keys looked up at once."""


class Entry(NamedTuple):
    """What the journal knows of one write; times are seconds since the epoch."""

    key: str
    stream: str
    external_id: str
    step: str
    content: str
    """Hash of the row's cells."""
    state: str = SENDING
    attempts: int = 0
    """Requests that were sent or about to be."""
    first_attempt_at: float = 0.0
    last_attempt_at: float = 0.0
    settled_at: float | None = None
    """When the outcome was known."""
    qonto_id: str = ""
    code: str = ""
    """Qonto's code for a refusal."""


_COLUMNS = ", ".join(Entry._fields)


class Journal:
    """One organization's journal, locked for one run.

    Args:
        path: The SQLite file; made if it does not exist.
        organization_id: Whose writes it keeps.
        environment: In which of Qonto's environments.

    Raises:
        JournalError: If it cannot be used, or another run has it.
    """

    def __init__(self, path: Path, *, organization_id: str, environment: str) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(f"{path}.lock", mode=0o600)
            self._lock.acquire(timeout=0)
        except Timeout:
            msg = (
                f"Another run is using the journal {path}. Wait until it has ended; a row that it "
                "sends is not sent again"
            )
            raise JournalError(msg) from None
        except OSError as error:
            raise JournalError(self._unusable(error.strerror or type(error).__name__)) from None
        try:
            self._open(organization_id, environment)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, organization_id: str, environment: str) -> None:
        try:
            # Before SQLite, which would make the file as the umask has it.
            self._path.touch(mode=0o600)
            self._path.chmod(0o600)
            self._database = sqlite3.connect(self._path, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(self._unusable(_reason(error))) from None
        try:
            with self._speaking():
                self._database.execute("PRAGMA journal_mode = DELETE")
                self._database.execute("PRAGMA synchronous = EXTRA")
                self._prepare(organization_id, environment)
        except BaseException:
            self._database.close()
            raise

    def _prepare(self, organization_id: str, environment: str) -> None:
        """Make the tables of a new file, or check that they are ours."""
        with self._transaction():
            version = self.pragma("user_version")
            [tables] = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if version == 0 and tables == 0:
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._database.execute(statement)
                self._database.execute(
                    "INSERT INTO owner VALUES (?, ?)", (organization_id, environment)
                )
                self._database.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._database.execute(f"PRAGMA user_version = {_VERSION}")
                return
            if self.pragma("application_id") != _APPLICATION:
                raise JournalError(self._unusable("another program has written it"))
            if version != _VERSION:
                raise JournalError(self._unusable("another version of target-qonto has written it"))
            owners = self._database.execute("SELECT organization_id, environment FROM owner")
            if owners.fetchall() != [(organization_id, environment)]:
                msg = (
                    f"The journal {self._path} belongs to another organization or environment. "
                    "Nothing was sent. Set journal_path to a file of its own for each"
                )
                raise JournalError(msg)

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the journal and let another run have it."""
        self.close()

    def close(self) -> None:
        """Close the journal and let another run have it."""
        self._database.close()
        self._lock.release()

    def pragma(self, name: str) -> Any:
        """Return what SQLite says of one of its settings."""
        [value] = self._database.execute(f"PRAGMA {name}").fetchone()
        return value

    def entries(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Return what is known of these writes, by key.

        Raises:
            JournalError: If the journal cannot be read.
        """
        wanted = list(keys)
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            for entry in self._select(f"WHERE key IN ({marks})", chunk):
                found[entry.key] = entry
        return found

    def unresolved(self) -> list[Entry]:
        """Return the writes whose outcome is unknown, the oldest first.

        Raises:
            JournalError: If the journal cannot be read.
        """
        return self._select("WHERE state = 'sending' ORDER BY first_attempt_at, key")

    def _select(self, where: str, values: Iterable[str] = ()) -> list[Entry]:
        with self._speaking():
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM writes {where}",  # noqa: S608 - both are constants
                tuple(values),
            )
            return [Entry(*row) for row in rows]

    def written(self, stream: str) -> set[str]:
        """Return the IDs of all that the journal knows to be carried out in a stream.

        Raises:
            JournalError: If the journal cannot be read.
        """
        done = self._select("WHERE stream = ? AND state = 'done'", (stream,))
        return {entry.qonto_id for entry in done}

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is noted inside to the disk at once, or none of it."""
        with self._speaking(), self._transaction():
            yield

    def sending(self, entry: Entry, at: float) -> Entry:
        """Note, on the disk, that a request is about to leave.

        Args:
            entry: The write, as it is known.
            at: Now, in seconds since the epoch.

        Returns:
            The write as it is known from now on.

        Raises:
            JournalError: If that cannot be written; then nothing may be sent.
        """
        again = entry.state == SENDING and entry.attempts > 0
        return self._put(
            entry._replace(
                state=SENDING,
                attempts=entry.attempts + 1,
                first_attempt_at=entry.first_attempt_at if again else at,
                last_attempt_at=at,
                settled_at=None,
                qonto_id="",
                code="",
            )
        )

    def done(self, entry: Entry, at: float, *, qonto_id: str) -> Entry:
        """Note that Qonto has carried out a write; arguments and errors as for `sending`."""
        return self._put(entry._replace(state=DONE, settled_at=at, qonto_id=qonto_id, code=""))

    def rejected(self, entry: Entry, at: float, *, code: str) -> Entry:
        """Note that Qonto has not carried out a write; arguments and errors as for `sending`."""
        return self._put(entry._replace(state=REJECTED, settled_at=at, qonto_id="", code=code))

    def _put(self, entry: Entry) -> Entry:
        marks = ", ".join("?" * len(entry))
        with self._speaking(), self._transaction():
            self._database.execute(
                f"INSERT OR REPLACE INTO writes ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 - constants
                entry,
            )
        return entry

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._database.in_transaction:
            yield
        else:
            yield from self._own_transaction()

    def _own_transaction(self) -> Iterator[None]:
        with closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield
                cursor.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Turn what SQLite says into a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(self._unusable(_reason(error))) from None

    def _unusable(self, why: str) -> str:
        return (
            f"The journal {self._path} cannot be used: {why}. Nothing more was sent. If it is "
            "damaged, remove it: what was sent bears a tag in Qonto, is found again and is not "
            "sent twice"
        )


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return text or type(error).__name__
