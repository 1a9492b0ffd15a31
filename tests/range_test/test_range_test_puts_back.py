"""Whatever a module holds and whatever fails: it is put back, or refused by name, and never used up."""

from __future__ import annotations

import array
import collections
import contextvars
import csv
import ctypes
import functools
import hashlib
import io
import itertools
import mmap
import queue
import random
import threading
import types
import weakref

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from support import Net, loader, trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from trace_support import plain, seed_all

from lr_callbacks import LRRangeTest, lr_range_test
from lr_callbacks.range_test import tensor_copies


class Holds(Net):
    """Reads a value from something that it holds in each step."""

    def __init__(self, held, read):
        super().__init__()
        self.held, self.read, self.seen = held, read, []

    def training_step(self, batch, batch_idx):
        self.seen.append(self.read(self.held))
        return super().training_step(batch, batch_idx)


def fit(module, *callbacks, data=None, **options):
    seed_all()
    run = trainer(*callbacks, max_epochs=1, **options)
    if isinstance(data, LightningDataModule):
        run.fit(module, datamodule=data)
    else:
        run.fit(module, data or loader(12, 8))
    return run


def ranged(**options):
    return LRRangeTest(1e-5, 1.0, 20, apply=False, **options)


# ---------------------------------------------------------------------- put back
def counting():
    count = 0

    def more(_=None):
        nonlocal count
        count += 1
        return count

    return more


def remembering(held=None, *, many=[]):  # noqa: B006
    many.append(1)
    return len(many)


class Countdown:
    """An iterator written in Python."""

    def __init__(self):
        self.left = 10**6

    def __iter__(self):
        return self

    def __next__(self):
        self.left -= 1
        return self.left


class Slotted:
    __slots__ = ("__count",)

    def __init__(self):
        self.__count = 0

    def more(self):
        self.__count += 1
        return self.__count


class Raw:
    __slots__ = ("raw",)


class NoSetter(Raw):
    __slots__ = ("times",)
    raw = property(lambda self: object())  # hides the slot, as in a path of Python 3.13; each read gives another object

    def __init__(self):
        self.times = 0

    def more(self):
        self.times += 1
        return self.times


class SlottedIds:
    __slots__ = ("ids",)

    def __init__(self):
        self.ids = itertools.count()


class ClassCounter(Holds):
    steps = 0
    many: list[int] = []  # noqa: RUF012

    def training_step(self, batch, batch_idx):
        type(self).steps += 1
        self.many.append(1)
        self.held = (type(self).steps, len(self.many))
        return super().training_step(batch, batch_idx)


def grow(held):
    held.append(7)
    return len(held)


def step_first(held):
    held[0] = (held[0] + 1) % 256
    return held[0]


def filled_queue():
    held = queue.Queue()
    for number in range(10**4):
        held.put(number)
    return held


def tally():
    """A class that counts, not its instances."""

    class Tally:
        count = 0
        ids = itertools.count()

        def more(self):
            type(self).count += 1
            return type(self).count + next(self.ids)

    return Tally


ALIVE: list[Countdown] = []


def alive():
    ALIVE.append(Countdown())
    return ALIVE[-1]


def mapped():
    return mmap.mmap(-1, 3)


def thread_local():
    held = threading.local()
    held.count = 0
    return held


def spawn(held):
    return held.spawn(1)[0].generate_state(1)[0]


def variable(value=0):
    held = contextvars.ContextVar("held")
    held.set(value)
    return held


def read_more(held):
    held.set(held.get() + 1)
    return held.get()


def read_count(held):
    held.count += 1
    return held.count


def read_inside(held):
    held[0].append(1)
    return len(held[0])


