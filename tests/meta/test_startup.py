"""Importing the package must not be felt: benchmarks/startup.py has the times, here the modules are counted."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import json, sys
import lightning.pytorch
before = set(sys.modules)
import lr_callbacks
print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))
"""


def test_the_import_loads_little_beyond_lightning_and_nothing_of_what_only_some_commands_need():
    """Lightning loads some 3000 modules; ours are a fiftieth of that, and take as small a share of the time."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], check=True, capture_output=True, text=True)
    before, added = json.loads(done.stdout.splitlines()[-1])
    foreign = {name.partition(".")[0] for name in added} - {"lr_callbacks"} - set(sys.stdlib_module_names)
    assert foreign == set()  # so nothing of matplotlib, tensorboard, optuna, sklearn, pandas or jsonargparse
    assert not {"lr_callbacks.cli.app", "lr_callbacks.demo", "lr_callbacks.sweep"} & set(added)
    assert "lr_callbacks" in added
    assert len(added) < 0.05 * len(before)
