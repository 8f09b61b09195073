"""Finds, in Python code, what the Singer SDK does not promise.

The SDK promises what its reference shows: its public classes, with each public member that has a
description. All else may change in any release: names with an underscore, members that nothing
describes, and modules that the reference leaves out.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import singer_sdk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SDK: Final = Path(singer_sdk.__file__).parent

PROMISED: Final = (
    "about", "authenticators", "batch", "connectors", "contrib", "exceptions",
    "helpers.capabilities", "helpers.jsonpath", "helpers.types", "metrics", "pagination", "schema",
    "singerlib", "sinks", "sql", "testing", "typing",
)  # fmt: skip
"""Modules and packages that the reference shows, below `singer_sdk`, which it shows too."""

_SHOWN = {
    "PluginBase", "BaseSingerIO", "BaseSingerReader", "BaseSingerWriter", "Stream", "Tap", "Target",
}  # fmt: skip
"""Classes that the reference shows with all that they inherit, wherever they are written."""

_TOLD = {"config_jsonschema"}
"""What the SDK's guide lets every plugin set, although nothing describes it."""

_MET = {
    "Tap", "Target", "Stream", "RecordSink", "PluginMapper", "SameRecordTransform",
    "RemoveRecordTransform", "StreamStateManager", "StateWriter", "_ConfigInput",
}  # fmt: skip
"""Classes whose objects a plugin can lay its hands on."""


Classes = dict[str, frozenset[str]]
"""The bases of each class of a project, by its name."""


class SdkClass(NamedTuple):
    """What a class of the SDK brings along itself."""

    bases: frozenset[str]
    promised: frozenset[str]
    others: frozenset[str]


@cache
def modules() -> frozenset[str]:
    """Return every module of the installed SDK."""
    return frozenset(_module(path) for path in SDK.rglob("*.py"))


def is_promised(module: str) -> bool:
    """Return whether the reference shows a module of the SDK, its package, or one in it."""
    inside = module.removeprefix("singer_sdk").lstrip(".")
    if any(part.startswith("_") for part in inside.split(".")):
        return False
    return any(
        f"{inside}.".startswith(f"{one}.") or f"{one}.".startswith(f"{inside}.".lstrip("."))
        for one in PROMISED
    )


def strangers(text: str, classes: Classes) -> list[str]:
    """Return each thing in a text of Python that the SDK does not promise, with its line.

    Args:
        text: The text.
        classes: The classes that those in the text may build on.
    """
    own = classes_in([text])
    classes = {**classes, **own}
    if not (_met_in_text().search(text) or _not_promised(set(own), classes)):
        return []
    return [
        f"{node.lineno} {name}"
        for node, inherited in _nodes(ast.parse(text), frozenset(), classes)
        for name in _names(node, inherited)
    ]


def _names(node: ast.expr | ast.stmt, inherited: frozenset[str]) -> list[str]:
    """Return what a node names that is not promised.

    Args:
        node: An expression or a statement.
        inherited: What the class around it has from the SDK that is not promised.
    """
    match node:
        case ast.ImportFrom(module=str(module), names=names):
            full = (f"{module}.{each.name}" for each in names)
            return [name for name in full if _is_strange(name)]
        case ast.Import(names=names):
            return [each.name for each in names if _is_strange(each.name)]
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            return [name] if name in inherited else []
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
            return [name] if name in inherited else []
        case ast.Attribute(attr=name):
            return [name] if name in _met() else []
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"), args=args):
            return _in_texts(args, inherited)
        case ast.Call(func=ast.Attribute(attr="setattr" | "delattr"), args=args):
            return _in_texts(args, inherited)
    return []


def _in_texts(args: list[ast.expr], inherited: frozenset[str]) -> list[str]:
    texts = (arg.value for arg in args if isinstance(arg, ast.Constant))
    return [text for text in texts if isinstance(text, str) and text in inherited | _met()]


