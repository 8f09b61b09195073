"""``tap-qonto-login``: get the first refresh token in a browser and put it into the token store.

The authorization code flow with PKCE, on a redirect to this machine. Nothing secret is printed or
taken from the command line: secrets come from the tap's own environment variables, from ``.env``,
or are asked for without echo.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import os
import secrets
import sys
import time
import webbrowser
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from tap_qonto.api.errors import (
    CredentialError,
    DamagedStoreError,
    EnvFileError,
    NoAnswerError,
    RefusedError,
)
from tap_qonto.api.network import is_safe_url
from tap_qonto.auth.callback import Callback
from tap_qonto.auth.credentials import store_path
from tap_qonto.auth.endpoint import TokenEndpoint
from tap_qonto.auth.keys import STAGING_HEADER, TOKEN_URLS, sendable
from tap_qonto.auth.scopes import WANTED
from tap_qonto.auth.store import Stored, TokenStore, fingerprint
from tap_qonto.output import for_a_person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_qonto.auth.endpoint import Tokens


AUTHORIZE_URLS: Final = {
    "production": "https://oauth.qonto.com/oauth2/auth",
    "sandbox": "https://oauth-sandbox.staging.qonto.co/oauth2/auth",
}
"""Where a person grants access, by environment."""


OFFLINE: Final = "offline_access"
"""The scope without which Qonto gives no refresh token (Qonto's documentation)."""


_PREFIXES: Final = {"tap-qonto": "TAP_QONTO_", "target-qonto": "TARGET_QONTO_"}
"""How the variables of a program's settings begin."""


_PATIENCE = 300.0  # Seconds.


_LOCK_TIMEOUT = 60.0  # Seconds.


def main(argv: Sequence[str] | None = None, *, clock: Callable[[], float] = time.time) -> int:
    """Run the command.

    Args:
        argv: The arguments without the program's name; by default those of the process.
        clock: Returns the present, in seconds since 1970.

    Returns:
        The exit code: 0 if the token store is filled, 1 if not (one sentence on stderr says why),
        130 if a person interrupted it.
    """
    with for_a_person():
        options = _parser().parse_args(argv)
    try:
        _log_in(options, _settings(_PREFIXES[options.program]), clock)
    except (CredentialError, EnvFileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; the token store is as it was.\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tap-qonto-login",
        description="Let tap-qonto read a company's Qonto account through OAuth, or target-qonto "
        "write to it: opens the browser, then writes the token store. Every option may also be set "
        "as for the program (TAP_QONTO_CLIENT_ID, TAP_QONTO_TOKEN_STORE, ... or the same names in "
        ".env; TARGET_QONTO_CLIENT_ID, ... for the target).",
        epilog="Secrets are never options: they come from TAP_QONTO_CLIENT_SECRET and "
        "TAP_QONTO_STAGING_TOKEN (TARGET_QONTO_... for the target), or are asked for.",
    )
    add = parser.add_argument
    add(
        "--for",
        dest="program",
        choices=sorted(WANTED),
        default="tap-qonto",
        help="whose scopes to ask for, and whose settings to take (default: tap-qonto)",
    )
    add("--client-id", help="of the OAuth application")
    add("--environment", choices=sorted(TOKEN_URLS), help="default: production")
    add("--organization-id", help="part of the default token store's name, as for the tap")
    add("--token-store", help="the file to write, or an existing folder")
    add("--port", type=int, default=8910, help="of the registered redirect URI (default: 8910)")
    add(
        "--redirect-host",
        choices=("127.0.0.1", "localhost"),
        default="127.0.0.1",
        help="of the registered redirect URI, http://HOST:PORT/callback (default: 127.0.0.1)",
    )
    add(
        "--scope",
        action="append",
        metavar="NAME",
        help="ask for this scope instead of all that the program uses; may be given several times",
    )
    add(
        "--add-scope",
        action="append",
        metavar="NAME",
        default=[],
        help="ask for this scope too, such as webhook",
    )
    add("--no-browser", action="store_true", help="print the address instead of opening it")
    add("--timeout", type=float, default=_PATIENCE, help="seconds to wait (default: 300)")
    add("--authorize-url", help="another authorize page")
    add("--token-url", help="another token endpoint")
    return parser


def _settings(prefix: str) -> dict[str, str]:
    """Return a program's settings from the environment and, below it, the nearest ``.env``.

    Raises:
        EnvFileError: If that file cannot be read.
    """
    from dotenv import dotenv_values, find_dotenv

    path = find_dotenv(usecwd=True)
    try:
        variables = dotenv_values(path) | os.environ
    except (OSError, ValueError) as error:
        raise EnvFileError(path, error) from error
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in variables.items()
        if name.startswith(prefix) and value
    }


