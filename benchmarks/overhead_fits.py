"""Whole fits for ``overhead.py``: with a schedule of ours, with torch's, and without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

import lr_callbacks as lrc

Make = Callable[[], list[Any]]
Times = dict[str, list[float]]


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Median of the ratios within a round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def verdict(passes: bool) -> str:
    return "PASS" if passes else "MISS"


class Tiny(LightningModule):
    """A module whose step takes about a millisecond, with torch's OneCycleLR or without a scheduler.

    It fits noise: a loss that a good LR brings to 0 would make the arithmetic itself depend on the LR.
    """

    def __init__(self, native: bool, steps: int) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))
        self.native, self.steps = native, steps

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return (self.net(batch[0]) - batch[1]).square().mean()

    def configure_optimizers(self) -> Any:
        built = torch.optim.AdamW(self.parameters(), 1e-3)
        if not self.native:
            return built
        scheduler = lr_scheduler.OneCycleLR(built, max_lr=1e-3, total_steps=self.steps)
        return [built], [{"scheduler": scheduler, "interval": "step"}]


def seconds_of_fit(callbacks: list[Any], native: bool, steps: int) -> float:
    """The time of a whole fit."""
    torch.manual_seed(0)
    data = DataLoader(TensorDataset(torch.randn(steps * 32, 64), torch.randn(steps * 32, 1)), batch_size=32)
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = Trainer(max_epochs=1, callbacks=callbacks, accelerator="cpu", **dict.fromkeys(quiet, False))
    module = Tiny(native, steps)
    begun = time.perf_counter()
    trainer.fit(module, data)
    return time.perf_counter() - begun


NONE, AGAIN, NATIVE, CYCLE = "no schedule", "no schedule, again", "native `OneCycleLR`", "`OneCycle`"
IDLE = "no schedule, a `Callback` that does nothing"
FITS: dict[str, tuple[Make, bool]] = {
    NONE: (list, False),
    NATIVE: (list, True),
    CYCLE: (lambda: [lrc.OneCycle()], False),
    "`Warmup`, `SGDR`": (lambda: [lrc.Warmup("5%"), lrc.SGDR("10%")], False),
    IDLE: (lambda: [Callback()], False),
    AGAIN: (list, False),
}


def measure_fits(steps: int, rounds: int) -> Times:
    """Milliseconds a step of whole fits, in turns, forth and back."""
    times: Times = {name: [] for name in FITS}
    for number in range(rounds):
        for name, (make, native) in list(FITS.items())[:: -1 if number % 2 else 1]:
            times[name].append(seconds_of_fit(make(), native, steps) / steps * 1e3)
    return times


def fit_ratios(times: Times) -> tuple[float, float, float, float]:
    """OneCycle over no schedule, native and an idle callback, and what noise alone makes of no schedule over itself."""
    return (
        ratio(times[CYCLE], times[NONE]),
        ratio(times[CYCLE], times[NATIVE]),
        ratio(times[CYCLE], times[IDLE]),
        abs(ratio(times[AGAIN], times[NONE]) - 1),
    )


def print_fits(times: Times) -> None:
    """Whole fits, and what is promised of them."""
    print("\n| fit | ms a step | / no schedule | / native OneCycleLR |\n|---|---|---|---|")
    for name, values in times.items():
        none, native = ratio(values, times[NONE]), ratio(values, times[NATIVE])
        print(f"| {name} | {statistics.median(values):.3f} | {none:.3f} | {native:.3f} |")
    none, native, idle, noise = fit_ratios(times)
    print(f"\nOneCycle / no schedule at most 1.03: {verdict(none <= 1.03)} ({none:.3f}, noise {noise:.3f})")
    print(f"OneCycle / native at most 1: {verdict(native <= 1 + max(0.01, noise))} ({native:.3f}, noise {noise:.3f})")
    print(f"OneCycle / a callback that does nothing and that Lightning calls six times a step: {idle:.3f}")
