"""Cosine annealing, once."""

from __future__ import annotations

from functools import partial

from lr_callbacks.callbacks.base import Groups
from lr_callbacks.callbacks.interval import IntervalSchedule, Shape
from lr_callbacks.core.arguments import number, require
from lr_callbacks.core.segment import Group
from lr_callbacks.core.ticks import Interval, Ticks
from lr_callbacks.schedules import Curve, cosine_factor


class CosineAnnealing(IntervalSchedule):
    """Anneal the learning rate from its base value along half a cosine, by default until the end of the run.

    The LR at time t of T is ``eta_min + (base_lr - eta_min) (1 + cos(pi t / T)) / 2``. First step: the base LR.
    Reached: `eta_min` at time T (one after the last of T steps), and held.

    The values are those of torch ``CosineAnnealingLR`` until time T; after it, torch's LR rises again. For restarts see
    `SGDR`.

    Args:
        eta_min: LR at the end, absolute, at least 0.
        total_steps: Length T: an int (optimizer steps), ``"2 epochs"``, ``"50%"`` (of the run) or
            ``"30 min"`` (by the wall clock); None for the rest of the run.
        interval: ``"step"``: it moves at every optimizer step; ``"epoch"``: its time t counts epochs, the factor is
            held over each, and lengths are given in epochs or %.
        start: Where the schedule begins, counted from the start of the run: an int (optimizer steps), ``"2 epochs"``,
            ``"10%"`` or ``"30 min"``; None for the end of the group's warm-up.
        optimizer: Index of the optimizer to drive, counted from 0; None for all.
        groups: Parameter groups to drive: an index, a name (``group["name"]``) or a list of them; None for all.

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
        Loshchilov & Hutter, SGDR, 2017, arXiv:1608.03983, eq. 5 (without restarts); torch ``CosineAnnealingLR``.
    """

    anneals_to_end = True

    def __init__(
        self,
        eta_min: float = 0.0,
        total_steps: int | str | None = None,
        *,
        interval: Interval = "step",
        start: int | str | None = None,
        optimizer: int | None = None,
        groups: Groups = None,
    ) -> None:
        super().__init__(interval=interval, start=start, optimizer=optimizer, groups=groups)
        require(number("eta_min", eta_min) >= 0, "eta_min", "at least 0", eta_min)
        if total_steps is not None:
            self.check_length("total_steps", total_steps)
        self.eta_min = eta_min
        self.total_steps = total_steps

    def shape(self, ticks: Ticks, group: Group) -> Shape:
        """The half cosine of one group."""
        total = self.length(ticks, "total_steps", self.total_steps)
        return Shape(
            Curve.above(group.factor_of(self.eta_min), partial(cosine_factor, total_steps=total)), length=total
        )

    def describe(self) -> str:
        """Length and floor."""
        return f"down to LR {self.eta_min:g} over {self.named_length(self.total_steps)}"
