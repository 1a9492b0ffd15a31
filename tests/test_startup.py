"""Importing the package must not be felt: benchmarks/startup.py has the times, here the modules are counted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

NOT_OURS = ("matplotlib", "tensorboard", "optuna", "sklearn", "pandas", "jsonargparse")


def loaded(imports: str) -> set[str]:
    """The modules that a fresh process has loaded after some imports."""
    script = f"import {imports}, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def added() -> set[str]:
    """What the package loads beyond Lightning."""
    return loaded("lr_callbacks") - loaded("lightning.pytorch")


@pytest.mark.parametrize("library", NOT_OURS)
def test_the_import_loads_nothing_of_what_only_some_commands_need(added, library):
    assert not [name for name in added if name.split(".")[0] == library]


def test_the_import_loads_little_beyond_lightning_and_that_is_its_own(added):
    """Lightning loads some 3000 modules; ours are a hundredth of that, and take as small a share of the time."""
    foreign = {name.split(".")[0] for name in added} - {"lr_callbacks"} - set(sys.stdlib_module_names)
    assert foreign == set()
    assert "lr_callbacks" in added
    assert len(added) < 0.05 * len(loaded("lightning.pytorch"))
