"""Reduction of the LR when a metric stalls: the one schedule with feedback, and so the one with a state."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from typing_extensions import Unpack

from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import floor, number, one_of, optional_name, plain_container, require, state_of, whole
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, Trainer, rank_zero_info
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules.plateau import Mode, PlateauRule, PlateauState, ThresholdMode, plateau_factor


class ReduceLROnPlateau(EvaluationCallback):
    """Multiply the learning rate by `factor` each time a logged metric has stopped improving.

    After k reductions the factor is ``f(k) = max(f(k - 1) * factor, min_lr / base_lr)``, ``f(0) = 1``. First step: 1.
    Last value: after the last reduction, held; never below `min_lr`. The decisions are those of torch
    ``ReduceLROnPlateau``: the LR is reduced at the evaluation after `patience` evaluations without improvement.

    It judges once per evaluation: a validation metric when a validation ends, a training metric when the training epoch
    ends (and only if it was logged in this epoch), or every `every_n_steps` optimizer steps. It does not judge in the
    sanity check, nor before `start`. An evaluation whose metric is NaN or infinite is one without improvement and never
    becomes the best. With ``threshold_mode="rel"`` an improvement is measured against the best value's size, also where
    that is negative. On several ranks the mean of the metric over the ranks is judged.

    It acts before ``ModelCheckpoint`` writes, so a resumed run continues exactly; a validation that Lightning skips
    when it resumes from the batch before it is run then. A training metric cannot be repeated: Lightning does not end
    an epoch twice, and an average over an epoch starts again on resume.

    Args:
        monitor: Name under which the metric is logged.
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
        every_n_steps: Judge each so many optimizer steps instead of once per evaluation or epoch.
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
            message lists what was.

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
        monitor: str,
        mode: Mode = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: ThresholdMode = "rel",
        cooldown: int = 0,
        min_lr: float | str | list[float | str] = 0.0,
        eps: float = 1e-8,
        *,
        every_n_steps: int | None = None,
        strict: bool = True,
        name: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(monitor, strict, **options)
        require(isinstance(monitor, str) and monitor != "", "monitor", "the name of a logged metric", monitor)
        one_of("mode", mode, Mode)
        require(0 < number("factor", factor) < 1, "factor", "above 0 and below 1 (0.1 divides the LR by ten)", factor)
        whole("patience", patience)
        require(number("threshold", threshold) >= 0, "threshold", "at least 0", threshold)
        one_of("threshold_mode", threshold_mode, ThresholdMode)
        whole("cooldown", cooldown)
        min_lr = plain_container(min_lr)
        min_lr = list(min_lr) if isinstance(min_lr, tuple) else min_lr
        require(min_lr != [], "min_lr", "one number or one for each group", min_lr)
        for lowest in min_lr if isinstance(min_lr, list) else [min_lr]:
            floor("min_lr", lowest)
        require(number("eps", eps) >= 0, "eps", "at least 0", eps)
        optional_name("name", name)
        if every_n_steps is not None:
            whole("every_n_steps", every_n_steps, minimum=1)
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.eps = eps
        self.every_n_steps = every_n_steps
        self.name = name
        self.state = PlateauState()
        self._judged_at = 0
        self._validated = False

    @property
    def state_key(self) -> str:
        """Tells instances apart in a checkpoint, by what does not change from run to run."""
        what = {"monitor": self.monitor, "mode": self.mode, "optimizer": self.optimizer, "groups": self.groups}
        return f"{type(self).__qualname__}{what | ({'name': self.name} if self.name else {})}"

    @property
    def rule(self) -> PlateauRule:
        """What counts as an improvement."""
        return PlateauRule(self.mode, self.patience, self.threshold, self.threshold_mode, self.cooldown)

    # ------------------------------------------------------------------ the factor
    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """Return the current factor, whatever the tick; groups are resolved again after each reduction."""
        floors = self.min_lr if isinstance(self.min_lr, list) else [self.min_lr]
        lowest = [floors[place] if place < len(floors) else floors[0] for place in groups.positions]
        unit = np.broadcast_to(groups.factor_of(1.0), (len(lowest),))
        least = [groups.factor_of(each) if isinstance(each, str) else each * unit[i] for i, each in enumerate(lowest)]
        factor = plateau_factor(
            self.state.num_reductions, factor=self.factor, min_factor=np.array(least), eps=self.eps * unit
        )
        return np.broadcast_to(factor, (len(t), len(lowest)))

    def describe(self) -> str:
        """What is watched."""
        return f"× {self.factor:g} after {_evaluations(self.patience + 1)} without improvement of {self.monitor}"

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """How patient it is."""
        reduced, bad = self.state.num_reductions, self.state.num_bad_evaluations
        return f"{reduced} reduction{'s' * (reduced != 1)}, {bad} bad evaluation{'s' * (bad != 1)}"

    @property
    def phase_before_start(self) -> str:
        """It waits."""
        return "not judging yet"

    # ------------------------------------------------------------------ when to judge
    @property
    def listens(self) -> bool:
        """Each evaluation, unless it is to judge by steps."""
        return self.every_n_steps is None

    def forget(self) -> None:
        """Reset the state of an earlier fit."""
        super().forget()
        self.state, self._validated = PlateauState(), False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Continue from the step that was restored."""
        super().on_train_start(trainer, pl_module)
        self.check_floors()
        self._judged_at = self._step()

    def check_floors(self) -> None:
        """Refuse fewer floors than there are groups.

        Raises:
            MisconfigurationException: If `min_lr` is a list that is too short.
        """
        for controller in self._session.controllers if self._session else []:
            groups = [controller.optimizer.param_groups[n] for t in controller.terms_of(self) for n in t.groups]
            count = sum(not pg.was_added_later(group) for group in groups)
            if isinstance(self.min_lr, list) and count > len(self.min_lr):
                raise MisconfigurationException(
                    f"ReduceLROnPlateau: min_lr has {len(self.min_lr)} value{'s' * (len(self.min_lr) != 1)}, but"
                    f" {controller.name} has {count} groups; give one for each"
                )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Judge each `every_n_steps` optimizer steps, if asked."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._judge_steps(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge a metric that this validation has logged, unless it is to judge by steps."""
        super().on_validation_end(trainer, pl_module)
        self._validated |= not trainer.sanity_checking

    def _step(self) -> int:
        """The step of the slowest of the optimizers that are driven."""
        return min((controller.step for controller, _ in self._driven()), default=0)

    def _judge_steps(self, trainer: Trainer) -> None:
        every = self.every_n_steps
        if every is None:
            return
        step = self._step()
        if step // every > self._judged_at // every:
            self._judged_at = step
            value = self._watch.value(trainer)
            if value is not None:
                self.judge(value)
            elif self.strict and not (trainer.enable_validation and not self._validated):
                raise self._watch.missing(trainer, repr(self))

    def judge(self, value: float) -> None:
        """One evaluation: the new state, and the new LRs if it asks for them."""
        if any(controller.now < term.start for controller, term in self._driven()):
            return
        before, old = self.state, self._lrs()
        self.state = before.update(value, self.rule)
        if self.state.num_reductions > before.num_reductions and self._session is not None:
            self._session.rewrite(self, resolve=True)
            if self._lrs() != old:
                best = "" if self.state.best is None else f" on {self.state.best:.6g}"
                rank_zero_info(
                    f"ReduceLROnPlateau: {self.monitor} {value:.6g} has not improved{best} for"
                    f" {_evaluations(self.patience + 1)}; LR {_text(old)} -> {_text(self._lrs())} (step {self._step()})"
                )

    def _lrs(self) -> list[float]:
        """The values that it drives."""
        pairs = [(controller, number) for controller, term in self._driven() for number in term.groups]
        return [pg.get_value(c.optimizer.param_groups[number], self.param) or 0.0 for c, number in pairs]

    # ------------------------------------------------------------------ what a checkpoint carries
    def state_dict(self) -> dict[str, Any]:
        """What it has learnt, as plain numbers; an evaluation that is due is judged before."""
        heard = self.evaluation_state()
        if self._session is not None and self._session.trainer is not None:
            self._judge_steps(self._session.trainer)
        return asdict(self.state) | heard

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state from a checkpoint.

        Raises:
            ValueError: If it is not the state of a `ReduceLROnPlateau`.
        """
        learnt = state_of("a plateau reduction", state_dict)
        self.load_evaluation_state(learnt, "a plateau reduction")
        self.state = PlateauState.from_dict(learnt)


def _text(lrs: list[float]) -> str:
    return ", ".join(f"{lr:.4g}" for lr in lrs[:4]) + (", ..." if len(lrs) > 4 else "")


def _evaluations(number: int) -> str:
    return f"{number} evaluation{'s' * (number != 1)}"
