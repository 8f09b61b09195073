"""Credentials that do not change: API keys and bare access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from requests.auth import AuthBase
from typing_extensions import override

if TYPE_CHECKING:
    import requests


def sendable(text: str) -> bool:
    """Tell whether a token can stand in a header: printable ASCII without blanks, not empty.

    requests quotes a header that it refuses in its error, so a bad one must not get that far.
    """
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


TOKEN_URLS: Final = {
    "production": "https://oauth.qonto.com/oauth2/token",
    "sandbox": "https://oauth-sandbox.staging.qonto.co/oauth2/token",
}
"""Token endpoint by environment."""


STAGING_HEADER: Final = "X-Qonto-Staging-Token"
"""Sent to the sandbox only, its token endpoint included."""


API_KEY_PLACE = "in the Qonto app, under Integrations and Partnerships > API key"


class ApiKey(AuthBase):
    """An organization's API key.

    Args:
        login: The organization's slug, such as ``acme-sas-1234``.
        secret_key: The key's secret.
    """

    def __init__(self, login: str, secret_key: str) -> None:
        self._login = login
        self._secret_key = secret_key

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add login and secret as they are: Qonto wants no scheme and no base64."""
        request.headers["Authorization"] = f"{self._login}:{self._secret_key}"
        return request

    def __repr__(self) -> str:
        """Show the login, never the secret."""
        return f"ApiKey(login={self._login!r})"

    def renew(self, _rejected: str | None) -> bool:
        """Return False: a refused API key stays refused."""
        return False

    def describe(self) -> str:
        """Say what a person should look at when Qonto refuses these credentials."""
        return f"Check the settings login and secret_key: both are {API_KEY_PLACE}."

    def secrets(self) -> frozenset[str]:
        """Return what must never be written anywhere."""
        return frozenset({self._secret_key})


class AccessToken(AuthBase):
    """An access token that nothing can renew: enough for a run of up to an hour.

    Args:
        access_token: As the token endpoint gave it.
    """

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    @override
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._access_token}"
        return request

    def __repr__(self) -> str:
        """Show nothing of the token."""
        return "AccessToken()"

    def renew(self, _rejected: str | None) -> bool:
        """Return False: there is nothing to renew the token with."""
        return False

    def describe(self) -> str:
        """Say what a person should look at when Qonto refuses these credentials."""
        return (
            "The setting access_token serves one run: it expires an hour after it was given. Set a "
            "new one, or set client_id and run tap-qonto-login so that the tap renews it by itself."
        )

    def secrets(self) -> frozenset[str]:
        """Return what must never be written anywhere."""
        return frozenset({self._access_token})
