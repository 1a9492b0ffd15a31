"""Decays by steps: every so many, or at milestones."""

from __future__ import annotations

from functools import partial
from typing import Literal

from lr_callbacks.callbacks.base import Groups
from lr_callbacks.callbacks.interval import IntervalSchedule, Shape
from lr_callbacks.core.arguments import number, one_of, require
from lr_callbacks.core.segment import Group
from lr_callbacks.core.ticks import Interval, Ticks
from lr_callbacks.schedules import multi_step_factor, step_decay_factor


class StepDecay(IntervalSchedule):
    """Multiply the learning rate by a constant every so many steps.

    The factor at time t, with s = `step_size`, is ``gamma ** floor((t + offset) / s)``. First step: 1 (with
    ``offset=1`` and s = 1: `gamma`). It has no end.

    The values are those of torch ``StepLR`` with ``offset=0``; ``offset=1`` is the form of many tutorials, which counts
    epochs from 1 and so decays one step (or epoch) earlier each time.

    Args:
        step_size: Length s between two decays: an int (optimizer steps), ``"2 epochs"``, ``"10%"`` (of the run) or
            ``"30 min"`` (by the wall clock).
        gamma: What each decay multiplies by, in (0, 1].
        offset: 0 or 1.
        interval: ``"step"``: it moves at every optimizer step; ``"epoch"``: its time t counts epochs, the factor is
            held over each, and lengths are given in epochs or %.
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

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
        *,
        interval: Interval = "step",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(interval=interval, start=start, optimizer=optimizer, groups=groups)
        self.check_length("step_size", step_size)
        require(0 < number("gamma", gamma) <= 1, "gamma", "above 0 and at most 1", gamma)
        one_of("offset", offset, Literal[0, 1])
        self.step_size = step_size
        self.gamma = gamma
        self.offset = offset

    def shape(self, ticks: Ticks, group: Group) -> Shape:
        """The decays of one group."""
        step_size = self.length(ticks, "step_size", self.step_size)
        return Shape(partial(step_decay_factor, step_size=step_size, gamma=self.gamma, offset=self.offset))

    def describe(self) -> str:
        """How much, how often."""
        return f"times {self.gamma:g} every {self.named_length(self.step_size)}"


class MultiStepDecay(IntervalSchedule):
    """Multiply the learning rate by a constant at each of some milestones.

    The factor at time t is `gamma` to the number of milestones <= t. First step: 1, unless 0 is a milestone. End:
    reached at the last milestone, and held.

    The values are those of torch ``MultiStepLR``.

    Args:
        milestones: Where it decays, counted from the start of the schedule: a list of ints (optimizer steps),
            ``"30 epochs"``, ``"50%"`` (of the run) or ``"30 min"`` (by the wall clock), in any order; one given twice
            counts twice.
        gamma: What each milestone multiplies by, in (0, 1].
        interval: ``"step"``: it moves at every optimizer step; ``"epoch"``: its time t counts epochs, the factor is
            held over each, and lengths are given in epochs or %.
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

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
        *,
        interval: Interval = "step",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(interval=interval, start=start, optimizer=optimizer, groups=groups)
        if not isinstance(milestones, list | tuple):
            raise TypeError(f"milestones must be a list of durations, got {milestones!r}; write ['50%', '75%']")
        require(len(milestones) > 0, "milestones", "a list of at least one duration", milestones)
        for index, milestone in enumerate(milestones):
            self.check_length(f"milestones[{index}]", milestone, minimum=0)
        require(0 < number("gamma", gamma) <= 1, "gamma", "above 0 and at most 1", gamma)
        self.milestones = milestones
        self.gamma = gamma

    def shape(self, ticks: Ticks, group: Group) -> Shape:
        """The milestones of one group."""
        named = ((f"milestones[{index}]", milestone) for index, milestone in enumerate(self.milestones))
        marks = sorted(self.length(ticks, name, milestone, minimum=0) for name, milestone in named)
        factor = partial(multi_step_factor, milestones=tuple(marks), gamma=self.gamma)
        return Shape(factor, length=marks[-1], landmarks=tuple(marks))

    def describe(self) -> str:
        """How much, where."""
        return f"times {self.gamma:g} at {', '.join(self.named_length(milestone) for milestone in self.milestones)}"
