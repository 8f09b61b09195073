"""The tap: its settings, streams and credentials, and how a run begins and ends."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import threading
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn

from click.exceptions import Exit
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import _ConfigInput
from typing_extensions import override

from tap_qonto import __version__
from tap_qonto.auth import (
    STAGING_HEADER,
    CredentialError,
    authenticator,
    check_credentials,
)
from tap_qonto.client import (
    Client,
    FileHost,
    NotReadableError,
    QontoError,
    Query,
    RateLimit,
    UnauthorizedError,
)
from tap_qonto.documents import Archive
from tap_qonto.instants import from_datetime, shift, uniform, whole_second
from tap_qonto.messages import MessageWriter
from tap_qonto.pagination import CeilingError, ListError, read_numbered
from tap_qonto.records import RowError
from tap_qonto.redaction import protect
from tap_qonto.settings import API_URLS, SETTINGS, problems, start_instant, wrong_value
from tap_qonto.storage import StorageError, storage_at
from tap_qonto.streams import STREAMS
from tap_qonto.streams.base import INTERRUPTED, QontoStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    import click
    from requests.adapters import BaseAdapter
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_qonto.auth import AccessToken, ApiKey, OAuth

_logger = logging.getLogger("tap-qonto")


class StoppedError(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: Number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class InputError(Exception):
    """A file given to the run cannot be used; the message says why and what to do."""


class NothingReadError(Exception):
    """Every selected stream was refused."""


class TapQonto(Tap):
    """Singer tap for Qonto: accounts, transactions, transfers, invoices and their documents."""

    name = "tap-qonto"
    package_name = "tap-qonto"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS.to_dict()
    message_writer_class = MessageWriter
    message_writer: MessageWriter
    # Without BATCH: the SDK writes deselected columns into its files.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, config: Any = None, **options: Any) -> None:
        if isinstance(config, dict):
            # A name without a value, as .env files have them, means that it is not set.
            config = {name: value for name, value in config.items() if value not in ("", None)}
        self.skipped: dict[str, QontoError] = {}
        """Streams that the credentials may not read, with the refusal."""
        self._organization_lock = threading.Lock()
        self._ending = False
        if isinstance(options.get("catalog"), dict):
            _check_catalog(options["catalog"])
        super().__init__(config=config, **options)

    # What streams need to know

    @override
    def discover_streams(self) -> Sequence[QontoStream]:
        return [stream(self) for stream in STREAMS]

    @cached_property
    def run_end(self) -> str:
        """The last instant that this run reads, uniform: the second before the run began."""
        began = from_datetime(datetime.fromtimestamp(self.initialized_at / 1000, UTC))
        return shift(whole_second(began), -1)

    @cached_property
    def start_date(self) -> str | None:
        """The first instant of a first run, uniform."""
        return start_instant(self.config)

    @property
    def lookback(self) -> int:
        """Seconds before its bookmark at which an incremental run starts."""
        return int(self.config["lookback_seconds"])

    @cached_property
    def authenticator(self) -> ApiKey | AccessToken | OAuth | None:
        """What adds the credentials to requests, one for all streams; None in the demo."""
        return authenticator(self.config)

    @cached_property
    def client(self) -> Client:
        """The client of this run."""
        config = self.config
        headers = {
            "User-Agent": self._user_agent,
            STAGING_HEADER: config.get("staging_token")
            if config["environment"] == "sandbox"
            else None,
            "X-Qonto-Organization-Id": config.get("organization_id"),
        }
        api_url, adapter = self._demo or (None, None)
        client = Client(
            api_url or config.get("api_url") or API_URLS[config["environment"]],
            auth=self.authenticator,
            headers={name: value for name, value in headers.items() if value},
            timeout=float(config["request_timeout"]),
            concurrency=config["concurrency"],
            rate_limit=None if adapter else RateLimit(config["rate_limit_share"]),
            adapter=adapter,
        )
        client.on_proven = self._ask_early
        return client

    @cached_property
    def archive(self) -> Archive:
        """Where the documents of this run are fetched."""
        config = self.config
        path = config.get("attachments_path")
        files = FileHost(
            timeout=float(config["request_timeout"]),
            connections=config["concurrency"],
            headers={"User-Agent": self._user_agent},
            adapter=self._demo[1] if self._demo else None,
        )
        storage = storage_at(path) if path else None
        return Archive(self.client, files, storage, largest=config["attachments_max_bytes"])

    @property
    def _user_agent(self) -> str:
        return self.config.get("user_agent") or f"tap-qonto/{__version__}"

    @cached_property
    def _demo(self) -> tuple[str, BaseAdapter] | None:
        """The demo company's address and the adapter that answers for it; None without it."""
        if self.config["environment"] != "demo" or self.config.get("api_url"):
            return None
        from tap_qonto.demo.api import Api  # noqa: PLC0415 - only the demo pays for it
        from tap_qonto.demo.company import Company  # noqa: PLC0415
        from tap_qonto.demo.transport import DEMO_API_URL, DemoAdapter  # noqa: PLC0415

        return DEMO_API_URL, DemoAdapter(Api(Company(self.config["demo_organization"])))

    @property
    def external_accounts(self) -> tuple[tuple[str, str], ...]:
        """The parameter that asks for the accounts of other banks; empty if it is not set."""
        wanted = self.config["include_external_accounts"]
        return (("include_external_accounts", "true"),) if wanted else ()

    @property
    def organization(self) -> dict[str, Any]:
        """The organization as Qonto sent it, asked for once.

        Raises:
            QontoError: If it cannot be read.
        """
        with self._organization_lock:
            return self._organization

    @cached_property
    def _organization(self) -> dict[str, Any]:
        query = Query("organization", "/organization", self.external_accounts)
        answer = self.client.get(query)
        organization = answer.get("organization") if isinstance(answer, dict) else None
        if not isinstance(organization, dict):
            msg = "GET /organization answered JSON without the object 'organization'"
            raise QontoError(msg, status=200)
        return organization

    def bank_account_ids(self, stream: QontoStream) -> list[str]:
        """Return the IDs of the accounts to read, as the settings choose them.

        Raises:
            CredentialError: If a configured account does not exist.
            QontoError: If the accounts cannot be listed.
        """
        try:
            with self._organization_lock:
                return self._bank_account_ids
        except NotReadableError as error:
            if not self.may_skip(stream, error):
                raise
            self.skip(stream, error)
            return []

    @cached_property
    def _bank_account_ids(self) -> list[str]:
        accounts = list(self._organization.get("bank_accounts") or ())
        # Nobody has verified that closed accounts are in both lists.
        query = Query("transactions", "/bank_accounts")
        accounts += read_numbered(
            lambda number: self.client.page(query, "bank_accounts", number),
            keys=("id",),
            pool=self.client.pool,
        )
        known = {
            account["id"]: None
            for account in accounts
            if isinstance(account, dict)
            and account.get("id")
            and (self.external_accounts or not account.get("is_external_account"))
        }
        chosen = self.config.get("bank_account_ids")
        if unknown := set(chosen or ()) - known.keys():
            msg = (
                f"bank_account_ids names {len(unknown)} account(s) that these credentials do not "
                f"list: {', '.join(sorted(unknown))}. The stream bank_accounts lists all IDs"
            )
            raise QontoError(msg)
        return [account for account in known if not chosen or account in chosen]

    def _ask_early(self) -> None:
        """Fetch the first page of every stream while the streams before it are being read."""

        def ask() -> None:
            for stream in self.streams.values():
                if isinstance(stream, QontoStream) and stream.selected and not stream.started:
                    try:
                        self.client.ask_early(
                            stream.first_queries(), waiting=partial(_is_waiting, stream)
                        )
                    except Exception as error:  # noqa: BLE001 - the stream asks again in its turn
                        _logger.debug("%s: not asked early: %s", stream.name, error)

        # Not on the client's own threads, which this waits for.
        threading.Thread(target=ask, name="qonto-early", daemon=True).start()

    # Streams that the credentials may not read

    def may_skip(self, stream: QontoStream, error: QontoError) -> bool:
        """Return whether a run can go on without a stream that was refused.

        Raises:
            UnauthorizedError: If no stream can be read with these credentials.
        """
        if not isinstance(error, UnauthorizedError):
            return True
        needs_oauth = stream.oauth_only or "oauth" in str(error).lower()
        if self.client.proven and needs_oauth:
            return True
        advice = self.authenticator.describe() if self.authenticator else ""
        msg = f"{error}. {advice}".rstrip()
        raise UnauthorizedError(msg, status=error.status, code=error.code) from None

    def skip(self, stream: QontoStream, error: QontoError) -> None:
        """Note that a stream was refused; warn once."""
        if stream.name in self.skipped:
            return
        self.skipped[stream.name] = error
        _logger.warning(
            "%s: skipped, because %s. It needs the OAuth scope %s%s",
            stream.name,
            error,
            stream.scope,
            " and cannot be read with an API key" if stream.oauth_only else "",
        )

    def summarize(self) -> None:
        """Say at the end of a run which streams were skipped.

        Raises:
            NothingReadError: If these were all.
        """
        if not self.skipped:
            return
        names = ", ".join(
            f"{name} ({error.status}{error.code and f' {error.code}'})"
            for name, error in self.skipped.items()
        )
        _logger.warning("Skipped, for lack of permission or because not activated: %s", names)
        if not self.client.proven:
            msg = (
                "Nothing could be read: every selected stream was refused. Check the settings "
                "api_url and environment, and the scopes of the credentials"
            )
            raise NothingReadError(msg)

    # Settings and state

    def secrets(self) -> frozenset[str]:
        """Return what must never be written anywhere: secret settings, tokens of this run."""
        settings = self.config_jsonschema["properties"].items()
        configured = [self._config.get(name) for name, kind in settings if kind.get("secret")]
        current = self.__dict__.get("authenticator")  # not built for the sake of a log line
        return frozenset(text for value in configured for text in _texts(value)) | (
            current.secrets() if current else frozenset()
        )

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        protect(self.secrets)
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        known = schema["properties"]
        for name, setting in known.items():
            if "default" in setting and name not in self._config:
                self._config[name] = setting["default"]
        errors = [*problems(self._config, known)]
        errors += _type_errors(self._config, known)
        if self._config.get("environment") != "demo" and not errors:
            errors += filter(None, [check_credentials(self._config)])
        if errors and raise_errors:
            raise ConfigValidationError("; ".join(errors), errors=errors, schema=schema)
        return errors

    @override
    def load_state(self, state: Any) -> None:
        bookmarks = _bookmarks(state)
        foreign = bookmarks.keys() - self.streams.keys()
        if foreign and foreign == bookmarks.keys():
            msg = (
                f"The state is of another tap: it knows {', '.join(sorted(foreign))}, and no "
                "stream of tap-qonto. Pass the right state, or none to read everything"
            )
            raise InputError(msg)
        latest = shift(self.run_end, self.config.get("lookback_seconds", 0) + 60)
        for name, bookmark in bookmarks.items():
            if name in foreign:
                _logger.warning("The state knows a stream %r, which does not exist; ignored", name)
                continue
            self._check_bookmark(self.streams[name], bookmark, latest)
        super().load_state({"bookmarks": bookmarks})

    def _check_bookmark(self, stream: Any, bookmark: Any, latest: str) -> None:
        partitions = bookmark.get("partitions", []) if isinstance(bookmark, dict) else None
        if not isinstance(partitions, list) or not all(
            isinstance(part, dict) and isinstance(part.get("context"), dict) for part in partitions
        ):
            msg = f"The state of {stream.name} is damaged. Pass the last good state, or none"
            raise InputError(msg)
        if "replication_key_value" in bookmark and stream.name == "transactions":
            msg = (
                "The state has one bookmark for all transactions, where tap-qonto keeps one per "
                "bank account. Remove it from the state to read all transactions anew"
            )
            raise InputError(msg)
        for part in (bookmark, *partitions):
            key = part.get("replication_key", stream.replication_key)
            if "replication_key_value" in part and key != stream.replication_key:
                msg = (
                    f"The state of {stream.name} has a bookmark on {key!r}, but the stream goes "
                    f"by {stream.replication_key!r}. Remove it to read the stream anew"
                )
                raise InputError(msg)
            for name in ("replication_key_value", INTERRUPTED):
                if name in part:
                    _check_instant(stream.name, part[name], latest)

    # How a run begins and ends

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        if self._ending:
            return
        stop = StoppedError(signum)
        # The writer raises it too: what is raised here in the middle of a finalizer is lost.
        self.message_writer.stop_with = stop
        if not self.message_writer.busy:  # a torn message would spoil all before it
            raise stop

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        with _sentences():
            merged = _ConfigInput()
            for source in value:
                if source == "ENV":
                    merged.parse_env = True
                elif source.lstrip().startswith("{"):
                    merged.config |= _json(source, "The configuration given to --config")
                else:
                    merged.config |= _json_file(source, "--config")
            return merged

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        with _sentences():
            super().cb_discover(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        with _sentences():
            super().cb_test(ctx, param, value)

    @classmethod
    @override
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        config = config or _ConfigInput()
        with _sentences():
            if about:
                cls.print_about(about_format)
                return
            tap = cls(
                config=config.config,
                state=None if state is None else _json_input(state, "--state"),
                catalog=None if catalog is None else _json_input(catalog, "--catalog"),
                parse_env_config=config.parse_env,
            )
            # Rows are many objects and no cycles: looking for those costs a tenth of the run.
            gc.freeze()
            gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
            tap.run()

    def run(self) -> None:
        """Sync all selected streams, and leave the last safe state behind however it ends."""
        try:
            try:
                self.sync_all()
            finally:
                # Before anything that may have to wait for the target.
                if "archive" in vars(self):
                    self.archive.close()
            self.summarize()
            self.message_writer.flush()
        except BrokenPipeError:
            raise
        except BaseException:
            self._ending = True
            self.message_writer.stop_with = None
            self.state_writer.write_state(self.state)
            raise
        finally:
            self._ending = True
            self.client.close()


_OBJECTS_BETWEEN_COLLECTIONS = 20_000

_SENTENCES = (
    CeilingError,
    ConfigValidationError,
    CredentialError,
    ListError,
    NothingReadError,
    QontoError,
    RowError,
    InputError,
    StorageError,
)
"""Errors whose message says all that a person needs."""


@contextmanager
def _sentences() -> Iterator[None]:
    """End the process with one sentence on the log instead of a traceback."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a closed pipe is still told
    except (Exit, SystemExit):
        raise  # click's way to end a command
    except ConfigValidationError as error:
        for sentence in error.errors:
            _logger.error("%s", sentence)  # noqa: TRY400 - the sentence says it all
        _exit(1)
    except (*_SENTENCES, SingerSDKError) as error:
        _logger.error("%s", str(error) or type(error).__name__)  # noqa: TRY400 - it says it all
        _exit(1)
    except BrokenPipeError:
        MessageWriter.abandon()
        _logger.error("The target has closed the pipe; its own log says why")  # noqa: TRY400
        _exit(1)
    except StoppedError as stop:
        _logger.error("Stopped by signal %d; the next run goes on from the last state", stop.signum)  # noqa: TRY400
        _exit(128 + stop.signum)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        _logger.error("This machine refused something (%s): %s", _place(error), reason)  # noqa: TRY400
        _logger.debug("Where it happened", exc_info=True)
        _exit(1)
    except Exception as error:
        _logger.error(  # noqa: TRY400 - a traceback may quote the data
            "Internal error: %s in %s. This is a bug of tap-qonto %s; please report this line. "
            "Nothing is lost, the next run goes on from the last state",
            type(error).__name__, _place(error), __version__,
        )  # fmt: skip
        _logger.debug("Where it happened", exc_info=True)
        _exit(1)


def _place(error: Exception) -> str:
    """Return the last place in the tap's own code that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(__file__).parent in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def _exit(code: int) -> NoReturn:
    """End the process at once, without waiting for requests that nobody needs any more."""
    logging.shutdown()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a setting, which may be of any type before it has been checked."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _is_waiting(stream: QontoStream) -> bool:
    return not stream.started


def _type_errors(config: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Return a sentence for each setting whose value does not fit its schema."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - the SDK has loaded it by now

    return [
        wrong_value(name, known[name])
        for name, value in config.items()
        if name in known and not Draft202012Validator(known[name]).is_valid(value)
    ]


def _bookmarks(state: Any) -> dict[str, Any]:
    """Return the bookmarks of a state.

    Raises:
        InputError: If it is no Singer state.
    """
    if not isinstance(state, dict):
        msg = "The state is no JSON object. Pass the value of the last STATE message"
        raise InputError(msg)
    if not state:
        return {}
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        msg = (
            "The state has no 'bookmarks', so it is not one of tap-qonto. Pass the value of the "
            "last STATE message, or no state to read everything"
        )
        raise InputError(msg)
    return bookmarks


def _check_instant(stream: str, value: Any, latest: str) -> None:
    """Refuse a bookmark that is no instant, or lies in the future and would skip rows.

    Raises:
        InputError: If it is one of these.
    """
    try:
        instant = uniform(value)
    except (TypeError, ValueError, IndexError):
        msg = (
            f"The state of {stream} has a bookmark that is no timestamp. Pass the last good "
            "state, or remove the bookmark to read the stream anew"
        )
        raise InputError(msg) from None
    if instant > latest:
        msg = (
            f"The state of {stream} has a bookmark in the future ({instant}), which would skip "
            "what happens until then. Check this machine's clock, or remove the bookmark"
        )
        raise InputError(msg)


def _check_catalog(catalog: dict[str, Any]) -> None:
    """Refuse what is no catalog of this tap, where the SDK would fail or read something else.

    Raises:
        InputError: If it is not.
    """
    anew = "Write it anew with tap-qonto --discover"
    entries = catalog.get("streams")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"The catalog has no list 'streams'. {anew}"
        raise InputError(msg)
    known = {stream.name: stream for stream in STREAMS}
    names = [entry.get("tap_stream_id") for entry in entries]
    unknown = [name for name in names if name not in known]
    if unknown and len(unknown) == len(names):
        msg = f"The catalog is of another tap: it knows no stream of tap-qonto. {anew}"
        raise InputError(msg)
    if unknown:
        _logger.warning(
            "The catalog knows streams that do not exist; ignored: %s",
            ", ".join(sorted(map(str, unknown))),
        )
    for name, entry in zip(names, entries, strict=True):
        if name in known and (fault := _fault_of(entry, known[name])):
            msg = f"The catalog's entry of {name} {fault}. {anew}"
            raise InputError(msg)


def _fault_of(entry: dict[str, Any], stream: type[QontoStream]) -> str | None:
    """Say what is wrong with a stream's entry in a catalog; None if it can be used."""
    schema = entry.get("schema")
    columns = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(columns, dict) or not all(isinstance(one, dict) for one in columns.values()):
        return "has no schema"
    if missing := [key for key in stream.primary_keys if key not in columns]:
        return f"lacks the key column {missing[0]!r}"
    metadata = entry.get("metadata", [])
    if not isinstance(metadata, list) or not all(
        isinstance(item, dict)
        and isinstance(item.get("breadcrumb"), list)
        and isinstance(item.get("metadata"), dict)
        for item in metadata
    ):
        return "has damaged metadata"
    root: dict[str, Any] = next((m["metadata"] for m in metadata if not m["breadcrumb"]), {})
    key = entry.get("replication_key") or root.get("replication-key")
    ours = stream.replication_key
    if key and key != ours:
        way = f"goes by {ours!r}" if isinstance(ours, str) else "is always read whole"
        return f"names the replication key {key!r}, but the stream {way}"
    return None


def _json(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object in a text.

    Raises:
        InputError: If there is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        msg = f"{what} is no JSON object"
        raise InputError(msg)
    return value


def _json_input(file: IO[str], option: str) -> dict[str, Any]:
    """Return the JSON object in an open file.

    Raises:
        InputError: If there is none.
    """
    what = f"The file given to {option}"
    try:
        return _json(file.read(), what)
    except UnicodeDecodeError:
        msg = f"{what} is no JSON object"
        raise InputError(msg) from None


def _json_file(path: str, option: str) -> dict[str, Any]:
    what = f"The file {path!r} given to {option}"
    try:
        return _json(Path(path).read_text(encoding="utf-8"), what)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        msg = f"{what} cannot be read: {reason}"
        raise InputError(msg) from None
