"""A made-up company behind an imitation of Qonto's API: no account, no network, no secrets.

`world` is who exists and what was paid, named as the tap's streams are; `http` is how Qonto shows
it: the rules of the API, a transport that answers a `requests` session inside the process, and
the same application on a loopback port. Everything that others need is taken from here.

What it does not imitate, so that nobody takes it for a specification:

* Nothing can be written through HTTP: every method but GET answers 405 (OAuth's token endpoint
  aside). The world changes only through `Company.put`, `change` and `remove`.
* It knows the paths and parameters that this project asks for, and no others. Unknown parameters
  are always refused, although Qonto may well ignore them: a client that misspells a filter must
  notice.
* No rate limit. A test that wants a 429 injects one through `Api.before`.
* No scopes and no roles: a credential is valid or it is not. The resources that Qonto opens to
  OAuth alone are the one distinction made.
* Where Qonto's answer is not known (are bounds inclusive, are several statuses honoured, is the
  count capped at the ceiling) the behaviour is a parameter of `Api`, not a claim.
* Balances, statements and totals of the generated history add up; they are not computed again
  when a test changes a row.
* The invoices' PDFs carry a valid Factur-X XML but embed no fonts and no colour profile, which
  strict PDF/A-3 asks for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tap_qonto.demo.http.api import Api
    from tap_qonto.demo.http.messages import FILES_URL, Request, Response
    from tap_qonto.demo.http.oauth import OAuth
    from tap_qonto.demo.http.server import DemoServer
    from tap_qonto.demo.http.transport import (
        DEMO_API_URL,
        DEMO_FILES_URL,
        DEMO_TOKEN_URL,
        DemoAdapter,
    )
    from tap_qonto.demo.world.company import COLLECTIONS, Company

__all__ = [
    "COLLECTIONS",
    "DEMO_API_URL",
    "DEMO_FILES_URL",
    "DEMO_TOKEN_URL",
    "FILES_URL",
    "Api",
    "Company",
    "DemoAdapter",
    "DemoServer",
    "OAuth",
    "Request",
    "Response",
]

_HOMES: Final = {
    "COLLECTIONS": "world.company",
    "Company": "world.company",
    "Api": "http.api",
    "FILES_URL": "http.messages",
    "Request": "http.messages",
    "Response": "http.messages",
    "OAuth": "http.oauth",
    "DemoServer": "http.server",
    "DEMO_API_URL": "http.transport",
    "DEMO_FILES_URL": "http.transport",
    "DEMO_TOKEN_URL": "http.transport",
    "DemoAdapter": "http.transport",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: a plain run pays nothing for the demo."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)
