"""The public names: each is there, and type checkers see the same ones as Python."""

import ast
from pathlib import Path

import lr_callbacks


def test_every_public_name_is_imported_for_type_checkers_from_where_it_is_defined():
    tree = ast.parse(Path(lr_callbacks.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == lr_callbacks._MODULES
    assert sorted(lr_callbacks.__all__) == sorted(seen)


def test_every_public_name_can_be_used():
    assert [name for name in lr_callbacks.__all__ if not callable(getattr(lr_callbacks, name))] == []
    assert set(lr_callbacks.__all__) <= set(dir(lr_callbacks))


def test_no_public_name_is_that_of_a_module_which_would_take_its_place_once_it_is_imported():
    modules = {path.stem for path in Path(lr_callbacks.__file__).parent.iterdir()}
    assert modules & set(lr_callbacks.__all__) == set()
