"""Somebody who logs in with tap-qonto-login, and the browser that answers it."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from tap_qonto.auth import login
from tests.auth.clients import oauth
from tests.kit.tokens import MARK, Clock, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_qonto.auth.oauth import OAuth


class Person:
    """Somebody who runs tap-qonto-login and, in the browser, grants access at once."""

    def __init__(self, server: Tokens, store: Path, clock: Clock) -> None:
        self.server = server
        self.store = store
        self.clock = clock
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
        urls = ("--token-url", self.server.token_url, "--authorize-url", self.server.authorize_url)
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
