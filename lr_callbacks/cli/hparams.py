"""Hyper-parameters of a run for every logger: LR, optimizer, schedule and its arguments."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch.utils.tensorboard.summary import hparams
from typing_extensions import override

from lr_callbacks.callbacks.base import LRCallback
from lr_callbacks.core.lightning_names import (
    Callback,
    LightningModule,
    TensorBoardLogger,
    Trainer,
    is_a,
    rank_zero_only,
)
from lr_callbacks.core.param_groups import BASE_LR

NOT_RESULTS = ("lr/", "momentum/", "weight_decay/")
"""Beginnings of the tags of values that are set, not measured."""


class RunHyperparameters(Callback):
    """Log LR, optimizer and schedule with its arguments, and enter the run into TensorBoard's table of them."""

    parameters: dict[str, Any] | None = None
    """What was logged; None until the training starts."""

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.parameters = hyperparameters(trainer)
        for logger in trainer.loggers:
            logger.log_hyperparams(self.parameters)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._enter(trainer, pl_module)

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self.parameters is not None:
            self._enter(trainer, pl_module)

    @rank_zero_only
    def _enter(self, trainer: Trainer, module: LightningModule) -> None:
        """Enter the run into the table, with the metrics that it has logged."""
        results = [name for name in trainer.callback_metrics if not name.startswith(NOT_RESULTS)]
        own = {name: value for name, value in module.hparams.items() if not name.startswith("_")}  # not LightningCLI's
        entered = plain({**own, **(self.parameters or {})})
        for logger in trainer.loggers:
            writer = logger.experiment.file_writer if is_a(logger, TensorBoardLogger) else None
            if writer is not None:
                zeros = dict.fromkeys(results, 0.0)  # the table takes the values from the series
                for summary in hparams(entered, zeros):  # type: ignore[no-untyped-call]
                    writer.add_summary(summary)


def hyperparameters(trainer: Trainer) -> dict[str, Any]:
    """LR and class of each optimizer, and the schedules with the arguments that are not defaults.

    Args:
        trainer: A trainer whose training has started.
    """
    found: dict[str, Any] = {}
    for index, optimizer in enumerate(trainer.optimizers):
        number = f" {index}" if len(trainer.optimizers) > 1 else ""
        found[f"optimizer{number}"] = type(optimizer).__name__
        lrs = [float(group.get(BASE_LR, group["lr"])) for group in optimizer.param_groups]
        for place, lr in enumerate(lrs):
            name = f"/{optimizer.param_groups[place].get('name', place)}" if len(set(lrs)) > 1 else ""
            found[f"lr{number}{name}"] = lr
    callbacks = [each for each in trainer.callbacks if isinstance(each, LRCallback)]  # type: ignore[attr-defined]
    found["schedule"] = " + ".join(type(callback).__name__ for callback in callbacks) or "none"
    seen: Counter[str] = Counter()
    for callback in callbacks:
        kind = type(callback).__name__
        seen[kind] += 1
        name = kind if seen[kind] == 1 else f"{kind} {seen[kind]}"
        # TensorBoard sorts by name and shows the first five: LR, optimizer and schedule before their details.
        found |= {f"schedule/{name}/{argument}": value for argument, value in callback.arguments().items()}
    return plain(found)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as loggers take them: numbers and text.

    Example:
        >>> plain({"lr": 0.1, "milestones": ["50%", 3], "end": None})
        {'lr': 0.1, 'milestones': "['50%', 3]", 'end': 'None'}
    """
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in values.items()
    }