KEPT = {
    "attributes of its class": (lambda: tally()(), lambda held: held.more()),
    "a class": (tally, lambda held: held().more()),
    "count in slots": (lambda: SlottedIds(), lambda held: next(held.ids)),
    "a method of a list": (lambda: [0].append, lambda held: held(1) or len(held.__self__)),
    "a weak reference": (lambda: weakref.ref(alive()), lambda held: next(held())),
    "a weak dictionary": (
        lambda: weakref.WeakKeyDictionary({alive(): [0]}),
        lambda held: next(iter(held.values())).append(1) or len(next(iter(held.values()))),
    ),
    "a variable of the context": (variable, read_more),
    "a thread's own": (thread_local, read_count),
    "lists in an array of NumPy": (lambda: np.array([[0], None], dtype=object), read_inside),
    "lists in a mapping proxy": (lambda: types.MappingProxyType({0: [0]}), read_inside),
    "memory of torch": (lambda: torch.zeros(2, dtype=torch.uint8).untyped_storage(), step_first),
    "a C number": (lambda: ctypes.c_int(0), lambda held: setattr(held, "value", held.value + 1) or held.value),
    "C numbers": (lambda: (ctypes.c_int * 3)(), step_first),
    "a mapped file": (mapped, step_first),
    "a seed sequence": (lambda: np.random.SeedSequence(1), spawn),
    "what a NumPy generator spawns": (lambda: np.random.default_rng(1), lambda held: held.spawn(1)[0].random()),
    "a digest": (hashlib.sha256, lambda held: held.update(b"x") or held.hexdigest()),
    "a list's iterator": (lambda: iter(list(range(1000))), next),
    "a range's iterator": (lambda: iter(range(1000)), next),
    "a dict's iterator": (lambda: iter(dict.fromkeys(range(1000))), next),
    "count": (itertools.count, next),
    "an iterator in a dict": (lambda: {"a": iter(range(1000))}, lambda held: next(held["a"])),
    "an iterator of its own": (Countdown, next),
    "a byte array": (lambda: bytearray(b"abc"), grow),
    "an array": (lambda: array.array("i", [1]), grow),
    "a memory view": (
        lambda: memoryview(bytearray(3)),
        lambda held: held.__setitem__(0, (held[0] + 1) % 256) or held[0],
    ),
    "a closure": (counting, lambda held: held()),
    "a partial": (lambda: functools.partial(counting()), lambda held: held()),
    "a list in a partial": (lambda: functools.partial(grow, [1]), lambda held: held()),
    "a default value": (lambda: remembering, lambda held: held()),
    "attributes of a function": (
        lambda: setattr(remembering, "times", [0]) or remembering,
        lambda held: held.times.append(1) or len(held.times),
    ),
    "text in memory": (lambda: io.StringIO("\n".join(map(str, range(1000)))), lambda held: held.readline()),
    "bytes in memory": (lambda: io.BytesIO(), lambda held: held.write(b"x") + held.tell()),
    "a queue": (filled_queue, lambda held: held.get()),
    "slots": (Slotted, lambda held: held.more()),
    "a property in the place of a slot": (NoSetter, lambda held: held.more()),
    "a bit generator": (lambda: np.random.PCG64(1), lambda held: held.random_raw()),
    "a NumPy generator": (lambda: np.random.default_rng(1), lambda held: held.random()),
    "an old NumPy generator": (lambda: np.random.RandomState(1), lambda held: held.rand()),
    "a Python generator": (lambda: random.Random(1), lambda held: held.random()),
    "a counter": (collections.Counter, lambda held: held.update("a") or held["a"]),
    "an array of NumPy": (lambda: np.zeros(2), lambda held: float(held.__iadd__(1).sum())),
}


@pytest.mark.parametrize("kind", KEPT)
def test_the_fit_reads_what_it_reads_without_the_test(kind):
    make, read = KEPT[kind]
    tested, untested = Holds(make(), read), Holds(make(), read)
    fit(tested, test := ranged())
    seen = tested.seen
    fit(untested)
    assert len(test.result.lrs) == 20
    assert len(set(map(str, seen))) > 5
    if kind not in ("a default value", "attributes of a function"):  # those two are one object for both modules
        assert seen == untested.seen
    else:
        assert seen == [first + 1 for first in range(int(seen[0]) - 1, int(seen[0]) - 1 + len(seen))]
        assert int(seen[0]) in (1, 2)
        remembering.__kwdefaults__["many"].clear()


