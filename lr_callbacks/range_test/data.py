"""Batches for a range test that leave the fit's own loaders as they are: copies with iterators of their own."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lr_callbacks.core import lightning_internals as private
from lr_callbacks.core.lightning_names import CombinedLoader, MisconfigurationException, RunningStage, Trainer
from lr_callbacks.range_test.state_snapshot import MANY, StateSnapshot
from lr_callbacks.range_test.tensor_copies import LARGEST_IN_DATA, NotKeptError

WAY_OUT = (
    "Give it a __deepcopy__ (or a __getstate__ without open files and generators) that starts from the beginning, read"
    " it in workers (num_workers=1), or run lr_range_test on other data and set the LR by hand."
)


@dataclass(frozen=True)
class Batch:
    """One batch of the endless stream.

    Args:
        data: As the loader gives it.
        index: Place within its epoch, from 0.
        epoch: Epoch, from 0.
        is_last: Whether it ends the epoch.
    """

    data: Any
    index: int
    epoch: int
    is_last: bool


class Stream:
    """The batches of a copy of a loader, epoch after epoch, and a look at the first of them."""

    def __init__(self, trainer: Trainer, stage: RunningStage = RunningStage.TRAINING) -> None:
        original, processed = private.request_loader(trainer, stage)
        self._data_state = _state_of(dict(_in_process_data(original)))
        self.loader = _copy_combined(original)
        if not processed:
            private.process_loader(trainer, self.loader, stage)
        self._name = f"{stage.dataloader_prefix}_dataloader"
        self._batches = self._epochs()
        self._seen: deque[Batch] = deque()

    def peek(self, samples: int, *, most: int, world_size: int = 1) -> list[Batch]:
        """The first batches, at least one, at most `most` or an epoch: `samples` samples over all ranks if known."""
        size = getattr(self.loader.flattened[0], "batch_size", None)
        if not isinstance(size, int) and world_size == 1:  # ranks must agree on the number
            self._seen.append(next(self._batches))
            size = _samples_in(self._seen[0].data)
        number = min(most, max(1, samples // (size * world_size))) if isinstance(size, int) and size else 1
        return self.peek_batches(number)

    def peek_batches(self, number: int) -> list[Batch]:
        """The first `number` batches, at most an epoch."""
        while len(self._seen) < number and not (self._seen and self._seen[-1].is_last):
            self._seen.append(next(self._batches))
        return list(self._seen)[:number]

    def __next__(self) -> Batch:
        return self._seen.popleft() if self._seen else next(self._batches)

    def close(self) -> None:
        """Stop the workers, and put back what an in-process data set keeps in attributes (a generator, a counter)."""
        self._batches.close()
        private.close_loader(self.loader)
        self._data_state.restore()

    def _epochs(self) -> Any:
        epoch = 0
        while True:
            private.set_epoch(self.loader, epoch)
            iterator = iter(self.loader)
            limit = private.num_batches(self.loader)
            ahead: Any = next(iterator, None) if limit != 0 else None
            if ahead is None:
                raise MisconfigurationException(f"The {self._name} gives no batch, so there is nothing to test on")
            index = 0
            while ahead is not None:
                batch = ahead[0]
                ahead = None if index + 1 == limit else next(iterator, None)
                yield Batch(batch, index, epoch, is_last=ahead is None)
                index += 1
            epoch += 1


def _samples_in(data: Any) -> int | None:
    """The length of the first tensor in a batch."""
    if isinstance(data, Tensor):
        return len(data) if data.ndim else None
    parts = data.values() if isinstance(data, Mapping) else data if isinstance(data, list | tuple) else ()
    return next((number for number in map(_samples_in, parts) if number is not None), None)


# ---------------------------------------------------------------------- copies
def _in_process_data(loader: CombinedLoader) -> Iterator[tuple[str, object]]:
    """Map-style data sets and collate functions that run in this process: used as they are, their state is put back."""
    for number, one in enumerate(loader.flattened):
        if isinstance(one, DataLoader) and one.num_workers == 0:
            yield f"loader {number}.collate_fn", one.collate_fn
            if not isinstance(one.dataset, IterableDataset):
                yield from _with_inner(f"loader {number}.dataset", one.dataset)


def _with_inner(name: str, dataset: Any) -> Iterator[tuple[str, object]]:
    """A data set, and those that it is made of (``Subset``, ``ConcatDataset``)."""
    yield name, dataset
    for attribute, value in vars(dataset).items() if hasattr(dataset, "__dict__") else ():
        inner = value if isinstance(value, list | tuple) and len(value) <= MANY else [value]
        for number, each in enumerate(inner):
            if isinstance(each, Dataset):
                shown = f"{name}.{attribute}" if each is value else f"{name}.{attribute}[{number}]"
                yield from _with_inner(shown, each)


def _state_of(data: dict[str, object]) -> StateSnapshot:
    try:
        snapshot = StateSnapshot(data, largest=LARGEST_IN_DATA, refuses=True)
    except NotKeptError as error:
        raise MisconfigurationException(
            f"LRRangeTest cannot restore {error}, so the fit would find it used up. Create it in __getitem__, read the"
            " data in workers (num_workers=1), or run lr_range_test on other data and set the LR by hand."
        ) from error
    snapshot.stand_in()
    return snapshot


def _copy_combined(loader: CombinedLoader) -> CombinedLoader:
    new = copy.copy(loader)
    new._iterator = None
    memo: dict[int, Any] = {}
    new.flattened = [_copy_loader(one, memo) for one in loader.flattened]
    return new


def _copy_loader(loader: Any, memo: dict[int, Any]) -> Any:
    if not isinstance(loader, DataLoader):
        return _copy_iterable(loader, memo)
    new = copy.copy(loader)
    state = new.__dict__  # DataLoader.__setattr__ rejects a new sampler
    state["_iterator"] = None
    if isinstance(loader.dataset, IterableDataset) and loader.num_workers == 0:
        state["dataset"] = _deepcopy(loader.dataset, memo)
    else:
        memo[id(loader.dataset)] = loader.dataset
    for sampler in (loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)):
        for thing in vars(sampler).values() if hasattr(sampler, "__dict__") else ():
            if isinstance(thing, Dataset):
                memo[id(thing)] = thing  # data, not state
            elif isinstance(thing, torch.Generator):
                memo.setdefault(id(thing), _copy_generator(thing))
    if isinstance(loader.generator, torch.Generator):
        memo.setdefault(id(loader.generator), _copy_generator(loader.generator))
    for name in ("generator", "sampler", "batch_sampler"):
        state[name] = _deepcopy(state.get(name), memo)
    return new


def _copy_generator(generator: torch.Generator) -> torch.Generator:
    """A generator in the same state; torch before 2.3 cannot copy one."""
    new = torch.Generator(generator.device)
    new.set_state(generator.get_state())
    return new


def _copy_iterable(loader: Any, memo: dict[int, Any]) -> Any:
    if isinstance(loader, list | tuple | range | dict):
        return loader
    try:
        return copy.deepcopy(loader, memo)
    except Exception as error:
        if iter(loader) is loader:
            raise _refusal(loader, error) from error
        return loader


def _deepcopy(thing: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(thing, memo)
    except Exception as error:
        raise _refusal(thing, error) from error


def _refusal(thing: object, error: Exception) -> MisconfigurationException:
    return MisconfigurationException(
        f"LRRangeTest needs its own copy of {type(thing).__name__}, but it cannot be copied ({type(error).__name__}:"
        f" {error}). {WAY_OUT}"
    )
