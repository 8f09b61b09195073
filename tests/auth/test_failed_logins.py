"""A login that fails says so in one sentence and leaves the tokens of the last one."""

from __future__ import annotations

import io
import json
import socket
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.auth.clients import sent
from tests.kit.tokens import HTML, MARK, busy

if TYPE_CHECKING:
    from pathlib import Path

    from tap_qonto.demo import Response
    from tests.auth.person import Person

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


LOST: dict[str, Response | str] = {"lost": "lost", "429": busy(429), "500": busy(500), "HTML": HTML}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_code_is_never_sent_twice(person: Person, fault: Response | str) -> None:
    person.server.faults.append(fault)
    assert person.log_in() == 1
    assert person.server.token_url in person.said
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


def test_an_interrupted_login_says_so(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", interrupt)
    assert person.log_in() == 130
    assert "Interrupted" in person.said
