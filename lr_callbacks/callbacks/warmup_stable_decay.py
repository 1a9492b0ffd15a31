"""Warm-up, stable, decay (WSD) in one callback."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_choice, require_number
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import DecayShape, WarmupShape, warmup_stable_decay_factor


class WarmupStableDecay(LRCallback):
    """Ramp the learning rate up, keep it, and let it fall in the last part of the run (WSD, trapezoid).

    The factor at time t of T, with W = `warmup_steps`, D = `decay_steps`, s = `start_factor` and e = `end_factor`:
    ``s + (1 - s) t / W`` for t < W (or another shape); 1 until T - D; then ``e + (1 - e) d(x)`` with
    x = (t - (T - D)) / D and d linear ``1 - x``, cosine ``(1 + cos(pi x)) / 2``, 1-sqrt ``1 - sqrt(x)`` or exponential
    ``(r ** x - r) / (1 - r)``. First step: s (1 with W = 0). Reached: e at time T (one after the last of T steps), and
    held.

    Args:
        warmup_steps: Length W of the ramp: an int (optimizer steps), ``"2 epochs"``, ``"5%"`` (of the run) or
            ``"30 min"`` (by the wall clock); 0 for none, as after a `Warmup` callback.
        decay_steps: Length D of the decay, in the same units.
        decay_shape: ``"linear"``, ``"cosine"``, ``"1-sqrt"`` or ``"exponential"``.
        start_factor: LR at the first step of the ramp as a fraction of the base LR, in [0, 1].
        end_factor: LR at the end as a fraction of the base LR, in [0, 1].
        total_steps: Length T in the same units, at least W + D; None for the rest of the run.
        warmup_shape: Shape of the ramp, as of `Warmup`.
        decay_ratio: Ratio r of the exponential decay, above 0 and below 1; None for `end_factor` (so that the factor is
            ``e ** x``), which must then be above 0.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or ramp and
            decay are together longer than the whole.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[WarmupStableDecay("5%", "20%", decay_shape="1-sqrt")], logger=False)
        >>> from lr_callbacks import preview
        >>> lrs = preview([WarmupStableDecay(2, 2, total_steps=6)], 0.1, total_steps=8)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.0, 0.05, 0.1, 0.1, 0.1, 0.05, 0.0, 0.0]

    References:
        Hu et al., MiniCPM, 2024, arXiv:2404.06395, section 4; Hägele et al., Scaling Laws and Compute-Optimal Training
        Beyond Fixed Training Durations, 2024, arXiv:2405.18392; transformers ``get_wsd_schedule``.
    """

    fills_run = True

    def __init__(
        self,
        warmup_steps: int | str,
        decay_steps: int | str,
        decay_shape: DecayShape = "linear",
        start_factor: float = 0.0,
        end_factor: float = 0.0,
        total_steps: int | str | None = None,
        warmup_shape: WarmupShape = "linear",
        decay_ratio: float | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        self.check_length("warmup_steps", warmup_steps, minimum=0)
        self.check_length("decay_steps", decay_steps, minimum=0)
        require_choice("decay_shape", decay_shape, DecayShape)
        for name, value in (("start_factor", start_factor), ("end_factor", end_factor)):
            require(0 <= require_number(name, value) <= 1, name, "between 0 and 1", value)
        self.check_length("total_steps", total_steps, optional=True)
        require_choice("warmup_shape", warmup_shape, WarmupShape)
        require(warmup_shape != "1-exp", "warmup_shape", "a ramp that ends", warmup_shape)
        if warmup_shape == "exponential":
            require(start_factor > 0, "start_factor", "above 0 for the exponential shape", start_factor)
        if decay_ratio is not None:
            require(
                0 < require_number("decay_ratio", decay_ratio) < 1, "decay_ratio", "above 0 and below 1", decay_ratio
            )
        elif decay_shape == "exponential":
            rule = "above 0 and below 1 for the exponential decay without decay_ratio"
            require(0 < end_factor < 1, "end_factor", rule, end_factor)
        self.warmup_steps = warmup_steps
        self.warms_up = warmup_steps != 0
        self.decay_steps = decay_steps
        self.decay_shape = decay_shape
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_steps = total_steps
        self.warmup_shape = warmup_shape
        self.decay_ratio = decay_ratio

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The trapezoid."""
        total, ramp, decay = self._lengths(time)
        return warmup_stable_decay_factor(
            t,
            total_steps=total,
            warmup_steps=ramp,
            decay_steps=decay,
            decay_shape=self.decay_shape,
            start_factor=self.start_factor,
            end_factor=self.end_factor,
            warmup_shape=self.warmup_shape,
            decay_ratio=self.decay_ratio,
        )

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the decay."""
        return self._lengths(time)[0]

    def landmarks(self, time: ScheduleTime) -> Sequence[float]:
        """The ends of the ramp and of the plateau."""
        total, ramp, decay = self._lengths(time)
        return (ramp, total - decay)

    def _lengths(self, time: ScheduleTime) -> tuple[float, float, float]:
        """Of the whole, the ramp and the decay."""
        total = time.length("total_steps", self.total_steps)
        ramp = time.length("warmup_steps", self.warmup_steps, minimum=0)
        decay = time.length("decay_steps", self.decay_steps, minimum=0)
        if ramp + decay > total:
            raise MisconfigurationException(
                f"WarmupStableDecay: warmup_steps={self.warmup_steps!r} ({time.text(ramp)}) and"
                f" decay_steps={self.decay_steps!r} ({time.text(decay)}) are together longer than the"
                f" {time.text(total)} of the schedule; make them shorter"
            )
        return total, ramp, decay

    def describe(self) -> str:
        """The three parts."""
        up, down = self.named_length(self.warmup_steps), self.named_length(self.decay_steps)
        return f"up over {up}, stable, {self.decay_shape} to factor {self.end_factor:g} over the last {down}"
