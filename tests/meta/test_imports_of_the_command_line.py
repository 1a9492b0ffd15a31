"""Modules of the command line import one another one way only, also under TYPE_CHECKING and inside functions."""

import ast
from pathlib import Path

CLI = Path(__file__).parents[2] / "lr_callbacks/cli"


def imports(path):
    """Modules of the command line that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "lr_callbacks.cli":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lr_callbacks.cli."):
            found.add(node.module.split(".")[2])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[2] for alias in node.names if alias.name.startswith("lr_callbacks.cli.")}
    return found


def test_no_module_of_the_command_line_imports_itself_by_way_of_others():
    graph = {path.stem: imports(path) for path in CLI.glob("*.py")}
    assert graph["app"] >= {"registry", "training"}
    while graph:
        leaves = {name for name, needed in graph.items() if not needed & set(graph)}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: needed for name, needed in graph.items() if name not in leaves}


def test_only_the_entry_points_import_the_app():
    importers = {path.stem for path in CLI.glob("*.py") if "app" in imports(path)}
    assert importers == set()
