"""The file that keeps rotating tokens between runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import CredentialError, DamagedStoreError
from tap_qonto.auth.keys import sendable

if TYPE_CHECKING:
    from collections.abc import Iterator


_STORE_VERSION = 1


_LATEST = 32_503_680_000.0  # The year 3000; no clock that works writes a later instant.


def fingerprint(token: str) -> str:
    """Return the SHA-256 of a token as 64 hexadecimal digits: recognises it, does not reveal it."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A refresh that was begun and whose answer is not known."""

    token: str
    """The fingerprint of the refresh token that was sent."""
    since: float
    """When it may have been used first, in seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the token store holds. Instants are seconds since the epoch."""

    client_id: str
    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    received_at: float = 0.0
    """When the two tokens were given."""
    expires_at: float = 0.0
    """When the access token stops working."""
    seeds: tuple[str, ...] = ()
    """Fingerprints of all refresh tokens that were ever configured and are superseded by now."""
    intent: Intent | None = None


class TokenStore:
    """A file of JSON with the rights 0600 that is only ever replaced as a whole.

    Args:
        path: The file. Its folder is made when something is written (with the rights 0700).
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Stored | None:
        """Return what is stored, or None if nothing is.

        Reading needs no lock: the file is replaced in one step.

        Raises:
            DamagedStoreError: If the file was not written by this class, or only in part.
            CredentialError: If the file cannot be read.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CredentialError(self._sentence("cannot be read", _why(error))) from error
        if not text.strip():
            return None
        try:
            return _decode(json.loads(text))
        except (KeyError, OverflowError, RecursionError, TypeError, ValueError):
            msg = (
                f"The token store {self.path} is damaged, or was written by another program or by "
                "a newer version of tap-qonto."
            )
            raise DamagedStoreError(msg) from None

    def write(self, stored: Stored) -> None:
        """Replace the store: write aside, flush to the disk, rename. The caller holds the lock.

        Raises:
            CredentialError: If the file cannot be written; the old one is untouched.
        """
        text = json.dumps(_encode(stored), indent=2).encode()
        # A link, as Kubernetes and home folder tools make them, stays; its target is replaced.
        target = Path(os.path.realpath(self.path))
        aside = target.with_name(f"{target.name}.new")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Left behind by a killed process, if it exists: the lock says nobody is writing it.
            aside.unlink(missing_ok=True)
            with os.fdopen(
                os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
            _flush_folder(target.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            raise CredentialError(self._sentence("cannot be written", _why(error))) from error

    def set_aside(self) -> Path:
        """Rename a damaged store, whatever it is, instead of losing it. The caller holds the lock.

        Returns:
            Its new name.

        Raises:
            CredentialError: If it cannot be renamed.
        """
        target = Path(os.path.realpath(self.path))
        try:
            return target.replace(target.with_name(f"{target.name}.damaged"))
        except OSError as error:
            raise CredentialError(self._sentence("cannot be replaced", _why(error))) from error

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Hold the store for this thread alone, among all processes of the machine.

        Args:
            timeout: Seconds to wait for another holder.

        Raises:
            CredentialError: If the lock cannot be had.
        """
        from filelock import FileLock, Timeout

        target = Path(os.path.realpath(self.path))
        lock = FileLock(target.with_name(f"{target.name}.lock"), timeout=timeout, mode=0o600)
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            msg = (
                f"Another process has been refreshing the tokens in {self.path} for more than "
                f"{timeout:.0f} seconds. Look for a hanging tap-qonto, end it and run again."
            )
            raise CredentialError(msg) from None
        except (OSError, NotImplementedError) as error:
            raise CredentialError(self._sentence("cannot be locked", _why(error))) from error
        try:
            yield
        finally:
            lock.release()

    def _sentence(self, what: str, why: str) -> str:
        return (
            f"The token store {self.path} {what} ({why}). Set token_store to a file in a folder "
            "that this user may read and write and that lasts from run to run, or repair this one."
        )


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to flush a folder; the file itself is flushed already.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _encode(stored: Stored) -> dict[str, Any]:
    intent = stored.intent
    return {
        "version": _STORE_VERSION,
        "client_id": stored.client_id,
        "refresh_token": stored.refresh_token,
        "access_token": stored.access_token,
        "received_at": stored.received_at,
        "expires_at": stored.expires_at,
        "seeds": list(stored.seeds),
        "intent": intent and {"token": intent.token, "since": intent.since},
    }


def _decode(document: dict[str, Any]) -> Stored:
    if document["version"] != _STORE_VERSION:
        raise ValueError
    intent = document["intent"]
    return Stored(
        client_id=_text(document["client_id"]),
        refresh_token=_optional_text(document["refresh_token"]),
        access_token=_optional_text(document["access_token"]),
        received_at=_instant(document["received_at"]),
        expires_at=_instant(document["expires_at"]),
        seeds=tuple(_text(seed) for seed in document["seeds"]),
        intent=intent and Intent(token=_text(intent["token"]), since=_instant(intent["since"])),
    )


def _instant(value: Any) -> float:
    if not 0.0 <= (instant := float(value)) < _LATEST:
        raise ValueError
    return instant


def _text(value: Any) -> str:
    if not (isinstance(value, str) and sendable(value)):
        raise ValueError
    return value


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)
