"""What a range test found, in the Trainer's loggers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lr_callbacks.core.lightning_names import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    Trainer,
    WandbLogger,
    is_a,
)
from lr_callbacks.range_test.result import RangeTestResult


def log_result(trainer: Trainer, result: RangeTestResult, name: str = "range_test") -> None:
    """Write the curve to TensorBoard and the outcome to all loggers.

    TensorBoard gets ``range_test/loss`` and ``range_test/lr`` (x axis: step of the sweep), the same of the trials (in
    the order of their LRs), the verdict, and a figure, which needs matplotlib and is left out without it. Others, whose
    steps are shared with the training, get one entry: ``range_test/suggestion``, ``range_test/low`` and
    ``range_test/high``; of these CSV, W&B and MLflow get the curve as a table and the figure too, as files. With
    several tests, `name` takes the place of ``range_test``.
    """
    for logger in trainer.loggers:
        if is_a(logger, TensorBoardLogger):
            _to_tensorboard(logger, result, name)
        elif result.suggestion is not None and result.interval is not None:
            low, high = result.interval
            found = {f"{name}/suggestion": result.suggestion, f"{name}/low": low, f"{name}/high": high}
            logger.log_metrics(found, step=trainer.global_step)
        if not is_a(logger, TensorBoardLogger):
            _curve_and_figure(logger, result, name)


def _curve_and_figure(logger: Logger, result: RangeTestResult, name: str) -> None:
    """The curve as a table and the figure, to the loggers that have a place for them."""
    figure = result.plot() if importlib.util.find_spec("matplotlib") is not None else None
    if is_a(logger, CSVLogger):
        folder = Path(logger.log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.csv").write_text(result.to_csv(), encoding="utf-8")
        if figure is not None:
            figure.savefig(folder / f"{name}.png")
    elif is_a(logger, WandbLogger):
        rows = [list(row) for row in zip(result.lrs, result.losses, strict=True)]
        logger.log_table(f"{name}/curve", columns=["lr", "loss"], data=rows)
        if figure is not None:
            logger.log_image(f"{name}/figure", [figure])
    elif is_a(logger, MLFlowLogger):
        logger.experiment.log_text(logger.run_id, result.to_csv(), f"{name}.csv")
        if figure is not None:
            logger.experiment.log_figure(logger.run_id, figure, f"{name}.png")


def _to_tensorboard(logger: TensorBoardLogger, result: RangeTestResult, name: str) -> None:
    board = logger.experiment
    for step, (lr, loss) in enumerate(zip(result.lrs, result.losses, strict=True)):
        board.add_scalar(f"{name}/lr", lr, step)
        board.add_scalar(f"{name}/loss", loss, step)
    for place, trial in enumerate(sorted(result.trials, key=lambda trial: trial.lr)):
        board.add_scalar(f"{name}/trial_lr", trial.lr, place)
        board.add_scalar(f"{name}/trial_loss", trial.loss, place)
        if trial.validation_loss is not None:
            board.add_scalar(f"{name}/trial_validation_loss", trial.validation_loss, place)
    if result.suggestion is not None and result.interval is not None:
        board.add_scalar(f"{name}/suggestion", result.suggestion, 0)
    board.add_text(f"{name}/verdict", str(result))
    if importlib.util.find_spec("matplotlib") is not None:
        board.add_figure(name, result.plot())
