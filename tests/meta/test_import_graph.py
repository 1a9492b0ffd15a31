"""Imports point downwards, without a circle: also those for type checkers and those inside functions."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lr_callbacks"
LAYERS = ["schedules", "core", "callbacks", "previews", "range_test", "sweep", "demo", "cli"]
"""From the bottom to the top: a file imports nothing of a layer above its own."""
LAYER_OF = {
    "layerwise": "callbacks",
    "other_names": "schedules",
    "attached": "previews",
    "plain_loop": "previews",
    "plotting": "previews",
    "extras": "schedules",
    "__main__": "cli",
    "__init__": "cli",
}
"""Files of the package's own folder that are no layer of their own."""
UPWARD: set[tuple[str, str]] = set()
"""Arrows that point upwards and are to go."""
CIRCLES: set[frozenset[str]] = set()
"""Circles that are to go."""
LINES = 300
LONG: set[str] = set()
"""Files with more lines than that, which are to become shorter."""


def modules() -> dict[str, Path]:
    """Modules of the package, by their names without the package's: ``core.table``; a folder's own is the folder."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


MODULES = modules()


def imported_by(name: str, path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            wanted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for full in wanted:
            if full.partition(".")[0] != PACKAGE.name:
                continue
            inside = full.partition(".")[2]
            while inside and inside not in MODULES:
                inside = inside.rpartition(".")[0]
            yield inside or "__init__"


GRAPH = {name: sorted({each for each in imported_by(name, path) if each != name}) for name, path in MODULES.items()}


def layer(name: str) -> int:
    first = name.partition(".")[0]
    return LAYERS.index(LAYER_OF.get(first, first))


def circles() -> set[frozenset[str]]:
    """Sets of modules that import one another (strongly connected components of more than one)."""
    reached: dict[str, set[str]] = {}
    for name in GRAPH:
        seen: set[str] = set()
        waiting = list(GRAPH[name])
        while waiting:
            following = waiting.pop()
            if following not in seen:
                seen.add(following)
                waiting += GRAPH[following]
        reached[name] = seen
    return {
        frozenset({name, *(each for each in reached[name] if name in reached[each])})
        for name in GRAPH
        if name in reached[name]
    }


def test_the_graph_is_that_of_the_package():
    """A graph without arrows would pass everything else."""
    assert "core.table" in GRAPH["core.controller"]
    assert "callbacks.base" in GRAPH["__init__"]
    assert sum(map(len, GRAPH.values())) > 200
    assert all(layer(name) >= 0 for name in GRAPH)


def test_schedules_need_the_standard_library_and_numpy_alone():
    for path in (PACKAGE / "schedules").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            wanted = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wanted += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in wanted:
                first = module.partition(".")[0]
                ours = module.startswith("lr_callbacks.schedules")
                assert ours or first == "numpy" or first in sys.stdlib_module_names, f"{path.name} imports {module}"


def test_no_import_points_upwards():
    """An exception that is no longer needed fails too."""
    arrows = {(name, each) for name, imports in GRAPH.items() for each in imports if layer(each) > layer(name)}
    assert arrows == UPWARD


def test_no_files_import_one_another_in_a_circle():
    assert circles() == CIRCLES


@pytest.mark.parametrize("name", MODULES)
def test_a_file_is_short_enough_to_be_read_at_once(name):
    path = MODULES[name]
    is_long = len(path.read_text().splitlines()) > LINES
    assert is_long == (str(path.relative_to(PACKAGE)) in LONG)
