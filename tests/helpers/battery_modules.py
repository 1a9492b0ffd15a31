"""The modules that the battery of trainers needs."""

from __future__ import annotations

from typing import Any

import torch
from support import Net, OptimizerFactory, loader, sgd
from torch import nn
from torch.optim import Optimizer


def sgd_with(**options: Any) -> OptimizerFactory:
    """SGD over all parameters in one group."""
    return lambda parts: torch.optim.SGD(nn.ModuleList(parts).parameters(), **{"lr": 0.1, **options})


def adam_with(**options: Any) -> OptimizerFactory:
    """Adam over all parameters in one group."""
    return lambda parts: torch.optim.Adam(nn.ModuleList(parts).parameters(), **{"lr": 0.1, **options})


def lbfgs(parts: list[Any]) -> Optimizer:
    """Evaluates its closure several times a step."""
    return torch.optim.LBFGS(nn.ModuleList(parts).parameters(), lr=0.1, max_iter=3)


def one_param_group(parts: list[Any]) -> Optimizer:
    """SGD without momentum."""
    return torch.optim.SGD(nn.ModuleList(parts).parameters(), lr=0.1)


class Overflowing(Net):
    """The gradients of the batches given are infinite, as fp16 makes them at times."""

    def __init__(self, bad: set[int], optimizer: OptimizerFactory | None = None) -> None:
        super().__init__(optimizer or sgd((0.1,)), [1.0])
        self.bad = bad

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss * torch.inf if batch_idx in self.bad and not self.trainer.sanity_checking else loss


class GivesItsLoader(Net):
    """Has a training loader of its own, a new one each time that it is asked."""

    def __init__(self) -> None:
        super().__init__(sgd((0.1,)), [1.0])

    def train_dataloader(self) -> Any:
        return loader(4)


class TakesTwoBatches(Net):
    """Trains on the first of two."""

    def __init__(self) -> None:
        super().__init__(sgd((0.1,)), [1.0])

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return super().training_step(batch[0], batch_idx)


class SkipsSteps(Net):
    """Decides in its own ``optimizer_step`` to take every second step only."""

    def __init__(self) -> None:
        super().__init__(sgd((0.1,)), [1.0])

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        if batch_idx % 2:
            optimizer.step(closure=optimizer_closure)
        else:
            optimizer_closure()


class WithLR(Net):
    """Has the attribute that Lightning's LearningRateFinder sets."""

    def __init__(self) -> None:
        super().__init__(None, [1.0])
        self.lr = 0.1

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Backboned(Net):
    """The head alone is trained at first; ``BackboneFinetuning`` adds the backbone as a second group."""

    def __init__(self) -> None:
        super().__init__(sgd((0.1,)), [1.0])
        self.backbone = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.head.parameters(), lr=0.1, momentum=0.9)


class ByHand(Net):
    """Manual optimization; one optimizer for each name in `every`, which steps on every so many batches."""

    every: tuple[int, ...] = (1,)

    def __init__(self) -> None:
        super().__init__(None, [1.0])
        self.automatic_optimization = False
        self.parts = nn.ModuleList(nn.Linear(4, 1) for _ in self.every)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        optimizers = self.optimizers()
        for part, optimizer, every in zip(
            self.parts, optimizers if isinstance(optimizers, list) else [optimizers], self.every, strict=True
        ):
            if batch_idx % every == 0:
                loss = (part(batch[0]) - batch[1]).square().mean()
                optimizer.zero_grad()
                self.manual_backward(loss)
                optimizer.step()
        return loss.detach()

    def configure_optimizers(self) -> Any:
        classes = (torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop)
        return [
            cls(part.parameters(), lr=lr) for cls, part, lr in zip(classes, self.parts, (0.1, 0.2, 0.3), strict=False)
        ]


class Twins(ByHand):
    """The second optimizer steps on every other batch."""

    every = (1, 2)


class Three(ByHand):
    every = (1, 1, 1)


class Unloved(Net):
    """Trains nothing: ``configure_optimizers`` returns None."""

    def configure_optimizers(self) -> None:
        return None
