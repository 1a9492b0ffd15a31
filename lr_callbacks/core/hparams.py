"""The schedules of a run as hyper-parameters in its loggers, so that runs can be told apart and filtered by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lr_callbacks.core.lightning_names import TensorBoardLogger, Trainer, is_a, rank_zero_warn
from lr_callbacks.core.plan import plain
from lr_callbacks.core.schedule import LRSchedule


def hyper_parameters(schedules: Sequence[LRSchedule]) -> dict[str, Any]:
    """Schedules as names and plain values: all in one line, and each argument that differs from its default."""
    counts: Counter[str] = Counter()
    found: dict[str, Any] = {"lr_schedules": ", ".join(map(repr, schedules))}
    for schedule in schedules:
        name = type(schedule).__name__
        counts[name] += 1
        label = name if counts[name] == 1 else f"{name} {counts[name]}"
        for argument, value in schedule.arguments().items():
            value = plain(value)
            found[f"lr_schedule/{label}/{argument}"] = str(value) if isinstance(value, list | dict) else value
    return found


def log_schedules(trainer: Trainer, schedules: Sequence[LRSchedule]) -> None:
    """Give the schedules to each logger as hyper-parameters; a logger that rejects them is named in a warning.

    TensorBoard has them in ``hparams.yaml``; its HParams page shows one entry of a run, which is left to the module.

    Args:
        trainer: The trainer, in ``on_fit_start``: before Lightning saves the hyper-parameters of the module.
        schedules: What drives the LRs, or changes how.
    """
    driving = [schedule for schedule in schedules if schedule.is_of_the_plan]
    for logger in trainer.loggers if any(schedule.drives for schedule in driving) else ():
        more: dict[str, Any] = {"metrics": {}} if is_a(logger, TensorBoardLogger) else {}
        try:
            logger.log_hyperparams(hyper_parameters(driving), **more)
        except Exception as error:  # of any logger's own kind, such as MLflow's where a run goes on with other values
            reason = (str(error).strip() or "?").splitlines()[0][:200]
            rank_zero_warn(
                f"{type(logger).__name__} did not take the LR schedules as hyper-parameters"
                f" ({type(error).__name__}: {reason}); training continues without them there"
            )
