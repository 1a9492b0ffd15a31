"""What `lr-callbacks sweep` makes of its configuration: the grid, the trials, and the files at the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import yaml

from lr_callbacks.cli import RUNS
from lr_callbacks.commands.trial_cli import TrialCLI
from lr_callbacks.sweep.axes import label, show
from lr_callbacks.sweep.config import SCHEDULE, at_point, find_lr, for_trial
from lr_callbacks.sweep.refit import train_on_everything
from lr_callbacks.sweep.table import SweepTable
from lr_callbacks.terminal import say

if TYPE_CHECKING:
    from lr_callbacks.cli import LRCallbacksCLI

SECTIONS = ("seed_everything", "trainer", "model", "data")
OF_THE_MACHINE = ("devices", "default_root_dir", "enable_progress_bar", "enable_model_summary", "logger", "profiler")
"""Entries of the trainer in which the workers of one sweep may differ."""


class SweepRun:
    """The configuration of a sweep, and how a trial is made from it.

    Args:
        cli: The command line that runs the sweep.
        lr: Learning rates (LRs), or None.
        lr_key: Where the LR stands, or None for the usual places.
        grid: Other axes, as lists of an entry and its values.
        schedules: Name -> list of callbacks.

    Raises:
        ValueError: If an axis is no entry of the configuration, has no values, or is given twice.
    """

    def __init__(
        self,
        cli: LRCallbacksCLI,
        lr: list[float] | None,
        lr_key: str | None,
        grid: list[list[Any]] | None,
        schedules: Any,
    ) -> None:
        dumped = yaml.safe_load(cli.parser.dump(cli.config, skip_none=False))[str(cli.subcommand)]
        self.config: dict[str, Any] = {name: dumped[name] for name in SECTIONS if name in dumped}
        self.folder = Path(self.config["trainer"]["default_root_dir"] or RUNS, str(dumped["name"]))
        self.seed = int(self.config["seed_everything"] or 0)
        self.schedules = {name: list(callbacks or []) for name, callbacks in (dumped["schedules"] or {}).items()}
        self.axes: dict[str, list[Any]] = {}
        self.lr_key = lr_key
        if lr is not None:
            self.lr_key = lr_key or find_lr(self.config)
            self.axes["lr"] = lr
        if schedules:
            self.axes[SCHEDULE] = list(self.schedules)
        for name, *values in grid or []:
            if name in self.axes:
                raise ValueError(f"an axis of the grid must be given once, got {name!r} again; put its values together")
            self.axes[str(name)] = [_plain(value) for value in values]
        for name, values in self.axes.items():
            for value in values[:1]:
                at_point(self.config, {name: value}, self.lr_key, self.schedules)

    @property
    def settings(self) -> dict[str, Any]:
        """What the results depend on: without it the sweep cannot go on."""
        trainer = {name: value for name, value in self.config["trainer"].items() if name not in OF_THE_MACHINE}
        return {"config": {**self.config, "trainer": trainer}, "lr_key": self.lr_key, "schedules": self.schedules}

    def build(self, point: dict[str, Any], **trainer: Any) -> tuple[Any, ...]:
        """Trainer, model and data of a trial; its logs go to a folder that is named after the point and the seed."""
        import torch

        seed = torch.initial_seed()  # just set, by the search
        config = for_trial(at_point(self.config, point, self.lr_key, self.schedules), str(self.folder))
        config["trainer"] |= trainer
        made = TrialCLI({**config, "seed_everything": seed, "name": _folder_name({**point, "seed": seed})})
        return made.trainer, made.model, made.datamodule

    def range_test(self) -> float | None:
        """The suggestion of the LR range test for the configuration as it is; the test itself says how it came to it.

        Raises:
            ValueError: If this installation has no range test.
        """
        try:
            from lr_callbacks import lr_range_test
        except ImportError:
            raise ValueError(
                "--with-range-test needs the LR range test, which this version does not have; leave it out"
            ) from None
        from lightning.pytorch import seed_everything

        seed_everything(self.seed, workers=True, verbose=False)
        trainer, model, datamodule = self.build({}, logger=False)
        return lr_range_test(trainer, model, datamodule).suggestion

    def report(self, table: SweepTable) -> None:
        """Write table, picture and best configuration, and say where they are."""
        try:
            verdict = table.verdict()
        except ValueError:
            say([str(table)])
            raise
        lines = [str(table), "", verdict]
        table.to_csv(self.folder / "table.csv")
        lines.append(f"Table       {self.folder / 'table.csv'}")
        if table.lr_axis():
            table.plot(self.folder / "sweep.png")
            lines.append(f"Picture     {self.folder / 'sweep.png'}")
        lines.append(f"Train it    lr-callbacks fit --config {quote(str(self.write_best(table)))}")
        lines.append(f"Compare     tensorboard --logdir {quote(str(self.folder))}")
        say(lines)

    def write_best(self, table: SweepTable) -> Path:
        """Write the configuration of the best point, complete."""
        best = self.folder / "best.yaml"
        row = table.best
        config = at_point(self.config, row.point, self.lr_key, self.schedules)
        head = f"# The best of {len(table.rows)} points: {label(row.point)}, {table.metric} {row.mean:.4g}.\n"
        head += f"#\n#   lr-callbacks fit --config {best}\n\n"
        best.write_text(head + yaml.safe_dump(config, sort_keys=False))
        return best

    def refit(self, table: SweepTable) -> None:
        """Train at the best point on training and validation data together, and keep the network.

        Raises:
            ValueError: If there is no datamodule, or its loaders cannot be joined.
        """
        config = at_point(self.config, table.best.point, self.lr_key, self.schedules)
        config["trainer"] |= {"default_root_dir": str(self.folder), "limit_val_batches": 0}
        made = TrialCLI({**config, "name": "refit"})
        if made.datamodule is None:
            raise ValueError("--refit needs a datamodule, got loaders of the module; train with best.yaml instead")
        train_on_everything(made.datamodule)
        made.trainer.fit(made.model, datamodule=made.datamodule)
        checkpoint = getattr(made.trainer.checkpoint_callback, "best_model_path", "")
        say([f"Trained on training and validation data: {checkpoint}"])


def _folder_name(point: dict[str, Any]) -> str:
    """Such as "lr=0.1,seed=42"."""
    text = ",".join(f"{name.rpartition('.')[2]}={show(value)}" for name, value in point.items())
    return re.sub(r"[^\w.,=+-]+", "_", text)


def _plain(word: Any) -> Any:
    """A word of the command line as the number or boolean that it stands for."""
    if not isinstance(word, str):
        return word
    try:
        return json.loads(word)
    except json.JSONDecodeError:
        try:
            return float(word)
        except ValueError:
            return {"true": True, "false": False, "null": None}.get(word.lower(), word)
