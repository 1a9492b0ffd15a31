"""Decays by steps: at equal distances, or at milestones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import plain_container, require, require_choice, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import multi_step_factor, step_decay_factor


class StepDecay(LRCallback):
    """Multiply the learning rate by a constant at equal distances.

    The factor at time t, with s = `step_size`, is ``gamma ** floor((t + offset) / s)``. First step: 1 (with
    ``offset=1`` and s = 1: `gamma`). It has no end.

    The values are those of torch ``StepLR`` with ``offset=0``; ``offset=1`` is the form of many tutorials, which counts
    epochs from 1 and so decays one step (or epoch) earlier each time.

    Args:
        step_size: Length s between two decays: an int (optimizer steps), ``"2 epochs"``, ``"10%"`` (of the run) or
            ``"30 min"`` (by the wall clock).
        gamma: What each decay multiplies by, above 0; above 1 it grows.
        offset: 0 or 1.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or one comes
            out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[StepDecay("30 epochs", interval="epoch")], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([StepDecay(2, gamma=0.5)], 0.1, total_steps=5)[:, 0].tolist()]
        [0.1, 0.1, 0.05, 0.05, 0.025]

    References:
        torch ``StepLR``; He et al., Deep Residual Learning, 2015, arXiv:1512.03385, section 3.4.
    """

    def __init__(
        self,
        step_size: int | str,
        gamma: float = 0.1,
        offset: Literal[0, 1] = 0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("step_size", step_size)
        require(require_number("gamma", gamma) > 0, "gamma", "above 0", gamma)
        require_choice("offset", offset, Literal[0, 1])
        self.step_size = step_size
        self.gamma = gamma
        self.offset = offset

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """One decay after each `step_size`."""
        size = time.length("step_size", self.step_size)
        return step_decay_factor(t, step_size=size, gamma=self.gamma, offset=self.offset)

    def describe(self) -> str:
        """How much, how often."""
        return f"times {self.gamma:g} every {self.named_length(self.step_size)}"


class MultiStepDecay(LRCallback):
    """Multiply the learning rate by a constant at each of some milestones.

    The factor at time t is `gamma` to the number of milestones <= t. First step: 1, unless 0 is a milestone. End:
    reached at the last milestone, and held.

    The values are those of torch ``MultiStepLR``.

    Args:
        milestones: Where it decays, counted from the start of the schedule: a list of ints (optimizer steps),
            ``"30 epochs"``, ``"50%"`` (of the run) or ``"30 min"`` (by the wall clock), in any order; one given twice
            counts twice.
        gamma: What each milestone multiplies by, above 0; above 1 it grows.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If `milestones` is no list, one of them is a bare float, or `gamma` is no number.
        ValueError: If there is no milestone, or an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[MultiStepDecay(["50%", "75%"])], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([MultiStepDecay(["50%", "75%"])], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.1, 0.01, 0.001]

    References:
        torch ``MultiStepLR``; He et al., Deep Residual Learning, 2015, arXiv:1512.03385, section 4.2.
    """

    def __init__(
        self,
        milestones: list[int | str],
        gamma: float = 0.1,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        milestones = plain_container(milestones)
        if not isinstance(milestones, list | tuple):
            raise TypeError(f"milestones must be a list of durations, got {milestones!r}; write ['50%', '75%']")
        require(len(milestones) > 0, "milestones", "a list of at least one duration", milestones)
        for index, milestone in enumerate(milestones):
            self.check_length(f"milestones[{index}]", milestone, minimum=0)
        require(require_number("gamma", gamma) > 0, "gamma", "above 0", gamma)
        self.milestones = milestones
        self.gamma = gamma

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """One decay at each milestone."""
        return multi_step_factor(t, milestones=self.landmarks(time), gamma=self.gamma)

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The last milestone."""
        return self.landmarks(time)[-1]

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """The milestones, in rising order."""
        named = [(f"milestones[{index}]", milestone) for index, milestone in enumerate(self.milestones)]
        return sorted(time.length(name, milestone, minimum=0) for name, milestone in named)

    def describe(self) -> str:
        """How much, where."""
        return f"times {self.gamma:g} at {', '.join(self.named_length(milestone) for milestone in self.milestones)}"
