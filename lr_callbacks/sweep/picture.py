"""The picture of a sweep: the metric against the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lr_callbacks.extras import require_extra
from lr_callbacks.sweep.axes import label
from lr_callbacks.sweep.table import Row, SweepTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(table: SweepTable) -> Figure:
    """One line per combination of the other axes, a dot per seed, a cross at the edge where a training has no result.

    A ring marks the points that were pruned: what they had reached when they were stopped.

    The LRs within 2 % of the best value are shaded, on the line that the best point is on.

    Args:
        table: The outcome.

    Raises:
        ModuleNotFoundError: If matplotlib is missing; the message names the extra.
        ValueError: If no axis is a learning rate.
    """
    require_extra("plot", "matplotlib", what="The picture of a sweep")
    from matplotlib.figure import Figure

    axis = table.lr_axis()
    if axis is None:
        raise ValueError(f"a picture needs a learning rate as an axis, got {', '.join(table.rows[0].point) or 'none'}")
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    for index, (name, rows) in enumerate(_lines(table, axis).items()):
        color = f"C{index % 10}"
        finite = [row for row in rows if row.is_ranked]
        axes.plot([row.point[axis] for row in finite], [row.mean for row in finite], color=color, label=name)
        dots = [(row.point[axis], value) for row in rows for value in row.values if math.isfinite(value)]
        axes.plot(*zip(*dots, strict=True) if dots else ([], []), "o", color=color, markersize=4)
        stopped = [(row.point[axis], row.mean) for row in rows if row.state == "pruned"]
        if stopped:
            axes.plot(*zip(*stopped, strict=True), "o", color=color, markersize=9, fillstyle="none", label="pruned")
        for state, marker in (("diverged", "x"), ("dead", "P")):
            lost = [row.point[axis] for row in rows if row.state == state]
            edge = 0.98 if table.mode == "min" else 0.02
            axes.plot(
                lost, [edge] * len(lost), marker, color=color, transform=axes.get_xaxis_transform(),
                label=state if lost else None,
            )  # fmt: skip
    if any(row.state == "complete" for row in table.rows):
        _mark_best(axes, table, axis)
    if table.suggestion is not None:
        axes.axvline(
            table.suggestion, color="black", linestyle="--", label=f"range test suggests {table.suggestion:.3g}"
        )
    axes.set(xlabel=axis, ylabel=table.metric, title=f"{table.metric} against {axis.rpartition('.')[2]}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _lines(table: SweepTable, axis: str) -> dict[str, list[Row]]:
    """Name of a line -> its rows by rising LR; the name is what the other axes have there."""
    lines: dict[str, list[Row]] = {}
    known = [row for row in table.rows if row.point[axis] is not None]  # one that died may not have told its point
    for row in sorted(known, key=lambda row: float(row.point[axis])):
        others = {name: value for name, value in row.point.items() if name != axis}
        lines.setdefault(label(others) or "mean over seeds", []).append(row)
    return lines


def _mark_best(axes: Any, table: SweepTable, axis: str) -> None:
    best = table.best
    others = {name: value for name, value in best.point.items() if name != axis}
    good = [row.point[axis] for row in table.within() if {**row.point, **others} == row.point]
    if len(good) > 1:
        axes.axvspan(min(good), max(good), color="green", alpha=0.1, label="within 2 % of the best")
    axes.plot([best.point[axis]], [best.mean], "*", color="green", markersize=14, label=f"best: {label(best.point)}")
