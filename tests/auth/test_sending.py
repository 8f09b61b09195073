"""Credentials: what is sent, and that nothing shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from tap_qonto.auth.credentials import authenticator
from tap_qonto.auth.keys import AccessToken, ApiKey
from tests.auth.clients import oauth, sent
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, MARK, Clock, Tokens

if TYPE_CHECKING:
    from pathlib import Path


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


def test_authenticating_twice_sends_one_header(server: Tokens, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    request = requests.Request("GET", "https://thirdparty.qonto.com/v2/labels").prepare()
    assert auth(auth(request)).headers["Authorization"] == f"Bearer {server.newest}"
    assert len(server.spent) == 1


def test_a_refresh_is_one_form_with_the_client(server: Tokens, store: Path, clock: Clock) -> None:
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
    server: Tokens,
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
    with Tokens(clock, public=True) as server:
        sent(oauth(server, store, clock, client_secret=None, refresh_token=server.seed()))
        assert "client_secret" not in server.forms[0]


def test_building_an_authenticator_reads_and_sends_nothing(
    server: Tokens, store: Path, clock: Clock
) -> None:
    oauth(server, store, clock, refresh_token=server.seed())
    assert server.forms == []
    assert not store.parent.exists()


def test_every_secret_ever_seen_can_be_redacted(server: Tokens, store: Path, clock: Clock) -> None:
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
    server: Tokens, store: Path, clock: Clock
) -> None:
    seed = server.seed()
    bearer = sent(oauth(server, store, clock, refresh_token=seed))
    second = oauth(server, store, clock, refresh_token=seed)
    assert sent(second) == bearer, "nothing had to be refreshed"
    kept = json.loads(store.read_text())
    assert {kept["access_token"], kept["refresh_token"]} <= second.secrets()


def test_nothing_shows_a_secret(server: Tokens, store: Path, clock: Clock) -> None:
    auth = oauth(server, store, clock, refresh_token=server.seed())
    sent(auth)
    for shown in (auth, ApiKey("acme", f"{MARK}-key"), AccessToken(f"{MARK}-token")):
        assert MARK not in f"{shown} {shown!r} {shown.describe()}"
