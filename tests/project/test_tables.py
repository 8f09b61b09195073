"""The tables of README and the manual say what the code has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from tap_qonto.settings import TARGET_SETTINGS
from tap_qonto.tap import TapQonto
from tap_qonto.writing.streams import READERS
from tests.project.written import Settings, all_settings, own_settings, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_qonto.streams.base import QontoStream


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
