"""`lr-callbacks plot`: the LRs that configurations will use, step by step, before any training."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMATS = (".png", ".svg", ".pdf")


def plot(
    cli: Any,
    model: Any,
    datamodule: Any = None,
    *,
    png: str = "lr_plot.png",
    csv: str = "lr_plot.csv",
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    metrics: list[float] | None = None,
    log: bool = False,
) -> None:
    """Draw the learning rates of one or more configurations without training.

    Args:
        cli: The command line that runs.
        model: The module whose optimizers are driven.
        datamodule: The data, asked for nothing but its length.
        png: Write the picture to this file; its suffix chooses the format (.png, .svg, .pdf).
        csv: Write the table to this file, one row for each optimizer step.
        total_steps: Draw so many optimizer steps; by default as many as the run has. In a run that goes by the wall
            clock these are points of time, all equally far apart.
        steps_per_epoch: Take an epoch to have so many optimizer steps; needed where nobody can know it (manual
            optimization with several optimizers).
        metrics: Let plateau reductions see these values of their metric, one for each evaluation.
        log: Make the LR axis of the picture logarithmic.
    """
    from lr_callbacks.core.arguments import require
    from lr_callbacks.plotting import terminal_chart, write_csv, write_picture

    require(Path(png).suffix in FORMATS, "png", f"a file whose name ends with one of {', '.join(FORMATS)}", png)

    configs = [str(path) for path in cli.config[cli.subcommand]["config"] or []]
    if len(configs) > 1 and not getattr(cli, "draws_one", False):
        one_of_several = type("OneOfSeveral", (type(cli),), {"draws_one": True})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*args parameter is intended to run from within Python")
            parts = [one_of_several(words) for words in one_by_one(cli.command_line)]
        curves: dict[str, list[float]] = {}
        for part in parts:
            name = unlike(part.config[part.subcommand]["name"], curves)
            curves |= {f"{name} {label}".strip(): lrs for label, lrs in part.curves}
        axes = list(dict.fromkeys(part.over for part in parts))
        if len(axes) > 1:
            raise ValueError(f"the configurations cannot share an axis: one counts {axes[0]}, one {axes[1]}; plot each")
        cli.over = axes[0]
    else:
        lengths = {"total_steps": total_steps, "steps_per_epoch": steps_per_epoch}
        cli.curves, cli.over = curves_of(cli.trainer, model, datamodule, **lengths, metrics=metrics or [])
        if getattr(cli, "draws_one", False):
            return
        curves = {f"{cli.config[cli.subcommand]['name']} {label}".strip(): lrs for label, lrs in cli.curves}
    for file in (png, csv):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    write_csv(curves, csv, over=cli.over)
    write_picture(curves, png, log=log, over=cli.over)
    sys.stdout.write(f"\n{terminal_chart(curves, over=cli.over)}\n\nPicture     {Path(png)}\nTable       {Path(csv)}\n")


def unlike(name: str, curves: Mapping[str, object]) -> str:
    """The name of a configuration, with a number if there are curves of another one of that name.

    Example:
        >>> unlike("sgdr", {"sgdr group 0": [], "sgdr group 1": []})
        'sgdr (2)'
        >>> unlike("sgd", {"sgdr": []})
        'sgd'
    """
    wanted, number = name, 1
    while any(known == wanted or known.startswith(f"{wanted} ") for known in curves):
        number += 1
        wanted = f"{name} ({number})"
    return wanted


def one_by_one(command_line: list[str]) -> list[list[str]]:
    """The command line once for each of its configurations, with that one alone.

    Example:
        >>> one_by_one(["plot", "--config", "a.yaml", "--log=true", "--config=b.yaml"])
        [['plot', '--log=true', '--config=a.yaml'], ['plot', '--log=true', '--config=b.yaml']]
    """
    configs, rest, left = [], [], iter(command_line)
    for word in left:
        if word in ("--config", "-c"):
            configs.append(next(left))
        elif word.startswith("--config="):
            configs.append(word.partition("=")[2])
        else:
            rest.append(word)
    return [[*rest, f"--config={config}"] for config in configs]


def curves_of(
    trainer: Any,
    model: Any,
    datamodule: Any,
    *,
    total_steps: int | None,
    steps_per_epoch: int | None,
    metrics: list[float],
) -> tuple[list[tuple[str, list[float]]], str]:
    """The LRs of every parameter group of every optimizer, a label and the LR at each step, and what the steps are.

    A real fit is started, so that everything is resolved as it will be, and left before its first batch.
    """
    from contextlib import suppress
    from dataclasses import replace

    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import Checkpoint, LearningRateMonitor, ModelSummary, ProgressBar

    from lr_callbacks.callbacks.base import LRCallback
    from lr_callbacks.callbacks.foreign import StandIn
    from lr_callbacks.core import param_groups as pg
    from lr_callbacks.core.run_length import RunLength, run_length_of
    from lr_callbacks.core.wall_clock import TimeLimit, goes_by_time, time_limit
    from lr_callbacks.plotting import STEPS
    from lr_callbacks.preview import rehearse

    class Left(Exception):  # noqa: N818  it is no error
        pass

    class LookAndLeave(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.run = run_length_of(trainer)
            self.optimizers = [
                StandIn([pg.copy_for_stand_in({pg.BASE_LR: g["lr"], **g}) for g in o.param_groups], o.defaults)
                for o in trainer.optimizers
            ]
            raise Left

    apart = (Checkpoint, LearningRateMonitor, ModelSummary, ProgressBar)
    look = LookAndLeave()
    trainer.callbacks = [
        callback
        for callback in trainer.callbacks
        if not isinstance(callback, apart)
        and (callback.drives or callback.takes_out if isinstance(callback, LRCallback) else True)
    ] + [look]
    trainer.loggers, trainer.num_sanity_val_steps = [], 0
    callbacks = list(trainer.callbacks)
    driving = [callback for callback in callbacks if isinstance(callback, LRCallback)]
    limit = time_limit(trainer)
    with suppress(Left):
        trainer.fit(model, datamodule=datamodule)
    if goes_by_time(driving, look.run, limit):
        run: RunLength = TimeLimit(limit)
    else:
        run = look.run if total_steps is None else replace(look.run, total_steps=total_steps)
        run = run if steps_per_epoch is None else replace(run, epochs=((0, steps_per_epoch),))
    if not isinstance(run, RunLength) or run.total_steps is None:
        raise run.unknown("plot draws to the end of the run; write --total_steps=1000, for it needs the run's length")
    curves = []
    for index, optimizer in enumerate(look.optimizers):
        lrs = rehearse(callbacks, optimizer, run, metrics=metrics, index=index, points=total_steps)
        which = f"optimizer {index} " if len(look.optimizers) > 1 else ""
        for number, group in enumerate(optimizer.param_groups):
            label = f"{which}group {group.get('name', number)}" if lrs.shape[1] > 1 else which.strip()
            curves.append((label, lrs[:, number].tolist()))
    if isinstance(run, TimeLimit):
        return curves, f"time, in 1/{total_steps or 1000} of {run.length(run.total_steps)}"
    return curves, STEPS
