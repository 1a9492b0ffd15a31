"""What a command prints at its end: the result, and where it is."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote

import torch

from lr_callbacks.core.lightning_names import (
    Callback,
    LearningRateMonitor,
    TensorBoardLogger,
    Trainer,
    is_a,
    overrides,
)


def report_fit(trainer: Trainer, seconds: float, *, began: bool = True) -> None:
    """Print how a training ended, where its files are, and how to look at them.

    Args:
        trainer: The trainer after `fit`.
        seconds: Duration of the fit.
        began: Whether it trained at all; not from a checkpoint that is already at the end.
    """
    if not trainer.is_global_zero:
        return
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    monitors = [callback for callback in callbacks if is_a(callback, LearningRateMonitor)]
    rates = {name for monitor in monitors for name in (*monitor.lrs, *monitor.last_momentum_values)}
    metrics = {name: value.item() for name, value in sorted(trainer.callback_metrics.items()) if name not in rates}
    reached = f"{counted(trainer.current_epoch, 'epoch')}, {counted(trainer.global_step, 'optimizer step')}"
    lines = [f"Trained {reached}, in {seconds:.1f} s."]
    if trainer.global_step and not began:
        lines = [
            f"Nothing to train: the checkpoint is already at {reached}. Set a larger --trainer.max_epochs or max_steps."
        ]
    if metrics:
        lines.append("Result      " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    checkpoint = getattr(trainer.checkpoint_callback, "best_model_path", "")
    folder = trainer.log_dir if trainer.logger else None
    if folder:
        lines.append(f"Run         {trainer.log_dir}")
    if checkpoint:
        lines.append(f"Checkpoint  {checkpoint}")
        if folder and overrides("test_step", trainer.lightning_module):
            config = str(Path(folder, "config.yaml"))
            lines.append(f"Test it     lr-callbacks test --config {quote(config)} --ckpt_path {quote(checkpoint)}")
    if folder and is_a(trainer.logger, TensorBoardLogger):
        lines.append(f"Curves      tensorboard --logdir {quote(str(trainer.logger.save_dir))}")
    say(lines)


def report_predictions(trainer: Trainer) -> None:
    """Print the number of predictions, and the first ones if they are one number per sample.

    Args:
        trainer: The trainer after `predict`.
    """
    batches = trainer.predict_loop.predictions
    if not trainer.is_global_zero or not batches:
        return
    if all(isinstance(batch, torch.Tensor) and batch.ndim == 1 for batch in batches):
        values = torch.cat([batch for batch in batches if isinstance(batch, torch.Tensor)]).tolist()
        say([f"Predicted {counted(len(values), 'sample')}. First: {' '.join(f'{value:.4g}' for value in values[:20])}"])
    else:
        say([f"Predicted {counted(len(batches), 'batch', 'batches')}."])


def warn_untrained(newest: Path | None) -> None:
    """Warn that an evaluation without a checkpoint is one of an untrained network.

    Args:
        newest: The newest checkpoint of the runs of this name, if there is one.
    """
    way_out = "To evaluate a trained one: --ckpt_path FILE" if newest is None else f"Newest checkpoint: {newest}"
    say([f"Warning: no --ckpt_path given, so this evaluates an untrained model. {way_out}"])


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "epoch"), counted(2, "epoch"), counted(0, "batch", "batches")
        ('1 epoch', '2 epochs', '0 batches')
    """
    return f"{number} {one if number == 1 else several or one + 's'}"


def say(lines: list[str]) -> None:
    """Print lines after an empty one."""
    sys.stdout.write("\n".join(["", *lines, ""]))
    sys.stdout.flush()
