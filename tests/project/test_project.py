"""What is written down more than once: settings, streams and capabilities.

The code is right. README, `meltano.yml`, `plugin.yaml` and `.env.example` repeat it for their
readers, and each test says what one of them would have to say.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

import tap_qonto
from tap_qonto.auth.credentials import check_credentials
from tap_qonto.settings import SETTINGS, TARGET_SETTINGS
from tap_qonto.streams import STREAMS
from tap_qonto.tap import TapQonto
from tap_qonto.target import TargetQonto
from tap_qonto.writing.streams import READERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.streams.base import QontoStream

Settings = dict[str, dict[str, Any]]

ROOT = Path(__file__).parents[2]
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

FORMS = {"array": "[]", "object": "{}", "integer": "50"}
"""What Meltano can read of settings without a default: it ends with a traceback where a list, an
object or a number is empty."""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(read(name))
    return content


def all_settings() -> Settings:
    schema = SETTINGS.to_dict()
    TapQonto.append_builtin_config(schema)
    settings: Settings = schema["properties"]
    return settings


def own_settings() -> Settings:
    own: Settings = SETTINGS.to_dict()["properties"]
    return own


@pytest.fixture(scope="module")
def streams() -> list[QontoStream]:
    tap = TapQonto(config={"environment": "demo"}, parse_env_config=False)
    return [tap.streams[stream.name] for stream in STREAMS]  # type: ignore[misc]


# As Meltano and its Hub write settings down


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


def test_the_manual_lists_every_setting_of_the_target_that_the_tap_has_not() -> None:
    shared = own_settings().keys() - {"attachments_path"}
    own = TARGET_SETTINGS.to_dict()["properties"]
    assert section("docs/writing.md", "target-settings") == list(
        settings_table({name: own[name] for name in own if name not in shared})
    )


@pytest.mark.parametrize(
    ("part", "stream"),
    [
        ("columns", "new_transfers"),
        ("supplier-columns", "new_supplier_invoices"),
        ("client-columns", "new_clients"),
        ("invoice-columns", "new_client_invoices"),
    ],
)
def test_the_manual_lists_every_column_of_what_is_sent(part: str, stream: str) -> None:
    rows = section("docs/writing.md", part)[2:]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert named == READERS[stream].columns.known


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


# .env.example


def env_example() -> Iterator[str]:
    yield "# Settings of the tap, for Meltano and for `tap-qonto --config ENV`. Copy this file to"
    yield "# .env, which Git ignores, and take the # away from what you set. Lists and objects are"
    yield '# JSON: ["a", "b"], {"a": 1}. What follows a # is the default, or the form of a value.'
    for name, schema in all_settings().items():
        default = schema.get("default", FORMS.get(kind(schema), ""))
        value = default if isinstance(default, str) else json.dumps(default)
        yield ""
        yield f"# {schema['description']}"
        yield f"{'' if name in FILLED_IN else '#'}TAP_QONTO_{name.upper()}={value}"


def test_the_example_of_an_env_file_names_every_setting() -> None:
    assert read(".env.example").splitlines() == list(env_example())


# README and the manual


def section(page: str, name: str) -> list[str]:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", read(page), re.DOTALL)
    assert found, f"{page} has no section between <!-- {name} --> and <!-- /{name} -->"
    return found[1].strip().splitlines()


def table(*rows: tuple[str, ...]) -> Iterator[str]:
    head, *body = rows
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in body:
        yield f"| {' | '.join(row)} |"


def settings_table(settings: Settings) -> Iterator[str]:
    yield from table(
        ("setting", "meaning", "default"),
        *(
            (
                f"`{name}`",
                schema["description"] + (" (secret)" if schema.get("secret") else ""),
                f"`{json.dumps(schema['default'])}`" if "default" in schema else "",
            )
            for name, schema in settings.items()
        ),
    )


def settings_section() -> Iterator[str]:
    own = own_settings()
    yield from settings_table(own)
    yield ""
    yield "<details>"
    yield "<summary>Settings that every tap of the Singer SDK has</summary>"
    yield ""
    yield from settings_table({k: v for k, v in all_settings().items() if k not in own})
    yield ""
    yield "</details>"


def streams_section(streams: list[QontoStream]) -> Iterator[str]:
    yield from table(
        ("stream", "endpoint", "key", "replication", "OAuth scope", "credentials", "by default"),
        *(
            (
                f"`{stream.name}`",
                f"`{stream.path}`",
                ", ".join(f"`{key}`" for key in stream.primary_keys),
                f"incremental, `{stream.replication_key}`" if stream.replication_key else "full",
                f"`{stream.scope}`",
                "OAuth"
                if stream.oauth_only
                else "OAuth; an API key may be refused"
                if stream.key_may_fail
                else "API key or OAuth",
                "yes" if stream.selected_by_default else "no",
            )
            for stream in streams
        ),
    )


def test_the_manual_lists_every_setting() -> None:
    assert section("docs/settings.md", "settings") == list(settings_section())


def test_readme_lists_every_stream(streams: list[QontoStream]) -> None:
    assert section("README.md", "streams") == list(streams_section(streams))


def test_the_manual_names_every_stream_that_has_to_be_switched_on_for_oauth(
    streams: list[QontoStream],
) -> None:
    named = yaml.safe_load("\n".join(section("docs/oauth.md", "oauth-select")[1:-1]))
    assert sorted(named) == sorted(f"{stream.name}.*" for stream in streams if stream.oauth_only)


def test_the_manual_and_about_agree() -> None:
    answer = CliRunner().invoke(TapQonto.cli, ["--about", "--format=markdown"])
    assert answer.exit_code == 0
    about = re.findall(r"^\| (\w+) +\|[^|]*\|[^|]*\| (.*?) +\|", answer.output, re.MULTILINE)
    page = "\n".join(section("docs/settings.md", "settings"))
    manual = re.findall(r"^\| `(\w+)` \| (.*?)(?: \(secret\))? \|", page, re.MULTILINE)
    assert len(manual) == len(all_settings())
    assert set(manual) <= set(about)


# Versions


def test_the_version_is_written_in_one_place_and_has_a_changelog_entry() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "tap_qonto/__init__.py"
    assert f"## [{tap_qonto.__version__}]" in read("CHANGELOG.md")


def test_the_dbt_package_has_the_version_of_the_tap() -> None:
    assert yaml.safe_load(read("transform/dbt_project.yml"))["version"] == tap_qonto.__version__


def test_the_workflows_test_every_python_of_the_classifiers() -> None:
    classifiers = tomllib.loads(read("pyproject.toml"))["project"]["classifiers"]
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    assert "Python :: (3\\.\\d+)" in read(".github/workflows/test.yml")


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=str)
def test_actions_are_pinned_and_tokens_may_do_little(path: Path) -> None:
    workflow = path.read_text(encoding="utf-8")
    for action in re.findall(r"uses: (.+)", workflow):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action), action
    assert yaml.safe_load(workflow)["permissions"] == {}
    assert workflow.count("actions/checkout@") == workflow.count("persist-credentials: false")


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
