"""The settings as a form, and what makes them fit together.

Names, defaults and sentences are repeated by ``meltano.yml``, ``plugin.yaml`` and README; a test
holds them equal.
"""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from singer_sdk import typing as th

from tap_qonto.api.instants import FLOOR, uniform
from tap_qonto.api.network import is_safe_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRANSACTION_STATUSES = ("pending", "declined", "completed", "reversed")
"""All statuses of transactions that Qonto's documentation names."""

DOCUMENT_LIMITS = {
    "attachments_max_bytes": 50_000_000,
    "pdf_timeout_seconds": 20,
    "pdf_max_memory_mb": 512,
}
"""Defaults of the settings that say how much a document may take."""

_CONNECTION = (
    th.Property(
        "login",
        th.StringType,
        title="Login",
        description="API key: the login, which is the slug of your organization.",
    ),
    th.Property(
        "secret_key",
        th.StringType,
        secret=True,
        title="Secret key",
        description="API key: the secret key. Both are shown in the Qonto app under "
        "Integrations and Partnerships > API key.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        title="OAuth client ID",
        description="OAuth: the client ID of your application.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="OAuth client secret",
        description="OAuth: the client secret of your application.",
    ),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="OAuth refresh token",
        description="OAuth: the first refresh token. Qonto replaces it at every use; the tap "
        "keeps the current one in token_store. Not needed after tap-qonto-login.",
    ),
    th.Property(
        "access_token",
        th.StringType,
        secret=True,
        title="OAuth access token",
        description="OAuth: an access token for a single run within its hour; it is not renewed.",
    ),
    th.Property(
        "token_store",
        th.StringType,
        title="Token store",
        description="File that keeps the current OAuth tokens. By default a file in the user's "
        "state directory, named by organization and client.",
    ),
    th.Property(
        "token_url",
        th.StringType,
        title="Token URL",
        description="OAuth token endpoint, if it is not the one of the environment.",
    ),
    th.Property(
        "organization_id",
        th.StringType,
        title="Organization ID",
        description="ID of the organization to read, for OAuth users who belong to several.",
    ),
    th.Property(
        "environment",
        th.StringType,
        default="production",
        allowed_values=["production", "sandbox", "demo"],
        title="Environment",
        description="Where to read from: production, Qonto's sandbox, or the demo company inside "
        "the tap, which needs neither credentials nor a network.",
    ),
    th.Property(
        "demo_organization",
        th.StringType,
        default="demo",
        title="Demo organization",
        description="Name of the demo company; each name makes another company.",
    ),
    th.Property(
        "demo_path",
        th.StringType,
        title="Demo path",
        description="File that keeps what is written to the demo company, for later runs and other "
        "programs. Unset: it is forgotten at the end of the run.",
    ),
    th.Property(
        "staging_token",
        th.StringType,
        secret=True,
        title="Staging token",
        description="Sandbox only: the token that Qonto's sandbox wants with every request.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        title="API URL",
        description="Base URL of the API, /v2 included, if it is not the one of the environment.",
    ),
)
"""Whose data, where, and with which credentials."""

_PACE = (
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=64),
        default=8,
        title="Concurrency",
        description="How many requests may be under way at once.",
    ),
    th.Property(
        "rate_limit_share",
        th.NumberType(exclusive_minimum=0, maximum=1_000),
        default=0.9,
        title="Rate limit share",
        description="Part of Qonto's rate limit (1,000 requests in 10 seconds and 10,000 in 10 "
        "minutes per IP address) that all runs on this machine together may use.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=86_400),
        default=60,
        title="Request timeout",
        description="Seconds that one attempt of a request may take, to the last byte.",
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="User-Agent header; by default the tap's name and version.",
    ),
)
"""How Qonto is asked."""

