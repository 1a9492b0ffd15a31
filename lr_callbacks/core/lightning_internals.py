"""The private parts of Lightning's Trainer that are used, each with its reason; no other file uses any."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

from torch import Tensor

from lr_callbacks.core.lightning_names import (
    _SUPPORTED_MODES,
    CombinedLoader,
    LearningRateFinder,
    LightningModule,
    MisconfigurationException,
    RichProgressBar,
    RunningStage,
    TensorBoardLogger,
    Trainer,
    TrainerFn,
    _call_strategy_hook,
    _MockOptimizer,
    _parse_num_batches,
    _process_dataloader,
    _request_dataloader,
    _resolve_overfit_batches,
    _set_sampler_epoch,
    counterpart,
    is_a,
    is_param_in_hook_signature,
    overrides,
    sized_len,
)


def has_no_optimizer(trainer: Trainer) -> bool:
    """Whether ``configure_optimizers`` returned None: Lightning then puts a mock in the optimizer's place."""
    return any(is_a(optimizer, _MockOptimizer) for optimizer in trainer.optimizers)


def batches_left_of_epoch(trainer: Trainer) -> float | None:
    """Return the batches left of the epoch in which a resumed fit continues; None if it continues with a new epoch.

    ``on_train_epoch_start`` is not called for an epoch that continues. No public attribute has its progress. Resumed
    from ``on_train_batch_end`` where the epoch has no more batches than had been taken, Lightning takes all of them.
    """
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    ready, batches = progress.ready, trainer.num_training_batches
    if trainer.global_step == 0 or not trainer.fit_loop.epoch_loop.restarting or ready == 0:
        return None
    in_batch_end = progress.completed < progress.processed
    return batches if in_batch_end and ready >= batches else max(batches - ready, 0)


def batches_of_epoch(trainer: Trainer) -> int:
    """Batches that the epoch has had which ends now, or has ended."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready


def begins_epoch(trainer: Trainer) -> bool:
    """Whether ``trainer.current_epoch`` is the epoch with which a fit begins, in ``on_train_start``.

    Resumed from the end of an epoch with ``max_steps``, Lightning first takes a batch more of the epoch that is over.
    """
    progress: Any = trainer.fit_loop.epoch_progress.current
    return bool(progress.processed == progress.completed)


def names_of_training(trainer: Trainer) -> set[str]:
    """The names under which the training has logged something in this epoch, also those whose mean is yet to come."""
    entries = [entry.meta for _, entry in trainer.fit_loop.epoch_loop._results.valid_items()]
    names = {meta.forked_name(on_step) for meta in entries for on_step in (True, False)}
    return names | {meta.name for meta in entries}


def logs_at_epoch_end(trainer: Trainer) -> bool:
    """Whether the module, or a callback of neither Lightning's nor ours, may log when a training epoch ends."""
    ours = ("lightning.", "pytorch_lightning.", "lr_callbacks.")
    callbacks = [each for each in trainer.callbacks if not type(each).__module__.startswith(ours)]  # type: ignore[attr-defined]
    in_callback = any(overrides("on_train_epoch_end", each, "Callback") for each in callbacks)
    return in_callback or overrides("on_train_epoch_end", trainer.lightning_module)


def logged_so_far(trainer: Trainer) -> list[Tensor]:
    """The sums of what was logged in an epoch that has not ended; `callback_metrics` shows their means at its end."""
    results = trainer._results
    return [] if results is None else [entry.value for _, entry in results.valid_items() if entry.is_tensor]


def enter_no_hparams(logger: TensorBoardLogger) -> None:
    """Let a fit leave TensorBoard's HParams table alone; it shows of each run only the first entry that was written."""
    logger._default_hp_metric = False


def finder_sets_lr(finder: LearningRateFinder) -> bool:
    """Whether Lightning's own finder sets the learning rate that it finds; it keeps no public attribute of it."""
    return bool(finder._update_attr)


