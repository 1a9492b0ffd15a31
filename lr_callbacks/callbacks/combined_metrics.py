"""One value of several logged metrics, or of a function of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from typing_extensions import Unpack

from lr_callbacks.callbacks.evaluations import EvaluationCallback
from lr_callbacks.callbacks.lambda_factor import imported, path_of
from lr_callbacks.core.arguments import plain_container, require, require_number
from lr_callbacks.core.schedule import ScheduleOptions

Combine = Literal["mean", "sum", "min", "max"]


class CombinedMetricsCallback(EvaluationCallback):
    """A schedule with feedback that listens to one metric or to several.

    Args:
        monitor: Name under which the metric is logged, or a list of names, whose values `combine` makes one of.
        combine: ``"mean"``, ``"sum"``, ``"min"``, ``"max"``, or a function of the metrics' values in their order, or
            its import path.
        strict: Whether all must come by the end of the first validation, or of the first training epoch.
        **options: Options of every schedule, see `LRCallback`.
    """

    def __init__(
        self,
        monitor: str | list[str],
        combine: str | Callable[..., float] = "mean",
        strict: bool = True,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        monitor = plain_container(monitor)
        names = [monitor] if isinstance(monitor, str) else monitor
        right = isinstance(names, list | tuple) and all(isinstance(each, str) and each for each in names)
        require(right and len(names) > 0, "monitor", "the name of a logged metric, or a list of names", monitor)
        require(len(set(names)) == len(names), "monitor", "a list of different names", monitor)
        if not isinstance(combine, str) and not callable(combine):
            raise TypeError(f"combine must be a function of numbers, or the import path of one, got {combine!r}")
        if combine not in get_args(Combine):
            imported(combine, "combine")
        self.combine = combine
        super().__init__(monitor if isinstance(monitor, str) else list(monitor), strict, **options)

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, a function by its path."""
        given = super().arguments()
        return given if "combine" not in given else {**given, "combine": path_of(self.combine)}

    @property
    def watched(self) -> str:
        """What is judged, for texts."""
        if isinstance(self.monitor, str):
            return self.monitor
        return f"{path_of(self.combine)}({', '.join(self.monitor or [])})"

    @property
    def combined(self) -> Callable[..., float]:
        """Makes one value of those of several metrics."""
        return self._combine

    def _combine(self, *values: float) -> float:
        if self.combine in get_args(Combine):
            if self.combine in ("min", "max"):
                return min(values) if self.combine == "min" else max(values)
            return sum(values) if self.combine == "sum" else sum(values) / len(values)
        value = imported(self.combine, "combine")(*values)
        return require_number(f"what {path_of(self.combine)} returns", value, finite=False)
