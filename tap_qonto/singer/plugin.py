"""What the tap and the target have in common: settings checked by us, one sentence per error."""

from __future__ import annotations

import gc
import sys
from copy import deepcopy
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from tap_qonto import __version__
from tap_qonto.api.errors import InputError
from tap_qonto.api.redaction import protect
from tap_qonto.machine import Machine
from tap_qonto.singer.endings import one_sentence
from tap_qonto.singer.environment import read_env_file, settings_of
from tap_qonto.singer.inputs import json_file, json_object
from tap_qonto.singer.messages import written
from tap_qonto.singer.quiet import quieten
from tap_qonto.singer.sdk import SdkPlugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

_NO_OUTPUT = (
    "Standard output is closed, which is where messages are written. Give it a target or a file"
)

_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def collect_seldom() -> None:
    """Look for cycles of objects seldom: rows have none, and the search costs a tenth of a run."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


class SingerPlugin(SdkPlugin):
    """A tap or a target whose settings are given and checked as we describe them.

    Args:
        config: The settings.
        options: What else the SDK's constructor takes.
    """

    machine: ClassVar[Machine] = Machine()
    """Clock, patience and limits of every run; a test gives another one to a subclass."""
    refused: ClassVar[int] = 1
    """Exit code if settings or input cannot be used."""
    again: ClassVar[str] = "the next run goes on from the last state"
    """What the next run does after one that was stopped."""

    def __init__(self, *, config: Any = None, **options: Any) -> None:
        if isinstance(config, dict):
            # A name without a value, as .env files have them, means that it is not set.
            config = {name: value for name, value in config.items() if value not in ("", None)}
        quieten(self.name)
        super().__init__(config=config, **options)

    @classmethod
    @override
    def get_plugin_version(cls) -> str:
        """Return the version; the SDK would look for the package and read its metadata."""
        return __version__

    @classmethod
    @override
    def get_sdk_version(cls) -> str:
        """Return the SDK's version; the way in which the SDK asks for it loads mail headers."""
        return version("singer-sdk")

    # Hooks

    def prepared(self, config: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings whose form is put right before they are checked.

        Args:
            config: The settings as they were given.
            known: Name and JSON Schema of every setting, those of the SDK included.
        """
        raise NotImplementedError

    def faults(self, config: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
        """Return a sentence for each thing about the settings that cannot work."""
        raise NotImplementedError

    def secrets(self) -> frozenset[str]:
        """Return what must never be written anywhere: the values of secret settings."""
        settings = self.config_jsonschema["properties"].items()
        configured = [self.config.get(name) for name, kind in settings if kind.get("secret")]
        return frozenset(text for value in configured for text in _texts(value))

    # What `SdkPlugin` calls

    @classmethod
    @override
    def settings_from(cls, sources: tuple[str, ...]) -> dict[str, Any]:
        with cls.one_sentence():
            merged: dict[str, Any] = {}
            for source in sources:
                if source == "ENV":
                    continue
                if source.lstrip().startswith("{"):
                    merged |= json_object(source, "The configuration given to --config")
                else:
                    merged |= json_file(source, "--config")
            if "ENV" in sources:
                read_env_file()
                prefix = f"{cls.name.upper().replace('-', '_')}_"
                merged |= settings_of(prefix, cls.known_settings())
            return merged

    @override
    def check(self, settings: dict[str, Any]) -> list[str]:
        protect(self.secrets)
        known = self.known_settings()
        settings.update(self.prepared(settings, known))
        for name, setting in known.items():
            if "default" in setting and name not in settings:
                settings[name] = setting["default"]
        return self.faults(settings, known)

    @classmethod
    def one_sentence(cls) -> AbstractContextManager[None]:
        """End the process with one sentence on the log instead of a traceback."""
        return one_sentence(cls.name, cls.machine.exit, refused=cls.refused, again=cls.again)

    @classmethod
    def command(cls) -> None:
        """Run the command as the shell has called it.

        Raises:
            SystemExit: Always, when standard output has got what it was written.
        """
        with cls.one_sentence():
            if sys.stdout is None:
                raise InputError(_NO_OUTPUT)
            with written():  # what the SDK and its parser print themselves
                cls.cli()

    @classmethod
    def known_settings(cls) -> dict[str, Any]:
        """Return name and JSON Schema of every setting, those of the SDK included."""
        schema = deepcopy(cls.config_jsonschema)  # which the SDK would extend in place
        cls.append_builtin_config(schema)
        settings: dict[str, Any] = schema["properties"]
        return settings


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a setting, which may be of any type before it has been checked."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
