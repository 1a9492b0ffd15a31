"""What a step costs: an LR update of each callback beside torch's schedulers and beside the floor, in one run.

    python benchmarks/overhead.py [--quick]

The numbers are taken in turns and the smallest of each is shown, so that what else the machine does hits all alike. An
update of ours is what the optimizer's hook does after a step; torch's is ``scheduler.step()`` (which its users call
beside the optimizer's step). The floor is a Python loop that writes one float into each group. Whole fits are ratios of
medians.
"""

from __future__ import annotations

import argparse
import gc
import logging
import platform
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.optim import Optimizer, lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

import lr_callbacks as lrc
from lr_callbacks.driver import Driver
from lr_callbacks.horizon import Horizon

TOTAL, EPOCH = 10**8, 1000
TORCH: dict[str, Callable[[Optimizer], Any]] = {
    "torch OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=TOTAL),
    "torch CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, EPOCH),
    "torch StepLR": lambda o: lr_scheduler.StepLR(o, EPOCH),
    "torch SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, total_iters=100), lr_scheduler.CosineAnnealingLR(o, TOTAL)], [100]
    ),
}
OURS: dict[str, Callable[[], list[Any]]] = {
    "Warmup": lambda: [lrc.Warmup(TOTAL)],
    "OneCycle": lambda: [lrc.OneCycle()],
    "SGDR": lambda: [lrc.SGDR(EPOCH)],
    "ReduceLROnPlateau": lambda: [lrc.ReduceLROnPlateau("val_loss")],
    "StepDecay": lambda: [lrc.StepDecay(EPOCH)],
    "MultiStepDecay": lambda: [lrc.MultiStepDecay([1000, 2000])],
    "ExponentialDecay": lambda: [lrc.ExponentialDecay(gamma=0.999999)],
    "PolynomialDecay": lambda: [lrc.PolynomialDecay(power=2.0)],
    "LinearDecay": lambda: [lrc.LinearDecay()],
    "ConstantFactor": lambda: [lrc.ConstantFactor(total_steps=EPOCH)],
    "CosineAnnealing": lambda: [lrc.CosineAnnealing()],
    "CyclicalLR": lambda: [lrc.CyclicalLR(base_lr=0.01, step_size_up=EPOCH)],
    "InverseSqrt": lambda: [lrc.InverseSqrt(timescale=100)],
    "WarmupStableDecay": lambda: [lrc.WarmupStableDecay(warmup_steps=100, decay_steps=100)],
    "Rex": lambda: [lrc.Rex()],
    "Warmup x SGDR x ReduceLROnPlateau": lambda: [lrc.Warmup(100), lrc.SGDR(EPOCH), lrc.ReduceLROnPlateau("val_loss")],
}


