"""What is written down more than once, and what the code has of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tap_qonto.settings import SETTINGS
from tap_qonto.tap import TapQonto

Settings = dict[str, dict[str, Any]]

ROOT = Path(__file__).parents[2]


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
