"""All errors hang on one root, and the page that shows the tree shows it as it is."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import walk_packages

import tap_qonto
from tap_qonto.api import errors

APART = ("tap_qonto.demo", "tap_qonto.api.errors")
"""The other house, and the page itself."""


def shown() -> dict[str, str]:
    """Return the parent of each class in the tree that the page shows."""
    found: dict[str, str] = {}
    branch = ["SentenceError"]
    for stem, name in re.findall(r"^ {4}([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(stem) // 4 + 1
        found[name] = branch[depth - 1]
        branch[depth:] = [name]
    return found


def test_the_tree_is_as_it_is_shown() -> None:
    classes = {
        name: known.__base__.__name__
        for name, known in vars(errors).items()
        if isinstance(known, type) and issubclass(known, errors.SentenceError)
        if known.__base__ and known is not errors.SentenceError
    }
    assert len(classes) > 20
    assert shown() == classes


def test_no_error_that_leaves_its_module_is_written_elsewhere() -> None:
    names = [
        module.name
        for module in walk_packages(tap_qonto.__path__, "tap_qonto.")
        if not module.name.startswith(APART) and not module.name.endswith("__main__")
    ]
    elsewhere = {
        f"{name}.{each}"
        for name in names
        for each, known in vars(import_module(name)).items()
        if isinstance(known, type) and issubclass(known, BaseException)
        if known.__module__ == name and not each.startswith("_")
    }
    assert len(names) > 80
    assert not elsewhere
