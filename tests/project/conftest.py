"""The streams, as the code has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_qonto.streams import STREAMS
from tap_qonto.tap import TapQonto

if TYPE_CHECKING:
    from tap_qonto.streams.base import QontoStream


@pytest.fixture(scope="module")
def streams() -> list[QontoStream]:
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    return [tap.streams[stream.name] for stream in STREAMS]  # type: ignore[misc]
