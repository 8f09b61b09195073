"""The tap: its settings, streams and credentials, and how a run begins and ends."""

from __future__ import annotations

import gc
import logging
import threading
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import _ConfigInput
from typing_extensions import override

from tap_qonto import __version__
from tap_qonto.api.client import Client
from tap_qonto.api.errors import (
    AnswerError,
    NothingReadError,
    NotReadableError,
    QontoError,
    StoppedError,
    UnauthorizedError,
)
from tap_qonto.api.files import FileHost
from tap_qonto.api.instants import from_datetime, shift, whole_second
from tap_qonto.api.pace import RateLimit
from tap_qonto.api.pages import Query
from tap_qonto.api.redaction import protect
from tap_qonto.auth.credentials import authenticator, check_credentials
from tap_qonto.auth.keys import STAGING_HEADER
from tap_qonto.documents.archive import Archive
from tap_qonto.documents.places import storage_at
from tap_qonto.reading.catalog import checked_catalog
from tap_qonto.reading.lists import read_numbered
from tap_qonto.reading.state import bookmarks_of
from tap_qonto.settings import API_URLS, SETTINGS, numbers, problems, start_instant, type_errors
from tap_qonto.singer.endings import one_sentence
from tap_qonto.singer.inputs import json_file, json_input, json_object
from tap_qonto.singer.messages import MessageWriter
from tap_qonto.streams import STREAMS
from tap_qonto.streams.base import QontoStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    import click
    from requests.adapters import BaseAdapter
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_qonto.api.pages import Page, Row
    from tap_qonto.auth.keys import AccessToken, ApiKey
    from tap_qonto.auth.oauth import OAuth

_logger = logging.getLogger("tap-qonto")


class TapQonto(Tap):
    """Singer tap for Qonto: accounts, transactions, transfers, invoices and their documents."""

    name = "tap-qonto"
    package_name = "tap-qonto"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS.to_dict()
    message_writer_class = MessageWriter
    message_writer: MessageWriter
    # Without BATCH: the SDK writes deselected columns into its files. Without ACTIVATE_VERSION:
    # a stream that was skipped once would seem to have lost all its rows.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
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
            options["catalog"] = checked_catalog(options["catalog"])
        super().__init__(config=config, **options)

    # What streams need to know

    @override
    def discover_streams(self) -> Sequence[QontoStream]:
        return [stream(self) for stream in STREAMS]

    @override
    def setup_mapper(self) -> None:
        super().setup_mapper()
        # The SDK maps a deselected stream to no columns at all, and then test runs select it.
        for stream in self.streams.values():
            if not stream.selected:
                self.mapper.register_raw_stream_schema(
                    stream.name, stream.effective_schema, stream.primary_keys
                )

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
            places=self.client.places,
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
        query = Query("transactions", "/bank_accounts")

        def fetch(number: int) -> Page:
            page = self.client.page(query, "bank_accounts", number)
            return page._replace(rows=_checked_accounts(query.path, list(page.rows)))

        # Nobody has verified that closed accounts are in both lists.
        embedded = self._organization.get("bank_accounts") or []
        accounts = _checked_accounts("/organization", embedded)
        accounts += read_numbered(fetch, keys=("id",), pool=self.client.pool)
        known = {
            account["id"]: None
            for account in accounts
            if self.external_accounts or not account.get("is_external_account")
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
        self._config.update(numbers(self._config, known))
        for name, setting in known.items():
            if "default" in setting and name not in self._config:
                self._config[name] = setting["default"]
        errors = [*problems(self._config, known)]
        errors += type_errors(self._config, known)
        if self._config.get("environment") != "demo" and not errors:
            errors += filter(None, [check_credentials(self._config)])
        if errors and raise_errors:
            raise ConfigValidationError("; ".join(errors), errors=errors, schema=schema)
        return errors

    @override
    def load_state(self, state: Any) -> None:
        latest = shift(self.run_end, self.config.get("lookback_seconds", 0) + 60)
        super().load_state({"bookmarks": bookmarks_of(state, self.streams, latest)})

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
        with one_sentence():
            merged = _ConfigInput()
            for source in value:
                if source == "ENV":
                    merged.parse_env = True
                elif source.lstrip().startswith("{"):
                    merged.config |= json_object(source, "The configuration given to --config")
                else:
                    merged.config |= json_file(source, "--config")
            return merged

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        with one_sentence():
            super().cb_discover(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        with one_sentence():
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
        with one_sentence():
            if about:
                cls.print_about(about_format)
                return
            tap = cls(
                config=config.config,
                state=None if state is None else json_input(state, "--state"),
                catalog=None if catalog is None else json_input(catalog, "--catalog"),
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


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a setting, which may be of any type before it has been checked."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _checked_accounts(path: str, accounts: Any) -> list[Row]:
    """Return the bank accounts of an answer.

    Raises:
        AnswerError: If these are none: their transactions must not be left out silently.
    """
    if isinstance(accounts, list) and all(
        isinstance(account, dict) and isinstance(account.get("id"), str) and account["id"]
        for account in accounts
    ):
        return list(accounts)
    msg = f"GET {path} answered 'bank_accounts' that are not all objects with an ID"
    raise AnswerError(msg, status=200)


def _is_waiting(stream: QontoStream) -> bool:
    return not stream.started
