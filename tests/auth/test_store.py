"""The token store: what is kept, for whom, and what becomes of a damaged one."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.auth.clients import DAY, oauth, sent, sentence
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, Clock, Tokens

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_run_uses_what_the_first_has_stored(
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    first = sent(oauth(server, store, clock, refresh_token=seed))
    assert sent(oauth(server, store, clock, refresh_token=seed)) == first
    clock.sleep(3700)
    second = sent(oauth(server, store, clock, refresh_token=seed))
    assert second == f"Bearer {server.newest}" != first
    assert len(set(server.spent)) == len(server.spent) == 2


@pytest.mark.slow
def test_a_year_of_runs_with_the_first_token_configured(
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    for _ in range(52):
        sent(oauth(server, store, clock, refresh_token=seed))
        clock.sleep(7 * DAY)
    assert len(set(server.spent)) == 52
    assert server.refused == 0


def test_a_new_seed_takes_over_and_an_old_one_does_not(
    server: Tokens, store: Path, clock: Clock
) -> None:
    old, new = server.seed(), server.seed()
    sent(oauth(server, store, clock, refresh_token=old))
    taken = sent(oauth(server, store, clock, refresh_token=new))
    assert server.spent == [old, new]
    assert sent(oauth(server, store, clock, refresh_token=old)) == taken
    clock.sleep(DAY)
    sent(oauth(server, store, clock, refresh_token=old))
    assert server.refused == 0
    assert server.spent[2] not in {old, new}


def test_the_token_of_the_store_may_be_configured_as_seed(
    server: Tokens, store: Path, clock: Clock
) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    copied = json.loads(store.read_text())["refresh_token"]
    for _ in range(2):
        clock.sleep(DAY)
        sent(oauth(server, store, clock, refresh_token=copied))
    assert server.refused == 0


def test_a_filled_store_needs_no_seed(server: Tokens, store: Path, clock: Clock) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    clock.sleep(DAY)
    assert sent(oauth(server, store, clock)) == f"Bearer {server.newest}"


def test_an_empty_store_without_a_seed_names_the_login(
    server: Tokens, store: Path, clock: Clock
) -> None:
    with sentence("tap-qonto-login", str(store)):
        sent(oauth(server, store, clock))
    store.write_text("")
    with sentence("tap-qonto-login", str(store)):
        sent(oauth(server, store, clock))
    assert server.forms == []


def test_the_store_of_another_client_is_not_used(server: Tokens, store: Path, clock: Clock) -> None:
    seed = server.seed()
    sent(oauth(server, store, clock, refresh_token=seed))
    with sentence(CLIENT_ID, "client-2", "token_store"):
        sent(oauth(server, store, clock, client_id="client-2", refresh_token=seed))
    assert len(server.forms) == 1


def test_only_the_owner_may_read_the_store(server: Tokens, store: Path, clock: Clock) -> None:
    before = os.umask(0)
    try:
        sent(oauth(server, store, clock, refresh_token=server.seed()))
        store.chmod(0o644)
        clock.sleep(DAY)
        sent(oauth(server, store, clock))
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    for file in store.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_the_seed_itself_is_not_stored(server: Tokens, store: Path, clock: Clock) -> None:
    seed = server.seed()
    sent(oauth(server, store, clock, refresh_token=seed))
    assert seed not in store.read_text()
    assert CLIENT_SECRET not in store.read_text()


def test_a_link_to_the_store_stays_a_link(
    server: Tokens, store: Path, tmp_path: Path, clock: Clock
) -> None:
    target = tmp_path / "elsewhere.json"
    store.parent.mkdir()
    store.symlink_to(target)
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert store.is_symlink()
    assert json.loads(target.read_text())["access_token"] == server.newest


def test_what_a_killed_writer_left_behind_is_replaced(
    server: Tokens, store: Path, clock: Clock
) -> None:
    store.parent.mkdir()
    store.with_name(f"{store.name}.new").write_text('{"refr')
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert sorted(file.name for file in store.parent.iterdir()) == [
        store.name,
        f"{store.name}.lock",
    ]


DAMAGE = {
    "half a file": '{"version": 1, "client_id": "cli',
    "not JSON": "export PATH=/usr/bin",
    "other JSON": '["a"]',
    "a later version": '{"version": 2}',
    "a wrong type": '{"version": 1, "client_id": 7}',
    "an impossible instant": '{"version": 1, "client_id": "client-1", "refresh_token": "r", '
    '"access_token": "a", "received_at": 0, "expires_at": 1e300, "seeds": [], "intent": null}',
    "deeply nested": "[" * 100_000,
}


@pytest.mark.parametrize("text", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_store_is_set_aside_for_the_seed(
    server: Tokens, store: Path, clock: Clock, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.parent.mkdir()
    store.write_text(text)
    assert sent(oauth(server, store, clock, refresh_token=server.seed())).endswith(server.newest)
    assert store.with_name(f"{store.name}.damaged").read_text() == text
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert str(store) in warning.getMessage()


def test_a_damaged_store_without_a_seed_is_a_sentence(
    server: Tokens, store: Path, clock: Clock
) -> None:
    store.parent.mkdir()
    store.write_text("{")
    with sentence(str(store), "damaged", "tap-qonto-login"):
        sent(oauth(server, store, clock))
    assert store.read_text() == "{"


def test_a_store_that_cannot_be_written_spends_no_token(
    server: Tokens, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "tokens.json.new").mkdir()
    for path in (tmp_path / "file" / "tokens.json", tmp_path / "tokens.json"):
        with sentence(str(path), "token_store"):
            sent(oauth(server, path, clock, refresh_token=server.seed()))
    assert server.forms == []


def test_the_tokens_are_on_disk_before_the_access_token_is_used(
    server: Tokens, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    # A folder in the place of the file written aside: made when the answer is on its way.
    server.meanwhile = store.with_name(f"{store.name}.new").mkdir
    with sentence(str(store), "within 60 seconds", "tap-qonto-login"):
        sent(auth)
