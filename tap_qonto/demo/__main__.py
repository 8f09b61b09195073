"""`python -m tap_qonto.demo`: serve a demo company on a loopback port."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import fields

from tap_qonto.demo import WORLDS, Api, Company, DemoServer, OAuth, WorldFileError, Writing
from tap_qonto.output import for_a_person


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
    parser.add_argument(
        "--world", choices=WORLDS, metavar="NAME", help="play one of the worlds of --list-worlds"
    )
    parser.add_argument("--list-worlds", action="store_true", help="say which there are, and end")
    parser.add_argument("--scope", help="what OAuth's tokens may do (default: everything)")
    parser.add_argument(
        "--path", help="file that keeps what is written, for later runs and other processes"
    )
    writing = parser.add_argument_group(
        "writing", "what Qonto's documents leave open about commands; times are in seconds"
    )
    for switch in fields(Writing):
        name, default = f"--{switch.name.replace('_', '-')}", switch.default
        shown = f"{switch.metadata['help']} (default: %(default)s)"
        if isinstance(default, bool):
            action = argparse.BooleanOptionalAction
            writing.add_argument(name, action=action, default=default, help=shown)
        else:
            writing.add_argument(name, type=type(default), default=default, help=shown)
    arguments = parser.parse_args()
    if (arguments.login is None) != (arguments.secret_key is None):
        parser.error("--login and --secret-key go together")
    return arguments


def main(application: type[Api] = Api) -> int:
    """Serve until SIGTERM or SIGINT; the first line of output is the base URL of the API."""
    with for_a_person():
        arguments = _arguments()
        if arguments.list_worlds:
            sys.stdout.writelines(f"{name:26}{world.about}\n" for name, world in WORLDS.items())
            return 0
    try:
        company = Company(
            arguments.organization,
            transactions=arguments.transactions,
            accounts=arguments.accounts,
            receipt_bytes=arguments.receipt_bytes,
            path=arguments.path,
        )
    except WorldFileError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    oauth = None
    if arguments.oauth or arguments.refresh_token is not None:
        oauth = OAuth(
            client_id=arguments.client_id,
            client_secret=arguments.client_secret,
            refresh_token=arguments.refresh_token,
            **({} if arguments.scope is None else {"scope": arguments.scope}),
        )
    key = None if arguments.login is None else f"{arguments.login}:{arguments.secret_key}"
    world = None if arguments.world is None else WORLDS[arguments.world]
    api = application(
        company,
        authorization=key,
        staging_token=arguments.staging_token,
        oauth=oauth,
        writing=Writing(**{one.name: getattr(arguments, one.name) for one in fields(Writing)}),
        **({} if world is None else world.options),
    )
    if world is not None:
        world.play(api)
    # Written before the first request, so that none waits for it.
    company.total("transactions")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with DemoServer(api, arguments.port, arguments.latency) as server:
        with for_a_person():
            sys.stdout.write(f"{server.api_url}\n")
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
