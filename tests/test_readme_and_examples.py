"""What the README shows runs as it stands, and so do the examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = {language: re.findall(rf"```{language}\n(.*?)```", README, re.S) for language in ("python", "yaml", "text")}


def run(*command: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_python_example_runs_and_prints_the_plan_that_the_readme_shows(tmp_path):
    (tmp_path / "example.py").write_text(BLOCKS["python"][0])
    printed = run("example.py", folder=tmp_path)
    for line in BLOCKS["text"][0].splitlines():
        assert line in printed


def test_the_config_example_runs(tmp_path):
    (tmp_path / "my_run.yaml").write_text(BLOCKS["yaml"][0])
    printed = run("-m", "lr_callbacks", "fit", "--config", "my_run.yaml", "--trainer.max_epochs=2", folder=tmp_path)
    assert "Warmup 0-4" in printed
    assert "OneCycle 4-80" in printed
    assert (tmp_path / "runs" / "my_run" / "version_0" / "config.yaml").exists()


EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
ARGUMENTS = {"compare_schedules.py": ["--quick"]}
PRINTS = {
    "compare_schedules.py": [" 1  ", "14  ", "comparison/comparison.png", "1 epochs, 1 seed(s)"],
    "plain_trainer.py": ["Warmup 0-8", "OneCycle 8-160", "train_loss 0."],
    "snapshot_ensemble.py": ["last model", "ensemble of"],
    "gan.py": ["OneCycle 10-40", "SGDR from 0", "generator: LR 4.00e-09 at the end; trainer.global_step 160"],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_prints_what_it_promises(name, tmp_path):
    printed = run(str(ROOT / "examples" / name), *ARGUMENTS.get(name, []), folder=tmp_path)
    for text in PRINTS[name]:
        assert text in printed


@pytest.mark.parametrize("command", [["overhead.py", "--quick"], ["startup.py", "1"]], ids=lambda command: command[0])
def test_a_benchmark_runs_and_prints_its_table(command, tmp_path):
    printed = run(str(ROOT / "benchmarks" / command[0]), *command[1:], folder=tmp_path)
    assert "|---|" in printed