def optimizer(groups: int) -> Optimizer:
    """SGD with momentum and so many groups of one parameter, all of one LR."""
    built = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1, momentum=0.9)
    first = built.param_groups[0]  # copied, for torch takes quadratic time to add groups
    built.param_groups += [{**first, "params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups - 1)]
    return built


def update_of(callbacks: list[Any], groups: int) -> Callable[[], None]:
    """One LR update of ours, hook and all."""
    built = optimizer(groups)
    driver = Driver(built, 0, callbacks)
    driver.start(Horizon(TOTAL, ((0, EPOCH),)), resumed=False, finetuned=False, steps_if_not_restored=0)
    hook = next(iter(built._optimizer_step_post_hooks.values()))
    return lambda: hook(built, (), {})


def update_of_torch(scheduler: Callable[[Optimizer], Any], groups: int) -> Callable[[], None]:
    """One LR update of torch's."""
    built = optimizer(groups)
    made = scheduler(built)
    built.step()
    return made.step


def floor_of(groups: int) -> Callable[[], None]:
    """A Python loop that writes one float into each group."""
    built = optimizer(groups)

    def write() -> None:
        for group in built.param_groups:
            group["lr"] = 0.1

    return write


def microseconds(updates: dict[str, Callable[[], None]], calls: int, rounds: int) -> dict[str, float]:
    """The smallest time of a call of each, taken in turns."""
    best = dict.fromkeys(updates, float("inf"))
    for _ in range(rounds):
        for name, update in updates.items():
            gc.collect()
            begun = time.perf_counter()
            for _ in range(calls):
                update()
            best[name] = min(best[name], (time.perf_counter() - begun) / calls * 1e6)
    return best


def updates_table(sizes: list[int], rounds: int, calls_per_group: int) -> None:
    """Print microseconds per update, and the ratios that are promised."""
    print("| update (microseconds) | " + " | ".join(f"{size} groups" for size in sizes) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    rows: dict[str, list[float]] = {}
    for size in sizes:
        updates = {"floor: one float into each group": floor_of(size)}
        updates |= {name: update_of_torch(scheduler, size) for name, scheduler in TORCH.items()}
        updates |= {name: update_of(make(), size) for name, make in OURS.items()}
        for name, value in microseconds(updates, max(3, calls_per_group // size), rounds).items():
            rows.setdefault(name, []).append(value)
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    torch_one_cycle, floor = rows["torch OneCycleLR"], rows["floor: one float into each group"]
    print("\n| ratio | " + " | ".join(f"{size} groups" for size in sizes) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    for name in OURS:
        written = 2 if name in ("OneCycle", "CyclicalLR") else 1
        ratios = [f"{value / theirs:.3f}" for value, theirs in zip(rows[name], torch_one_cycle, strict=True)]
        print(f"| {name} / torch OneCycleLR | " + " | ".join(ratios) + " |")
        ratios = [f"{value / written / low:.1f}" for value, low in zip(rows[name], floor, strict=True)]
        print(f"| {name} / floor, per value written | " + " | ".join(ratios) + " |")


class Tiny(LightningModule):
    """A module whose step takes about a millisecond, with torch's OneCycleLR or without a scheduler."""

    def __init__(self, native: bool, steps: int) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))
        self.native, self.steps = native, steps

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return self.net(batch[0]).square().mean()

    def configure_optimizers(self) -> Any:
        built = torch.optim.AdamW(self.parameters(), 1e-3)
        if not self.native:
            return built
        scheduler = lr_scheduler.OneCycleLR(built, max_lr=1e-3, total_steps=self.steps)
        return [built], [{"scheduler": scheduler, "interval": "step"}]


def seconds_of_fit(callbacks: list[Any], native: bool, steps: int) -> float:
    """The time of a whole fit."""
    torch.manual_seed(0)
    data = DataLoader(TensorDataset(torch.randn(steps * 32, 64)), batch_size=32)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(max_epochs=1, callbacks=callbacks, accelerator="cpu", **quiet)
    module = Tiny(native, steps)
    begun = time.perf_counter()
    trainer.fit(module, data)
    return time.perf_counter() - begun


def fits_table(steps: int, rounds: int) -> None:
    """Print whole fits as ratios of medians."""
    kinds: dict[str, tuple[Callable[[], list[Any]], bool]] = {
        "no schedule": (list, False),
        "native OneCycleLR": (list, True),
        "OneCycle": (lambda: [lrc.OneCycle()], False),
        "Warmup, SGDR": (lambda: [lrc.Warmup("5%"), lrc.SGDR("10%")], False),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, (make, native) in kinds.items():
            times[name].append(seconds_of_fit(make(), native, steps))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"\n| fit of {steps} steps | ms a step | / no schedule | / native OneCycleLR |\n|---|---|---|---|")
    for name, median in medians.items():
        none, native_one = median / medians["no schedule"], median / medians["native OneCycleLR"]
        print(f"| {name} | {median / steps * 1e3:.3f} | {none:.3f} | {native_one:.3f} |")


def memory(updates: int) -> None:
    """Print how much memory is allocated after many updates, beyond what was after the first thousand."""
    update = update_of([lrc.Warmup(100), lrc.SGDR(EPOCH), lrc.ReduceLROnPlateau("val_loss")], 10)
    for _ in range(1000):
        update()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(updates):
        update()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    print(f"\nmemory after {updates} more updates: {grown:+d} bytes")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Few sizes and rounds, to see that it runs.")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}\n")
    updates_table([1, 100] if quick else [1, 10, 100, 1000, 10000], 2 if quick else 5, 200 if quick else 10000)
    fits_table(20 if quick else 500, 1 if quick else 5)
    memory(1000 if quick else 1_000_000)


if __name__ == "__main__":
    main()
