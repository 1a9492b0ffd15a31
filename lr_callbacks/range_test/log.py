"""The curve of a range test in TensorBoard, where the Trainer logs there."""

from __future__ import annotations

import importlib.util

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from lr_callbacks.range_test.result import RangeTestResult


def log_to_tensorboard(trainer: Trainer, result: RangeTestResult) -> None:
    """Write ``range_test/loss``, ``range_test/lr`` (x axis: step of the sweep), the verdict, and a figure.

    Other loggers get nothing: their steps are shared with the training, which begins at step 0 after this. The figure
    needs matplotlib and is left out without it.
    """
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            board = logger.experiment
            for step, (lr, loss) in enumerate(zip(result.lrs, result.losses, strict=True)):
                board.add_scalar("range_test/lr", lr, step)
                board.add_scalar("range_test/loss", loss, step)
            board.add_text("range_test/verdict", str(result))
            if importlib.util.find_spec("matplotlib") is not None:
                board.add_figure("range_test", result.plot())
