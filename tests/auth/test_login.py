"""tap-qonto-login: what the browser is asked, what is kept, what is printed."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_qonto.auth import login
from tap_qonto.auth.scopes import TARGET_SCOPES
from tap_qonto.writing.streams import READERS
from tests.auth.clients import DAY, sent
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, MARK, STAGING_TOKEN, Tokens

if TYPE_CHECKING:
    from tests.auth.person import Person


def test_a_login_fills_the_store_for_the_tap(person: Person) -> None:
    assert person.log_in() == 0
    assert str(person.store) in person.said
    assert stat.S_IMODE(person.store.stat().st_mode) == 0o600
    tap = person.tap()
    assert sent(tap) == f"Bearer {person.server.newest}"
    assert person.server.spent == []
    person.clock.sleep(DAY)
    assert sent(tap) == f"Bearer {person.server.newest}"
    assert len(person.server.spent) == 1


def test_a_login_asks_for_reading_only_and_shows_no_secret(person: Person) -> None:
    person.log_in()
    scopes = person.asked["scope"].split()
    assert {"offline_access", "organization.read", "client_invoices.read"} <= set(scopes)
    assert all(scope.endswith(".read") for scope in scopes if scope != "offline_access")
    assert person.asked["code_challenge_method"] == "S256"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/callback", person.asked["redirect_uri"])
    assert MARK not in person.visited[0]


def test_a_login_for_the_target_asks_for_what_it_writes_with_its_own_settings(
    person: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = tmp_path / "target.json"
    monkeypatch.setenv("TARGET_QONTO_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("TARGET_QONTO_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("TARGET_QONTO_TOKEN_STORE", str(store))
    assert person.log_in("--for", "target-qonto") == 0
    assert store.is_file()
    assert not person.store.exists()
    assert "target-qonto renews them from there" in person.said
    scopes = person.asked["scope"].split()
    assert scopes == ["offline_access", *TARGET_SCOPES]
    assert "payment.write" in scopes


def test_every_stream_of_the_target_has_its_scopes() -> None:
    assert {stream for streams in TARGET_SCOPES.values() for stream in streams} == set(READERS)


def test_two_logins_share_neither_state_nor_challenge(person: Person) -> None:
    person.log_in()
    first = person.asked
    person.log_in()
    assert first["state"] != person.asked["state"]
    assert first["code_challenge"] != person.asked["code_challenge"]


def test_the_redirect_may_be_registered_by_name(person: Person) -> None:
    assert person.log_in("--redirect-host", "localhost") == 0
    assert person.asked["redirect_uri"].startswith("http://localhost:")


def test_a_public_client_logs_in_without_a_secret(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAP_QONTO_CLIENT_SECRET")
    with Tokens(person.clock, public=True) as person.server:
        assert person.log_in() == 0


def test_a_login_wins_over_the_old_configured_seed(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = f"{MARK}-dead"
    monkeypatch.setenv("TAP_QONTO_REFRESH_TOKEN", dead)
    assert person.log_in() == 0
    person.clock.sleep(DAY)
    assert sent(person.tap(dead)) == f"Bearer {person.server.newest}"
    assert person.server.refused == 0


def test_a_login_replaces_a_dead_store(person: Person) -> None:
    seed = person.server.seed()
    sent(person.tap(seed))
    person.clock.sleep(100 * DAY)
    assert person.log_in() == 0
    person.clock.sleep(DAY)
    assert sent(person.tap(seed)) == f"Bearer {person.server.newest}"
    assert person.server.refused == 0


def test_a_login_sets_a_damaged_store_aside(person: Person) -> None:
    person.store.parent.mkdir()
    person.store.write_text("mine")
    assert person.log_in() == 0
    assert person.store.with_name("tokens.json.damaged").read_text() == "mine"


def test_scopes_that_were_not_granted_are_named_with_their_streams(person: Person) -> None:
    person.server.narrow = "offline_access organization.read"
    assert person.log_in("--add-scope", "webhook") == 0
    assert "Not granted: client_invoices.read" in person.said
    assert "credit_notes" in person.said
    assert "webhook" in person.asked["scope"].split()


def test_named_scopes_replace_the_list(person: Person) -> None:
    assert person.log_in("--scope", "client.read") == 0
    assert person.asked["scope"].split() == ["offline_access", "client.read"]


def test_a_login_in_a_terminal_asks_without_echo(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAP_QONTO_CLIENT_ID")
    monkeypatch.delenv("TAP_QONTO_CLIENT_SECRET")
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("builtins.input", lambda _: CLIENT_ID)
    monkeypatch.setattr("getpass.getpass", lambda _: CLIENT_SECRET)
    assert person.log_in() == 0


def test_a_login_at_the_sandbox_sends_its_token(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_QONTO_STAGING_TOKEN", STAGING_TOKEN)
    with Tokens(person.clock, staging=True) as person.server:
        assert person.log_in("--environment", "sandbox") == 0


def test_there_is_no_login_to_the_demo(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_QONTO_ENVIRONMENT", "demo")
    assert person.log_in() == 1
    assert "demo" in person.said


def test_no_option_takes_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        login.main(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert "--client-id" in options
    assert not {"--client-secret", "--refresh-token", "--staging-token"} & options


@pytest.mark.slow
def test_a_login_from_a_shell_reads_dotenv_and_prints_where_to_go(tmp_path: Path) -> None:
    store = tmp_path / "tokens.json"
    (tmp_path / ".env").write_text(
        f"TAP_QONTO_CLIENT_ID={CLIENT_ID}\nTAP_QONTO_CLIENT_SECRET={CLIENT_SECRET}\n"
        f"TAP_QONTO_TOKEN_STORE={store}\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TAP_QONTO_")}
    with (
        Tokens() as server,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tap_qonto.auth.login", "--no-browser", "--port", "0"),
                *("--token-url", server.token_url, "--authorize-url", server.authorize_url),
            ],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=10) as page:
            shown = page.read().decode()
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert MARK not in out + err + shown
        assert json.loads(store.read_text())["access_token"] == server.newest
