"""Credentials: what is sent, what is kept, what is said when it fails."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_qonto.api.errors import CredentialError
from tap_qonto.auth.credentials import authenticator, check_credentials, store_path
from tap_qonto.auth.keys import TOKEN_URLS, AccessToken, ApiKey
from tap_qonto.auth.oauth import OAuth
from tests.kit.token_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    HTML,
    MARK,
    PLAIN_404,
    STAGING_TOKEN,
    Clock,
    Reply,
    TokenServer,
    busy,
    json_reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[TokenServer]:
    with TokenServer(clock) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tokens.json"


@pytest.fixture(autouse=True)
def _nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for phase in ("setup", "call", "teardown"):
        for record in caplog.get_records(phase):
            assert MARK not in record.getMessage()
            assert MARK not in str(record.exc_info)


def oauth(server: TokenServer, store: Path, clock: Clock, **changes: Any) -> OAuth:
    settings: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "token_url": server.url,
        "token_store": store,
        "clock": clock,
        "sleep": clock.sleep,
    }
    return OAuth(**settings | changes)


def sent(auth: Callable[[requests.PreparedRequest], requests.PreparedRequest]) -> str:
    """Return the Authorization header that a request would carry."""
    request = requests.Request("GET", "https://thirdparty.qonto.com/v2/organization").prepare()
    return auth(request).headers["Authorization"]


@contextmanager
def sentence(*words: str) -> Iterator[None]:
    """Expect a CredentialError that holds all these words and no secret, cause included."""
    with pytest.raises(CredentialError) as caught:
        yield
    said = str(caught.value)
    assert len(said) < 1000
    for word in words:
        assert word in said
    assert said.endswith(".")
    error: BaseException | None = caught.value
    while error is not None:
        assert MARK not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


# What is sent


def test_an_api_key_is_sent_verbatim() -> None:
    assert sent(ApiKey("acme-sas-1234", "k3y")) == "acme-sas-1234:k3y"


def test_an_access_token_alone_is_a_bearer() -> None:
    auth = authenticator({"access_token": "once"})
    assert isinstance(auth, AccessToken)
    assert sent(auth) == "Bearer once"


@pytest.mark.parametrize("auth", [ApiKey("acme", f"{MARK}-key"), AccessToken(f"{MARK}-token")])
def test_what_cannot_be_renewed_is_not(auth: ApiKey | AccessToken) -> None:
    assert auth.renew(sent(auth)) is False
    assert auth.describe().endswith(".")


def test_authenticating_twice_sends_one_header(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    request = requests.Request("GET", "https://thirdparty.qonto.com/v2/labels").prepare()
    assert auth(auth(request)).headers["Authorization"] == f"Bearer {server.newest}"
    assert len(server.spent) == 1


def test_a_refresh_is_one_form_with_the_client(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    sent(oauth(server, store, clock, refresh_token=seed))
    assert server.forms == [
        {
            "grant_type": "refresh_token",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": seed,
        }
    ]


def test_a_refresh_carries_no_credentials_of_netrc(
    server: TokenServer,
    store: Path,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text("default login me password mine")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    [headers] = server.headers
    assert "Authorization" not in headers


def test_a_public_client_sends_no_secret(store: Path, clock: Clock) -> None:
    with TokenServer(clock, public=True) as server:
        sent(oauth(server, store, clock, client_secret=None, refresh_token=server.seed()))
        assert "client_secret" not in server.forms[0]


def test_building_an_authenticator_reads_and_sends_nothing(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    oauth(server, store, clock, refresh_token=server.seed())
    assert server.forms == []
    assert not store.parent.exists()


# The token store


def test_a_second_run_uses_what_the_first_has_stored(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    first = sent(oauth(server, store, clock, refresh_token=seed))
    assert sent(oauth(server, store, clock, refresh_token=seed)) == first
    clock.sleep(3700)
    second = sent(oauth(server, store, clock, refresh_token=seed))
    assert second == f"Bearer {server.newest}" != first
    assert len(set(server.spent)) == len(server.spent) == 2


def test_a_year_of_runs_with_the_first_token_configured(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    for _ in range(52):
        sent(oauth(server, store, clock, refresh_token=seed))
        clock.sleep(7 * DAY)
    assert len(set(server.spent)) == 52
    assert server.refused == 0


def test_a_new_seed_takes_over_and_an_old_one_does_not(
    server: TokenServer, store: Path, clock: Clock
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
    server: TokenServer, store: Path, clock: Clock
) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    copied = json.loads(store.read_text())["refresh_token"]
    for _ in range(2):
        clock.sleep(DAY)
        sent(oauth(server, store, clock, refresh_token=copied))
    assert server.refused == 0


def test_a_filled_store_needs_no_seed(server: TokenServer, store: Path, clock: Clock) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    clock.sleep(DAY)
    assert sent(oauth(server, store, clock)) == f"Bearer {server.newest}"


def test_an_empty_store_without_a_seed_names_the_login(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    with sentence("tap-qonto-login", str(store)):
        sent(oauth(server, store, clock))
    store.write_text("")
    with sentence("tap-qonto-login", str(store)):
        sent(oauth(server, store, clock))
    assert server.forms == []


def test_the_store_of_another_client_is_not_used(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    sent(oauth(server, store, clock, refresh_token=seed))
    with sentence(CLIENT_ID, "client-2", "token_store"):
        sent(oauth(server, store, clock, client_id="client-2", refresh_token=seed))
    assert len(server.forms) == 1


def test_only_the_owner_may_read_the_store(server: TokenServer, store: Path, clock: Clock) -> None:
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


def test_the_seed_itself_is_not_stored(server: TokenServer, store: Path, clock: Clock) -> None:
    seed = server.seed()
    sent(oauth(server, store, clock, refresh_token=seed))
    assert seed not in store.read_text()
    assert CLIENT_SECRET not in store.read_text()


def test_a_link_to_the_store_stays_a_link(
    server: TokenServer, store: Path, tmp_path: Path, clock: Clock
) -> None:
    target = tmp_path / "elsewhere.json"
    store.parent.mkdir()
    store.symlink_to(target)
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert store.is_symlink()
    assert json.loads(target.read_text())["access_token"] == server.newest


def test_what_a_killed_writer_left_behind_is_replaced(
    server: TokenServer, store: Path, clock: Clock
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
    server: TokenServer, store: Path, clock: Clock, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.parent.mkdir()
    store.write_text(text)
    assert sent(oauth(server, store, clock, refresh_token=server.seed())).endswith(server.newest)
    assert store.with_name(f"{store.name}.damaged").read_text() == text
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert str(store) in warning.getMessage()


def test_a_damaged_store_without_a_seed_is_a_sentence(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    store.parent.mkdir()
    store.write_text("{")
    with sentence(str(store), "damaged", "tap-qonto-login"):
        sent(oauth(server, store, clock))
    assert store.read_text() == "{"


def test_a_store_that_cannot_be_written_spends_no_token(
    server: TokenServer, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "tokens.json.new").mkdir()
    for path in (tmp_path / "file" / "tokens.json", tmp_path / "tokens.json"):
        with sentence(str(path), "token_store"):
            sent(oauth(server, path, clock, refresh_token=server.seed()))
    assert server.forms == []


def test_the_tokens_are_on_disk_before_the_access_token_is_used(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    # A folder in the place of the file written aside: made when the answer is on its way.
    server.meanwhile = store.with_name(f"{store.name}.new").mkdir
    with sentence(str(store), "within 60 seconds", "tap-qonto-login"):
        sent(auth)


# One refresh per token


def test_a_token_is_replaced_sixty_seconds_before_it_expires(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    first = sent(auth)
    clock.sleep(3540)
    assert sent(auth) == first
    clock.sleep(1)
    assert sent(auth) != first
    assert len(server.spent) == 2


@pytest.mark.parametrize(("lifetime", "refreshes"), [(3600, 1), (60, 1), (20, 1), (1, 1)])
def test_short_lived_tokens_do_not_cause_a_storm(
    store: Path, clock: Clock, lifetime: float, refreshes: int
) -> None:
    with TokenServer(clock, lifetime=lifetime) as server:
        auth = oauth(server, store, clock, refresh_token=server.seed())
        for _ in range(20):
            sent(auth)
        assert len(server.spent) == refreshes


def test_eight_threads_cause_one_refresh(server: TokenServer, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    with ThreadPoolExecutor(8) as pool:
        headers = set(pool.map(lambda _: sent(auth), range(64)))
    assert headers == {f"Bearer {server.newest}"}
    assert len(server.spent) == 1


def test_eight_taps_of_one_process_cause_one_refresh(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    taps = [oauth(server, store, clock, refresh_token=seed) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        headers = set(pool.map(sent, taps))
    assert headers == {f"Bearer {server.newest}"}
    assert len(server.spent) == 1


PROCESS = textwrap.dedent(
    """
    import pathlib, sys, requests
    from tap_qonto.auth.oauth import OAuth
    url, store, client_id, client_secret, seed = sys.stdin.read().split()
    auth = OAuth(client_id=client_id, client_secret=client_secret, refresh_token=seed,
                 token_url=url, token_store=pathlib.Path(store))
    for _ in range(5):
        auth(requests.Request("GET", "https://thirdparty.qonto.com/v2/labels").prepare())
    print("done")
    """
)


def start(server: TokenServer, store: Path, seed: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(f"{server.url} {store} {CLIENT_ID} {CLIENT_SECRET} {seed}")
    process.stdin.close()
    process.stdin = None
    return process


def test_processes_with_one_store_cause_one_refresh(store: Path) -> None:
    with TokenServer() as server:
        seed = server.seed()
        processes = [start(server, store, seed) for _ in range(3)]
        outputs = [process.communicate(timeout=60) for process in processes]
        assert [out for out, _ in outputs] == ["done\n"] * 3
        assert MARK not in str(outputs)
        assert server.spent == [seed]


def test_a_hanging_holder_of_the_lock_is_named_in_time(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    server.faults.append("held")

    holder = threading.Thread(
        target=lambda: sent(oauth(server, store, clock, refresh_token=seed)), daemon=True
    )
    holder.start()
    assert server.working.wait(10)
    with sentence(str(store), "hanging"):
        sent(oauth(server, store, clock, refresh_token=seed, lock_timeout=0.2))
    assert server.spent == [seed]
    server.release()
    holder.join(10)
    assert sent(oauth(server, store, clock, refresh_token=seed)) == f"Bearer {server.newest}"


# A refused access token


def test_a_refused_token_is_renewed_once_and_not_again(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    first = sent(auth)
    assert auth.renew(first) is True
    second = sent(auth)
    assert second == f"Bearer {server.newest}" != first
    assert auth.renew(second) is False
    assert auth.renew(second) is False
    assert len(server.spent) == 2
    assert "tap-qonto-login" in auth.describe()


def test_threads_that_were_refused_together_cause_one_refresh(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    first = sent(auth)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: auth.renew(first), range(8)))
    assert len(server.spent) == 2


def test_a_token_that_another_process_has_renewed_is_taken(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    ours, other = (oauth(server, store, clock, refresh_token=server.seed()) for _ in range(2))
    first = sent(oauth(server, store, clock, refresh_token=server.seed()))
    ours, other = (oauth(server, store, clock) for _ in range(2))
    assert sent(ours) == sent(other) == first
    assert other.renew(first) is True
    spent = len(server.spent)
    assert ours.renew(first) is True
    assert sent(ours) == sent(other) != first
    assert len(server.spent) == spent


def test_a_later_refresh_may_be_renewed_again(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    assert auth.renew(sent(auth)) is True
    clock.sleep(3600)
    assert auth.renew(sent(auth)) is True


# Faults of the token endpoint

REPEATED: dict[str, Reply | str] = {
    "429": busy(429),
    "429 with seconds": busy(429, "7"),
    "429 with a date": busy(429, "Wed, 21 Oct 2015 07:28:00 GMT"),
    "429 with nonsense": busy(429, "soon"),
    "500": busy(500),
    "503": busy(503, "3"),
    "504 in HTML": HTML._replace(status=504),
    "lost answer": "lost",
    "cut answer": "cut",
    "truncated JSON": Reply(200, b'{"access_tok', {"Content-Type": "application/json"}),
}


@pytest.mark.parametrize("fault", REPEATED.values(), ids=REPEATED)
def test_a_fault_is_got_over_within_the_grace_period(
    server: TokenServer,
    store: Path,
    clock: Clock,
    fault: Reply | str,
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
    server: TokenServer, store: Path, clock: Clock
) -> None:
    server.faults.append("held")
    auth = oauth(server, store, clock, refresh_token=server.seed(), timeout=0.3)
    assert sent(auth).endswith(server.newest)
    assert len(server.forms) == 2


def test_patience_is_bounded_whatever_retry_after_says(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    began = clock()
    server.faults.extend([busy(429, "59")] * 50)
    with sentence("429", "Nothing is spent"):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert clock() - began < 200


def test_retry_after_is_honoured(server: TokenServer, store: Path, clock: Clock) -> None:
    began = clock()
    server.faults.append(busy(429, "42"))
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert clock() - began == 42


def test_a_long_retry_after_ends_the_run_at_once(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    server.faults.append(busy(429, "3600"))
    with sentence("429", "3600 s"):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert len(server.forms) == 1


@pytest.mark.parametrize("fault", [busy(429), busy(503)], ids=["429", "503"])
def test_repeats_are_bounded(server: TokenServer, store: Path, clock: Clock, fault: Reply) -> None:
    server.faults.extend([fault] * 50)
    auth = oauth(server, store, clock, refresh_token=server.seed())
    with sentence(str(fault.status), server.url):
        sent(auth)
    tries = len(server.forms)
    assert 2 <= tries <= 5
    with sentence(str(fault.status)):
        sent(auth)
    assert len(server.forms) == tries


def test_lost_answers_are_not_repeated_after_the_grace_period(
    server: TokenServer, store: Path, clock: Clock
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
    server: TokenServer, store: Path, clock: Clock, fault: Reply | str
) -> None:
    seed = server.seed()
    server.faults.extend([fault] * 5)
    with sentence("may be spent"):
        sent(oauth(server, store, clock, refresh_token=seed))
    server.faults.clear()
    assert sent(oauth(server, store, clock, refresh_token=seed)).endswith(server.newest)


def test_a_run_long_after_a_lost_answer_tries_once_and_says_what_happened(
    server: TokenServer, store: Path, clock: Clock
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
    with TokenServer() as server:
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
    server: TokenServer, store: Path, clock: Clock
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
    server: TokenServer, store: Path, clock: Clock
) -> None:
    url = "https://oauth.qonto.invalid/oauth2/token"
    with sentence("resolved", "Nothing is spent"):
        sent(oauth(server, store, clock, refresh_token=server.seed(), token_url=url))


STRANGE = {
    "HTML": (HTML, ("200", "text/html", "staging_token", "token_url")),
    "text": (PLAIN_404, ("404", "text/plain", "token_url")),
    "a login page elsewhere": (
        Reply(302, b"", {"Location": "/login", "Content-Type": "text/html"}),
        ("302", "staging_token"),
    ),
    "a list": (Reply(200, b"[]", {"Content-Type": "text/plain"}), ("text/plain", "JSON")),
    "no token": (json_reply(200, {"token_type": "bearer"}), ("access_token", "token_url")),
    "a token with a line break": (
        json_reply(200, {"access_token": f"{MARK}\n"}),
        ("access_token",),
    ),
}


@pytest.mark.parametrize(("reply", "words"), STRANGE.values(), ids=STRANGE)
def test_an_answer_that_is_not_of_a_token_endpoint_is_a_sentence(
    server: TokenServer, store: Path, clock: Clock, reply: Reply, words: tuple[str, ...]
) -> None:
    server.faults.append(reply)
    with sentence(*words):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert len(server.forms) == 1


def test_an_answer_without_a_refresh_token_keeps_the_old_one(
    server: TokenServer, store: Path, clock: Clock
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
    server: TokenServer, store: Path, clock: Clock, lifetime: Any
) -> None:
    token = {"access_token": f"{MARK}-a", "refresh_token": f"{MARK}-r", "expires_in": lifetime}
    server.faults.append(json_reply(200, token))
    auth = oauth(server, store, clock, refresh_token=server.seed())
    for _ in range(3):
        assert sent(auth) == f"Bearer {MARK}-a"
    assert len(server.forms) == 1
    assert sent(oauth(server, store, clock)) == f"Bearer {MARK}-a"


# A refused refresh


def test_a_spent_seed_names_the_three_causes(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    sent(oauth(server, store, clock, refresh_token=seed))
    clock.sleep(120)
    other = store.with_name("other.json")
    with sentence("invalid_grant", "90 days", "elsewhere", "client", "tap-qonto-login"):
        sent(oauth(server, other, clock, refresh_token=seed))


def test_a_refusal_is_no_lost_answer_for_the_next_run(
    server: TokenServer, store: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with sentence("invalid_grant", "90 days", "elsewhere"):
            sent(oauth(server, store, clock, refresh_token=f"{MARK}-unknown"))
        clock.sleep(DAY)
    assert "no answer" not in caplog.text


def test_a_refused_new_seed_points_at_the_older_login(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    with sentence("invalid_grant", "remove the setting refresh_token", str(store)):
        sent(oauth(server, store, clock, refresh_token=f"{MARK}-typo"))
    assert sent(oauth(server, store, clock)).endswith(server.newest)


def test_an_old_stored_token_has_expired(server: TokenServer, store: Path, clock: Clock) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    clock.sleep(94 * DAY)
    with sentence("has expired", "94 days ago", "90 days", "tap-qonto-login"):
        sent(oauth(server, store, clock))


def test_a_young_stored_token_was_spent_elsewhere(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    sent(oauth(server, store, clock, refresh_token=server.seed()))
    copy = store.with_name("copy.json")
    copy.write_bytes(store.read_bytes())
    clock.sleep(2 * DAY)
    sent(oauth(server, copy, clock))
    clock.sleep(DAY)
    with sentence("3 days ago", "not expired", "elsewhere", "revoked", "tap-qonto-login"):
        sent(oauth(server, store, clock))


@pytest.mark.parametrize(
    "wrong", [{"client_id": "client-9"}, {"client_secret": f"{MARK}-old"}, {"client_secret": None}]
)
def test_a_wrong_client_is_named(
    server: TokenServer, store: Path, clock: Clock, wrong: dict[str, Any]
) -> None:
    seed = server.seed()
    with sentence("401 invalid_client", "client_id or client_secret is wrong"):
        sent(oauth(server, store, clock, refresh_token=seed, **wrong))
    assert sent(oauth(server, store, clock, refresh_token=seed)).endswith(server.newest)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"errors": [{"code": "bad_request", "detail": "no"}]}, ("400 bad_request: no", "90 days")),
        ({"errors": {"code": "bad_request"}}, ("400 bad_request", "elsewhere")),
        ({"message": "Bad Request", "trace_id": "t-1"}, ("400", "Bad Request", "trace id t-1")),
        ({"error": 7, "error_description": "x" * 5000}, ("400 7",)),
    ],
)
def test_other_refusals_are_read_in_all_their_shapes(
    server: TokenServer, store: Path, clock: Clock, answer: Any, words: tuple[str, ...]
) -> None:
    server.faults.append(json_reply(400, answer))
    with sentence(*words):
        sent(oauth(server, store, clock, refresh_token=server.seed()))
    assert len(server.forms) == 1


def test_eight_threads_cause_one_refusal(server: TokenServer, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=f"{MARK}-unknown")

    def refused(_: int) -> bool:
        with pytest.raises(CredentialError, match="invalid_grant"):
            sent(auth)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(refused, range(8)))
    assert server.refused == 1


# Secrets


def test_every_secret_ever_seen_can_be_redacted(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    auth = oauth(server, store, clock, refresh_token=seed)
    first = sent(auth)
    clock.sleep(3600)
    second = sent(auth)
    stored = json.loads(store.read_text())["refresh_token"]
    bearers = {header.removeprefix("Bearer ") for header in (first, second)}
    assert {CLIENT_SECRET, *server.spent, stored, *bearers} <= auth.secrets()
    assert ApiKey("acme", "k3y").secrets() == {"k3y"}
    assert AccessToken("once").secrets() == {"once"}


def test_tokens_that_another_run_has_stored_are_secrets_too(
    server: TokenServer, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    bearer = sent(oauth(server, store, clock, refresh_token=seed))
    second = oauth(server, store, clock, refresh_token=seed)
    assert sent(second) == bearer, "nothing had to be refreshed"
    kept = json.loads(store.read_text())
    assert {kept["access_token"], kept["refresh_token"]} <= second.secrets()


def test_nothing_shows_a_secret(server: TokenServer, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    sent(auth)
    for shown in (auth, ApiKey("acme", f"{MARK}-key"), AccessToken(f"{MARK}-token")):
        assert MARK not in f"{shown} {shown!r} {shown.describe()}"


# Settings

KEY = {"login": "acme-sas-1234", "secret_key": "k3y"}
CLIENT = {"client_id": "c", "client_secret": "s"}

GOOD: dict[str, tuple[dict[str, Any], type | None]] = {
    "API key": (KEY, ApiKey),
    "empty texts are not set": (KEY | {"client_id": "", "refresh_token": None}, ApiKey),
    "OAuth with a seed": (CLIENT | {"refresh_token": "r"}, OAuth),
    "OAuth with a filled store": (CLIENT, OAuth),
    "public client": ({"client_id": "c"}, OAuth),
    "one-off token": ({"access_token": "a"}, AccessToken),
    "sandbox": (KEY | {"environment": "sandbox", "staging_token": "t"}, ApiKey),
    "demo": ({"environment": "demo"}, None),
    "demo takes anything": (KEY | CLIENT | {"environment": "demo"}, None),
    "loopback": (CLIENT | {"token_url": "http://127.0.0.1:1/token"}, OAuth),
    "loopback by name": (CLIENT | {"token_url": "http://localhost:1/token"}, OAuth),
    "loopback, version 6": (CLIENT | {"token_url": "http://[::1]:1/token"}, OAuth),
}


@pytest.mark.parametrize(("config", "kind"), GOOD.values(), ids=GOOD)
def test_settings_choose_the_authenticator(config: dict[str, Any], kind: type | None) -> None:
    assert check_credentials(config) is None
    built = authenticator(config)
    assert built is None if kind is None else type(built) is kind


BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nothing": ({}, ("login", "secret_key", "client_id", "demo")),
    "both": (KEY | CLIENT, ("login", "client_id", "one of the two")),
    "key and token": (KEY | {"access_token": "a"}, ("login", "access_token")),
    "login alone": ({"login": "acme"}, ("login", "secret_key")),
    "secret alone": ({"secret_key": "k3y"}, ("login", "secret_key")),
    "seed without client": ({"refresh_token": "r"}, ("refresh_token", "client_id")),
    "secret without client": ({"client_secret": "s"}, ("client_secret", "client_id")),
    "token and seed": ({"access_token": "a", "refresh_token": "r"}, ("client_id",)),
    "sandbox alone": (KEY | {"environment": "sandbox"}, ("sandbox", "staging_token")),
    "line break": (KEY | {"secret_key": f"{MARK}\n"}, ("secret_key", "line break")),
    "blank": (CLIENT | {"refresh_token": f"{MARK} x"}, ("refresh_token", "blank")),
    "accent": (KEY | {"login": f"é{MARK}"}, ("login",)),
    "not text": (KEY | {"secret_key": 7}, ("secret_key",)),
    "in the clear": (CLIENT | {"token_url": "http://oauth.qonto.com/"}, ("https://",)),
    "looks like loopback": (CLIENT | {"token_url": "http://127.0.0.1.evil.example/"}, ("http",)),
    "not a URL": (CLIENT | {"token_url": "http://[::1"}, ("https://",)),
    "no scheme": (CLIENT | {"token_url": "oauth.qonto.com/oauth2/token"}, ("https://",)),
}


@pytest.mark.parametrize(("config", "words"), BAD.values(), ids=BAD)
def test_a_wrong_combination_is_one_sentence(
    config: dict[str, Any], words: tuple[str, ...]
) -> None:
    problem = check_credentials(config)
    assert problem is not None
    assert all(word in problem for word in words)
    assert MARK not in problem
    assert "\n" not in problem
    assert problem.endswith(".")
    with sentence(problem):
        authenticator(config)


def test_each_environment_has_its_token_endpoint() -> None:
    assert TOKEN_URLS == {
        "production": "https://oauth.qonto.com/oauth2/token",
        "sandbox": "https://oauth-sandbox.staging.qonto.co/oauth2/token",
    }


def test_the_sandbox_token_goes_to_the_token_endpoint(store: Path) -> None:
    with TokenServer(staging=True) as server:
        config = {
            "environment": "sandbox",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": server.seed(),
            "staging_token": STAGING_TOKEN,
            "token_url": server.url,
            "token_store": str(store),
        }
        auth = authenticator(config)
        assert isinstance(auth, OAuth)
        assert sent(auth).endswith(server.newest)
        assert STAGING_TOKEN in auth.secrets()
        wrong = authenticator(config | {"staging_token": f"{MARK}-x", "token_store": f"{store}2"})
        assert isinstance(wrong, OAuth)
        with sentence("staging_token", "text/html"):
            sent(wrong)


def test_the_store_is_named_by_client_and_organization(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    cases: list[tuple[dict[str, str], Path]] = [
        ({}, tmp_path / "state" / "tap-qonto" / "c@default.json"),
        ({"organization_id": "o"}, tmp_path / "state" / "tap-qonto" / "c@o.json"),
        ({"token_store": str(tmp_path)}, tmp_path / "c@default.json"),
        ({"token_store": f"{tmp_path}/new/"}, tmp_path / "new" / "c@default.json"),
        ({"token_store": f"{tmp_path}/t.json"}, tmp_path / "t.json"),
        ({"token_store": "~/t.json"}, tmp_path / "t.json"),
    ]
    for settings, path in cases:
        assert store_path({"client_id": "c"} | settings) == path


def test_a_store_name_never_leaves_its_folder_nor_meets_another() -> None:
    ids = ["a", "../a", "..", "a/b", "a b", "a_b", "a@b", "a" * 300, "a" * 301, "é", "."]
    names = [store_path({"client_id": one}) for one in ids]
    assert len(set(names)) == len(ids)
    assert {path.parent for path in names} == {names[0].parent}
    assert all(len(path.name) < 200 for path in names)


def test_importing_credentials_costs_no_lock_and_no_sdk() -> None:
    code = (
        "import sys, tap_qonto.auth.credentials; "
        "print({'filelock', 'singer_sdk'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
