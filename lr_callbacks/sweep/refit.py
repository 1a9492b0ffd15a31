"""Train on the validation data too, once it has done its work."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, IterableDataset, RandomSampler, SequentialSampler


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
        ValueError: If one is no plain loader of a data set with a length, or has a sampler of its own.

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
    return DataLoader(
        ConcatDataset([train.dataset, val.dataset]),
        batch_size=train.batch_size,
        shuffle=isinstance(train.sampler, RandomSampler),
        num_workers=train.num_workers,
        collate_fn=train.collate_fn,
        pin_memory=train.pin_memory,
        drop_last=train.drop_last,
        worker_init_fn=train.worker_init_fn,
        persistent_workers=train.persistent_workers,
    )
