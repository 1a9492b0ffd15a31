"""What all schedules share that count their time in optimizer steps or in epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from lr_callbacks.callbacks.base import Groups, ScheduleCallback
from lr_callbacks.core.arguments import one_of, require
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.horizon import Horizon
from lr_callbacks.core.segment import Group, Segment
from lr_callbacks.core.ticks import Interval, Ticks


@dataclass(frozen=True)
class Shape:
    """What a schedule does to one group, in ticks since its start: optimizer steps, or epochs.

    Attributes:
        factor: Factor as a function of the tick, >= 0.
        length: Tick from which the factor no longer moves; None for a schedule without end.
        momentum: Momentum as a function of the tick, for schedules that move it.
        landmarks: Ticks worth showing in the plan, such as the peak.

    Example:
        >>> Shape(lambda t: 0.5**t).factor(2)
        0.25
    """

    factor: Callable[[int], float]
    length: int | None = None
    momentum: Callable[[int], float] | None = None
    landmarks: tuple[int, ...] = ()


class IntervalSchedule(ScheduleCallback):
    """A schedule that moves at every optimizer step, or is held over each epoch: a subclass gives its `shape` in ticks.

    Args:
        interval: ``"step"``: it moves at every optimizer step. ``"epoch"``: its time counts epochs, and the factor is
            held over each; the epoch in which the schedule begins is the first. Lengths are then given in epochs or %.
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

    Raises:
        TypeError: If `start` is a bare float or an argument has a wrong type.
        ValueError: If `interval` is neither of the two, or another argument is outside its range.
        MisconfigurationException: At the start of the training, if ``interval="epoch"`` and the length of an epoch is
            not known.

    Example:
        >>> from lr_callbacks import preview
        >>> class Halved(IntervalSchedule):
        ...     def shape(self, ticks, group):
        ...         return Shape(lambda t: 0.5**t)
        >>> preview([Halved(interval="epoch")], base_lrs=0.1, total_steps=4, steps_per_epoch=2)[:, 0].tolist()
        [0.1, 0.1, 0.05, 0.05]
    """

    def __init__(
        self,
        *,
        interval: Interval = "step",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(start=start, optimizer=optimizer, groups=groups)
        one_of("interval", interval, Interval)
        self.interval = interval

    def shape(self, ticks: Ticks, group: Group) -> Shape:
        """What this schedule does to a group, with `ticks` for its time. Pure.

        Raises:
            MisconfigurationException: If a duration needs a length of the run that is not known.
        """
        raise NotImplementedError(f"{type(self).__name__} must define shape(ticks, group)")

    def segment(self, horizon: Horizon, group: Group) -> Segment:
        """The shape, in the optimizer steps of the run."""
        ticks = Ticks(horizon, self.start_step(horizon, group), self.interval, type(self).__name__)
        shape = self.shape(ticks, group)
        return Segment(
            start=ticks.start,
            factor=ticks.held(shape.factor),
            end=None if shape.length is None else ticks.start + ticks.steps(shape.length),
            momentum=None if shape.momentum is None else ticks.held(shape.momentum),
            landmarks=tuple(ticks.steps(mark) for mark in shape.landmarks),
        )

    @property
    def why_not_by_time(self) -> str | None:
        """Epochs are no times."""
        return "interval='epoch' counts epochs" if self.interval == "epoch" else None

    def check_length(self, name: str, value: int | str, *, minimum: int = 1) -> None:
        """Refuse a duration that is none, or that cannot be counted in the schedule's ticks.

        Raises:
            TypeError: If it is neither an ``int`` nor a ``str``.
            ValueError: If it is no duration, too short, or not whole epochs with ``interval="epoch"``.
        """
        duration = Duration.parse(value, name=name, minimum=minimum)
        if self.interval == "epoch":
            rule = "in epochs or % with interval='epoch'"
            require(duration.unit != "seconds", name, rule, value)
            require(duration.unit != "steps", name, f"{rule}, such as '{duration.value:g} epochs'", value)
            whole = duration.unit != "epochs" or duration.value.is_integer()
            require(whole, name, "a whole number of epochs with interval='epoch'", value)

    def length(self, ticks: Ticks, name: str, value: int | str | None, *, minimum: int = 1) -> int:
        """One of the schedule's durations in ticks; None is the rest of the run.

        Raises:
            MisconfigurationException: If it needs a length that is not known, or comes out shorter than `minimum`.
        """
        if value is None:
            return ticks.rest(name)
        count = ticks.count(Duration.parse(value, name=name), name)
        if count < minimum:
            raise MisconfigurationException(
                f"{type(self).__name__}: {name}={value!r} comes out as {ticks.length(count)} of {ticks.horizon};"
                " make it longer"
            )
        return count

    def named_length(self, value: int | str | None) -> str:
        """A length for the plan."""
        if value is None:
            return "the rest of the run"
        return f"{value} steps" if isinstance(value, int) else value
