"""docs/promises.md: behind each promise stands a test that exists, or a reason why there is none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs/promises.md").read_text()
ROWS = [re.split(r" \| ", line.strip("| ")) for line in SECTION.splitlines() if line.startswith("| ")][1:]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_the_table_is_there():
    assert len(ROWS) > 40
    assert {len(row) for row in ROWS} == {3}


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:50] for row in ROWS])
def test_behind_each_promise_stands_a_test_or_a_reason(row):
    what, answer, behind = row
    assert what
    assert answer
    if behind.startswith("none: "):
        return
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", behind)
    assert named
    assert "<br>".join(f"`{file}::{name}`" for file, name in named) == behind
    for file, name in named:
        assert name in names_in(ROOT / file), f"{file} has no {name}"


def test_every_issue_that_is_named_has_its_address_and_no_other():
    named = set(re.findall(r"\[((?:\w+)?#\d+)\](?!:)", SECTION))
    addresses = dict(re.findall(r"^\[((?:\w+)?#\d+)\]: (\S+)$", SECTION, re.M))
    assert named == set(addresses)
    for issue, address in addresses.items():
        assert re.fullmatch(rf"https://github\.com/[\w.-]+/[\w.-]+/issues/{issue.partition('#')[2]}", address)
