"""What the tests share: a small module, a recorder of the LRs that optimizer.step saw, and a quiet Trainer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

OptimizerFactory = Callable[[list[dict[str, Any]]], Optimizer]


def sgd(lrs: Sequence[float] = (0.1,), **kwargs: Any) -> OptimizerFactory:
    """SGD with momentum 0.9 and one group for each LR."""
    return _factory(torch.optim.SGD, lrs, {"momentum": 0.9, **kwargs})


def adam(lrs: Sequence[float] = (0.1,), **kwargs: Any) -> OptimizerFactory:
    return _factory(torch.optim.Adam, lrs, kwargs)


def adamw(lrs: Sequence[float] = (0.1,), **kwargs: Any) -> OptimizerFactory:
    return _factory(torch.optim.AdamW, lrs, kwargs)


def _factory(cls: type[Optimizer], lrs: Sequence[float], kwargs: dict[str, Any]) -> OptimizerFactory:
    def build(parts: list[Any]) -> Optimizer:
        groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in zip(parts, lrs, strict=False)]
        return cls(groups, lr=lrs[0], **kwargs)

    return build


class Net(LightningModule):
    """Two linear layers, each a group of its own where the optimizer has two; logs train_loss and val_loss."""

    def __init__(self, optimizer: OptimizerFactory | None = None, metrics: Sequence[float] = ()) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 1)
        self.make_optimizer = optimizer or sgd()
        self.metrics = list(metrics)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.body(x)))

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = (self(batch[0]) - batch[1]).square().mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", (self(batch[0]) - batch[1]).square().mean())
        if self.metrics:
            epoch = min(self.trainer.current_epoch, len(self.metrics) - 1)
            self.log("scripted", torch.tensor(self.metrics[epoch]))

    def configure_optimizers(self) -> Any:
        return self.make_optimizer([self.body, self.head])


def loader(batches: int = 10, batch_size: int = 2) -> DataLoader[Any]:
    """Fixed data in a fixed order."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batches * batch_size, 4, generator=generator)
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=batch_size)


class Recorder(Callback):
    """Writes down LR and momentum of every group as optimizer.step sees them."""

    def __init__(self) -> None:
        self.lrs: dict[int, list[list[float]]] = {}
        self.momenta: dict[int, list[list[float]]] = {}
        self.hooks: list[Any] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for index, optimizer in enumerate(trainer.optimizers):
            self.lrs[index], self.momenta[index] = [], []
            self.hooks.append(optimizer.register_step_pre_hook(self._recording(index)))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        while self.hooks:
            self.hooks.pop().remove()

    def _recording(self, index: int) -> Callable[..., None]:
        def record(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            self.lrs[index].append([float(group["lr"]) for group in optimizer.param_groups])
            momenta = [g["betas"][0] if "betas" in g else g.get("momentum", 0.0) for g in optimizer.param_groups]
            self.momenta[index].append([float(m) for m in momenta])

        return record

    def of_group(self, group: int = 0, optimizer: int = 0) -> list[float]:
        return [lrs[group] for lrs in self.lrs[optimizer] if group < len(lrs)]


def trainer(*callbacks: Callback, **kwargs: Any) -> Trainer:
    """A Trainer that writes nothing and shows nothing."""
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(callbacks=list(callbacks), **{**quiet, **kwargs})


def fit(
    *callbacks: Callback,
    module: LightningModule | None = None,
    batches: int = 10,
    val: bool = False,
    ckpt_path: str | None = None,
    seed: int = 0,
    **kwargs: Any,
) -> Recorder:
    """Train for real and give back what every step saw."""
    torch.manual_seed(seed)
    recorder = Recorder()
    module = module or Net()
    data = {"train_dataloaders": loader(batches), **({"val_dataloaders": loader(2)} if val else {})}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*your dataloader is not resumable.*")  # Lightning's, of mid-epoch resumes
        warnings.filterwarnings("ignore", ".*callbacks used to create the checkpoint need to be provided.*")
        trainer(*callbacks, recorder, **{"max_epochs": 1, **kwargs}).fit(module, ckpt_path=ckpt_path, **data)
    return recorder


def native(
    scheduler: Callable[[Optimizer], Any], steps: int, optimizer: OptimizerFactory | None = None
) -> tuple[list[list[float]], list[list[float]]]:
    """LRs and momenta of a torch scheduler stepped after each optimizer step, without Lightning."""
    built = (optimizer or sgd())([nn.Linear(2, 2), nn.Linear(2, 2)])
    sched = scheduler(built)
    lrs, momenta = [], []
    for _ in range(steps):
        lrs.append([float(group["lr"]) for group in built.param_groups])
        momenta.append([g["betas"][0] if "betas" in g else g["momentum"] for g in built.param_groups])
        built.step()
        sched.step()
    return lrs, momenta
