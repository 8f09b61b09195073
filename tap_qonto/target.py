"""The target: its settings, the streams that it takes, and how a run begins and ends."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from tap_qonto.api.errors import RowsRefusedError
from tap_qonto.api.redaction import printable
from tap_qonto.auth.credentials import check_credentials, state_path
from tap_qonto.auth.keys import ApiKey
from tap_qonto.connection import MADE_UP, Connection
from tap_qonto.settings import (
    TARGET_SETTINGS,
    amounts,
    cents,
    limit_problems,
    numbers,
    problems,
    type_errors,
)
from tap_qonto.singer.target import SingerTarget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_qonto.writing.journal import Journal
    from tap_qonto.writing.lookups import Organization
    from tap_qonto.writing.rows import Inbox
    from tap_qonto.writing.run import Terms, World

_logger = logging.getLogger("target-qonto")


class TargetQonto(SingerTarget):
    """Singer target for Qonto: payments, invoices and clients from tables, each row once."""

    name = "target-qonto"
    package_name = "tap-qonto"
    config_jsonschema: ClassVar[dict[str, Any]] = TARGET_SETTINGS.to_dict()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    # Rows

    @cached_property
    def inbox(self) -> Inbox:
        """The rows of this run."""
        # Only a run that writes pays for these, here and below.
        from tap_qonto.writing.rows import Inbox
        from tap_qonto.writing.streams import READERS

        return Inbox(READERS, self.config["max_rows"])

    @override
    def check_stream(self, name: str) -> None:
        from tap_qonto.writing.streams import READERS

        if name in READERS:
            return
        from tap_qonto.streams import STREAMS

        takes = ", ".join(READERS)
        if any(name == stream.name for stream in STREAMS):
            own = f"new_{name}" if f"new_{name}" in READERS else "new_transfers"
            msg = (
                f"{name} is what Qonto already has. Rows to send come as {own}; rename the "
                "stream with stream_maps and __alias__. Nothing was sent"
            )
        else:
            msg = (
                f"{printable(name)} is no stream of target-qonto. Rows to send come as {takes}; "
                "rename the stream with stream_maps and __alias__. Nothing was sent"
            )
        raise RowsRefusedError(msg)

    @override
    def collect(self, stream: str, record: dict[str, Any]) -> None:
        self.inbox.add(stream, record)

    # The run

    @cached_property
    def connection(self) -> Connection:
        """What this run needs to talk to Qonto."""
        return Connection(self.config, self.machine, self.name)

    @override
    def act(self) -> bool:
        from tap_qonto.writing.run import carry_out
        from tap_qonto.writing.transfer_rows import STREAM as TRANSFERS

        if self.inbox.rows(TRANSFERS) and isinstance(self.connection.authenticator, ApiKey):
            msg = (
                "Payments need OAuth with the scope payment.write, and login and secret_key are "
                "an API key. Nothing was sent. Set client_id and what else OAuth needs, and run "
                "tap-qonto-login --for target-qonto"
            )
            raise RowsRefusedError(msg)
        try:
            return carry_out(self.inbox, self._terms, self._world)
        finally:
            if vars(self.connection).get("demo"):
                _logger.info(MADE_UP)

    @property
    def _terms(self) -> Terms:
        from tap_qonto.writing.plan import Limits, approval
        from tap_qonto.writing.run import Terms

        config = self.config
        return Terms(
            limits=Limits(
                approval(config.get("approve")),
                cents(config, "max_transfer"),
                cents(config, "max_total"),
            ),
            environment=config["environment"],
            bank_account_id=config.get("bank_account_id"),
            payee_check=config["payee_check"],
            request_timeout=float(config["request_timeout"]),
        )

    @property
    def _world(self) -> World:
        from tap_qonto.writing.files import Files
        from tap_qonto.writing.results import Results
        from tap_qonto.writing.run import World

        began = datetime.fromtimestamp(self.machine.clock(), UTC)
        return World(
            client=self.connection.client,
            carrier=self.connection.transport,
            files=Files(lambda: self.connection.files),
            journal_of=self._journal,
            results=Results(
                self.config.get("results_path"),
                f"{began:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
            ),
            stop=self.stop,
            clock=self.machine.clock,
            pause=self.stop.pause,
            archive=(lambda: self.connection.archive)
            if self.config.get("attachments_path")
            else None,
            concurrency=self.config["concurrency"],
        )

    def _journal(self, organization: Organization) -> Journal:
        from tap_qonto.writing.journal import Journal

        environment = self.config["environment"]
        name = f"journal-{environment}-{organization.id}.sqlite"
        chosen = self.config.get("journal_path")
        if environment == "demo" and not chosen:
            # What is written to the demo company lasts as long as its file, or not at all.
            kept = self.config.get("demo_path")
            chosen = f"{kept}.journal" if kept else f"{self._scratch.name}/"
        return Journal(
            state_path(chosen, name, "journal_path"),
            organization_id=organization.id,
            environment=environment,
        )

    @cached_property
    def _scratch(self) -> TemporaryDirectory[str]:
        """A folder that lasts no longer than the run."""
        return TemporaryDirectory(prefix="target-qonto-")

    @override
    def close(self) -> None:
        if "connection" in vars(self):
            self.connection.stop_documents()
            self.connection.close()
        if "_scratch" in vars(self):
            self._scratch.cleanup()

    # Settings

    @override
    def prepared(self, config: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        return {**numbers(config, known), **amounts(config)}

    @override
    def faults(self, config: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
        errors = [*problems(config, known, self.name), *type_errors(config, known)]
        errors += limit_problems(config)
        if config.get("environment") != "demo" and not errors:
            errors += filter(None, [check_credentials(config)])
        if not errors:
            from tap_qonto.writing.plan import approval

            try:
                approval(config.get("approve"))
            except RowsRefusedError as error:
                errors.append(str(error))
        return errors

    @override
    def secrets(self) -> frozenset[str]:
        current = vars(self).get("connection")  # not built for the sake of a log line
        return super().secrets() | (current.secrets() if current else frozenset())
