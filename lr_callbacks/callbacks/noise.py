"""Noise on the learning rate."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_choice, require_int, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import Distribution, noise_factor


class Noise(LRCallback):
    """Multiply the learning rate by noise around 1, drawn for each step (or each epoch) from a seed.

    The factor at time t is ``1 + z(t)``, z in ``(-amount, amount)``: uniform, or normal with the deviation `std` and
    cut off there. It depends on nothing but seed and t, so a resumed run has the same. First step: that of t = 0. It
    has no end. Outside of `start` and `end` the factor is 1, unless ``outside="hold"`` is given.

    Args:
        amount: Largest relative change, at least 0 and below 1.
        seed: Another seed is other noise.
        distribution: ``"normal"`` or ``"uniform"``.
        std: Deviation of the normal distribution before it is cut off, above 0.
        **options: Options of every schedule, see `LRCallback`; ``interval="epoch"`` draws once an epoch.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is outside its range.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import CosineAnnealing, preview
        >>> noise = Noise(amount=0.1, interval="epoch", start="40%", end="90%")
        >>> trainer = Trainer(callbacks=[CosineAnnealing(), noise], logger=False)
        >>> [round(lr, 4) for lr in preview([Noise(amount=0.1, start=1)], 0.1, total_steps=4)[:, 0].tolist()]
        [0.1, 0.0939, 0.0999, 0.1033]

    References:
        timm ``Scheduler`` (``noise_range_t``, ``noise_pct``, ``noise_std``).
    """

    def __init__(
        self,
        amount: float = 0.67,
        seed: int = 42,
        distribution: Distribution = "normal",
        std: float = 1.0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        options.setdefault("outside", "one")
        super().__init__(**options)
        require(0 <= require_number("amount", amount) < 1, "amount", "at least 0 and below 1", amount)
        require_int("seed", seed)
        require_choice("distribution", distribution, Distribution)
        require(require_number("std", std) > 0, "std", "above 0", std)
        self.amount = amount
        self.seed = seed
        self.distribution = distribution
        self.std = std

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The noise."""
        return noise_factor(t, amount=self.amount, seed=self.seed, distribution=self.distribution, std=self.std)

    @property
    def why_not_by_time(self) -> str | None:
        """It is drawn for a step."""
        return super().why_not_by_time or "its noise is drawn for each step"

    def describe(self) -> str:
        """How much."""
        return f"{self.distribution} noise of up to {100 * self.amount:g}% every {self.interval}"
