"""Imports run one way: no file and no folder of the package imports what stands above it.

The order is written in docs/development.md, as a diagram: each line names a folder, or a file of the root, and behind
the arrow all that it imports. Nothing may import what stands on a line above its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Set
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_s3dest"
LINE = re.compile(r"^(\w+) +-> *([\w ]*)$", re.MULTILINE)
MAX_FLOORS, MAX_ENTRIES = 9, 14

Module = str
"""The name of a module below the package, such as ``load.run``; empty for the package itself."""


@cache
def modules() -> Mapping[Module, ast.Module]:
    """Parse every module of the package."""
    parsed = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        parsed[name] = ast.parse(path.read_text(encoding="utf-8"))
    return parsed


def imported(tree: ast.AST, known: Set[Module]) -> Iterator[tuple[Module, int]]:
    """Yield each module of the package that a module imports, and the line: for types and by a text too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            names = texts[:1] if called in ("import_module", "__import__") else []
        else:
            continue
        for name in names:
            if name.partition(".")[0] != PACKAGE:
                continue
            module = name.removeprefix(PACKAGE).lstrip(".")
            yield (module if module in known else module.rpartition(".")[0]), node.lineno


def entry(module: Module) -> str:
    """Return the folder of a module, or its own name if it stands at the root."""
    return module.partition(".")[0]


def imports_of_files(trees: Mapping[Module, ast.Module]) -> dict[Module, set[Module]]:
    """Return what each module imports of the package."""
    return {name: {other for other, _ in imported(tree, trees.keys())} - {name} for name, tree in trees.items()}


def imports_of_entries(trees: Mapping[Module, ast.Module]) -> dict[str, set[str]]:
    """Return what each folder, and each module of the root, imports of the others."""
    arrows: dict[str, set[str]] = {}
    for name, others in imports_of_files(trees).items():
        if name:
            arrows.setdefault(entry(name), set()).update(entry(other) for other in others if other)
    return {name: others - {name} for name, others in arrows.items()}


def floors(arrows: Mapping[str, Set[str]]) -> dict[str, int]:
    """Return the floor of each entry: 1 for one that imports no other, else one above the highest that it imports."""
    found: dict[str, int] = {}
    for name in TopologicalSorter(arrows).static_order():
        found[name] = 1 + max((found[other] for other in arrows.get(name, ())), default=0)
    return found


def diagram() -> dict[str, list[str]]:
    """Read the diagram of docs/development.md: the entries from the top to the bottom, and what each imports."""
    text = (ROOT / "docs/development.md").read_text(encoding="utf-8")
    return {name: others.split() for name, others in LINE.findall(text)}


def faults(trees: Mapping[Module, ast.Module], order: list[str]) -> list[str]:
    """Name each import that runs upwards in an order of entries, and each that no test can follow."""
    found = []
    for name, tree in trees.items():
        where = f"{PACKAGE}.{name}".rstrip(".")
        if name and entry(name) not in order:
            found.append(f"{where} stands in no line of the diagram in docs/development.md")
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                found.append(f"{where}, line {node.lineno}, has a relative import; write the whole name")
        for other, line in imported(tree, trees.keys()):
            target = f"{PACKAGE}.{other}".rstrip(".")
            if not other:
                if name:
                    found.append(f"{where}, line {line}, imports {target} as a whole; name the module")
            elif not name:
                found.append(f"{where}, line {line}, imports {target}, and so would every import of the package")
            elif entry(other) not in order:
                found.append(f"{where}, line {line}, imports {target}, which stands in no line of the diagram")
            elif order.index(entry(other)) < order.index(entry(name)):
                found.append(f"{where}, line {line}, imports {target}, which stands above it")
    return found


def test_no_import_runs_upwards() -> None:
    assert faults(modules(), list(diagram())) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"from {PACKAGE}.load import run", f"imports {PACKAGE}.load.run, which stands above it"),
        (f"from {PACKAGE} import hooks", f"imports {PACKAGE}.hooks, which stands above it"),
        (f"import {PACKAGE}.load.run", f"imports {PACKAGE}.load.run, which stands above it"),
        (f"import {PACKAGE}", f"imports {PACKAGE} as a whole; name the module"),
        (f"def f():\n from {PACKAGE}.load import run", f"imports {PACKAGE}.load.run, which stands above it"),
        (f"import_module('{PACKAGE}.load.run')", f"imports {PACKAGE}.load.run, which stands above it"),
        (f"importlib.import_module('{PACKAGE}.load.run')", f"imports {PACKAGE}.load.run, which stands above it"),
        ("from ..load import run", "has a relative import; write the whole name"),
        ("from . import destination", "has a relative import; write the whole name"),
    ],
)
def test_an_import_that_runs_upwards_is_named(text: str, fault: str) -> None:
    trees = {**modules(), "spec.rules": ast.parse(text)}

    assert faults(trees, list(diagram())) == [f"{PACKAGE}.spec.rules, line {1 + text.count(chr(10))}, {fault}"]


def test_the_root_imports_nothing_and_a_new_folder_needs_a_line() -> None:
    trees = {**modules(), "": ast.parse(f"import {PACKAGE}.hooks"), "new.one": ast.parse("")}

    assert faults(trees, list(diagram())) == [
        f"{PACKAGE}, line 1, imports {PACKAGE}.hooks, and so would every import of the package",
        f"{PACKAGE}.new.one stands in no line of the diagram in docs/development.md",
    ]


def test_the_diagram_shows_all_arrows_of_the_code_and_no_others() -> None:
    assert {name: sorted(others) for name, others in diagram().items()} == {
        name: sorted(others) for name, others in imports_of_entries(modules()).items()
    }


def test_no_files_import_one_another_in_a_circle_not_even_for_types() -> None:
    TopologicalSorter(imports_of_files(modules())).prepare()


def test_a_circle_of_files_is_found() -> None:
    trees = {
        **modules(),
        "errors": ast.parse(f"if TYPE_CHECKING:\n    from {PACKAGE}.report import LoadReport"),
    }

    with pytest.raises(CycleError):
        TopologicalSorter(imports_of_files(trees)).prepare()


def test_the_root_is_short_and_the_floors_are_few() -> None:
    arrows = imports_of_entries(modules())

    assert len(arrows) <= MAX_ENTRIES
    assert max(floors(arrows).values()) <= MAX_FLOORS


def test_only_the_upper_floors_import_airflow() -> None:
    below = list(diagram())[3:]
    for name, tree in modules().items():
        names = [
            alias.name if isinstance(node, ast.Import) else node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        ]
        if entry(name) in below:
            assert not [one for one in names if one.partition(".")[0] == "airflow"], name
