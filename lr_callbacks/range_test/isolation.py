"""What a range test disturbs: muted while it runs, and restored afterwards, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core.lightning_names import (
    DummyLogger,
    GradientAccumulationScheduler,
    LightningModule,
    MisconfigurationException,
    PassThroughProfiler,
    Trainer,
    counterpart,
    is_a,
    rank_zero_info,
)
from lr_callbacks.range_test.random_state import remember_random_state
from lr_callbacks.range_test.signals import SignalCameError, held_signals, no_interrupt
from lr_callbacks.range_test.state_snapshot import StateSnapshot
from lr_callbacks.range_test.tensor_copies import LARGEST_IN_DATA, NotKeptError

Log = Callable[[str, Any], None]
LARGE = 2**30
"""Bytes above which a message says that weights and optimizer state are copied."""


@dataclass(frozen=True)
class Inside:
    """What can be done inside.

    Args:
        begin_again: Restores everything, for another try.
        check: Raises `SignalCameError` on all ranks if a signal has come on one. Collective: every rank must call it.
    """

    begin_again: Callable[[], None]
    check: Callable[[], None]


Isolation = AbstractContextManager[Inside]


@contextmanager
def isolated(
    trainer: Trainer,
    module: LightningModule,
    *,
    log: Log,
    offload: bool | None = None,
    known: StateSnapshot | None = None,
) -> Iterator[Inside]:
    """Undo at the end whatever happens inside.

    Inside there are no callbacks, the loggers and the profiler swallow everything, and ``self.log`` goes to `log`.
    Afterwards these are as they were: weights, buffers, gradients, optimizers, native schedulers, the gradient scaler,
    the attributes of the module, of its submodules (states of metrics among them) and of the data module, the progress
    of the loops, and the random states. Each is restored separately, so one that fails does not affect the others.
    Signals that make Lightning write a checkpoint are held back until then.

    Not restored: module-level globals, and what is written outside of the process (files, databases).

    Args:
        trainer: A trainer in ``on_fit_start`` or at the start of an epoch.
        module: Its module.
        log: Called with the name and the value of what the module logs.
        offload: Whether the copy of weights and optimizer state is kept in CPU memory instead of on their device; None
            for yes if the device has less than twice its size left.
        known: A snapshot whose copies of weights are shared.

    Raises:
        MisconfigurationException: Before anything is changed, if the module has lazy parameters, or holds something
            that would be used up and cannot be restored.
        RuntimeError: Afterwards, naming what could not be restored.
    """
    lazy = [name for name, parameter in module.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise MisconfigurationException(
            f"LRRangeTest cannot restore {lazy[0]}, which does not exist before the first forward pass (a lazy module)."
            " Run one batch through the module before the fit."
        )
    _reshard(module)
    with held_signals() as signal_came:
        snapshots = _take(trainer, module, _place_of_copies(trainer, module, offload), known)
        restore_random_state = remember_random_state()

        def go_back() -> list[str]:
            _reshard(module)
            failed = [what for snapshot in snapshots for what in snapshot.restore()]
            restore_random_state()
            return failed

        def begin() -> None:
            _mute(trainer, module, log)
            for snapshot in snapshots[:2]:
                snapshot.stand_in()

        def begin_again() -> None:
            raise_if_any(go_back())
            begin()

        def check() -> None:
            if trainer.strategy.reduce_boolean_decision(signal_came(), all=False):
                raise SignalCameError

        try:
            begin()
            yield Inside(begin_again, check)
        except BaseException as error:
            with no_interrupt():
                failed = go_back()
            if failed:
                raise not_restored(failed) from error
            raise
        else:
            with no_interrupt():
                raise_if_any(go_back())


def not_restored(failed: list[str]) -> RuntimeError:
    """The error that names what could not be restored."""
    return RuntimeError(
        f"LRRangeTest could not restore: {'; '.join(failed)}. Everything else is as before. Load the weights again"
        " before you train, or create these objects in on_train_start, so that the test has its own."
    )


def raise_if_any(failed: list[str]) -> None:
    """Raise if anything could not be restored."""
    if failed:
        raise not_restored(failed)


def _take(
    trainer: Trainer, module: LightningModule, device: torch.device | None, known: StateSnapshot | None
) -> list[StateSnapshot]:
    """Snapshots of the module with its optimizers, of the data module, and of the trainer."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    given = private.given_loaders(trainer)  # copies of them are used, and they may hold all the data
    leave = [trainer, *given, *([] if data is None else [data])]
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    try:
        mine = StateSnapshot(
            {
                "module": module,
                **{f"module.{name}": parameter for name, parameter in module.named_parameters()},
                **{f"module.{name}": buffer for name, buffer in module.named_buffers()},
                **_numbered("optimizer", trainer.optimizers),
                **_numbered("scheduler", schedulers),
            },
            leave=leave,
            device=device,
            refuses=True,
            known=known,
        )
        datas = StateSnapshot(
            {} if data is None else {"datamodule": data},
            leave=[thing for thing in mine.seen.values() if thing is not data],
            largest=LARGEST_IN_DATA,
            refuses=True,
        )
    except NotKeptError as error:
        raise MisconfigurationException(
            f"LRRangeTest cannot restore {error}, so the fit would find it used up. Create it in on_train_start or"
            " inside the step, store what it is made from instead, or run lr_range_test on a module without it and set"
            " the LR by hand."
        ) from error
    own = StateSnapshot(
        {
            **({} if scaler is None else {"scaler": scaler}),
            "fit_loop": trainer.fit_loop,
            "logger_connector": private.logger_connector(trainer),
            "state": trainer.state,
        },
        leave=[*leave, *mine.seen.values(), *datas.seen.values()],
    )
    own.keep_attributes(trainer)
    return [mine, datas, own]


