"""Secrets stay out of the log, whoever writes it, at whatever level.

What this tap says itself holds no secret. But its dependencies say much at level DEBUG, an
exception may quote what it was given, and a server may send a token back to whoever sent it. So
every record of the process is cleaned before any handler sees it: known secrets, the values of
Authorization headers and the queries of links, which sign the link, become ``***``.
"""

from __future__ import annotations

import json
import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus
from weakref import WeakMethod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


_PERSONAL = re.compile(r"[^\s@]+@[^\s@]+|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b|https?://\S+")
"""E-mail addresses, IBANs and links, which have no place in a log."""


def printable(value: Any) -> str:
    """Return a text of the server fit for a log: one line, short, nothing personal."""
    if not isinstance(value, str):
        return ""
    line = "".join(character if character.isprintable() else " " for character in value)
    return _PERSONAL.sub("***", line)[:200].strip()


MASK: Final = "***"


_TALKATIVE: Final = (
    "adlfs", "aiobotocore", "aiohttp", "azure", "boto3", "botocore", "charset_normalizer",
    "filelock", "fsspec", "gcsfs", "google", "pypdf", "requests", "s3fs", "s3transfer", "urllib3",
)  # fmt: skip
"""Loggers of dependencies, which name links, headers and the content of documents below WARNING."""


_PATTERNS: Final = (
    # The query of a link
    (re.compile(r"""\?[\w.~%\[\]-]+=[^\s"'<>\\]*"""), f"?{MASK}"),
    # User and password of a URL
    (re.compile(r"""://[^\s/:@"']+:[^\s/@"']+@"""), f"://{MASK}@"),
    # A header, as a line, a pair or an item of a dict
    (
        re.compile(
            r"""(\b(?:proxy-)?authorization\b["']?\s*[:=,]\s*)"""
            r"""(?:b?"[^"]*"|b?'[^']*'|[^\r\n,}\]]+)""",
            re.IGNORECASE,
        ),
        rf"\g<1>{MASK}",
    ),
    (re.compile(r"\bBearer\s+[\w.~+/=-]+"), f"Bearer {MASK}"),
)
"""What looks like a secret, whether it is known or not, and what takes its place."""


_WORD: Final = 8
"""Characters below which a secret is only sought as a whole word: it may be part of many."""


_formatter = logging.Formatter()


class Redaction:
    """Masks what must not be in a log: in messages, their arguments, and exceptions."""

    def __init__(self) -> None:
        self._sources: list[WeakMethod[Callable[[], Iterable[str]]]] = []

    def watch(self, secrets: Callable[[], Iterable[str]]) -> None:
        """Mask what a bound method returns at the time, for as long as its object lives."""
        self._sources.append(WeakMethod(secrets))

    def forget(self) -> None:
        """Mask nothing more than what looks like a secret."""
        self._sources.clear()

    def clean(self, text: str) -> str:
        """Return a text with everything masked that is secret by now."""
        methods = [method for source in self._sources if (method := source())]
        known = frozenset(secret for secrets in methods for secret in secrets() if secret)
        for pattern, masked in _PATTERNS:
            text = pattern.sub(masked, text)
        return _pattern(known).sub(MASK, text) if known else text

    def apply(self, record: logging.LogRecord) -> None:
        """Clean a record in place."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # logging would print the arguments together with this
            message = f"{record.msg} {record.args}"
        if (cleaned := self.clean(message)) != message:
            record.msg, record.args = cleaned, None
        if record.exc_info and record.exc_info[0] is not None:
            trace = _formatter.formatException(record.exc_info)
            if (cleaned := self.clean(trace)) != trace:
                # A formatter that takes the exception apart would find the secret in it.
                record.exc_info, record.exc_text = None, cleaned


_redaction = Redaction()


def protect(secrets: Callable[[], Iterable[str]]) -> None:
    """Keep secrets out of every log record from now on, and dependencies quiet.

    Args:
        secrets: Bound method that returns all secrets known at the time; it is asked for every
            record, because tokens rotate.
    """
    _redaction.watch(secrets)
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Factory):
        # Not a filter: filters of a handler miss the handlers that are added later.
        logging.setLogRecordFactory(_Factory(make))
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def forget() -> None:
    """Forget the secrets of the runs before, in a process that has several."""
    _redaction.forget()


class _Factory:
    """Makes clean log records, whichever handlers they will go to.

    Args:
        make: Makes them otherwise.
    """

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        _redaction.apply(record)
        return record


@lru_cache(maxsize=8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    """Return what matches any of the secrets, as they are or as URLs and JSON write them."""
    spellings = {
        spelling
        for secret in secrets
        for spelling in (
            secret,
            quote(secret, safe=""),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
            repr(secret)[1:-1],
        )
    }
    # The longest first, or a secret that begins with another one would leave its end behind.
    return re.compile("|".join(map(_spelled, sorted(spellings, key=len, reverse=True))) or r"(?!)")


def _spelled(secret: str) -> str:
    return re.escape(secret) if len(secret) >= _WORD else rf"(?<!\w){re.escape(secret)}(?!\w)"
