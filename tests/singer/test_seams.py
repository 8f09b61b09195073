"""One file, `tap_qonto/singer/sdk.py`, knows what the SDK does not promise."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.kit.sdk_names import Classes, classes_in, is_promised, modules, strangers

ROOT = Path(__file__).parents[2]

KNOWING = {"tap_qonto/singer/sdk.py", "tests/singer/test_sdk.py", "tests/singer/test_seams.py"}
"""The one file, and its tests."""

FOLDERS = ("tap_qonto", "tests", "examples", "transform/report")


@cache
def our_code() -> dict[str, str]:
    """Return the text of every file of the project, by its path."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }


@cache
def our_classes() -> Classes:
    return classes_in(our_code().values())


def test_no_other_file_knows_what_the_sdk_does_not_promise() -> None:
    found = {
        name: strange
        for name, text in our_code().items()
        if name not in KNOWING and (strange := strangers(text, our_classes()))
    }
    assert not found


STRANGE = {
    "a private module": (
        "from singer_sdk.helpers._catalog import x", "singer_sdk.helpers._catalog.x",
    ),
    "an undocumented module": ("from singer_sdk.mapper import x", "singer_sdk.mapper.x"),
    "a whole module": ("import singer_sdk.plugin_base", "singer_sdk.plugin_base"),
    "a module from its package": ("from singer_sdk import tap_base", "singer_sdk.tap_base"),
    "a private name of a good module": ("from singer_sdk.typing import _x", "singer_sdk.typing._x"),
    "a private method that is overridden": (
        "class A(SingerStream):\n def _increment_stream_state(self): ...",
        "_increment_stream_state",
    ),
    "a private method that is called": (
        "class A(Labels):\n def f(self): self._write_state_message()", "_write_state_message",
    ),
    "a private method of the parent": (
        "class A(SingerTap):\n def f(self): super()._handle_termination(1)", "_handle_termination",
    ),
    "a private attribute": ("class A(TapQonto):\n def f(self): return self._config", "_config"),
    "a private attribute of the class": (
        "class A(TargetQonto):\n _MAX_RECORD_AGE_IN_MINUTES = 1", "_MAX_RECORD_AGE_IN_MINUTES",
    ),
    "an attribute that nothing describes": (
        "class A(QontoStream):\n def f(self): self.child_streams", "child_streams",
    ),
    "an object of the SDK": ("stream.state_manager.is_flushed = False", "is_flushed"),
    "an object's private name": ("stream._tap.config", "_tap"),
    "a name in a text": ("setattr(stream, '_write_record_message', f)", "_write_record_message"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "name"), STRANGE.values(), ids=STRANGE.keys())
def test_what_is_not_promised_is_found(code: str, name: str) -> None:
    assert [found.partition(" ")[2] for found in strangers(code, our_classes())] == [name]


FAMILIAR = {
    "what the reference shows": "from singer_sdk.helpers.capabilities import TapCapabilities",
    "a documented override": "class A(SingerStream):\n def get_sync_timer(self): self.mask",
    "a name of ours in a class of ours": "class A:\n def f(self): self._config = self._state",
    "a private name of ours": "class A(SingerTap):\n _ending = True",
    "what every plugin sets": "class A(Tap):\n config_jsonschema = {}\n name = 'a'",
}


@pytest.mark.parametrize("code", FAMILIAR.values(), ids=FAMILIAR.keys())
def test_what_is_promised_is_not_found(code: str) -> None:
    assert not strangers(code, our_classes())


def test_the_lint_bans_every_module_that_the_sdk_does_not_promise() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lint = project["tool"]["ruff"]["lint"]
    banned = tuple(lint["flake8-tidy-imports"]["banned-api"])
    free = [name for name in modules() if not is_promised(name) and not name.startswith(banned)]
    assert not free
    assert not [name for name in banned if is_promised(name)]
    allowed = {name for name, rules in lint["per-file-ignores"].items() if "TID251" in rules}
    assert allowed <= KNOWING
