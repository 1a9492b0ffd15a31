"""CONTRIBUTING.md and docs/adding_a_schedule.md: short, every file named exists, and the recipe works as written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_import_graph import LAYERS

import lr_callbacks

ROOT = Path(__file__).parents[2]
SHORT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPE = (ROOT / "docs" / "adding_a_schedule.md").read_text()
TEXT = SHORT + RECIPE
LAYOUT = SHORT.partition("## Code layout\n")[2].partition("\n## ")[0]


def test_it_is_short():
    assert len(SHORT.encode()) <= 8192


def test_the_layout_has_every_folder_of_the_package_in_the_order_of_the_imports():
    listed = re.findall(r"^\| `lr_callbacks/(\w+)/` \|", LAYOUT, re.M)
    assert listed == [name for name in LAYERS if (ROOT / "lr_callbacks" / name).is_dir()]


def test_the_layout_has_every_folder_beside_the_package():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    if not listed:
        pytest.skip("needs a git clone, to tell the project's folders from others")
    folders = {name.split("/")[0] for name in listed if "/" in name and not name.startswith(".")}
    assert {f"`{folder}/`" for folder in folders - {"lr_callbacks"}} == {
        name for name in re.findall(r"^\| (`\S+/`) \|", LAYOUT, re.M) if not name.startswith("`lr_callbacks")
    }


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:lr_callbacks|tests|configs|docs|benchmarks|examples|\.ci)/[\w./]+)`", TEXT)
    new = {"lr_callbacks/callbacks/inverse_time.py", "tests/test_inverse_time.py"}  # those that the recipe adds
    assert new <= set(named)
    assert [name for name in named if not (ROOT / name).exists() and name not in new] == []


def test_every_command_of_the_makefile_is_told_and_no_other():
    makefile = (ROOT / "Makefile").read_text()
    told = re.findall(r"^\| `make ([\w-]+)` \|", TEXT, re.M)
    targets = re.findall(r"^([\w-]+):", makefile, re.M)
    assert sorted(told) == sorted(set(targets) - {"all"})
    assert set(targets) == set(re.findall(r"[\w-]+", makefile.partition(".PHONY:")[2].splitlines()[0]))


def test_the_recipe_for_a_schedule_works_as_written(tmp_path):
    schedule, entry, trained, refused, required, test = re.findall(r"```python\n(.*?)```", RECIPE, re.S)
    for folder in ("lr_callbacks", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "lr_callbacks/callbacks/inverse_time.py").write_text(schedule)
    (tmp_path / "tests/test_inverse_time.py").write_text(test)
    contents, table = tmp_path / "lr_callbacks/__init__.py", tmp_path / "tests/callbacks/test_shapes_in_a_trainer.py"
    line, home = re.search(r"`(from lr_callbacks\S+ import .*?)`, and\n`(.*?)` in `_MODULES`", RECIPE).groups()
    text = contents.read_text().replace("if TYPE_CHECKING:\n", f"if TYPE_CHECKING:\n    {line}\n")
    contents.write_text(text.replace("_MODULES = {\n", f"_MODULES = {{\n    {home},\n"))
    table.write_text(table.read_text().replace("CALLBACKS = {\n", "CALLBACKS = {\n" + entry))
    for file, name, line in (
        ("battery_schedules", "SCHEDULES", trained),
        ("bad_arguments", "ROWS", refused),
        ("bad_arguments", "REQUIRED", required),
    ):
        battery = tmp_path / f"tests/helpers/{file}.py"
        head, opening, rest = re.split(rf"^({name}: .* = \{{\n)", battery.read_text(), flags=re.M)
        battery.write_text(head + opening + line + rest)

    files = ["lr_callbacks/callbacks/inverse_time.py", "tests/test_inverse_time.py"]
    batteries = re.search(r"test_inverse_time\.py (tests/meta/test_docstrings\.py .*?)`", RECIPE, re.S)[1].split()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def call(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("ruff", "check", "--fix", str(contents))  # sorts, as the recipe says
    call("ruff", "check", *files, str(contents))
    call("ruff", "format", "--check", *files)
    pick = "inverse_time or InverseTime or inverse-time or every_schedule or stands_in_the"
    printed = call("pytest", "-n0", "-p", "no:cacheprovider", "-k", pick, *files, *batteries)
    assert int(re.search(r"(\d+) passed", printed)[1]) > 50, printed


def test_the_architecture_names_every_file_of_the_package_that_its_class_does_not_name():
    shown = (ROOT / "docs" / "architecture.md").read_text()
    own = {f"{module.replace('.', '/')}.py" for module in lr_callbacks._MODULES.values() if ".callbacks." in module}
    files = [path.relative_to(ROOT) for path in (ROOT / "lr_callbacks").rglob("*.py")]
    parts = [path for path in files if path.parts[1] not in ("schedules", "demo") and not path.name.startswith("__")]
    assert [str(path) for path in parts if f"`{path.name}`" not in shown and str(path) not in own] == []
    named = {name.split("/")[-1] for name in re.findall(r"`([\w/]+\.py)`", shown)}
    assert named <= {path.name for path in files}
