"""The timeline of one optimizer: where in the run its steps lie, also where the run changes its shape.

The clock counts real optimizer steps. A length in steps is measured on the count itself. Lengths in epochs and shares
of the run are measured on the run *as it was planned at its first step*: a position is a step of that plan. While the
run goes as planned, the position of a step is its count. Where epochs change their length, a knot ties the count to the
position, and from there on the position moves faster or slower, so that epochs begin where the trainer's epochs begin
and the plan ends with the run. So nothing jumps, and what is left of a schedule fills what is left of the run.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lr_callbacks.core.run_length import EpochLengths, RunLength

Axis = Literal["steps", "epochs", "run"]
Steps = NDArray[Any]
ROUNDING = 1e-9
"""Part of a step that is the rounding of a float."""


@dataclass(frozen=True)
class Knot:
    """From a step on, the position is ``position + (step - this step) * rise / steps``.

    Attributes:
        step: Count of the optimizer.
        position: Step of the plan.
        rise: How far the position moves ...
        steps: ... in this many steps.
    """

    step: int
    position: float
    rise: float
    steps: float

    def at(self, step: Any) -> Any:
        """The position of a step, or of an array of steps."""
        return self.position + (step - self.step) * self.rise / self.steps


class Beginning(NamedTuple):
    """The beginning of an epoch: its number, the count there, and that of all optimizers together."""

    epoch: int
    step: int
    all_steps: int


STRAIGHT = (Knot(0, 0, 1, 1),)
"""The run goes as planned: the position of a step is its count."""


@dataclass(frozen=True)
class Timeline:
    """Positions of the steps of one optimizer on the three axes on which lengths are measured.

    Attributes:
        run: The run as it was planned at its first step, with the limits that are in force today.
        lengths: Epoch lengths that are in force; they differ from those of `run` once epochs have changed their length.
        nominal: Epoch lengths by the loaders, when `lengths` came into force: under manual optimization one step per
            batch, where `lengths` are the steps that were really taken.
        epochs: Knots of the axis of epochs.
        share: Knots of the axis of the whole run.
        hold: Count from which positions wait for the epoch to end; None where an epoch cannot be longer than is known.
        began: Where the epoch began that is being trained; None where it has been resumed with other batches.

    Example:
        >>> run = RunLength(total_steps=40, epochs=((0, 10),), max_epochs=4)
        >>> twice_as_fast = Timeline(run).with_epoch(step=20, epoch=2, lengths=((0, 5),))
        >>> [twice_as_fast.position("run", step) for step in (10, 20, 25, 30)]
        [10.0, 20.0, 30.0, 40.0]
    """

    run: RunLength
    lengths: EpochLengths = ()
    nominal: EpochLengths = ()
    epochs: tuple[Knot, ...] = STRAIGHT
    share: tuple[Knot, ...] = STRAIGHT
    hold: int | None = None
    began: Beginning | None = field(default=None, compare=False)

    @property
    def is_straight(self) -> bool:
        """Whether the position of each step is its count."""
        return self.hold is None and self.epochs is STRAIGHT and self.share is STRAIGHT

    @property
    def end(self) -> int | None:
        """How many steps the run has, as it goes now; None where that is not known."""
        return None if self.run.total_steps is None else self.step("run", self.run.total_steps)

    # ------------------------------------------------------------------ positions
    def position(self, axis: Axis, step: int) -> float:
        """The position of a step on an axis."""
        knots = self._knots(axis)
        if self.hold is not None and axis != "steps" and not (axis == "run" and self._limited_by_steps):
            step = min(step, self.hold)
        if knots is STRAIGHT:
            return step
        return float(knots[_last(knots, step)].at(step))

    def positions(self, axis: Axis, steps: Steps) -> Steps:
        """The positions of an array of steps on an axis."""
        knots = self._knots(axis)
        if self.hold is not None and axis != "steps" and not (axis == "run" and self._limited_by_steps):
            steps = np.minimum(steps, self.hold)
        if knots is STRAIGHT:
            return steps
        which = np.searchsorted([knot.step for knot in knots[1:]], steps, side="right")
        columns = np.array([(knot.step, knot.position, knot.rise, knot.steps) for knot in knots])[which]
        begins, position, rise, length = (columns[..., part] for part in range(4))
        values: Steps = position + (steps - begins) * rise / length
        return values

    def step(self, axis: Axis, position: float) -> int:
        """Return the first step with a position of at least `position` on an axis."""
        knots = self._knots(axis)
        if knots is STRAIGHT:
            return -int(-position // 1)
        for knot, following in pairwise((*knots, None)):
            assert knot is not None
            if following is None or position < following.position:
                if position <= knot.position:
                    return knot.step
                after = (position - knot.position) * knot.steps / knot.rise if knot.rise else 0
                found = knot.step + math.ceil(after - ROUNDING)
                return found if following is None else min(found, following.step)
        raise AssertionError("unreachable")

    def epoch_at(self, step: int) -> int:
        """The 0-based epoch in which a step is taken."""
        return self.run.epoch_at(self.position("epochs", step))

    def _knots(self, axis: Axis) -> tuple[Knot, ...]:
        return self.epochs if axis == "epochs" else self.share if axis == "run" else STRAIGHT

    @property
    def _limited_by_steps(self) -> bool:
        """Whether the plan is ended by a number of steps, so that its shares are shares of steps."""
        run = self.run
        return run.max_epochs is None or not run.epochs or _end_by_epochs(run.epochs, run.max_epochs) != run.total_steps

    # ------------------------------------------------------------------ how the run really goes
    def with_limits(self, today: RunLength) -> Timeline:
        """The same plan under the limits (``max_epochs``, ``max_steps``) of today: another limit is another wish."""
        if not self.run.epochs or not today.epochs:
            return replace(self, run=replace(today, epochs=self.run.epochs or today.epochs))
        ends = [today.max_steps] if today.max_steps is not None else []
        if today.max_epochs is not None:
            ends.append(_end_by_epochs(self.run.epochs, today.max_epochs))
        return replace(self, run=replace(today, epochs=self.run.epochs, total_steps=min(ends) if ends else None))

    def with_epoch(self, *, step: int, epoch: int, lengths: EpochLengths, left: int | None = None) -> Timeline:
        """Tie a step to the epoch that it really belongs to, with the epoch lengths from now on.

        Args:
            step: The count now.
            epoch: The epoch that is being trained, 0-based.
            lengths: Epoch lengths, in steps of the optimizer, that hold from now on.
            left: Steps that are left of the epoch; None at its beginning.
        """
        run, today = self.run, RunLength(epochs=lengths)
        before = run.steps_before_epoch
        knots: list[Knot] = []
        if left is None:
            position, at = before(epoch), step
        else:
            position, at = self.position("epochs", step), step + left
            if left > 0:
                knots.append(Knot(step, position, max(before(epoch + 1) - position, 0), left))
            position, epoch = before(epoch + 1), epoch + 1
        begins = sorted({epoch, *(first for first, _ in (*run.epochs, *lengths) if first > epoch)})
        for first, following in pairwise((*begins, None)):
            assert first is not None
            rise, per_epoch = run.steps_in_epoch(first), max(today.steps_in_epoch(first), 1)
            knots.append(Knot(at, before(first), rise, per_epoch))
            if following is not None:
                at += (following - first) * per_epoch
        epochs = (*(knot for knot in self.epochs if knot.step < step), *knots)
        changed = replace(self, epochs=epochs, lengths=lengths)
        return replace(changed, share=changed._share(self, step, epoch if left is None else epoch - 1, left))

    def end_from(self, step: int, epoch: int, left: int | None = None) -> tuple[int, bool] | None:
        """The step at which the limits end the run, and whether it is ``max_epochs`` that does; None without limits.

        Args:
            step: The count now.
            epoch: The epoch that is being trained.
            left: Steps that are left of the epoch; None at its beginning.
        """
        run, today = self.run, RunLength(epochs=self.lengths)
        ends = [] if run.max_steps is None else [run.max_steps]
        if run.max_epochs is not None:
            in_epoch = today.steps_in_epoch(epoch) if left is None else left
            rest = today.steps_before_epoch(run.max_epochs) - today.steps_before_epoch(min(epoch + 1, run.max_epochs))
            ends.append(round(step + in_epoch + rest))
        return None if not ends else (min(ends), run.max_epochs is not None and min(ends) == ends[-1])

    def ends_as_planned(self, step: int, epoch: int) -> bool:
        """Whether the plan ends where the limits end the run."""
        ends = self.end_from(step, epoch)
        return ends is None or self.end is None or ends[0] == self.end

    def _share(self, before: Timeline, step: int, epoch: int, left: int | None) -> tuple[Knot, ...]:
        """Knots of the axis of the whole run: what is left of the plan fills what is left of the run."""
        total, ends = self.run.total_steps, self.end_from(step, epoch, left)
        if total is None or ends is None:
            return before.share
        end, by_epochs = ends
        if by_epochs and not self._limited_by_steps:
            return self.epochs
        if end <= step or abs(before.share[-1].at(end) - total) < ROUNDING:
            return before.share
        position = before.position("run", step)
        return (
            *(knot for knot in before.share if knot.step < step),
            Knot(step, position, total - position, end - step),
        )

    def goes_on_with(self, lengths: EpochLengths, epoch: int) -> bool:
        """Whether these are the epoch lengths that are in force from an epoch on."""
        return _later(self.lengths, epoch) == _later(lengths, epoch)

    def with_nominal(self, nominal: EpochLengths) -> Timeline:
        """The same, with the epoch lengths by the loaders of now."""
        return self if nominal == self.nominal else replace(self, nominal=nominal)

    def with_hold(self, hold: int | None) -> Timeline:
        """The same, with positions that wait from a count on."""
        return replace(self, hold=hold)

    def with_beginning(self, began: Beginning | None) -> Timeline:
        """The same, in an epoch that has begun there."""
        return replace(self, began=began)

    def with_max_steps(self, max_steps: int | None) -> Timeline:
        """The same plan, where another count ends the run than was thought."""
        return self if max_steps == self.run.max_steps else replace(self, run=replace(self.run, max_steps=max_steps))


def _later(lengths: EpochLengths, epoch: int) -> list[int]:
    """The epoch lengths that count from an epoch on."""
    known = RunLength(epochs=lengths)
    return [known.steps_in_epoch(epoch), *(steps for first, steps in lengths if first > epoch)]


def _last(knots: tuple[Knot, ...], step: float) -> int:
    """The place of the knot that a step lies behind."""
    return max(bisect_right([knot.step for knot in knots], step) - 1, 0)


def _end_by_epochs(epochs: EpochLengths, max_epochs: int) -> int:
    return round(RunLength(epochs=epochs).steps_before_epoch(max_epochs))
