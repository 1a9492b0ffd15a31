"""Up when a metric improves, down when it does not: what GreedyLR keeps, and its pure update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from lr_callbacks.schedules.arrays import Array
from lr_callbacks.schedules.plateau import PlateauRule, is_count, is_finite

Move = Literal[-1, 0, 1]


@dataclass(frozen=True)
class GreedyState:
    """What has been learnt from the evaluations so far.

    Attributes:
        best: Best value so far; None before the first finite one.
        num_good_evaluations: Improvements in a row.
        num_bad_evaluations: Evaluations without improvement in a row.
        waits: Evaluations that are left out after a move.
        num_at_min: Reductions since the last rise that have left all groups at their lowest.
        num_evaluations: How many evaluations have been seen.
    """

    best: float | None = None
    num_good_evaluations: int = 0
    num_bad_evaluations: int = 0
    waits: int = 0
    num_at_min: int = 0
    num_evaluations: int = 0

    def update(self, value: float, rule: PlateauRule, *, warmup: int = 0) -> tuple[GreedyState, Move]:
        """The state after one more evaluation, and the move: 1 up, -1 down, 0 none.

        Args:
            value: The metric; one that is NaN or infinite is no improvement and never becomes the best.
            rule: What counts as an improvement; its `cooldown` evaluations after a move down are left out.
            warmup: Evaluations after a move up that are left out.

        Example:
            >>> state, rule, moves = GreedyState(), PlateauRule(patience=1), []
            >>> for loss in (4.0, 3.0, 3.0, 3.0):
            ...     state, move = state.update(loss, rule)
            ...     moves.append(move)
            >>> moves
            [0, 1, 0, -1]
        """
        seen = replace(self, num_evaluations=self.num_evaluations + 1)
        if self.waits > 0:
            return replace(seen, waits=self.waits - 1, num_good_evaluations=0, num_bad_evaluations=0), 0
        if rule.is_better(value, self.best):
            good = self.num_good_evaluations + 1
            after = replace(seen, best=value, num_good_evaluations=good, num_bad_evaluations=0)
            return (replace(after, num_good_evaluations=0, waits=warmup), 1) if good > rule.patience else (after, 0)
        bad = self.num_bad_evaluations + 1
        after = replace(seen, num_good_evaluations=0, num_bad_evaluations=bad)
        return (replace(after, num_bad_evaluations=0, waits=rule.cooldown), -1) if bad > rule.patience else (after, 0)

    @classmethod
    def from_dict(cls, saved: Mapping[str, object]) -> GreedyState:
        """The state that ``dataclasses.asdict`` made a dict of.

        Raises:
            ValueError: If a field is missing, unknown, or not a number of its kind.
        """
        names = {field.name for field in fields(cls)}
        if set(saved) != names:
            raise ValueError(f"the state of GreedyLR must have just the keys {sorted(names)}, got {saved!r}")
        for name, value in saved.items():
            if not (value is None or is_finite(value) if name == "best" else is_count(value)):
                raise ValueError(f"the state of GreedyLR is damaged: {name} is no number of its kind, got {value!r}")
        return cls(**saved)  # type: ignore[arg-type]


def greedy_move(now: Array, move: Move, *, factor: float, least: Array, most: Array, eps: Array) -> Array:
    """Return the factors of the groups after a move: divided by `factor` or multiplied by it, within bounds.

    Up: ``min(f / factor, most)``. Down: ``max(f * factor, least)``. A change by no more than `eps`, or against the
    direction of the move, is left out. All arguments but `move` and `factor` are rows with one entry for each group.

    Example:
        >>> row = np.array([1.0, 1.0])
        >>> bounds = {"least": np.array([0.1, 0.8]), "most": np.array([1.5, 9.0]), "eps": np.zeros(2)}
        >>> greedy_move(row, -1, factor=0.5, **bounds).tolist(), greedy_move(row, 1, factor=0.5, **bounds).tolist()
        ([0.5, 0.8], [1.5, 2.0])
    """
    after = np.minimum(now / factor, most) if move > 0 else np.maximum(now * factor, least)
    return np.where((after - now) * move > eps, after, now)
