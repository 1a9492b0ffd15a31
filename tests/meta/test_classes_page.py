"""All public names on one screen, and classes that are short."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import lr_callbacks

PAGE = (Path(__file__).parents[2] / "docs" / "classes.md").read_text(encoding="utf-8")
SCREEN = 60
"""Lines that fit on one."""
SHAPES = ("InversePower", "Noise", "Piecewise", "StretchPlan", "TanhDecay", "UntunedWarmup", "InverseSqrt")
"""Shapes of other libraries. `Sequential` and `Restarts`, which make many of few, are longer."""


def test_the_page_names_every_public_name_once_and_fits_on_a_screen():
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(lr_callbacks.__all__)
    assert f"has {len(named)} public names" in PAGE
    assert len(PAGE.splitlines()) <= SCREEN


def code_lines(cls: type) -> int:
    """Lines of a class that are neither blank nor part of a docstring."""
    source = inspect.getsource(cls)
    documented: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            documented |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return sum(bool(line.strip()) for n, line in enumerate(source.splitlines(), 1) if n not in documented)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_a_class_of_less_than_forty_lines(name):
    assert code_lines(getattr(lr_callbacks, name)) < 40