def test_a_file_is_read_on_from_where_it_stood(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("\n".join(map(str, range(1000))))
    with path.open() as one, path.open() as other:
        one.readline(), other.readline()
        tested, untested = Holds(one, lambda held: held.readline()), Holds(other, lambda held: held.readline())
        fit(tested, ranged())
        fit(untested)
        assert tested.seen[0] == "1\n"
        assert tested.seen == untested.seen


def test_attributes_of_the_modules_class_are_put_back():
    module = ClassCounter(None, lambda held: held)
    fit(module, ranged())
    assert module.seen == [(step, step) for step in range(1, 13)]


def test_a_cache_that_was_empty_is_empty_again():
    seen = []
    for callbacks in ([ranged()], []):
        cached = functools.lru_cache(None)(lambda number: torch.rand(1).item())
        module = Holds(cached, None)
        module.read = types.MethodType(lambda module, held: held(len(module.seen) % 3), module)
        fit(module, *callbacks)
        seen.append(module.seen)
    assert len(set(seen[0])) == 3
    assert seen[0] == seen[1]


# ---------------------------------------------------------------------- refused before anything is touched
REFUSED = {
    "a running loader": (
        lambda: iter(DataLoader(TensorDataset(torch.arange(900.0)))),
        "_SingleProcessDataLoaderIter",
    ),
    "a generator": (lambda: (number for number in range(1000)), "a running generator"),
    "zip": (lambda: zip(range(1000), range(1000)), r"a running iterator \(zip\)"),  # noqa: B905
    "map": (lambda: map(str, range(1000)), r"a running iterator \(map\)"),
    "enumerate": (lambda: enumerate(range(1000)), r"a running iterator \(enumerate\)"),
    "a cycle over a loader": (lambda: itertools.cycle(range(3)), r"a running iterator \(cycle\)"),
    "a CSV reader": (lambda: csv.reader(["1", "2"]), "a running iterator"),
    "an iterator in a tuple": (lambda: (iter([1, 2]),), r"\[0\], a running iterator \(list_iterator\)"),
    "a queue in C": (lambda: queue.SimpleQueue(), "a queue"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("where", ["module", "datamodule"])
def test_what_would_be_used_up_is_refused_by_name(kind, where):
    make, name = REFUSED[kind]
    held = make()
    module = Holds(held if where == "module" else None, lambda held: None)
    data = Data(held if where == "datamodule" else None)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(MisconfigurationException, match=f"cannot restore {where}.held.*{name}.*used up"):
        fit(module, ranged(), data=data)
    assert module.seen == []
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert "log" not in vars(module)
    if hasattr(held, "__next__"):
        assert next(held) is not None


class Data(LightningDataModule):
    def __init__(self, held):
        super().__init__()
        self.held = held

    def train_dataloader(self):
        return loader(12, 8)


def test_a_generator_that_has_ended_is_no_reason_to_refuse():
    ended = (number for number in ())
    assert list(ended) == []
    fit(Holds(ended, lambda held: 0), test := ranged())
    assert test.result is not None


# ---------------------------------------------------------------------- tensors of all kinds
def expanded():
    return torch.zeros(1, 4).expand(3, 4)


def add_to_first(held):
    held[0].add_(1.0)
    return held.sum().item()


def resize(held):
    held.resize_(held.shape[0] + 1)
    held.fill_(float(held.shape[0]))
    return held.sum().item()


def free(held):
    value = held.sum().item()
    held.data = torch.full((3,), value + 1)
    return value


def half(held):
    value = held.double().sum().item()
    held.data = (held.double() + 1).half()
    return value


def nested():
    return torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])


def add_to_parts(held):
    for part in held.unbind():
        part.add_(1.0)
    return held.unbind()[0].sum().item()


TENSORS = {
    "expanded": (expanded, add_to_first),
    "resized": (lambda: torch.zeros(2), resize),
    "given other memory": (lambda: torch.zeros(3), free),
    "given another type": (lambda: torch.zeros(3), half),
    "nested": (nested, add_to_parts),
    "transposed": (lambda: torch.zeros(3, 2).T, add_to_first),
    "a slice": (lambda: torch.zeros(3, 4)[:, :2], add_to_first),
    "channels last": (lambda: torch.zeros(1, 2, 3, 3).to(memory_format=torch.channels_last), add_to_first),
    "sparse": (
        lambda: torch.eye(3).to_sparse(),
        lambda held: held.add_(torch.eye(3).to_sparse()).to_dense().sum().item(),
    ),
}


@pytest.mark.filterwarnings("ignore:.*nested tensors.*:UserWarning")
@pytest.mark.parametrize("judge", ["training", "probe"])
@pytest.mark.parametrize("buffer", [True, False])
@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_all_kinds_are_put_back(kind, buffer, judge):
    make, read = TENSORS[kind]
    seen = []
    for callbacks in ([ranged(judge=judge)], []):
        module = Holds(None, read)
        if buffer:
            del module.held
            module.register_buffer("held", make(), persistent=False)
        else:
            module.held = make()
        weights = plain(dict(module.named_parameters()))
        same = module.held
        if callbacks:
            lr_range_test(trainer(max_epochs=1), module, train_dataloaders=loader(12, 8), test=callbacks[0])
            assert plain(dict(module.named_parameters())) == weights
            assert "log" not in vars(module)
        fit(module, *callbacks)
        assert module.held is same
        seen.append(module.seen)
    assert len(seen[0]) == 12
    assert seen[0] == seen[1]


# ---------------------------------------------------------------------- one failure does not keep the rest from it
@pytest.mark.parametrize("stage", [0, 3, 9])
@pytest.mark.parametrize("ends", ["in peace", "in an error"])
def test_one_tensor_that_cannot_be_put_back_is_named_and_all_else_is_as_before(monkeypatch, stage, ends):
    class Ends(Net):
        def training_step(self, batch, batch_idx):
            self.log("x", 1.0)
            if ends == "in an error":
                raise KeyError("mine")
            return super().training_step(batch, batch_idx)

    module = Ends()
    module.more = nn.ParameterList(torch.ones(2) * number for number in range(10))
    broken = module.more[stage]
    writer = tensor_copies._writer

    def breaking(tensor, saved):
        def refuse():
            raise RuntimeError("cannot be written")

        return refuse if tensor is broken else writer(tensor, saved)

    monkeypatch.setattr(tensor_copies, "_writer", breaking)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    run = trainer(LRRangeTest(1e-3, 1e3, 20, apply=False), max_epochs=1)
    seed_all()
    with pytest.raises(RuntimeError, match=rf"could not restore: module.*more.*{stage}.*cannot be written") as raised:
        run.fit(module, loader(12, 8))
    assert (raised.value.__cause__ is not None) == (ends == "in an error")
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert "log" not in vars(module)


# ---------------------------------------------------------------------- memory
def copied_while(monkeypatch, work):
    """Elements of tensors that are cloned."""
    copied, clone = [0], torch.Tensor.clone

    def counting_clone(tensor, *args, **kwargs):
        copied[0] += tensor.numel()
        return clone(tensor, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "clone", counting_clone)
        work()
    return copied[0]


def test_one_call_copies_the_weights_once(monkeypatch):
    module = Net()
    module.large = nn.Linear(300, 300)
    size = sum(parameter.numel() for parameter in module.parameters())
    test = ranged(judge="training")
    copied = copied_while(
        monkeypatch, lambda: lr_range_test(trainer(max_epochs=1), module, train_dataloaders=loader(12, 8), test=test)
    )
    assert size <= copied < 1.3 * size


def test_weights_that_setup_changes_are_given_back_as_they_were_before_it():
    class Initialises(Net):
        def setup(self, stage):
            with torch.no_grad():
                self.head.weight.fill_(0.25)

    module = Initialises()
    before = module.head.weight.detach().clone()
    lr_range_test(trainer(max_epochs=1), module, train_dataloaders=loader(12, 8), test=ranged())
    assert torch.equal(module.head.weight, before)


def test_tensors_of_a_data_module_are_not_copied(monkeypatch):
    data = Data(torch.zeros(10**6))
    copied = copied_while(monkeypatch, lambda: fit(Net(), ranged(), data=data))
    assert copied < 10**5
