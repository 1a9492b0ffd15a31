"""Everything that a fit leaves behind or shows on its way, as plain values that can be compared bit for bit."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torchmetrics
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, Sampler, TensorDataset

Data = Any
SAMPLES = 44


class Busy(LightningModule):
    """Does what modules do: dropout, batch norm, metrics, attributes of many kinds, random numbers."""

    def __init__(self, lrs: tuple[float, ...] = (0.05,), optimizer: type = torch.optim.SGD, **options: Any) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(8, 2)
        self.accuracy = torchmetrics.Accuracy("multiclass", num_classes=2)
        self.values = torchmetrics.CatMetric()
        self.lrs, self.optimizer_class, self.options = lrs, optimizer, options
        self.steps_seen = 0
        self.losses: list[float] = []
        self.recent: deque[float] = deque(maxlen=3)
        self.by_epoch: dict[str, Any] = {"counts": {}}
        self.running = torch.zeros(2)
        self.generator = torch.Generator().manual_seed(3)
        self.rng = np.random.default_rng(4)
        self.dice = random.Random(5)

    def on_train_epoch_start(self) -> None:
        self.epoch_state = {"epoch": self.current_epoch, "steps": []}

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.by_epoch["counts"][self.current_epoch] = batch_idx

    def loss_of(self, batch: Any) -> Tensor:
        x, y = batch
        x = x + 0.01 * torch.randn(x.shape, generator=self.generator).to(x.device) + 0.01 * float(self.rng.normal())
        x = x + 0.01 * (self.dice.random() + random.random() + np.random.rand())
        logits = self.head(self.net(x))
        loss = nn.functional.cross_entropy(logits.float(), y)
        self.accuracy(logits.float(), y)
        self.values(loss.detach())
        self.log("accuracy", self.accuracy, on_step=True, on_epoch=True)
        self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.steps_seen += 1
        value = loss.item()
        self.losses.append(value)
        self.recent.append(value)
        self.running.mul_(0.9).add_(value)
        self.last_logits = logits.detach()
        self.epoch_state["steps"].append(self.global_step)
        return loss

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.loss_of(batch)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self.head(self.net(x)), y))

    def configure_optimizers(self) -> Any:
        groups = [
            {"params": part.parameters(), "lr": lr} for part, lr in zip((self.net, self.head), self.lrs, strict=False)
        ]
        if len(self.lrs) == 1:
            groups = [{"params": self.parameters(), "lr": self.lrs[0]}]
        return self.optimizer_class(groups, lr=self.lrs[0], **self.options)


class BusyManual(Busy):
    """Two optimizers, driven by hand, of which the second steps on every second batch."""

    def __init__(self, **options: Any) -> None:
        super().__init__((0.05, 0.02), **options)
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        first, second = self.optimizers()
        loss = self.loss_of(batch)
        first.zero_grad()
        second.zero_grad()
        self.manual_backward(loss)
        first.step()
        if batch_idx % 2:
            second.step()
        return loss

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.SGD(self.net.parameters(), lr=self.lrs[0], momentum=0.9),
            torch.optim.Adam(self.head.parameters(), lr=self.lrs[1]),
        ]


def samples() -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, 4, generator=generator)
    return TensorDataset(x, (x.sum(1) > 0).long())


class RandomAugmentation(Dataset[Any]):
    """A data set in this process with a random generator and a counter of its own."""

    def __init__(self) -> None:
        self.samples, self.rng, self.reads = samples(), np.random.default_rng(8), [0]

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> Any:
        self.reads[0] += 1
        x, y = self.samples[index]
        return x + 0.1 * float(self.rng.normal()), y


class CountedStream(IterableDataset[Any]):
    """An iterable data set whose order depends on how often it was iterated."""

    def __init__(self) -> None:
        self.samples, self.rounds = samples(), 0

    def __iter__(self) -> Any:
        self.rounds += 1
        order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(self.rounds))
        yield from (self.samples[int(i)] for i in order)


class OwnGenerator(Sampler[int]):
    """A sampler that draws from a generator of its own and counts its rounds."""

    def __init__(self) -> None:
        self.generator, self.rounds = torch.Generator().manual_seed(9), 0

    def __len__(self) -> int:
        return SAMPLES

    def __iter__(self) -> Any:
        self.rounds += 1
        yield from torch.randperm(SAMPLES, generator=self.generator).tolist()


def shuffled(**options: Any) -> DataLoader[Any]:
    return DataLoader(samples(), batch_size=4, **{"shuffle": True, **options})


def sampled(sampler: Sampler[int]) -> DataLoader[Any]:
    return DataLoader(samples(), batch_size=4, sampler=sampler)


def seeded_random_sampler() -> RandomSampler:
    return RandomSampler(range(SAMPLES), generator=torch.Generator().manual_seed(2))


# ---------------------------------------------------------------------- what is watched
class Watcher(Callback):
    """Writes down every hook that Lightning calls on it, with its arguments and what it could see."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def state_dict(self) -> dict[str, Any]:
        return {"calls": len(self.calls)}


