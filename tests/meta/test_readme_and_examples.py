"""What the README shows runs as it stands, and so do the examples."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
    assert "CosineAnnealing 4-80" in printed
    assert (tmp_path / "runs" / "my_run" / "version_0" / "config.yaml").exists()


EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
ARGUMENTS = {"compare_schedules.py": ["--quick"]}
LAUNCHERS = {"ddp_torchrun.py": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]}
PRINTS = {
    "compare_schedules.py": [" 1  ", "14  ", "comparison/comparison.png", "1 epochs, 1 seed(s)"],
    "plain_trainer.py": ["Warmup 0-8", "CosineAnnealing 8-160", "train_loss 0."],
    "snapshot_ensemble.py": ["snapshot 5 ", "last model ", "ensemble of last 3 test accuracy 0.9"],
    "ddp_torchrun.py": ["2 ranks, 128 steps each; the same LR at every step: True", "LR at the end: 0.0"],
    "finetuning.py": [
        "epoch 2: middle 4.9e-03  head 4.9e-02\n",
        "epoch 3: middle 4.7e-03  head 4.7e-02  backbone 4.7e-04\n",
        "epoch 4: middle 3.8e-03  head 3.8e-02  backbone 9.4e-04\n",
        "validation accuracy 0.",
    ],
    "range_test.py": ["1.0e-07  ####", "weights as before the test: True", "Suggested peak LR", "val_acc 0.9"],
    "plain_loop.py": ["as planned, until the loss stalls: True", "two halves give the same LRs as the whole: True"],
    "gan.py": ["OneCycle 0-40", "SGDR from 0", "generator: LR 4.00e-09 at the end; trainer.global_step 160"],
}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_cell_of_a_notebook_runs_and_none_carries_an_output(path, workplace, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)
    namespace = {"__name__": path.stem}
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), namespace)
    printed = capsys.readouterr().out
    for text in ("first step 1.0e-03, peak 3.0e-03", "suggested peak LR", "40 steps + 80 steps, LRs equal bit for bit"):
        assert text in printed


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_prints_what_it_promises(name, tmp_path):
    launched = LAUNCHERS.get(name, [])
    printed = run(*launched, str(ROOT / "examples" / name), *ARGUMENTS.get(name, []), folder=tmp_path)
    for text in PRINTS[name]:
        assert text in printed


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("plot", ["Warmup 0-25", "CosineAnnealing 25-500", "Picture     runs/plot/config.png"]),
        ("fit", ["Trained 25 epochs, 500 optimizer steps", "val_acc 0.9", "tensorboard --logdir runs"]),
    ],
)
def test_the_example_of_an_own_module_runs_as_its_configuration_says(command, says, tmp_path):
    folder = shutil.copytree(ROOT / "examples" / "own_module", tmp_path / "own", ignore=shutil.ignore_patterns("runs"))
    assert f"lr-callbacks {command} --config config.yaml" in (folder / "config.yaml").read_text()
    quiet = [f"--trainer.{flag}=false" for flag in ("enable_progress_bar", "enable_model_summary")]
    printed = run("-m", "lr_callbacks", command, "--config", "config.yaml", *quiet, folder=folder)
    for text in says:
        assert text in printed


def test_the_readme_lists_every_example():
    linked = set(re.findall(r"\]\(examples/([\w.]+)\)", README))
    there = {path.name for path in (ROOT / "examples").iterdir() if not path.name.startswith(("_", "."))}
    assert linked == there


@pytest.mark.parametrize("command", [["overhead.py", "--quick"], ["startup.py", "1"]], ids=lambda command: command[0])
def test_a_benchmark_runs_and_prints_its_table(command, tmp_path):
    printed = run(str(ROOT / "benchmarks" / command[0]), *command[1:], folder=tmp_path)
    assert "|---|" in printed


def test_the_regrets_in_the_guide_are_those_of_the_benchmark():
    shown = (ROOT / "docs" / "finding_an_lr.md").read_text().partition("## How far to trust each")[2]
    rows = re.findall(r"^\| .*?\| ([\d.]+ \| [\d.]+ \| [\d.]+) \|", shown, re.M)
    assert len(rows) == 5
    measured = (ROOT / "benchmarks" / "README.md").read_text()
    assert [row for row in rows if f"| {row} |" not in measured] == []


def test_the_readme_is_short():
    assert len(README.split()) <= 1500


def test_every_relative_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []
