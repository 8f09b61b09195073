"""Clients of the token server: in this process, and in one of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tap_qonto.api.errors import CredentialError
from tap_qonto.auth.oauth import OAuth
from tests.kit.tokens import CLIENT_ID, CLIENT_SECRET, MARK, Clock, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86_400.0


def oauth(server: Tokens, store: Path, clock: Clock, **changes: Any) -> OAuth:
    settings: dict[str, Any] = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "token_url": server.token_url,
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


def start(server: Tokens, store: Path, seed: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(f"{server.token_url} {store} {CLIENT_ID} {CLIENT_SECRET} {seed}")
    process.stdin.close()
    process.stdin = None
    return process
