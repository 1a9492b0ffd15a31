"""One trial: a training at one point with one seed, watched by a callback."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from lr_callbacks.core.lightning_internals import enter_no_hparams, finder_sets_lr, logged_so_far
from lr_callbacks.core.lightning_names import (
    Callback,
    LearningRateFinder,
    LightningModule,
    MisconfigurationException,
    TensorBoardLogger,
    Trainer,
    TrainerStatus,
    is_a,
    seed_everything,
)
from lr_callbacks.range_test.callback import LRRangeTest
from lr_callbacks.sweep.build import Build, caller, made_new

Report = Callable[[int, float], bool]
"""(number of the evaluation, metric) -> whether to stop the trial."""


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Args:
        value: The metric at the end of the training; NaN if it diverged.
        pruned: Whether it was stopped early.
        epochs: Number of trained epochs.
        seconds: Duration of the training.
        run: Log folder, or "" without a logger.
        reason: The error in which a divergence ended, or "".
        trainer: The trainer after the fit.

    Example:
        >>> Outcome(float("nan"), False, 1, 0.5, "", "ValueError: NaN", Trainer(logger=False)).said("val_loss")
        'diverged (ValueError: NaN), 1 epoch, 0.5 s'
    """

    value: float
    pruned: bool
    epochs: int
    seconds: float
    run: str
    reason: str
    trainer: Trainer

    @property
    def diverged(self) -> bool:
        """Whether the metric or a weight was not finite."""
        return not math.isfinite(self.value)

    @property
    def facts(self) -> dict[str, Any]:
        """What a study stores in addition to the value."""
        return {"epochs": self.epochs, "seconds": round(self.seconds, 3), "run": self.run}

    def said(self, metric: str) -> str:
        """Return the result as text."""
        why = f" ({self.reason})" if self.reason else ""
        value = f"diverged{why}" if self.diverged else f"{metric} {self.value:.4g}"
        end, s = " (pruned)" if self.pruned else "", "" if self.epochs == 1 else "s"
        return f"{value}{end}, {self.epochs} epoch{s}, {self.seconds:.1f} s"


def run_trial(
    build: Build,
    point: Mapping[str, Any],
    *,
    seed: int = 0,
    metric: str = "val_loss",
    report: Report = lambda step, value: False,
) -> Outcome:
    """Train at one point, e.g. from a job array, Ray Tune or another sweep engine that chooses the points.

    The last value of the metric counts, not the best epoch: the best of many noisy values is biased, most of all at
    high learning rates. If the metric or a weight is not finite, training stops after the epoch. An error counts as
    divergence if a weight, the last loss, a logged metric or a tensor in the failing code was not finite.

    Args:
        build: Makes trainer, module and data, as for `grid_search`.
        point: Axis -> value.
        seed: Seed set by `seed_everything` before `build` is called.
        metric: Name of the logged metric.
        report: Called with number and value of each evaluation of the metric; returns whether to stop.

    Raises:
        MisconfigurationException: If the metric is not logged, the trainer or module was used before, the trainer has
            several devices, or a callback would replace the learning rate of the point.
        TypeError: If `build` does not take the point, or returns something else.

    Example:
        >>> import torch
        >>> from lr_callbacks.demo import DigitsClassifier, DigitsDataModule
        >>> def build(lr):
        ...     trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        ...                       enable_progress_bar=False, enable_model_summary=False)
        ...     model = DigitsClassifier(lambda params: torch.optim.SGD(params, lr=lr), channels=4)
        ...     return trainer, model, DigitsDataModule()
        >>> 0 < run_trial(build, {"lr": 0.1}, metric="val_acc").value < 1
        True
    """
    call = caller(build, point)
    seed_everything(seed, workers=True, verbose=False)
    trainer, module, *data = made_new(call(dict(point)))
    for logger in trainer.loggers:
        if is_a(logger, TensorBoardLogger):
            enter_no_hparams(logger)
    rates = [name for name in point if name.rpartition(".")[2] in ("lr", "learning_rate")]
    watch = TrialWatch(metric, report, rates[0] if rates else None)
    trainer.callbacks.insert(0, watch)
    started = time.perf_counter()
    reason = ""
    try:
        trainer.fit(module, *data)
    except Exception as error:
        if not watch.has_diverged(module, error):
            raise
        reason = f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:100]}"
    if trainer.state.status == TrainerStatus.INTERRUPTED and not reason:  # some versions of Lightning return normally
        raise KeyboardInterrupt
    seconds = time.perf_counter() - started
    value = math.nan if reason else watch.final_value(trainer, module)
    run = str(trainer.log_dir) if trainer.loggers else ""
    return Outcome(value, watch.pruned and math.isfinite(value), watch.epochs, seconds, run, reason, trainer)


