"""Modules, callbacks and data of the golden file's configurations, resumes and combinations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from golden import Used
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import BackboneFinetuning
from support import Net, OptimizerFactory, adamw, sgd
from torch import nn
from torch.optim import lr_scheduler

import lr_callbacks as lc
from lr_callbacks.demo import DigitsClassifier

METRICS = [3.0, 2.0, 2.0, 2.5, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
"""What evaluations find: the same on every machine."""


class Tiny(DigitsClassifier):
    """Takes the optimizer of a configuration, trains next to nothing, and logs metrics that are the same everywhere."""

    used: Used

    def configure_callbacks(self) -> list[Callback]:
        return [self.used]

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return self.net[-1].bias.square().sum()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", torch.tensor(METRICS[min(self.current_epoch, len(METRICS) - 1)]))


class Scripted(Net):
    """Logs a metric that is a function of the steps taken, so that a resumed run sees the same one."""

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("scripted", torch.tensor(METRICS[max(self.trainer.global_step // 5 - 1, 0) % len(METRICS)]))


class Layers(Scripted):
    """As many layers as there are LRs, each a group of its own."""

    def __init__(self, lrs: list[float], make: Callable[..., OptimizerFactory] = sgd, **options: Any) -> None:
        super().__init__(make(lrs, **options))
        self.layers = nn.ModuleList(nn.Linear(4, 1) for _ in lrs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return sum(layer(x) for layer in self.layers)

    def configure_optimizers(self) -> Any:
        return self.make_optimizer(list(self.layers))


class ByHand(Scripted):
    """Two optimizers, driven by hand, of which the second steps on every second batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        for number, optimizer in enumerate(self.optimizers()):
            if batch_idx % (number + 1) == 0:
                optimizer.zero_grad()
                self.manual_backward(super().training_step(batch, batch_idx))
                optimizer.step()

    def configure_optimizers(self) -> Any:
        first = torch.optim.SGD(self.body.parameters(), lr=0.1, momentum=0.9)
        return [first, torch.optim.Adam(self.head.parameters(), lr=0.02)]


