"""Train on the validation data too, once it has done its work."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, IterableDataset, RandomSampler, SequentialSampler
from typing_extensions import override


def train_on_everything(datamodule: LightningDataModule) -> None:
    """Let the training batches of a datamodule come from its training and validation data together.

    Args:
        datamodule: Changed in place; its `train_dataloader` and `val_dataloader` make plain `DataLoader`s.
    """
    train, val = datamodule.train_dataloader, datamodule.val_dataloader
    datamodule.train_dataloader = lambda: joined(train(), val())  # type: ignore[method-assign]


def joined(train: Any, val: Any) -> DataLoader[Any]:
    """A loader like `train` over the data of both.

    Raises:
        ValueError: If one is no plain loader of a data set with a length, or `train` has a sampler of its own.

    Example:
        >>> len(joined(DataLoader([1, 2, 3]), DataLoader([4])))
        4
    """
    for name, loader in (("train", train), ("val", val)):
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            raise ValueError(f"{name}_dataloader must be a DataLoader of a data set with a length, got {loader!r}")
    if type(train.sampler) not in (RandomSampler, SequentialSampler) or type(train.batch_sampler) is not BatchSampler:
        raise ValueError(
            f"train_dataloader must draw its batches in order or shuffled, got {train.sampler!r}; "
            "train on the whole data with a datamodule of your own"
        )
    whole: ConcatDataset[Any] = ConcatDataset([train.dataset, val.dataset])
    return DataLoader(
        whole,
        batch_size=train.batch_size,
        sampler=_like(train.sampler, whole),
        num_workers=train.num_workers,
        collate_fn=train.collate_fn,
        pin_memory=train.pin_memory,
        drop_last=train.drop_last,
        timeout=train.timeout,
        worker_init_fn=train.worker_init_fn,
        multiprocessing_context=train.multiprocessing_context,
        generator=train.generator,
        prefetch_factor=train.prefetch_factor,
        persistent_workers=train.persistent_workers,
    )


def _like(sampler: Any, dataset: ConcatDataset[Any]) -> RandomSampler | SequentialSampler:
    """A sampler of the same kind and options over other data; a number of samples per epoch stays what it was."""
    if not isinstance(sampler, RandomSampler):
        return SequentialSampler(dataset)
    fixed = sampler.num_samples if sampler.num_samples != len(sampler.data_source) else None
    return RandomSampler(dataset, sampler.replacement, fixed, sampler.generator)


class StopAfter(Callback):
    """End a training after some epochs, with its schedule as for the whole length.

    Args:
        epochs: How many; 0 or less ends nothing.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch + 1 >= self.epochs > 0:
            trainer.should_stop = True
