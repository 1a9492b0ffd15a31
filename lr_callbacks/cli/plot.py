"""`lr-callbacks plot`: the LRs that configurations will use, step by step, without training."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

FORMATS = (".png", ".svg", ".pdf")


def plot(
    cli: Any,
    model: Any = None,
    datamodule: Any = None,
    *,
    png: str | None = "RUNS/plot/NAME.png",
    csv: str | None = "RUNS/plot/NAME.csv",
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    metrics: list[float] | None = None,
    log: bool = False,
) -> None:
    """Draw LR and momentum of one or more configurations without training.

    Args:
        cli: The command line that runs.
        model: Not used; each configuration is built by itself.
        datamodule: Likewise.
        png: File of the picture; its suffix gives the format (.png, .svg, .pdf). RUNS stands for the folder of all
            runs, NAME for the names of the configurations; null writes none.
        csv: File of the table, one row for each optimizer step; null writes none.
        total_steps: Number of optimizer steps to draw (default: the length of the run). With max_time: number of
            equidistant points in time.
        steps_per_epoch: Optimizer steps per epoch, if it cannot be determined (manual optimization with several
            optimizers).
        metrics: Values of the metric for plateau reductions, one for each evaluation, such as [1.0,0.6,0.6,0.6].
        log: Make the LR axis of the picture logarithmic.
    """
    from lr_callbacks.cli.curves import curves_of
    from lr_callbacks.core.arguments import require
    from lr_callbacks.plotting import terminal_chart, write_csv, write_picture

    if png is not None:
        require(Path(png).suffix in FORMATS, "png", f"a file whose name ends with one of {', '.join(FORMATS)}", png)
    lengths = {"total_steps": total_steps, "steps_per_epoch": steps_per_epoch}
    lrs: dict[str, list[float]] = {}
    momenta: dict[str, list[float]] = {}
    names: list[str] = []
    axes: list[str] = []
    listeners: list[str] = []
    for built in cli.each_configuration():
        listeners += listening(built.trainer.callbacks)
        curves, over = curves_of(built.trainer, built.model, built.datamodule, **lengths, metrics=metrics or [])
        names.append(unlike(built.name, names))
        axes.append(over)
        for curve in curves:
            label = f"{names[-1]} {curve.label}".strip()
            lrs[label] = curve.lrs
            if curve.momenta:
                momenta[label] = curve.momenta
    if len(set(axes)) > 1:
        first, second = list(dict.fromkeys(axes))[:2]
        raise ValueError(
            f"the configurations cannot share an axis: one counts {first}, another {second}. Plot them one by one"
        )
    cli.curves, cli.momenta = list(lrs.items()), momenta
    lines = ["", terminal_chart(lrs, over=axes[0])]
    if momenta:
        lines += ["", "momentum", terminal_chart(momenta, height=6, over=axes[0], below=lrs)]
    lines.append("")
    for title, asked in (("Picture", png), ("Table", csv)):
        if asked is None:
            continue
        file = Path(asked.replace("RUNS", str(cli.runs)).replace("NAME", "+".join(names)[:100]))
        file.parent.mkdir(parents=True, exist_ok=True)
        if title == "Picture":
            write_picture(lrs, file, log=log, over=axes[0], momenta=momenta)
        else:
            write_csv({**lrs, **{f"{label} momentum": values for label, values in momenta.items()}}, file, over=axes[0])
        lines.append(f"{title:<12}{file}")
    if listeners and not metrics:
        lines.append(
            f"{', '.join(dict.fromkeys(listeners))} depends on a metric and is not drawn. To draw it, give the "
            "value of each evaluation: --metrics '[1.0,0.6,0.6]'"
        )
    sys.stdout.write("\n".join([*lines, ""]))


def listening(callbacks: Sequence[Any]) -> list[str]:
    """Class names of the callbacks that depend on a metric."""
    from lr_callbacks.callbacks.base import LRCallback

    driving = [callback for callback in callbacks if isinstance(callback, LRCallback)]
    return [type(callback).__name__ for callback in driving if getattr(callback, "monitor", None) is not None]


def unlike(name: str, others: Collection[str]) -> str:
    """The name of a configuration, with a number if there is another one of that name.

    Example:
        >>> unlike("sgdr", ["sgdr"]), unlike("sgd", ["sgdr"])
        ('sgdr (2)', 'sgd')
    """
    wanted, number = name, 1
    while wanted in others:
        number += 1
        wanted = f"{name} ({number})"
    return wanted
