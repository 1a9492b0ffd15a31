"""A decay that is decided in mid-run: from wherever the learning rate is then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import is_count, require, require_choice, require_number, state_of
from lr_callbacks.core.controller import Controller
from lr_callbacks.core.lightning_names import MisconfigurationException, rank_zero_info
from lr_callbacks.core.plan import plan_records
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import DecayShape, warmup_stable_decay_factor


class FinalDecay(LRCallback):
    """Let the learning rate fall from wherever it is, when that is decided: in mid-run.

    It begins (1) when a run is resumed with it from a checkpoint of a run without it; (2) when `decay_now` is called,
    from a callback of your own, say; or (3) at `start`, if that is given. Until then it does nothing, and a checkpoint
    remembers when it began. From there on all other schedules of its groups stay as they are then, those with feedback
    judge no more (in none of their groups, as they decide for all at once), and the factor is, with x the part of T
    that is over and e = `end_factor`, ``e + (1 - e) d(x)``: d is linear ``1 - x``, cosine ``(1 + cos(pi x)) / 2``,
    1-sqrt ``1 - sqrt(x)``; exponential is ``e ** x`` in all. First step: 1. Reached: e at time T after it began, and
    held.

    Args:
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"10%"`` (of the run) or ``"30 min"`` (by the
            wall clock); None for the rest of the run.
        decay_shape: ``"linear"``, ``"cosine"``, ``"1-sqrt"`` or ``"exponential"``.
        end_factor: LR at the end as a fraction of the LR at which it begins, in [0, 1]; above 0 and below 1 for the
            exponential shape.
        **options: Options of every schedule, see `LRCallback`; warm-ups do not delay it.

    Attributes:
        begun: The step at which it has begun, by optimizer (milliseconds in a run by the wall clock); None while it
            waits.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: When it begins, if a length is needed that is not known, or comes out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[FinalDecay("20%", "1-sqrt")], logger=False)  # trainer.fit(..., ckpt_path=...)
        >>> from lr_callbacks import CosineAnnealing, preview
        >>> lrs = preview([CosineAnnealing(), FinalDecay(2, start=3)], 0.1, total_steps=6)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.1, 0.093301, 0.075, 0.05, 0.025, 0.0]

    References:
        Hägele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations, 2024,
        arXiv:2405.18392 (decays from any point of a constant LR); OLMo-core ``OverrideDecay``.
    """

    def __init__(
        self,
        total_steps: int | str | None = None,
        decay_shape: DecayShape = "linear",
        end_factor: float = 0.0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("total_steps", total_steps, optional=True)
        require_choice("decay_shape", decay_shape, DecayShape)
        require(0 <= require_number("end_factor", end_factor) <= 1, "end_factor", "between 0 and 1", end_factor)
        if decay_shape == "exponential":
            require(0 < end_factor < 1, "end_factor", "above 0 and below 1 for the exponential shape", end_factor)
        self.total_steps = total_steps
        self.decay_shape = decay_shape
        self.end_factor = end_factor
        self.begun: dict[int, int | None] = {}

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The fall."""
        total, end = time.length("total_steps", self.total_steps), self.end_factor
        return warmup_stable_decay_factor(
            t, total_steps=total, warmup_steps=0, decay_steps=total, decay_shape=self.decay_shape, end_factor=end
        )

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the fall."""
        return time.length("total_steps", self.total_steps)

    def describe(self) -> str:
        """How far, over what."""
        over = self.named_length(self.total_steps)
        return f"{self.decay_shape} to {self.end_factor:g} of the value at which it begins, over {over}; others hold"

    @property
    def phase_before_start(self) -> str:
        """What it waits for."""
        return "waits for decay_now()" if self.start is None else "waiting"

    # ------------------------------------------------------------------ when it begins
    def begin(self, controller: Controller) -> None:
        """Begin where a run is resumed that did not have it; wait in all others."""
        trainer = self._session.trainer if self._session else None
        resumed = controller.step > 0 if trainer is None else trainer.global_step > 0
        at = controller.now if resumed and self.start is None else None
        self.begun.setdefault(controller.index, at)

    def decay_now(self) -> None:
        """Begin with the next step, unless it has begun; on several ranks call it on all of them at the same step.

        Raises:
            MisconfigurationException: If no training has started.
        """
        driven = [each for each in (self._session.controllers if self._session else []) if self in each.schedules]
        if not driven or any(controller.index not in self.begun for controller in driven):
            raise MisconfigurationException(f"{self!r}: decay_now() must be called in a training that has started")
        for controller in driven:
            if all(term.start > controller.now for term in controller.terms_of(self)):
                self.begun[controller.index] = controller.now
                controller.follow_more()
                controller.plan = plan_records(controller.terms, controller.schedules)
                controller.write()
                rank_zero_info(f"FinalDecay of {controller.name} begins at step {controller.step}: {self.describe()}")

    def forget(self) -> None:
        """Reset the state of an earlier fit."""
        self.begun = {}

    @property
    def state_key(self) -> str:
        """Tells instances apart in a checkpoint, by what they drive and where they start."""
        what = {"param": self.param, "optimizer": self.optimizer, "groups": self.groups}
        return f"FinalDecay{what if self.start is None else {**what, 'start': self.start}}"

    def state_dict(self) -> dict[str, Any]:
        """Where it has begun."""
        return {"begun": {str(index): at for index, at in self.begun.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state from a checkpoint.

        Raises:
            ValueError: If it is not the state of a `FinalDecay`.
        """
        begun = state_of("FinalDecay", state_dict).get("begun")
        right = isinstance(begun, Mapping) and all(
            str(index).isdecimal() and (at is None or is_count(at)) for index, at in begun.items()
        )
        require(right, "begun", "steps by optimizer in the state of FinalDecay", begun)
        self.begun = {int(index): at for index, at in dict(begun or {}).items()}