class Backboned(Scripted):
    """The head alone is trained at first; ``BackboneFinetuning`` adds the backbone as a second group."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(x))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.head.parameters(), lr=0.1)


class SaveAtBatch(Callback):
    """Saves a checkpoint when so many batches have been trained."""

    def __init__(self, path: str, batch: int) -> None:
        self.path, self.batch, self.seen = path, batch, 0

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        self.seen += 1
        if self.seen == self.batch:
            trainer.save_checkpoint(self.path)


def adam_on_tensors(lrs: Sequence[float]) -> OptimizerFactory:
    """Adam whose LRs are tensors."""
    return lambda parts: torch.optim.Adam(
        [{"params": list(part.parameters()), "lr": torch.tensor(lr)} for part, lr in zip(parts, lrs, strict=True)],
        foreach=False,
    )


def plateau(**options: Any) -> lc.ReduceLROnPlateau:
    return lc.ReduceLROnPlateau("scripted", **{"patience": 0, "factor": 0.5, **options})


def finetuning() -> BackboneFinetuning:
    return BackboneFinetuning(1, lambda_func=steady, backbone_initial_ratio_lr=0.1, should_align=False)


def steady(epoch: int) -> float:
    return 1.0


def fade(step: int) -> float:
    return 7 / (7 + step)


def jump(step: int) -> float:
    return 1.0 - 0.3 / step


@dataclass(frozen=True)
class Combination:
    """Callbacks, a module and the options of its fit."""

    callbacks: Callable[[], list[Callback]]
    module: Callable[[], Net] = lambda: Scripted(sgd((0.1, 0.03)))
    options: dict[str, Any] = field(default_factory=lambda: {"batches": 5, "max_epochs": 5})


@dataclass(frozen=True)
class Resume(Combination):
    """One that is saved after so many batches, and resumed from there."""

    batch: int = 12


LAYERWISE = [0.1 * 0.65**n for n in range(6)]
LONG = {"batches": 100, "max_epochs": 3}

RESUMES: dict[str, Resume] = {
    "warm-up and one-cycle": Resume(lambda: [lc.Warmup("20%"), lc.OneCycle(start="20%")]),
    "one-cycle with three phases to a maximum LR": Resume(
        lambda: [lc.OneCycle(max_lr=0.7, three_phase=True, anneal_strategy="linear")], batch=9
    ),
    "restarts and plateau": Resume(
        lambda: [plateau(), lc.SGDR(4, T_mult=1.5, eta_min=0.001, cycle_decay=0.8, cycle_warmup=1)], batch=13
    ),
    "torch's CyclicLR by step": Resume(
        lambda: [lc.TorchScheduler(lr_scheduler.CyclicLR, base_lr=0.01, max_lr=0.2, step_size_up=3)]
    ),
    "torch's StepLR by epoch": Resume(
        lambda: [lc.TorchScheduler(lr_scheduler.StepLR, interval="epoch", step_size=2, gamma=0.3)]
    ),
    "cyclical with momentum": Resume(
        lambda: [lc.CyclicalLR(0.01, 0.3, step_size_up=4, step_size_down=7, mode="exp_range", gamma=0.97)], batch=17
    ),
    "two optimizers by hand": Resume(
        lambda: [lc.SGDR(6, optimizer=0), lc.OneCycle(total_steps=12, optimizer=1)], ByHand, batch=11
    ),
    "groups added by BackboneFinetuning": Resume(
        lambda: [lc.SGDR("100%", eta_min=0.001), finetuning()], Backboned, batch=10
    ),
    "layer-wise LRs to an absolute minimum": Resume(
        lambda: [lc.Warmup(3), lc.CosineAnnealing(eta_min=0.002)], lambda: Layers(LAYERWISE)
    ),
    "warm-up, stable, decay": Resume(lambda: [lc.WarmupStableDecay("10%", "40%", "1-sqrt", end_factor=0.01)], batch=19),
    "functions of the user": Resume(lambda: [lc.LambdaFactor(fade), lc.MultiplicativeFactor(jump)], batch=14),
    "every decay at once": Resume(
        lambda: [
            lc.ExponentialDecay(0.97),
            lc.InverseSqrt(9),
            lc.StepDecay("1 epoch", gamma=0.9, interval="epoch"),
            lc.MultiStepDecay([4, 11, 18], gamma=0.7),
            lc.ConstantFactor(6, 0.4),
        ],
        batch=8,
    ),
    "in the middle of a long run": Resume(
        lambda: [lc.Warmup(37, shape="cosine"), lc.PolynomialDecay(power=1.7, end_lr=0.0003)],
        lambda: Layers(LAYERWISE, adamw),
        LONG,
        batch=271,
    ),
}

COMBINATIONS: dict[str, Combination] = {
    "warm-up, restarts and plateau with absolute floors over three groups": Combination(
        lambda: [
            lc.Warmup(4, shape="exponential", start_factor=0.01),
            lc.SGDR(5, T_mult=2, eta_min=0.003, cycle_decay=0.7),
            plateau(min_lr=0.004),
        ],
        lambda: Layers([0.1, 0.02, 0.005]),
        {"batches": 10, "max_epochs": 6},
    ),
    "100 groups under a linear one-cycle": Combination(
        lambda: [lc.OneCycle(anneal_strategy="linear")],
        lambda: Layers([0.1 * 0.97**n for n in range(100)]),
        {"batches": 60, "max_epochs": 1},
    ),
    "100 groups under a one-cycle to a maximum LR": Combination(
        lambda: [lc.OneCycle(max_lr=0.37, pct_start=0.17)],
        lambda: Layers([0.1 * 0.97**n for n in range(100)], adamw),
        {"batches": 60, "max_epochs": 1},
    ),
    "100 groups to an absolute minimum": Combination(
        lambda: [lc.Warmup("5%"), lc.CosineAnnealing(eta_min=0.003)],
        lambda: Layers([0.1 * 0.97**n for n in range(100)]),
        {"batches": 60, "max_epochs": 1},
    ),
    "AdamW with betas": Combination(
        lambda: [lc.OneCycle(base_momentum=0.8, max_momentum=0.93)],
        lambda: Layers([0.01, 0.003], adamw, betas=(0.88, 0.99)),
    ),
    "an LR that is a tensor": Combination(
        lambda: [lc.Warmup(3), lc.CosineAnnealing(eta_min=0.003), plateau()],
        lambda: Layers([0.1, 0.07], adam_on_tensors),
    ),
    "cycles in every mode": Combination(
        lambda: [
            lc.CyclicalLR(0.013, step_size_up=3, mode="triangular2", groups=0),
            lc.CyclicalLR(0.001, 0.2, step_size_up=5, step_size_down=2, cycle_momentum=False, groups=1),
            lc.CyclicalLR(0.002, step_size_up="10%", mode="exp_range", gamma=0.93, cycle_momentum=False, groups=2),
        ],
        lambda: Layers([0.1, 0.03, 0.02]),
    ),
    "some groups each": Combination(
        lambda: [lc.Warmup(5), lc.Rex(groups=0), lc.LinearDecay(groups=[1, 2]), lc.StepDecay(7, gamma=0.3, groups=2)],
        lambda: Layers([0.1, 0.03, 0.007]),
    ),
    "starts within the run, and by epoch": Combination(
        lambda: [
            lc.CosineAnnealing(0.001, total_steps="2 epochs", start="1 epoch", interval="epoch", groups=0),
            lc.PolynomialDecay(0.7, end_lr=0.004, total_steps="40%", start=6, groups=1),
            lc.ExponentialDecay(0.5, interval="epoch", groups=2),
        ],
        lambda: Layers([0.1, 0.03, 0.007]),
    ),
    "chunks of a long run": Combination(
        lambda: [
            lc.Warmup(100, shape="cosine"),
            lc.SGDR(97, T_mult=1.3, eta_min=0.0007, cycle_warmup=11),
            lc.MultiplicativeFactor(jump),
        ],
        lambda: Layers([0.1, 0.03]),
        {"batches": 300, "max_epochs": 3},
    ),
    "a LambdaFactor for each group": Combination(
        lambda: [lc.LambdaFactor(fade, groups=0), lc.LambdaFactor(fade, interval="epoch", groups=1), plateau(groups=1)],
        lambda: Layers([0.1, 0.03]),
    ),
    "restarts with ramps, falling and level, above and below their floors": Combination(
        lambda: [
            lc.SGDR(7, T_mult=1.3, eta_min=0.003, cycle_decay=0.6, cycle_warmup=3, groups=0),
            lc.SGDR(6, eta_min=0.002, cycle_warmup=4, groups=1),
            lc.SGDR(5, T_mult=2, eta_min=0.013, cycle_decay=0.5, cycle_warmup=3, groups=2),
            lc.SGDR(9, eta_min=0.013, groups=3),
        ],
        lambda: Layers([0.1, 0.03, 0.011, 0.012]),
        {"batches": 10, "max_epochs": 4},
    ),
    "linear one-cycles in three phases, one to a maximum LR": Combination(
        lambda: [
            lc.OneCycle(0.23, 31, 0.3, "linear", div_factor=7.0, three_phase=True, groups=[0, 1]),
            lc.OneCycle(None, "60%", 0.37, "linear", final_div_factor=30.0, cycle_momentum=False, groups=[2]),
        ],
        lambda: Layers([0.1, 0.03, 0.007]),
        {"batches": 10, "max_epochs": 4},
    ),
    "one-cycles too short for torch": Combination(
        lambda: [
            lc.OneCycle(total_steps=1, groups=0),
            lc.OneCycle(total_steps=2, groups=1),
            lc.OneCycle(total_steps=3, three_phase=True, groups=2),
            lc.OneCycle(pct_start=0.0, groups=3),
            lc.OneCycle(pct_start=1.0, anneal_strategy="linear", groups=4),
        ],
        lambda: Layers([0.1, 0.03, 0.007, 0.05, 0.06]),
        {"batches": 7, "max_epochs": 1},
    ),
    "natural exponentials and staircases": Combination(
        lambda: [
            lc.ExponentialDecay(rate=0.3, step_size=4, groups=0),
            lc.ExponentialDecay(rate=0.3, step_size=4, staircase=True, offset=1, groups=1),
            lc.ExponentialDecay(0.8, step_size=3, offset=1, groups=2),
            lc.ExponentialDecay(0.8, step_size=3, staircase=True, groups=3),
            lc.StepDecay(3, gamma=0.7, offset=1, groups=4),
        ],
        lambda: Layers([0.1, 0.03, 0.007, 0.05, 0.06]),
    ),
    "a polynomial to an absolute end over groups, REX and lines to shares": Combination(
        lambda: [
            lc.PolynomialDecay(2.3, end_lr=0.005, groups=[0, 1]),
            lc.Rex(end_factor=0.07, groups=2),
            lc.LinearDecay(0.03, 0.8, total_steps=13, groups=[3]),
            lc.WarmupStableDecay(4, 9, "cosine", start_factor=0.1, end_factor=0.05, groups=[4]),
        ],
        lambda: Layers([0.1, 0.03, 0.007, 0.05, 0.06]),
    ),
}