class TrialWatch(Callback):
    """Watch the metric of a trial; stop it if it has diverged, or if `report` returns True."""

    def __init__(self, metric: str, report: Report, lr_axis: str | None = None) -> None:
        self.metric, self.lr_axis, self._report = metric, lr_axis, report
        self.pruned = self._validated = self._at_validation = False
        self.epochs = self._evaluations = 0
        self._loss: Tensor | None = None
        self._logged: list[Tensor] = []

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.lr_axis is not None:  # including those of the module's configure_callbacks
            _refuse_finders(trainer.callbacks, self.lr_axis)  # type: ignore[attr-defined]

    @override
    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self._loss = loss.detach()

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        with suppress(Exception):  # the loops may be in any state
            self._logged = [*trainer.callback_metrics.values(), *logged_so_far(trainer)]

    def has_diverged(self, module: LightningModule, error: Exception) -> bool:
        """Whether an error is caused by numbers that are not finite, not by a bug."""
        if is_a(error, MisconfigurationException) or is_out_of_memory(error):
            return False
        try:
            seen = [self._loss, *self._logged]
            return not all(map(_is_finite, [*module.parameters(), *seen])) or _has_nan_at_hand(error)
        except RuntimeError:  # the device has failed
            return False

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking:  # a misspelt name is rejected before the first step; others may be logged later
            if self.metric not in trainer.callback_metrics and _misspelt(self.metric, trainer.callback_metrics):
                self._require_metric(trainer)
            return
        if not self._validated:  # training metrics are only logged at the end of the epoch
            self._validated, self._at_validation = True, self.metric in trainer.callback_metrics
        if self._at_validation:
            self._judge(trainer)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.epochs and (self._validated or not trainer.enable_validation):
            self._require_metric(trainer)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epochs += 1
        if not self._at_validation and self.metric in trainer.callback_metrics:
            self._judge(trainer)
        if not _finite(pl_module):
            trainer.should_stop = True

    def final_value(self, trainer: Trainer, module: LightningModule) -> float:
        """Return the metric at the end; NaN if it or a weight is not finite."""
        if self._validated or not trainer.enable_validation:
            self._require_metric(trainer)
        if not _finite(module):
            return math.nan
        self._require_metric(trainer)
        value = float(trainer.callback_metrics[self.metric])
        return value if math.isfinite(value) else math.nan

    def _judge(self, trainer: Trainer) -> None:
        value = float(trainer.callback_metrics[self.metric])
        if not math.isfinite(value):
            trainer.should_stop = True
            return
        self._evaluations += 1
        last_epoch = trainer.current_epoch + 1 == trainer.max_epochs and trainer.is_last_batch
        is_over = last_epoch or trainer.global_step == trainer.max_steps
        if self._report(self._evaluations, value) and not is_over:
            self.pruned = trainer.should_stop = True

    def _require_metric(self, trainer: Trainer) -> None:
        if self.metric not in trainer.callback_metrics:
            logged = sorted(name for name in trainer.callback_metrics if not name.startswith(("lr/", "momentum/")))
            near = get_close_matches(self.metric, logged, n=1)
            raise MisconfigurationException(
                f"metric {self.metric!r} was not logged. {f'Did you mean {near[0]!r}? ' if near else ''}Logged: "
                f"{', '.join(logged) or 'nothing'}. Choose one of these, or log it with self.log({self.metric!r}, ...)"
            )


def _misspelt(metric: str, logged: Iterable[str]) -> bool:
    """Whether a metric is a logged one with a typing error; "loss_epoch" is none of "val_loss_epoch"."""
    first = re.compile(r"[^\W_]*")
    near = get_close_matches(metric, logged, cutoff=0.8)
    return any(get_close_matches(first.match(metric)[0], [first.match(name)[0]]) for name in near)  # type: ignore[index]


def log_hparams(trainer: Trainer, point: dict[str, Any], metrics: dict[str, float]) -> None:
    """Add a trial to TensorBoard's HParams table; only after it is stored, so that it cannot appear twice."""
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    for logger in trainer.loggers:
        if is_a(logger, TensorBoardLogger) and finite:
            logger.log_hyperparams(point, finite, step=trainer.global_step)
            logger.finalize("success")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means out of memory, on the host or on a device."""
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)


def _refuse_finders(callbacks: list[Callback], axis: str) -> None:
    """Reject callbacks that would replace the learning rate of the point by one that they find."""
    for callback in callbacks:
        if isinstance(callback, LRRangeTest) and callback.apply:
            option = "apply"
        elif is_a(callback, LearningRateFinder) and finder_sets_lr(callback):
            option = "update_attr"
        else:
            continue
        raise MisconfigurationException(
            f"{type(callback).__name__} must not set the LR in a sweep of {axis!r}, got {option}=True; write "
            f"{option}=False, or remove it and pass its result as suggest="
        )


def _finite(module: LightningModule) -> bool:
    return all(map(_is_finite, module.parameters()))


def _is_finite(values: Tensor | None) -> bool:
    return values is None or bool(torch.isfinite(values).all())


def _has_nan_at_hand(error: Exception) -> bool:
    """Whether a local variable in the traceback is a tensor with NaN; infinities are common in masks."""
    held = [value for frame, _ in walk_tb(error.__traceback__) for value in frame.f_locals.values()]
    tensors = [value.detach() for value in held if isinstance(value, Tensor) and value.is_floating_point()]
    return any(bool(values.isnan().any()) for values in tensors)
