"""The recipes of docs/sweep.md for other engines. That of the proxy is in test_sweep_storage.py."""

import contextlib
import os
import re
import warnings
from pathlib import Path

import pytest
from processes import start
from support import Net, loader, sgd, trainer

from lr_callbacks.sweep import run_trial

PAGE = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text()
LRS = [0.001, 0.01, 0.1]


def build(lr):
    return trainer(max_epochs=1), Net(sgd([lr])), loader(4), loader(2)


def recipe(word):
    """The Python block of the page that has a word."""
    (block,) = [block for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S) if word in block]
    return compile(block, "sweep.md", "exec")


def job(folder, number):
    """One job of an array, which prints to a file."""
    warnings.simplefilter("ignore")
    os.environ["SLURM_ARRAY_TASK_ID"] = str(number)
    with Path(folder, str(number)).open("w") as file, contextlib.redirect_stdout(file):
        exec(recipe("SLURM_ARRAY_TASK_ID"), {"build": build})


def test_each_job_of_an_array_trains_its_own_point_in_a_process_of_its_own(tmp_path):
    jobs = [start(job, str(tmp_path), number) for number in range(2)]
    for process in jobs:
        process.join(100)
    said = [float((tmp_path / str(number)).read_text().splitlines()[-1]) for number in range(2)]
    assert said == [run_trial(build, {"lr": lr}).value for lr in LRS[:2]]


def test_ray_tune_trains_a_grid():
    pytest.importorskip("ray.tune")
    made = {"build": build, "run_trial": run_trial}
    exec(recipe("from ray import tune"), made)
    found = {result.config["lr"]: result.metrics["val_loss"] for result in made["results"]}
    assert found == {lr: pytest.approx(run_trial(build, {"lr": lr}).value, rel=1e-5) for lr in LRS}


def test_a_function_for_an_agent_of_wandb_logs_the_metric_of_its_point(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    logged = []
    init = wandb.init

    def start_run():
        run = init(config={"lr": 0.01})  # which an agent sets
        monkeypatch.setattr(type(run), "log", lambda self, values: logged.append(values))
        return run

    monkeypatch.setattr(wandb, "init", start_run)
    made = {"build": build, "run_trial": run_trial}
    exec(recipe("import wandb"), made)
    made["trial"]()
    assert logged == [{"val_loss": run_trial(build, {"lr": 0.01}).value}]