def _nodes(
    tree: ast.AST, inherited: frozenset[str], classes: Classes
) -> Iterator[tuple[ast.expr | ast.stmt, frozenset[str]]]:
    for node in ast.iter_child_nodes(tree):
        here = inherited
        if isinstance(node, ast.ClassDef):
            here = _not_promised({node.name}, classes)
            for name, line in _defined(node):
                if name in here:
                    yield ast.Attribute(ast.Name("self"), name, lineno=line), here
        if isinstance(node, ast.expr | ast.stmt):
            yield node, here
        yield from _nodes(node, here, classes)


def _is_strange(name: str) -> bool:
    """Return whether a full name, of a module or of something in one, is not promised."""
    if name.partition(".")[0] != "singer_sdk":
        return False
    if name in modules():
        return not is_promised(name)
    module, _, last = name.rpartition(".")
    return last.startswith("_") or not is_promised(module)


def _not_promised(names: set[str], classes: Classes) -> frozenset[str]:
    """Return what classes have from the SDK that is not promised.

    Args:
        names: Names of the classes.
        classes: Those of the project.
    """
    promised: set[str] = set()
    others: set[str] = set()
    waiting, seen = set(names), set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= classes.get(name, frozenset()) - seen
        if known := sdk_classes().get(name):
            promised |= known.promised
            others |= known.others
            waiting |= known.bases - seen
    return frozenset(others - promised)


@cache
def _met() -> frozenset[str]:
    """Return what objects of the SDK have that is not promised and no other class promises."""
    promised = (known.promised for known in sdk_classes().values())
    return _not_promised(_MET, {}).difference(*promised)


@cache
def _met_in_text() -> re.Pattern[str]:
    return re.compile(rf"\b(?:singer_sdk|{'|'.join(sorted(_met()))})\b")


@cache
def sdk_classes() -> dict[str, SdkClass]:
    """Return every class of the installed SDK that plugins stand on, by its name."""
    found = {}
    for path in SDK.rglob("*.py"):
        if {"testing", "contrib", "sql", "connectors"} & set(path.parts):
            continue
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                shown = is_promised(_module(path)) or node.name in _SHOWN
                known = _described(node, lines)
                good = {
                    name
                    for name, is_described in known.items()
                    if (name.startswith("__") and name.endswith("__"))
                    or name in _TOLD
                    or (shown and is_described and not name.startswith("_"))
                }
                bases = frozenset(ast.unparse(base).rpartition(".")[2] for base in node.bases)
                found[node.name] = SdkClass(bases, frozenset(good), frozenset(known.keys() - good))
    return found


def _described(node: ast.ClassDef, lines: list[str]) -> dict[str, bool]:
    """Return the members of a class, and whether something describes each."""
    found = dict.fromkeys((name for name, _ in _defined(node)), False)
    is_enum = any("Enum" in ast.unparse(base) for base in node.bases)
    for statement, after in zip(node.body, [*node.body[1:], node], strict=True):
        if isinstance(statement, ast.FunctionDef):
            text = ast.get_docstring(statement) or ""
            found[statement.name] |= bool(text)
            for inner in ast.walk(statement):
                match inner:
                    case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                        # What a constructor takes, and describes, is there afterwards.
                        taken = statement.name == "__init__" and f" {name}: " in text
                        found[name] = found.get(name, False) or taken
            continue
        below = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        above = lines[statement.lineno - 2].lstrip().startswith("#:")
        for name in _assigned(statement):
            found[name] |= below or above or is_enum
    return found


def _defined(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    """Yield the names that the body of a class gives a value, and their lines."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef):
            yield statement.name, statement.lineno
        for name in _assigned(statement):
            yield name, statement.lineno


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


_CLASS = re.compile(r"^ *class (\w+)(?:\(([^)]*)\))?:", re.MULTILINE)


def classes_in(texts: Iterable[str]) -> Classes:
    """Return the bases of every class in texts of Python, by its name."""
    found: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    for text in texts:
        for name, bases in _CLASS.findall(text):
            parts = (re.sub(r"\[.*", "", base).strip() for base in bases.split(","))
            found[name] |= {part.rpartition(".")[2] for part in parts if part and "=" not in part}
    return dict(found)


def _module(path: Path) -> str:
    parts = ("singer_sdk", *path.relative_to(SDK).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")
