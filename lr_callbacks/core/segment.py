"""What passes between a callback and the driver of an optimizer: a group as a schedule sees it, and its segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """What a schedule may know of a parameter group.

    Attributes:
        position: Place among the groups that the callback drives, from 0.
        base_lr: LR at factor 1; for a group added in mid-training, that of the group whose factors it follows.
        largest_base_lr: Largest base LR among the groups that the callback drives.
        warmup_end: First step after the last warm-up of this group; 0 without one.
        optimizer: Index of the optimizer that it belongs to.
        added: Whether it was added in mid-training.

    Example:
        >>> Group(position=0, base_lr=0.1, largest_base_lr=0.1, warmup_end=0).factor_of(0.025)
        0.25
    """

    position: int
    base_lr: float
    largest_base_lr: float
    warmup_end: int
    optimizer: int = 0
    added: bool = False

    def factor_of(self, lr: float) -> float:
        """An absolute LR as a factor of this group's base LR; 0 for a group whose LR is 0 (it stays there)."""
        return lr / self.base_lr if self.base_lr != 0 else 0.0


@dataclass(frozen=True)
class Segment:
    """What one callback does to one group.

    Attributes:
        start: First optimizer step of the schedule. Before it the factor is ``factor(0)``.
        factor: Factor as a function of the steps since `start`, >= 0.
        end: Step from which the factor no longer moves; None for a schedule without end.
        momentum: Momentum as a function of the steps since `start`, for schedules that move it.
        landmarks: Steps since `start` worth showing in the plan, such as the peak.
        only_now: Whether the factor is that of now, whatever step is asked for: a schedule that goes step by step.

    Example:
        >>> halved = Segment(start=10, factor=lambda t: 0.5**t)
        >>> [halved.factor_at(step) for step in (0, 10, 12)]
        [1.0, 1.0, 0.25]
    """

    start: int
    factor: Callable[[int], float]
    end: int | None = None
    momentum: Callable[[int], float] | None = None
    landmarks: tuple[int, ...] = ()
    only_now: bool = False

    def factor_at(self, step: int) -> float:
        """The factor at optimizer step `step`."""
        since = step - self.start
        return self.factor(since if since > 0 else 0)