def _reshard(module: LightningModule) -> None:
    """Free the gathered weights of FSDP2, which evaluating without gradients keeps: only shards can be written back."""
    for part in module.modules():
        if any(cls.__name__ == "FSDPModule" for cls in type(part).__mro__):
            part.reshard()  # type: ignore[operator]


def _numbered(name: str, things: list[Any]) -> Mapping[str, object]:
    return {f"{name} {number}": thing for number, thing in enumerate(things)}


def _place_of_copies(trainer: Trainer, module: LightningModule, offload: bool | None) -> torch.device | None:
    """Where the copies of weights and optimizer state are kept; a message if they are large."""
    state = [
        value for optimizer in trainer.optimizers for entry in optimizer.state.values() for value in entry.values()
    ]
    tensors = [*module.parameters(), *module.buffers(), *(value for value in state if isinstance(value, Tensor))]
    held = {id(tensor): tensor.numel() * tensor.element_size() for tensor in tensors if not tensor.is_meta}
    size = sum(held.values())
    if offload is None and module.device.type == "cuda":
        offload = torch.cuda.mem_get_info(module.device)[0] < 2 * size
    if size >= LARGE:
        where = "the CPU" if offload else str(module.device)
        rank_zero_info(
            f"LRRangeTest: copying {size / 2**30:.1f} GiB of weights and optimizer state to {where}, to restore them"
            " after the test."
        )
    return torch.device("cpu") if offload else None


def _mute(trainer: Any, module: LightningModule, log: Log) -> None:
    for callback in trainer.callbacks:
        if is_a(callback, GradientAccumulationScheduler):
            trainer.accumulate_grad_batches = callback.get_accumulate_grad_batches(0)
    trainer.callbacks = []
    trainer.loggers = [counterpart(DummyLogger, trainer)() for _ in trainer.loggers]
    trainer.profiler = counterpart(PassThroughProfiler, trainer)()
    for parameter in module.parameters():
        parameter.grad = None  # the tensor itself is kept aside: nobody writes into it

    def take(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        log(name, value)

    def take_dict(dictionary: Any, *args: Any, **kwargs: Any) -> None:
        for name, value in dictionary.items():
            log(name, value)

    for part in module.modules():
        if is_a(part, LightningModule):
            vars(part).update(log=take, log_dict=take_dict)
