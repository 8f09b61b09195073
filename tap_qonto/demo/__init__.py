"""A made-up company behind an imitation of Qonto's API: no account, no network, no secrets.

`world` is who exists and what was paid, named as the tap's streams are; `http` is how Qonto shows
it: the rules of the API, a transport that answers a `requests` session inside the process, and
the same application on a loopback port; `worlds` is how it behaves on bad days. Everything that
others need is taken from here.

What it does not imitate, so that nobody takes it for a specification:

* It knows the paths and parameters that this project asks for, and no others. Unknown parameters
  are always refused, although Qonto may well ignore them: a client that misspells a filter must
  notice.
* No rate limit. A test that wants a 429 injects one through `Api.before`.
* No roles. A token has its scopes, and an API key gets what Qonto does not keep for OAuth.
* A person's part is missing: no strong authentication can be passed (428 is the last word), and no
  payee is added or trusted, no request approved through HTTP. Nothing is read from the documents
  of supplier invoices; discounts and what only Italian invoices have are refused.
* Where Qonto's answer is not known (are bounds inclusive, are several statuses honoured, is the
  count capped at the ceiling, is a new transfer listed at once) the behaviour is a parameter of
  `Api`, not a claim.
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
    from tap_qonto.demo.http.rules import Writing
    from tap_qonto.demo.http.server import DemoServer
    from tap_qonto.demo.http.transport import (
        DEMO_API_URL,
        DEMO_FILES_URL,
        DEMO_TOKEN_URL,
        DemoAdapter,
    )
    from tap_qonto.demo.world.builders import COLLECTIONS
    from tap_qonto.demo.world.company import Company
    from tap_qonto.demo.world.errors import WorldFileError
    from tap_qonto.demo.worlds import WORLDS

__all__ = [
    "COLLECTIONS",
    "DEMO_API_URL",
    "DEMO_FILES_URL",
    "DEMO_TOKEN_URL",
    "FILES_URL",
    "WORLDS",
    "Api",
    "Company",
    "DemoAdapter",
    "DemoServer",
    "OAuth",
    "Request",
    "Response",
    "WorldFileError",
    "Writing",
]

_HOMES: Final = {
    "COLLECTIONS": "world.builders",
    "Company": "world.company",
    "Api": "http.api",
    "FILES_URL": "http.messages",
    "Request": "http.messages",
    "Response": "http.messages",
    "OAuth": "http.oauth",
    "Writing": "http.rules",
    "WorldFileError": "world.errors",
    "WORLDS": "worlds",
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