def validation_is_due(trainer: Trainer) -> bool:
    """Whether the trainer is between a training batch and the validation that follows it.

    A checkpoint that is written here makes Lightning skip that validation when it resumes. No public attribute says so.
    """
    loop = trainer.fit_loop.epoch_loop
    progress: Any = loop.batch_progress.current  # the total is left behind when a run is resumed twice
    fetcher = trainer.fit_loop._data_fetcher
    batch_is_over = progress.processed == progress.ready == progress.completed + 1
    return trainer.training and batch_is_over and fetcher is not None and loop._should_check_val_fx(fetcher)


def run_validation(trainer: Trainer) -> None:
    """Run the validation of a fit from ``on_train_start``, as the training loop would have run it after a batch."""
    loop, connector = trainer.fit_loop.epoch_loop.val_loop, trainer._logger_connector
    trainer.validating, first_batch = True, connector._first_loop_iter
    loop.restarting = False
    loop.run()
    loop._has_run = False  # or the restarted epoch would think itself over before it has put its restart behind it
    trainer.training, connector._first_loop_iter = True, first_batch


def is_accumulating(trainer: Trainer, module: LightningModule) -> bool:
    """Whether the batch that is about to run leaves the optimizer step to a later one.

    It is the condition under which Lightning itself holds back the training metrics of a step; asked for
    ``accumulate_grad_batches`` alone, the last, incomplete accumulation of an epoch would be missed.
    """
    return bool(module.automatic_optimization and trainer.fit_loop._should_accumulate())


# ---------------------------------------------------------------------- the range test: is it a new fit?


def step_to_resume_at(trainer: Trainer) -> int:
    """Return the optimizer step at which a fit that is in ``on_fit_start`` will continue; 0 for a new one.

    Lightning restores the loops after that hook, and `trainer.ckpt_path` neither names the checkpoint that Slurm's
    requeue left nor tells a resumed fit from one in which a finder has put back a file of its own.
    """
    return int(trainer._checkpoint_connector._loaded_checkpoint.get("global_step", 0))


# ---------------------------------------------------------------------- the range test: data
# Lightning sets its loaders up after ``on_fit_start``, in ``FitLoop.setup_data``, which also creates the iterator and
# so draws random numbers, starts workers, and fetches the first batch of a stream. The range test needs the loaders as
# the fit will have them (distributed sampler, limits, worker seeding) without any of that, so it takes the same steps
# on a copy.


def request_loader(trainer: Trainer, stage: RunningStage) -> tuple[CombinedLoader, bool]:
    """The loader of a stage as the user gives it, and whether Lightning has already processed it."""
    loop: Any = trainer.fit_loop if stage is RunningStage.TRAINING else trainer.fit_loop.epoch_loop.val_loop
    if loop._combined_loader is not None:
        return loop._combined_loader, True
    if not loop._data_source.is_defined():
        raise MisconfigurationException(
            f"The range test needs a {stage.dataloader_prefix}_dataloader, and there is none"
        )
    loader = _request_dataloader(loop._data_source)
    if not is_a(loader, CombinedLoader):
        kind = counterpart(CombinedLoader, trainer)
        loader = kind(loader, "max_size_cycle" if stage is RunningStage.TRAINING else "sequential")
    return loader, False


def has_loader(trainer: Trainer, stage: RunningStage) -> bool:
    """Whether there is a loader for a stage."""
    loop: Any = trainer.fit_loop if stage is RunningStage.TRAINING else trainer.fit_loop.epoch_loop.val_loop
    return bool(loop._combined_loader is not None or loop._data_source.is_defined())


def given_loaders(trainer: Trainer) -> list[object]:
    """The loaders that were handed to ``fit`` (not those that a module or data module makes)."""
    sources = [loop._data_source for loop in (trainer.fit_loop, trainer.fit_loop.epoch_loop.val_loop)]
    return [source.instance for source in sources if source.instance is not None and not source.is_module()]