def _log_in(
    options: argparse.Namespace, settings: dict[str, str], clock: Callable[[], float]
) -> None:
    for name in ("client_id", "environment", "organization_id", "token_store", "token_url"):
        chosen = getattr(options, name)
        if chosen:
            settings[name] = chosen
    environment = settings.get("environment") or "production"
    if environment not in TOKEN_URLS:
        msg = f"There is nothing to log in to in the environment {environment}: use production."
        raise CredentialError(msg)
    _ask_for_missing(settings, environment, _PREFIXES[options.program])
    token_url = settings.get("token_url") or TOKEN_URLS[environment]
    authorize_url = options.authorize_url or AUTHORIZE_URLS[environment]
    for name, url in (("--token-url", token_url), ("--authorize-url", authorize_url)):
        if not is_safe_url(url):
            msg = f"{name} must be an https:// address (http:// is accepted for this machine only)."
            raise CredentialError(msg)
    wanted = WANTED[options.program]
    scopes = dict.fromkeys([OFFLINE, *(options.scope or wanted), *options.add_scope])
    store = TokenStore(store_path(settings))
    with store.locked(_LOCK_TIMEOUT):
        # A store that cannot be written is found now, not after a person has logged in.
        store.write(_held(store, settings["client_id"]))
    form = _consent(options, settings, authorize_url, scopes)
    endpoint = TokenEndpoint(
        token_url,
        headers={STAGING_HEADER: settings["staging_token"]} if environment == "sandbox" else {},
    )
    tokens = _exchange(endpoint, form)
    _keep(store, settings, tokens, clock())
    _report(store, tokens, options.program, tuple(scopes))


def _consent(
    options: argparse.Namespace,
    settings: Mapping[str, str],
    authorize_url: str,
    scopes: Iterable[str],
) -> dict[str, str]:
    """Let a person consent in the browser; return the form that exchanges the code for tokens.

    Raises:
        CredentialError: If there is no consent.
    """
    state = secrets.token_urlsafe(32)
    verifier = secrets.token_urlsafe(64)
    with Callback(options.redirect_host, options.port, state) as callback:
        query = {
            "response_type": "code",
            "client_id": settings["client_id"],
            "redirect_uri": callback.uri,
            "scope": " ".join(scopes),
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(authorize_url).query else "?"
        _show(f"{authorize_url}{joint}{urlencode(query)}", browser=not options.no_browser)
        code = callback.code(options.timeout)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback.uri,
        "client_id": settings["client_id"],
        "code_verifier": verifier,
    }
    if settings.get("client_secret"):
        form["client_secret"] = settings["client_secret"]
    return form


def _keep(store: TokenStore, settings: Mapping[str, str], tokens: Tokens, now: float) -> None:
    """Write the tokens of a login where the tap and the target find them."""
    with store.locked(_LOCK_TIMEOUT):
        seeds = _held(store, settings["client_id"]).seeds
        if settings.get("refresh_token"):
            # The tap would take the old refresh_token for a new one and prefer it to this login.
            seeds = tuple(dict.fromkeys([*seeds, fingerprint(settings["refresh_token"])]))
        store.write(
            Stored(
                client_id=settings["client_id"],
                refresh_token=tokens.refresh_token,
                access_token=tokens.access_token,
                received_at=now,
                expires_at=now + tokens.lifetime,
                seeds=seeds,
            )
        )


