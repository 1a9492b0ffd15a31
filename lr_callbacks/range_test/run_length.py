"""Length of the trials, compared with the run."""

from __future__ import annotations

import math

from lr_callbacks.core.durations import Duration
from lr_callbacks.core.lightning_names import MisconfigurationException, Trainer, rank_zero_info, rank_zero_warn

FLOOR = 50
"""Steps below which a trial says nothing."""
SHORT = 0.05
"""Share of the run below which trials tell little: the best LR of a short run is too high for a long one."""
UNKNOWN_SHARE = 0.1


def steps_of_fit(trainer: Trainer, batches: int | None) -> tuple[int | None, int | None]:
    """Optimizer steps that the fit will make, and those of an epoch; None where they are not known.

    Args:
        trainer: A trainer in ``on_fit_start``.
        batches: Batches of an epoch, None if unknown.
    """
    per_epoch = None if batches is None else math.ceil(batches / trainer.accumulate_grad_batches)
    epochs, most = trainer.max_epochs, trainer.max_steps
    ends = [most - trainer.global_step] if most is not None and most > 0 else []
    if per_epoch is not None and epochs is not None and epochs >= 0:
        ends.append((epochs - trainer.current_epoch) * per_epoch)
    return (max(1, min(ends)) if ends else None), per_epoch


def trial_length(trial_steps: int | str, total: int | None, per_epoch: int | None) -> tuple[int, float]:
    """Optimizer steps of a trial, at least 50 and at most those of the fit, and their share of the fit.

    Args:
        trial_steps: As given: steps, epochs or a share of the fit.
        total: Optimizer steps of the fit.
        per_epoch: Optimizer steps of an epoch.

    Raises:
        MisconfigurationException: If it needs a length of the fit that is not known.

    Example:
        >>> trial_length("10%", 4000, 100), trial_length("10%", 200, 100), trial_length(300, None, None)
        ((400, 0.1), (50, 0.25), (300, 0.1))
    """
    duration = Duration.parse(trial_steps, name="trial_steps", minimum=1)
    unit = {"percent": None if total is None else total / 100, "epochs": per_epoch, "steps": 1}[duration.unit]
    if unit is None:
        raise MisconfigurationException(
            f"LRRangeTest: trial_steps={trial_steps!r} needs the length of the fit, which is unknown (data without a"
            " length, or neither max_steps nor max_epochs). Give a number of steps, e.g. trial_steps=500."
        )
    steps = max(FLOOR, math.ceil(duration.value * unit))
    if total is None:
        return steps, UNKNOWN_SHARE
    steps = min(steps, total)
    return steps, steps / total


def announce(trials: int, steps: int, total: int | None) -> None:
    """Log the cost of the trials, and warn if they are too short to be trusted."""
    share = "" if total is None else f", {trials * steps / total:.0%} of this fit ({total} steps)"
    rank_zero_info(f"LRRangeTest: up to {trials} trials of {steps} steps = {trials * steps}{share}.")
    if total is not None and steps < SHORT * total:
        rank_zero_warn(
            f"LRRangeTest: a trial of {steps} steps is {steps / total:.1%} of this fit. The best LR of a short run is"
            f" too high for a long one, and below {SHORT:.0%} trials were no better than the sweep alone. Increase"
            f" trial_steps ('10%' is {math.ceil(total / 10)} steps)."
        )
