"""Fits on two ranks under strategies that shard."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy
from support import Net, Recorder, loader
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer

from lr_callbacks import LRRangeTest, OneCycle, lr_range_test


class Zero(Net):
    """Each rank keeps the optimizer's state of a part of the parameters."""

    def configure_optimizers(self) -> Any:
        return ZeroRedundancyOptimizer(self.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)


class Sharded(Net):
    """Each rank keeps a part of the parameters (FSDP2)."""

    def configure_model(self) -> None:
        for part in (self.body, self.head):
            fully_shard(part, mesh=self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class OnCPU(FSDPStrategy):
    """FSDP on the CPU: Lightning asks for GPUs where the strategy is ``FSDPStrategy`` itself."""


class Wrapped(Net):
    """Each rank keeps a part of the parameters (FSDP)."""

    def configure_model(self) -> None:
        if not isinstance(self.body, FullyShardedDataParallel):
            cpu = torch.device("cpu")
            self.body, self.head = (FullyShardedDataParallel(part, device_id=cpu) for part in (self.body, self.head))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


MODULES = {"zero": Zero, "sharded": Sharded, "fsdp": Wrapped}


def strategy_of(kind: str) -> Any:
    """The strategy, a new one for each fit."""
    if kind == "fsdp":
        return OnCPU(state_dict_type="sharded", process_group_backend="gloo")
    return "ddp" if kind == "zero" else sharding()


def sharding() -> ModelParallelStrategy:
    return ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1)


def run(folder: Path, name: str, *callbacks: Any, ckpt_path: Path | None = None) -> dict[str, Any]:
    """What a rank saw: the LRs of its steps, and the error if there was one."""
    kind, recorder = name.partition(",")[0], Recorder()
    trainer = Trainer(
        accelerator="cpu",
        devices=2,
        strategy=strategy_of(kind),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        callbacks=[*callbacks, recorder],
        max_epochs=2,
    )
    torch.manual_seed(0)
    module = MODULES[kind]()
    try:
        trainer.fit(module, loader(8), loader(2), ckpt_path=ckpt_path)
    except Exception as error:
        return {"error": str(error)}
    return {"lrs": recorder.of_group(), "weights": whole(module)}


def whole(module: Any) -> list[list[float]]:
    """All weights, gathered where they are sharded."""
    parameters = [getattr(parameter, "full_tensor", lambda p=parameter: p)() for parameter in module.parameters()]
    return [parameter.detach().flatten().tolist() for parameter in parameters]


def fits_of_a_rank(folder: Path) -> dict[str, Any]:
    """Under each strategy: a fit, its resume from the third step, and a range test."""
    warnings.simplefilter("ignore")
    seen = {}
    for name in MODULES:
        saver = ModelCheckpoint(folder, name, every_n_train_steps=3, enable_version_counter=False)
        seen[name] = run(folder, name, OneCycle(), saver)
        seen[f"{name}, resumed"] = run(folder, name, OneCycle(), ckpt_path=folder / f"{name}.ckpt")
        seen[f"{name}, tested"] = run(folder, name, test := LRRangeTest(num_steps=20, apply=False, trials=3))
        seen[f"{name}, suggested"] = None if test.result is None else test.result.suggestion
        seen[f"{name}, untested"] = run(folder, name)
    try:
        lr_range_test(Trainer(accelerator="cpu", devices=2, strategy=sharding(), logger=False), Sharded(), loader(8))
    except Exception as error:
        seen["one call"] = str(error)
    return seen
