"""The fits of the golden file: configurations, the battery over Trainers of all kinds, resumes, combinations."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path

import golden_fits as fits
import torch
from battery_schedules import SCHEDULES
from battery_trainers import KINDS, with_a_scaler
from cli_support import run as run_cli
from golden import Traces, Used
from lightning.pytorch.callbacks import Checkpoint
from support import fit, loader, trainer

CONFIGS = Path(__file__).parents[2] / "configs"
LEFT_OUT = ("range_test", "sweep", "one_cycle_auto", "wall_clock")
"""Their LRs are found by training, or depend on when a step begins."""

SHORT = ("--trainer.limit_train_batches=8", "--trainer.limit_val_batches=1", "--trainer.num_sanity_val_steps=0")
SILENT = ("--trainer.enable_checkpointing=false", "--trainer.logger=false")
CLASSES = ("--model=golden_fits.Tiny", "--data=DigitsDataModule")

OF_TRAINING = ("Lightning's LearningRateFinder before ours", "Lightning's LearningRateFinder after ours")
BY_TIME = ("max_time alone",)
NOT_DRIVING = [name for name, schedule in SCHEDULES.items() if not schedule.drives]


@contextmanager
def empty_place() -> Iterator[Path]:
    """A folder of its own to work in, with the arguments of a command line that has none."""
    before, arguments, path = Path.cwd(), sys.argv, list(sys.path)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.chdir(folder)
        sys.argv = ["lr-callbacks"]
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            sys.argv, sys.path[:] = arguments, path


# ---------------------------------------------------------------------- configurations
def of_a_configuration(path: Path) -> Traces:
    fits.Tiny.used = used = Used()
    with empty_place():
        run_cli("fit", f"--config={path}", *SHORT, *SILENT, *CLASSES)
    return used.traces


# ---------------------------------------------------------------------- the battery
def makes_sense(name: str, kind_name: str) -> bool:
    """Whether a schedule can be held in a Trainer; the others are refused."""
    schedule, kind = SCHEDULES[name], KINDS[kind_name]
    known = kind.planned is not None or not (schedule.to_end or schedule.by_epoch)
    return known and (kind.knows_epochs or not schedule.by_epoch) and (kind.logs or not schedule.evaluated)


def of_the_battery(name: str, kind_name: str) -> Traces:
    schedule, kind, used = SCHEDULES[name], KINDS[kind_name], Used()
    options = {"max_epochs": 3, **kind.options}  # a plateau needs a third evaluation
    if options.get("plugins") == "scaler":
        options["plugins"] = with_a_scaler()
    torch.manual_seed(0)
    with empty_place():
        ours, theirs = schedule.make(), kind.callbacks()
        saves = any(isinstance(callback, Checkpoint) for callback in ours)
        val = {"val_dataloaders": loader(1)} if kind.val or schedule.evaluated else {}
        run = trainer(*theirs, *ours, used, **{"enable_checkpointing": saves, **options})
        run.fit(kind.module(), train_dataloaders=kind.data(), **val)
    return used.traces


def battery() -> Iterator[tuple[str, str]]:
    """Each schedule in every fifth kind of Trainer, and two schedules in all of them."""
    kinds = [kind for kind in KINDS if kind not in (*OF_TRAINING, *BY_TIME)]
    for number, name in enumerate(name for name in SCHEDULES if name not in NOT_DRIVING):
        for other, kind in enumerate(kinds):
            whole = name in ("OneCycle", "three that multiply")
            sure = kind in ("two groups", "by hand, two optimizers", "BackboneFinetuning")
            saved_by_nobody = name == "SnapshotCheckpoint" and kind == "barebones"
            if (whole or sure or (number + other) % 5 == 0) and makes_sense(name, kind) and not saved_by_nobody:
                yield name, kind


# ---------------------------------------------------------------------- resumes and combinations
def of_a_resume(case: fits.Resume) -> Traces:
    whole, rest = Used("whole run, "), Used(f"resumed from batch {case.batch}, ")
    with empty_place() as folder:
        save = fits.SaveAtBatch(str(folder / "saved.ckpt"), case.batch)
        fit(*case.callbacks(), whole, save, module=case.module(), val=True, **case.options)
        fit(*case.callbacks(), rest, module=case.module(), val=True, ckpt_path=save.path, **case.options)
    return {**whole.traces, **rest.traces}


def of_a_combination(case: fits.Combination) -> Traces:
    used = Used()
    with empty_place():
        fit(*case.callbacks(), used, module=case.module(), val=True, **case.options)
    return used.traces


def all_cases() -> dict[str, Callable[[], Traces]]:
    """Every fit of the golden file by its name."""
    configs = [path for path in sorted(CONFIGS.glob("*.yaml")) if path.stem not in LEFT_OUT]
    return {
        **{f"configs/{path.name}": partial(of_a_configuration, path) for path in configs},
        **{f"{name}; {kind}": partial(of_the_battery, name, kind) for name, kind in battery()},
        **{f"resume: {name}": partial(of_a_resume, case) for name, case in fits.RESUMES.items()},
        **{f"combination: {name}": partial(of_a_combination, case) for name, case in fits.COMBINATIONS.items()},
    }
