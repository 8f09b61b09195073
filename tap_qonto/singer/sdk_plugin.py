"""Where the tap and the target differ alike from the Singer SDK; see `tap_qonto.singer.sdk`."""

from __future__ import annotations

import gc
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase, _ConfigInput
from typing_extensions import override

from tap_qonto.api.redaction import protect
from tap_qonto.machine import Machine
from tap_qonto.singer.endings import one_sentence
from tap_qonto.singer.environment import read_env_file, settings_of
from tap_qonto.singer.inputs import json_file, json_object
from tap_qonto.singer.quiet import quieten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    import click

ConfigInput = _ConfigInput
"""What ``--config`` hands to `invoke`; the only private name that leaves this file."""

_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def collect_seldom() -> None:
    """Look for cycles of objects seldom: rows have none, and the search costs a tenth of a run."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


class SdkPlugin(PluginBase):
    """What the tap and the target have in common: settings checked by us, one sentence per error.

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
        configured = [self._config.get(name) for name, kind in settings if kind.get("secret")]
        return frozenset(text for value in configured for text in _texts(value))

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # The SDK's own checks quote values, which may be secrets in the wrong place.
        protect(self.secrets)
        schema = self._known_settings()
        known = schema["properties"]
        self._config.update(self.prepared(self._config, known))
        for name, setting in known.items():
            if "default" in setting and name not in self._config:
                self._config[name] = setting["default"]
        errors = self.faults(self._config, known)
        if errors and raise_errors:
            raise ConfigValidationError("; ".join(errors), errors=errors, schema=schema)
        return errors

    @classmethod
    def one_sentence(cls) -> AbstractContextManager[None]:
        """End the process with one sentence on the log instead of a traceback."""
        return one_sentence(cls.name, cls.machine.exit, refused=cls.refused, again=cls.again)

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> ConfigInput:
        # The SDK ends with a traceback over a file that is missing or no JSON.
        with cls.one_sentence():
            merged = ConfigInput()
            for source in value:
                if source == "ENV":
                    continue
                if source.lstrip().startswith("{"):
                    merged.config |= json_object(source, "The configuration given to --config")
                else:
                    merged.config |= json_file(source, "--config")
            if "ENV" in value:
                # The SDK reads another folder's .env, and ends with a traceback over empty values.
                read_env_file()
                prefix = f"{cls.name.upper().replace('-', '_')}_"
                merged.config |= settings_of(prefix, cls._known_settings()["properties"])
            return merged

    @classmethod
    def _known_settings(cls) -> dict[str, Any]:
        """Return the schema of all settings; the SDK would extend that of the class in place."""
        schema = deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        return schema


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a setting, which may be of any type before it has been checked."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
