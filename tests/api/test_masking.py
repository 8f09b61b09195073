"""What the log masks, whoever writes to it."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import pytest

from tap_qonto.api.redaction import Redaction
from tap_qonto.tap import TapQonto
from tests.api.planted import LOGIN, PLANT, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable


class Holder:
    """Holds secrets, as a tap does."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = secrets

    def secrets(self) -> Iterable[str]:
        return self._secrets


MASKED = {
    "in a sentence": (f"key {SECRET_KEY}!", "key ***!"),
    "in a URL": (f"k={PLANT}%2Fkey%2Bwith%3Dspecial%26characters", "k=***"),
    "in JSON": (json.dumps({"k": 'quo"ted'}), '{"k": "***"}'),
    "as a header": ("{'Authorization': 'login:unknown', 'Host': 'x'}", "{'Authorization': ***, "),
    "as a header line": ("authorization: Basic abc def\nHost: x", "authorization: ***\nHost: x"),
    "as a token": ("sent Bearer abc.def-ghi and more", "sent Bearer *** and more"),
    "as a link": ("at https://h/a.pdf?X=1&Y=2 now", "at https://h/a.pdf?*** now"),
    "as a path": ('"GET /a.pdf?X=1&Y=2 HTTP/1.1"', '"GET /a.pdf?*** HTTP/1.1"'),
    "with a password": ("sftp://user:pass@host/x", "sftp://***@host/x"),
    "short, as a word": ("login:abc refused", "login:*** refused"),
    "short, in a word": ("the alphabcet", "the alphabcet"),
    "nothing": ("What? a = b", "What? a = b"),
}


@pytest.mark.parametrize(("text", "clean"), MASKED.values(), ids=MASKED.keys())
def test_what_is_masked(text: str, clean: str) -> None:
    holder = Holder(SECRET_KEY, 'quo"ted', "abc")
    redaction = Redaction()
    redaction.watch(holder.secrets)
    assert redaction.clean(text).startswith(clean)


def test_secrets_are_masked_as_long_as_their_holder_lives() -> None:
    holder = Holder(SECRET_KEY)
    redaction = Redaction()
    redaction.watch(holder.secrets)
    assert redaction.clean(SECRET_KEY) == "***"
    del holder
    assert redaction.clean(SECRET_KEY) == SECRET_KEY


def test_handlers_that_are_added_later_see_clean_records_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tap = TapQonto(config={"login": LOGIN, "secret_key": SECRET_KEY})
    handler = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler)
    logger.warning("%s and %r", SECRET_KEY, {"key": SECRET_KEY})
    logger.removeHandler(handler)
    assert capsys.readouterr().err == "*** and {'key': '***'}\n"
    assert tap.name == "tap-qonto"


def test_dependencies_are_quiet_at_debug() -> None:
    for name in ("urllib3", "botocore", "fsspec", "s3fs", "filelock"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    tap = TapQonto(config={"environment": "demo"})
    assert tap.name == "tap-qonto"
    for name in ("urllib3.connectionpool", "botocore.auth", "fsspec", "s3fs", "filelock"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
