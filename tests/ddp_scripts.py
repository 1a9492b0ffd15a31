"""Modules and data for fits in spawned processes, where they must be importable."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from trace_support import Busy

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


class RankBusy(Busy):
    """Sees another loss on each rank. torch cannot send a generator to a spawned process, so it has none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.generator = None

    def loss_of(self, batch: Any) -> torch.Tensor:
        return super().loss_of(batch) + float(self.global_rank)
