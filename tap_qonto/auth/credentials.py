"""From settings to the authenticator that they describe, built once per run for all streams.

Building one reads no file and sends nothing, so discovery works without credentials.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_qonto.api.errors import CredentialError
from tap_qonto.api.network import is_safe_url
from tap_qonto.auth.keys import (
    API_KEY_PLACE,
    STAGING_HEADER,
    TOKEN_URLS,
    AccessToken,
    ApiKey,
    sendable,
)
from tap_qonto.auth.oauth import OAuth
from tap_qonto.auth.store import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping


def authenticator(config: Mapping[str, Any]) -> ApiKey | AccessToken | OAuth | None:
    """Build the authenticator that the settings describe; call it once per run.

    Args:
        config: The tap's settings.

    Returns:
        None for the demo company, which asks for no credentials.

    Raises:
        CredentialError: If the settings contradict each other or are incomplete.
    """
    problem = check_credentials(config)
    if problem:
        raise CredentialError(problem)
    environment = config.get("environment") or "production"
    if environment == "demo":
        return None
    if config.get("login"):
        return ApiKey(config["login"], config["secret_key"])
    if not config.get("client_id"):
        return AccessToken(config["access_token"])
    headers: dict[str, str] = {}
    if config.get("user_agent"):
        headers["User-Agent"] = config["user_agent"]
    if environment == "sandbox":
        headers[STAGING_HEADER] = config["staging_token"]
    return OAuth(
        client_id=config["client_id"],
        client_secret=config.get("client_secret") or None,
        refresh_token=config.get("refresh_token") or None,
        token_url=config.get("token_url") or TOKEN_URLS[environment],
        token_store=store_path(config),
        headers=headers,
        timeout=float(config.get("request_timeout") or 15.0),
    )


_API_KEY_SETTINGS = ("login", "secret_key")


_OAUTH_SETTINGS = ("client_id", "client_secret", "refresh_token", "access_token")


def check_credentials(config: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the combination of the settings that have to do with credentials.

    An empty text counts as not set, as Meltano hands down a variable without a value.

    Args:
        config: The tap's settings.

    Returns:
        One sentence that names the settings and never a secret, or None if nothing is wrong.
    """
    environment = config.get("environment") or "production"
    if environment == "demo":
        return None
    key = [name for name in _API_KEY_SETTINGS if config.get(name)]
    oauth = [name for name in _OAUTH_SETTINGS if config.get(name)]
    problem = None
    if not key and not oauth:
        problem = (
            f"No credentials are set: set login and secret_key ({API_KEY_PLACE}), or client_id "
            "and what else OAuth needs, or environment to demo for a made-up company."
        )
    elif key and oauth:
        problem = (
            f"Both an API key ({', '.join(key)}) and OAuth ({', '.join(oauth)}) are set: "
            "keep one of the two and unset the other."
        )
    elif len(key) == 1:
        [missing] = set(_API_KEY_SETTINGS) - set(key)
        problem = f"{key[0]} is set without {missing}: set both ({API_KEY_PLACE})."
    elif oauth and "client_id" not in oauth and oauth != ["access_token"]:
        rest = " and ".join(name for name in oauth if name != "access_token")
        problem = f"{rest} is set without client_id: set the client_id of the OAuth application."
    elif environment == "sandbox" and not config.get("staging_token"):
        problem = (
            "environment is sandbox without staging_token: set the staging token of Qonto's "
            "developer portal, which the sandbox wants on every call."
        )
    return problem or _unusable(config)


def _unusable(config: Mapping[str, Any]) -> str | None:
    """Find a credential that is spoilt by itself."""
    for name in (*_API_KEY_SETTINGS, *_OAUTH_SETTINGS, "staging_token"):
        value = config.get(name)
        if value and not (isinstance(value, str) and sendable(value)):
            return (
                f"{name} holds a blank, a line break or another character that no credential has: "
                "copy it again."
            )
    token_url = config.get("token_url")
    if token_url and not is_safe_url(str(token_url)):
        return (
            "token_url would send secrets in the clear: set an https:// address (http:// is "
            "accepted for this machine only)."
        )
    return None


def store_path(config: Mapping[str, Any]) -> Path:
    """Return the file that keeps the rotating tokens.

    Args:
        config: The tap's settings: token_store (a file, or an existing folder), client_id and
            organization_id.

    Returns:
        By default ``CLIENT@ORGANIZATION.json`` in the user's state folder, on Linux
        ``~/.local/state/tap-qonto``.

    Raises:
        CredentialError: If the user has no home folder.
    """
    name = f"{_safe(config.get('client_id'))}@{_safe(config.get('organization_id'))}.json"
    return state_path(config.get("token_store"), name, "token_store")


def state_path(chosen: str | None, name: str, setting: str) -> Path:
    """Return a file that lasts from run to run.

    Args:
        chosen: A file, or a folder that exists or ends with a slash; None for the user's state
            folder.
        name: Name of the file in a folder.
        setting: Name of the setting that chooses.

    Raises:
        CredentialError: If the user has no home folder.
    """
    try:
        if chosen:
            path = Path(chosen).expanduser()
            return path / name if chosen.endswith(("/", "\\")) or path.is_dir() else path
        from platformdirs import user_state_path

        return user_state_path("tap-qonto", appauthor=False) / name
    except RuntimeError as error:
        msg = f"The home folder is unknown: set {setting} to a file that lasts from run to run."
        raise CredentialError(msg) from error


def _safe(text: str | None) -> str:
    """Return a part of a file name; two different texts never give the same."""
    if not text:
        return "default"
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", text)[:80]
    return safe if safe == text else f"{safe}-{fingerprint(text)[:12]}"
