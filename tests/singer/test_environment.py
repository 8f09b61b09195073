"""Settings from the environment and from the `.env` of the current folder."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tap_qonto.singer.environment import settings_of
from tap_qonto.tap import TapQonto
from tests.kit.cases import some
from tests.kit.runner import COMMAND, PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = TapQonto.config_jsonschema["properties"]

CASES: dict[str, tuple[str, str, Any]] = {
    "text": ("login", "acme-1234", "acme-1234"),
    "a boolean": ("extract_facturx", "False", False),
    "a boolean that is none": ("extract_facturx", "perhaps", "perhaps"),
    "a list": ("bank_account_ids", '["a", "b"]', ["a", "b"]),
    "a list without brackets": ("bank_account_ids", "a, b", ["a", "b"]),
    "an empty list": ("bank_account_ids", "[]", []),
    "a list that is damaged": ("bank_account_ids", '["a"', '["a"'),
    "a number, which the check reads": ("concurrency", "4", "4"),
}


@pytest.mark.parametrize(("setting", "text", "value"), CASES.values(), ids=CASES)
def test_a_variable_is_a_setting(setting: str, text: str, value: Any) -> None:
    assert settings_of("TAP_QONTO_", KNOWN, {f"TAP_QONTO_{setting.upper()}": text}) == {
        setting: value
    }


@pytest.mark.parametrize("setting", sorted(KNOWN))
def test_a_variable_without_a_value_is_not_set(setting: str) -> None:
    assert settings_of("TAP_QONTO_", KNOWN, {f"TAP_QONTO_{setting.upper()}": ""}) == {}


def discovered(folder: Path, *lines: str) -> tuple[int, str]:
    """Run the tap once in a folder whose `.env` has these lines; return exit code and log."""
    (folder / ".env").write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        [COMMAND, "--config", "ENV"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("TAP_")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.slow
def test_the_env_file_of_the_current_folder_counts(tmp_path: Path) -> None:
    code, log = discovered(
        tmp_path,
        "TAP_QONTO_ENVIRONMENT=demo",
        *("TAP_QONTO_BANK_ACCOUNT_IDS=", "TAP_QONTO_STREAM_MAPS=", "TAP_QONTO_START_DATE="),
        "TAP_QONTO_FLATTENING_MAX_DEPTH=",
    )
    assert code == 0, log
    assert "transactions: 5,400 rows" in log


@pytest.mark.parametrize(
    ("command", "code"),
    some(
        [
            ("tap-qonto --config ENV", 1),
            ("target-qonto --config ENV", 2),
            ("tap-qonto-login --no-browser", 1),
        ],
        "tap-qonto-login --no-browser",
    ),
)
def test_an_env_file_that_is_no_text_is_one_sentence(
    tmp_path: Path, command: str, code: int
) -> None:
    (tmp_path / ".env").write_text("TAP_QONTO_LOGIN=acme-1234\n", encoding="utf-16")
    program, *options = command.split()
    done = subprocess.run(
        [COMMAND.with_name(program), *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code
    [sentence] = done.stderr.splitlines()
    assert sentence.endswith(".env' with settings cannot be read: save it as text in UTF-8")


@pytest.mark.slow
def test_what_the_env_file_says_wrong_is_one_sentence(tmp_path: Path) -> None:
    code, log = discovered(
        tmp_path, "TAP_QONTO_ENVIRONMENT=demo", "TAP_QONTO_FLATTENING_MAX_DEPTH=deep"
    )
    assert code == 1
    assert "Set flattening_max_depth to an integer" in log.splitlines()[-1]
    assert "Traceback" not in log