_READING = (
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Earliest updated_at of a first run. Dates before 2017-01-01, which Qonto "
        "refuses, count as 2017-01-01. Without it everything is read.",
    ),
    th.Property(
        "lookback_seconds",
        th.IntegerType(minimum=0, maximum=1_000_000_000),
        default=600,
        title="Lookback",
        description="Seconds before its bookmark at which an incremental run starts, for rows "
        "that become visible late.",
    ),
    th.Property(
        "bank_account_ids",
        th.ArrayType(th.StringType),
        title="Bank account IDs",
        description="Read the transactions of these bank accounts only; unset means all.",
    ),
    th.Property(
        "include_external_accounts",
        th.BooleanType,
        default=False,
        title="Include external accounts",
        description="Read the accounts of other banks that are connected in Qonto too.",
    ),
    th.Property(
        "transaction_statuses",
        th.ArrayType(th.StringType),
        default=[*TRANSACTION_STATUSES],
        title="Transaction statuses",
        description="Read the transactions that have one of these statuses, as far as Qonto knows "
        "them.",
    ),
    th.Property(
        "attachments_path",
        th.StringType,
        title="Attachments path",
        description="Where documents are stored: a folder, or an fsspec URL such as "
        "s3://bucket/folder. Unset: documents are listed, but not downloaded.",
    ),
    th.Property(
        "attachments_max_bytes",
        th.IntegerType(minimum=0),
        default=DOCUMENT_LIMITS["attachments_max_bytes"],
        title="Attachments size limit",
        description="Size in bytes above which a document is listed, but not downloaded.",
    ),
    th.Property(
        "extract_facturx",
        th.BooleanType,
        default=True,
        title="Extract Factur-X",
        description="Read the electronic invoice (Factur-X, ZUGFeRD, XRechnung) inside "
        "downloaded invoice PDFs.",
    ),
    th.Property(
        "probative_attachments",
        th.BooleanType,
        default=False,
        title="Probative attachments",
        description="Also store the signed (PAdES) copy of a transaction's attachments, at one "
        "request each.",
    ),
    th.Property(
        "pdf_timeout_seconds",
        th.NumberType(exclusive_minimum=0),
        default=DOCUMENT_LIMITS["pdf_timeout_seconds"],
        title="PDF time limit",
        description="Seconds after which the search of one PDF for an electronic invoice is given "
        "up; the document is stored all the same.",
    ),
    th.Property(
        "pdf_max_memory_mb",
        th.IntegerType(minimum=128),
        default=DOCUMENT_LIMITS["pdf_max_memory_mb"],
        title="PDF memory limit",
        description="Megabytes of memory that this search may take.",
    ),
)
"""What the tap reads, and how."""

_WRITING = (
    th.Property(
        "approve",
        th.StringType,
        title="Approval",
        description="Digest of the plan to carry out, such as 4f3a-91c2-77d0, or within_limits. "
        "Without it a run only shows the plan.",
    ),
    th.Property(
        "max_transfer",
        th.StringType,
        title="Largest transfer",
        description="Largest single transfer that is sent, in EUR, as text.",
    ),
    th.Property(
        "max_total",
        th.StringType,
        title="Largest total",
        description="Largest sum of all transfers of a run, in EUR, as text.",
    ),
    th.Property(
        "max_rows",
        th.IntegerType(minimum=1),
        default=500,
        title="Most rows",
        description="A run of more rows than this is refused.",
    ),
    th.Property(
        "payee_check",
        th.StringType,
        default="match",
        allowed_values=["match", "close_match", "any"],
        title="Payee check",
        description="Lowest result of the payee check, made right before each transfer, that is "
        "paid.",
    ),
    th.Property(
        "bank_account_id",
        th.StringType,
        title="Bank account ID",
        description="ID of the bank account to debit; unset means the main account.",
    ),
    th.Property(
        "attachments_path",
        th.StringType,
        title="Attachments path",
        description="Where the PDFs of finalized invoices are stored: a folder, or an fsspec URL "
        "such as s3://bucket/folder. Unset: they are not downloaded.",
    ),
    th.Property(
        "journal_path",
        th.StringType,
        title="Journal path",
        description="File that remembers what was sent; it belongs on a disk that survives. By "
        "default a file in the user's state directory, named by environment and organization.",
    ),
    th.Property(
        "results_path",
        th.StringType,
        title="Results path",
        description="Where result rows are stored, one file per stream and run: a folder, or an "
        "fsspec URL. Unset: none are.",
    ),
)
"""What the target writes, and how far it may go."""

SETTINGS = th.PropertiesList(*_CONNECTION, *_READING, *_PACE, additional_properties=False)
"""The form of the tap."""

TARGET_SETTINGS = th.PropertiesList(*_CONNECTION, *_WRITING, *_PACE, additional_properties=False)
"""The form of the target."""


_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,2})?")
_CREDENTIALS = (
    *("login", "secret_key"),
    *("client_id", "client_secret", "refresh_token", "access_token"),
)
"""Settings that only make sense with an account."""

_NO_DATE = "Set {} to an ISO 8601 date, for example 2024-01-01"


def numbers(config: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, float]:
    """Return the numeric settings that were given in another form, as numbers.

    Environments give them as text, and some programs write whole numbers as 8.0.

    Args:
        config: The configuration.
        known: Name and JSON Schema of every setting.
    """
    found: dict[str, float] = {}
    for name, value in config.items():
        kinds = known.get(name, {}).get("type", ())
        if isinstance(value, str) and not {"number", "integer"}.isdisjoint(kinds):
            with suppress(ValueError):
                found[name] = int(value) if value.strip().isdecimal() else float(value)
        number = found.get(name, value)
        if isinstance(number, float) and number.is_integer() and "integer" in kinds:
            found[name] = int(number)
    return found


