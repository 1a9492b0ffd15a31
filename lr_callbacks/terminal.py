"""What the command line says: errors that name the way out, no noise, and a result at the end."""

import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import NoReturn

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.model_helpers import is_overridden

import lr_callbacks
from lr_callbacks import LRCallback

NOISE = (
    # Worker processes slow down a data set that lies in memory.
    "does not have many workers",
    # Lightning's own call of a name that torch has deprecated.
    "isinstance(treespec, LeafSpec)` is deprecated",
    # A resumed run writes into a new folder, so that it overwrites nothing: that is what we do on purpose.
    "The dirpath has changed from",
    # Offers of other products.
    "Tip: For seamless cloud",
)


@contextmanager
def without_noise() -> Iterator[None]:
    """Drop the messages about which nobody at a terminal can, or needs to, do anything."""

    def tells_something(record: logging.LogRecord) -> bool:
        return not any(noise in record.getMessage() for noise in NOISE)

    handlers = [handler for name in ("lightning", "lightning.pytorch") for handler in logging.getLogger(name).handlers]
    for handler in handlers:
        handler.addFilter(tells_something)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # meant for developers, such as Lightning's
            for noise in NOISE:
                warnings.filterwarnings("ignore", message="(?s).*" + re.escape(noise))
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(tells_something)


class ShortErrorParser(LightningArgumentParser):
    """A parser whose errors are the message and the way out, without two screens of usage before them."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message to stderr and exit with status 2."""
        if not self.exit_on_error:
            super().error(message, ex)
        parser = getattr(ex, "subcommand_parser", None) or self
        self.exit(2, f"error: {message}\n{_hint(message)}All options: {parser.prog.replace(' [options]', '')} --help\n")


def _hint(message: str) -> str:
    """The way out, where jsonargparse only says what is wrong with a class name."""
    name = re.search(r"Expected a dot import path string: (\S+)", message)
    if name:
        return (
            f"No class is known by the short name {name[1]}. Callbacks of this package: "
            f"{', '.join(_known_callbacks())}.\nA class of your own needs its import path, such as "
            f"my_module.{name[1]} with my_module.py in this folder.\n"
        )
    module = re.search(r"No module named '(\S+)'", message)
    if module:
        return f"{module[1]} is looked for in this folder ({Path.cwd()}) and among the installed packages.\n"
    return ""


def _known_callbacks() -> list[str]:
    """Names of the package's callbacks that can be used as they are."""
    public = {name: vars(lr_callbacks).get(name) for name in sorted(lr_callbacks.__all__)}
    classes = {name: value for name, value in public.items() if isinstance(value, type)}
    return [name for name, value in classes.items() if value is not LRCallback and issubclass(value, Callback)]


def report_fit(trainer: Trainer, seconds: float) -> None:
    """Say how a training ended, where it is, and how to look at it.

    Args:
        trainer: The trainer after `fit`.
        seconds: Duration of the fit.
    """
    if not trainer.is_global_zero:
        return
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    monitors = [callback for callback in callbacks if isinstance(callback, LearningRateMonitor)]
    rates = {name for monitor in monitors for name in (*monitor.lrs, *monitor.last_momentum_values)}
    metrics = {name: value.item() for name, value in sorted(trainer.callback_metrics.items()) if name not in rates}
    lines = [f"Trained {trainer.current_epoch} epochs, {trainer.global_step} optimizer steps, in {seconds:.1f} s."]
    if metrics:
        lines.append("Result      " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    checkpoint = getattr(trainer.checkpoint_callback, "best_model_path", "")
    folder = trainer.log_dir if trainer.logger else None
    if folder:
        lines.append(f"Run         {trainer.log_dir}")
    if checkpoint:
        lines.append(f"Checkpoint  {checkpoint}")
        if folder and is_overridden("test_step", trainer.lightning_module):
            config = str(Path(folder, "config.yaml"))
            lines.append(f"Test it     lr-callbacks test --config {quote(config)} --ckpt_path {quote(checkpoint)}")
    if folder and isinstance(trainer.logger, TensorBoardLogger):
        lines.append(f"Curves      tensorboard --logdir {quote(str(trainer.logger.save_dir))}")
    say(lines)


def report_predictions(trainer: Trainer) -> None:
    """Say how many predictions there are, and the first ones if they are a tensor of numbers per sample.

    Args:
        trainer: The trainer after `predict`.
    """
    batches = trainer.predict_loop.predictions
    if not trainer.is_global_zero or not batches:
        return
    if all(isinstance(batch, torch.Tensor) and batch.ndim == 1 for batch in batches):
        values = torch.cat([batch for batch in batches if isinstance(batch, torch.Tensor)]).tolist()
        say([f"Predicted {len(values)} samples. The first: {' '.join(f'{value:.4g}' for value in values[:20])}"])
    else:
        say([f"Predicted {len(batches)} batches."])


def warn_untrained(subcommand: str) -> None:
    """Say that an evaluation without a checkpoint judges a network that has learnt nothing.

    Args:
        subcommand: The one that runs: validate, test or predict.
    """
    say(
        [
            "No --ckpt_path: this is the network before any training. To use a trained one: "
            f"lr-callbacks {subcommand} --ckpt_path runs/NAME/version_0/checkpoints/FILE.ckpt"
        ]
    )


def say(lines: list[str]) -> None:
    """Print lines after an empty one."""
    sys.stdout.write("\n".join(["", *lines, ""]))
    sys.stdout.flush()
