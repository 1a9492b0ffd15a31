"""Modules and data for fits in spawned processes, where they must be importable."""

from __future__ import annotations

import atexit
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset
from trace_support import Busy

from lr_callbacks.core import wall_clock
from lr_callbacks.range_test.callback import LRRangeTest


class Suggestions(Callback):
    """Writes what each rank found, and what it trained to, next to each other."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tests = [callback for callback in trainer.callbacks if isinstance(callback, LRRangeTest)]
        found = {
            "results": [test.result.to_dict() for test in tests if test.result],
            "lr": [group["lr"] for group in trainer.optimizers[0].param_groups],
            "weights": pl_module.state_dict(),
            "rng": torch.get_rng_state(),
            "losses": list(pl_module.losses),  # type: ignore[arg-type]
        }
        torch.save(found, f"{self.folder}/rank{trainer.global_rank}.pt")
        atexit.register(torch.distributed.destroy_process_group)  # or gloo's threads may abort a spawned process


class RankBusy(Busy):
    """Sees another loss on each rank. torch cannot send a generator to a spawned process, so it has none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator = None

    def loss_of(self, batch: Any) -> torch.Tensor:
        return super().loss_of(batch) + float(self.global_rank)


class Exact(LightningModule):
    """Whole numbers, means over powers of two, an LR that is one: exact in any order of summation.

    Two fits of a usual module on two ranks differ in last bits from run to run, whatever callbacks they have.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        self.losses: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x = batch[0].double() + torch.randint(0, 8, (4, 4))
        self.total += x.sum()
        loss = (self.weight * x.mean(0)).sum()
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=2.0**-6)


def whole_numbers() -> DataLoader[Any]:
    """48 different rows, shuffled, so that the weights tell the order of the data."""
    x = torch.arange(48 * 4).reshape(48, 4)
    return DataLoader(TensorDataset(x * x % 97), batch_size=4, shuffle=True)


class RankClock(Callback):
    """Each rank's own clock goes wrong in its own way; the LRs that its steps used are written down."""

    def __init__(self, folder: str, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self.now = 0.0
        self.lrs: list[float] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.now = 1e6 * trainer.global_rank
        wall_clock.now = lambda: self.now

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.now += self.seconds * (1 + 2 * trainer.global_rank)
        self.lrs.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        torch.save(self.lrs, f"{self.folder}/lrs{trainer.global_rank}.pt")
