"""When a metric has stalled: the state that reduction on a plateau keeps, and its pure update."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from lr_callbacks.schedules.arrays import Array, Value

Mode = Literal["min", "max"]
ThresholdMode = Literal["rel", "abs"]


@dataclass(frozen=True)
class PlateauRule:
    """What counts as an improvement, and how many evaluations without one are tolerated.

    Attributes:
        mode: Whether lower (``"min"``) or higher (``"max"``) is better.
        patience: Evaluations without improvement that are tolerated; the next one reduces (torch's counting).
        threshold: Smallest improvement that counts.
        threshold_mode: ``"rel"``: a fraction of the best value's size; ``"abs"``: the metric's own unit.
        cooldown: Evaluations after a reduction in which bad ones are not counted.
    """

    mode: Mode = "min"
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: ThresholdMode = "rel"
    cooldown: int = 0

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether `value` improves on `best` by more than the threshold.

        ``"rel"`` asks for an improvement by ``threshold * |best|``: torch multiplies by ``1 - threshold``, which for a
        negative metric takes a worse value for a better one. NaN and infinities are never better.

        Example:
            >>> PlateauRule().is_better(-0.99995, -1.0)
            False
        """
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        margin = self.threshold if self.threshold_mode == "abs" else self.threshold * abs(best)
        if self.threshold_mode == "rel" and best >= 0:  # torch's order of operations
            return (
                value < best * (1.0 - self.threshold) if self.mode == "min" else value > best * (self.threshold + 1.0)
            )
        return value < best - margin if self.mode == "min" else value > best + margin


@dataclass(frozen=True)
class PlateauState:
    """What has been learnt from the evaluations so far.

    Attributes:
        best: Best value so far; None before the first finite one.
        num_bad_evaluations: Evaluations without improvement since the last improvement, reduction or cooldown.
        cooldown_counter: Evaluations of cooldown that are left.
        num_reductions: How often the LR has been reduced.
        num_evaluations: How many evaluations have been judged.
    """

    best: float | None = None
    num_bad_evaluations: int = 0
    cooldown_counter: int = 0
    num_reductions: int = 0
    num_evaluations: int = 0

    @classmethod
    def from_dict(cls, saved: Mapping[str, object]) -> PlateauState:
        """The state that ``dataclasses.asdict`` made a dict of.

        Raises:
            ValueError: If a field is missing, unknown, not a number of its kind, or impossible next to the others.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(saved, Mapping) or set(saved) != names:
            raise ValueError(f"the state of a plateau reduction must have just the keys {sorted(names)}, got {saved!r}")
        for name, value in saved.items():
            if not (value is None or is_finite(value) if name == "best" else is_count(value)):
                kind = "a finite number or None" if name == "best" else "a whole number >= 0"
                raise ValueError(f"the state of a plateau reduction is damaged: {name} must be {kind}, got {value!r}")
        state = cls(**saved)  # type: ignore[arg-type]
        for name, count in (
            ("num_reductions", state.num_reductions),
            ("num_bad_evaluations", state.num_bad_evaluations),
        ):
            if count > state.num_evaluations:
                raise ValueError(
                    f"the state of a plateau reduction is damaged: {name} must not exceed num_evaluations,"
                    f" got {count} with {state.num_evaluations}"
                )
        return state

    def update(self, value: float, rule: PlateauRule) -> PlateauState:
        """The state after one more evaluation; a reduction shows as one more in `num_reductions`.

        A value that is NaN or infinite is an evaluation without improvement and never becomes the best.

        Example:
            >>> state, rule = PlateauState(), PlateauRule(patience=1)
            >>> for loss in (1.0, 1.0, 1.0):
            ...     state = state.update(loss, rule)
            >>> state.num_reductions, state.num_bad_evaluations
            (1, 0)

        References:
            torch ``ReduceLROnPlateau``, which decides alike wherever its metric is finite and, in mode ``"rel"``,
            not negative.
        """
        best, bad = self.best, self.num_bad_evaluations + 1
        if rule.is_better(value, best):
            best, bad = value, 0
        cooldown = self.cooldown_counter
        if cooldown > 0:
            cooldown, bad = cooldown - 1, 0
        after = replace(
            self,
            best=best,
            num_bad_evaluations=bad,
            cooldown_counter=cooldown,
            num_evaluations=self.num_evaluations + 1,
        )
        if bad <= rule.patience:
            return after
        return replace(
            after, num_bad_evaluations=0, cooldown_counter=rule.cooldown, num_reductions=self.num_reductions + 1
        )


def is_finite(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 0 to 2**53."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53


def plateau_factor(num_reductions: int, *, factor: float, min_factor: Value = 0.0, eps: Value = 0.0) -> Value:
    """Return the factor after a number of reductions: each multiplies by `factor`, but not below `min_factor`.

    ``f(0) = 1; f(k) = max(f(k - 1) * factor, min_factor)``; a reduction by no more than `eps` is left out, as in torch.
    First value: 1. End: `min_factor`, when it is reached.

    Args:
        num_reductions: k, >= 0.
        factor: Multiplier of one reduction, in (0, 1).
        min_factor: Lowest LR over base LR: a number, or a row with one for each group.
        eps: Smallest change of LR over base LR that is made: a number, or a row with one for each group.

    Returns:
        A number; a row, float64, where `min_factor` or `eps` is one.

    Example:
        >>> [plateau_factor(k, factor=0.1, min_factor=0.005) for k in range(4)]
        [1.0, 0.1, 0.010000000000000002, 0.005]
        >>> plateau_factor(2, factor=0.5, min_factor=np.array([0.0, 0.4])).tolist()
        [0.25, 0.4]

    References:
        torch ``ReduceLROnPlateau``.
    """
    value: Array = np.ones(np.broadcast_shapes(np.shape(min_factor), np.shape(eps)))
    for _ in range(num_reductions):
        lower = np.maximum(value * factor, min_factor)
        moves = value - lower > eps
        if not moves.any():
            break
        value = np.where(moves, lower, value)
    return value if value.shape else float(value)