def amounts(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits of the target that were given as numbers, as text."""
    return {
        name: str(config[name])
        for name in ("max_transfer", "max_total")
        if isinstance(config.get(name), int | float | Decimal)
        and not isinstance(config[name], bool)
    }


def cents(config: Mapping[str, Any], name: str) -> int | None:
    """Return a limit of the target in cents; None if it is not set.

    Raises:
        ValueError: If it is no amount.
    """
    text = config.get(name)
    if text is None:
        return None
    if not _AMOUNT.fullmatch(text):
        raise ValueError(name)
    return int(Decimal(text).scaleb(2))


def problems(
    config: Mapping[str, Any],
    known: Mapping[str, Any],
    program: str = "tap-qonto",
    *,
    now: str = "9999",
) -> Iterator[str]:
    """Yield a sentence for each thing about a configuration that cannot work.

    No sentence holds the value of a setting, which might be a secret in the wrong place.

    Args:
        config: The configuration.
        known: Name and JSON Schema of every setting, those of the SDK included.
        program: Whose settings they are.
        now: The present, uniform.
    """
    yield from (
        f"The setting {name!r} does not exist; {program} --about lists all settings"
        for name in config
        if name not in known
    )
    if isinstance(start := config.get("start_date"), str):
        try:
            if uniform(start) > now:
                yield "Set start_date to a date that has come; from a later one nothing is read"
        except ValueError:
            yield _NO_DATE.format("start_date")
    for name in ("user_agent", "organization_id", "staging_token"):
        if isinstance(text := config.get(name), str) and not _is_header(text):
            yield f"Set {name} to one line of plain letters, digits and signs (ASCII)"
    for name in ("api_url", "token_url"):
        if isinstance(url := config.get(name), str) and not is_safe_url(url):
            yield (
                f"Set {name} to an https:// URL; plain http:// would show the credentials to the "
                "network, and is accepted for this machine (127.0.0.1, localhost) only"
            )
    if config.get("environment") == "demo" and (
        given := [name for name in _CREDENTIALS if config.get(name)]
    ):
        yield (
            f"environment is demo, which is a made-up company, but there are credentials "
            f"({', '.join(given)}). For the account that they belong to, set environment to "
            "production (with Meltano: meltano --environment=prod run ...); for the made-up "
            "company, unset them"
        )
    if config.get("environment") == "sandbox" and not config.get("staging_token"):
        yield "Set staging_token, which the sandbox wants with every request"
    yield from _list_problems(config)


def _list_problems(config: Mapping[str, Any]) -> Iterator[str]:
    statuses = config.get("transaction_statuses")
    if statuses == []:
        yield "Set transaction_statuses to at least one status, or leave it out"
    named = statuses if isinstance(statuses, list) else []
    if any(isinstance(one, str) and one not in TRANSACTION_STATUSES for one in named):
        yield f"Set transaction_statuses to some of {', '.join(sorted(TRANSACTION_STATUSES))}"
    if config.get("bank_account_ids") == []:
        yield "Set bank_account_ids to at least one ID, or leave it out to read all accounts"


def _is_header(text: str) -> bool:
    return text.isascii() and text.isprintable() and text == text.strip()


def limit_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each limit of the target that is no amount."""
    for name in ("max_transfer", "max_total"):
        if isinstance(config.get(name), str):
            try:
                cents(config, name)
            except ValueError:
                yield f"Set {name} to an amount in EUR with a dot, such as 1500.00"


def type_errors(config: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each setting whose value does not fit its schema."""
    return [
        _wrong_value(name, known[name])
        for name, value in config.items()
        if name in known
        and (
            not Draft202012Validator(known[name]).is_valid(value)
            or (isinstance(value, float) and not isfinite(value))
        )
    ]


def _wrong_value(name: str, schema: Mapping[str, Any]) -> str:
    """Return the sentence for a setting whose value does not fit its schema."""
    if schema.get("format") == "date-time":
        return _NO_DATE.format(name)
    if "enum" in schema:
        return f"Set {name} to one of: {', '.join(map(str, schema['enum']))}"
    kinds = schema.get("type", [])
    kind = next((kind for kind in kinds if kind != "null"), "value")
    limits = {
        "minimum": "of at least",
        "exclusiveMinimum": "greater than",
        "maximum": "of at most",
    }
    bounds = " and ".join(f"{word} {schema[key]}" for key, word in limits.items() if key in schema)
    article = "an" if kind[0] in "aeiou" else "a"
    return f"Set {name} to {article} {kind} {bounds}".rstrip()


def start_instant(config: Mapping[str, Any]) -> str | None:
    """Return the start date, uniform and no earlier than Qonto accepts."""
    start = config.get("start_date")
    return max(uniform(start), FLOOR) if start else None
