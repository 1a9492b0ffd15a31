"""LR curves as a picture, as CSV, and as a small chart on a terminal."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from lr_callbacks.core.arguments import require
from lr_callbacks.extras import require_extra

Curves = Mapping[str, Sequence[float]]
"""What a curve is called -> its LR at each optimizer step, from step 0."""

STEPS = "optimizer step"
"""What curves are drawn over, unless their runs go by the wall clock."""
MARKS = "●○◆◇■□▲△"


def write_csv(curves: Curves, path: str | Path, *, over: str = STEPS) -> None:
    """Write one row for each optimizer step and one column for each curve; a curve that has ended leaves cells empty.

    Args:
        curves: The curves; at least one.
        path: Where to write.
        over: What the rows are.
    """
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step" if over == STEPS else over, *curves])
        for step in range(max(map(len, curves.values()))):
            writer.writerow([step, *(repr(lrs[step]) if step < len(lrs) else "" for lrs in curves.values())])


def write_picture(
    curves: Curves, path: str | Path, *, log: bool = False, over: str = STEPS, momenta: Curves | None = None
) -> None:
    """Draw all curves over the optimizer steps.

    Args:
        curves: The curves; at least one.
        path: Where to write; its suffix chooses the format (``.png``, ``.svg``, ``.pdf``).
        log: Whether the LR axis is logarithmic.
        over: What the horizontal axis counts.
        momenta: Momentum at each step, under the name of the LR curve that it goes with; drawn below the LRs.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed; the message names the extra.
    """
    require_extra("plot", "matplotlib", what="The picture of LRs")
    from matplotlib.figure import Figure

    rows = 2 if momenta else 1
    figure = Figure(figsize=(8, 4 if rows == 1 else 5.5), layout="constrained")
    panels = figure.subplots(rows, sharex=True, squeeze=False, height_ratios=[2, 1][:rows])[:, 0]
    colors = {name: f"C{number % 10}" for number, name in enumerate(curves)}
    for axes, values in zip(panels, (curves, momenta or {}), strict=False):
        for name, series in values.items():
            axes.plot(range(len(series)), series, label=name, color=colors.get(name), drawstyle="steps-post")
        axes.grid(alpha=0.3)
    panels[0].set(ylabel="learning rate", yscale="log" if log else "linear")
    if momenta:
        panels[1].set(ylabel="momentum")
    panels[-1].set(xlabel=over)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)))
    figure.savefig(path, dpi=120)


def terminal_chart(
    curves: Curves, *, width: int = 72, height: int = 12, over: str = STEPS, below: Curves | None = None
) -> str:
    """The curves in characters, with the largest and the smallest LR at the side.

    Args:
        curves: The curves; at least one. Where two meet, the first is seen.
        width: Columns of the chart itself, >= 2.
        height: Its rows, >= 2.
        over: What the horizontal axis counts.
        below: Curves of a chart above this one, whose steps and marks it shares.

    Raises:
        ValueError: If there is nothing to draw, or no room for it.

    Example:
        >>> print(terminal_chart({"up": [0.0, 0.5, 1.0]}, width=3, height=3))
                 1 │  ●
                   │ ●
                 0 │●
                   └───
                    0 … 2 optimizer steps
        ● up
    """
    require(bool(curves) and all(curves.values()), "curves", "at least one, with a step at least", curves)
    require(width >= 2 and height >= 2, "width and height", "at least 2", (width, height))
    shared = below or curves
    marks = dict(zip(shared, MARKS * len(shared), strict=False))
    steps = max(map(len, shared.values()))
    low, high = min(map(min, curves.values())), max(map(max, curves.values()))
    rows = [[" "] * width for _ in range(height)]
    for name, lrs in reversed(list(curves.items())):
        for column in range(width):
            step = round(column * (steps - 1) / (width - 1))
            if step < len(lrs):
                level = (lrs[step] - low) / (high - low) if high > low else 0.0
                rows[round((1 - level) * (height - 1))][column] = marks[name]
    sides = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    lines = [f"{sides.get(number, ''):>10} │{''.join(row)}".rstrip() for number, row in enumerate(rows)]
    lines += [
        " " * 11 + "└" + "─" * width,
        " " * 12 + f"0 … {steps - 1} {over}s" if over == STEPS else f"{' ' * 12}{over}",
    ]
    return "\n".join([*lines, *(f"{marks[name]} {name}" for name in curves)])
