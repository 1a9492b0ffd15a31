"""Inverse square root decay."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import floor
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import inverse_sqrt_factor


class InverseSqrt(LRCallback):
    """Let the learning rate fall as one over the square root of time, as the original Transformer was trained.

    The LR at time t, with s = `timescale`, is ``eta_min + (base_lr - eta_min) / sqrt((t + s) / s)``. First step: the
    base LR. It has no end: half way to `eta_min` is reached at t = 3 s.

    After ``Warmup(s)`` these are the LRs of the original, ``base_lr * sqrt(s / step)``, without a jump.

    Args:
        timescale: Length s in which the LR falls to ``1 / sqrt(2)``: an int (optimizer steps), ``"2 epochs"``,
            ``"5%"`` (of the run) or ``"30 min"`` (by the wall clock); None for the length of the group's warm-up.
        eta_min: LR that it comes ever nearer to, at least 0: absolute, or a share of each group's base LR such as
            ``"1%"``.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if `timescale` is not given and there is no warm-up, a
            length is needed that is not known, or `timescale` comes out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import Warmup, preview
        >>> trainer = Trainer(callbacks=[Warmup(4000, start_factor=0.0), InverseSqrt()], logger=False)
        >>> [round(lr, 6) for lr in preview([InverseSqrt(1)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.070711, 0.057735, 0.05]

    References:
        Vaswani et al., Attention Is All You Need, 2017, arXiv:1706.03762, eq. 3; transformers
        ``get_inverse_sqrt_schedule``.
    """

    def __init__(
        self,
        timescale: int | str | None = None,
        eta_min: float | str = 0.0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("timescale", timescale, optional=True)
        floor("eta_min", eta_min)
        self.timescale = timescale
        self.eta_min = eta_min

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """One over the square root."""
        return inverse_sqrt_factor(t, timescale=self._timescale(time), eta_min=groups.factor_of(self.eta_min))

    def _timescale(self, time: ScheduleTime) -> float:
        if self.timescale is not None:
            return time.length("timescale", self.timescale)
        if time.warmup > 0:
            return time.warmup
        raise MisconfigurationException(
            "InverseSqrt: timescale is not given and is the length of the warm-up by default, but no Warmup drives"
            " this group; write InverseSqrt(timescale=1000), or put a Warmup among the Trainer's callbacks"
        )

    def describe(self) -> str:
        """Timescale."""
        return f"timescale {'the warm-up' if self.timescale is None else self.named_length(self.timescale)}"