def _watch(name: str) -> Callable[..., None]:
    def hook(self: Watcher, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        metrics = plain(dict(trainer.callback_metrics))
        lrs = [[float(group["lr"]) for group in optimizer.param_groups] for optimizer in trainer.optimizers]
        seen = plain([a for a in args if not isinstance(a, torch.optim.Optimizer)])
        self.calls.append((name, seen, plain(kwargs), trainer.global_step, trainer.current_epoch, metrics, lrs))

    return hook


for _name in [name for name in vars(Callback) if name.startswith("on_") and "checkpoint" not in name] + [
    "setup",
    "teardown",
]:
    setattr(Watcher, _name, _watch(_name))


class MemoryLogger(Logger):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Any] = []

    name = "memory"
    version = 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if not any(name.startswith("range_test/") for name in metrics):
            self.entries.append((plain(metrics), step))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        self.entries.append("hyperparameters")


def plain(thing: Any, seen: tuple[int, ...] = ()) -> Any:
    """Nested tuples of numbers and bytes, whatever `thing` is; equal if and only if the things are, bit for bit."""
    if id(thing) in seen:
        return "seen"
    seen = (*seen, id(thing))
    if isinstance(thing, Tensor):
        return (
            str(thing.dtype),
            tuple(thing.shape),
            bytes(thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()),
        )
    if isinstance(thing, np.ndarray):
        return (str(thing.dtype), thing.shape, thing.tobytes())
    if isinstance(thing, torch.Generator):
        return plain(thing.get_state())
    if isinstance(thing, np.random.Generator):
        return plain(thing.bit_generator.state, seen)
    if isinstance(thing, random.Random):
        return thing.getstate()
    if isinstance(thing, dict):
        return tuple((plain(key, seen), plain(value, seen)) for key, value in thing.items())
    if isinstance(thing, list | tuple | deque):
        return tuple(plain(value, seen) for value in thing)
    if isinstance(thing, nn.Module | Dataset | Sampler):
        return (
            type(thing).__name__,
            plain({k: v for k, v in vars(thing).items() if k not in ("_trainer", "_current_fx_name")}, seen),
        )
    if thing is None or isinstance(thing, int | float | str | bytes | bool):
        return (type(thing).__name__, repr(thing))
    return type(thing).__name__


def random_states() -> Any:
    return plain([torch.get_rng_state(), random.getstate(), np.random.get_state()])


def seed_all(seed: int = 0) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def everything(
    trainer: Trainer, module: LightningModule, data: Any, watcher: Watcher, logger: MemoryLogger
) -> dict[str, Any]:
    """All that must be the same with and without a range test."""
    return {
        "hooks of the other callback": watcher.calls,
        "logged": logger.entries,
        "weights": plain(dict(module.state_dict())),
        "module and its attributes": plain(module),
        "optimizers": [plain(optimizer.state_dict()) for optimizer in trainer.optimizers],
        "schedulers": [plain(config.scheduler.state_dict()) for config in trainer.lr_scheduler_configs],
        "random states": random_states(),
        "data": plain(
            [vars(data)] if not isinstance(data, DataLoader) else [data.dataset, data.sampler, data.generator]
        ),
        "loops": plain(trainer.fit_loop.state_dict()),
        "metrics": plain(dict(trainer.callback_metrics)),
        "gradient scaler": plain(trainer.precision_plugin.state_dict()),
        "hooks on optimizers": [
            (len(o._optimizer_step_pre_hooks), len(o._optimizer_step_post_hooks)) for o in trainer.optimizers
        ],
        "gradients": [plain(parameter.grad) for parameter in module.parameters()],
    }
