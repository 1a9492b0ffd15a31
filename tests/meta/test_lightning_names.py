"""Lightning has two names: whoever asks for a class of Lightning's asks ``core.lightning_names``, which knows both."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from lr_callbacks.core import lightning_names

PACKAGE = Path(__file__).parents[2] / "lr_callbacks"
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
LIGHTNINGS = ("lightning", "pytorch_lightning", "lightning_fabric")
ASKING = {"isinstance", "issubclass"}


def names_of_lightning(tree: ast.AST) -> set[str]:
    """Names that an import of Lightning's binds, and module constants that are made of such names."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            is_theirs = (node.module or "").partition(".")[0] in LIGHTNINGS
            if is_theirs or (node.module or "").endswith(".lightning_names"):
                names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.asname or alias.name for alias in node.names if alias.name.partition(".")[0] in LIGHTNINGS}
    for node in getattr(tree, "body", []):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Tuple) and names & set(used_in(value)):
            names.add(target.id)
    return names


def used_in(node: ast.AST) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def breaches(text: str) -> list[str]:
    tree = ast.parse(text)
    names = names_of_lightning(tree)
    found = [f"{name}: import" for name in names if name in {"is_overridden"}]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ASKING:
            asked = names & set(used_in(node.args[1]))
            found += [f"line {node.lineno}: {node.func.id} of {name}" for name in sorted(asked)]
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_class_of_lightnings_is_asked_for_by_both_names(name):
    assert breaches(FILES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "from lightning.pytorch import Trainer\nisinstance(x, Trainer)",
        "from lightning.pytorch import Trainer\ndef f(x):\n    return issubclass(x, int | Trainer)",
        "from pytorch_lightning import Trainer as T\nKINDS = (T, int)\nisinstance(x, (*KINDS, str))",
        "import lightning\nisinstance(x, lightning.pytorch.Trainer)",
        "from lr_callbacks.core.lightning_names import Trainer\nisinstance(x, Trainer)",
        "from lightning.pytorch.utilities.model_helpers import is_overridden",
    ],
)
def test_the_rule_finds_what_breaks_it(text):
    assert breaches(text)


def imports_of_lightning(tree: ast.AST) -> dict[str, str]:
    """Names that are imported from Lightning in a file, and the modules that they come from."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    theirs = [node for node in nodes if node.module.partition(".")[0] in LIGHTNINGS]
    return {alias.name: node.module for node in theirs for alias in node.names}


@pytest.mark.parametrize("name", FILES)
def test_one_file_imports_lightning_and_its_table_is_what_the_type_checker_sees(name):
    imported = imports_of_lightning(ast.parse(FILES[name].read_text(encoding="utf-8")))
    assert imported == (lightning_names.MODULES if name == "core/lightning_names.py" else {})


def test_every_name_is_there_in_both_packages():
    for name, module in lightning_names.MODULES.items():
        other = module.replace("lightning.pytorch", "pytorch_lightning").replace("lightning.fabric", "lightning_fabric")
        assert hasattr(import_module(module), name)
        assert hasattr(import_module(other), name)


@pytest.mark.parametrize("name", FILES)
def test_text_files_are_utf_8(name):
    """Elsewhere than on Linux and macOS the default is the code page of the machine."""
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in {"read_text", "write_text", "open", "NamedTemporaryFile"}:
            continue
        given = {keyword.arg for keyword in node.keywords}
        modes = [
            each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        binary = called == "NamedTemporaryFile" or any("b" in mode and len(mode) <= 3 for mode in modes)
        assert binary or "encoding" in given, f"{name}, line {node.lineno}: {called} without encoding="
