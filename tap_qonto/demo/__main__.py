"""`python -m tap_qonto.demo`: serve a demo company on a loopback port."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from tap_qonto.demo import Api, Company, DemoServer, OAuth


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tap_qonto.demo",
        description="Serve a made-up company behind an imitation of Qonto's API, on 127.0.0.1.",
    )
    parser.add_argument("--port", type=int, default=0, help="port; 0 (default) takes a free one")
    parser.add_argument("--organization", default="demo", help="other names, other companies")
    parser.add_argument("--transactions", type=int, default=5_400, help="over all accounts")
    parser.add_argument("--accounts", type=int, default=6, help="number of bank accounts")
    parser.add_argument("--receipt-bytes", type=int, help="size of each receipt (default: varies)")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="seconds to wait before each answer"
    )
    parser.add_argument("--login", help="API key's login; the key is then required")
    parser.add_argument("--secret-key", help="API key's secret; the key is then required")
    parser.add_argument(
        "--staging-token", help="required in X-Qonto-Staging-Token, as on the sandbox"
    )
    parser.add_argument(
        "--oauth",
        action="store_true",
        help="also accept OAuth; tokens come from /oauth2/token on the same port",
    )
    parser.add_argument("--client-id", default="demo-client", help="the OAuth application")
    parser.add_argument("--client-secret", default="demo-secret", help="and its secret")
    parser.add_argument("--refresh-token", help="a first refresh token that is valid now")
    arguments = parser.parse_args()
    if (arguments.login is None) != (arguments.secret_key is None):
        parser.error("--login and --secret-key go together")
    return arguments


def main(application: type[Api] = Api) -> int:
    """Serve until SIGTERM or SIGINT; the first line of output is the base URL of the API."""
    arguments = _arguments()
    company = Company(
        arguments.organization,
        transactions=arguments.transactions,
        accounts=arguments.accounts,
        receipt_bytes=arguments.receipt_bytes,
    )
    oauth = None
    if arguments.oauth or arguments.refresh_token is not None:
        oauth = OAuth(
            client_id=arguments.client_id,
            client_secret=arguments.client_secret,
            refresh_token=arguments.refresh_token,
        )
    key = None if arguments.login is None else f"{arguments.login}:{arguments.secret_key}"
    api = application(
        company, authorization=key, staging_token=arguments.staging_token, oauth=oauth
    )
    # Written before the first request, so that none waits for it.
    company.total("transactions")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with DemoServer(api, arguments.port, arguments.latency) as server:
        sys.stdout.write(f"{server.api_url}\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
