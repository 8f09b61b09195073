"""What Meltano, its Hub and `.env.example` say of settings, streams and capabilities.

The code is right. `meltano.yml`, `plugin.yaml` and `.env.example` repeat it for their readers, and
each test says what one of them would have to say.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.auth.credentials import check_credentials
from tap_qonto.settings import TARGET_SETTINGS
from tap_qonto.tap import TapQonto
from tap_qonto.target import TargetQonto
from tests.project.written import all_settings, load, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.streams.base import QontoStream

KINDS = {
    "string": "string",
    "integer": "integer",
    "boolean": "boolean",
    "number": "string",  # Meltano makes a Decimal of its kind decimal, and then cannot write it
    "array": "array",
    "object": "object",
}
"""Meltano's word for each type of JSON."""

FILLED_IN = ("login", "secret_key")
"""The settings that most people set in `.env`, and so find ready to be filled in."""

FORMS = {"array": '["<id>"]', "object": "{}", "integer": "50"}
"""What Meltano can read of settings without a default: it ends with a traceback where a list, an
object or a number is empty."""

REQUIRED = {"flattening_max_depth": ("Required if flattening is enabled.", "3")}
"""What the SDK does not say of a setting, and a value that makes sense."""


def kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "options"
    if schema.get("format") == "date-time":
        return "date_iso8601"
    return KINDS[next(name for name in schema["type"] if name != "null")]


def definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "name": name,
        "label": schema["title"],
        "kind": kind(schema),
        "description": schema["description"],
    }
    if schema.get("secret"):
        written["sensitive"] = True
    if "enum" in schema:
        written["options"] = [
            {"label": option.capitalize(), "value": option} for option in schema["enum"]
        ]
    if "default" in schema:
        written["value"] = schema["default"]
    return written


def definitions() -> list[dict[str, Any]]:
    return [definition(name, schema) for name, schema in all_settings().items()]


def target_definitions() -> list[dict[str, Any]]:
    schema = TARGET_SETTINGS.to_dict()
    TargetQonto.append_builtin_config(schema)
    return [definition(name, setting) for name, setting in schema["properties"].items()]


@pytest.fixture(scope="module")
def meltano() -> dict[str, Any]:
    project = load("meltano.yml")
    plugins = [plugin for kind in project["plugins"].values() for plugin in kind]
    named = {plugin["name"]: plugin for plugin in plugins}
    return {
        "project": project, "extractor": named["tap-qonto"], "loader": named["target-qonto"],
    }  # fmt: skip


def test_meltano_knows_every_setting_as_the_code_has_it(meltano: dict[str, Any]) -> None:
    assert meltano["extractor"]["settings"] == definitions()


def test_the_hub_definition_knows_every_setting_as_the_code_has_it() -> None:
    assert load("plugin.yaml")["settings"] == definitions()


def test_capabilities_are_those_of_the_code(meltano: dict[str, Any]) -> None:
    capabilities = [capability.value for capability in TapQonto.capabilities]
    assert meltano["extractor"]["capabilities"] == capabilities
    assert load("plugin.yaml")["capabilities"] == capabilities


def test_the_hub_definition_and_meltano_agree_on_everything_else(meltano: dict[str, Any]) -> None:
    extractor, plugin = meltano["extractor"], load("plugin.yaml")
    for name in ("name", "namespace", "label", "executable", "settings_group_validation"):
        assert plugin[name] == extractor[name], name
    assert plugin["description"] == extractor["description"] == TapQonto.__doc__


def test_meltano_and_the_hub_know_the_target_as_the_code_has_it(meltano: dict[str, Any]) -> None:
    loader, plugin = meltano["loader"], load("plugin-target.yaml")
    assert loader["settings"] == plugin["settings"] == target_definitions()
    capabilities = [capability.value for capability in TargetQonto.capabilities]
    assert loader["capabilities"] == plugin["capabilities"] == capabilities
    for name in ("name", "namespace", "label", "executable", "settings_group_validation"):
        assert plugin[name] == loader[name], name
    assert plugin["description"] == loader["description"] == TargetQonto.__doc__
    assert loader["name"] == loader["executable"] == TargetQonto.name
    [group] = loader["settings_group_validation"]
    assert check_credentials(dict.fromkeys(group, "value")) is None