def process_loader(trainer: Trainer, loader: CombinedLoader, stage: RunningStage) -> None:
    """What ``setup_data`` does to loaders before it iterates over them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit that follows gives the same warnings
        if trainer.overfit_batches > 0:  # type: ignore[attr-defined]
            _resolve_overfit_batches(loader, mode=stage)
        loader.flattened = [_process_dataloader(trainer, TrainerFn.FITTING, stage, one) for one in loader.flattened]
    training = stage is RunningStage.TRAINING
    limit = trainer.limit_train_batches if training else trainer.limit_val_batches
    lengths = [sized_len(one) for one in loader.flattened]
    loader.limits = [_parse_num_batches(stage, float("inf") if n is None else n, limit) for n in lengths]


def num_batches(loader: CombinedLoader) -> int | None:
    """Batches in an epoch, limits included; None if unknown. ``len(loader)`` wants an iterator first."""
    return sized_len(_SUPPORTED_MODES[loader._mode]["iterator"](loader.flattened, loader.limits))


def set_epoch(loader: CombinedLoader, epoch: int) -> None:
    """Tell the samplers the epoch, as the loop does at its start."""
    for one in loader.flattened:
        _set_sampler_epoch(one, epoch)


def close_loader(loader: CombinedLoader) -> None:
    """Stop the workers of a loader's iterators; torch stops them by itself only when nothing holds the iterator."""
    for iterator in getattr(loader._iterator, "iterators", []):
        shutdown = getattr(iterator, "_shutdown_workers", None)
        if shutdown is not None:
            shutdown()
    loader.reset()


def to_device(trainer: Trainer, batch: Any) -> Any:
    """A batch as the step gets it: the precision's dtype, the module's transfer hooks, the device."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
    return _call_strategy_hook(trainer, "batch_to_device", batch, dataloader_idx=0)


# ---------------------------------------------------------------------- the range test: steps
# Driving the optimization classes themselves is what makes precision, strategy, accumulation, clipping and the module's
# own hooks Lightning's. They read where they are from the progress of the loops, which is therefore written here, and
# restored from a snapshot like everything else.


def enter_training(trainer: Trainer, loader: CombinedLoader) -> None:
    """Make a loader visible as an attribute of the trainer during the test."""
    trainer.fit_loop._combined_loader = loader
    length = num_batches(loader)
    trainer.fit_loop.max_batches = float("inf") if length is None else length


def at_batch(trainer: Trainer, epoch: int, index: int, *, is_last: bool) -> None:
    """Put the loops where they would be at a batch of the training."""
    loop: Any = trainer.fit_loop
    loop.epoch_progress.current.processed = loop.epoch_progress.current.completed = epoch
    progress: Any = loop.epoch_loop.batch_progress
    progress.is_last_batch = is_last
    progress.current.ready = progress.current.started = index + 1
    progress.total.ready += 1


def accumulates(trainer: Trainer) -> bool:
    """Whether the batch that the loops are at only adds to the gradients."""
    return trainer.fit_loop._should_accumulate()


def step_arguments(trainer: Trainer, batch: Any, index: int) -> OrderedDict[str, Any]:
    """The arguments of ``training_step``: with the batch index where it takes one."""
    return trainer.fit_loop.epoch_loop._build_kwargs(OrderedDict(), batch, index)


def optimize(trainer: Trainer, arguments: OrderedDict[str, Any], index: int) -> dict[str, Any]:
    """Train on one batch as the loop does; its outputs, as ``on_train_batch_end`` gets them."""
    loop = trainer.fit_loop.epoch_loop
    if trainer.lightning_module.automatic_optimization:
        return loop.automatic_optimization.run(trainer.optimizers[0], index, arguments)
    return loop.manual_optimization.run(arguments)


def evaluate(trainer: Trainer, hook: str, *arguments: Any) -> Any:
    """What ``training_step`` or ``validation_step`` returns, through the strategy and in the precision of the fit."""
    return _call_strategy_hook(trainer, hook, *arguments)


def takes_an_iterator(trainer: Trainer) -> bool:
    """Whether ``training_step`` fetches its batches itself, by an argument ``dataloader_iter``."""
    return is_param_in_hook_signature(trainer.lightning_module.training_step, "dataloader_iter", explicit=True)


# ---------------------------------------------------------------------- the range test: what is shown


def console_arguments(bar: RichProgressBar) -> dict[str, Any]:
    """What the user gave as ``RichProgressBar(console_kwargs=...)``; the bar has no public name for it."""
    return dict(bar._console_kwargs)


def logger_connector(trainer: Trainer) -> object:
    """What the trainer remembers of logged values: the range test logs none, and restores what was there."""
    return trainer._logger_connector
