"""The journal: private, locked, ours, and never in the way of the truth."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.api.errors import JournalError
from tap_qonto.writing.identity import Identity
from tap_qonto.writing.journal import Entry, Journal
from tests.kit.cases import thorough
from tests.kit.payroll import Bank, bank_at
from tests.kit.target import load, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENTRY = Entry("key", "new_transfers", "INV-1", "transfer", "hash")


def opened(path: Path, organization_id: str = "org", environment: str = "sandbox") -> Journal:
    return Journal(path, organization_id=organization_id, environment=environment)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with bank_at(tmp_path) as running:
        yield running


def test_an_entry_goes_from_sending_to_done_or_rejected(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as journal:
        entry = journal.sending(ENTRY, 10.0)
        assert journal.unresolved() == [entry]
        entry = journal.sending(entry, 20.0)
        assert (entry.attempts, entry.first_attempt_at, entry.last_attempt_at) == (2, 10.0, 20.0)
        entry = journal.rejected(entry, 21.0, code="422")
        assert journal.unresolved() == []
        entry = journal.sending(entry, 30.0)
        assert (entry.attempts, entry.first_attempt_at, entry.code) == (3, 30.0, "")
        entry = journal.done(entry, 31.0, qonto_id="id")
    with opened(tmp_path / "journal") as journal:
        assert journal.entries(["key", "other"]) == {"key": entry}


def test_a_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "journal"
    umask = os.umask(0)
    try:
        with opened(path) as journal:
            journal.sending(ENTRY, 1.0)
    finally:
        os.umask(umask)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"journal": 0o600, "journal.lock": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_journal_is_written_through_to_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as journal:
        pragmas = [journal.pragma(name) for name in ("journal_mode", "synchronous", "user_version")]
    assert pragmas == ["delete", 3, 1]


def _text(path: Path) -> None:
    path.write_text("This is no database, but it is long enough to be taken for one. " * 9)


def _truncated(path: Path) -> None:
    with opened(path) as journal:
        for number in range(100):
            journal.sending(ENTRY._replace(key=str(number)), 1.0)
    path.write_bytes(path.read_bytes()[:5_000])


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE writes (x)")


def _newer(path: Path) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA user_version = 2")


def _folder(path: Path) -> None:
    path.mkdir()


DAMAGES = {
    "no database": _text,
    "cut off": _truncated,
    "of another program": _foreign,
    "of a newer version": _newer,
    "a folder": _folder,
}


@pytest.mark.parametrize(
    "damage", thorough(DAMAGES, "no database", "of a newer version", "a folder")
)
def test_a_journal_that_cannot_be_read_stops_the_run(
    damage: Callable[[Path], None], bank: Bank, tmp_path: Path
) -> None:
    path = tmp_path / "damaged"
    damage(path)
    organization = bank.company.organization_id
    with pytest.raises(JournalError):
        opened(path, organization).entries([str(number) for number in range(100)])
    config = bank.config | {"journal_path": f"{path}"}
    if path.is_dir():
        (path / f"journal-production-{organization}.sqlite").mkdir()
    done = load(messages([bank.row(0)]), config)
    assert (done.exit_code, done.output, bank.posts) == (2, "", [])
    [error] = done.errors
    assert "cannot be used" in error
    assert "remove it: what was sent bears a tag in Qonto" in error


@pytest.mark.parametrize(("organization_id", "environment"), [("o", "sandbox"), ("org", "prod")])
def test_a_journal_of_somebody_else_is_not_used(
    organization_id: str, environment: str, tmp_path: Path
) -> None:
    opened(tmp_path / "journal").close()
    with pytest.raises(JournalError, match="belongs to another organization or environment"):
        opened(tmp_path / "journal", organization_id, environment)


def test_a_second_run_ends_with_one_sentence(bank: Bank, tmp_path: Path) -> None:
    with opened(tmp_path / "journal.sqlite", bank.company.organization_id, "production"):
        done = load(messages([bank.row(0)]), bank.config)
        assert (done.exit_code, bank.posts) == (2, [])
        assert [error.partition(" journal ")[0] for error in done.errors] == [
            "Another run is using the"
        ]
    assert load(messages([bank.row(0)]), bank.config).exit_code == 0


def test_journal_and_log_name_no_iban_and_the_journal_no_payee(
    bank: Bank, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    rows = [bank.row(0, note="Secret note"), bank.row(1, beneficiary_name="Nobody")]
    digest = load(messages(rows), bank.config).digest
    done = load(messages(rows), bank.config | {"approve": digest})
    assert [row["status"] for row in bank.results] == ["sent", "held"], done.log
    written = (tmp_path / "journal.sqlite").read_bytes().decode("latin-1")
    for text in (done.log, caplog.text):
        assert "Secret note" not in text
        assert bank.config["access_token"] not in text
        assert "1|1|" not in text
    for number in (0, 1):
        payee = bank.payees[number]
        for text in (done.log, caplog.text, written):
            assert payee["iban"] not in text
            assert not re.search(rf"\d{{4}} ?{payee['iban'][-4:]}", text)
        assert payee["name"] not in written
        assert payee["iban"][-4:] not in written


# Keys and tags


def test_a_key_is_formally_random_and_the_same_everywhere() -> None:
    identity = Identity("org", "new_transfers", "17", "transfer")
    assert identity.key == "748cdc37-2d1c-42aa-b73d-464e3bf6c7ee"
    assert identity.tag == "OSGNYNZNDRZK"


OTHERS: dict[str, Any] = {
    "another organization": ("org2", "new_transfers", "17", "transfer"),
    "another stream": ("org", "new_clients", "17", "transfer"),
    "another row": ("org", "new_transfers", "18", "transfer"),
    "another step": ("org", "new_transfers", "17", "draft"),
    "the same letters in other places": ("orgnew", "_transfers", "17", "transfer"),
}


@pytest.mark.parametrize("parts", OTHERS.values(), ids=OTHERS)
def test_another_write_has_another_key_and_tag(parts: tuple[str, str, str, str]) -> None:
    identity, other = Identity("org", "new_transfers", "17", "transfer"), Identity(*parts)
    assert identity.key != other.key
    assert identity.tag != other.tag
