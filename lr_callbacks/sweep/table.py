"""The outcome of a sweep: its points, ranked."""

from __future__ import annotations

import csv
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lr_callbacks.extras import require_extra
from lr_callbacks.sweep.axes import is_lr, label, short, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

State = Literal["complete", "pruned", "diverged", "dead"]
Mode = Literal["min", "max"]
Interval = tuple[float, float] | None
ORDER: tuple[State, ...] = ("complete", "pruned", "diverged", "dead")


@dataclass
class Row:
    """The results of one point of the grid.

    Args:
        point: Axis -> value.
        values: The metric for each seed; NaN where the training diverged.
        state: The worst over the seeds: "complete", "pruned", "diverged", or "dead" where the process died.
        epochs: Trained epochs, summed over the seeds.
        seconds: Their duration.
        runs: Log folders.
        deaths: Number of crashes and out-of-memory errors, if the point was given up because of them.
        skipped: Number of seeds that were not trained because the point was pruned for another seed.

    Example:
        >>> row = Row({"lr": 0.1}, [0.5, 0.7])
        >>> round(row.mean, 3), round(row.spread, 3)
        (0.6, 0.141)
    """

    point: dict[str, Any]
    values: list[float]
    state: State = "complete"
    epochs: int = 0
    seconds: float = 0.0
    runs: list[str] = field(default_factory=list)
    deaths: int = 0
    skipped: int = 0

    @property
    def mean(self) -> float:
        """Mean of the metric over the seeds; NaN if one diverged or died."""
        return statistics.fmean(self.values) if self.is_ranked else math.nan

    @property
    def is_ranked(self) -> bool:
        """Whether each training has a finite value."""
        return self.state in ("complete", "pruned") and bool(self.values)

    @property
    def note(self) -> str:
        """The last column of the table: nothing for a point that was trained to the end."""
        if self.state == "dead":
            return "died once" if self.deaths == 1 else f"died {self.deaths} times"
        said = "" if self.state == "complete" else self.state
        seeds = len(self.values) + self.skipped
        return f"{said}, {self.skipped} of {seeds} seeds not trained" if self.skipped else said

    @property
    def spread(self) -> float:
        """Standard deviation of the metric over the seeds (n - 1 in the denominator); NaN for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 and math.isfinite(self.mean) else math.nan


@dataclass(frozen=True)
class SweepTable:
    """The points of a sweep, best first; ``str(table)`` is the table for a terminal.

    Points are ranked by the mean of the metric over the seeds. Pruned points come after those trained to the end, then
    those that diverged, then those that were given up. Ties keep the order of the grid.

    Args:
        metric: Name of the metric.
        mode: "min": lower is better, "max": higher is better.
        rows: The points.
        suggestion: Learning rate (LR) suggested by the range test, if any.
        interval: Lowest and highest LR of the range test's interval, if any.

    Example:
        >>> rows = [Row({"lr": 0.1}, [0.5, 0.7]), Row({"lr": 1.0}, [math.nan], "diverged"), Row({"lr": 0.01}, [0.9])]
        >>> table = SweepTable.ranked("val_acc", "max", rows)
        >>> [row.point["lr"] for row in table.rows]
        [0.01, 0.1, 1.0]
    """

    metric: str
    mode: Mode
    rows: list[Row]
    suggestion: float | None = None
    interval: Interval = None

    @classmethod
    def ranked(
        cls, metric: str, mode: Mode, rows: Sequence[Row], suggestion: float | None = None, interval: Interval = None
    ) -> SweepTable:
        """Make a table of rows in any order."""
        sign = -1.0 if mode == "max" else 1.0

        def rank(row: Row) -> tuple[int, float]:
            return ORDER.index(row.state), sign * row.mean if row.is_ranked else 0.0

        return cls(metric, mode, sorted(rows, key=rank), suggestion, interval)

    @property
    def best(self) -> Row:
        """The best point that was trained to the end for each seed.

        Raises:
            ValueError: If there is none.
        """
        if self.rows and self.rows[0].state == "complete":
            return self.rows[0]
        counts = Counter(row.state for row in self.rows)
        ends = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state]) or "no point"
        way = "leave the pruner out, or add points" if counts["pruned"] else "add smaller learning rates"
        raise ValueError(f"a sweep must have a point that was trained to the end, got {ends}; {way}")

    def within(self, tolerance: float = 0.02) -> list[Row]:
        """Return the points with ``|mean - best| <= tolerance * |best|``.

        Args:
            tolerance: Fraction of the best value, e.g. 0.02 for 2 %.
        """
        best = self.best.mean
        return [row for row in self.rows if row.state == "complete" and abs(row.mean - best) <= tolerance * abs(best)]

    def lr_axis(self) -> str | None:
        """Return the name of the first axis that is a learning rate."""
        return next((name for row in self.rows for name in row.point if is_lr(name)), None)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Plot the metric over the learning rate on a logarithmic axis.

        Args:
            path: Where to save the plot; None does not save it.

        Raises:
            ModuleNotFoundError: If matplotlib is missing; the message names the extra.
            ValueError: If no axis is a learning rate.
        """
        figure = _draw(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def to_csv(self, path: str | Path) -> None:
        """Write one line per point, best first."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            names = list(self.rows[0].point) if self.rows else []
            writer.writerow([*names, self.metric, "spread", "seeds", "epochs", "seconds", "state"])
            for row in self.rows:
                facts = [row.mean, row.spread, len(row.values), row.epochs, round(row.seconds, 2), row.state]
                writer.writerow([*row.point.values(), *facts])

    def __str__(self) -> str:
        names = list(self.rows[0].point) if self.rows else []
        lines = [["", *short(names).values(), self.metric, "spread", "seeds", "epochs", "seconds", ""]]
        for rank, row in enumerate(self.rows, start=1):
            spread = "" if math.isnan(row.spread) else f"{row.spread:.2g}"
            value = f"{row.mean:.4g}" if row.is_ranked else ""
            counts = [str(len(row.values)), str(row.epochs), f"{row.seconds:.1f}"]
            lines.append([str(rank), *map(show, row.point.values()), value, spread, *counts, row.note])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def verdict(self) -> str:
        """Return the conclusions, one per line: best point, whether the grid was wide enough, points without result."""
        best = self.best
        said = [f"Best: {label(best.point)} with {self.metric} {best.mean:.4g}."]
        axis = self.lr_axis()
        if axis is not None:
            lrs = sorted({row.point[axis] for row in self.rows if row.point[axis] is not None})
            good = sorted({row.point[axis] for row in self.within()})
            near = f"LRs from {good[0]:.4g} to {good[-1]:.4g}" if len(good) > 1 else "no other LR"
            said.append(f"Within 2 % of it: {near}.")
            if self.suggestion is not None:
                side = "inside" if good[0] <= self.suggestion <= good[-1] else "outside"
                nearest = min(lrs, key=lambda lr: abs(math.log(lr / (self.suggestion or 1.0))))
                where = f"{side} that range" if len(good) > 1 else f"the LR of the grid next to it is {nearest:.4g}"
                interval = " ({:.4g} to {:.4g})".format(*self.interval) if self.interval else ""
                said.append(f"The LR range test suggests {self.suggestion:.4g}{interval}, {where}.")
            if len(lrs) > 1 and best.point[axis] in (lrs[0], lrs[-1]):
                side = "smaller" if best.point[axis] == lrs[0] else "larger"
                said.append(f"The best LR is at the edge of the grid: try {side} ones too.")
        dead = [row for row in self.rows if row.state == "dead"]
        if dead:
            more = max(row.deaths for row in dead) + 1
            said += [f"Without a result: {label(row.point)}, {row.note}." for row in dead]
            said.append(f"To try {'it' if len(dead) == 1 else 'them'} again: max_deaths {more}.")
        return "\n".join(said)


def _draw(table: SweepTable) -> Figure:
    """Plot a line per combination of the other axes, a dot per seed, a ring for pruned, a cross for no result.

    The LRs within 2 % of the best value are shaded, on the line of the best point.
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
            if lost:
                at = axes.get_xaxis_transform()
                axes.plot(lost, [edge] * len(lost), marker, color=color, transform=at, label=state)
    if any(row.state == "complete" for row in table.rows):
        _mark_best(axes, table, axis)
    if table.interval is not None:
        axes.axvspan(*table.interval, color="black", alpha=0.08, label="interval of the range test")
    if table.suggestion is not None:
        name = f"range test suggests {table.suggestion:.3g}"
        axes.axvline(table.suggestion, color="black", linestyle="--", label=name)
    axes.set(xlabel=axis, ylabel=table.metric, title=f"{table.metric} against {axis.rpartition('.')[2]}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _lines(table: SweepTable, axis: str) -> dict[str, list[Row]]:
    """Values of the other axes -> rows by increasing LR."""
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
