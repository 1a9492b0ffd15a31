"""Decay along a hyperbolic tangent."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import floor, floor_text, require, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import tanh_factor


class TanhDecay(LRCallback):
    """Keep the learning rate high for long and let it fall along a hyperbolic tangent.

    The LR at time t of T, with x = t / T, l = `lower` and u = `upper`, is
    ``eta_min + (base_lr - eta_min) (1 - tanh(l (1 - x) + u x)) / 2``. First step: the base LR, but for a millionth.
    Reached: `eta_min` at time T (one after the last of T steps), and held.

    Args:
        eta_min: LR at the end, absolute, at least 0, or ``"1%"`` of each group's base LR.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        lower: Where on the tangent it begins.
        upper: Where on the tangent it ends, above `lower`.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or one comes
            out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[TanhDecay(eta_min="1%")], logger=False)
        >>> from lr_callbacks import preview
        >>> [round(lr, 6) for lr in preview([TanhDecay(total_steps=4)], 0.1, total_steps=6)[:, 0].tolist()]
        [0.1, 0.099988, 0.098201, 0.026894, 0.0, 0.0]

    References:
        Hsueh et al., Stochastic Gradient Descent with Hyperbolic-Tangent Decay, 2019, arXiv:1806.01593; timm
        ``TanhLRScheduler``.
    """

    fills_run = True
    floor_name = "eta_min"

    def __init__(
        self,
        eta_min: float | str = 0.0,
        total_steps: int | str | None = None,
        lower: float = -7.0,
        upper: float = 3.0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        floor("eta_min", eta_min)
        self.check_length("total_steps", total_steps, optional=True)
        require(
            require_number("upper", upper) > require_number("lower", lower), "upper", f"above lower={lower!r}", upper
        )
        self.eta_min = eta_min
        self.total_steps = total_steps
        self.lower = lower
        self.upper = upper

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """A tangent."""
        total, low = time.length("total_steps", self.total_steps), groups.factor_of(self.eta_min)
        return tanh_factor(t, total_steps=total, lower=self.lower, upper=self.upper, eta_min=low)

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the decay."""
        return time.length("total_steps", self.total_steps)

    def describe(self) -> str:
        """Length and floor."""
        return f"down to LR {floor_text(self.eta_min)} over {self.named_length(self.total_steps)}"
