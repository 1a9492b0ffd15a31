"""What a schedule is: its arguments, its factor as a function of time, how it describes itself. No Lightning here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np

from lr_callbacks.core.arguments import floor as check_floor
from lr_callbacks.core.arguments import require, require_choice, require_int
from lr_callbacks.core.durations import Duration
from lr_callbacks.core.parameters import equal, parameters_of
from lr_callbacks.core.schedule_options import Groups as Groups
from lr_callbacks.core.schedule_options import Outside
from lr_callbacks.core.schedule_options import ScheduleOptions as ScheduleOptions
from lr_callbacks.core.schedule_time import Array, GroupRows, Interval, ScheduleTime
from lr_callbacks.core.timeline import Axis
from lr_callbacks.schedules.arrays import lookahead as lookahead

NO_LENGTHS = (
    *("groups", "monitor", "name", "start", "end", "param"),
    *("pct_start", "pct_final", "floor", "ceiling", "eta_min", "end_lr", "min_lr", "base_lr", "max_lr", "combine"),
)
"""Arguments that are no lengths of a schedule, even where a string looks like one: a group may be named ``"1d"``."""


class LRSchedule:
    """A schedule: by which factor it multiplies a hyper-parameter of some parameter groups, as a function of time.

    Its options are those of `ScheduleOptions`.

    Attributes:
        fills_run: Whether it brings the value to its end by the end of the run; two such at one time are rejected.
        is_warmup: Whether schedules on the same groups begin after it.
        warms_up: Whether it begins with a warm-up, so that a `Warmup` before it makes two.
        drives: Whether it has factors at all.
        advances: Whether it goes step by step, and so is called by `begin` and `advance`.
        floor_name: Name of the argument that is the value it ends at; a group that begins below it rises.
        starts_together: Whether it starts in all groups at once, at the latest of their starts.
        takes_out: Whether it takes the schedulers of the module out of the run.
        begun: Where it has begun, by optimizer, if it begins in mid-run and the others hold from there; None otherwise.
        planned_for: The length of the run that all lengths were written for; None for this one.
        keep_warmup: Whether warm-ups are left as they are where lengths are stretched.

    Raises:
        TypeError: If `start` is a bare float or an option has a wrong type.
        ValueError: If an option is outside its range.
    """

    fills_run: bool = False
    is_warmup: ClassVar[bool] = False
    warms_up: bool = False
    drives: ClassVar[bool] = True
    advances: ClassVar[bool] = False
    starts_together: ClassVar[bool] = False
    floor_name: ClassVar[str | None] = None
    takes_out: ClassVar[bool] = False
    begun: dict[int, int | None] | None = None
    planned_for: int | str | None = None
    keep_warmup: bool = False

    def __init__(
        self,
        *,
        param: str = "lr",
        interval: Interval = "step",
        start: int | str | None = None,
        end: int | str | None = None,
        outside: Outside = "hold",
        floor: float | str | None = None,
        ceiling: float | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        require(isinstance(param, str) and param != "", "param", "the name of an entry of parameter groups", param)
        require_choice("interval", interval, Interval)
        if start is not None:
            Duration.parse(start, name="start")
        if end is not None:
            Duration.parse(end, name="end", minimum=1)
        require_choice("outside", outside, Outside)
        for name, bound in (("floor", floor), ("ceiling", ceiling)):
            if bound is not None:
                check_floor(name, bound)
        if floor is not None and ceiling is not None and isinstance(floor, str) == isinstance(ceiling, str):
            low, high = (float(str(bound).strip(" %")) for bound in (floor, ceiling))
            require(low <= high, "floor", f"at most ceiling={ceiling!r}", floor)
        if optimizer is not None:
            require_int("optimizer", optimizer)
        several = isinstance(groups, Sequence) and not isinstance(groups, str)
        wanted = list(cast(Sequence[int | str], groups)) if several else [groups]
        right = all(which is None or (isinstance(which, int | str) and which is not True) for which in wanted)
        require(wanted != [] and right, "groups", "an index, a name or a list of them (None for all)", groups)
        self.param = param
        self.interval = interval
        self.start = start
        self.end = end
        self.outside = outside
        self.floor = floor
        self.ceiling = ceiling
        self.optimizer = optimizer
        self.groups = cast(Groups, wanted) if several else groups

    # ------------------------------------------------------------------ what a subclass says
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """What the base values are multiplied by, as a function of a column of ticks since the schedule began.

        Args:
            t: Ticks (steps, or epochs) since the schedule began, at least 0; shape (n, 1).
            time: Turns lengths into ticks.
            groups: The groups that it drives.

        Returns:
            Factors, finite and at least 0: shape (n, 1), or (n, groups) where groups differ.
        """
        raise NotImplementedError(f"{type(self).__name__} must define factors(t, time, groups)")

    def factor_at(self, t: int, time: ScheduleTime, groups: GroupRows) -> Any:
        """The factor at one tick, or one for each group: asked at each step where `factors` has no `lookahead`."""
        return self.factors(np.array([[t]]), time, groups)[0]

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The tick from which the factor no longer moves; None for a schedule without end."""
        return None

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """Ticks worth showing in the plan, such as the peak."""
        return ()

    def absolute_values(self, groups: GroupRows) -> Mapping[str, Callable[..., Any]]:
        """Other entries of the groups that it sets, to absolute values: functions such as `factors`, by their names."""
        return {}

    def between_bounds(self, factors: Any, groups: GroupRows) -> Any:
        """Its factors between `floor` and `ceiling`."""
        if self.floor is not None:
            factors = np.maximum(factors, groups.factor_of(self.floor))
        return factors if self.ceiling is None else np.minimum(factors, groups.factor_of(self.ceiling))

    def unreached(self, left: float, time: ScheduleTime) -> str | None:
        """What a run that leaves it `left` ticks does not reach, and what lengths would fit; None if it reaches all."""
        end = self.ends_at(time)
        if end is None or end <= left + self._rounding():
            return None
        fits = f"lengths of at most {time.text(left)} would fit"
        if hasattr(self, "total_steps"):
            rest = "" if self.total_steps is None else ", or total_steps=None where it is to last to the end of the run"
            fits = f"total_steps of at most {time.text(left)} would fit{rest if self.fills_run else ''}"
        elif hasattr(self, "duration"):
            fits = f"a duration of at most {time.text(left)} would fit"
        return f"takes {time.text(end)}, and the run leaves it {time.text(left)}; {fits}"

    def _rounding(self) -> int:
        """Ticks by which its lengths may be too long because they were rounded to whole ticks."""
        return int(any(duration.unit != "steps" for found in self.durations().values() for duration in found))

    def begin(self, controller: Any) -> None:
        """Before the first factor of an optimizer is asked for at the start of the training."""

    def advance(self, controller: Any) -> None:
        """After the count has been found, and after each real step, before the factor is read (if it `advances`)."""

    def forget(self) -> None:
        """Reset the state (only where there is one)."""

    def describe(self) -> str:
        """One short clause for the plan."""
        return repr(self)

    def phase_at(self, t: float, time: ScheduleTime) -> str:
        """Return in a word or two what the schedule does at tick `t` since it began."""
        end = self.ends_at(time)
        return "done" if end is not None and t >= end else "running"

    @property
    def phase_before_start(self) -> str:
        """Return in a word or two what it does before it begins."""
        return "waiting"

    @property
    def why_not_by_time(self) -> str | None:
        """Return why it cannot be used in a wall-clock run; None if it can."""
        return "interval='epoch' counts epochs" if self.interval == "epoch" else None

    @property
    def why_not_stretched(self) -> str | None:
        """Return why its length cannot be changed in proportion to that of the run; None if it can."""
        return None

    # ------------------------------------------------------------------ its description
    @property
    def sets_lr(self) -> bool:
        """Whether it sets the LR in any way, with or without factors."""
        return self.drives

    @property
    def is_of_the_plan(self) -> bool:
        """Whether values depend on it, with or without factors of its own."""
        return self.drives or self.takes_out or self.planned_for is not None

    @property
    def looks_ahead(self) -> bool:
        """Whether its factor may be worked out for later steps."""
        return bool(getattr(self.factors, "lookahead", False))

    @property
    def wanted_groups(self) -> list[int | str] | None:
        """`groups` as a list."""
        return [self.groups] if isinstance(self.groups, int | str) else self.groups

    @property
    def lasts_to_end(self) -> bool:
        """Whether its length is the rest of the run."""
        return getattr(self, "total_steps", 0) is None

    @property
    def tick(self) -> Interval:
        """What its time counts."""
        return self.interval

    @property
    def axis(self) -> Axis:
        """What its lengths are measured on: epochs and shares of the run, if one of them is given so; else steps."""
        units = {duration.unit for found in self.durations().values() for duration in found}
        if self.interval == "epoch":
            return "epochs"
        if "percent" in units or self.lasts_to_end:
            return "run"
        return "epochs" if "epochs" in units else "steps"

    def durations(self) -> dict[str, list[Duration]]:
        """Those of its own arguments that are lengths with a unit."""
        lengths = {}
        for name, value in ((name, value) for name, value in self.arguments().items() if name not in NO_LENGTHS):
            strings = [
                each for each in (value if isinstance(value, list | tuple) else [value]) if isinstance(each, str)
            ]
            found = [duration for duration in map(Duration.find, strings) if duration is not None]
            if found:
                lengths[name] = found
        return lengths

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, in their order."""
        given = {}
        for name, parameter in parameters_of(type(self)).items():
            if hasattr(self, name) and not equal(getattr(self, name), parameter.default):
                given[name] = getattr(self, name)
        return given

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.arguments().items())})"

    # ------------------------------------------------------------------ checks of lengths, for constructors
    def check_length(self, name: str, value: Any, *, minimum: int = 1, optional: bool = False) -> None:
        """Reject what is no duration, or cannot be counted in the schedule's ticks.

        Args:
            name: The argument.
            value: What was given for it.
            minimum: 0, or 1 where a length of nothing makes no sense.
            optional: Whether it may be None.

        Raises:
            TypeError: If it is neither an ``int`` nor a ``str``.
            ValueError: If it is no duration, too short, or not whole epochs with ``interval="epoch"``.
        """
        if value is None and optional:
            return
        duration = Duration.parse(value, name=name, minimum=minimum)
        if self.interval == "epoch" and not (duration.value == 0 and minimum == 0):
            rule = "in epochs or % with interval='epoch'"
            require(duration.unit not in ("seconds", "samples", "tokens"), name, rule, value)
            require(duration.unit != "steps", name, f"{rule}, such as '{duration.value:g} epochs'", value)
            is_whole = duration.unit != "epochs" or duration.value.is_integer()
            require(is_whole, name, "a whole number of epochs with interval='epoch'", value)

    def named_length(self, value: int | str | None) -> str:
        """A length for the plan."""
        if value is None:
            return "the rest of the run"
        return f"{value} step{'s' * (value != 1)}" if isinstance(value, int) else value
