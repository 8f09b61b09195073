"""Versions agree, and the workflows run the Pythons and actions that they say."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml

import tap_qonto
from tests.project.written import ROOT, read

if TYPE_CHECKING:
    from pathlib import Path


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
