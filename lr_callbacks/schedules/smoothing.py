"""The average of a metric over its last evaluations: what is kept, and its pure update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lr_callbacks.schedules.plateau import is_finite


@dataclass(frozen=True)
class Average:
    """What has been averaged so far; values that are NaN or infinite are left out.

    Attributes:
        recent: The last values, the newest at the end.
        total: Exponentially weighted sum of all values.
        weight: The sum of the weights, by which `total` is divided: so the first values are not drawn to 0.
    """

    recent: tuple[float, ...] = ()
    total: float = 0.0
    weight: float = 0.0

    def update(self, value: float, *, smooth: int = 1, ema_decay: float = 0.0) -> Average:
        """The average after one more value.

        Example:
            >>> average = Average()
            >>> for value in (3.0, 1.0, float("nan"), 2.0):
            ...     average = average.update(value, smooth=2, ema_decay=0.5)
            >>> average.recent, average.mean(), average.mean(ema_decay=0.5)
            ((1.0, 2.0), 1.5, 1.8571428571428572)
        """
        if not math.isfinite(value):
            return self
        kept = 1.0 - ema_decay
        total, weight = ema_decay * self.total + kept * value, ema_decay * self.weight + kept
        return Average((*self.recent, value)[-smooth:], total, weight)

    def mean(self, ema_decay: float = 0.0) -> float:
        """The mean of the last values, or the exponential one."""
        return self.total / self.weight if ema_decay > 0 else math.fsum(self.recent) / len(self.recent)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for a checkpoint."""
        return asdict(self) | {"recent": list(self.recent)}

    @classmethod
    def from_dict(cls, saved: object) -> Average:
        """What `as_dict` has made a dict of.

        Raises:
            ValueError: If it is damaged.
        """
        if isinstance(saved, Mapping) and set(saved) == {"recent", "total", "weight"}:
            recent, total, weight = saved["recent"], saved["total"], saved["weight"]
            if isinstance(recent, list) and all(map(is_finite, [*recent, total, weight])) and weight >= 0:
                return cls(tuple(recent), total, weight)
        raise ValueError(f"the state of an average must have recent (numbers), total and weight, got {saved!r}")