def test_tap_and_target_mean_the_same_by_what_they_share() -> None:
    known = {setting["name"]: setting for setting in definitions()}
    for setting in target_definitions():
        if setting["name"] in known and setting["name"] != "attachments_path":
            assert setting == known[setting["name"]]


def test_each_group_of_settings_is_enough_to_authenticate_and_no_part_of_an_api_key_is() -> None:
    groups = load("plugin.yaml")["settings_group_validation"]
    assert groups == [["login", "secret_key"], ["client_id", "client_secret", "refresh_token"]]
    for group in groups:
        assert check_credentials(dict.fromkeys(group, "value")) is None
    for name in groups[0]:
        assert check_credentials({name: "value"}) is not None


def test_meltano_selects_what_the_tap_selects_by_default(
    meltano: dict[str, Any], streams: list[QontoStream]
) -> None:
    chosen = [f"{stream.name}.*" for stream in streams if stream.selected_by_default]
    assert meltano["extractor"]["select"] == chosen


def test_meltano_has_an_environment_for_each_of_the_tap(meltano: dict[str, Any]) -> None:
    project = meltano["project"]
    for kind, plugin in (("extractors", "tap-qonto"), ("loaders", "target-qonto")):
        names = {
            environment["name"]: config["config"]["environment"]
            for environment in project["environments"]
            for config in environment["config"]["plugins"][kind]
            if config["name"] == plugin
        }
        assert names == {"demo": "demo", "sandbox": "sandbox", "prod": "production"}
    assert project["default_environment"] == "demo"


def test_no_plugin_needs_meltano_hub(meltano: dict[str, Any]) -> None:
    project = meltano["project"]
    assert "version" not in project
    for plugins in project["plugins"].values():
        for plugin in plugins:
            assert {"namespace", "pip_url"} <= plugin.keys(), plugin["name"]
            heir = next(
                (one for one in plugins if one["name"] == plugin.get("inherit_from")), plugin
            )
            for name in plugin.get("config", {}):
                assert name in {setting["name"] for setting in heir["settings"]}


def env_example() -> Iterator[str]:
    yield "# Settings of the tap, for Meltano and for `tap-qonto --config ENV`. Copy this file to"
    yield "# .env, which Git ignores, and take the # away from what you set. Leave it where there"
    yield "# is nothing to set: Meltano cannot read a list, an object or a number that is empty."
    yield '# Lists and objects are JSON: ["a", "b"], {"a": 1}. What follows a # is the default, or'
    yield "# the form of a value."
    for name, schema in all_settings().items():
        words, form = REQUIRED.get(name, ("", FORMS.get(kind(schema), "")))
        default = schema.get("default", form)
        value = default if isinstance(default, str) else json.dumps(default)
        yield ""
        yield f"# {schema['description']} {words}".rstrip()
        yield f"{'' if name in FILLED_IN else '#'}TAP_QONTO_{name.upper()}={value}"


def test_the_example_of_an_env_file_names_every_setting() -> None:
    assert read(".env.example").splitlines() == list(env_example())


def test_no_environment_writes_into_the_tables_of_another_one() -> None:
    project = load("meltano.yml")
    settings = {
        "target-duckdb": "path",
        "target-jsonl": "destination_path",
        "target-csv": "output_path",
        "target-postgres": "default_target_schema",
    }
    defaults = {
        plugin["name"]: plugin.get("config", {}) for plugin in project["plugins"]["loaders"]
    }
    for loader, setting in settings.items():
        places = [
            configured(environment, "loaders", loader).get(setting, defaults[loader][setting])
            for environment in project["environments"]
        ]
        assert len(set(places)) == len(places) == 3, loader


def test_every_environment_stores_documents_and_none_where_another_one_does() -> None:
    project = load("meltano.yml")
    paths = [
        configured(environment, "extractors", "tap-qonto")["attachments_path"]
        for environment in project["environments"]
    ]
    assert len(set(paths)) == len(paths) == 3
    assert all(path.startswith("${MELTANO_PROJECT_ROOT}/output/") for path in paths)


def configured(environment: dict[str, Any], kind: str, plugin: str) -> dict[str, Any]:
    """Return what an environment of Meltano sets for a plugin."""
    plugins = environment["config"]["plugins"].get(kind, ())
    return next((each["config"] for each in plugins if each["name"] == plugin), {})
