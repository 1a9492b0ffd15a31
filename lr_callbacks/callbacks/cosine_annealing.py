"""Cosine annealing, once."""

from __future__ import annotations

from typing_extensions import Unpack

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import floor, floor_text, require, require_number
from lr_callbacks.core.schedule import ScheduleOptions, lookahead
from lr_callbacks.core.schedule_time import Array, GroupRows, ScheduleTime
from lr_callbacks.schedules import cosine_factor


class CosineAnnealing(LRCallback):
    """Anneal the learning rate from its base value along half a cosine, by default until the end of the run.

    The LR at time t of T is ``eta_min + (base_lr - eta_min) (1 + cos(pi t / T)) / 2``. First step: the base LR.
    Reached: `eta_min` at time T (one after the last of T steps), and held.

    In full, with c = `num_cycles`: ``eta_min + (base_lr - eta_min) ((1 + cos(2 pi c (t / T) ** k)) / 2) ** power``.

    The values are those of torch ``CosineAnnealingLR`` until time T; after it, torch's LR rises again. For restarts see
    `SGDR`.

    Args:
        eta_min: LR at the end, at least 0: absolute, or a share of each group's base LR such as ``"1%"``.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        num_cycles: Waves c: 0.5 is half a cosine; 1.5 goes down, up and down again.
        power: Exponent of the height, above 0: above 1 it falls faster at first.
        k_decay: Exponent k of the time that is done, above 0: above 1 the LR stays up for longer.
        **options: Options of every schedule, see `LRCallback`.

    Raises:
        TypeError: If a duration is a bare float or an argument is no number.
        ValueError: If an argument is outside its range.
        MisconfigurationException: At the start of the training, if a length is needed that is not known, or one comes
            out as 0 steps.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[CosineAnnealing(eta_min=1e-5)], logger=False)
        >>> from lr_callbacks import preview
        >>> lrs = preview([CosineAnnealing(eta_min=0.02, total_steps=4)], 0.1, total_steps=6)
        >>> [round(lr, 6) for lr in lrs[:, 0].tolist()]
        [0.1, 0.088284, 0.06, 0.031716, 0.02, 0.02]

    References:
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5 (without restarts); torch ``CosineAnnealingLR``;
        transformers ``get_cosine_schedule_with_warmup``; Zhang & Li, k-decay, 2020, arXiv:2004.05909.
    """

    fills_run = True
    floor_name = "eta_min"

    def __init__(
        self,
        eta_min: float | str = 0.0,
        total_steps: int | str | None = None,
        num_cycles: float = 0.5,
        power: float = 1.0,
        k_decay: float = 1.0,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        super().__init__(**options)
        floor("eta_min", eta_min)
        self.check_length("total_steps", total_steps, optional=True)
        for name, value in (("num_cycles", num_cycles), ("power", power), ("k_decay", k_decay)):
            require(require_number(name, value) > 0, name, "above 0", value)
        self.eta_min = eta_min
        self.total_steps = total_steps
        self.num_cycles = num_cycles
        self.power = power
        self.k_decay = k_decay

    @lookahead
    def factors(self, t: Array, time: ScheduleTime, groups: GroupRows) -> Array:
        """Half a cosine."""
        total = time.length("total_steps", self.total_steps)
        return cosine_factor(
            t,
            total_steps=total,
            eta_min=groups.factor_of(self.eta_min),
            num_cycles=self.num_cycles,
            power=self.power,
            k_decay=self.k_decay,
        )

    def ends_at(self, time: ScheduleTime) -> float | None:
        """The end of the half cosine."""
        return time.length("total_steps", self.total_steps)

    def describe(self) -> str:
        """Length and floor."""
        return f"down to LR {floor_text(self.eta_min)} over {self.named_length(self.total_steps)}"
