"""Faults of the token endpoint are got over, or cost no token."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.demo import Response
from tap_qonto.demo.http.messages import NO_ROUTE
from tests.auth.clients import oauth, sent, sentence, start
from tests.kit.tokens import (
    HTML,
    MARK,
    Clock,
    Tokens,
    busy,
    json_reply,
)

if TYPE_CHECKING:
    from pathlib import Path

REPEATED: dict[str, Response | str] = {
    "429": busy(429),
    "429 with seconds": busy(429, "7"),
    "429 with a date": busy(429, "Wed, 21 Oct 2015 07:28:00 GMT"),
    "429 with nonsense": busy(429, "soon"),
    "500": busy(500),
    "503": busy(503, "3"),
    "504 in HTML": replace(HTML, status=504),
    "lost answer": "lost",
    "cut answer": "cut",
    "truncated JSON": Response(200, {"Content-Type": "application/json"}, b'{"access_tok'),
}


@pytest.mark.parametrize("fault", REPEATED.values(), ids=REPEATED)
def test_a_fault_is_got_over_within_the_grace_period(
    server: Tokens,
    store: Path,
    clock: Clock,
    fault: Response | str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    began = clock()
    server.faults.append(fault)
    assert sent(oauth(server, store, clock, refresh_token=server.seed())).endswith(server.newest)
    assert len(server.forms) == 2
    assert 0 < clock() - began < 10
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert re.search(r": it|: the connection", warning)


def test_an_answer_that_never_comes_is_given_up_and_repeated(
    server: Tokens, store: Path, clock: Clock
) -> None:
    server.faults.append("held")
    auth = oauth(server, store, clock, refresh_token=server.seed(), timeout=0.3)
    assert sent(auth).endswith(server.newest)
    assert server.given_up
    assert len(server.forms) == 2


def test_patience_is_bounded_whatever_retry_after_says(
    server: Tokens, store: Path, clock: Clock
) -> None:
    began = clock()
    server.faults.extend([busy(429, "59")] * 50)
    with sentence("429", "Nothing is spent"):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert clock() - began < 200


def test_retry_after_is_honoured(server: Tokens, store: Path, clock: Clock) -> None:
    began = clock()
    server.faults.append(busy(429, "42"))
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert clock() - began == 42


def test_a_long_retry_after_ends_the_run_at_once(server: Tokens, store: Path, clock: Clock) -> None:
    server.faults.append(busy(429, "3600"))
    with sentence("429", "3600 s"):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert len(server.forms) == 1


@pytest.mark.parametrize("fault", [busy(429), busy(503)], ids=["429", "503"])
def test_repeats_are_bounded(server: Tokens, store: Path, clock: Clock, fault: Response) -> None:
    server.faults.extend([fault] * 50)
    auth = oauth(server, store, clock, refresh_token=server.seed())
    with sentence(str(fault.status), server.token_url):
        sent(auth)
    tries = len(server.forms)
    assert 2 <= tries <= 5
    with sentence(str(fault.status)):
        sent(auth)
    assert len(server.forms) == tries


def test_lost_answers_are_not_repeated_after_the_grace_period(
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    began = clock()
    times: list[float] = []
    server.meanwhile = lambda: times.append(clock())
    server.faults.extend(["lost"] * 50)
    # Each lost answer costs 20 s here, as one that times out would.
    slow = oauth(server, store, clock, refresh_token=seed, sleep=lambda _: clock.sleep(20))
    with sentence("may be spent", "60 seconds", "run again", "tap-qonto-login"):
        sent(slow)
    assert set(server.spent) == {seed}
    assert 2 <= len(server.spent) <= 4
    assert max(times) < began + 60


@pytest.mark.parametrize("fault", ["lost", busy(502)], ids=["lost", "502"])
def test_a_run_after_a_lost_answer_goes_on_within_the_grace_period(
    server: Tokens, store: Path, clock: Clock, fault: Response | str
) -> None:
    seed = server.seed()
    server.faults.extend([fault] * 5)
    with sentence("may be spent"):
        sent(oauth(server, store, clock, refresh_token=seed))
    server.faults.clear()
    assert sent(oauth(server, store, clock, refresh_token=seed)).endswith(server.newest)


def test_a_run_long_after_a_lost_answer_tries_once_and_says_what_happened(
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    server.faults.extend(["lost"] * 5)
    with sentence("may be spent"):
        sent(oauth(server, store, clock, refresh_token=seed))
    server.faults.clear()
    tries = len(server.forms)
    clock.sleep(3600)
    with sentence("spent", "never arrived", "60 seconds", "tap-qonto-login", "refresh_token"):
        sent(oauth(server, store, clock, refresh_token=seed))
    assert len(server.forms) == tries + 1
    # A person has configured another token: nothing of this is left.
    assert sent(oauth(server, store, clock, refresh_token=server.seed())).endswith(server.newest)


def test_a_killed_run_is_got_over_within_the_grace_period(store: Path) -> None:
    with Tokens() as server:
        seed = server.seed()
        server.faults.append("held")
        process = start(server, store, seed)
        assert server.working.wait(30)
        process.kill()
        process.communicate()
        assert server.spent == [seed]
        follower = start(server, store, seed)
        out, said = follower.communicate(timeout=30)
        assert out == "done\n"
        assert "got no answer" in said
        assert server.spent == [seed, seed]


def test_a_server_that_is_down_leaves_the_token_unspent(
    server: Tokens, store: Path, clock: Clock
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/token"
        seed = server.seed()
        began = clock()
        with sentence(url, "refused", "Nothing is spent", "run again"):
            sent(oauth(server, store, clock, refresh_token=seed, token_url=url))
    assert 5 < clock() - began < 60
    clock.sleep(3600)
    assert sent(oauth(server, store, clock, refresh_token=seed)).endswith(server.newest)


def test_a_name_that_does_not_resolve_leaves_the_token_unspent(
    server: Tokens, store: Path, clock: Clock
) -> None:
    url = "https://oauth.qonto.invalid/oauth2/token"
    with sentence("resolved", "Nothing is spent"):
        sent(oauth(server, store, clock, refresh_token=server.seed(), token_url=url))


STRANGE = {
    "HTML": (HTML, ("200", "text/html", "staging_token", "token_url")),
    "text": (NO_ROUTE, ("404", "text/plain", "token_url")),
    "a login page elsewhere": (
        Response(302, {"Location": "/login", "Content-Type": "text/html"}, b""),
        ("302", "staging_token"),
    ),
    "a list": (Response(200, {"Content-Type": "text/plain"}, b"[]"), ("text/plain", "JSON")),
    "no token": (json_reply(200, {"token_type": "bearer"}), ("access_token", "token_url")),
    "a token with a line break": (
        json_reply(200, {"access_token": f"{MARK}\n"}),
        ("access_token",),
    ),
}


@pytest.mark.parametrize(("reply", "words"), STRANGE.values(), ids=STRANGE)
def test_an_answer_that_is_not_of_a_token_endpoint_is_a_sentence(
    server: Tokens, store: Path, clock: Clock, reply: Response, words: tuple[str, ...]
) -> None:
    server.faults.append(reply)
    with sentence(*words):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert len(server.forms) == 1


def test_an_answer_without_a_refresh_token_keeps_the_old_one(
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    server.faults.append(json_reply(200, {"access_token": f"{MARK}-a", "expires_in": "3600"}))
    assert sent(oauth(server, store, clock, refresh_token=seed)) == f"Bearer {MARK}-a"
    clock.sleep(3600)
    sent(oauth(server, store, clock))
    assert server.spent == [seed, seed]


LIFETIMES: list[Any] = [None, "", "soon", -1, 0, True, [], "NaN", 1e300, 10**400, "3600"]


@pytest.mark.parametrize("lifetime", LIFETIMES)
def test_a_strange_lifetime_is_taken_for_an_hour_or_bounded(
    server: Tokens, store: Path, clock: Clock, lifetime: Any
) -> None:
    token = {"access_token": f"{MARK}-a", "refresh_token": f"{MARK}-r", "expires_in": lifetime}
    server.faults.append(json_reply(200, token))
    auth = oauth(server, store, clock, refresh_token=server.seed())
    for _ in range(3):
        assert sent(auth) == f"Bearer {MARK}-a"
    assert len(server.forms) == 1
    assert sent(oauth(server, store, clock)) == f"Bearer {MARK}-a"
