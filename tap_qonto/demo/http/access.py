"""Who is let in: API keys, OAuth tokens with their scopes, the sandbox's token."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from tap_qonto.demo.http.messages import RefusalError, Request, Response, answer
from tap_qonto.demo.http.oauth import GrantError

if TYPE_CHECKING:
    from tap_qonto.demo.http.endpoints import Endpoint
    from tap_qonto.demo.http.oauth import OAuth


class Access:
    """Checks credentials, and signs users in where there is an authorization server."""

    def __init__(
        self,
        organization_id: str,
        *,
        authorization: str | None,
        staging_token: str | None,
        oauth: OAuth | None,
        organization_required: bool,
    ) -> None:
        """Let in whoever has one of these credentials; everybody when there is none."""
        self._organization_id = organization_id
        self._authorization = authorization
        self._staging_token = staging_token
        self._oauth = oauth
        self._organization_required = organization_required

    def before_all(self, request: Request) -> Response | None:
        """Return the answer to a request that does not get as far as the API, or None."""
        # A browser asks for the sign-in page, and cannot send the header.
        wanted = None if request.path == "/oauth2/auth" else self._staging_token
        if wanted is not None and request.header("x-qonto-staging-token") != wanted:
            # The sandbox shows a page to sign in, with the status of success.
            page = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
            return Response(200, {"Content-Type": "text/html; charset=utf-8"}, page)
        if self._oauth is not None and request.path in ("/oauth2/auth", "/oauth2/token"):
            return _sign_in(request, self._oauth)
        return None

    def check(self, request: Request, endpoint: Endpoint) -> None:
        """Refuse whoever may not use an endpoint.

        Raises:
            RefusalError: The credentials are not valid (401), or do not suffice (401, 403).
        """
        if self._authorization is None and self._oauth is None:
            return
        header = request.header("authorization") or ""
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer" and self._oauth is not None:
            scopes = self._oauth.scopes_of(token)
            if scopes is not None:
                self._check_organization(request)
                if endpoint.scope not in scopes:
                    raise RefusalError(403, "forbidden", "missing required oauth scope")
                return
        elif self._authorization is not None and header == self._authorization:
            if endpoint.oauth_only:
                raise RefusalError(401, "unauthorized", "OAuth2 required")
            return
        raise RefusalError(401, "unauthorized", "Authentication credentials are not valid")

    def _check_organization(self, request: Request) -> None:
        named = request.header("x-qonto-organization-id")
        if self._organization_required and named != self._organization_id:
            raise RefusalError(403, "forbidden", "X-Qonto-Organization-Id is missing or wrong")


def _sign_in(request: Request, oauth: OAuth) -> Response:
    try:
        if request.path == "/oauth2/auth":
            place = oauth.authorize(dict(request.query))
            return Response(302, {"Location": place, "Content-Type": "text/plain"}, b"")
        return answer(200, oauth.grant(_form(request)), {"Cache-Control": "no-store"})
    except GrantError as refusal:
        body = {"error": refusal.code, "error_description": str(refusal)}
        return answer(refusal.status, body)


def _form(request: Request) -> dict[str, str]:
    """Return the fields of a token request.

    Raises:
        GrantError: It is no form.
    """
    if request.method != "POST":
        code, description = "invalid_request", "the token endpoint takes POST"
        raise GrantError(code, description, 405)
    kind = (request.header("content-type") or "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        code, description = "invalid_request", "the body must be form-urlencoded"
        raise GrantError(code, description)
    return dict(parse_qsl(request.body.decode("ascii", "replace")))
