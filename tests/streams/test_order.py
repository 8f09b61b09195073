"""The order of columns: a loader makes its table in it, and people read the table from the left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kit.runner import catalog_of

DOCUMENTED: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("documented.json").read_bytes()
)
"""Fields of each kind of row in the order in which Qonto's API reference (OpenAPI) lists them."""

COLUMNS = {
    stream["stream"]: (stream["key_properties"], list(stream["schema"]["properties"]))
    for stream in catalog_of()["streams"]
}


@pytest.mark.parametrize("stream", sorted(COLUMNS))
def test_the_key_comes_first(stream: str) -> None:
    keys, columns = COLUMNS[stream]
    assert columns[: len(keys)] == keys


@pytest.mark.parametrize("stream", sorted(DOCUMENTED))
def test_what_is_no_key_comes_as_qonto_documents_it(stream: str) -> None:
    keys, columns = COLUMNS[stream]
    told = [name for name in DOCUMENTED[stream] if name in columns and name not in keys]
    assert told
    assert [name for name in columns if name in told] == told
