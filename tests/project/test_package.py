"""The package as people install it: in an environment of its own, away from the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

import tap_qonto
from tap_qonto.streams import STREAMS
from tests.kit.meltano_project import CHECKOUT
from tests.kit.outside import WAY_OUT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def execute(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command away from this environment and from GitHub; return what it printed."""
    elsewhere = {
        name: value
        for name, value in os.environ.items()
        if name != "VIRTUAL_ENV" and not name.startswith("GITHUB_")
    }
    return subprocess.run(
        command,
        cwd=cwd,
        env=elsewhere | WAY_OUT | (env or {}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
    ).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    execute("uv", "build", "--quiet", "--out-dir", folder, cwd=CHECKOUT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return built / f"tap_qonto-{tap_qonto.__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    return built / f"tap_qonto-{tap_qonto.__version__}.tar.gz"


def test_the_wheel_carries_the_package_with_schemas_and_demo_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    code = {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "tap_qonto").rglob("*")
        if path.is_file() and path.suffix in {".py", ".json", ".typed"}
    }
    about = f"tap_qonto-{tap_qonto.__version__}.dist-info"
    assert {name for name in names if not name.startswith(about)} == code
    assert {f"tap_qonto/schemas/{stream.name}.json" for stream in STREAMS} < names
    assert "tap_qonto/demo/world/company.py" in names
    assert f"{about}/licenses/LICENSE" in names


def test_the_source_distribution_carries_what_the_wheel_is_made_of(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        top = {name.split("/")[1] for name in archive.getnames()}
    assert {"tap_qonto", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"} <= top
    assert not {"output", ".venv", ".env", "meltano.yml", ".meltano"} & top


def about_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"tap_qonto-{tap_qonto.__version__}.dist-info/METADATA").decode()


def links_of(page: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page)


def pictures_of(page: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", page)


README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_package_page_has_no_link_and_no_picture_that_leads_nowhere(wheel: Path) -> None:
    page = about_of(wheel)
    assert "\nProject-URL: " in page
    assert "# tap-qonto" in page
    assert all("://" in link or link.startswith("#") for link in links_of(page))
    assert pictures_of(README)
    assert pictures_of(page) == []
    assert not re.search("^!", page, re.MULTILINE), "what is left of a picture"


def test_built_in_its_repository_the_package_names_it_and_links_into_it(tmp_path: Path) -> None:
    env = {"GITHUB_SERVER_URL": "https://git.example", "GITHUB_REPOSITORY": "owner/tap-qonto"}
    execute("uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path, cwd=CHECKOUT, env=env)
    page = about_of(next(tmp_path.glob("*.whl")))
    repository = "https://git.example/owner/tap-qonto"
    assert f"Project-URL: Repository, {repository}\n" in page
    assert f"{repository}/blob/v{tap_qonto.__version__}/docs/settings.md" in links_of(page)
    files = f"{repository}/raw/v{tap_qonto.__version__}"
    assert pictures_of(page) == [f"{files}/{picture}" for picture in pictures_of(README)]
    assert all("://" in link or link.startswith("#") for link in links_of(page))


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_runs_in_an_empty_environment(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    package: Path = request.getfixturevalue(kind)
    environment = tmp_path / "environment"
    folder = tmp_path / "folder"
    folder.mkdir()
    execute("uv", "venv", "--quiet", "--python", sys.executable, environment, cwd=tmp_path)
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    execute("uv", "pip", "install", "--quiet", "--python", python, package, cwd=tmp_path)

    about = json.loads(execute(programs / "tap-qonto", "--about", "--format=json", cwd=folder))
    assert about["version"] == tap_qonto.__version__
    assert set(about["settings"]["properties"]) >= {"login", "secret_key", "environment"}

    output = execute(
        programs / "tap-qonto", "--config", '{"environment": "demo"}', cwd=folder
    ).splitlines()
    streams = {message["stream"] for line in output if (message := json.loads(line)).get("stream")}
    assert streams == {stream.name for stream in STREAMS if stream.selected_by_default}
    assert sum(line.startswith('{"type":"RECORD"') for line in output) > 5_000
    assert list(folder.iterdir()) == []
