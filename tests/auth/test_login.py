"""tap-qonto-login: what the browser is asked, what is kept, what is printed."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tap_qonto.auth import login
from tap_qonto.auth.scopes import TARGET_SCOPES
from tap_qonto.writing.streams import READERS
from tests.auth.clients import DAY, oauth, sent
from tests.kit.token_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    HTML,
    MARK,
    STAGING_TOKEN,
    Clock,
    Reply,
    TokenServer,
    busy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.auth.oauth import OAuth


class Person:
    """Somebody who runs tap-qonto-login and, in the browser, grants access at once."""

    def __init__(self, server: TokenServer, store: Path) -> None:
        self.server = server
        self.store = store
        self.clock = Clock()
        self.server.clock = self.clock
        self.visited: list[str] = []
        self.said = ""
        self.read: Callable[[], tuple[str, str]] = lambda: ("", "")

    def browse(self, url: str) -> bool:
        self.visited.append(url)
        # Not through requests, whose DEBUG log would show the code in the address.
        with urllib.request.urlopen(url, timeout=10) as page:
            return bool(page.read())

    def log_in(self, *arguments: str) -> int:
        """Run the command, keep what it prints, return its exit code."""
        urls = ("--token-url", self.server.url, "--authorize-url", self.server.authorize_url)
        code = login.main([*urls, "--port", "0", *arguments], clock=self.clock)
        out, err = self.read()
        self.said = out + err
        assert MARK not in self.said
        assert err.count("\n") == (1 if code else 0)
        return code

    def tap(self, refresh_token: str | None = None) -> OAuth:
        """Return the authenticator of a tap that uses the store."""
        return oauth(self.server, self.store, self.clock, refresh_token=refresh_token)

    @property
    def asked(self) -> dict[str, str]:
        """The parameters of the last authorize page visited."""
        return dict(parse_qsl(urlsplit(self.visited[-1]).query))


@pytest.fixture
def person(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Person]:
    for name in [name for name in os.environ if name.startswith("TAP_QONTO_")]:
        monkeypatch.delenv(name)
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "state" / "tokens.json"
    monkeypatch.setenv("TAP_QONTO_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("TAP_QONTO_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("TAP_QONTO_TOKEN_STORE", str(store))
    with TokenServer() as server:
        somebody = Person(server, store)
        somebody.read = capsys.readouterr
        monkeypatch.setattr("webbrowser.open", somebody.browse)
        yield somebody
    assert MARK not in caplog.text


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
    person.server.public = True
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


Decision = Callable[[dict[str, str]], dict[str, str]]


def instead(**changes: str) -> Decision:
    return lambda granted: {**granted, **changes}


DENIALS: dict[str, tuple[Decision, tuple[str, ...]]] = {
    "denied": (instead(error="access_denied", code=""), ("denied",)),
    "a scope too many": (instead(error="invalid_scope", code=""), ("invalid_scope", "--scope")),
    "no code": (instead(code=""), ("no code",)),
}


@pytest.mark.parametrize(("decide", "words"), DENIALS.values(), ids=DENIALS)
def test_a_login_that_is_not_granted_is_one_sentence(
    person: Person, decide: Decision, words: tuple[str, ...]
) -> None:
    person.server.decide = decide
    assert person.log_in() == 1
    assert all(word in person.said for word in words)
    assert person.server.forms == []
    assert json.loads(person.store.read_text())["refresh_token"] is None


LOST: dict[str, Reply | str] = {"lost": "lost", "429": busy(429), "500": busy(500), "HTML": HTML}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_code_is_never_sent_twice(person: Person, fault: Reply | str) -> None:
    person.server.faults.append(fault)
    assert person.log_in() == 1
    assert person.server.url in person.said
    assert len(person.server.forms) == 1


def test_a_refused_code_is_one_sentence(person: Person) -> None:
    person.server.decide = instead(code=f"{MARK}-forged")
    assert person.log_in() == 1
    assert "invalid_grant" in person.said
    assert "redirect" in person.said


def test_a_failed_login_leaves_the_tokens_of_the_last_one(person: Person) -> None:
    assert person.log_in() == 0
    newest = person.server.newest
    person.server.decide = instead(error="access_denied", code="")
    assert person.log_in() == 1
    assert sent(person.tap()) == f"Bearer {newest}"


def test_a_login_that_nobody_answers_ends(person: Person) -> None:
    assert person.log_in("--no-browser", "--timeout", "0.1") == 1
    assert "Nobody granted access" in person.said
    assert person.server.authorize_url in person.said


FOREIGN = {"another": "forged", "not ASCII": "é", "none": ""}


@pytest.mark.parametrize("state", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("answer", [{"code": "forged"}, {"error": "access_denied"}], ids=str)
def test_an_answer_with_a_wrong_state_is_told_so_and_the_right_one_is_waited_for(
    person: Person, monkeypatch: pytest.MonkeyPatch, state: str, answer: dict[str, str]
) -> None:
    pages: list[str] = []

    def browse(url: str) -> bool:
        redirect = dict(parse_qsl(urlsplit(url).query))["redirect_uri"]
        with pytest.raises(urllib.request.HTTPError, match="400") as refused:
            person.browse(f"{redirect}?{urlencode({**answer, 'state': state})}")
        pages.append(refused.value.read().decode())
        return person.browse(url)

    monkeypatch.setattr("webbrowser.open", browse)
    assert person.log_in() == 0
    assert sent(person.tap()) == f"Bearer {person.server.newest}"
    assert "does not belong to the login that is waiting" in pages[0]


def test_other_requests_to_the_redirect_do_not_end_the_login(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def browse(url: str) -> bool:
        redirect = dict(parse_qsl(urlsplit(url).query))["redirect_uri"]
        address = urlsplit(redirect)
        assert address.hostname is not None
        # Browsers open connections that they never use, and ask for an icon.
        with socket.create_connection((address.hostname, address.port or 0)) as idle:
            with pytest.raises(urllib.request.HTTPError, match="404"):
                person.browse(redirect.replace("callback", "favicon.ico"))
            assert idle
            return person.browse(url)

    monkeypatch.setattr("webbrowser.open", browse)
    assert person.log_in() == 0


def test_a_login_without_a_refresh_token_names_the_scope(person: Person) -> None:
    person.server.narrow = "organization.read"
    assert person.log_in() == 1
    assert "offline_access" in person.said


def test_a_busy_port_is_named(person: Person) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert person.log_in("--port", port) == 1
    assert port in person.said
    assert "--port" in person.said


def test_a_store_that_cannot_be_written_is_found_before_the_browser_opens(
    person: Person, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert person.log_in("--token-store", str(tmp_path / "file" / "tokens.json")) == 1
    assert "token_store" in person.said
    assert person.visited == []


@pytest.mark.parametrize("option", ["--token-url", "--authorize-url"])
def test_a_login_in_the_clear_is_refused(person: Person, option: str) -> None:
    assert person.log_in(option, "http://oauth.qonto.com/oauth2/x") == 1
    assert "https://" in person.said
    assert person.visited == []


def test_a_login_without_client_outside_a_terminal_names_the_variable(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAP_QONTO_CLIENT_ID")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert person.log_in() == 1
    assert "TAP_QONTO_CLIENT_ID" in person.said


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
    person.server.staging = True
    monkeypatch.setenv("TAP_QONTO_STAGING_TOKEN", STAGING_TOKEN)
    assert person.log_in("--environment", "sandbox") == 0


def test_there_is_no_login_to_the_demo(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAP_QONTO_ENVIRONMENT", "demo")
    assert person.log_in() == 1
    assert "demo" in person.said


def test_an_interrupted_login_says_so(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", interrupt)
    assert person.log_in() == 130
    assert "Interrupted" in person.said


def test_no_option_takes_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        login.main(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert "--client-id" in options
    assert not {"--client-secret", "--refresh-token", "--staging-token"} & options


def test_a_login_from_a_shell_reads_dotenv_and_prints_where_to_go(tmp_path: Path) -> None:
    store = tmp_path / "tokens.json"
    (tmp_path / ".env").write_text(
        f"TAP_QONTO_CLIENT_ID={CLIENT_ID}\nTAP_QONTO_CLIENT_SECRET={CLIENT_SECRET}\n"
        f"TAP_QONTO_TOKEN_STORE={store}\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TAP_QONTO_")}
    with (
        TokenServer() as server,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tap_qonto.auth.login", "--no-browser", "--port", "0"),
                *("--token-url", server.url, "--authorize-url", server.authorize_url),
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
