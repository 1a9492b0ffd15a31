"""What the schedules with feedback share: which value they judge, when, within which bounds, and what they remember."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import Unpack

from lr_callbacks.callbacks.combined_metrics import CombinedMetricsCallback
from lr_callbacks.callbacks.group_bounds import Bound
from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.arguments import (
    require,
    require_at_most_one,
    require_choice,
    require_int,
    require_name,
    require_number,
    state_of,
)
from lr_callbacks.core.lightning_names import LightningModule, MisconfigurationException, Trainer, rank_zero_info
from lr_callbacks.core.schedule import ScheduleOptions
from lr_callbacks.schedules.plateau import Mode, PlateauRule, ThresholdMode
from lr_callbacks.schedules.smoothing import Average


class FeedbackOptions(ScheduleOptions, total=False):
    """Options of every schedule with feedback, see `ReduceLROnPlateau`."""

    combine: str | Callable[..., float]
    smooth: int
    ema_decay: float
    every_n_steps: int | None
    strict: bool
    name: str | None


class FeedbackCallback(CombinedMetricsCallback):
    """A schedule that decides at each evaluation whether to move; a subclass says how, in `decide`.

    Args:
        monitor: Name under which the metric is logged, or a list of names, whose values `combine` makes one of.
        mode: ``"min"`` if lower is better, ``"max"`` if higher is.
        patience: Evaluations of one kind that are waited for.
        threshold: Smallest improvement that counts.
        threshold_mode: Whether `threshold` is a fraction of the best value, or in the metric's own unit.
        cooldown: Evaluations after a reduction that are not counted.
        combine: ``"mean"``, ``"sum"``, ``"min"``, ``"max"``, or a function of the metrics' values in their order, or
            its import path.
        smooth: Judge the mean of this many last evaluations.
        ema_decay: Judge the exponential moving average of all evaluations, with this weight of the past.
        every_n_steps: Judge once per this many optimizer steps instead of once per evaluation or epoch.
        strict: Whether the metric must have come by the end of the first validation, or of the first training epoch.
        name: Tells apart two instances that monitor the same metric on the same groups.
        **options: Options of every schedule, see `LRCallback`.
    """

    def __init__(
        self,
        monitor: str | list[str],
        mode: Mode = "min",
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: ThresholdMode = "rel",
        cooldown: int = 0,
        *,
        combine: str | Callable[..., float] = "mean",
        smooth: int = 1,
        ema_decay: float = 0.0,
        every_n_steps: int | None = None,
        strict: bool = True,
        name: str | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(monitor, combine, strict, **options)
        require_choice("mode", mode, Mode)
        require_int("patience", patience)
        require(require_number("threshold", threshold) >= 0, "threshold", "at least 0", threshold)
        require_choice("threshold_mode", threshold_mode, ThresholdMode)
        require_int("cooldown", cooldown)
        require_int("smooth", smooth, minimum=1)
        require(0 <= require_number("ema_decay", ema_decay) < 1, "ema_decay", "at least 0 and below 1", ema_decay)
        require_at_most_one(smooth=smooth if smooth > 1 else None, ema_decay=ema_decay or None)
        require_name("name", name)
        if every_n_steps is not None:
            require_int("every_n_steps", every_n_steps, minimum=1)
        self.mode, self.patience, self.cooldown = mode, patience, cooldown
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.smooth = smooth
        self.ema_decay = ema_decay
        self.every_n_steps = every_n_steps
        self.name = name
        self._average = Average()
        self._judged_at = 0
        self._validated = False

    def decide(self, value: float) -> str | None:
        """Learn from one evaluation: why the factor moves, empty if that is not reported; None if it does not."""
        raise NotImplementedError(f"{type(self).__name__} must define decide(value)")

    @property
    def rule(self) -> PlateauRule:
        """What counts as an improvement."""
        return PlateauRule(self.mode, self.patience, self.threshold, self.threshold_mode, self.cooldown)

    @property
    def state_key(self) -> str:
        """Tells instances apart in a checkpoint, by what does not change from run to run."""
        what = {"monitor": self.monitor, "mode": self.mode, "optimizer": self.optimizer, "groups": self.groups}
        return f"{type(self).__qualname__}{what | ({'name': self.name} if self.name else {})}"

    @property
    def needs_trainer(self) -> str | None:
        """The argument that means nothing without a Trainer."""
        return None if self.every_n_steps is None else f"every_n_steps={self.every_n_steps}"

    # ------------------------------------------------------------------ bounds, one for all groups or one for each
    @property
    def bounds(self) -> dict[str, Bound]:
        """Arguments that may be lists with one value for each group."""
        return {}

    def check_bounds(self) -> None:
        """Reject fewer bounds than there are groups.

        Raises:
            MisconfigurationException: If a list is too short.
        """
        for controller in self._session.controllers if self._session else []:
            groups = [controller.optimizer.param_groups[n] for t in controller.terms_of(self) for n in t.groups]
            count = sum(not pg.was_added_later(group) for group in groups)
            for name, bound in self.bounds.items():
                if isinstance(bound, list) and count > len(bound):
                    raise MisconfigurationException(
                        f"{type(self).__name__}: {name} has {len(bound)} value{'s' * (len(bound) != 1)}, but"
                        f" {controller.name} has {count} groups; give one for each"
                    )

    # ------------------------------------------------------------------ when to judge
    @property
    def judges_evaluations(self) -> bool:
        """Unless it is to judge by steps."""
        return self.every_n_steps is None

    def forget(self) -> None:
        """Reset the state of an earlier fit."""
        super().forget()
        self._average, self._validated = Average(), False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Continue from the step that was restored."""
        super().on_train_start(trainer, pl_module)
        self.check_bounds()
        self._judged_at = self._step()

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
        """One evaluation: what is learnt from it, and the new values if it asks for them."""
        if any(c.now < term.start or term.is_over(c.now) for c, term in self._driven()):
            return
        judged = value
        if self._averages:
            self._average = self._average.update(value, smooth=self.smooth, ema_decay=self.ema_decay)
            judged = self._average.mean(self.ema_decay) if math.isfinite(value) else value
        old = self._values()
        why = self.decide(judged)
        if why is None or self._session is None:
            return
        self._session.rewrite(self, resolve=True)
        if why and self._values() != old:
            what = "LR" if self.param == "lr" else self.param
            rank_zero_info(
                f"{type(self).__name__}: {self.watched} {judged:.6g} {why}; {what} {_text(old)} ->"
                f" {_text(self._values())} (step {self._step()})"
            )

    @property
    def _averages(self) -> bool:
        return self.smooth > 1 or self.ema_decay > 0

    def _values(self) -> list[float]:
        """The values that it drives."""
        pairs = [(controller, number) for controller, term in self._driven() for number in term.groups]
        return [pg.get_value(c.optimizer.param_groups[number], self.param) or 0.0 for c, number in pairs]

    # ------------------------------------------------------------------ what a checkpoint carries
    def learnt_state(self) -> dict[str, Any]:
        """What it shares with the other schedules with feedback; an evaluation that is due is judged before."""
        heard = self.evaluation_state()
        if self._session is not None and self._session.trainer is not None:
            self._judge_steps(self._session.trainer)
            if self.every_n_steps is not None:
                heard["known"] = self._watch.known_values(self._session.trainer)
        return {**heard, **({"average": self._average.as_dict()} if self._averages else {})}

    def load_learnt_state(self, state: object, what: str) -> dict[str, Any]:
        """Take `learnt_state` out of a state, and return the rest.

        Raises:
            ValueError: If it is damaged.
        """
        rest = state_of(what, state)
        self.load_evaluation_state(rest, what)
        known, average = rest.pop("known", None), rest.pop("average", None)
        self._watch.restore(known, what)
        self._average = Average() if average is None else Average.from_dict(average)
        return rest


def _text(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")


def evaluations(number: int) -> str:
    """A number of evaluations as text."""
    return f"{number} evaluation{'s' * (number != 1)}"