_QUESTIONS = {
    "client_id": "of the OAuth application",
    "client_secret": "empty for a public client; not shown",
    "staging_token": "of Qonto's developer portal; not shown",
}
"""What a person is told about a setting that is asked for."""


def _ask_for_missing(settings: dict[str, str], environment: str, prefix: str) -> None:
    """Ask a person for what no variable says.

    Raises:
        CredentialError: If nobody can be asked, or an answer cannot be used.
    """
    wanted = ["client_id"]
    if environment == "sandbox":
        wanted.append("staging_token")
    missing = [name for name in wanted if not settings.get(name)]
    if missing and not sys.stdin.isatty():
        names = " and ".join(prefix + name.upper() for name in missing)
        msg = f"Set {names} (in the environment or in .env), or run this in a terminal."
        raise CredentialError(msg)
    # Asked only of somebody who is already typing: a public client has no secret to set.
    if missing and not settings.get("client_secret"):
        missing.append("client_secret")
    for name in missing:
        ask = input if name == "client_id" else getpass.getpass
        settings[name] = ask(f"{name} ({_QUESTIONS[name]}): ").strip()
    for name in ("client_id", "client_secret", "staging_token"):
        value = settings.get(name, "")
        if (value or name in wanted) and not sendable(value):
            msg = f"{name} is empty or holds a blank or a line break: copy it again."
            raise CredentialError(msg)


def _held(store: TokenStore, client_id: str) -> Stored:
    """Return what the store holds; a damaged one is set aside."""
    try:
        return store.read() or Stored(client_id=client_id)
    except DamagedStoreError:
        store.set_aside()
        return Stored(client_id=client_id)


def _challenge(verifier: str) -> str:
    """Return PKCE's S256 challenge."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _show(url: str, *, browser: bool) -> None:
    if browser and webbrowser.open(url):
        _say("The browser asks for access to Qonto; grant it there. If it does not open, visit:")
    else:
        _say("Visit this address in a browser on this machine:")
    _say(url)


def _exchange(endpoint: TokenEndpoint, form: Mapping[str, str]) -> Tokens:
    """Trade the code for tokens; never twice, since a code works once.

    Raises:
        CredentialError: If there is no refresh token to be had.
    """
    try:
        tokens = endpoint.ask(form)
    except NoAnswerError as error:
        msg = f"The token endpoint {endpoint.url} gave no tokens: {error}. Run this again."
        raise CredentialError(msg) from None
    except RefusedError as error:
        msg = (
            f"Qonto refused the login ({error}). Check client_id, client_secret and environment "
            f"against the OAuth application, and that {form['redirect_uri']} is one of its "
            "redirect URIs; then run this again."
        )
        raise CredentialError(msg) from None
    if tokens.refresh_token is None:
        msg = (
            f"Qonto gave no refresh token: allow the scope {OFFLINE} for the OAuth application, "
            "then run this again."
        )
        raise CredentialError(msg)
    return tokens


def _report(store: TokenStore, tokens: Tokens, program: str, asked: Sequence[str]) -> None:
    _say(f"Done. The tokens are in {store.path}; {program} renews them from there.")
    _say("It needs the same client_id (and client_secret), and no refresh_token.")
    wanted = WANTED[program]
    for scope in asked if tokens.scopes else ():
        if scope not in tokens.scopes and scope in wanted:
            streams = ", ".join(wanted[scope])
            if program == "tap-qonto":
                _say(f"Not granted: {scope}, without which these stay empty: {streams}.")
            else:
                _say(f"Not granted: {scope}, without which these cannot be sent: {streams}.")


def _say(text: str) -> None:
    with for_a_person():
        sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
