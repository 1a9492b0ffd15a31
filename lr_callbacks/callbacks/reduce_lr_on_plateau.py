"""Reduction of the LR when a metric stalls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from typing_extensions import Unpack

from lr_callbacks.callbacks.best_weights import BestWeights, refuse_sharded
from lr_callbacks.callbacks.feedback import FeedbackCallback, evaluations
from lr_callbacks.callbacks.group_bounds import Bound, bound_row, checked_bound, unit_row
from lr_callbacks.core.arguments import require, require_bool, require_number
from lr_callbacks.core.lightning_names import LightningModule, Trainer, rank_zero_info
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules.plateau import Mode, PlateauState, ThresholdMode, plateau_factor


class ReduceLROnPlateau(FeedbackCallback):
    """Multiply the learning rate by `factor` each time a logged metric has stopped improving.

    After k reductions the factor is ``f(k) = max(f(k - 1) * factor, min_lr / base_lr)``, ``f(0) = 1``. First step: 1.
    Last value: after the last reduction, held; never below `min_lr`. The decisions are those of torch
    ``ReduceLROnPlateau``: the LR is reduced at the evaluation after `patience` evaluations without improvement.

    It judges once per evaluation: a validation metric when a validation ends, a training metric when the training epoch
    ends (and only if it was logged in this epoch), or every `every_n_steps` optimizer steps. It does not judge in the
    sanity check, nor before `start`. An evaluation whose metric is NaN or infinite is one without improvement and never
    becomes the best. With ``threshold_mode="rel"`` an improvement is measured against the best value's size, also where
    that is negative. On several ranks the mean of the metric over the ranks is judged. Several metrics are judged
    when all have come: at the end of the validation that logs all of them, or else of the training epoch.

    It acts before ``ModelCheckpoint`` writes, so a resumed run continues exactly; a validation that Lightning skips
    when it resumes from the batch before it is run then. A training metric cannot be repeated: Lightning does not end
    an epoch twice, and an average over an epoch starts again on resume.

    With `restore_best` a copy of all parameters and persistent buffers of the module is taken at each new best
    evaluation, held in the CPU's memory on each rank, and saved in each checkpoint, which grows by as much. The state
    of the optimizers is not put back.

    Args:
        monitor: Name under which the metric is logged, or a list of names, whose values `combine` makes one of.
        mode: ``"min"`` if lower is better, ``"max"`` if higher is.
        factor: Multiplier of one reduction, in (0, 1).
        patience: Evaluations without improvement that are tolerated, >= 0.
        threshold: Smallest improvement that counts, >= 0: a fraction of the best value (``"rel"``) or in the metric's
            own unit (``"abs"``).
        threshold_mode: ``"rel"`` or ``"abs"``.
        cooldown: Evaluations after a reduction in which bad ones are not counted, >= 0.
        min_lr: Lowest LR that reduction leads to, at least 0: absolute, or a share of each group's base LR such as
            ``"1%"``; one for all groups or a list, one for each.
        eps: A reduction that changes the LR by no more than this is not made, >= 0.
        combine: What is judged of several metrics: their ``"mean"``, ``"sum"``, ``"min"`` or ``"max"``, or a function
            of their values in the order of `monitor` (of one, too), or its import path.
        smooth: Judge the mean of this many last evaluations, >= 1; 1 for the metric itself. Values that are NaN or
            infinite are not averaged.
        ema_decay: Judge the exponential moving average of all evaluations, in which the past has this weight, in
            [0, 1), and the new value the rest; 0 for none. It is unbiased: the first value is its own average.
        restore_best: Whether each reduction also puts back the weights of the best evaluation.
        stop_at_min: Whether to stop the training when the LR is used up: when a reduction is due and changes no group,
            since all are at `min_lr` (or within `eps`).
        every_n_steps: Judge once per this many optimizer steps instead of once per evaluation or epoch.
        strict: Whether the metric must have come by the end of the first validation, or of the first training epoch;
            False where it is logged only now and then.
        name: Tells apart two instances that monitor the same metric on the same groups; part of their checkpoint key.
        **options: Options of every schedule, see `LRCallback`; it judges from `start` on.

    Attributes:
        state: What it has learnt: best value, bad evaluations, cooldown, reductions (a `PlateauState`).

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an argument is outside its range.
        MisconfigurationException: When the first validation, or the first epoch, ends, if `monitor` was not logged; the
            message lists what was. At the start of the fit, if `restore_best` is asked for and weights are sharded.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[ReduceLROnPlateau("val_loss", patience=3, min_lr=1e-6)], logger=False)
        >>> from lr_callbacks import preview
        >>> losses = [3.0, 2.0, 2.0, 2.0]
        >>> callback = ReduceLROnPlateau("val_loss", patience=1)
        >>> lrs = preview([callback], 0.1, total_steps=5, steps_per_epoch=1, metrics=losses)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.1, 0.1, 0.1, 0.1, 0.01]

    References:
        torch ``ReduceLROnPlateau``.
    """

    def __init__(
        self,
        monitor: str | list[str],
        mode: Mode = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: ThresholdMode = "rel",
        cooldown: int = 0,
        min_lr: Bound = 0.0,
        eps: float = 1e-8,
        *,
        combine: str | Callable[..., float] = "mean",
        smooth: int = 1,
        ema_decay: float = 0.0,
        restore_best: bool = False,
        stop_at_min: bool = False,
        every_n_steps: int | None = None,
        strict: bool = True,
        name: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(
            monitor,
            mode,
            patience,
            threshold,
            threshold_mode,
            cooldown,
            combine=combine,
            smooth=smooth,
            ema_decay=ema_decay,
            every_n_steps=every_n_steps,
            strict=strict,
            name=name,
            **options,
        )
        right = 0 < require_number("factor", factor) < 1
        require(right, "factor", "above 0 and below 1 (0.1 divides the LR by ten)", factor)
        self.factor = factor
        self.min_lr = checked_bound("min_lr", min_lr)
        require(require_number("eps", eps) >= 0, "eps", "at least 0", eps)
        self.eps = eps
        self.restore_best = require_bool("restore_best", restore_best)
        self.stop_at_min = require_bool("stop_at_min", stop_at_min)
        self.state = PlateauState()
        self._best = BestWeights()

    # ------------------------------------------------------------------ the factor
    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """Return the current factor, whatever the tick; groups are resolved again after each reduction."""
        return np.broadcast_to(self._after(self.state.num_reductions, groups), (len(t), len(groups.positions)))

    def _after(self, reductions: int, groups: GroupRows) -> Array:
        least, eps = bound_row(self.min_lr, groups), self.eps * unit_row(groups)
        return np.asarray(plateau_factor(reductions, factor=self.factor, min_factor=least, eps=eps))

    @property
    def bounds(self) -> dict[str, Bound]:
        """The floors."""
        return {"min_lr": self.min_lr}

    @property
    def _is_used_up(self) -> bool:
        """Whether the last reduction changed no group, since all were as low as they go."""
        reductions, driven = self.state.num_reductions, self._driven()
        return (
            bool(driven)
            and reductions > 0
            and all(
                ((self._after(reductions, rows) == self._after(reductions - 1, rows)) | (rows.base == 0)).all()
                for rows in (term.rows for _, term in driven)
            )
        )

    def describe(self) -> str:
        """What is watched."""
        return f"× {self.factor:g} after {evaluations(self.patience + 1)} without improvement of {self.watched}"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """How patient it is."""
        reduced, bad = self.state.num_reductions, self.state.num_bad_evaluations
        return f"{reduced} reduction{'s' * (reduced != 1)}, {bad} bad evaluation{'s' * (bad != 1)}"

    @property
    def phase_before_start(self) -> str:
        """It waits."""
        return "not judging yet"

    # ------------------------------------------------------------------ what an evaluation does
    def forget(self) -> None:
        """Reset the state of an earlier fit."""
        super().forget()
        self.state, self._best = PlateauState(), BestWeights()

    @property
    def needs_trainer(self) -> str | None:
        """The argument that means nothing without a Trainer."""
        names = ("restore_best", "stop_at_min")
        return next((f"{name}=True" for name in names if getattr(self, name)), super().needs_trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise if weights are sharded, as they cannot be copied."""
        super().on_fit_start(trainer, pl_module)
        if self.restore_best:
            refuse_sharded(trainer, repr(self))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a run again that had stopped when the checkpoint was written."""
        super().on_train_start(trainer, pl_module)
        self._stop_if_used_up()

    def decide(self, value: float) -> str | None:
        """Count, and reduce; keep the best weights or put them back, and stop, if asked."""
        before, self.state = self.state, self.state.update(value, self.rule)
        trainer = self._session.trainer if self._session else None
        if self.restore_best and trainer is not None and self.state.best != before.best:
            self._best.keep(trainer.lightning_module)
        if self.state.num_reductions == before.num_reductions:
            return None
        restored = self.restore_best and trainer is not None and self._best.put_back(trainer.lightning_module)
        self._stop_if_used_up()
        best = "" if self.state.best is None else f" on {self.state.best:.6g}"
        weights = "; weights of the best evaluation restored" if restored else ""
        return f"has not improved{best} for {evaluations(self.patience + 1)}{weights}"

    def _stop_if_used_up(self) -> None:
        trainer = self._session.trainer if self._session else None
        if self.stop_at_min and trainer is not None and self._is_used_up:
            trainer.should_stop = True
            rank_zero_info(
                f"{type(self).__name__}: the LR is as low as it goes, and {self.watched} has not improved;"
                " the training stops"
            )

    # ------------------------------------------------------------------ what a checkpoint carries
    def state_dict(self) -> dict[str, Any]:
        """What it has learnt, as plain numbers, and the best weights, if they are kept."""
        shared = self.learnt_state()
        return asdict(self.state) | shared | ({"best_weights": self._best.tensors} if self.restore_best else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state from a checkpoint.

        Raises:
            ValueError: If it is not the state of a `ReduceLROnPlateau`.
        """
        learnt = self.load_learnt_state(state_dict, "a plateau reduction")
        weights = learnt.pop("best_weights", None)
        self._best.load(weights if self.restore_best else None)
        self.state = PlateauState.from_dict(learnt)
