"""What other libraries expect of their schedules, typed from their tests and formulas: one table for each library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import lr_callbacks as lc

Expected = Sequence[Any] | dict[int, float] | Callable[[int], float]


@dataclass(frozen=True)
class Case:
    """A schedule of another library, said with our callbacks.

    Attributes:
        callbacks: How it is said here.
        expected: The values: a list from step 0 on, a tuple of lists with one for each group, some steps and their
            values, or a function of the step.
        base: The LR that each group is configured with.
        total: Steps of the run; None for as many as there are values.
        per_epoch: Steps of an epoch.
        param: Which entry of the groups.
        more: Further arguments of `preview`.
        rel: Relative tolerance.
        abs: Absolute tolerance.
    """

    callbacks: Sequence[Any]
    expected: Expected
    base: float | Sequence[float] = 1.0
    total: int | None = None
    per_epoch: int | None = None
    param: str = "lr"
    more: dict[str, Any] = field(default_factory=dict)
    rel: float = 1e-9
    abs: float = 1e-12

    @property
    def steps(self) -> int:
        """Steps of the run."""
        if self.total is not None:
            return self.total
        if isinstance(self.expected, dict):
            return max(self.expected) + 1
        return len(self.expected[0] if isinstance(self.expected, tuple) else self.expected)

    @property
    def is_plain(self) -> bool:
        """Whether it is an LR of at most two groups that depends on nothing but the step."""
        return self.param == "lr" and not self.more and (isinstance(self.base, float | int) or len(self.base) <= 2)

    def pairs(self, values: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
        """Values of a run, a row for each step, and what they should be."""
        if callable(self.expected):
            return [row[0] for row in values], [self.expected(step) for step in range(len(values))]
        if isinstance(self.expected, dict):
            return [values[step][0] for step in self.expected], list(self.expected.values())
        groups = self.expected if isinstance(self.expected, tuple) else (self.expected,)
        seen = [row[place] for place, of_group in enumerate(groups) for row in values[: len(of_group)]]
        return seen, [value for of_group in groups for value in of_group[: len(values)]]

    def preview(self) -> list[list[float]]:
        """The values by `preview`."""
        rows = lc.preview(list(self.callbacks), self.base, self.steps, self.per_epoch, param=self.param, **self.more)
        return rows.tolist()
