"""From settings to whoever talks to Qonto: production, the sandbox, or the demo company.

The only file that knows that there is a demo company.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_qonto import __version__
from tap_qonto.api.client import Client
from tap_qonto.api.errors import CredentialError, InputError
from tap_qonto.api.files import FileHost
from tap_qonto.api.rate import RateLimit, shared_file
from tap_qonto.api.transport import Transport
from tap_qonto.auth.credentials import authenticator, store_path
from tap_qonto.auth.keys import STAGING_HEADER
from tap_qonto.documents.archive import Archive
from tap_qonto.documents.places import storage_at
from tap_qonto.documents.reader import InvoiceReader
from tap_qonto.settings import DOCUMENT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_qonto.auth.keys import AccessToken, ApiKey
    from tap_qonto.auth.oauth import OAuth
    from tap_qonto.demo import DemoAdapter
    from tap_qonto.machine import Machine

API_URLS = {
    "production": "https://thirdparty.qonto.com/v2",
    "sandbox": "https://thirdparty-sandbox.staging.qonto.co/v2",
}
"""Base URLs by environment, from Qonto's documentation."""

MADE_UP = (
    "This company is made up, because environment is demo. For your own account set environment to "
    "production, and its credentials"
)
"""What a run says at its end if `Connection.demo` was asked."""


class Connection:
    """What one run needs to talk to Qonto, each part built when it is first wanted.

    Args:
        config: The settings, checked, with their defaults.
        machine: Clock and patience.
        agent: Name of the program, for the User-Agent header.
    """

    def __init__(self, config: Mapping[str, Any], machine: Machine, agent: str) -> None:
        self._config = config
        self._machine = machine
        self._user_agent = config.get("user_agent") or f"{agent}/{__version__}"

    @cached_property
    def authenticator(self) -> ApiKey | AccessToken | OAuth | None:
        """What adds the credentials to requests, one for all streams; None in the demo.

        Raises:
            CredentialError: If the settings do not fit together.
        """
        return authenticator(self._config)

    @cached_property
    def transport(self) -> Transport:
        """Carries the requests of this run."""
        config = self._config
        headers = {
            "User-Agent": self._user_agent,
            STAGING_HEADER: config.get("staging_token")
            if config["environment"] == "sandbox"
            else None,
            "X-Qonto-Organization-Id": config.get("organization_id"),
        }
        api_url, adapter = self.demo or (None, None)
        return Transport(
            api_url or config.get("api_url") or API_URLS[config["environment"]],
            auth=self.authenticator,
            headers={name: value for name, value in headers.items() if value},
            timeout=float(config["request_timeout"]),
            concurrency=config["concurrency"],
            rate_limit=None if adapter else self._rate_limit,
            adapter=adapter,
            machine=self._machine,
        )

    @property
    def _rate_limit(self) -> RateLimit:
        try:
            folder = store_path(self._config).parent
        except CredentialError:  # a user without a home folder
            path = None
        else:
            path = shared_file(folder, self._config.get("api_url"), self._machine.clock())
        return RateLimit(self._config["rate_limit_share"], path)

    @cached_property
    def client(self) -> Client:
        """Asks Qonto."""
        return Client(
            self.transport, concurrency=self._config["concurrency"], machine=self._machine
        )

    @cached_property
    def files(self) -> FileHost:
        """Downloads files by their links."""
        return FileHost(
            timeout=float(self._config["request_timeout"]),
            connections=self._config["concurrency"],
            slots=self.transport.slots,
            headers={"User-Agent": self._user_agent},
            adapter=self.demo[1] if self.demo else None,
            clock=self._machine.clock,
        )

    @cached_property
    def archive(self) -> Archive:
        """Fetches and stores the documents of this run.

        Raises:
            StorageError: If the setting `attachments_path` names no place for them.
        """
        config = self._config
        limits = {**DOCUMENT_LIMITS, **config}  # the target has no settings for them
        path = config.get("attachments_path")
        storage = storage_at(path) if path else None
        return Archive(
            self.client,
            self.files,
            storage,
            reader=InvoiceReader(
                seconds=float(limits["pdf_timeout_seconds"]),
                megabytes=limits["pdf_max_memory_mb"],
            ),
            largest=limits["attachments_max_bytes"],
            machine=self._machine,
        )

    @cached_property
    def demo(self) -> tuple[str, DemoAdapter] | None:
        """The demo company's address and the adapter that answers for it; None without it.

        Raises:
            InputError: If the setting `demo_path` names a file that cannot be used.
        """
        if self._config["environment"] != "demo" or self._config.get("api_url"):
            return None
        # Only the demo pays for these.
        from tap_qonto.demo import DEMO_API_URL, Api, Company, DemoAdapter, WorldFileError

        name, path = self._config["demo_organization"], self._config.get("demo_path")
        try:
            company = Company(name, path=path)
        except WorldFileError as error:
            raise InputError(str(error)) from error
        return DEMO_API_URL, DemoAdapter(Api(company))

    def secrets(self) -> frozenset[str]:
        """Return the tokens of this run, which must never be written anywhere."""
        current = vars(self).get("authenticator")  # not built for the sake of a log line
        return current.secrets() if current else frozenset()

    def stop_documents(self) -> None:
        """Leave no document half-written, and begin no further one."""
        if "archive" in vars(self):
            self.archive.close()

    def close(self) -> None:
        """Drop what is still waiting to be fetched and close the connections."""
        if "client" in vars(self):
            self.client.close()
        if made_up := vars(self).get("demo"):
            made_up[1].leave()
