"""GreedyLR: the learning rate rises while a metric improves, and falls while it does not."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from typing_extensions import Unpack

from lr_callbacks.callbacks.feedback import FeedbackCallback, FeedbackOptions, evaluations
from lr_callbacks.callbacks.group_bounds import Bound, GroupFactors, bound_row, checked_bound, unit_row
from lr_callbacks.core.arguments import require, require_int, require_number
from lr_callbacks.core.schedule import lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.core.terms import Term
from lr_callbacks.schedules.greedy import GreedyState, Move, greedy_move
from lr_callbacks.schedules.plateau import Mode, ThresholdMode
from lr_callbacks.schedules.smoothing import Average


class GreedyLR(FeedbackCallback):
    """Divide the learning rate by `factor` while a logged metric improves, multiply by it while it does not.

    The factor of a group moves up to ``min(f / factor, max_lr / base_lr)`` after more than `patience` improvements in a
    row, and down to ``max(f * factor, min_lr / base_lr)`` after more than `patience` evaluations in a row without one.
    First step: 1. Last value: that of the last move, held. It judges when `ReduceLROnPlateau` does, with the decisions
    of transformers ``GreedyLR``.

    Args:
        monitor: Name under which the metric is logged, or a list of names, whose values `combine` makes one of.
        mode: ``"min"`` if lower is better, ``"max"`` if higher is.
        factor: Multiplier of one move down, divisor of one move up, in (0, 1).
        patience: Improvements, or evaluations without one, in a row that do not yet move it, >= 0.
        threshold: Smallest improvement that counts, >= 0: a fraction of the best value (``"rel"``) or in the metric's
            own unit (``"abs"``).
        threshold_mode: ``"rel"`` or ``"abs"``.
        cooldown: Evaluations after a move down that are left out, >= 0.
        warmup: Evaluations after a move up that are left out, >= 0.
        min_lr: Lowest LR that a move leads to, at least 0: absolute, or a share of each group's base LR such as
            ``"1%"``; one for all groups or a list, one for each.
        max_lr: Highest LR that a move leads to, in the same way; ``"1000%"`` is ten times each base LR.
        eps: A move that changes the LR by no more than this is not made, >= 0.
        reset_start: After this many moves down that leave all groups at `min_lr`, with no move up between them, start
            again: base LRs, no best value, nothing counted; None for never.
        **options: `combine`, `smooth`, `ema_decay`, `every_n_steps`, `strict` and `name` as of `ReduceLROnPlateau`, and
            the options of every schedule, see `LRCallback`.

    Attributes:
        state: What it has learnt: best value, improvements and others in a row (a `GreedyState`).

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an argument is outside its range.
        MisconfigurationException: As of `ReduceLROnPlateau`.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[GreedyLR("val_loss", smooth=5)], logger=False)
        >>> from lr_callbacks import preview
        >>> callback = GreedyLR("val_loss", factor=0.5, patience=0)
        >>> lrs = preview([callback], 0.1, total_steps=5, steps_per_epoch=1, metrics=[3.0, 2.0, 2.0, 2.0])
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.1, 0.2, 0.4, 0.2, 0.1]

    References:
        GreedyLR: A Novel Adaptive Learning Rate Scheduler, 2025, arXiv:2512.14527; transformers ``GreedyLR``.
    """

    def __init__(
        self,
        monitor: str | list[str],
        mode: Mode = "min",
        factor: float = 0.95,
        patience: int = 10,
        threshold: float = 1e-6,
        threshold_mode: ThresholdMode = "abs",
        cooldown: int = 0,
        warmup: int = 0,
        min_lr: Bound = "1%",
        max_lr: Bound = "1000%",
        eps: float = 1e-8,
        reset_start: int | None = 500,
        **options: Unpack[FeedbackOptions],
    ) -> None:
        super().__init__(monitor, mode, patience, threshold, threshold_mode, cooldown, **options)
        right = 0 < require_number("factor", factor) < 1
        require(right, "factor", "above 0 and below 1 (0.95 moves the LR by some 5%)", factor)
        self.factor = factor
        self.warmup = require_int("warmup", warmup)
        self.min_lr = checked_bound("min_lr", min_lr)
        self.max_lr = checked_bound("max_lr", max_lr, most=10**6)
        if isinstance(self.min_lr, int | float) and isinstance(self.max_lr, int | float):
            require(self.min_lr <= self.max_lr, "min_lr", f"at most max_lr={self.max_lr!r}", min_lr)
        require(require_number("eps", eps) >= 0, "eps", "at least 0", eps)
        self.eps = eps
        self.reset_start = None if reset_start is None else require_int("reset_start", reset_start, minimum=1)
        self.state = GreedyState()
        self._factors = GroupFactors()

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """Return the current factors, whatever the tick; groups are resolved again after each move."""
        return np.broadcast_to(self._factors.of(groups), (len(t), len(groups.positions)))

    @property
    def bounds(self) -> dict[str, Bound]:
        """Both bounds."""
        return {"min_lr": self.min_lr, "max_lr": self.max_lr}

    def decide(self, value: float) -> str | None:
        """Move the factors of all groups, or start again."""
        self.state, move = self.state.update(value, self.rule, warmup=self.warmup)
        if move == 0:
            return None
        lowest = [self._move(term, move) for _, term in self._driven()]
        at_min = 0 if move > 0 else self.state.num_at_min + all(lowest)
        self.state = replace(self.state, num_at_min=at_min)
        if self.reset_start is None or at_min < self.reset_start:
            return ""
        self.state, self._factors, self._average = GreedyState(waits=self.cooldown), GroupFactors(), Average()
        moves = "move down has" if at_min == 1 else "moves down in a row have"
        return f"has not improved, and {at_min} {moves} ended at min_lr, so that it starts again"

    def _move(self, term: Term, move: Move) -> bool:
        """Move the groups of a term: whether all are at their lowest."""
        groups, unit = term.rows, unit_row(term.rows)
        least, most = bound_row(self.min_lr, groups), bound_row(self.max_lr, groups)
        row = greedy_move(
            self._factors.of(groups), move, factor=self.factor, least=least, most=most, eps=self.eps * unit
        )
        row = np.where(groups.base == 0, 1.0, row)
        self._factors.set(groups, row)
        return bool(((row <= least) | (groups.base == 0)).all())

    def describe(self) -> str:
        """What is watched."""
        after = evaluations(self.patience + 1)
        return f"÷ {self.factor:g} after {after} with an improvement of {self.watched}, × {self.factor:g} without"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """Which way it goes."""
        good, bad = self.state.num_good_evaluations, self.state.num_bad_evaluations
        return f"{good} improvement{'s' * (good != 1)}, {bad} bad evaluation{'s' * (bad != 1)}"

    def forget(self) -> None:
        """Reset the state of an earlier fit."""
        super().forget()
        self.state, self._factors = GreedyState(), GroupFactors()

    def state_dict(self) -> dict[str, Any]:
        """What it has learnt, and the factor of each group, as plain numbers."""
        shared = self.learnt_state()
        return asdict(self.state) | shared | {"factors": self._factors.as_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state from a checkpoint.

        Raises:
            ValueError: If it is not the state of a `GreedyLR`.
        """
        learnt = self.load_learnt_state(state_dict, "GreedyLR")
        self._factors = GroupFactors.from_dict(learnt.pop("factors", None), "GreedyLR")
        self.state = GreedyState.from_dict(learnt)
