"""Who is let in to the demo company, and how tokens are issued."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest

from tap_qonto.demo import (
    Api,
    Company,
    OAuth,
    Request,
)
from tests.demo.visits import Clock, Row, session


def test_the_key_is_checked_when_there_is_one(company: Company) -> None:
    api = Api(company, authorization="acme:secret")
    for header in (None, "acme:wrong", "Bearer acme:secret", "Basic YWNtZTpzZWNyZXQ="):
        headers = {} if header is None else {"Authorization": header}
        with session(api, **headers) as get:
            answer = get("/organization")
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["code"] == "unauthorized"
    with session(api, Authorization="acme:secret") as get:
        assert get("/organization").status_code == 200
        for path in ("/terminals", "/payment_links", "/sepa/direct_debit_mandates"):
            refused = get(path)
            assert (refused.status_code, refused.json()["errors"][0]["detail"]) == (
                401,
                "OAuth2 required",
            )
        assert get("/webhook_subscriptions").json()["detail"] == "OAuth2 required"


def test_the_sandbox_shows_a_page_without_its_token(company: Company) -> None:
    api = Api(company, staging_token="stage")
    with session(api) as get:
        page = get("/organization")
    assert (page.status_code, page.headers["Content-Type"][:9]) == (200, "text/html")
    with session(api, **{"X-Qonto-Staging-Token": "stage"}) as get:
        assert get("/organization").json()["organization"]["slug"] == company.slug


def token(api: Api, **form: str) -> tuple[int, Row]:
    body = "&".join(f"{key}={value}" for key, value in form.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = api(Request("POST", "/oauth2/token", (), headers, body.encode()))
    assert isinstance(answer.body, bytes)
    return answer.status, msgspec.json.decode(answer.body)


APPLICATION: Row = {"client_id": "app", "client_secret": "s3cret"}


def test_refresh_tokens_rotate_and_die_after_their_grace(company: Company) -> None:
    clock = Clock()
    oauth = OAuth(**APPLICATION, refresh_token="seed", clock=clock)
    api = Api(company, oauth=oauth, clock=clock)
    refresh = {"grant_type": "refresh_token", **APPLICATION}
    status, pair = token(api, **refresh, refresh_token="seed")
    assert (status, pair["expires_in"]) == (200, 3600)
    clock.forward(seconds=59)
    assert token(api, **refresh, refresh_token="seed") == (200, pair)
    clock.forward(seconds=1)
    status, refused = token(api, **refresh, refresh_token="seed")
    assert (status, refused["error"]) == (400, "invalid_grant")
    with session(api, Authorization=f"Bearer {pair['access_token']}") as get:
        assert get("/terminals").status_code == 200
        clock.forward(hours=1)
        assert get("/terminals").status_code == 401
    clock.forward(days=90)
    assert token(api, **refresh, refresh_token=pair["refresh_token"])[0] == 400
    assert token(api, **{**refresh, "client_secret": "no"}, refresh_token="x")[0] == 401
    assert oauth.refreshes == 4


def signed_in(api: Api, **asked: str) -> dict[str, str]:
    """Let a user sign in, asked without what is empty; return the form that trades the code."""
    redirect = "http://127.0.0.1:9/callback"
    digest = hashlib.sha256(b"v" * 43).digest()
    query = {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": redirect,
        "state": "st",
        "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **asked,
    }
    sent = api(Request("GET", "/oauth2/auth", [one for one in query.items() if one[1]]))
    back = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert (sent.status, back["state"]) == (302, ["st"])
    return {
        "grant_type": "authorization_code",
        "code": back["code"][0],
        "code_verifier": "v" * 43,
        "redirect_uri": redirect,
    }


@pytest.mark.parametrize(
    ("verifier", "after", "status"), [("v" * 43, 0, 200), ("w" * 43, 0, 400), ("v" * 43, 600, 400)]
)
def test_a_code_is_traded_once_with_its_verifier(
    company: Company, verifier: str, after: float, status: int
) -> None:
    clock = Clock()
    api = Api(company, oauth=OAuth(**APPLICATION, clock=clock), clock=clock)
    form = {**signed_in(api), **APPLICATION, "code_verifier": verifier}
    clock.forward(seconds=after)
    assert token(api, **form)[0] == status
    assert token(api, **form)[0] == 400


@pytest.mark.parametrize("scope", ["offline_access team.read", "team.read"])
def test_only_offline_access_gives_a_refresh_token(company: Company, scope: str) -> None:
    api = Api(company, oauth=OAuth(**APPLICATION))
    status, tokens = token(api, **signed_in(api, scope=scope), **APPLICATION)
    assert (status, tokens["scope"]) == (200, scope)
    assert ("refresh_token" in tokens) == ("offline_access" in scope)


def test_a_public_application_has_no_secret_to_send(company: Company) -> None:
    api = Api(company, oauth=OAuth(client_id="app"))
    assert token(api, **signed_in(api), **APPLICATION)[0] == 401
    assert token(api, **signed_in(api), client_id="app")[0] == 200
    assert token(api, **signed_in(api, code_challenge=""), client_id="app")[0] == 400


def test_a_browser_signs_in_to_the_sandbox_and_tokens_want_its_header(company: Company) -> None:
    api = Api(company, oauth=OAuth(**APPLICATION), staging_token="stage")
    form = urlencode(signed_in(api) | APPLICATION).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    staged = headers | {"X-Qonto-Staging-Token": "stage"}
    refused, given = (
        api(Request("POST", "/oauth2/token", (), sent, form)) for sent in (headers, staged)
    )
    assert refused.headers["Content-Type"].startswith("text/html")
    assert isinstance(given.body, bytes)
    assert msgspec.json.decode(given.body)["access_token"]


def test_tokens_live_as_long_as_is_said_and_begin_as_is_said(company: Company) -> None:
    clock = Clock()
    oauth = OAuth(**APPLICATION, access_seconds=20, mark="S3CRET", clock=clock)
    form = signed_in(Api(company, oauth=oauth))
    _, tokens = token(Api(company, oauth=oauth), **form, **APPLICATION)
    assert tokens["expires_in"] == 20
    secrets = (form["code"], tokens["access_token"], tokens["refresh_token"])
    assert all(secret.startswith("S3CRET") for secret in secrets)
    clock.forward(seconds=19)
    assert oauth.scopes_of(tokens["access_token"])
    clock.forward(seconds=1)
    assert oauth.scopes_of(tokens["access_token"]) is None
