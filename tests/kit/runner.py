"""Runs the tap once, in this process or as the real command, and tells what the world saw of it."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from typing_extensions import override

from tap_qonto.demo import DemoServer
from tap_qonto.singer.sdk import ConfigInput
from tap_qonto.streams import STREAMS
from tap_qonto.tap import TapQonto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_qonto.demo import Api, Request
    from tap_qonto.streams.base import QontoStream

Row = dict[str, Any]

KEY: Final = "acme-1234:secret"
"""The API key that the `server` fixture lets in."""

COMMAND: Final = Path(sys.executable).with_name("tap-qonto")
"""The command as it is installed."""

_UNLIMITED: Final = 1_000
"""Times Qonto's rate limit: no test but those of the limit itself waits for it."""

PATIENCE: Final = 120.0
"""Seconds to wait for threads or a process that should have ended."""

_BACKGROUND: Final = ("qonto", "document", "waiting")
"""How the names of the tap's threads begin; none may reach into the next test."""


@dataclass
class Run:
    """What one run of the tap left behind.

    Attributes:
        exit_code: As the shell sees it; negative if a signal ended the process.
        messages: All Singer messages, in order; numbers with a fraction are `Decimal`.
        log: Everything written to the log.
        requests: What the server saw, if the run was given an `Api`.
    """

    exit_code: int
    messages: list[Row]
    log: str
    requests: list[Request] = field(default_factory=list)

    @property
    def records(self) -> dict[str, list[Row]]:
        """The rows of every stream, in order."""
        found: dict[str, list[Row]] = {}
        for message in self.messages:
            if message["type"] == "RECORD":
                found.setdefault(message["stream"], []).append(message["record"])
        return found

    @property
    def schemas(self) -> dict[str, list[Row]]:
        """Every SCHEMA message of every stream, in order."""
        found: dict[str, list[Row]] = {}
        for message in self.messages:
            if message["type"] == "SCHEMA":
                found.setdefault(message["stream"], []).append(message)
        return found

    @property
    def states(self) -> list[Row]:
        """The value of every STATE message, in order."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> Row:
        """The last state, or an empty one."""
        return self.states[-1] if self.states else {}

    def bookmark(self, stream: str) -> str | None:
        """Return the last bookmark of a stream that has one."""
        value: str | None = (
            self.state.get("bookmarks", {}).get(stream, {}).get("replication_key_value")
        )
        return value

    def bookmarks(self, stream: str) -> dict[str, str]:
        """Return the last bookmarks of a stream by bank account."""
        partitions = self.state.get("bookmarks", {}).get(stream, {}).get("partitions", [])
        return {
            part["context"]["bank_account_id"]: part["replication_key_value"]
            for part in partitions
            if "replication_key_value" in part
        }

    def asked(self, path: str) -> list[dict[str, str]]:
        """Return the parameters of every request for a path below /v2 (the last of equal names)."""
        return [dict(request.query) for request in self.requests if request.path == f"/v2{path}"]


_MESSAGES = msgspec.json.Decoder(float_hook=Decimal)


def parsed(output: bytes) -> list[Row]:
    """Return the Singer messages of a tap's output, without a last line that is torn.

    Raises:
        ValueError: If any other line is no message.
    """
    lines = output.split(b"\n")[:-1]
    return [_MESSAGES.decode(line) for line in lines]


@cache
def _discovered() -> str:
    return TapQonto(config={"environment": "demo"}, parse_env_config=False).catalog_json_text


def catalog_of(
    select: Iterable[str] | None = None,
    *,
    without: Mapping[str, Iterable[str]] | None = None,
) -> Row:
    """Return the discovered catalog with a selection.

    Args:
        select: Names of the streams to read and no others; None selects every stream.
        without: Columns to deselect, by stream.
    """
    catalog: Row = msgspec.json.decode(_discovered())
    chosen = None if select is None else set(select)
    dropped = {name: set(columns) for name, columns in (without or {}).items()}
    names = {stream["stream"] for stream in catalog["streams"]}
    assert (chosen or set()) | dropped.keys() <= names, "the test names a stream that is not there"
    for stream in catalog["streams"]:
        name = stream["stream"]
        selected = chosen is None or name in chosen
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = selected
            elif entry["breadcrumb"][-1] in dropped.get(name, ()):
                entry["metadata"]["selected"] = False
        if not selected:
            _shorten(stream)
    return catalog


def _shorten(stream: Row) -> None:
    """Leave a stream only its key: the SDK takes long to read schemas that nobody needs."""
    keys = stream["key_properties"]
    schema = stream["schema"]
    stream["schema"] = {
        **schema,
        "properties": {name: schema["properties"][name] for name in keys},
    }
    stream["metadata"] = [
        entry
        for entry in stream["metadata"]
        if not entry["breadcrumb"] or entry["breadcrumb"][-1] in keys
    ]


@contextmanager
def serving(api: Api, latency: float = 0.0) -> Iterator[DemoServer]:
    """Serve an application over HTTP while the context lasts.

    Args:
        api: The application.
        latency: Seconds to wait before each answer.
    """
    server = DemoServer(api, latency=latency)
    try:
        yield server
    finally:
        # Closing takes longer than most runs, and nobody asks any more.
        threading.Thread(target=server.close, daemon=True).start()


def run(
    config: Mapping[str, Any] | None = None,
    *,
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    select: Iterable[str] | None = None,
    api: Api | None = None,
    latency: float = 0.0,
    log_level: int = logging.INFO,
    tap: type[TapQonto] = TapQonto,
) -> Run:
    """Run the tap in this process, as its command does, errors and exit code included.

    Args:
        config: Settings; by default those of the demo company, or of the server of `api`. Given
            with `api`, they are added to those of the server.
        state: A Singer state to go on from.
        catalog: A catalog; by default the one that discovery makes.
        select: Names of the streams to read and no others, in place of a catalog.
        api: An application to serve over HTTP while the run lasts.
        latency: Seconds that this server waits before each answer.
        log_level: Level from which the log is kept.
        tap: The tap, or one that differs from it.
    """
    if select is not None:
        assert catalog is None, "a catalog says itself what is selected"
        catalog = catalog_of(select)
    with ExitStack() as stack:
        settings: Row = dict(config or {})
        server = None
        if api is not None:
            server = stack.enter_context(serving(api, latency))
            settings = {**config_for(server), **settings}
        settings = settings or {"environment": "demo"}
        seen = stack.enter_context(captured(log_level))
        threads = set(threading.enumerate())
        try:
            tap.invoke(
                config=ConfigInput(config=settings),
                state=None if state is None else io.StringIO(json.dumps(state)),
                catalog=None if catalog is None else io.StringIO(json.dumps(catalog)),
            )
            exit_code = 0
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else 1
        for thread in threading.enumerate():
            if thread not in threads and thread.name.startswith(_BACKGROUND):
                thread.join(PATIENCE)
                assert not thread.is_alive(), f"the run left the thread {thread.name} behind"
        requests = list(server.requests) if server else []
    return Run(exit_code, parsed(seen.output.getvalue()), seen.log.getvalue(), requests)


def tap_with(*classes: type[QontoStream]) -> type[TapQonto]:
    """Return a tap that has these streams in place of those that they are derived from."""
    others = {stream.__base__: stream for stream in classes}

    class TapWith(TapQonto):
        @override
        def discover_streams(self) -> list[QontoStream]:
            return [others.get(each, each)(self, self.reading) for each in STREAMS]

    return TapWith


@dataclass
class Seen:
    output: io.BytesIO = field(default_factory=io.BytesIO)
    log: io.StringIO = field(default_factory=io.StringIO)


@contextmanager
def captured(log_level: int = logging.INFO) -> Iterator[Seen]:
    """Catch what a run writes, and put back what it changes in the process."""
    seen = Seen()
    handler = logging.StreamHandler(seen.log)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    thresholds = gc.get_threshold()
    level, handlers = root.level, {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }  # fmt: skip
    root.addHandler(handler)
    root.setLevel(log_level)
    try:
        with pytest.MonkeyPatch.context() as patch:
            stdout = io.TextIOWrapper(seen.output, write_through=True)
            patch.setattr(sys, "stdout", stdout)
            # The command ends the process at once, whatever its threads are doing.
            patch.setattr(TapQonto, "machine", replace(TapQonto.machine, exit=sys.exit))
            yield seen
            stdout.detach()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for number, previous in handlers.items():
            signal.signal(number, previous)
        # A command keeps all that it began with; here its rows would stay for the next test.
        gc.unfreeze()
        gc.set_threshold(*thresholds)


def config_for(server: DemoServer) -> Row:
    """Return settings that read from a server with the key `KEY`."""
    login, _, secret_key = KEY.partition(":")
    return {
        "api_url": server.api_url,
        "login": login,
        "secret_key": secret_key,
        "rate_limit_share": _UNLIMITED,
    }


@contextmanager
def start_process(
    config: Mapping[str, Any] | None,
    *,
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    options: Iterable[str] = (),
    by: Iterable[str] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the real command; its log goes to `process.stderr`, a file.

    Args:
        config: Settings, handed over as a file; None for no such file.
        state: A Singer state to go on from.
        catalog: A catalog; by default the command discovers one.
        env: Further environment variables. Those of this process are not handed down.
        options: Further options of the command.
        by: A command that runs it.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        arguments = [*by, str(COMMAND)]
        for name, value in (("config", config), ("state", state), ("catalog", catalog)):
            if value is not None:
                path = Path(folder, f"{name}.json")
                path.write_text(json.dumps(value), encoding="utf-8")
                arguments += [f"--{name}", str(path)]
        log = stack.enter_context(Path(folder, "log").open("w+b"))
        process = stack.enter_context(
            subprocess.Popen(
                [*arguments, *options],
                stdout=subprocess.PIPE,
                stderr=log,
                env={"PATH": os.environ["PATH"], "HOME": folder, **(env or {})},
                cwd=folder,
            )
        )
        process.stderr = log
        try:
            yield process
        finally:
            process.kill()


def run_process(
    config: Mapping[str, Any] | None,
    *,
    state: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    options: Iterable[str] = (),
) -> Run:
    """Run the real command to its end; see `start_process` for the arguments."""
    with start_process(config, state=state, catalog=catalog, env=env, options=options) as process:
        assert process.stdout
        output = process.stdout.read()
        return Run(process.wait(PATIENCE), parsed(output), log_of(process))


def log_of(process: subprocess.Popen[bytes]) -> str:
    """Return what a process started by `start_process` has logged so far."""
    assert process.stderr
    process.stderr.seek(0)
    return process.stderr.read().decode()
