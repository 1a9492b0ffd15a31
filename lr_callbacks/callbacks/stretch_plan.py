"""One knob for a whole plan."""

from __future__ import annotations

from typing import ClassVar

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.arguments import require, require_bool
from lr_callbacks.core.durations import Duration


class StretchPlan(LRCallback):
    """Stretch or shrink all schedules in proportion, from the run that their lengths were written for to this one.

    With `planned_for` the length P of that run and T that of this one, every length of every schedule, such as
    ``"30 epochs"``, 500 or ``"1M samples"``, is multiplied by T / P and rounded to whole steps. Shares of the run, such
    as ``"10%"``, fit it as they are. So ``max_epochs`` alone makes a recipe of 90 epochs one of 18.

    What counts evaluations is left as it is: `patience` and `cooldown` of `ReduceLROnPlateau`. With another length of
    the run a resume has another plan, and says so.

    Args:
        planned_for: Length P: an int (optimizer steps), ``"90 epochs"``, ``"300B tokens"`` or ``"10 h"`` (for runs by
            the wall clock).
        keep_warmup: Whether the lengths of `Warmup` callbacks are left as they are.

    Raises:
        TypeError: If `planned_for` is a bare float.
        ValueError: If `planned_for` is a share, or is no length.
        MisconfigurationException: At the start of the training, if the length of the run is not known, or a schedule
            cannot be stretched: a function of the step, or a scheduler of torch.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from lr_callbacks import StepDecay, preview
        >>> recipe = [StretchPlan("90 epochs"), StepDecay("30 epochs")]
        >>> trainer = Trainer(max_epochs=18, callbacks=recipe, logger=False)
        >>> lrs = preview(recipe, 1.0, total_steps=18, steps_per_epoch=1)[:, 0].tolist()
        >>> [round(lrs[step], 6) for step in (0, 5, 6, 11, 12, 17)]
        [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]

    References:
        composer ``Trainer(scale_schedule_ratio=...)``; Li et al., Budgeted Training, 2020, arXiv:1905.04753.
    """

    drives: ClassVar[bool] = False

    def __init__(self, planned_for: int | str, keep_warmup: bool = False) -> None:
        super().__init__()
        duration = Duration.parse(planned_for, name="planned_for", minimum=1)
        require(duration.unit != "percent", "planned_for", "a length of its own, such as '90 epochs'", planned_for)
        require_bool("keep_warmup", keep_warmup)
        self.planned_for = planned_for
        self.keep_warmup = keep_warmup

    def describe(self) -> str:
        """What the lengths were written for."""
        return f"lengths written for {self.named_length(self.planned_for)}"
