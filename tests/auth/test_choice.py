"""Which credentials the settings choose, and where their tokens are kept."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.auth.credentials import authenticator, check_credentials, store_path
from tap_qonto.auth.keys import TOKEN_URLS, AccessToken, ApiKey
from tap_qonto.auth.oauth import OAuth
from tests.auth.clients import sent, sentence
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, MARK, STAGING_TOKEN, Tokens

if TYPE_CHECKING:
    from pathlib import Path

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
    with Tokens(staging=True) as server:
        config = {
            "environment": "sandbox",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": server.seed(),
            "staging_token": STAGING_TOKEN,
            "token_url": server.token_url,
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
