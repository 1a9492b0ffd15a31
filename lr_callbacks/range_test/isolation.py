"""What a range test disturbs, muted while it runs and put back after it, whatever happens."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.nn.parameter import is_lazy

from lr_callbacks.core import lightning_internals as private
from lr_callbacks.range_test.random_state import remember_random_state
from lr_callbacks.range_test.state_snapshot import StateSnapshot

Log = Callable[[str, Any], None]


@contextmanager
def isolated(
    trainer: Trainer, module: LightningModule, *, log: Log, on_cpu: bool = False
) -> Iterator[Callable[[], None]]:
    """Inside, train as you like; outside, nothing has happened.

    Inside there are no callbacks, the loggers and the profiler swallow everything, and ``self.log`` goes to `log`.
    Afterwards these are as they were: weights, buffers, gradients, optimizers, native schedulers, the gradient scaler,
    the attributes of the module, of its submodules (states of metrics among them) and of the data module, the progress
    of the loops, and the random states.

    Args:
        trainer: A trainer in ``on_fit_start``.
        module: Its module.
        log: Takes name and value of what the module logs.
        on_cpu: Whether the copy of weights and optimizer state is kept in the CPU's memory, not on their device.

    Yields:
        A function that goes back to the beginning, for a second try.

    Raises:
        MisconfigurationException: If the module has parameters that are not there yet (lazy modules).
    """
    lazy = [name for name, parameter in module.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise MisconfigurationException(
            f"The range test cannot restore parameters that do not exist before the first forward pass: {lazy[0]}"
            " (a lazy module). Run one batch through the module before the fit."
        )
    snapshot = _take(trainer, module, torch.device("cpu") if on_cpu else None)
    restore_random_state = remember_random_state()

    def go_back() -> None:
        snapshot.restore()
        restore_random_state()

    def begin_again() -> None:
        go_back()
        _mute(trainer, module, log)

    try:
        _mute(trainer, module, log)
        yield begin_again
    finally:
        with _no_interrupt():
            go_back()


def _take(trainer: Trainer, module: LightningModule, device: torch.device | None) -> StateSnapshot:
    configs = trainer.lr_scheduler_configs
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    roots: list[object] = [
        module,
        *module.parameters(),
        *module.buffers(),
        *trainer.optimizers,
        *(config.scheduler for config in configs),
        *([] if scaler is None else [scaler]),
        *([] if trainer.datamodule is None else [trainer.datamodule]),  # type: ignore[attr-defined]
        trainer.fit_loop,
        trainer._logger_connector,
        trainer.state,
    ]
    loaders = private.given_loaders(trainer)  # copies of them are used, and they may hold all the data
    snapshot = StateSnapshot(roots, leave=[trainer, *loaders], device=device)
    snapshot.keep_attributes(trainer)
    return snapshot


def _mute(trainer: Any, module: LightningModule, log: Log) -> None:
    for callback in trainer.callbacks:
        if isinstance(callback, GradientAccumulationScheduler):
            trainer.accumulate_grad_batches = callback.get_accumulate_grad_batches(0)
    trainer.callbacks = []
    trainer.loggers = [DummyLogger() for _ in trainer.loggers]
    trainer.profiler = PassThroughProfiler()

    def take(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        log(name, value)

    def take_dict(dictionary: Any, *args: Any, **kwargs: Any) -> None:
        for name, value in dictionary.items():
            log(name, value)

    for part in module.modules():
        if isinstance(part, LightningModule):
            vars(part).update(log=take, log_dict=take_dict)


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold Ctrl-C back for as long as it takes to restore."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
