"""A schedule through points."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import plain_container, require, require_bool, require_choice, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import Interpolation, piecewise_factor


class Piecewise(LRCallback):
    """Take the learning rate through points, along lines, half cosines or stairs.

    Between two points with the values a and b, and x from 0 to 1: linear ``a + (b - a) x``, cosine
    ``b + (a - b) (1 + cos(pi x)) / 2``, constant ``a`` until the next point. First step: the first value. Reached: the
    last value at the last point, and held.

    Args:
        points: Pairs of a time and a value. Times count from the start of the schedule and rise: ints (optimizer
            steps), ``"2 epochs"``, ``"10%"`` (of the run) or ``"30 min"`` (by the wall clock); at two equal times it
            jumps. Values are at least 0.
        interpolation: ``"linear"``, ``"cosine"`` or ``"constant"``: one for all, or a list with one for each leg.
        absolute: Whether the values are LRs; else they are fractions of the base LR, which may be above 1.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a time is a bare float or a value is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or the times
            are not in rising order.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> warm_and_fall = Piecewise([[0, 0.1], ["5%", 1.0], ["100%", 0.01]])
        >>> trainer = Trainer(callbacks=[warm_and_fall], logger=False)
        >>> from lr_callbacks import preview
        >>> lrs = preview([Piecewise([[0, 0.2], [2, 0.4], [4, 0.0]], absolute=True)], 0.1, total_steps=6)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.2, 0.3, 0.4, 0.2, 0.0, 0.0]

    References:
        ignite ``PiecewiseLinear``; optax ``piecewise_interpolate_schedule``; Keras ``PiecewiseConstantDecay``.
    """

    def __init__(
        self,
        points: list[list[int | str | float]],
        interpolation: Interpolation | list[Interpolation] = "linear",
        absolute: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        points, interpolation = plain_container(points), plain_container(interpolation)
        interpolation = list(interpolation) if isinstance(interpolation, tuple) else interpolation
        several = isinstance(points, Sequence) and not isinstance(points, str) and len(points) > 0
        pairs = several and all(isinstance(each, list | tuple) and len(each) == 2 for each in points)
        require(pairs, "points", "a list of pairs of a time and a value", points)
        for place, (at, value) in enumerate(points):
            self.check_length(f"points[{place}]", at, minimum=0)
            require(require_number(f"points[{place}]", value) >= 0, f"points[{place}]", "at least 0", value)
        ways = interpolation if isinstance(interpolation, list) else [interpolation]
        for way in ways:
            require_choice("interpolation", way, Interpolation)
        rule = f"one for all, or one for each of the {len(points) - 1} legs"
        require(not isinstance(interpolation, list) or len(ways) == len(points) - 1, "interpolation", rule, ways)
        require_bool("absolute", absolute)
        self.points = points
        self.interpolation = interpolation
        self.absolute = absolute

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """Through the points."""
        values = [float(value) for _, value in self.points]
        rows = [groups.factor_of(value) for value in values] if self.absolute else values
        return piecewise_factor(t, times=self.landmarks(time), values=rows, interpolation=self.interpolation)

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The last point."""
        return self.landmarks(time)[-1]

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """The points."""
        times = [time.length("points", at, minimum=0) for at, _ in self.points]  # type: ignore[arg-type]
        return time.rising("points", times)

    def describe(self) -> str:
        """The points."""
        what = "LR" if self.absolute else "factor"
        return f"{what} " + ", ".join(f"{value:g} at {self.named_length(at)}" for at, value in self.points)  # type: ignore[arg-type]
