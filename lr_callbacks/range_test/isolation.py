"""What a range test disturbs, muted while it runs and put back after it, whatever happens."""

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
"""Bytes from which on it is said that weights and optimizer state are copied."""


@dataclass(frozen=True)
class Inside:
    """What can be done inside.

    Args:
        begin_again: Goes back to the beginning, for a second try.
        check: Raises `SignalCameError` if a signal has come, on all ranks if it came on one; all must call it.
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
    """Inside, train as you like; outside, nothing has happened.

    Inside there are no callbacks, the loggers and the profiler swallow everything, and ``self.log`` goes to `log`.
    Afterwards these are as they were: weights, buffers, gradients, optimizers, native schedulers, the gradient scaler,
    the attributes of the module, of its submodules (states of metrics among them) and of the data module, the progress
    of the loops, and the random states. Each is put back by itself: what cannot be does not keep the others from it.
    Signals that make Lightning write a checkpoint are held back until then.

    Args:
        trainer: A trainer in ``on_fit_start``.
        module: Its module.
        log: Takes name and value of what the module logs.
        offload: Whether the copy of weights and optimizer state is kept in the CPU's memory, not on their device; None
            for where the device has less than twice its size left.
        known: A snapshot whose copies of weights are shared.

    Raises:
        MisconfigurationException: Before anything is touched, if the module has parameters that are not there yet (lazy
            modules), or if something would be used up that cannot be given back.
        RuntimeError: Afterwards, naming what could not be given back.
    """
    lazy = [name for name, parameter in module.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise MisconfigurationException(
            f"The range test cannot restore parameters that do not exist before the first forward pass: {lazy[0]}"
            " (a lazy module). Run one batch through the module before the fit."
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
    """The error that names what could not be given back."""
    return RuntimeError(
        f"After the range test these could not be put back: {'; '.join(failed)}. Everything else is as before; load the"
        " weights again before you train, or make these objects in on_train_start, so that the test has its own."
    )


def raise_if_any(failed: list[str]) -> None:
    """Raise if anything could not be given back."""
    if failed:
        raise not_restored(failed)


def _take(
    trainer: Trainer, module: LightningModule, device: torch.device | None, known: StateSnapshot | None
) -> list[StateSnapshot]:
    """Snapshots of what is the module's, of the data module, and of the trainer's own."""
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
            "logger_connector": trainer._logger_connector,
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
    """Where the copies of weights and optimizer state go, said where they are large."""
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
            f"LRRangeTest: copies {size / 2**30:.1f} GiB of weights and optimizer state in the memory of {where},"
            " to put them back after the test."
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
