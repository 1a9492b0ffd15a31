"""What schedules that are made of others have in common: their parts have no place and no groups of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime


class Composite(LRCallback):
    """A schedule made of others, each with a time of its own inside the time of the whole.

    Args:
        **options: Options of every schedule, see `LRCallback`; they hold for all parts.
    """

    def __init__(self, **options: Unpack[ScheduleOptions]) -> None:
        super().__init__(**options)

    @property
    def parts(self) -> Sequence[LRCallback]:
        """The schedules that it is made of."""
        raise NotImplementedError

    def check_part(self, name: str, part: object, *, may_start: bool = False) -> None:
        """Reject what cannot be a part.

        Raises:
            TypeError: If it is no schedule.
            ValueError: If it goes step by step, listens to a metric, or has options that are those of the whole.
        """
        if not isinstance(part, LRCallback):
            raise TypeError(f"{name} must be a schedule of lr_callbacks, got {part!r}")
        if part.advances or part.begun is not None or isinstance(part, EvaluationCallback) or not part.drives:
            raise ValueError(f"{name} must be a function of time, which {type(part).__name__} is not, got {part!r}")
        if part.interval != self.interval:
            raise ValueError(f"{name} must have the interval of the whole, {self.interval!r}, got {part!r}")
        own = {"param", "end", "outside", "optimizer", "groups"} | (set() if may_start else {"start"})
        given = sorted(own & part.arguments().keys())
        if given:
            raise ValueError(f"{name} must leave {', '.join(given)} to {type(self).__name__}, got {part!r}")

    def factors_of(self, part: LRCallback, t: Array, time: ScheduleTime, groups: GroupRows) -> Any:
        """Factors of a part, asked one by one where it does not look ahead."""
        if part.looks_ahead:
            return part.between_bounds(part.factors(t, time, groups), groups)
        each = [np.atleast_1d(part.factor_at(at, time, groups)) for at in np.ravel(t)]  # type: ignore[arg-type]
        return part.between_bounds(np.array(each, dtype=np.float64), groups)

    def time_of(self, part: LRCallback, time: ScheduleTime, begins: float, ends: float | None) -> ScheduleTime:
        """The time of a part that begins and ends at ticks of the whole."""
        end = time.end if ends is None else time.position_of(ends)
        return replace(time, start=time.position_of(begins), end=end, schedule=type(part).__name__)

    def end_of(self, name: str, part: LRCallback, time: ScheduleTime) -> float:
        """The tick at which a part ends of itself.

        Raises:
            MisconfigurationException: If it has no length of its own.
        """
        end = None if part.lasts_to_end else part.ends_at(time)
        if end is None:
            raise MisconfigurationException(
                f"{type(self).__name__}: {name}, {part!r}, has no length of its own; give milestones, or its length"
            )
        return end

    # ------------------------------------------------------------------ its description
    @property
    def looks_ahead(self) -> bool:
        """Whether all parts do."""
        return all(part.looks_ahead for part in self.parts)

    @property
    def lasts_to_end(self) -> bool:
        """Whether its last part does."""
        return self.parts[-1].lasts_to_end

    @property
    def why_not_by_time(self) -> str | None:
        """What a part has against it."""
        return next((part.why_not_by_time for part in self.parts if part.why_not_by_time), super().why_not_by_time)

    @property
    def why_not_stretched(self) -> str | None:
        """What a part has against it."""
        return next((part.why_not_stretched for part in self.parts if part.why_not_stretched), None)

    def durations(self) -> dict[str, list[Duration]]:
        """Its own lengths and those of its parts."""
        lengths = super().durations()
        for number, part in enumerate(self.parts):
            lengths |= {f"{number}.{name}": found for name, found in part.durations().items()}
        return lengths
