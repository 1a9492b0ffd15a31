"""The outcome of a sweep: its points, ranked."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lr_callbacks.sweep.axes import is_lr, label, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

State = Literal["complete", "pruned", "diverged"]
ORDER: tuple[State, ...] = ("complete", "pruned", "diverged")


@dataclass(frozen=True)
class Row:
    """A point of the grid and what came of it.

    Args:
        point: Axis -> value.
        values: The metric under each seed; NaN where the training diverged.
        state: "diverged" or "pruned" if the training was so under at least one seed.
        epochs: Epochs that were trained, all seeds together.
        seconds: Their duration.
        runs: Folders of the logs.

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

    @property
    def mean(self) -> float:
        """Mean of the metric over the seeds; NaN if one diverged."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """Standard deviation of the metric over the seeds (n - 1 in the denominator); NaN for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 and math.isfinite(self.mean) else math.nan


@dataclass(frozen=True)
class SweepTable:
    """A ranked list of points, best first; ``str()`` of it is the table for a terminal.

    Points rank by the mean of the metric over their seeds; points that were pruned come after those that were trained
    to the end, and those that diverged come last. Of equal ones the earlier point of the grid comes first.

    Args:
        metric: Name of the metric.
        mode: "min" if less is better, "max" if more is.
        rows: The points.
        suggestion: The range test's learning rate (LR), if one was asked for.

    Example:
        >>> rows = [Row({"lr": 0.1}, [0.5, 0.7]), Row({"lr": 1.0}, [math.nan], "diverged"), Row({"lr": 0.01}, [0.9])]
        >>> table = SweepTable.ranked("val_acc", "max", rows)
        >>> [row.point["lr"] for row in table.rows]
        [0.01, 0.1, 1.0]
    """

    metric: str
    mode: Literal["min", "max"]
    rows: list[Row]
    suggestion: float | None = None

    @classmethod
    def ranked(
        cls, metric: str, mode: Literal["min", "max"], rows: Sequence[Row], suggestion: float | None = None
    ) -> SweepTable:
        """The table of rows in any order."""
        sign = -1.0 if mode == "max" else 1.0

        def rank(row: Row) -> tuple[int, float]:
            return ORDER.index(row.state), 0.0 if row.state == "diverged" else sign * row.mean

        return cls(metric, mode, sorted(rows, key=rank), suggestion)

    @property
    def best(self) -> Row:
        """The first row.

        Raises:
            ValueError: If no point was trained to the end.
        """
        if not self.rows or self.rows[0].state == "diverged":
            raise ValueError(
                f"a sweep must have a point whose {self.metric} is finite, got {len(self.rows)} that diverged; "
                "add smaller learning rates"
            )
        return self.rows[0]

    def within(self, tolerance: float = 0.02) -> list[Row]:
        """The points that are nearly as good as the best: ``|mean - best| <= tolerance * |best|``.

        Args:
            tolerance: Share of the best value, such as 0.02 for 2 %.
        """
        best = self.best.mean
        return [row for row in self.rows if row.state == "complete" and abs(row.mean - best) <= tolerance * abs(best)]

    def lr_axis(self) -> str | None:
        """Name of the first axis that is a learning rate."""
        return next((name for row in self.rows for name in row.point if is_lr(name)), None)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw the metric against the learning rate on a logarithmic axis.

        Args:
            path: Where to save the picture; None saves nothing.

        Raises:
            ModuleNotFoundError: If matplotlib is missing; the message names the extra.
            ValueError: If no axis is a learning rate.
        """
        from lr_callbacks.sweep.picture import draw

        figure = draw(self)
        if path is not None:
            figure.savefig(path)
        return figure

    def to_csv(self, path: str | Path) -> None:
        """Write one line per point, best first."""
        with Path(path).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            names = list(self.rows[0].point) if self.rows else []
            writer.writerow([*names, self.metric, "spread", "seeds", "epochs", "seconds", "state"])
            for row in self.rows:
                facts = [row.mean, row.spread, len(row.values), row.epochs, round(row.seconds, 2), row.state]
                writer.writerow([*row.point.values(), *facts])

    def __str__(self) -> str:
        names = list(self.rows[0].point) if self.rows else []
        short = [name.rpartition(".")[2] for name in names]
        heads = short if len(set(short)) == len(short) else names
        lines = [["", *heads, self.metric, "spread", "seeds", "epochs", "seconds", ""]]
        for rank, row in enumerate(self.rows, start=1):
            spread = "" if math.isnan(row.spread) else f"{row.spread:.2g}"
            value = "" if row.state == "diverged" else f"{row.mean:.4g}"
            note = "" if row.state == "complete" else row.state
            counts = [str(len(row.values)), str(row.epochs), f"{row.seconds:.1f}"]
            lines.append([str(rank), *map(show, row.point.values()), value, spread, *counts, note])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    def verdict(self) -> str:
        """The outcome in one or two sentences, and whether the grid was wide enough."""
        best = self.best
        text = f"Best: {label(best.point)} with {self.metric} {best.mean:.4g}."
        axis = self.lr_axis()
        if axis is None:
            return text
        lrs = sorted({row.point[axis] for row in self.rows})
        good = sorted(row.point[axis] for row in self.within())
        text += f" Within 2 % of it: LRs from {good[0]:.4g} to {good[-1]:.4g}."
        if len(lrs) > 1 and best.point[axis] in (lrs[0], lrs[-1]):
            side = "smaller" if best.point[axis] == lrs[0] else "larger"
            text += f" The best LR is at the edge of the grid: try {side} ones too."
        return text
