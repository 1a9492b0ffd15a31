"""The arguments of a range test, checked, as every part of it reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lr_callbacks.core.arguments import require, require_bool, require_choice, require_int, require_number
from lr_callbacks.core.durations import Duration
from lr_callbacks.range_test.rules import DEFAULT_RULE, RULES

Judged = Literal["probe", "training", "validation"]
Mode = Literal["exponential", "linear"]
RuleName = Literal["blend", "descent", "edge", "steepest", "minimum", "valley", "slide", "smith"]


@dataclass(frozen=True)
class Settings:
    """What `LRRangeTest` was given; its docstring says what each argument means.

    Raises:
        TypeError: If an argument has a wrong type.
        ValueError: If an argument is outside its range.

    Example:
        >>> Settings(num_steps=5)
        Traceback (most recent call last):
        ...
        ValueError: num_steps must be at least 10, got 5
    """

    min_lr: float = 1e-7
    max_lr: float = 10.0
    num_steps: int = 100
    mode: Mode = "exponential"
    rule: str = DEFAULT_RULE
    apply: bool = True
    widen: bool = True
    optimizer: int | None = None
    judge: Judged = "probe"
    monitor: str | None = None
    probe_samples: int = 256
    offload: bool | None = None
    trials: int = 0
    trial_steps: int | str = "10%"
    trial_limit: str | None = None
    milestones: list[int] | None = None

    def __post_init__(self) -> None:
        require(require_number("min_lr", self.min_lr) > 0, "min_lr", "above 0", self.min_lr)
        above = require_number("max_lr", self.max_lr) > self.min_lr
        require(above, "max_lr", f"above min_lr ({self.min_lr:g})", self.max_lr)
        require_int("num_steps", self.num_steps, minimum=10)
        require_choice("mode", self.mode, Mode)
        require(self.rule in RULES, "rule", "one of " + ", ".join(map(repr, RULES)), self.rule)
        require_bool("apply", self.apply)
        require_bool("widen", self.widen)
        if self.offload is not None:
            require_bool("offload", self.offload)
        require_choice("judge", self.judge, Judged)
        named = self.monitor is None or isinstance(self.monitor, str)
        require(named, "monitor", "the name of a logged value, or None", self.monitor)
        require_int("probe_samples", self.probe_samples, minimum=1)
        require(require_int("trials", self.trials) not in (1, 2), "trials", "0 (none) or at least 3", self.trials)
        length = Duration.parse(self.trial_steps, name="trial_steps", minimum=1)
        require(length.unit != "seconds", "trial_steps", "steps, epochs or a share of the run", self.trial_steps)
        if self.milestones is not None:
            given = self.milestones
            right = isinstance(given, list | tuple) and all(type(epoch) is int and epoch >= 0 for epoch in given)
            require(bool(right and given), "milestones", "a list of epochs (ints, at least 0), or None", given)
        if self.trial_limit is not None:
            limit = Duration.parse(self.trial_limit, name="trial_limit", minimum=1)
            require(limit.unit == "seconds", "trial_limit", "a time, such as '5 min', or None", self.trial_limit)
