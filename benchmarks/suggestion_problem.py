"""What a problem of `suggestion_problems.py` is, and the synthetic data and optimizers that several of them share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

Data = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Problem:
    """One training problem: what Lightning would find in a module and its loaders.

    Args:
        name: Key in the ground truth.
        build: Builds the untrained model; called under a fixed seed.
        optimizer: `(model, lr) -> Optimizer`; groups keep their ratio, `lr` is the largest one, of the first group.
        loss: `(model, x, y) -> ` mean loss of one batch.
        train: Training inputs and targets.
        val: Validation inputs and targets, without label noise.
        batch_size: Samples per optimizer step.
        steps: Optimizer steps of one full training run.
        grid: Decades of the ground truth's grid, both ends included.
    """

    name: str
    build: Callable[[], nn.Module]
    optimizer: Callable[[nn.Module, float], Optimizer]
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor]
    train: Data
    val: Data
    batch_size: int = 32
    steps: int = 300
    grid: tuple[float, float] = (-5.0, 1.0)

    def model(self, seed: int) -> nn.Module:
        """Return the untrained model of this seed, without touching the global random state."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build()

    def batches(self, seed: int, count: int) -> Iterator[Data]:
        """Yield `count` shuffled batches; epochs are without replacement, an incomplete last batch is dropped."""
        generator = torch.Generator().manual_seed(7919 + seed)
        x, y = self.train
        per_epoch = len(x) // self.batch_size
        order = torch.empty(0, dtype=torch.long)
        for i in range(count):
            if i % per_epoch == 0:
                order = torch.randperm(len(x), generator=generator)
            rows = order[(i % per_epoch) * self.batch_size :][: self.batch_size]
            yield x[rows], y[rows]

    @torch.no_grad()
    def validation_loss(self, model: nn.Module) -> float:
        """Return the loss on the validation data, in evaluation mode."""
        model.eval()
        loss = float(self.loss(model, *self.val))
        model.train()
        return loss


def split(x: Tensor, y: Tensor, held_out: int, clean: Tensor | None = None) -> tuple[Data, Data]:
    """Return training data, and the last `held_out` rows as validation data with `clean` targets where given."""
    target = y if clean is None else clean
    return (x[:-held_out], y[:-held_out]), (x[-held_out:], target[-held_out:])


def teacher(generator: torch.Generator, inputs: int, outputs: int, rows: int) -> tuple[Tensor, Tensor]:
    """Return standard normal inputs and the standardised outputs of a random two-layer tanh network."""
    x = torch.randn(rows, inputs, generator=generator)
    hidden = torch.tanh(x @ torch.randn(inputs, 24, generator=generator) / math.sqrt(inputs) * 2.0)
    y = hidden @ torch.randn(24, outputs, generator=generator)
    return x, (y - y.mean(0)) / y.std(0)


def images_data(generator: torch.Generator, rows: int, noise: float) -> tuple[Tensor, Tensor]:
    """Return 8 x 8 images of ten random smooth prototypes, shifted by up to one pixel, with additive noise."""
    coarse = torch.randn(10, 1, 4, 4, generator=generator)
    prototypes = F.interpolate(coarse, size=(8, 8), mode="bilinear", align_corners=False)
    y = torch.randint(10, (rows,), generator=generator)
    shifts = torch.randint(-1, 2, (rows, 2), generator=generator).tolist()
    x = torch.stack([prototypes[k].roll((a, b), (1, 2)) for k, (a, b) in zip(y.tolist(), shifts, strict=True)])
    return x + noise * torch.randn(x.shape, generator=generator), y


def sgd(momentum: float = 0.9, **more: object) -> Callable[[nn.Module, float], Optimizer]:
    """Return a maker of SGD over all parameters, with momentum 0.9 unless told otherwise."""
    return lambda model, lr: SGD(model.parameters(), lr=lr, momentum=momentum, **more)  # type: ignore[arg-type]


def using(cls: Callable[..., Optimizer], **more: object) -> Callable[[nn.Module, float], Optimizer]:
    """Return a maker of any optimizer over all parameters."""
    return lambda model, lr: cls(model.parameters(), lr=lr, **more)


def head_and_body(model: nn.Module, lr: float) -> Optimizer:
    """Return SGD with the last layer at `lr` and the pretrained body at a tenth of it."""
    assert isinstance(model, nn.Sequential)
    body = [p for layer in model[:-1] for p in layer.parameters()]
    return SGD([{"params": list(model[-1].parameters()), "lr": lr}, {"params": body, "lr": lr / 10}], momentum=0.9)


def body_and_head(model: nn.Module, lr: float) -> Optimizer:
    """Return AdamW with all layers but the last at `lr` and the last one at a fifth of it."""
    assert isinstance(model, nn.Sequential)
    body = [p for layer in model[:-1] for p in layer.parameters()]
    return AdamW([{"params": body, "lr": lr}, {"params": list(model[-1].parameters()), "lr": lr / 5}])
