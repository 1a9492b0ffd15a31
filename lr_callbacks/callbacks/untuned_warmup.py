"""A warm-up whose length follows from the optimizer."""

from __future__ import annotations

import numpy as np
from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import one_of
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime, same
from lr_callbacks.schedules import UntunedKind, untuned_factor

LOWEST_OF_RADAM = 0.6


class UntunedWarmup(LRCallback):
    """Ramp the learning rate up over a length that follows from Adam's second beta, with nothing to tune.

    The factor t steps in, with b = beta2: linear ``min(1, (t + 1) / n)`` with ``n = floor(2 / (1 - b))``; exponential
    ``1 - exp(-(t + 1) / n)`` with ``n = floor(1 / (1 - b))``; radam: the rectification of RAdam. First step: above 0.
    Linear reaches 1 at t = n - 1; the others come ever nearer and have no end.

    It multiplies what the other schedules do, which do not wait for it. For a ramp that they wait for see `Warmup`.

    Args:
        kind: ``"linear"``, ``"exponential"`` or ``"radam"``.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        ValueError: If `kind` is none of these.
        MisconfigurationException: At the start of the training, if the optimizer has no second beta, or RAdam's
            rectification does not exist for it.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import CosineAnnealing
        >>> trainer = Trainer(callbacks=[UntunedWarmup(), CosineAnnealing()], logger=False)

    References:
        Ma & Yarats, On the Adequacy of Untuned Warmup for Adaptive Optimization, 2021, arXiv:1910.04209;
        ``pytorch_warmup``.
    """

    def __init__(self, kind: UntunedKind = "linear", **options: Unpack[ScheduleOptions]) -> None:
        super().__init__(**options)
        one_of("kind", kind, UntunedKind)
        self.kind = kind

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """The ramp."""
        beta2 = np.array(groups.beta2)
        lowest = LOWEST_OF_RADAM if self.kind == "radam" else 0.0
        if not ((beta2 > lowest) & (beta2 < 1)).all():
            wrong = next(beta for beta in groups.beta2 if not lowest < beta < 1)
            what = "has no beta2" if np.isnan(wrong) else f"has beta2={wrong:g}"
            raise MisconfigurationException(
                f"{self!r} takes its length from the second beta of Adam's family, above {lowest:g} and below 1, and an"
                f" optimizer that it drives {what}; use Warmup(duration) there, or name the optimizer: optimizer=0"
            )
        return untuned_factor(t, beta2=same(beta2), kind=self.kind)

    @property
    def why_not_by_time(self) -> str | None:
        """Its length is one in steps."""
        return super().why_not_by_time or "its length follows from the optimizer, in steps"

    def describe(self) -> str:
        """Its kind."""
        return f"{self.kind}, of a length that follows from beta2"
