"""What a map-style data set holds: it is restored, or rejected by name, also inside a ``Subset``."""

from __future__ import annotations

import itertools
import multiprocessing

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, trainer
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset
from trace_support import seed_all

from lr_callbacks import LRRangeTest

STEPS, BATCH = 12, 4


class Reads(Dataset):
    """Reads a value from something that it holds for each sample."""

    def __init__(self, held, read):
        self.held, self.read, self.seen = held, read, []

    def __len__(self):
        return STEPS * BATCH

    def __getitem__(self, index):
        self.seen.append(self.read(self.held))
        return torch.full((4,), 0.1 * (index % 7))


def step_first(held):
    held[0] += 1
    return float(held[0])


def shared_step(held):
    held.value += 1
    return held.value


HELD = {
    "count": (itertools.count, next),
    "a list's iterator": (lambda: iter(list(range(10**5))), next),
    "a small tensor": (lambda: torch.zeros(3), step_first),
    "a small array": (lambda: np.zeros(3), step_first),
    "a NumPy generator": (lambda: np.random.default_rng(1), lambda held: held.random()),
    "a number of processes": (lambda: multiprocessing.Value("i", 0), shared_step),
}
WRAPPED = {
    "as it is": lambda data: data,
    "in a Subset": lambda data: Subset(data, range(len(data))),
    "in a ConcatDataset": lambda data: ConcatDataset([data]),
}


def fit(data, *callbacks):
    seed_all()
    module = Net()
    trainer(*callbacks, max_epochs=1).fit(module, DataLoader(data, batch_size=BATCH))
    return module


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("kind", HELD)
def test_the_fit_reads_from_the_beginning(kind, wrapped):
    make, read = HELD[kind]
    seen = []
    for callbacks in ([test := LRRangeTest(1e-5, 1.0, 20, apply=False)], []):
        data = Reads(make(), read)
        fit(WRAPPED[wrapped](data), *callbacks)
        seen.append(data.seen)
    assert len(test.result.lrs) == 20
    assert len(set(seen[0])) == STEPS * BATCH
    assert seen[0] == seen[1]


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_a_generator_is_rejected_by_name_and_still_complete(wrapped):
    data = Reads((number for number in range(10**5)), next)
    with pytest.raises(MisconfigurationException, match=r"cannot restore loader 0\.dataset.*held, a running generator"):
        fit(WRAPPED[wrapped](data), LRRangeTest(1e-5, 1.0, 20))
    assert next(data.held) == 0


def test_large_tensors_are_data_and_not_copied(monkeypatch):
    data, copied, clone = Reads(torch.zeros(10**6), lambda held: 0), [0], torch.Tensor.clone

    def counting(tensor, *args, **kwargs):
        copied[0] += tensor.numel()
        return clone(tensor, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "clone", counting)
        fit(data, LRRangeTest(1e-5, 1.0, 20, apply=False))
    assert copied[0] < 10**5
